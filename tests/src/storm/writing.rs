//! A storm's writes, removes and invalidations.

use std::time::Duration;

use guira_segment::{
    Add, Expiry, Fill, Flight, FlightEnd, Lookup, Put, PutOptions, Replace, StoreError, Swap,
};

use crate::record::{MIN_RECORD_BYTES, NO_TAG};
use crate::storm::history::TAGS;
use crate::storm::kind::Kind;
use crate::storm::worker::{Hand, key_bytes, tag_bytes};

/// Keys of large values, none of which is in the side namespace.
const FIRST_LARGE_KEY: u64 = 1 << 63;
const LARGE_KEYS: u64 = 16;
/// A value that grew to so many bytes is replaced, not appended to.
const MAX_APPENDED_BYTES: usize = 3_000;
/// How long a flight's owner may take, and how long it is waited for.
const FLIGHT_PATIENCE: Duration = Duration::from_millis(20);
const FLIGHT_WAIT: Duration = Duration::from_millis(10);

impl Hand<'_> {
    pub(super) fn put(&mut self, key: u64) {
        let (home, name) = (self.home(key), key_bytes(key));
        let tag = if self.random.one_in(5) {
            self.random.below(TAGS) as u16
        } else {
            NO_TAG
        };
        let value = self.value(key, tag);
        let options = PutOptions::from(self.expiry()).aligned(self.random.one_in(8));
        let tag_name = tag_bytes(tag);
        let tags = [tag_name.as_slice()];
        let options = if tag == NO_TAG {
            options
        } else {
            options.tags(&tags)
        };
        let result = self.timed(Kind::Put, || home.put_with(&name, &value, &options));
        self.was_put(key, result, Kind::Put);
    }

    /// Whatever came of a put, what was there before is gone.
    pub(super) fn was_put(&mut self, key: u64, result: Result<Put, StoreError>, kind: Kind) {
        let through = match self.accepted(key, result, kind) {
            Some(Put::Stored) => "a put",
            Some(Put::Superseded) => {
                self.superseded();
                "a superseded put"
            }
            None => "a put that failed",
        };
        self.history.key_gone(key, self.sequence, through);
    }

    pub(super) fn add(&mut self, key: u64) {
        let (home, name) = (self.home(key), key_bytes(key));
        let value = self.value(key, NO_TAG);
        let options = PutOptions::from(self.expiry());
        let result = self.timed(Kind::Add, || home.add(&name, &value, &options));
        match self.accepted(key, result, Kind::Add) {
            Some(Add::Stored) => self.history.key_gone(key, self.sequence, "an add"),
            Some(Add::Superseded) => self.superseded(),
            Some(Add::Exists) | None => {}
        }
    }

    pub(super) fn replace(&mut self, key: u64) {
        let (home, name) = (self.home(key), key_bytes(key));
        let value = self.value(key, NO_TAG);
        let options = PutOptions::from(self.expiry());
        let result = self.timed(Kind::Replace, || home.replace(&name, &value, &options));
        match self.accepted(key, result, Kind::Replace) {
            Some(Replace::Superseded) => self.superseded(),
            Some(Replace::NotFound) => self.history.key_missed(key, self.sequence),
            Some(Replace::Stored) | None => self.history.key_gone(key, self.sequence, "a replace"),
        }
    }

    pub(super) fn swap(&mut self, key: u64) {
        let (home, name) = (self.home(key), key_bytes(key));
        let Some(seen) = self.timed(Kind::Get, || home.get(&name)) else {
            return self.seen(key, None, "get before a swap");
        };
        self.seen(key, Some(&seen), "get before a swap");
        let version = seen.version();
        drop(seen);
        let value = self.value(key, NO_TAG);
        let options = PutOptions::from(self.expiry());
        let result = self.timed(Kind::Swap, || {
            home.compare_and_swap(&name, version, &value, &options)
        });
        match self.accepted(key, result, Kind::Swap) {
            Some(Swap::Stored) => self.history.key_gone(key, self.sequence, "a swap"),
            Some(Swap::Superseded) => self.superseded(),
            Some(Swap::Conflict(_) | Swap::NotFound) | None => {}
        }
    }

    pub(super) fn append(&mut self, key: u64) {
        let (home, name) = (self.home(key), key_bytes(key));
        let present = self.timed(Kind::Peek, || home.metadata(&name));
        if present.is_some_and(|metadata| metadata.value_bytes > MAX_APPENDED_BYTES) {
            return self.put(key);
        }
        let record_bytes = MIN_RECORD_BYTES as u64 + self.random.below(100);
        let suffix = self.record(key, NO_TAG, record_bytes);
        let result = self.timed(Kind::Append, || home.append(&name, &suffix));
        if self.accepted(key, result, Kind::Append) == Some(Replace::Superseded) {
            self.superseded();
        }
    }

    pub(super) fn touch(&mut self, key: u64) {
        let (home, name) = (self.home(key), key_bytes(key));
        let expiry = self.expiry();
        let result = self.timed(Kind::Touch, || home.touch(&name, expiry));
        self.accepted(key, result, Kind::Touch);
    }

    pub(super) fn expire(&mut self, key: u64) {
        let (home, name) = (self.home(key), key_bytes(key));
        self.timed(Kind::Expire, || home.expire(&name));
    }

    pub(super) fn large(&mut self) {
        let key = FIRST_LARGE_KEY + self.random.below(LARGE_KEYS);
        let (home, name) = (self.segment, key_bytes(key));
        if self.random.one_in(4) && self.large_bytes > 0 {
            let record_bytes = self.large_bytes / 2 + self.random.below(self.large_bytes);
            let value = self.record(key, NO_TAG, record_bytes);
            let result = self.timed(Kind::PutLarge, || home.put(&name, &value, Expiry::never()));
            self.was_put(key, result, Kind::PutLarge);
        } else {
            let value = self.timed(Kind::Get, || home.get(&name));
            self.seen(key, value.as_deref(), "get of a large value");
        }
    }

    pub(super) fn fill(&mut self, key: u64) {
        let (home, name) = (self.home(key), key_bytes(key));
        let token = match self.timed(Kind::Lookup, || home.lookup(&name)) {
            Lookup::Hit(value) => return self.seen(key, Some(&value), "lookup"),
            Lookup::Stale(value, token) => {
                self.seen(key, Some(&value), "lookup");
                token
            }
            Lookup::Miss(token) => {
                self.seen(key, None, "lookup");
                token
            }
        };
        let flight = self.timed(Kind::Flight, || home.flight(&name, &token, FLIGHT_PATIENCE));
        let lead = match flight {
            Flight::Lead(lead) => Some(lead),
            Flight::Alone => None,
            Flight::Wait(wait) => match self.timed(Kind::Wait, || wait.wait(FLIGHT_WAIT)) {
                FlightEnd::TakenOver(lead) => Some(lead),
                FlightEnd::Landed | FlightEnd::TimedOut => return self.get(key),
            },
        };
        let value = self.value(key, NO_TAG);
        let options = PutOptions::from(self.expiry());
        let result = self.timed(Kind::Fill, || home.fill(&name, &value, &token, &options));
        match self.accepted(key, result, Kind::Fill) {
            Some(Fill::Stored) => self.history.key_gone(key, self.sequence, "a fill"),
            Some(Fill::Superseded) => self.superseded(),
            None => {}
        }
        self.timed(Kind::Release, || drop(lead));
    }

    pub(super) fn remove(&mut self, key: u64) {
        let (home, name) = (self.home(key), key_bytes(key));
        self.timed(Kind::Remove, || home.remove(&name));
        self.history.key_gone(key, self.sequence, "a remove");
    }

    pub(super) fn invalidate(&mut self, key: u64) {
        let (home, name) = (self.home(key), key_bytes(key));
        self.timed(Kind::Invalidate, || home.invalidate(&name));
        self.history.key_gone(key, self.sequence, "an invalidation");
    }

    pub(super) fn invalidate_tag(&mut self) {
        let tag = self.random.below(TAGS) as u16;
        let (segment, name) = (self.segment, tag_bytes(tag));
        self.timed(Kind::InvalidateTag, || segment.invalidate_tag(&name));
        self.history.tag_gone(tag, self.sequence);
    }

    pub(super) fn clear_side(&mut self) {
        let side = self.side;
        self.timed(Kind::Clear, || side.clear());
        self.history.side_gone(self.sequence);
    }
}
