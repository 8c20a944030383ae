//! A broker at work: the state machine, its sockets, the boot-time clock.

mod config;
mod handle;
mod journal;
mod report;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel};
use std::time::Duration;

pub use config::BrokerConfig;
pub use handle::{BrokerHandle, BrokerStopper};
pub use report::{BrokerReport, BrokerTally};

use super::clock;
use crate::core::{BrokerAction, BrokerCore, Peer};
use crate::transport::{BrokerEvent, BrokerSockets, Endpoint, PeerId, TransportError, Waker};
use crate::wire::{Cluster, Epoch, ToAgent, ToBroker, decode, encode};
use journal::Journal;

/// How often the state machine is told the time.
const TICK_US: u64 = 10_000;
/// For how long frames that wait come first: who spoke is heard before he is forgotten, also by a broker
/// that was stopped for a while.
const FRAMES_FIRST_US: u64 = 100_000;

/// A broker and its sockets.
///
/// ```
/// use guira_bus::runtime::{Broker, BrokerConfig};
///
/// let broker = Broker::bind(BrokerConfig::new("tcp://127.0.0.1:0".parse()?, "shop"))?.spawn()?;
/// let report = broker.report().expect("it runs");
/// assert_eq!(report.status.position, 0);
/// assert_eq!(report.status.members.len(), 0);
/// broker.stop()?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Broker {
    core: BrokerCore,
    sockets: BrokerSockets,
    cluster: Cluster,
    tally: BrokerTally,
    journal: Journal,
    inbox: Vec<BrokerEvent>,
    actions: Vec<BrokerAction>,
    ticked_at_us: u64,
    /// Since when every look at the sockets found something.
    busy_since_us: Option<u64>,
    requests: Receiver<SyncSender<BrokerReport>>,
    requester: Sender<SyncSender<BrokerReport>>,
}

impl Broker {
    /// Binds its sockets; from then on agents may connect, and are answered as soon as it runs.
    ///
    /// # Errors
    /// [`TransportError`]: the endpoint is in use or cannot be bound, is public and without keys, a key cannot
    /// be read, or the system gives no randomness.
    pub fn bind(config: BrokerConfig) -> Result<Self, TransportError> {
        let sockets = BrokerSockets::bind(&config.sockets)?;
        let epoch = new_epoch()?;
        let now_us = clock::now_us();
        let (requester, requests) = channel();
        Ok(Self {
            core: BrokerCore::new(config.settings, epoch, now_us),
            sockets,
            cluster: Cluster::of_name(&config.cluster),
            tally: BrokerTally::default(),
            journal: Journal::default(),
            inbox: Vec::new(),
            actions: Vec::new(),
            ticked_at_us: now_us,
            busy_since_us: None,
            requests,
            requester,
        })
    }

    /// Where it listens; with the ports that were found for port 0.
    #[must_use]
    pub fn endpoint(&self) -> &Endpoint {
        self.sockets.endpoint()
    }

    /// Its life: another each time one is bound.
    #[must_use]
    pub const fn epoch(&self) -> Epoch {
        self.core.epoch()
    }

    /// What lets [`Broker::run`] look at its `stop` at once.
    #[must_use]
    pub fn waker(&self) -> Waker {
        self.sockets.waker()
    }

    /// Its state and counts.
    #[must_use]
    pub fn report(&self) -> BrokerReport {
        BrokerReport {
            status: self.core.status(clock::now_us()),
            tally: self.tally,
            sockets: *self.sockets.counters(),
        }
    }

    /// Serves until `stop` is set, which is seen within 10 ms.
    ///
    /// # Errors
    /// [`TransportError`] if the sockets cannot be used any more.
    pub fn run(&mut self, stop: &AtomicBool) -> Result<(), TransportError> {
        // Relaxed: nothing else is read through it.
        while !stop.load(Ordering::Relaxed) {
            self.turn()?;
        }
        Ok(())
    }

    /// Serves on a thread of its own.
    ///
    /// # Errors
    /// [`TransportError::Resources`] if the system gives no thread.
    pub fn spawn(self) -> Result<BrokerHandle, TransportError> {
        BrokerHandle::start(self)
    }

    /// Sleeps until something comes or is due, and does it.
    fn turn(&mut self) -> Result<(), TransportError> {
        let due_us = self.ticked_at_us + TICK_US;
        let timeout = Duration::from_micros(due_us.saturating_sub(clock::now_us()));
        let mut inbox = std::mem::take(&mut self.inbox);
        self.sockets.poll(timeout, &mut inbox)?;
        // One time for all of them: heads are sampled after every question came.
        let now_us = clock::now_us();
        let busy_since_us = (!inbox.is_empty()).then(|| self.busy_since_us.unwrap_or(now_us));
        self.busy_since_us = busy_since_us;
        for event in inbox.drain(..) {
            if let BrokerEvent::Control { peer, frame } = event {
                self.take_in(now_us, peer, &frame);
            }
        }
        self.inbox = inbox;
        let frames_first = busy_since_us.is_some_and(|since_us| now_us < since_us + FRAMES_FIRST_US);
        if now_us >= due_us && !frames_first {
            self.ticked_at_us = now_us;
            self.core.on_tick(now_us, &mut self.actions);
            self.carry_out();
        }
        while let Ok(answer) = self.requests.try_recv() {
            // Who asked may have given up.
            let _ = answer.send(self.report());
        }
        Ok(())
    }

    fn take_in(&mut self, now_us: u64, from: PeerId, frame: &[u8]) {
        // Ours do not name their connections themselves.
        let Some(peer) = from.number() else {
            self.tally.strangers += 1;
            return;
        };
        match decode::<ToBroker>(self.cluster, frame) {
            Ok(frame) => {
                self.tally.count(&frame);
                self.core.on_frame(now_us, Peer(peer), frame, &mut self.actions);
                self.carry_out();
            }
            Err(error) => {
                self.tally.refuse(&error);
                self.journal.bad_frame(from, &error);
            }
        }
    }

    fn carry_out(&mut self) {
        let mut actions = std::mem::take(&mut self.actions);
        for action in actions.drain(..) {
            match action {
                BrokerAction::Send { to, frame } => self.send(to, &frame),
                BrokerAction::Publish { topic, frame } => {
                    const { assert!(crate::wire::TOPICS <= 256) };
                    let frame = encode(self.cluster, &frame);
                    // What does not come is seen by its position, and asked for.
                    let _ = self.sockets.publish(topic.index() as u8, &frame);
                }
                BrokerAction::Say(news) => self.journal.news(&news),
            }
        }
        self.actions = actions;
    }

    fn send(&mut self, to: Peer, frame: &ToAgent) {
        if let Some(peer) = PeerId::of_number(to.0) {
            // Who wanted it asks again.
            let _ = self.sockets.send(&peer, encode(self.cluster, frame));
        }
    }
}

impl std::fmt::Debug for Broker {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Broker")
            .field("sockets", &self.sockets)
            .field("tally", &self.tally)
            .finish_non_exhaustive()
    }
}

fn new_epoch() -> Result<Epoch, TransportError> {
    loop {
        let epoch = getrandom::u64().map_err(|error| TransportError::Resources {
            what: "randomness",
            source: std::io::Error::other(error.to_string()),
        })?;
        if epoch != 0 {
            return Ok(Epoch(epoch));
        }
    }
}
