//! Agents and brokers without a network: what is sent arrives at once and in order, or not at all.

use std::collections::VecDeque;

use super::*;
use crate::core::agent::AgentSettings;
use crate::core::{BrokerAction, BrokerCore, BrokerSettings, Mark, Peer};
use crate::wire::{Item, Record, ToAgent};

const KEY: KeyId = KeyId {
    namespace: 1,
    hash: 2,
};
const MS: u64 = 1_000;
const TERM_US: u64 = BrokerSettings::LEASE_TERM_US;

/// A host that has one value, if any.
struct OneValue {
    origin: Origin,
    clock: u64,
    value: Option<(Vec<u8>, u64)>,
}

impl Host for OneValue {
    fn origin(&self) -> Origin {
        self.origin
    }
    fn head(&self) -> u64 {
        0
    }
    fn oldest(&self) -> u64 {
        0
    }
    fn read(&mut self, from: u64, _max: usize, _items: &mut Vec<Item>) -> u64 {
        from
    }
    fn apply(&mut self, _record: &Record) {}
    fn finish_own(&mut self, from: u64) -> u64 {
        from
    }
    fn raise_floor(&mut self, _topics: u64) {}
    fn topics(&self) -> u64 {
        1
    }
    fn trust(&mut self, _until_us: u64, _topics: u64) {}
    fn end_trust(&mut self) {}
    fn accepted(&mut self, _ticket: u64) {}
    fn settled(&mut self, _ticket: u64) {}
    fn accepted_before(&self) -> u64 {
        0
    }
    fn settled_before(&self) -> u64 {
        0
    }
    fn mark(&self, _broker: usize) -> Option<Mark> {
        None
    }
    fn note(&mut self, _broker: usize, _mark: Mark) {}
    fn age_ms(&self, _key: KeyId) -> Option<u64> {
        None
    }
    fn clock(&self) -> u64 {
        self.clock
    }
    fn next_clock(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }
    fn value(&self, _key: KeyId, max_bytes: usize, since: u64) -> Option<Vec<u8>> {
        let (value, birth) = self.value.as_ref()?;
        (value.len() <= max_bytes && *birth >= since).then(|| value.clone())
    }
}

struct Cluster {
    now_us: u64,
    brokers: Vec<Option<BrokerCore>>,
    agents: Vec<Option<(AgentCore, OneValue)>>,
    /// Host, its number of the computation, and what came of it.
    outcomes: Vec<(usize, u64, LeaseOutcome)>,
}

impl Cluster {
    fn new(brokers: u8, hosts: usize) -> Self {
        let settings = AgentSettings {
            host: "host".into(),
            machine: 1,
            seed_check: 1,
            brokers,
            bound_us: AgentSettings::BOUND_US,
            gone_after_us: BrokerSettings::GONE_AFTER_US,
            lease_term_us: TERM_US,
            alone_after_us: AgentSettings::ALONE_AFTER_US,
        };
        let agent = |host: usize| {
            let mut host = OneValue {
                origin: Origin(host as u128 + 1),
                clock: 10,
                value: None,
            };
            Some((AgentCore::new(settings.clone(), 0, &mut host), host))
        };
        let mut cluster = Self {
            now_us: 0,
            brokers: (0..brokers).map(|_| None).collect(),
            agents: (0..hosts).map(agent).collect(),
            outcomes: Vec::new(),
        };
        for broker in 0..usize::from(brokers) {
            cluster.start_broker(broker, 1 + broker as u64);
        }
        cluster.pass(TERM_US + 100 * MS);
        cluster
    }

    fn start_broker(&mut self, broker: usize, epoch: u64) {
        let settings = BrokerSettings {
            brokers: u8::try_from(self.brokers.len()).expect("few"),
            ..BrokerSettings::default()
        };
        self.brokers[broker] = Some(BrokerCore::new(settings, Epoch(epoch), self.now_us));
    }

    fn with(&mut self, host: usize, act: impl FnOnce(&mut AgentCore, u64, &mut OneValue, &mut Vec<Flow>)) {
        let mut flow = Vec::new();
        if let Some((agent, it)) = &mut self.agents[host] {
            act(agent, self.now_us, it, &mut flow);
        }
        let mut queue: VecDeque<(usize, Flow)> = flow.into_iter().map(|step| (host, step)).collect();
        while let Some((host, step)) = queue.pop_front() {
            match step {
                Flow::Lease { number, outcome, .. } => self.outcomes.push((host, number, outcome)),
                Flow::Send { broker, frame } => {
                    let mut actions = Vec::new();
                    if let Some(core) = &mut self.brokers[broker] {
                        core.on_frame(self.now_us, Peer(host as u64), frame, &mut actions);
                    }
                    self.deliver(broker, actions, &mut queue);
                }
                Flow::Subscribe { .. } | Flow::Event(_) => {}
            }
        }
    }

    fn deliver(&mut self, broker: usize, actions: Vec<BrokerAction>, queue: &mut VecDeque<(usize, Flow)>) {
        for action in actions {
            let BrokerAction::Send { to, frame } = action else {
                continue;
            };
            let host = usize::try_from(to.0).expect("few");
            let mut flow = Vec::new();
            if let Some((agent, it)) = &mut self.agents[host] {
                agent.on_frame(self.now_us, broker, frame, it, &mut flow);
            }
            queue.extend(flow.into_iter().map(|step| (host, step)));
        }
    }

    fn pass(&mut self, for_us: u64) {
        let end_us = self.now_us + for_us;
        while self.now_us < end_us {
            self.now_us += 2 * MS;
            for broker in 0..self.brokers.len() {
                let mut actions = Vec::new();
                if let Some(core) = &mut self.brokers[broker] {
                    core.on_tick(self.now_us, &mut actions);
                }
                let mut queue = VecDeque::new();
                self.deliver(broker, actions, &mut queue);
                for (host, step) in queue {
                    self.with(host, |_, _, _, flow| flow.push(step));
                }
            }
            for host in 0..self.agents.len() {
                self.with(host, AgentCore::on_tick);
            }
        }
    }

    fn want(&mut self, host: usize, number: u64) {
        self.with(host, |agent, now_us, it, flow| {
            agent.lease_want(now_us, KEY, number, LeaseWish::Compute, it, flow);
        });
    }

    /// The worker stores a value with a token that it took when it was granted, and says so.
    fn done(&mut self, host: usize, number: u64, bytes: usize) {
        self.with(host, |agent, now_us, it, flow| {
            it.value = Some((vec![7; bytes], it.clock));
            agent.lease_done(now_us, KEY, number, it, flow);
        });
    }

    /// The last words to a computation.
    fn outcome(&self, host: usize, number: u64) -> Option<&LeaseOutcome> {
        let of = |(at, of, _): &&(usize, u64, LeaseOutcome)| (*at, *of) == (host, number);
        self.outcomes.iter().rev().find(of).map(|(_, _, outcome)| outcome)
    }

    fn granted(&self) -> usize {
        let is_grant = |outcome: &&(usize, u64, LeaseOutcome)| outcome.2 == LeaseOutcome::Granted;
        self.outcomes.iter().filter(is_grant).count()
    }
}

#[test]
fn one_computes_and_the_others_are_given_the_value_with_a_clock_from_before() {
    for brokers in [1, 3] {
        let mut cluster = Cluster::new(brokers, 3);
        for host in 0..3 {
            cluster.want(host, 5);
        }
        cluster.pass(20 * MS);
        assert_eq!(cluster.granted(), 1);
        assert_eq!(
            cluster.outcome(1, 5),
            Some(&LeaseOutcome::Busy { owner: Origin(1) })
        );
        // What comes after the grant is later than what the value is stored with.
        cluster.with(1, |_, _, it, _| it.clock = 50);
        cluster.pass(2_000 * MS);
        cluster.done(0, 5, 100);
        for host in 1..3 {
            let found = LeaseOutcome::Found {
                owner: Origin(1),
                value: Some(vec![7; 100]),
                clock: Some(10),
            };
            assert_eq!(cluster.outcome(host, 5), Some(&found), "{brokers} brokers");
        }
        cluster.pass(20 * MS);
        for (agent, _) in cluster.agents.iter().flatten() {
            assert!(agent.leases.claims.is_empty(), "everybody knows");
        }
        assert_eq!(cluster.granted(), 1);
    }
}

#[test]
fn a_large_value_is_fetched_and_a_larger_one_is_not() {
    for (bytes, is_given) in [(MAX_TOLD_BYTES + 1, true), (MAX_FETCHED_BYTES + 1, false)] {
        let mut cluster = Cluster::new(3, 2);
        cluster.want(0, 5);
        cluster.want(1, 6);
        cluster.done(0, 5, bytes);
        cluster.pass(300 * MS);
        let Some(LeaseOutcome::Found { value, .. }) = cluster.outcome(1, 6) else {
            panic!("{:?}", cluster.outcomes);
        };
        assert_eq!(value.as_ref().map(Vec::len), is_given.then_some(bytes));
    }
}

#[test]
fn a_value_with_a_token_from_before_the_grant_is_not_given_away() {
    let mut cluster = Cluster::new(1, 2);
    cluster.with(0, |_, _, it, _| it.value = Some((vec![1], it.clock)));
    cluster.want(0, 5);
    cluster.want(1, 6);
    cluster.with(0, |agent, now_us, it, flow| {
        agent.lease_done(now_us, KEY, 5, it, flow);
    });
    cluster.pass(20 * MS);
    let Some(LeaseOutcome::Found { value: None, .. }) = cluster.outcome(1, 6) else {
        panic!("{:?}", cluster.outcomes);
    };
}

#[test]
fn who_computes_is_followed_by_one_when_it_dies_and_by_one_when_it_gives_up() {
    let mut cluster = Cluster::new(3, 4);
    for host in 0..4 {
        cluster.want(host, 5);
    }
    cluster.agents[0] = None;
    cluster.pass(TERM_US - 100 * MS);
    assert_eq!(cluster.granted(), 1);
    cluster.pass(250 * MS);
    assert_eq!(cluster.granted(), 2, "within a term and a little");
    let is_granted = |host: &usize| cluster.outcome(*host, 5) == Some(&LeaseOutcome::Granted);
    let host = (1..4).find(is_granted).expect("one of them");
    cluster.with(host, |agent, now_us, it, flow| {
        agent.lease_abandon(now_us, KEY, 5, it, flow);
    });
    cluster.pass(100 * MS);
    assert_eq!(cluster.granted(), 3);
}

#[test]
fn without_brokers_it_goes_on_alone_and_soon() {
    let mut cluster = Cluster::new(3, 1);
    cluster.brokers[0] = None;
    cluster.want(0, 5);
    cluster.pass(40 * MS);
    assert_eq!(
        cluster.outcome(0, 5),
        Some(&LeaseOutcome::Granted),
        "two of three are enough"
    );
    cluster.brokers[1] = None;
    cluster.want(0, 6);
    cluster.pass(300 * MS);
    assert_eq!(cluster.outcome(0, 6), Some(&LeaseOutcome::Alone));
}

#[test]
fn a_broker_that_began_anew_learns_who_computes() {
    let mut cluster = Cluster::new(1, 2);
    cluster.want(0, 5);
    cluster.start_broker(0, 9);
    cluster.want(1, 6);
    cluster.pass(3 * TERM_US);
    assert_eq!(cluster.granted(), 1);
    cluster.done(0, 5, 10);
    cluster.pass(100 * MS);
    let Some(LeaseOutcome::Found { value, clock, .. }) = cluster.outcome(1, 6) else {
        panic!("{:?}", cluster.outcomes);
    };
    assert!(value.is_some());
    assert_eq!(*clock, None, "nobody knows what was before its grant");
}

#[test]
fn an_agent_that_takes_over_renews_what_its_host_computes() {
    let mut cluster = Cluster::new(3, 2);
    cluster.want(0, 5);
    cluster.want(1, 6);
    let (old, mut host) = cluster.agents[0].take().expect("it is there");
    let mut agent = AgentCore::new(old.settings().clone(), cluster.now_us, &mut host);
    agent.lease_hold(cluster.now_us, KEY, 5, &mut host, &mut Vec::new());
    cluster.agents[0] = Some((agent, host));
    cluster.pass(3 * TERM_US);
    assert_eq!(cluster.granted(), 1);
    cluster.done(0, 5, 10);
    cluster.pass(20 * MS);
    assert!(matches!(cluster.outcome(1, 6), Some(LeaseOutcome::Found { .. })));
}

#[test]
fn what_is_granted_to_nobody_is_given_back() {
    let mut cluster = Cluster::new(1, 1);
    let answer = ToAgent::Lease(LeaseAnswer {
        epoch: Epoch(1),
        key: KEY,
        number: 77,
        asked_at_us: cluster.now_us,
        verdict: LeaseVerdict::Granted { grant: 1 },
    });
    let mut sent = Vec::new();
    cluster.with(0, |agent, now_us, it, flow| {
        agent.on_frame(now_us, 0, answer, it, flow);
        sent.clone_from(flow);
    });
    let gives_back = |step: &Flow| {
        let Flow::Send {
            frame: ToBroker::Lease(request),
            ..
        } = step
        else {
            return false;
        };
        (request.number, &request.step) == (77, &LeaseStep::Abandon)
    };
    assert!(sent.iter().any(gives_back), "{sent:?}");
}

#[test]
fn a_lease_whose_worker_vanished_is_given_back_and_not_renewed() {
    let mut cluster = Cluster::new(1, 2);
    cluster.want(0, 1);
    cluster.want(1, 2);
    assert_eq!(cluster.outcome(0, 1), Some(&LeaseOutcome::Granted));
    cluster.with(0, |agent, now_us, it, flow| {
        agent.lease_forget(now_us, 9, it, flow);
        agent.lease_forget(now_us, 1, it, flow);
    });
    cluster.pass(100 * MS);
    assert_eq!(cluster.outcome(1, 2), Some(&LeaseOutcome::Granted));
    assert_eq!(
        cluster.agents[0].as_ref().map(|(agent, _)| agent.lease_count()),
        Some(0)
    );
}
