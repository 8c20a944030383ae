//! Where a host stands with its cluster, for people and for checks of health.

use std::time::Duration;

use guira_bus::core::{LinkState, LinkStatus};
use guira_bus::transport::LinkChange;
use guira_segment::Segment;

use super::counters::CoherenceCounts;

/// An agent that showed nothing for so long is not at work.
pub(super) const SILENCE: Duration = Duration::from_millis(250);

/// What was heard of a broker last.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub enum LastHeard {
    /// Nothing yet.
    #[default]
    Nothing,
    /// The connection is there; the broker has not answered yet.
    Connected,
    /// The connection is there, and the broker has not answered for a while: it answers hosts of its own cluster only.
    Unanswered {
        /// This host's cluster.
        cluster: String,
    },
    /// The broker knows this host.
    Welcomed,
    /// The broker does not take this host, for this reason.
    Refused(String),
    /// The connection fails, in this way.
    Failing(String),
    /// What came was not understood.
    BadFrame(String),
}

impl LastHeard {
    pub(super) fn of_link(change: LinkChange) -> Self {
        match change {
            LinkChange::Connected => Self::Connected,
            change => Self::Failing(change.to_string()),
        }
    }
}

impl std::fmt::Display for LastHeard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Nothing => f.write_str("nothing was heard yet"),
            Self::Connected => f.write_str("connected, no answer yet"),
            Self::Unanswered { cluster } => write!(
                f,
                "connected, but nothing is answered: this host is of cluster {cluster:?}, and a broker answers hosts of \
                 its own cluster and version only; name the same cluster to both"
            ),
            Self::Welcomed => f.write_str("knows this host"),
            Self::Refused(reason) => write!(f, "refuses this host: {reason}"),
            Self::Failing(how) => f.write_str(how),
            Self::BadFrame(how) => write!(f, "says what is not understood: {how}"),
        }
    }
}

/// One broker, as this process's agent sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct BrokerLink {
    /// Its address.
    pub address: String,
    /// What was heard of it last.
    pub last: LastHeard,
    pub(super) status: Option<LinkStatus>,
}

impl BrokerLink {
    pub(super) fn of(address: &str) -> Self {
        Self {
            address: address.to_owned(),
            last: LastHeard::Nothing,
            status: None,
        }
    }

    /// Whether its stream is followed.
    #[must_use]
    pub fn is_followed(&self) -> bool {
        self.status
            .is_some_and(|status| status.state == LinkState::Following)
    }

    /// How long ago the time was up to which everything it had logged is applied here.
    #[must_use]
    pub fn confirmed_ago(&self) -> Option<Duration> {
        self.status?.confirmed_ago_us.map(Duration::from_micros)
    }

    /// How far its stream was applied.
    #[must_use]
    pub fn applied(&self) -> u64 {
        self.status.map_or(0, |status| status.applied)
    }

    /// Hosts that it knows.
    #[must_use]
    pub fn hosts(&self) -> usize {
        self.status.map_or(0, |status| status.members)
    }
}

/// How far a broker's stream was applied, as the agent noted it in the segment for the one that comes after it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct BrokerNote {
    /// The broker's place among those that the agent names.
    pub broker: usize,
    /// The broker's life.
    pub epoch: u64,
    /// Everything up to this position was applied.
    pub applied: u64,
    /// How long ago the time was up to which everything it had logged is applied here.
    pub confirmed_ago: Duration,
}

/// Where a host stands.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct CoherenceStatus {
    /// What the cluster's name is known by in the segment.
    pub cluster_id: u64,
    /// Whether hits of the default namespace are trusted now.
    pub is_trusted: bool,
    /// For how long they stay so if nothing more is heard of the brokers.
    pub trusted_for: Option<Duration>,
    /// Whether some process is at work as this host's agent.
    pub has_agent: bool,
    /// The process that is at work as the agent, by its number in its own PID namespace.
    pub agent_process: Option<u32>,
    /// Whether it is this process.
    pub is_agent: bool,
    /// The brokers, if it is this process.
    pub brokers: Vec<BrokerLink>,
    /// Why this process, whose turn it is to be the agent, cannot be.
    pub failure: Option<String>,
    /// What the agent noted of the brokers, whichever process it is.
    pub notes: Vec<BrokerNote>,
    /// Records in the journal's whole life.
    pub journal_tail: u64,
    /// Records below this were accepted.
    pub accepted: u64,
    /// Records below this were applied everywhere.
    pub settled: u64,
    /// Records that the journal holds.
    pub journal_capacity: u64,
    /// What was counted in the segment's life.
    pub counts: CoherenceCounts,
}

impl CoherenceStatus {
    /// Of any segment of a cluster; `None` for one of none.
    #[must_use]
    pub fn of_segment(segment: &Segment) -> Option<Self> {
        let journal = segment.journal()?;
        let trusted_for = segment.trusted_for();
        let has_agent = segment.has_agent(SILENCE);
        Some(Self {
            cluster_id: segment.cluster_id()?,
            is_trusted: trusted_for.is_some(),
            trusted_for,
            // The number of one that is dead may be another's by now: also of whoever asks.
            agent_process: segment.agent_process().filter(|_| has_agent),
            notes: super::host::notes_of(segment),
            has_agent,
            is_agent: false,
            brokers: Vec::new(),
            failure: None,
            journal_tail: journal.tail(),
            accepted: journal.accepted(),
            settled: journal.settled(),
            journal_capacity: journal.capacity(),
            counts: CoherenceCounts::of(segment),
        })
    }
}
