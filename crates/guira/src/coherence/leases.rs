//! Leases between workers, who ask in the segment, and brokers, who grant.

use std::collections::HashMap;
use std::time::Duration;

use guira_bus::core::{LeaseOutcome, LeaseWish};
use guira_bus::runtime::{Agent, clock};
use guira_bus::wire::KeyId;
use guira_segment::{AskedLease, LeaseAnswer, LeaseStep, Segment};

use super::handed::{OF_A_COMPUTATION, OF_A_FETCH, hand_over};
use super::host::SegmentHost;

/// What an agent knows of its host's leases.
#[derive(Debug)]
pub(super) struct Desk {
    segment: Segment,
    seen: HashMap<u64, LeaseStep>,
    events: Option<u64>,
}

impl Desk {
    /// With the leases that the agent before this one had got: to be made before the first frame is taken.
    pub(super) fn open(segment: &Segment, agent: &mut Agent<SegmentHost>) -> Self {
        let mut desk = Self {
            segment: segment.clone(),
            seen: HashMap::new(),
            events: None,
        };
        desk.look(agent);
        desk
    }

    /// Passes on what workers ask and say, if they said anything.
    pub(super) fn look(&mut self, agent: &mut Agent<SegmentHost>) {
        let events = self.segment.journal().map(|journal| journal.lease_events());
        // Workers that died say nothing: while there are leases, all are looked at.
        if events == self.events && self.seen.is_empty() {
            return;
        }
        self.events = events;
        let asked = self.segment.asked_leases();
        let now_us = clock::now_us();
        let now_ms = now_us / 1_000;
        let mut seen = HashMap::with_capacity(asked.len());
        for lease in &asked {
            let number = lease.number();
            let key = KeyId {
                namespace: lease.namespace_hash,
                hash: lease.hash,
            };
            let (core, host, flow) = agent.core();
            let is_waiting_or_computing = matches!(
                lease.step,
                LeaseStep::Wanted | LeaseStep::Busy | LeaseStep::Granted
            );
            if is_waiting_or_computing && lease.deadline_ms < now_ms {
                // Anybody may take its slot now: others need not wait for what may never end.
                core.lease_forget(now_us, number, host, flow);
                seen.insert(number, lease.step);
                continue;
            }
            let is_new = !self.seen.contains_key(&number);
            match lease.step {
                LeaseStep::Wanted | LeaseStep::Busy if is_new => {
                    core.lease_want(now_us, key, number, wish_of(lease), host, flow);
                }
                LeaseStep::Granted if is_new => core.lease_hold(now_us, key, number, host, flow),
                LeaseStep::Done => core.lease_done(now_us, key, number, host, flow),
                LeaseStep::Abandoned => core.lease_abandon(now_us, key, number, host, flow),
                LeaseStep::Left => core.lease_leave(now_us, key, number, host, flow),
                _ => {}
            }
            if matches!(
                lease.step,
                LeaseStep::Done | LeaseStep::Abandoned | LeaseStep::Left
            ) {
                self.segment.answer_lease(lease, LeaseAnswer::Closed, 0);
            } else {
                seen.insert(number, lease.step);
            }
        }
        // Those whose slots have become others'. Whose worker is told already is at its end.
        for number in self.seen.keys().filter(|number| !seen.contains_key(number)) {
            let (core, host, flow) = agent.core();
            core.lease_forget(now_us, *number, host, flow);
        }
        self.seen = seen;
    }

    /// Tells a worker what came of its question.
    pub(super) fn answer(
        &self,
        agent: &mut Agent<SegmentHost>,
        key: KeyId,
        number: u64,
        outcome: LeaseOutcome,
    ) {
        let Some(asked) = self.find(number) else {
            let (core, host, flow) = agent.core();
            core.lease_forget(clock::now_us(), number, host, flow);
            return;
        };
        let (answer, payload) = match outcome {
            LeaseOutcome::Busy { .. } => (LeaseAnswer::Busy, 0),
            LeaseOutcome::Granted => (LeaseAnswer::Granted, 0),
            LeaseOutcome::Alone => (LeaseAnswer::Alone, 0),
            LeaseOutcome::Found { value, clock, .. } => {
                let is_handed = value
                    .zip(clock)
                    .is_some_and(|(value, clock)| self.hand_over(agent, key, number, clock, &value));
                (LeaseAnswer::Ready, if is_handed { OF_A_COMPUTATION } else { 0 })
            }
            LeaseOutcome::Fetched { value, clock, .. } => {
                let is_handed = self.hand_over(agent, key, number, clock, &value);
                (LeaseAnswer::Ready, if is_handed { OF_A_FETCH } else { 0 })
            }
        };
        self.segment.answer_lease(&asked, answer, payload);
    }

    /// Hands a value to a worker, unless its key was touched since.
    fn hand_over(
        &self,
        agent: &mut Agent<SegmentHost>,
        key: KeyId,
        number: u64,
        clock: u64,
        value: &[u8],
    ) -> bool {
        agent.host().is_untouched_since(key, clock) && hand_over(&self.segment, number, clock, value)
    }

    fn find(&self, number: u64) -> Option<AskedLease> {
        self.segment
            .asked_leases()
            .into_iter()
            .find(|asked| asked.number() == number)
    }
}

fn wish_of(lease: &AskedLease) -> LeaseWish {
    let us = |wait: Duration| u64::try_from(wait.as_micros()).unwrap_or(u64::MAX);
    match lease.wish {
        guira_segment::LeaseWish::Compute => LeaseWish::Compute,
        guira_segment::LeaseWish::FetchOrCompute(wait) => LeaseWish::FetchOrCompute { wait_us: us(wait) },
        guira_segment::LeaseWish::Fetch(wait) => LeaseWish::Fetch { wait_us: us(wait) },
    }
}

#[cfg(test)]
mod tests {
    use guira_bus::transport::{AgentOptions, BrokerAddress, Endpoint};
    use guira_bus::wire::Cluster;

    use super::*;
    use crate::coherence::agent::settings_of;

    const BROKERS: usize = 1;

    /// An agent that no broker answers, and that waits for them.
    fn agent(segment: &Segment) -> Agent<SegmentHost> {
        let endpoint: Endpoint = "tcp://127.0.0.1:1".parse().expect("an address");
        let options = AgentOptions::new([BrokerAddress { endpoint, key: None }]);
        let mut settings = settings_of("shop", "here".into(), BROKERS, Duration::from_millis(500));
        settings.alone_after_us = 3_600_000_000;
        let host = SegmentHost::new(segment.clone()).expect("it is of a cluster");
        Agent::new(settings, &options, Cluster::of_name("shop"), host).expect("sockets")
    }

    fn leases(agent: &mut Agent<SegmentHost>) -> usize {
        agent.core().0.lease_count()
    }

    #[test]
    fn a_lease_ends_with_its_deadline_though_its_worker_lives() {
        let segment = Segment::builder().size(8 << 20).cluster("shop").private();
        let segment = segment.expect("it is small");
        let mut agent = agent(&segment);
        let mut desk = Desk::open(&segment, &mut agent);
        let token = segment.fill_token(b"key");
        let short = segment.ask_lease(b"key", &token, Duration::from_millis(200));
        let token = segment.fill_token(b"other");
        let long = segment.ask_lease(b"other", &token, Duration::from_secs(3_600));
        desk.look(&mut agent);
        assert_eq!(
            (leases(&mut agent), short.is_some(), long.is_some()),
            (2, true, true)
        );
        let began = std::time::Instant::now();
        while leases(&mut agent) > 1 {
            assert!(
                began.elapsed() < Duration::from_secs(20),
                "it is asked for, for ever"
            );
            desk.look(&mut agent);
            std::thread::yield_now();
        }
        desk.look(&mut agent);
        assert_eq!(leases(&mut agent), 1, "and is not begun again");
    }

    #[test]
    fn what_is_granted_to_a_slot_that_is_another_s_is_given_back() {
        let segment = Segment::builder().size(8 << 20).cluster("shop").private();
        let segment = segment.expect("it is small");
        let mut agent = agent(&segment);
        let desk = Desk::open(&segment, &mut agent);
        let key = KeyId::default();
        let (core, host, flow) = agent.core();
        core.lease_want(clock::now_us(), key, 5, LeaseWish::Compute, host, flow);
        assert_eq!(leases(&mut agent), 1);
        desk.answer(&mut agent, key, 5, LeaseOutcome::Granted);
        assert_eq!(leases(&mut agent), 0);
    }
}
