//! One computation for all hosts: whoever leads on this one asks the cluster before it computes.
//!
//! | the cluster says | then |
//! |---|---|
//! | nobody computes | this host does, and keeps the lease until the value is stored; where other hosts are asked for values, that comes before |
//! | another host has it | its value is stored here with a token from before that host began, or not at all |
//! | no answer | this host computes for itself |
//!
//! It saves work and is not needed for safety: that nothing old is stored is the tokens' business.

use std::time::{Duration, Instant};

use guira_segment::{Expiry, Lease, LeaseStep, LeaseWish, Lookup, MAX_TAGS, Segment};

use super::computation::{Basis, Computation};
use super::manner::Values;
use super::tally::count;
use super::waiters::{Target, Watched, What, landed};
use crate::coherence::{OF_A_FETCH, expect_hand_over, handed};
use crate::dependency::Declared;

/// For so long an agent is waited for that says nothing.
const FIRST_WAIT: Duration = Duration::from_millis(1_000);

/// What came of asking the cluster.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "the large one is the usual one, and lives on the stack"
)]
pub(super) enum Asked<'c, V> {
    /// Compute, and say when that is done.
    Compute(Computation<'c>, Option<Lease<'c>>),
    /// Another host's value, which is stored here now.
    Found(V),
}

impl<'c> Computation<'c> {
    /// Asks the cluster, if computations of this cache are shared with it. Blocks while another host computes.
    pub(super) fn ask_cluster<V>(self, values: &impl Values<V>) -> Asked<'c, V> {
        let Some(lease) = self.lease() else {
            return Asked::Compute(self, None);
        };
        let (flights, patience) = (self.place.flights, self.place.flights.options.patience);
        let mut step = lease.wait(self.first_wait());
        if step == LeaseStep::Busy {
            count(&flights.tally.waits);
            step = lease.wait(patience);
        }
        self.follow(lease, step, values)
    }

    /// As [`Computation::ask_cluster`], awaiting.
    pub(super) async fn ask_cluster_awaiting<V>(self, values: &impl Values<V>) -> Asked<'c, V> {
        let Some(lease) = self.lease() else {
            return Asked::Compute(self, None);
        };
        let (flights, patience) = (self.place.flights, self.place.flights.options.patience);
        let mut step = self.awaited(&lease, self.first_wait()).await;
        if step == LeaseStep::Busy {
            count(&flights.tally.waits);
            step = self.awaited(&lease, patience).await;
        }
        self.follow(lease, step, values)
    }

    /// Asks other hosts for the value, without computing it if none has it. Blocks for `wait` at most, if the host's
    /// agent is at work.
    pub(crate) fn fetch<V>(mut self, wait: Duration, values: &impl Values<V>) -> Option<V> {
        let segment = self.place.segment;
        if matches!(self.basis, Basis::Present(..)) {
            return None;
        }
        expect_hand_over(segment);
        count(&self.place.flights.tally.fetches);
        let patience = wait.saturating_add(FIRST_WAIT);
        let wish = LeaseWish::Fetch(wait);
        let lease = segment.ask_lease_for(self.place.key, self.basis.token(), patience, wish)?;
        match lease.wait(patience) {
            LeaseStep::Ready => self.found(&lease, values),
            _ => None,
        }
    }

    /// How long the first answer of the agent is waited for.
    fn first_wait(&self) -> Duration {
        let options = self.place.flights.options;
        let fetch_wait = options.fetch_wait.unwrap_or_default();
        fetch_wait.saturating_add(FIRST_WAIT).min(options.patience)
    }

    /// As [`Lease::wait`], awaiting.
    async fn awaited(&self, lease: &Lease<'c>, timeout: Duration) -> LeaseStep {
        let until = Instant::now().checked_add(timeout);
        loop {
            let step = lease.wait(Duration::ZERO);
            let is_over = until.is_some_and(|until| until <= Instant::now());
            if !matches!(step, LeaseStep::Wanted | LeaseStep::Busy) || is_over {
                return step;
            }
            let target = Target {
                segment: self.place.segment.clone(),
                id: self.id(),
                what: What::Lease(lease.number()),
            };
            // A task must not block instead.
            if landed(target, until).await == Watched::Nobody {
                return LeaseStep::Alone;
            }
        }
    }

    /// The lease, if computations of this cache are shared and this caller is to ask.
    fn lease(&self) -> Option<Lease<'c>> {
        let options = self.place.flights.options;
        if !options.is_cluster || !self.leads() {
            return None;
        }
        let segment = self.place.segment;
        expect_hand_over(segment);
        let wish = match (options.fetch_wait, self.basis) {
            (Some(wait), Basis::Absent(_)) => {
                count(&self.place.flights.tally.fetches);
                LeaseWish::FetchOrCompute(wait)
            }
            // What is here and suspect would be replaced by what is not judged by a token.
            (Some(_), Basis::Present(..)) | (None, _) => LeaseWish::Compute,
        };
        segment.ask_lease_for(self.place.key, self.basis.token(), options.patience, wish)
    }

    /// What follows from the answer.
    fn follow<V>(mut self, lease: Lease<'c>, step: LeaseStep, values: &impl Values<V>) -> Asked<'c, V> {
        match step {
            LeaseStep::Granted => {
                self.renew_basis();
                Asked::Compute(self, Some(lease))
            }
            LeaseStep::Ready => {
                let own = self.basis;
                if let Some(value) = self.found(&lease, values) {
                    return Asked::Found(value);
                }
                // Refused: something that concerns it was invalidated here after the other host had begun.
                self.basis = own;
                Asked::Compute(self, None)
            }
            _ => Asked::Compute(self, None),
        }
    }

    /// What another host gave, if it may be stored here.
    fn found<V>(&mut self, lease: &Lease<'_>, values: &impl Values<V>) -> Option<V> {
        let (value, expiry, declared) = self.take_over(lease, values)?;
        if !self.store_found(&value, expiry, &declared, values) {
            return None;
        }
        let tally = &self.place.flights.tally;
        count(if lease.payload() == OF_A_FETCH {
            &tally.fetched_from_hosts
        } else {
            &tally.from_other_hosts
        });
        Some(value)
    }

    /// The token again: what others are given must have been computed after the lease was granted.
    pub(super) fn renew_basis(&mut self) {
        self.basis = Basis::now(self.place.segment, self.place.key);
    }

    /// What the agent handed to this worker, with what it depends on.
    fn take_over<V>(&mut self, lease: &Lease<'_>, values: &impl Values<V>) -> Option<(V, Expiry, Declared)> {
        if lease.payload() == 0 {
            return None;
        }
        let handed = handed(self.place.segment, lease.number())?;
        if handed.key != self.place.key {
            // Another with the same hash.
            return None;
        }
        let own: Vec<&[u8]> = values.names().iter().map(AsRef::as_ref).collect();
        let tags: Vec<Vec<u8>> = handed
            .tags
            .into_iter()
            .filter(|tag| !own.contains(&tag.as_slice()))
            .collect();
        if own.len() + tags.len() > MAX_TAGS {
            // They would be folded, and some of them are already.
            return None;
        }
        let value = values.decode(self.place.key, &handed.value)?;
        self.basis = self.basis.born_at(handed.clock);
        Some((value, handed.expiry, Declared::of_names(tags)))
    }
}

impl Basis {
    /// As the key stands now.
    pub(crate) fn now(segment: &Segment, key: &[u8]) -> Self {
        match segment.lookup(key) {
            Lookup::Miss(token) | Lookup::Stale(_, token) => Self::Absent(token),
            Lookup::Hit(value) => Self::Present(segment.fill_token(key), value.version()),
        }
    }
}
