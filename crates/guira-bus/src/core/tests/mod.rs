//! Hosts and brokers without a network: what is sent arrives at once and in order, or, between those that are
//! cut off from each other, not at all.

mod fetching;
mod healing;
mod promises;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use super::{
    AgentCore, AgentSettings, BrokerAction, BrokerCore, BrokerSettings, Flow, Host, LeaseOutcome, LinkState,
    Mark, Peer,
};
use crate::wire::{Epoch, Item, KeyId, Origin, Record, RecordKind, ToAgent, ToBroker, Topic};

const MS: u64 = 1_000;
const SECOND: u64 = 1_000_000;

/// A host that remembers what it was made to do.
#[derive(Debug)]
struct Segment {
    origin: Origin,
    journal: Vec<Item>,
    ring: u64,
    accepted: u64,
    settled: u64,
    marks: BTreeMap<usize, Mark>,
    trusted_until_us: u64,
    /// Hashes of the keys that other hosts said are void.
    applied: Vec<u64>,
    floors: usize,
    /// What it gives, whatever the key.
    value: Option<Vec<u8>>,
    clock: u64,
    /// Another agent speaks for it.
    is_taken_over: bool,
    /// Own records from this ticket on cannot be carried out yet.
    unwritten: Option<u64>,
}

impl Segment {
    fn new(origin: u128, ring: u64) -> Self {
        Self {
            origin: Origin(origin),
            journal: Vec::new(),
            ring,
            accepted: 0,
            settled: 0,
            marks: BTreeMap::new(),
            trusted_until_us: 0,
            applied: Vec::new(),
            floors: 0,
            value: None,
            clock: 0,
            is_taken_over: false,
            unwritten: None,
        }
    }
}

impl Host for Segment {
    fn origin(&self) -> Origin {
        self.origin
    }
    fn head(&self) -> u64 {
        self.journal.len() as u64
    }
    fn oldest(&self) -> u64 {
        self.head().saturating_sub(self.ring)
    }
    fn read(&mut self, from: u64, max: usize, items: &mut Vec<Item>) -> u64 {
        let begin = usize::try_from(from).expect("few");
        let read: Vec<Item> = self.journal.iter().skip(begin).take(max).copied().collect();
        items.extend(&read);
        from + read.len() as u64
    }
    fn apply(&mut self, record: &Record) {
        self.applied.push(record.hash);
    }
    fn finish_own(&mut self, from: u64) -> u64 {
        let end = self.unwritten.unwrap_or(u64::MAX).min(self.head());
        end.max(from)
    }
    fn raise_floor(&mut self, _topics: u64) {
        self.floors += 1;
    }
    fn topics(&self) -> u64 {
        u64::MAX
    }
    fn trust(&mut self, until_us: u64, _topics: u64) {
        self.trusted_until_us = self.trusted_until_us.max(until_us);
    }
    fn end_trust(&mut self) {
        self.trusted_until_us = 0;
        self.marks.clear();
    }
    fn accepted(&mut self, ticket: u64) {
        self.accepted = self.accepted.max(ticket);
    }
    fn settled(&mut self, ticket: u64) {
        self.settled = self.settled.max(ticket);
    }
    fn accepted_before(&self) -> u64 {
        self.accepted
    }
    fn settled_before(&self) -> u64 {
        self.settled
    }
    fn mark(&self, broker: usize) -> Option<Mark> {
        self.marks.get(&broker).copied()
    }
    fn note(&mut self, broker: usize, mark: Mark) {
        self.marks.insert(broker, mark);
    }
    fn clock(&self) -> u64 {
        self.clock
    }
    fn next_clock(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }
    fn fresh_value(&self, _key: KeyId, max_bytes: usize) -> Option<Vec<u8>> {
        self.value.clone().filter(|value| value.len() <= max_bytes)
    }
    fn trusts(&self, now_us: u64, _topic: Topic) -> bool {
        now_us < self.trusted_until_us
    }
    fn is_spoken_for(&self) -> bool {
        !self.is_taken_over
    }
    fn value(&self, _key: KeyId, _max_bytes: usize, _since: u64) -> Option<Vec<u8>> {
        None
    }
    fn age_ms(&self, _key: KeyId) -> Option<u64> {
        None
    }
}

/// What travels.
enum Way {
    Up(usize, usize, ToBroker),
    Down(usize, usize, ToAgent),
}

/// A cluster.
struct Net {
    now_us: u64,
    brokers: Vec<Option<BrokerCore>>,
    agents: Vec<Option<AgentCore>>,
    segments: Vec<Segment>,
    bounds_us: Vec<u64>,
    /// Host and broker.
    cut: BTreeSet<(usize, usize)>,
    /// No list of members arrives.
    are_lists_lost: bool,
    /// How many of each frame brokers got.
    joins: usize,
    lists: usize,
    /// How often a broker did not know who spoke.
    strangers: usize,
    epochs: u64,
    /// Host, its number of the computation, and what came of it.
    outcomes: Vec<(usize, u64, LeaseOutcome)>,
}

impl Net {
    fn new(brokers: usize, hosts: usize, ring: u64) -> Self {
        let mut net = Self {
            now_us: 10 * SECOND,
            brokers: (0..brokers).map(|_| None).collect(),
            agents: (0..hosts).map(|_| None).collect(),
            segments: (0..hosts)
                .map(|host| Segment::new(host as u128 + 1, ring))
                .collect(),
            bounds_us: vec![AgentSettings::BOUND_US; hosts],
            cut: BTreeSet::new(),
            are_lists_lost: false,
            joins: 0,
            lists: 0,
            strangers: 0,
            epochs: 0,
            outcomes: Vec::new(),
        };
        for broker in 0..brokers {
            net.start_broker(broker);
        }
        for host in 0..hosts {
            net.start_agent(host);
        }
        net
    }

    fn start_broker(&mut self, broker: usize) {
        let settings = BrokerSettings {
            brokers: u8::try_from(self.brokers.len()).expect("few"),
            ..BrokerSettings::default()
        };
        self.epochs += 1;
        self.brokers[broker] = Some(BrokerCore::new(settings, Epoch(self.epochs), self.now_us));
    }

    fn start_agent(&mut self, host: usize) {
        let settings = AgentSettings {
            host: format!("host {host}"),
            machine: host as u64,
            seed_check: 1,
            brokers: u8::try_from(self.brokers.len()).expect("few"),
            bound_us: self.bounds_us[host],
            gone_after_us: BrokerSettings::GONE_AFTER_US,
            lease_term_us: BrokerSettings::LEASE_TERM_US,
            alone_after_us: AgentSettings::ALONE_AFTER_US,
        };
        self.agents[host] = Some(AgentCore::new(settings, self.now_us, &mut self.segments[host]));
    }

    fn cut(&mut self, host: usize) {
        self.cut
            .extend((0..self.brokers.len()).map(|broker| (host, broker)));
    }

    fn mend(&mut self, host: usize) {
        self.cut.retain(|&(of, _)| of != host);
    }

    /// A worker of `host` says that keys are void.
    fn invalidate(&mut self, host: usize, hashes: impl IntoIterator<Item = u64>) {
        for hash in hashes {
            self.segments[host].journal.push(Item::Record(Record {
                kind: RecordKind::Invalidate,
                namespace: 1,
                hash,
                wall_ms: 0,
                stamp: 0,
            }));
        }
    }

    fn flow(&mut self, host: usize, flow: Vec<Flow>, queue: &mut VecDeque<Way>) {
        for step in flow {
            match step {
                Flow::Send { broker, frame } => queue.push_back(Way::Up(host, broker, frame)),
                Flow::Lease { number, outcome, .. } => self.outcomes.push((host, number, outcome)),
                Flow::Subscribe { .. } | Flow::Event(_) => {}
            }
        }
    }

    fn act(&mut self, broker: usize, actions: Vec<BrokerAction>, queue: &mut VecDeque<Way>) {
        for action in actions {
            match action {
                BrokerAction::Send { to, frame } => {
                    let host = usize::try_from(to.0).expect("few");
                    queue.push_back(Way::Down(host, broker, frame));
                }
                BrokerAction::Publish { frame, .. } => {
                    for host in 0..self.agents.len() {
                        if self.cut.contains(&(host, broker)) {
                            continue;
                        }
                        let mut flow = Vec::new();
                        if let Some(agent) = &mut self.agents[host] {
                            let segment = &mut self.segments[host];
                            agent.on_stream(self.now_us, broker, frame.clone(), segment, &mut flow);
                        }
                        self.flow(host, flow, queue);
                    }
                }
                BrokerAction::Say(_) => {}
            }
        }
    }

    fn deliver(&mut self, mut queue: VecDeque<Way>) {
        while let Some(way) = queue.pop_front() {
            match way {
                Way::Up(host, broker, frame) if !self.cut.contains(&(host, broker)) => {
                    self.joins += usize::from(matches!(frame, ToBroker::Join { .. }));
                    self.lists += usize::from(matches!(frame, ToBroker::Members { .. }));
                    let mut actions = Vec::new();
                    if let Some(core) = &mut self.brokers[broker] {
                        core.on_frame(self.now_us, Peer(host as u64), frame, &mut actions);
                    }
                    self.act(broker, actions, &mut queue);
                }
                Way::Down(host, broker, frame) if !self.cut.contains(&(host, broker)) => {
                    if self.are_lists_lost && matches!(frame, ToAgent::Members { .. }) {
                        continue;
                    }
                    self.strangers += usize::from(matches!(frame, ToAgent::WhoAreYou { .. }));
                    let mut flow = Vec::new();
                    if let Some(agent) = &mut self.agents[host] {
                        let segment = &mut self.segments[host];
                        agent.on_frame(self.now_us, broker, frame, segment, &mut flow);
                    }
                    self.flow(host, flow, &mut queue);
                }
                Way::Up(..) | Way::Down(..) => {}
            }
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
                self.act(broker, actions, &mut queue);
                self.deliver(queue);
            }
            for host in 0..self.agents.len() {
                let mut flow = Vec::new();
                if let Some(agent) = &mut self.agents[host] {
                    agent.on_tick(self.now_us, &mut self.segments[host], &mut flow);
                }
                let mut queue = VecDeque::new();
                self.flow(host, flow, &mut queue);
                self.deliver(queue);
            }
        }
    }

    fn is_trusted(&self, host: usize) -> bool {
        self.now_us < self.segments[host].trusted_until_us
    }
}
