//! Frames about leases: whom a step of a computation concerns, and what is said to them.

use super::leases::{Asked, Claim, Notice};
use super::{BrokerAction, BrokerCore};
use crate::wire::{LeaseAnswer, LeaseRequest, LeaseStep, LeaseVerdict, Origin, ToAgent};

impl BrokerCore {
    pub(super) fn on_lease(
        &mut self,
        now_us: u64,
        origin: Origin,
        request: LeaseRequest,
        actions: &mut Vec<BrokerAction>,
    ) {
        let LeaseRequest {
            key,
            number,
            asked_at_us: at_us,
            step,
            ..
        } = request;
        let of = |origin| Asked {
            claim: Claim { origin, number },
            at_us,
        };
        let asked = of(origin);
        let (to, verdict) = match step {
            LeaseStep::Want => (asked, self.leases.want(now_us, key, asked)),
            LeaseStep::Renew => (asked, self.leases.renew(now_us, key, asked)),
            LeaseStep::Done { grant, value } => {
                for notice in self.leases.done(now_us, key, asked, grant, value) {
                    self.tell(notice, actions);
                }
                (asked, LeaseVerdict::Closed)
            }
            LeaseStep::Abandon => {
                if let Some(notice) = self.leases.abandon(now_us, key, asked) {
                    self.tell(notice, actions);
                }
                (asked, LeaseVerdict::Closed)
            }
            LeaseStep::Fetch { owner } => (of(owner), LeaseVerdict::Fetch { from: origin }),
            LeaseStep::Fetched { to, value } => {
                let owner = origin;
                (of(to), LeaseVerdict::Fetched { owner, value })
            }
        };
        self.tell(Notice { to, key, verdict }, actions);
    }

    pub(super) fn tell(&self, notice: Notice, actions: &mut Vec<BrokerAction>) {
        let Notice { to, key, verdict } = notice;
        if let Some(member) = self.members.get(to.claim.origin) {
            let frame = ToAgent::Lease(LeaseAnswer {
                epoch: self.epoch,
                key,
                number: to.claim.number,
                asked_at_us: to.at_us,
                verdict,
            });
            let to = member.peer;
            actions.push(BrokerAction::Send { to, frame });
        }
    }
}
