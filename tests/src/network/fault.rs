//! What goes wrong, by a plan that a seed makes.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::lab::Place;
use super::weather::Way;
use super::{NetworkPlan, Random};

/// A kind of fault, by its name in reports.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize, clap::ValueEnum)]
pub enum Kind {
    /// Only the loss of packets.
    Loss,
    /// A host is cut off.
    HostCut,
    /// A broker is cut off.
    BrokerCut,
    /// What is sent to a host, or what it sends, is lost; the other way passes.
    OneWayCut,
    /// A broker is killed, and started anew.
    BrokerKilled,
    /// A broker is stopped, and continued.
    BrokerStopped,
    /// The worker that is its host's agent is killed, and started anew.
    AgentKilled,
    /// The worker that is its host's agent is stopped, and continued.
    AgentStopped,
    /// A worker is killed, and started anew.
    WorkerKilled,
    /// A worker is stopped, and continued.
    WorkerStopped,
    /// All workers of a host are killed, and started anew.
    HostKilled,
    /// All connections of a host are reset.
    Reset,
    /// All workers of a host are stopped while those of the others write a hundred times as much as usual.
    Flood,
}

/// All of them.
pub const KINDS: [Kind; 13] = [
    Kind::Loss,
    Kind::HostCut,
    Kind::BrokerCut,
    Kind::OneWayCut,
    Kind::BrokerKilled,
    Kind::BrokerStopped,
    Kind::AgentKilled,
    Kind::AgentStopped,
    Kind::WorkerKilled,
    Kind::WorkerStopped,
    Kind::HostKilled,
    Kind::Reset,
    Kind::Flood,
];

impl Kind {
    /// Whether who is hit is stopped, and continued; others are killed, and started anew.
    pub(super) const fn is_stop(self) -> bool {
        matches!(
            self,
            Self::BrokerStopped | Self::AgentStopped | Self::WorkerStopped | Self::Flood
        )
    }
}

/// One fault.
#[derive(Clone, Debug)]
pub(super) struct Fault {
    pub(super) kind: Kind,
    pub(super) host: usize,
    pub(super) broker: usize,
    /// One of the host's.
    pub(super) worker: usize,
    /// Which way a cut is.
    pub(super) way: Way,
    /// Packets lost, of a hundred, from before the fault to its end.
    pub(super) loss_percent: u64,
    /// From its beginning to its end.
    pub(super) length: Duration,
}

/// Cuts and stops are at most so long; a flood is shorter.
const LONGEST_MS: u64 = 5_000;
const LONGEST_FLOOD_MS: u64 = 2_000;
/// A third of all is short.
const SHORT_MS: u64 = 600;

/// The faults of a run, without end: every kind comes once in each pass.
pub(super) struct Faults {
    random: Random,
    left: Vec<Kind>,
}

impl Faults {
    pub(super) fn of(seed: u64) -> Self {
        Self {
            random: Random::new(seed, 1 << 50),
            left: Vec::new(),
        }
    }

    pub(super) fn next(&mut self, plan: &NetworkPlan) -> Fault {
        if self.left.is_empty() {
            self.left.clone_from(&plan.kinds);
        }
        let random = &mut self.random;
        let kind = self
            .left
            .swap_remove(random.below(self.left.len() as u64) as usize);
        let mut choose = |of: usize| random.below(of as u64) as usize;
        let (host, broker, worker) = (
            choose(plan.hosts),
            choose(plan.brokers.len()),
            choose(plan.workers),
        );
        // Half of all other faults happen while nothing else is wrong.
        let is_lossy = kind == Kind::Loss || choose(2) == 0;
        let loss_percent = match choose(plan.loss_percent.len().max(1)) {
            index if is_lossy => plan.loss_percent.get(index).copied().unwrap_or(0),
            _ => 0,
        };
        let way = match (kind, choose(2)) {
            (Kind::OneWayCut, 0) => Way::In,
            (Kind::OneWayCut, _) => Way::Out,
            _ => Way::Both,
        };
        let longest_ms = match (kind, random.below(3)) {
            (Kind::Flood, _) => LONGEST_FLOOD_MS,
            (_, 0) => SHORT_MS,
            _ => plan.longest_ms.min(LONGEST_MS),
        };
        Fault {
            kind,
            host,
            broker,
            worker,
            way,
            loss_percent,
            length: Duration::from_millis(50 + random.below(longest_ms)),
        }
    }
}

impl Fault {
    /// Who is cut off.
    pub(super) fn cut(&self) -> Option<(Place, Way)> {
        match self.kind {
            Kind::HostCut | Kind::OneWayCut => Some((Place::Host(self.host), self.way)),
            Kind::BrokerCut => Some((Place::Broker(self.broker), self.way)),
            _ => None,
        }
    }
}
