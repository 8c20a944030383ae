//! Publishing: the host's records go to each broker in order, and are sent again until it has them.

use super::link::LinkState;
use super::{AgentCore, AgentEvent, Flow, majority_of};
use crate::core::Host;
use crate::core::mutant::Mutant;
use crate::wire::{Item, TOPICS, ToBroker, Topic};

/// Records of one frame.
const FRAME_ITEMS: usize = 1_000;
/// Tickets that may be on their way to a broker.
const WINDOW: u64 = 16_000;
/// Without any progress for so long, the first of what is on its way is sent again; then after twice as long.
pub(super) const RESEND_US: u64 = 60_000;
const LONGEST_RESEND_US: u64 = 960_000;
/// A broker that misses something says so at each frame that follows: what is missing is sent once in this time.
const MISSING_EVERY_US: u64 = 20_000;
/// How often the accepted ticket is noted.
const HISTORY_EVERY_US: u64 = 50_000;

impl AgentCore {
    /// Sends what a broker does not have yet, as far as its window allows.
    pub(super) fn pump(&mut self, now_us: u64, broker: usize, host: &mut impl Host, flow: &mut Vec<Flow>) {
        // First, so that nothing counts as applied everywhere that is not applied here. What was not carried out yet is
        // not sent: the agent after this one carries out what was not accepted, and no more.
        self.finish_own(host);
        let carried_out = self.carried_out(host);
        let Some(link) = self.links.get_mut(broker) else {
            return;
        };
        if link.state == LinkState::Silent {
            return;
        }
        let is_overdue = link.sent > link.received && now_us >= link.progress_at_us + link.patience_us;
        if is_overdue {
            // One frame, and ever more rarely: a broker that is slow has the others in a queue, and says so if not.
            link.progress_at_us = now_us;
            link.patience_us = (link.patience_us * 2).min(LONGEST_RESEND_US);
            let (first, sent) = (link.received, link.sent);
            let mut items = Vec::new();
            if first >= host.oldest() {
                host.read(first, items_of_frame(first, carried_out), &mut items);
            } else {
                link.sent = first;
            }
            if !items.is_empty() {
                let after = note_said(&mut self.said, first, &items);
                link.note_read(first, after);
                link.sent = sent.max(after);
                let epoch = link.epoch;
                let frame = ToBroker::Publish { epoch, first, items };
                flow.push(Flow::Send { broker, frame });
            }
        }
        let settled = self.settled;
        while link.sent < carried_out && link.sent < link.received + WINDOW {
            let first = link.sent;
            let mut items = Vec::new();
            let oldest = host.oldest();
            if first < oldest {
                overrun(broker, first..oldest, settled, &mut items, flow);
                link.sent = oldest;
            } else {
                link.sent = host.read(first, items_of_frame(first, carried_out), &mut items);
            }
            if items.is_empty() {
                break;
            }
            link.note_read(first, note_said(&mut self.said, first, &items));
            if first == link.received {
                link.progress_at_us = now_us;
                link.patience_us = RESEND_US;
            }
            let frame = ToBroker::Publish {
                epoch: link.epoch,
                first,
                items,
            };
            flow.push(Flow::Send { broker, frame });
        }
    }

    /// A broker misses what begins at `next`.
    pub(super) fn on_resend(&mut self, now_us: u64, broker: usize, next: u64) {
        let Some(link) = self.links.get_mut(broker) else {
            return;
        };
        link.received = link.received.max(next);
        let is_answered = link
            .missed
            .is_some_and(|(missed, at_us)| missed == next && now_us < at_us + MISSING_EVERY_US);
        if next == link.received && !is_answered {
            link.missed = Some((next, now_us));
            link.sent = next;
        }
        link.sent = link.sent.max(link.received);
    }

    /// A broker has everything below `next`; with the position of the last, and whether it counts as accepted.
    pub(super) fn on_ack(
        &mut self,
        now_us: u64,
        broker: usize,
        next: u64,
        logged_at: Option<u64>,
        is_accepted: bool,
        host: &mut impl Host,
    ) {
        let Some(link) = self.links.get_mut(broker) else {
            return;
        };
        if next > link.received {
            link.received = next;
            link.sent = link.sent.max(next);
            link.progress_at_us = now_us;
            link.patience_us = RESEND_US;
        }
        if let Some(position) = logged_at {
            link.note_logged(next, position, &self.said);
        }
        if let Some(position) = logged_at.filter(|_| is_accepted) {
            link.accepted = link.accepted.max(next);
            if link.to_settle.back().is_none_or(|&(ticket, _)| ticket < next) {
                link.to_settle.push_back((next, position));
            }
            // Before whoever waits for acceptance is woken.
            host.logged(broker, link.epoch, next, position);
            self.count_accepted(now_us, host);
        }
    }

    pub(super) fn count_accepted(&mut self, now_us: u64, host: &mut impl Host) {
        let mut accepted: Vec<Option<u64>> = self.links.iter().map(|link| Some(link.accepted)).collect();
        let needed = if Mutant::SingleBrokerAccepts.is_on() {
            1
        } else {
            self.settings.majority()
        };
        if let Some(ticket) = majority_of(&mut accepted, needed).filter(|&at| at > self.accepted) {
            // Noted before it is told: what is published again to a new broker must include it.
            self.keep_history(now_us);
            self.accepted = ticket;
            host.accepted(ticket);
        }
    }

    pub(super) fn count_settled(&mut self, host: &mut impl Host) {
        let mut settled: Vec<Option<u64>> = self.links.iter().map(|link| Some(link.settled)).collect();
        if let Some(ticket) =
            majority_of(&mut settled, self.settings.majority()).filter(|&at| at > self.settled)
        {
            self.settled = ticket;
            host.settled(ticket);
        }
    }

    /// Own records below this ticket were carried out in the segment.
    fn carried_out(&self, host: &impl Host) -> u64 {
        if Mutant::OwnUnfinished.is_on() {
            host.head()
        } else {
            self.finished
        }
    }

    /// Completes the host's own records in the segment: a worker may have died between record and kill.
    pub(super) fn finish_own(&mut self, host: &mut impl Host) {
        if Mutant::OwnUnfinished.is_on() {
            return;
        }
        if self.finished < host.head() {
            self.finished = host.finish_own(self.finished.max(host.oldest()));
        }
    }

    /// Notes now and then what was accepted.
    pub(super) fn keep_history(&mut self, now_us: u64) {
        let is_due = self
            .history
            .back()
            .is_none_or(|&(at_us, _)| now_us >= at_us + HISTORY_EVERY_US);
        if is_due {
            self.history.push_back((now_us, self.accepted));
        }
        let since_us = now_us.saturating_sub(self.settings.reach_us());
        while self.history.get(1).is_some_and(|&(at_us, _)| at_us <= since_us) {
            self.history.pop_front();
        }
    }

    /// From which ticket on to publish to a broker that knows nothing of this origin, and the time within
    /// which everything that was accepted is included.
    ///
    /// Nothing is left out that is not settled: the broker says of whatever it was told that it is settled when
    /// what it logged of it is.
    pub(super) fn first_to_publish(&self, now_us: u64, host: &impl Host) -> (u64, u64) {
        let (first, reach_us) = self.first_within_reach(now_us, host);
        if Mutant::UnsettledLeftOut.is_on() || Mutant::NothingAgain.is_on() {
            return (first, reach_us);
        }
        (first.min(self.settled), reach_us)
    }

    fn first_within_reach(&self, now_us: u64, host: &impl Host) -> (u64, u64) {
        if Mutant::NothingAgain.is_on() {
            return (self.accepted, u64::MAX);
        }
        let oldest = host.oldest();
        if oldest == 0 && host.head() < WINDOW {
            return (0, u64::MAX);
        }
        let kept = self.history.iter().find(|&&(_, accepted)| accepted >= oldest);
        match kept {
            Some(&(at_us, accepted)) => (accepted, now_us.saturating_sub(at_us)),
            None => (self.accepted, 0),
        }
    }
}

/// Notes before which ticket the last record of each topic is; gives the ticket after the last item.
fn note_said(said: &mut [u64; TOPICS], first: u64, items: &[Item]) -> u64 {
    items.iter().fold(first, |ticket, item| {
        let after = ticket + item.tickets();
        let topic = match item {
            Item::Record(record) => Some(Topic::of_record(record)),
            Item::Lost(_) => Some(Topic::CONTROL),
            Item::Voids(_) | Item::Settled(_) => None,
        };
        if let Some(said) = topic.and_then(|topic| said.get_mut(topic.index())) {
            *said = (*said).max(after);
        }
        after
    })
}

/// How many tickets from `first` on go into a frame, of those below `end`.
fn items_of_frame(first: u64, end: u64) -> usize {
    usize::try_from(end.saturating_sub(first)).map_or(FRAME_ITEMS, |left| left.min(FRAME_ITEMS))
}

/// What is said of tickets that the journal does not have any more: what is settled need not be known to a broker
/// that was away, and of the rest anything may be void.
fn overrun(
    broker: usize,
    tickets: std::ops::Range<u64>,
    settled: u64,
    items: &mut Vec<Item>,
    flow: &mut Vec<Flow>,
) {
    let settled = if Mutant::OverrunTakenForSettled.is_on() {
        tickets.end
    } else {
        settled.clamp(tickets.start, tickets.end)
    };
    if settled > tickets.start {
        items.push(Item::Settled(settled - tickets.start));
    }
    let lost = tickets.end - settled;
    if lost > 0 {
        items.push(if Mutant::LostUnsaid.is_on() {
            Item::Voids(lost)
        } else {
            Item::Lost(lost)
        });
        flow.push(Flow::Event(AgentEvent::Overflow {
            broker,
            tickets: lost,
        }));
    }
}
