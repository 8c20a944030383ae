//! The right and duty to compute: what was computed is stored, what failed is told, and whoever gives up by
//! dropping it wakes those who wait.

use std::time::{Duration, Instant};

use guira_segment::{Expiry, Fill, FillToken, FlightLead, PutOptions, Segment, StoreError, Swap, Version};

use super::asking::Place;
use super::entangled::{self, Edge, Entered};
use super::landing::Landing;
use super::manner::Values;
use super::records::KeyId;
use super::tally::count;
use crate::cache::is_stub;
use crate::dependency::Declared;
use crate::failure::Failure;
use crate::write_guard::is_guarded;

/// What a computed value is stored over. The token was taken before the source is read.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Basis {
    /// Nothing, or the stale value that the token knows of.
    Absent(FillToken),
    /// A value that is not stale: it is replaced if it is still there, and if there is none by then, as above.
    Present(FillToken, Version),
}

impl Basis {
    pub(crate) const fn token(&self) -> &FillToken {
        match self {
            Self::Absent(token) | Self::Present(token, _) => token,
        }
    }

    /// Stores `encoded`; false if something else came between.
    pub(crate) fn store(
        &self,
        segment: &Segment,
        key: &[u8],
        encoded: &[u8],
        options: &PutOptions<'_>,
    ) -> Result<bool, StoreError> {
        if let Self::Present(token, version) = self {
            match segment.refill(key, *version, encoded, token, options)? {
                Swap::Stored => return Ok(true),
                Swap::Conflict(_) | Swap::Superseded => return Ok(false),
                Swap::NotFound => {}
            }
        }
        Ok(segment.fill(key, encoded, self.token(), options)? == Fill::Stored)
    }

    /// As if begun when the invalidation clock said `clock`.
    pub(crate) fn born_at(self, clock: u64) -> Self {
        match self {
            Self::Absent(token) => Self::Absent(token.born_at(clock)),
            Self::Present(token, version) => Self::Present(token.born_at(clock), version),
        }
    }
}

/// One computation of a key by this caller.
#[derive(Debug)]
pub(crate) struct Computation<'c> {
    pub(super) place: Place<'c>,
    id: KeyId,
    pub(super) basis: Basis,
    /// There is a stale value: a failure begins a back-off.
    is_refresh: bool,
    /// Somebody is changing the source: what is computed may be of before or after, and is not stored.
    pub(super) is_guarded: bool,
    lead: Option<FlightLead<'c>>,
    _nested: Option<Edge>,
    pub(super) began: Instant,
}

impl<'c> Computation<'c> {
    pub(crate) fn new(
        place: Place<'c>,
        id: KeyId,
        basis: Basis,
        lead: Option<FlightLead<'c>>,
        is_refresh: bool,
    ) -> Self {
        Self {
            place,
            id,
            basis,
            is_refresh,
            // After the token was taken, and before the source is read: see `write_guard`.
            is_guarded: place
                .flights
                .records(place.segment)
                .is_some_and(|records| is_guarded(records, id)),
            lead,
            _nested: entangled::begin(id),
            began: Instant::now(),
        }
    }

    /// While it lives, this thread is in the computation.
    pub(crate) fn enter(&self) -> Entered {
        entangled::enter(self.id)
    }

    pub(crate) const fn id(&self) -> KeyId {
        self.id
    }

    /// Stores the value, or tells it to those who wait if it cannot be stored; then the flight lands.
    /// What the computation `declared`, the value depends on.
    pub(crate) fn land<V>(self, value: &V, declared: &Declared, values: &impl Values<V>) {
        let tally = &self.place.flights.tally;
        let cost = self.began.elapsed();
        count(&tally.computations);
        tally.computing.add(cost);
        self.store_and_tell(value, cost, declared, values);
    }

    /// Stores a value that another host computed, no longer than that host keeps it; false if it may not be, or could not.
    pub(super) fn store_found<V>(
        &self,
        value: &V,
        expiry: Expiry,
        declared: &Declared,
        values: &impl Values<V>,
    ) -> bool {
        let cost = self.began.elapsed();
        let stored = values.encode(self.place.key, value, cost, declared, |encoded, options| {
            options.is_some_and(|options| matches!(self.store(encoded, &options.within(expiry)), Ok(true)))
        });
        if stored == Some(true) {
            declared.give(values.names());
        }
        stored == Some(true)
    }

    /// Whether others on this host wait for it, or would.
    pub(super) const fn leads(&self) -> bool {
        self.lead.is_some()
    }

    fn store_and_tell<V>(&self, value: &V, cost: Duration, declared: &Declared, values: &impl Values<V>) {
        let tally = &self.place.flights.tally;
        let mut is_seen_to = false;
        let is_stored = values.encode(self.place.key, value, cost, declared, |encoded, options| {
            is_seen_to = true;
            let options = options.filter(|_| !declared.is_unknown());
            let is_kept = options.is_some() && !self.is_guarded;
            if is_kept {
                values.before_store(value, declared, self.basis.token());
            }
            let stored = options.map(|options| self.store(encoded, options));
            if is_kept {
                let is_superseded = matches!(stored, Some(Ok(false)));
                values.after_store(value, declared, self.basis.token(), !is_superseded);
            }
            match stored {
                Some(Ok(true)) => return true,
                Some(Ok(false)) => count(&tally.superseded),
                Some(Err(error)) => {
                    count(&tally.not_stored);
                    tracing::debug!(%error, "a computed value was not stored");
                }
                None => {}
            }
            let clock = self.basis.token().clock();
            self.tell_value(clock, encoded);
            false
        });
        if is_stored.is_none() {
            count(&tally.not_stored);
        }
        if !is_seen_to {
            self.tell(|| Landing::Untold.to_bytes());
        }
        declared.give(values.names());
    }

    /// Gives a value that was not stored to those who wait, if it can be given.
    pub(super) fn tell_value(&self, clock: u64, encoded: &[u8]) {
        // A stub leads to a file that is about to go: they compute at once, and not one after another.
        let is_told = !is_stub(encoded) && self.tell(|| Landing::Value { clock, encoded }.to_bytes());
        if !is_told {
            self.tell(|| Landing::Untold.to_bytes());
        }
    }

    /// Tells those who wait of the failure; then the flight lands.
    pub(crate) fn fail(self, declared: &Declared, failure: impl FnOnce() -> Failure) {
        // Whoever makes a value of the error depends on what led to it.
        declared.give(&[] as &[&[u8]]);
        let Place { segment, flights, .. } = self.place;
        count(&flights.tally.failures);
        flights.tally.computing.add(self.began.elapsed());
        if self.is_refresh
            && let Some(records) = flights.records(segment)
        {
            records.back_off(self.id, flights.options.back_off);
        }
        self.tell(|| Landing::Failed(failure()).to_bytes());
    }

    /// Whether the value is there now; false if something else came between.
    pub(super) fn store(&self, encoded: &[u8], options: &PutOptions<'_>) -> Result<bool, StoreError> {
        if self.is_guarded {
            return Ok(false);
        }
        let Place { segment, key, .. } = self.place;
        self.basis.store(segment, key, encoded, options)
    }

    /// Tells those who wait, if there are any; false if they cannot be told.
    pub(super) fn tell(&self, record: impl FnOnce() -> Vec<u8>) -> bool {
        let Place { segment, flights, .. } = self.place;
        if let Some(lead) = self.lead.as_ref().filter(|lead| lead.is_awaited())
            && let Some(records) = flights.records(segment)
        {
            return records.put_landing(self.id, lead.number(), &record());
        }
        true
    }
}
