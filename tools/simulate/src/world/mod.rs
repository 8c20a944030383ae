//! The world of one seed: a queue of events in virtual time.

mod events;
mod faults;
mod leases;
mod network;
mod workers;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap};

use fastrand::Rng;
use guira_bus::core::mutant::Mutant;
use guira_bus::core::{
    AgentCore, AgentEvent, AgentSettings, BrokerAction, BrokerCore, BrokerSettings, EntryInto, Flow, Host,
    Peer,
};
use guira_bus::wire::{Cluster, Epoch, Origin, RecordKind, Stream, ToAgent, ToBroker, decode, encode};
use leases::Want;

use crate::host::{Segment, TAGS, Value};
use crate::oracle::{Oracle, Violation};
use crate::plan::{Fault, Micros, Plan};

const CLUSTER: Cluster = Cluster(7);
/// How often agents and brokers wake by themselves.
const TICK_US: Micros = 4_000;
/// Workers rest from this long after the last fault on.
const QUIET_AFTER_US: Micros = 1_200_000;
/// One frame of so many goes through the wire's bytes and back.
const BYTES_ONE_IN: u32 = 16;

#[derive(Debug)]
enum Event {
    AgentTick {
        host: usize,
        life: u64,
    },
    BrokerTick {
        broker: usize,
        life: u64,
    },
    ToBroker {
        broker: usize,
        peer: Peer,
        frame: ToBroker,
    },
    ToAgent {
        host: usize,
        life: u64,
        broker: usize,
        connection: u64,
        frame: ToAgent,
    },
    OnStream {
        host: usize,
        life: u64,
        broker: usize,
        connection: u64,
        frame: Stream,
    },
    Subscribed {
        host: usize,
        broker: usize,
        connection: u64,
        topics: u64,
    },
    Work {
        host: usize,
        life: u64,
    },
    Source {
        host: usize,
        life: u64,
        key: usize,
        birth: u64,
    },
    Fill {
        host: usize,
        life: u64,
        key: usize,
        value: Value,
    },
    Told {
        host: usize,
        life: u64,
        kind: RecordKind,
        which: usize,
        told: Vec<(usize, u64)>,
    },
    Computed {
        host: usize,
        life: u64,
        number: u64,
        version: Option<u64>,
    },
    Fault(Fault),
    Healed(Fault),
}

#[derive(Debug)]
struct HostNode {
    segment: Segment,
    /// The worker world: a reboot begins another.
    life: u64,
    is_up: bool,
    agent: Option<AgentCore>,
    /// The agent that speaks; frames for others are dropped.
    agent_life: u64,
    stopped: Option<Vec<Event>>,
    /// To each broker: the connection, and what it asked of the stream.
    connections: Vec<u64>,
    subscriptions: Vec<u64>,
    cut_until_us: Vec<Micros>,
    stream_lost_until_us: Vec<Micros>,
    /// Leases that workers have or want.
    wants: BTreeMap<u64, Want>,
    /// Until then its leases may be lost.
    disturbed_until_us: Micros,
    /// For each key the version that a worker of this host told of.
    told_here: Vec<u64>,
}

#[derive(Debug)]
struct BrokerNode {
    core: Option<BrokerCore>,
    life: u64,
    stopped: Option<Vec<Event>>,
}

/// What a run did: so that a report can show that the hard cases happened.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) events: u64,
    pub(crate) frames: u64,
    pub(crate) frames_lost: u64,
    pub(crate) trusted_hits: u64,
    pub(crate) untrusted_hits: u64,
    pub(crate) invalidations: u64,
    pub(crate) accepted: u64,
    pub(crate) settled: u64,
    pub(crate) gaps: u64,
    pub(crate) overflows: u64,
    pub(crate) resumed: u64,
    pub(crate) continued: u64,
    pub(crate) fresh: u64,
    pub(crate) floors: u64,
    pub(crate) deaths: u64,
    pub(crate) leases_granted: u64,
    pub(crate) leases_waited: u64,
    pub(crate) leases_found: u64,
    pub(crate) leases_valued: u64,
    pub(crate) leases_clocked: u64,
    pub(crate) leases_stored: u64,
    pub(crate) leases_alone: u64,
    pub(crate) leases_doubled: u64,
    pub(crate) fetched: u64,
}

/// How a seed ended.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) counts: Counts,
    pub(crate) violation: Option<Violation>,
    pub(crate) unhealed: Option<String>,
}

pub(crate) struct World {
    plan: Plan,
    rng: Rng,
    now_us: Micros,
    sequence: u64,
    queue: BinaryHeap<Reverse<(Micros, u64)>>,
    events: HashMap<u64, Event>,
    hosts: Vec<HostNode>,
    brokers: Vec<BrokerNode>,
    source: Vec<u64>,
    oracle: Oracle,
    counts: Counts,
    violation: Option<Violation>,
    next_number: u64,
    is_traced: bool,
}

impl World {
    /// The world of a seed. With a mistake, one made for it; that it is made is up to its thread.
    pub(crate) fn new(seed: u64, mutant: Option<Mutant>, is_traced: bool) -> Self {
        let mut rng = Rng::with_seed(seed);
        let plan = Plan::of(&mut rng, mutant);
        if is_traced {
            say(&format!("{plan:#?}"));
        }
        let hosts = (0..plan.hosts)
            .map(|host| HostNode {
                segment: Segment::new(Origin(host as u128 + 1), plan.keys, plan.brokers, plan.ring),
                life: 0,
                is_up: false,
                agent: None,
                agent_life: 0,
                stopped: None,
                connections: vec![0; plan.brokers],
                subscriptions: vec![0; plan.brokers],
                cut_until_us: vec![0; plan.brokers],
                stream_lost_until_us: vec![0; plan.brokers],
                wants: BTreeMap::new(),
                disturbed_until_us: 0,
                told_here: vec![0; plan.keys],
            })
            .collect();
        let brokers = (0..plan.brokers)
            .map(|_| BrokerNode {
                core: None,
                life: 0,
                stopped: None,
            })
            .collect();
        let mut world = Self {
            oracle: Oracle::new(plan.keys, plan.bound_us),
            source: vec![1; plan.keys],
            rng,
            now_us: 0,
            sequence: 0,
            queue: BinaryHeap::new(),
            events: HashMap::new(),
            hosts,
            brokers,
            counts: Counts::default(),
            violation: None,
            next_number: 1_000,
            is_traced,
            plan,
        };
        for broker in 0..world.plan.brokers {
            world.start_broker(broker);
        }
        for host in 0..world.plan.hosts {
            let at_us = world.plan.starts_us.get(host).copied().unwrap_or(0);
            world.at(at_us, Event::Healed(Fault::HostReboots { host, for_us: 0 }));
        }
        for (at_us, fault) in world.plan.faults.clone() {
            world.at(at_us, Event::Fault(fault));
        }
        world
    }

    /// Runs to the end, or to the first violation.
    pub(crate) fn run(mut self) -> Outcome {
        while let Some(Reverse((at_us, number))) = self.queue.pop() {
            if at_us > self.plan.end_us || self.violation.is_some() {
                break;
            }
            self.now_us = at_us;
            if let Some(event) = self.events.remove(&number) {
                self.counts.events += 1;
                self.happen(event);
            }
        }
        for node in &self.hosts {
            self.counts.floors += node.segment.floors_raised;
        }
        let unhealed = if self.violation.is_none() {
            self.unhealed()
        } else {
            None
        };
        Outcome {
            counts: self.counts,
            violation: self.violation,
            unhealed,
        }
    }

    /// What calm did not heal.
    fn unhealed(&self) -> Option<String> {
        for (host, node) in self.hosts.iter().enumerate().filter(|(_, node)| node.is_up) {
            let now_us = self.host_clock(host);
            if now_us >= node.segment.trusted_until_us {
                self.trace(|| format!("{:?}", node.agent));
                return Some(format!(
                    "host {host} is not trusted: {:?}",
                    node.agent.as_ref().map(|agent| agent.links(now_us))
                ));
            }
            if node.segment.accepted_now() < node.segment.head() {
                return Some(format!(
                    "host {host}: {} of {} are accepted",
                    node.segment.accepted_now(),
                    node.segment.head()
                ));
            }
            if node.segment.settled_now() < node.segment.head() {
                return Some(format!(
                    "host {host}: {} of {} are settled",
                    node.segment.settled_now(),
                    node.segment.head()
                ));
            }
            if let Some(text) = self.waits_too_long(host, node) {
                return Some(text);
            }
            for key in 0..self.plan.keys {
                if !node.segment.is_trusted(key, now_us) && key % 3 < node.segment.opened {
                    return Some(format!("host {host}: key {key}'s namespace is not trusted"));
                }
            }
        }
        None
    }

    fn at(&mut self, at_us: Micros, event: Event) {
        self.sequence += 1;
        self.queue.push(Reverse((at_us, self.sequence)));
        self.events.insert(self.sequence, event);
    }

    fn after(&mut self, delay_us: Micros, event: Event) {
        self.at(self.now_us + delay_us, event);
    }

    fn number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number
    }

    fn trace(&self, text: impl FnOnce() -> String) {
        if self.is_traced {
            say(&format!("{:>10} {}", self.now_us, text()));
        }
    }

    fn clock(&self, node: usize) -> Micros {
        let offset_us = self.plan.clock_offsets_us.get(node).copied().unwrap_or(0);
        let ppm = self.plan.clock_ppm.get(node).copied().unwrap_or(0);
        let drift_us = i64::try_from(self.now_us).unwrap_or(0) * ppm / 1_000_000;
        (offset_us + self.now_us).saturating_add_signed(drift_us)
    }

    fn host_clock(&self, host: usize) -> Micros {
        self.clock(host)
    }

    fn broker_clock(&self, broker: usize) -> Micros {
        self.clock(self.plan.hosts + broker)
    }
}

/// A line of a trace.
fn say(text: &str) {
    #[expect(clippy::print_stdout, reason = "a command says things")]
    {
        println!("{text}");
    }
}
