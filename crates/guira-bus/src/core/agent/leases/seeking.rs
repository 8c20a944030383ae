//! A computation whose value other hosts are asked for first, or which is nothing but that: see
//! [`fetching`](crate::core::agent::fetching).

use super::claim::{Brokers, Claim, Phase};
use super::{LeaseOutcome, Leases, ballot, told};
use crate::core::Host;
use crate::core::agent::Flow;
use crate::wire::Origin;

/// What a worker that missed wishes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum LeaseWish {
    /// To compute.
    #[default]
    Compute,
    /// To compute, if no host gives it the value within this time after it was granted.
    FetchOrCompute { wait_us: u64 },
    /// The value of another host within this time, or nothing.
    Fetch { wait_us: u64 },
}

impl Leases {
    /// Whether the value of a computation is being sought.
    pub(in crate::core::agent) fn is_seeking(&self, number: u64) -> bool {
        self.claims
            .get(&number)
            .is_some_and(|claim| matches!(claim.phase, Phase::Seeking { .. }))
    }

    /// A value was sought: it is found, with who had it and the clock of the question, or it is not.
    pub(in crate::core::agent) fn end_seeking(
        &mut self,
        at: Brokers<'_>,
        number: u64,
        found: Option<(Origin, Vec<u8>, u64)>,
        host: &mut impl Host,
        flow: &mut Vec<Flow>,
    ) {
        let Some(claim) = self.claims.get_mut(&number) else {
            return;
        };
        let Phase::Seeking { holds } = claim.phase else {
            return;
        };
        match found {
            Some((owner, value, clock)) => {
                claim.begin_to_close(at, None);
                flow.push(told(claim, LeaseOutcome::Fetched { owner, value, clock }));
                let key = claim.key;
                // It may be older than their grants, and be what is in the segment when they are done.
                self.computed.remove(&key);
                for claim in self.claims.values_mut().filter(|claim| claim.key == key) {
                    if let Phase::Holding { since, .. } = &mut claim.phase {
                        *since = None;
                    }
                }
            }
            None if holds => claim.begin_to_hold(host, flow),
            None => {
                claim.begin_to_close(at, None);
                flow.push(told(claim, LeaseOutcome::Alone));
            }
        }
        self.advance(at, number, host, flow);
    }
}

impl Claim {
    /// The worker computes from now on.
    pub(super) fn begin_to_hold(&mut self, host: &mut impl Host, flow: &mut Vec<Flow>) {
        let grants = self.ballots.iter().map(ballot::Ballot::grant).collect();
        let since = Some(host.next_clock());
        self.phase = Phase::Holding { since, grants };
        flow.push(told(self, LeaseOutcome::Granted));
    }
}
