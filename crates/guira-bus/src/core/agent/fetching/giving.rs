//! Giving a value to another host that seeks it: only where this host has covered what the other has.

use crate::core::Host;
use crate::core::agent::{AgentCore, Flow};
use crate::core::mutant::Mutant;
use crate::wire::{MAX_FETCHED_BYTES, Origin, Seek, Sought, Standing, ToBroker, Topic};

use super::MAX_COUNTED;

/// The largest value that is sent unasked: of several hosts that have it all send it.
const MAX_SMALL_BYTES: usize = 4 << 10;

impl AgentCore {
    /// Another host seeks a value, of everybody or of this host alone.
    #[expect(clippy::too_many_arguments, reason = "they are the fields of one frame")]
    pub(in crate::core::agent) fn on_seek(
        &mut self,
        now_us: u64,
        broker: usize,
        from: Origin,
        seek: &Seek,
        is_alone: bool,
        host: &mut impl Host,
        flow: &mut Vec<Flow>,
    ) {
        // What workers have said and did not live to carry out is not given either.
        self.finish_own(host);
        let found = if self.may_give(now_us, seek, host) {
            found(seek, is_alone, host)
        } else {
            Sought::Nothing
        };
        let Some(link) = self.links.get(broker) else {
            return;
        };
        let is_counted = is_alone || link.member_count() <= MAX_COUNTED;
        if found == Sought::Nothing && !is_counted {
            return;
        }
        let frame = ToBroker::Sought {
            epoch: link.epoch,
            to: from,
            number: seek.number,
            asked_at_us: seek.asked_at_us,
            found,
        };
        flow.push(Flow::Send { broker, frame });
    }

    /// Whether this host is trusted, and has covered what the asker has.
    fn may_give(&self, now_us: u64, seek: &Seek, host: &impl Host) -> bool {
        let topic = Topic::of_namespace(seek.key.namespace);
        let is_trusted = host.trusts(now_us, topic) && self.has_met_since(now_us, seek)
            || Mutant::SoughtWithoutTrust.is_on();
        let has_covered = |standing: &Standing| {
            self.links.iter().any(|link| {
                let needed = Topic::CONTROL.bit() | topic.bit();
                // What is applied stays so, whether the broker is heard or not.
                link.epoch == standing.epoch
                    && link.topics & needed == needed
                    && link.through(Topic::CONTROL) >= standing.control
                    && link.through(topic) >= standing.topic
            })
        };
        let is_covered = !seek.standings.is_empty() && seek.standings.iter().all(has_covered);
        is_trusted && (is_covered || Mutant::SoughtWithoutPosition.is_on())
    }

    /// Whether this host's trust was earned since it entered a life of a broker itself, and since the asker outlived one.
    fn has_met_since(&self, now_us: u64, seek: &Seek) -> bool {
        let outlived_us = seek
            .outlived_ago_us
            .map_or(0, |ago_us| now_us.saturating_sub(ago_us));
        let since_us = outlived_us.max(self.leases.seeks.entered_at_us);
        self.trust_us.is_some_and(|at_us| at_us >= since_us) || Mutant::SoughtTooSoon.is_on()
    }
}

fn found(seek: &Seek, is_alone: bool, host: &impl Host) -> Sought {
    let value_of = |max_bytes| {
        let value = host.fresh_value(seek.key, max_bytes);
        value.filter(|value| value.len() <= MAX_FETCHED_BYTES)
    };
    if is_alone {
        return value_of(MAX_FETCHED_BYTES).map_or(Sought::Nothing, Sought::Value);
    }
    match value_of(MAX_SMALL_BYTES) {
        Some(value) => Sought::Value(value),
        None if value_of(MAX_FETCHED_BYTES).is_some() => Sought::Large,
        None => Sought::Nothing,
    }
}
