//! One computation for all hosts: whoever leads on this one asks the cluster before it computes.
//!
//! | the cluster says | then |
//! |---|---|
//! | nobody computes | this host does, and keeps the lease until the value is stored |
//! | another host has it | its value is stored here with a token from before that host began, or not at all |
//! | no answer | this host computes for itself |
//!
//! It saves work and is not needed for safety: that nothing old is stored is the tokens' business.

use std::time::{Duration, Instant};

use guira_segment::{Lease, LeaseStep, Lookup, MAX_TAGS};

use super::computation::{Basis, Computation};
use super::manner::Values;
use super::tally::count;
use super::waiters::{Target, Watched, What, landed};
use crate::coherence::{expect_hand_over, handed};
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
        let mut step = lease.wait(FIRST_WAIT.min(patience));
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
        let mut step = self.awaited(&lease, FIRST_WAIT.min(patience)).await;
        if step == LeaseStep::Busy {
            count(&flights.tally.waits);
            step = self.awaited(&lease, patience).await;
        }
        self.follow(lease, step, values)
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
        segment.ask_lease(self.place.key, self.basis.token(), options.patience)
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
                if let Some((value, declared)) = self.take_over(&lease, values)
                    && self.store_found(&value, &declared, values)
                {
                    count(&self.place.flights.tally.from_other_hosts);
                    return Asked::Found(value);
                }
                // Refused: something that concerns it was invalidated here after the other host had begun.
                self.basis = own;
                Asked::Compute(self, None)
            }
            _ => Asked::Compute(self, None),
        }
    }

    /// The token again: what others are given must have been computed after the lease was granted.
    fn renew_basis(&mut self) {
        let (segment, key) = (self.place.segment, self.place.key);
        self.basis = match segment.lookup(key) {
            Lookup::Miss(token) | Lookup::Stale(_, token) => Basis::Absent(token),
            Lookup::Hit(value) => Basis::Present(segment.fill_token(key), value.version()),
        };
    }

    /// What the agent handed to this worker, with what it depends on.
    fn take_over<V>(&mut self, lease: &Lease<'_>, values: &impl Values<V>) -> Option<(V, Declared)> {
        if lease.payload() == 0 {
            return None;
        }
        let handed = handed(self.place.segment, lease.number())?;
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
        Some((value, Declared::of_names(tags)))
    }
}
