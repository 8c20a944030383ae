//! Following a stream: everything is applied as it comes, and counts when nothing before it is missing.

use super::link::LinkState;
use super::{AgentCore, AgentEvent, Flow};
use crate::core::Host;
use crate::wire::{Entry, Item, RecordKind, ToBroker};

/// What is missing may still be on its way by the other socket: asked for after this time.
const GAP_PATIENCE_US: u64 = 2_000;
/// A question for what is missing is repeated after this time, then after twice as long: a broker that is slow has it.
pub(super) const REPLAY_EVERY_US: u64 = 20_000;
const LONGEST_REPLAY_US: u64 = 320_000;

impl AgentCore {
    pub(super) fn on_entries(
        &mut self,
        now_us: u64,
        broker: usize,
        entries: &[Entry],
        host: &mut impl Host,
        flow: &mut Vec<Flow>,
    ) {
        let mut is_gap = false;
        for entry in entries {
            self.apply(broker, entry, host, flow);
            if let Some(link) = self
                .links
                .get_mut(broker)
                .filter(|link| link.state == LinkState::Following)
                && entry.position > link.through(entry.topic)
                && link.topics & entry.topic.bit() != 0
            {
                is_gap |= !link.advance(entry.topic, entry.previous, entry.position);
            }
        }
        if let Some(link) = self.links.get_mut(broker) {
            link.close_up();
            if is_gap && link.gap_since_us.is_none() {
                link.gap_since_us = Some(now_us);
                flow.push(Flow::Event(AgentEvent::Gap { broker }));
            }
        }
        self.confirm(now_us, broker, host);
        self.report_soon(now_us, broker);
        self.ask_for_missing(now_us, broker, false, flow);
    }

    #[expect(clippy::too_many_arguments, reason = "they are the fields of one frame")]
    pub(super) fn on_replayed(
        &mut self,
        now_us: u64,
        broker: usize,
        topics: u64,
        after: u64,
        through: u64,
        entries: &[Entry],
        host: &mut impl Host,
        flow: &mut Vec<Flow>,
    ) {
        let is_following = self
            .links
            .get(broker)
            .is_some_and(|link| link.state == LinkState::Following);
        if !is_following {
            return;
        }
        for entry in entries {
            self.apply(broker, entry, host, flow);
        }
        if let Some(link) = self.links.get_mut(broker) {
            link.advance_all(topics & link.topics, after, through);
            link.replay_at_us = None;
        }
        self.confirm(now_us, broker, host);
        self.report_soon(now_us, broker);
    }

    /// Does what an entry says, unless that was done, or is the host's own.
    fn apply(&mut self, broker: usize, entry: &Entry, host: &mut impl Host, flow: &mut Vec<Flow>) {
        if let Some(link) = self.links.get_mut(broker) {
            link.see(entry.topic, entry.position);
        }
        let own = host.origin();
        if entry.origin == own || !self.recent.note(entry.origin, entry.ticket, &entry.item) {
            return;
        }
        match &entry.item {
            Item::Record(record) if record.kind == RecordKind::Probe => {
                if let Some(link) = self.links.get(broker) {
                    let frame = ToBroker::Pong {
                        epoch: link.epoch,
                        to: entry.origin,
                        ticket: entry.ticket,
                    };
                    flow.push(Flow::Send { broker, frame });
                }
            }
            Item::Record(record) => host.apply(record),
            Item::Lost(tickets) => {
                host.raise_floor(u64::MAX);
                flow.push(Flow::Event(AgentEvent::OriginLost {
                    origin: entry.origin,
                    tickets: *tickets,
                }));
            }
            Item::Voids(_) | Item::Settled(_) => {}
        }
    }

    /// Asks a broker to send again what is missing, if something is for long enough.
    pub(super) fn ask_for_missing(
        &mut self,
        now_us: u64,
        broker: usize,
        is_more: bool,
        flow: &mut Vec<Flow>,
    ) {
        let Some(link) = self
            .links
            .get_mut(broker)
            .filter(|link| link.state == LinkState::Following)
        else {
            return;
        };
        let Some((topics, after)) = link.missing() else {
            link.gap_since_us = None;
            return;
        };
        let since_us = *link.gap_since_us.get_or_insert(now_us);
        let is_patient = !is_more && now_us < since_us + GAP_PATIENCE_US;
        let is_asked = link
            .replay_at_us
            .is_some_and(|at_us| now_us < at_us + link.replay_patience_us);
        if is_patient || is_asked {
            return;
        }
        link.replay_patience_us = match link.replay_at_us {
            None => REPLAY_EVERY_US,
            Some(_) => (link.replay_patience_us * 2).min(LONGEST_REPLAY_US),
        };
        link.replay_at_us = Some(now_us);
        let frame = ToBroker::Replay {
            epoch: link.epoch,
            topics,
            after,
        };
        flow.push(Flow::Send { broker, frame });
    }
}
