//! Writes that do not depend on the present value: put, add.

use guira_segment::{Add, Expiry, Put, StoreError};

use super::episode::{Episode, NEVER};
use super::lifetime::Lifetime;
use super::model::Held;
use super::names::{Place, TagList};
use super::operation::{Length, Options};
use super::refusals::Refusal;

impl Options {
    /// Calls `work` with the options as the API takes them.
    pub(super) fn with<R>(self, work: impl FnOnce(&guira_segment::PutOptions<'_>) -> R) -> R {
        let tags = self.tags.names();
        let options = guira_segment::PutOptions::default()
            .expiry(self.lifetime.expiry())
            .tags(&tags)
            .aligned(self.is_aligned);
        // What is refused is not mended by it.
        let is_right = self.lifetime.deadlines(0).is_some();
        let options = if is_right {
            let within = options.within(Expiry::never());
            assert_eq!(within.lifetimes().0, options.lifetimes().0);
            within
        } else {
            options
        };
        work(&options)
    }

    pub(super) const fn of(lifetime: Lifetime) -> Self {
        Self {
            lifetime,
            tags: TagList::Some(0),
            is_aligned: false,
        }
    }
}

impl Episode<'_, '_> {
    /// What a store of `value` would make, or why it is refused.
    pub(super) fn plan(&mut self, place: Place, value: &[u8], options: Options) -> Result<Held, Refusal> {
        let now_ms = self.model.now_ms();
        if let Some(refusal) = Refusal::of_store(place, options.lifetime, options.tags, now_ms) {
            return Err(refusal);
        }
        let deadlines = options.lifetime.deadlines(now_ms).ok_or(Refusal::BadExpiry)?;
        Ok(self
            .model
            .fresh(value.to_vec(), deadlines, options.tags, options.is_aligned))
    }

    pub(super) fn put(&mut self, place: Place, length: Length, lifetime: Lifetime) {
        let value = self.new_value(length);
        let expiry = lifetime.expiry();
        let outcome = self.call(place, |segment| segment.put(place.name(), &value, expiry));
        self.has_put(place, &value, Options::of(lifetime), outcome);
    }

    pub(super) fn put_with(&mut self, place: Place, length: Length, options: Options) {
        let value = self.new_value(length);
        let outcome = self.call(place, |segment| {
            // Nothing is invalidated since.
            let token = segment.fill_token(place.name());
            options.with(|options| {
                let check = segment.check_put(place.name(), options);
                let outcome = segment.put_with(place.name(), &value, &options.since(&token).or_since(&token));
                assert!(
                    check.is_ok() || outcome == check.map(|()| Put::Stored),
                    "{place:?}"
                );
                outcome
            })
        });
        self.has_put(place, &value, options, outcome);
    }

    fn has_put(&mut self, place: Place, value: &[u8], options: Options, outcome: Result<Put, StoreError>) {
        let held = match self.plan(place, value, options) {
            Ok(held) => held,
            Err(refusal) => {
                self.tally.note("put refused");
                return refusal.compare(outcome.err());
            }
        };
        self.model.counters.stores += 1;
        let size = self.model.world.size(place, &held);
        match outcome {
            Ok(put) => {
                assert_eq!((put, size.fits()), (Put::Stored, true), "{place:?}");
                self.tally.note("put stored");
                self.model.write(place, Some(held));
            }
            Err(error) => {
                if !size.fits() {
                    self.tally.note("put too large");
                }
                self.accept_error(error, size, value.len());
                // A put that fails has removed what it was to replace.
                self.model.counters.removes += 1;
                self.model.write(place, None);
            }
        }
    }

    pub(super) fn add(&mut self, place: Place, length: Length, options: Options) {
        let value = self.new_value(length);
        let outcome = self.call(place, |segment| {
            options.with(|options| segment.add(place.name(), &value, options))
        });
        let held = match self.plan(place, &value, options) {
            Ok(held) => held,
            Err(refusal) => {
                self.tally.note("add refused");
                return refusal.compare(outcome.err());
            }
        };
        self.model.counters.stores += 1;
        let size = self.model.world.size(place, &held);
        match outcome {
            Ok(add) => {
                assert!(size.fits(), "{place:?}: {} bytes", value.len());
                let present = self.model.meet(place, add == Add::Exists);
                assert_eq!(add == Add::Exists, present.is_some());
                assert_ne!(add, Add::Superseded, "{place:?}: nobody invalidated it");
                self.tally.note(if add == Add::Stored {
                    "add stored"
                } else {
                    "add exists"
                });
                // An add that yields has changed the stamp already.
                let held = if add == Add::Stored { Some(held) } else { present };
                self.model.write(place, held);
            }
            Err(error) => {
                if !size.fits() {
                    self.tally.note("add too large");
                }
                self.accept_error(error, size, value.len());
                self.model.maybe_written(place);
            }
        }
    }

    /// Carries a value from one key, and perhaps one namespace, to another.
    pub(super) fn copy(&mut self, from: Place, to: Place) {
        let segment = self.segment(from.space);
        let value = segment.get(from.name());
        self.model.counters.read(value.is_some());
        let held = self.model.meet(from, value.is_some());
        let Some((value, held)) = value.zip(held) else {
            return;
        };
        self.compare_value(from, &value, &held);
        self.tally.note("copy to another key");
        // The source is the segment's own memory, pinned; it may even be the entry that is replaced.
        let outcome = self.segment(to.space).put(to.name(), &value, NEVER);
        assert_eq!(
            value.as_ref(),
            held.value,
            "{from:?}: changed while it was copied"
        );
        if outcome == Err(StoreError::NoSpace) && self.model.world.may_evict {
            // The pin of the source was in the way.
            self.model.counters.stores += 1;
            self.model.counters.removes += 1;
            return self.model.write(to, None);
        }
        drop(value);
        self.has_put(to, &held.value, Options::of(Lifetime::NEVER), outcome);
    }
}
