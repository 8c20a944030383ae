//! Announces a worker's changes to the other hosts, one bound after the brokers accepted them.
//!
//! A thread of its own: a worker does not wait for brokers, which may be away.

use std::collections::VecDeque;
use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use guira::coherence::{Announced, Reach};

use super::hosts::{BOUND, HOSTS};
use super::source::Source;

/// How long it waits for brokers at a time, before it looks what else is to be done.
const TURN: Duration = Duration::from_millis(20);

/// A change whose invalidation returned.
#[derive(Debug)]
pub(crate) struct Invalidated {
    pub(crate) object: u32,
    pub(crate) version: u64,
    pub(crate) called_at: Instant,
    pub(crate) announced: Announced,
}

/// What was done since it was last asked.
#[derive(Debug, Default)]
pub(crate) struct Done {
    /// Objects that are announced to every host.
    pub(crate) objects: Vec<u32>,
    /// From the call to the acceptance of each.
    pub(crate) accepted_ns: Vec<u64>,
    failure: Option<io::Error>,
}

/// The worker's end.
#[derive(Debug)]
pub(crate) struct Announcer {
    changes: Sender<Invalidated>,
    done: Arc<Mutex<Done>>,
}

impl Announcer {
    /// Starts the thread, which ends when this is dropped.
    pub(crate) fn start(source: Arc<Source>, host: usize) -> io::Result<Self> {
        let (changes, incoming) = channel();
        let done = Arc::new(Mutex::new(Done::default()));
        let theirs = Arc::clone(&done);
        std::thread::Builder::new()
            .name("demo-announcer".to_owned())
            .spawn(move || announce_all(&source, host, &incoming, &theirs))?;
        Ok(Self { changes, done })
    }

    pub(crate) fn follow(&self, change: Invalidated) {
        // Nobody takes it only after a failure, which `done` tells.
        let _ = self.changes.send(change);
    }

    pub(crate) fn done(&self) -> io::Result<Done> {
        let mut done = std::mem::take(&mut *locked(&self.done));
        match done.failure.take() {
            Some(error) => Err(error),
            None => Ok(done),
        }
    }
}

fn announce_all(source: &Source, host: usize, incoming: &Receiver<Invalidated>, done: &Mutex<Done>) {
    let mut waiting: VecDeque<Invalidated> = VecDeque::new();
    // Accepted, and announced when the bound is over.
    let mut ripening: VecDeque<(Instant, Invalidated)> = VecDeque::new();
    loop {
        let now = Instant::now();
        while let Some((_, change)) = ripening.pop_front_if(|(ripe_at, _)| *ripe_at <= now) {
            let others = (0..HOSTS).filter(|other| *other != host);
            for other in others {
                if let Err(error) = source.announce(change.object, other, change.version) {
                    locked(done).failure = Some(error);
                    return;
                }
            }
            locked(done).objects.push(change.object);
        }
        let ripe_at = ripening.front().map(|(ripe_at, _)| *ripe_at);
        let pause = ripe_at.map_or(TURN, |ripe_at| TURN.min(ripe_at.saturating_duration_since(now)));
        // The first was invalidated first, and so is accepted first.
        if let Some(first) = waiting.front() {
            if first.announced.wait(Reach::Accepted, pause).is_ok()
                && let Some(change) = waiting.pop_front()
            {
                let accepted_at = Instant::now();
                let took = accepted_at.duration_since(change.called_at);
                let ns = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
                locked(done).accepted_ns.push(ns);
                ripening.push_back((accepted_at + BOUND, change));
            }
        } else {
            match incoming.recv_timeout(pause) {
                Ok(change) => waiting.push_back(change),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
        waiting.extend(incoming.try_iter());
    }
}

/// What a panicking thread leaves in it is whole at any time.
fn locked(done: &Mutex<Done>) -> MutexGuard<'_, Done> {
    done.lock().unwrap_or_else(PoisonError::into_inner)
}
