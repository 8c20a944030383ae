//! The thread that is, or would be, this host's agent.
//!
//! ```text
//! candidate --takes the role: nobody has it, or its holder is dead or stopped--> agent
//! agent ------lost it (was stopped for too long), or a socket failed-----------> candidate
//! either -----the last handle of the process is dropped------------------------> ended
//! ```
//!
//! A second thread sleeps on the journal and wakes the first, which sleeps on its sockets. While the agent is
//! at work the second sleeps elsewhere, so that workers who append need not wake anybody.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use guira_bus::core::{AgentEvent, AgentSettings, BrokerSettings, LinkState};
use guira_bus::runtime::{Agent, AgentNews, AgentTally, keep_to_processor};
use guira_bus::transport::{AgentOptions, LinkChange, Waker};
use guira_bus::wire::{Cluster, Refusal};
use guira_segment::{AgentRole, Segment};

use super::broker_here::BrokerHere;
use super::confirming::Questions;
use super::counters::{Counted, count};
use super::host::SegmentHost;
use super::leases::Desk;
use super::status::{BrokerLink, LastHeard};

/// How often a candidate asks for the role, and an agent shows progress: one that was stopped is replaced after
/// three of these, within the shortest usual bound.
const INTERVAL: Duration = Duration::from_millis(100);
/// A broker that was connected for so long and has not answered does not answer this host.
const UNANSWERED: Duration = Duration::from_millis(500);
/// The longest sleep of an agent between two shows of progress.
const TURN: Duration = Duration::from_millis(50);

/// What an agent is made of.
#[derive(Clone, Debug)]
pub(super) struct AgentPlan {
    pub(super) segment: Segment,
    pub(super) cluster: String,
    pub(super) options: AgentOptions,
    pub(super) settings: AgentSettings,
    pub(super) addresses: Vec<String>,
    /// The only broker is run by one of the processes that name it.
    pub(super) broker_here: bool,
    /// Its threads keep to this one.
    pub(super) processor: Option<usize>,
}

/// What the thread and its owner share.
#[derive(Debug, Default)]
pub(super) struct Shared {
    is_ending: AtomicBool,
    waker: Mutex<Option<Waker>>,
    links: Mutex<Vec<BrokerLink>>,
    is_agent: AtomicBool,
    /// Why the last attempt to be the agent ended; none while it is at work.
    failure: Mutex<Option<String>>,
}

impl Shared {
    fn is_ending(&self) -> bool {
        self.is_ending.load(Ordering::Acquire)
    }

    pub(super) fn is_agent(&self) -> bool {
        self.is_agent.load(Ordering::Acquire)
    }

    pub(super) fn links(&self) -> Vec<BrokerLink> {
        self.links.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn failure(&self) -> Option<String> {
        self.failure
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn set_failure(&self, failure: Option<String>) {
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = failure;
    }
}

/// A running thread. Dropping it ends it.
#[derive(Debug)]
pub(super) struct AgentThread {
    pub(super) shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl AgentThread {
    pub(super) fn start(plan: AgentPlan) -> std::io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("guira-agent".into())
            .spawn(move || live(&plan, &theirs))?;
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }
}

impl Drop for AgentThread {
    fn drop(&mut self) {
        self.shared.is_ending.store(true, Ordering::Release);
        if let Some(waker) = &*self.shared.waker.lock().unwrap_or_else(PoisonError::into_inner) {
            waker.wake();
        }
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            if thread.thread().id() != std::thread::current().id() {
                let _ = thread.join();
            }
        }
    }
}

fn live(plan: &AgentPlan, shared: &Arc<Shared>) {
    if let Some(number) = plan.processor
        && let Err(error) = keep_to_processor(number)
    {
        // It was allowed when the cache was opened: it works anywhere else, a little later.
        tracing::warn!(%error, "the agent's threads go anywhere");
    }
    while !shared.is_ending() {
        match plan.segment.try_take_agent_role(INTERVAL) {
            Some(role) => {
                shared.is_agent.store(true, Ordering::Release);
                count(&plan.segment, Counted::TakeOvers, 1);
                be_agent(plan, &role, shared);
                shared.is_agent.store(false, Ordering::Release);
            }
            None => {
                // Another process has it.
                shared.set_failure(None);
                std::thread::park_timeout(INTERVAL);
            }
        }
    }
}

/// Until the role is lost or the process is done with it.
fn be_agent(plan: &AgentPlan, role: &AgentRole, shared: &Arc<Shared>) {
    let Some(host) = SegmentHost::new(plan.segment.clone()) else {
        return;
    };
    let cluster = Cluster::of_name(&plan.cluster);
    let mut agent = match Agent::new(plan.settings.clone(), &plan.options, cluster, host) {
        Ok(agent) => agent,
        Err(error) => {
            tracing::error!(%error, "no agent: the sockets cannot be opened");
            shared.set_failure(Some(error.to_string()));
            std::thread::park_timeout(INTERVAL * 10);
            return;
        }
    };
    shared.set_failure(None);
    *shared.waker.lock().unwrap_or_else(PoisonError::into_inner) = Some(agent.waker());
    let listener = Listener::start(&plan.segment, agent.waker());
    // What the brokers know this host by: another agent may have renewed it by the time they refuse it.
    let mut greeted = plan.segment.journal().map(|journal| journal.origin());
    let mut desk = Desk::open(&plan.segment, &mut agent);
    let mut reporter = Reporter::new(plan, shared);
    let mut news = Vec::new();
    let mut broker = BrokerHere::of(plan);
    let mut questions = Questions::default();
    while !shared.is_ending() && role.progress() {
        let seen = Heard::now(&plan.segment);
        desk.look(&mut agent);
        questions.look(&plan.segment, &mut agent);
        let acted = agent.act();
        // What workers said goes out first: to wake the other thread takes as long as that.
        if let Ok(listener) = &listener {
            listener.arm(seen);
        }
        broker.look(&agent.links());
        if let Err(error) = acted.and_then(|()| agent.rest(TURN, &mut news)) {
            tracing::error!(%error, "the agent begins again: its sockets failed");
            shared.set_failure(Some(error.to_string()));
            break;
        }
        let mut needs_identity = false;
        for item in news.drain(..) {
            match item {
                AgentNews::Lease { key, number, outcome } => desk.answer(&mut agent, key, number, outcome),
                item => needs_identity |= reporter.report(item),
            }
        }
        if needs_identity
            && role.is_mine()
            && let (Some(journal), Some(known)) = (plan.segment.journal(), greeted)
        {
            greeted = Some(journal.renew_origin(known));
            agent.begin_again();
        }
        reporter.note(agent.tally(), &agent.links());
    }
    *shared.waker.lock().unwrap_or_else(PoisonError::into_inner) = None;
}

/// The thread that sleeps on the journal.
struct Listener {
    ears: Arc<Ears>,
    thread: Option<JoinHandle<()>>,
}

/// How much workers have said.
#[derive(Clone, Copy, Default)]
struct Heard {
    tail: u64,
    lease_events: u64,
}

impl Heard {
    fn now(segment: &Segment) -> Self {
        segment.journal().map_or_else(Self::default, |journal| Self {
            tail: journal.tail(),
            lease_events: journal.lease_events(),
        })
    }
}

#[derive(Default)]
struct Ears {
    is_armed: AtomicBool,
    is_ending: AtomicBool,
    seen_tail: AtomicU64,
    seen_leases: AtomicU64,
}

impl Listener {
    fn start(segment: &Segment, waker: Waker) -> std::io::Result<Self> {
        let ears = Arc::new(Ears::default());
        let theirs = Arc::clone(&ears);
        let segment = segment.clone();
        let thread = std::thread::Builder::new()
            .name("guira-journal".into())
            .spawn(move || listen(&segment, &theirs, &waker))?;
        Ok(Self {
            ears,
            thread: Some(thread),
        })
    }

    /// Wakes the agent when more is said than was before it looked.
    fn arm(&self, before: Heard) {
        if self.ears.is_armed.load(Ordering::Acquire) {
            return;
        }
        self.ears.seen_tail.store(before.tail, Ordering::Relaxed);
        self.ears
            .seen_leases
            .store(before.lease_events, Ordering::Relaxed);
        // Release: what was seen comes before.
        self.ears.is_armed.store(true, Ordering::Release);
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.ears.is_ending.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}

fn listen(segment: &Segment, ears: &Ears, waker: &Waker) {
    let Some(journal) = segment.journal() else {
        return;
    };
    while !ears.is_ending.load(Ordering::Acquire) {
        if !ears.is_armed.load(Ordering::Acquire) {
            std::thread::park_timeout(TURN);
            continue;
        }
        let seen_tail = ears.seen_tail.load(Ordering::Relaxed);
        let seen_leases = ears.seen_leases.load(Ordering::Relaxed);
        journal.wait_for_events(seen_tail, seen_leases, TURN);
        if journal.tail() != seen_tail || journal.lease_events() != seen_leases {
            ears.is_armed.store(false, Ordering::Release);
            waker.wake();
        }
    }
}

/// Tells the log, the counters and the process what happens.
struct Reporter<'p> {
    plan: &'p AgentPlan,
    shared: &'p Shared,
    counted: AgentTally,
    /// When each broker was connected last.
    connected_at: Vec<Option<Instant>>,
}

impl<'p> Reporter<'p> {
    fn new(plan: &'p AgentPlan, shared: &'p Shared) -> Self {
        let links = plan
            .addresses
            .iter()
            .map(|address| BrokerLink::of(address))
            .collect();
        *shared.links.lock().unwrap_or_else(PoisonError::into_inner) = links;
        Self {
            plan,
            shared,
            counted: AgentTally::default(),
            connected_at: vec![None; plan.addresses.len()],
        }
    }

    /// Says whether the segment needs a new identity.
    fn report(&mut self, news: AgentNews) -> bool {
        let segment = &self.plan.segment;
        match news {
            AgentNews::Link { broker, change } => {
                let address = self.address(broker);
                match change {
                    LinkChange::Connected => {
                        tracing::info!(%address, "connected to a broker");
                        if let Some(at) = self.connected_at.get_mut(broker) {
                            *at = Some(Instant::now());
                        }
                    }
                    change => tracing::warn!(%address, "{change}"),
                }
                self.heard(broker, LastHeard::of_link(change));
            }
            AgentNews::BadFrame { broker, error } => {
                count(segment, Counted::BadFrames, 1);
                tracing::warn!(address = %self.address(broker), %error, "a frame was dropped");
                self.heard(broker, LastHeard::BadFrame(error.to_string()));
            }
            AgentNews::Event(event) => return self.report_event(event),
            // Comes only to who asked for a lease.
            AgentNews::Lease { .. } => {}
        }
        false
    }

    fn report_event(&mut self, event: AgentEvent) -> bool {
        let segment = &self.plan.segment;
        match event {
            AgentEvent::Welcomed { broker } => self.heard(broker, LastHeard::Welcomed),
            AgentEvent::Refused { broker, reason } => {
                count(segment, Counted::Refusals, 1);
                tracing::error!(address = %self.address(broker), %reason, "a broker does not take this host");
                let needs_identity = matches!(reason, Refusal::OldCopy { .. } | Refusal::SecondCopy);
                self.heard(broker, LastHeard::Refused(reason.to_string()));
                return needs_identity;
            }
            AgentEvent::Again { broker, is_new_life } => {
                count(segment, Counted::Reconnects, 1);
                tracing::info!(address = %self.address(broker), is_new_life, "a broker has to be met again");
            }
            AgentEvent::Following { broker, why } => {
                tracing::info!(address = %self.address(broker), ?why, "follows a broker");
            }
            AgentEvent::FloorRaised { broker, topics } => {
                tracing::info!(address = %self.address(broker), topics = %format_args!("{topics:#x}"), "what was filled before is a miss");
            }
            AgentEvent::Gap { broker } => {
                count(segment, Counted::Gaps, 1);
                tracing::debug!(address = %self.address(broker), "records are missing, and were asked for");
            }
            AgentEvent::Overflow { broker, tickets } => {
                count(segment, Counted::Overflows, 1);
                tracing::error!(
                    address = %self.address(broker),
                    tickets,
                    "the journal overran what was not sent: every host starts over. Make the segment with more journal records"
                );
            }
            AgentEvent::OriginLost { origin, tickets } => {
                tracing::warn!(%origin, tickets, "another host's journal overran: what was filled before is a miss");
            }
            AgentEvent::Pong { from, host, ticket } => {
                tracing::debug!(%from, %host, ticket, "a host answers a probe");
            }
            // Only auditors ask.
            AgentEvent::Inspected { .. } => {}
        }
        false
    }

    fn address(&self, broker: usize) -> &str {
        self.plan.addresses.get(broker).map_or("?", String::as_str)
    }

    fn heard(&self, broker: usize, last: LastHeard) {
        let mut links = self.shared.links.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(link) = links.get_mut(broker) {
            link.last = last;
        }
    }

    fn note(&mut self, tally: AgentTally, statuses: &[guira_bus::core::LinkStatus]) {
        let segment = &self.plan.segment;
        for (what, now, before) in [
            (Counted::FramesSent, tally.frames_sent, self.counted.frames_sent),
            (Counted::BytesSent, tally.bytes_sent, self.counted.bytes_sent),
            (
                Counted::FramesReceived,
                tally.frames_received,
                self.counted.frames_received,
            ),
            (
                Counted::BytesReceived,
                tally.bytes_received,
                self.counted.bytes_received,
            ),
        ] {
            if now != before {
                count(segment, what, now - before);
            }
        }
        self.counted = tally;
        let mut unanswered = Vec::new();
        let mut links = self.shared.links.lock().unwrap_or_else(PoisonError::into_inner);
        for ((link, status), connected_at) in links.iter_mut().zip(statuses).zip(&self.connected_at) {
            link.status = Some(*status);
            let is_due = connected_at.is_some_and(|at| at.elapsed() >= UNANSWERED);
            if is_due && link.last == LastHeard::Connected && status.state == LinkState::Silent {
                let cluster = self.plan.cluster.clone();
                link.last = LastHeard::Unanswered { cluster };
                unanswered.push((link.address.clone(), link.last.to_string()));
            }
        }
        drop(links);
        for (address, how) in unanswered {
            tracing::warn!(%address, "{how}");
        }
    }
}

/// Settings of the protocol.
pub(super) fn settings_of(cluster: &str, host: String, brokers: usize, bound: Duration) -> AgentSettings {
    AgentSettings {
        host,
        // An origin is made of the machine's boot and the file: two hosts never have the same.
        machine: 0,
        // Keys hash by the cluster's name.
        seed_check: Cluster::of_name(cluster).0,
        brokers: u8::try_from(brokers).unwrap_or(u8::MAX),
        bound_us: u64::try_from(bound.as_micros()).unwrap_or(u64::MAX),
        gone_after_us: BrokerSettings::GONE_AFTER_US,
        lease_term_us: BrokerSettings::LEASE_TERM_US,
        alone_after_us: AgentSettings::ALONE_AFTER_US,
    }
}
