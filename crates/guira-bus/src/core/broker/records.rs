//! Taking records: in the order of their tickets, each once, acknowledged when they count.

use super::{BrokerAction, BrokerCore, BrokerNews, Peer};
use crate::core::mutant::Mutant;
use crate::wire::{Entry, Item, Origin, ToAgent};

impl BrokerCore {
    pub(super) fn on_publish(
        &mut self,
        now_us: u64,
        peer: Peer,
        origin: Origin,
        first: u64,
        items: &[Item],
        actions: &mut Vec<BrokerAction>,
    ) {
        let Some(expected) = self.members.get(origin).map(|member| member.next) else {
            return;
        };
        if first > expected && !Mutant::TicketHoles.is_on() {
            let frame = ToAgent::Resend {
                epoch: self.epoch,
                next: expected,
            };
            return actions.push(BrokerAction::Send { to: peer, frame });
        }
        let was_complete = self
            .members
            .get(origin)
            .is_some_and(super::members::Member::is_complete);
        let mut entries: Vec<Entry> = Vec::with_capacity(items.len());
        let mut ticket = first;
        let mut is_left_out = false;
        for item in items {
            let Some(after) = ticket.checked_add(item.tickets()) else {
                break;
            };
            if after > expected {
                match *item {
                    Item::Record(_) => entries.push(self.log.append(now_us, origin, ticket, *item)),
                    Item::Lost(tickets) => {
                        entries.push(self.log.append(now_us, origin, ticket, *item));
                        actions.push(BrokerAction::Say(BrokerNews::Lost { origin, tickets }));
                    }
                    Item::Settled(_) => is_left_out = true,
                    Item::Voids(_) => {}
                }
            }
            ticket = after;
        }
        let is_accepted = self.members.is_known(now_us, origin, self.is_ripe(now_us));
        let position = self.log.position();
        let Some(member) = self.members.get_mut(origin) else {
            return;
        };
        if is_left_out {
            member.begin_reach(now_us);
        }
        member.next = member.next.max(ticket);
        if !entries.is_empty() {
            member.position = position;
        }
        let frame = ToAgent::Ack {
            epoch: self.epoch,
            next: member.next,
            position: member.position,
            is_accepted,
        };
        let is_complete_now = !was_complete && member.is_complete();
        self.publish(entries, actions);
        actions.push(BrokerAction::Send { to: peer, frame });
        if is_complete_now {
            // Who waits for its completeness asks for the list.
            self.is_told = false;
        }
    }

    /// Acknowledges what had to wait until everybody knew its origin.
    pub(super) fn accept_late(&mut self, now_us: u64, actions: &mut Vec<BrokerAction>) {
        for origin in self.members.unknown() {
            if !self.members.is_known(now_us, origin, self.is_ripe(now_us)) {
                continue;
            }
            if let Some(member) = self.members.get(origin) {
                let frame = ToAgent::Ack {
                    epoch: self.epoch,
                    next: member.next,
                    position: member.position,
                    is_accepted: true,
                };
                actions.push(BrokerAction::Send {
                    to: member.peer,
                    frame,
                });
            }
        }
    }
}
