//! Settings: which cluster, which brokers, how old a hit may be.

use std::path::PathBuf;
use std::time::Duration;

use guira_bus::runtime::check_processor;
use guira_bus::transport::keys::{KeyPair, PublicKey};
use guira_bus::transport::{AgentOptions, BrokerAddress, Endpoint};

use super::error::CoherenceError;

/// With whom a cache agrees, and how closely. Given to [`GuiraBuilder::coherence`](crate::GuiraBuilder::coherence).
///
/// ```no_run
/// use std::time::Duration;
/// use guira::Guira;
/// use guira::coherence::Coherence;
///
/// let guira = Guira::builder()
///     .size(256 << 20)
///     .coherence(Coherence::of_cluster("shop").broker("tcp://10.0.0.7:7227").bound(Duration::from_millis(500)))
///     .open("/dev/shm/shop.guira")?;
/// # Ok::<(), guira::Error>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct Coherence {
    pub(super) cluster: String,
    pub(super) brokers: Vec<(String, Option<String>)>,
    pub(super) keys: Option<PathBuf>,
    pub(super) bound: Duration,
    pub(super) start_within: Duration,
    pub(super) is_agent_here: bool,
    pub(super) is_broker_here: bool,
    pub(super) host: Option<String>,
    pub(super) processor: Option<usize>,
}

/// The shortest bound: below it, questions would crowd the network for nothing.
const MIN_BOUND: Duration = Duration::from_millis(50);
/// The longest: brokers forget a silent host after two seconds.
const MAX_BOUND: Duration = Duration::from_micros(guira_bus::core::AgentSettings::LONGEST_BOUND_US);

impl Coherence {
    /// With the hosts of the cluster `name`. The segment is made for this cluster: its keys hash as they do on the
    /// others.
    pub fn of_cluster(name: &str) -> Self {
        Self {
            cluster: name.to_owned(),
            brokers: Vec::new(),
            keys: None,
            bound: Duration::from_micros(guira_bus::core::AgentSettings::BOUND_US),
            start_within: Duration::from_secs(5),
            is_agent_here: true,
            is_broker_here: false,
            host: None,
            processor: None,
        }
    }

    /// By a broker at this address: `tcp://host:port` or `ipc:///path`. Name all brokers of the cluster, the same
    /// on each host; a majority of them must be there. Up to 16.
    pub fn broker(mut self, address: &str) -> Self {
        self.brokers.push((address.to_owned(), None));
        self
    }

    /// By a broker at this address that one of the processes that name it so runs itself: the first that can, and
    /// when it ends, another. For several caches on one machine without a process of the broker's own; nobody can
    /// take over the address of a machine that is gone. At most one, and only the only one.
    pub fn broker_here(mut self, address: &str) -> Self {
        self.brokers.push((address.to_owned(), None));
        self.is_broker_here = true;
        self
    }

    /// By a broker that proves to have the secret key for this public one, as `guira keygen` prints it.
    pub fn broker_with_key(mut self, address: &str, public_key: &str) -> Self {
        self.brokers
            .push((address.to_owned(), Some(public_key.to_owned())));
        self
    }

    /// This host's own keys: the directory that `guira keygen` made. Brokers must allow them.
    pub fn keys(mut self, directory: impl Into<PathBuf>) -> Self {
        self.keys = Some(directory.into());
        self
    }

    /// How old a trusted hit may be, counted from when its invalidation was accepted; by default 500 ms, 50 to
    /// 1,500. A shorter one asks the brokers more often.
    pub const fn bound(mut self, bound: Duration) -> Self {
        self.bound = bound;
        self
    }

    /// How long opening may take until the cache is trusted; by default 5 s. Zero does not wait: reads are
    /// [suspect](crate::coherence::WhenSuspect) until it is.
    pub const fn start_within(mut self, timeout: Duration) -> Self {
        self.start_within = timeout;
        self
    }

    /// Another process is the agent: one that opened the same file without this setting, or `guira agent`.
    pub const fn agent_elsewhere(mut self) -> Self {
        self.is_agent_here = false;
        self
    }

    /// How reports call this host; by default by its name on the network.
    pub fn host_name(mut self, name: &str) -> Self {
        self.host = Some(name.to_owned());
        self
    }

    /// Keeps the threads of the agent to this processor, counted from 0; by default they go where there is room. An
    /// invalidation passes through several that sleep, and where processors are slow to wake each other, as in virtual
    /// machines, it is there in half the time. Not for a processor that other threads keep busy. A broker and
    /// `guira agent` are kept to one by `taskset`.
    pub const fn processor(mut self, number: usize) -> Self {
        self.processor = Some(number);
        self
    }

    /// The cluster's name.
    #[must_use]
    pub fn cluster(&self) -> &str {
        &self.cluster
    }

    /// What the sockets are opened with.
    pub(super) fn options(&self) -> Result<AgentOptions, CoherenceError> {
        if self.bound < MIN_BOUND || self.bound > MAX_BOUND {
            return Err(CoherenceError::Bound { bound: self.bound });
        }
        if let Some(number) = self.processor {
            check_processor(number)?;
        }
        if self.brokers.is_empty() || self.brokers.len() > super::note::MAX_BROKERS {
            return Err(CoherenceError::Brokers {
                count: self.brokers.len(),
            });
        }
        if self.is_broker_here && (self.brokers.len() > 1 || self.keys.is_some()) {
            return Err(CoherenceError::BrokerHere);
        }
        let addresses: Result<Vec<BrokerAddress>, CoherenceError> = self
            .brokers
            .iter()
            .map(|(address, key)| {
                let endpoint: Endpoint = address.parse()?;
                let key = key.as_deref().map(str::parse::<PublicKey>).transpose()?;
                Ok(BrokerAddress { endpoint, key })
            })
            .collect();
        let mut options = AgentOptions::new(addresses?);
        options.keys = self.keys.as_deref().map(KeyPair::load).transpose()?;
        Ok(options)
    }
}
