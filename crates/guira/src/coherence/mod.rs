//! Coherence: the caches of many hosts agree.
//!
//! Workers write what they invalidate into the segment's journal. One process of the host, the *agent*, tells it to
//! the *brokers*, applies what other hosts said, and extends *trust*: until when a hit is known to be no older than
//! the bound. If the brokers cannot be reached, trust runs out, and hits are *suspect*: what then happens is up to
//! each cache ([`WhenSuspect`]).
//!
//! ```no_run
//! use std::time::Duration;
//! use guira::Guira;
//! use guira::coherence::{Coherence, Reach};
//!
//! // `guira broker` runs on 10.0.0.7; every host opens its own file like this.
//! let guira = Guira::builder()
//!     .size(256 << 20)
//!     .coherence(Coherence::of_cluster("shop").broker("tcp://10.0.0.7:7227"))
//!     .open("/dev/shm/shop.guira")?;
//! let prices = guira.cache::<u64, u64>("prices");
//! prices.put(&7, &1999, Duration::from_secs(300))?;
//! // The price changed: first the source, then the caches of all hosts.
//! prices.invalidate(&7)?;
//! guira.announced()?.wait(Reach::Applied, Duration::from_secs(2))?;
//! # Ok::<(), guira::Error>(())
//! ```
//!
//! # What is promised
//!
//! * No trusted hit is older than the bound (500 ms by default), counted from when its invalidation was *accepted*:
//!   logged by a majority of the brokers. [`Announced::wait`] tells when that is.
//! * After [`Reach::Applied`] no trusted hit anywhere is older at all.
//! * What is lost on the way is noticed and sent again, or everything that was filled before becomes a miss. An
//!   invalidation that was accepted is never lost silently.
//! * What was invalidated and is not accepted yet is known on this host alone, where it holds at once.
//!
//! Single reads may ask for more or for less: see [`Consistency`].
//!
//! Hosts' clocks need not agree; they must run at nearly the same rate. A virtual machine that is paused from outside
//! may keep its trust for longer than it should.

mod agent;
mod announced;
mod broker_here;
mod confirming;
mod consistency;
mod counters;
mod error;
mod events;
mod handed;
mod host;
mod invalidated;
mod leases;
mod note;
mod session;
mod settings;
mod status;
mod suspicion;

use std::sync::Arc;
use std::time::{Duration, Instant};

use guira_bus::transport::AgentOptions;
use guira_segment::fork::{ForkLock, process_id};
use guira_segment::{Segment, Trust};

use agent::{AgentPlan, AgentThread, Shared};

pub use announced::{Announced, Reach};
pub use consistency::Consistency;
pub use counters::CoherenceCounts;
pub use error::CoherenceError;
pub use events::{CoherenceEvent, CoherenceEvents};
pub(crate) use handed::{OF_A_FETCH, expect_hand_over, handed};
pub use session::{SessionToken, SessionTokenError};
pub use settings::Coherence;
pub use status::{BrokerLink, BrokerNote, CoherenceStatus, LastHeard};
pub(crate) use suspicion::Judge;
pub use suspicion::WhenSuspect;

/// Coherence of one open segment in this process.
pub(crate) struct Active {
    plan: AgentPlan,
    is_agent_here: bool,
    thread: ForkLock<Option<Running>>,
}

struct Running {
    process: u64,
    /// A forked child's copy is its parent's thread, and is left alone.
    thread: std::mem::ManuallyDrop<AgentThread>,
}

impl std::fmt::Debug for Active {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Active")
            .field("cluster", &self.plan.cluster)
            .finish_non_exhaustive()
    }
}

impl Active {
    /// Begins, and waits until the segment is trusted.
    pub(crate) fn start(segment: &Segment, coherence: &Coherence) -> Result<Arc<Self>, CoherenceError> {
        let options = coherence.options()?;
        options.check_all()?;
        let active = Arc::new(Self::of(segment, coherence, options));
        active.ensure_agent();
        active.wait_trusted(coherence.start_within)?;
        Ok(active)
    }

    fn of(segment: &Segment, coherence: &Coherence, options: AgentOptions) -> Self {
        let host = coherence.host.clone().unwrap_or_else(name_of_this_host);
        let plan = AgentPlan {
            segment: segment.clone(),
            cluster: coherence.cluster.clone(),
            settings: agent::settings_of(&coherence.cluster, host, options.brokers.len(), coherence.bound),
            addresses: coherence
                .brokers
                .iter()
                .map(|(address, _)| address.clone())
                .collect(),
            broker_here: coherence.is_broker_here,
            processor: coherence.processor,
            options,
        };
        Self {
            plan,
            is_agent_here: coherence.is_agent_here,
            thread: ForkLock::new(None),
        }
    }

    /// A thread of this process is the agent or stands by: a forked child has none of its parent's.
    pub(crate) fn ensure_agent(&self) {
        if !self.is_agent_here {
            return;
        }
        let process = process_id();
        let mut running = self.thread.lock();
        let is_running =
            !running.was_stolen() && running.as_ref().is_some_and(|running| running.process == process);
        if is_running {
            return;
        }
        match AgentThread::start(self.plan.clone()) {
            Ok(thread) => {
                let thread = std::mem::ManuallyDrop::new(thread);
                *running = Some(Running { process, thread });
            }
            Err(error) => tracing::error!(%error, "no thread for an agent"),
        }
    }

    /// Waits until hits are trusted.
    pub(crate) fn wait_trusted(&self, timeout: Duration) -> Result<(), CoherenceError> {
        if timeout.is_zero() {
            return Ok(());
        }
        let began = Instant::now();
        let mut pause = Duration::from_micros(200);
        while !matches!(self.plan.segment.trust(), Trust::Trusted { .. }) {
            if began.elapsed() >= timeout {
                return Err(CoherenceError::NotActive {
                    cluster: self.plan.cluster.as_str().into(),
                    waited: timeout,
                    reason: self.reason().into(),
                });
            }
            // Another process may be the agent: there is nothing to wait on but the word itself.
            std::thread::park_timeout(pause);
            pause = (pause * 2).min(Duration::from_millis(5));
        }
        Ok(())
    }

    fn reason(&self) -> String {
        let status = self.status();
        if let Some(failure) = status.failure {
            return format!("this process cannot be its host's agent: {failure}");
        }
        if status.is_agent {
            let links: Vec<String> = status
                .brokers
                .iter()
                .map(|link| format!("{}: {}", link.address, link.last))
                .collect();
            return links.join("; ");
        }
        if status.has_agent {
            return "another process of this host is its agent, and is not trusted: see its log".to_owned();
        }
        "no process of this host is its agent: start one that opens the cache with coherence, or `guira agent`".to_owned()
    }

    /// Waits until everything that was accepted when this was called is applied here, as far as it concerns reads of
    /// `segment`'s namespace.
    pub(crate) fn wait_confirmed(&self, segment: &Segment, timeout: Duration) -> Result<(), CoherenceError> {
        self.wait_confirmed_for(segment, confirming::topics_of(segment), timeout)
    }

    /// The same for all namespaces.
    pub(crate) fn wait_all_confirmed(&self, timeout: Duration) -> Result<(), CoherenceError> {
        let segment = &self.plan.segment;
        self.wait_confirmed_for(segment, segment.topics_wanted(), timeout)
    }

    fn wait_confirmed_for(
        &self,
        segment: &Segment,
        topics: u64,
        timeout: Duration,
    ) -> Result<(), CoherenceError> {
        self.ensure_agent();
        let brokers = self.plan.addresses.len();
        if confirming::wait_confirmed(segment, topics, brokers, timeout) {
            return Ok(());
        }
        Err(CoherenceError::Unconfirmed {
            waited: timeout,
            reason: self.reason().into(),
        })
    }

    /// Waits until what `token` tells of is applied here, as far as it concerns reads of `segment`'s namespace; false
    /// if that took longer than `timeout`.
    pub(crate) fn wait_applied(&self, segment: &Segment, token: &SessionToken, timeout: Duration) -> bool {
        let is_own = || {
            segment
                .journal()
                .is_some_and(|journal| journal.origin() == token.origin.0)
        };
        if token.is_empty || is_own() {
            return true;
        }
        self.ensure_agent();
        let (topics, brokers) = (confirming::topics_of(segment), self.plan.addresses.len());
        confirming::wait_applied(segment, topics, &token.places, brokers, timeout)
    }

    /// Those events that happen from now on.
    pub(crate) fn events(self: &Arc<Self>) -> CoherenceEvents {
        CoherenceEvents::of(Arc::clone(self))
    }

    /// What this process's thread shares.
    fn shared_here(&self) -> Option<Arc<Shared>> {
        let running = self.thread.lock();
        let here = running.as_ref().filter(|running| running.process == process_id());
        here.map(|running| Arc::clone(&running.thread.shared))
    }

    /// The brokers as the agent sees them, if it is in this process.
    fn links_here(&self) -> Vec<BrokerLink> {
        let agent = self.shared_here().filter(|shared| shared.is_agent());
        agent.map_or_else(Vec::new, |shared| shared.links())
    }

    pub(crate) fn status(&self) -> CoherenceStatus {
        let mut status = CoherenceStatus::of_segment(&self.plan.segment).expect("it is of a cluster");
        status.brokers = self.links_here();
        // An agent has a broker at least.
        status.is_agent = !status.brokers.is_empty();
        status.failure = self.shared_here().and_then(|shared| shared.failure());
        status
    }
}

impl Drop for Active {
    fn drop(&mut self) {
        let mut running = self.thread.lock();
        if running.was_stolen() {
            return;
        }
        if let Some(Running { process, thread }) = running.take()
            && process == process_id()
        {
            drop(std::mem::ManuallyDrop::into_inner(thread));
        }
    }
}

/// For so long a cache is not opened that the agent does not follow yet.
const FOLLOWED_WITHIN: Duration = Duration::from_secs(1);

/// Waits until the agent follows a namespace that is new to this host, if the host is coherent otherwise: what is put
/// before that is void when it does.
pub(crate) fn follow(whole: &Segment, namespace: &Segment) {
    let is_behind = || {
        matches!(whole.trust(), Trust::Trusted { .. }) && !matches!(namespace.trust(), Trust::Trusted { .. })
    };
    let began = Instant::now();
    let mut pause = Duration::from_micros(100);
    while is_behind() && began.elapsed() < FOLLOWED_WITHIN {
        if let Some(journal) = whole.journal() {
            journal.wake_agent();
        }
        std::thread::park_timeout(pause);
        pause = (pause * 2).min(Duration::from_millis(5));
    }
}

/// How others call this machine.
fn name_of_this_host() -> String {
    std::fs::read_to_string("/proc/sys/kernel/hostname")
        .map_or_else(|_| "unnamed".to_owned(), |name| name.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_that_cannot_open_its_sockets_says_so() {
        let coherence = Coherence::of_cluster("test").broker("tcp://*:7227");
        let segment = Segment::builder()
            .size(8 << 20)
            .cluster("test")
            .private()
            .expect("room");
        // Past the checks that find this one before: others, such as a want of file descriptors, come as late.
        let options = coherence.options().expect("well formed");
        let active = Active::of(&segment, &coherence, options);
        active.ensure_agent();
        let begun = Instant::now();
        while active.status().failure.is_none() {
            assert!(begun.elapsed() < Duration::from_secs(20), "{}", active.reason());
            std::thread::park_timeout(Duration::from_millis(1));
        }
        let reason = active.reason();
        assert!(reason.contains("does not say whom to connect to"), "{reason}");
        let refused = active
            .wait_trusted(Duration::from_millis(1))
            .expect_err("no agent");
        assert!(refused.to_string().contains("tcp://*:7227"), "{refused}");
    }
}
