//! The worker processes: each is served by a thread that deals to it, and that replaces it when it
//! was killed.

use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ExitStatus};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::deck::Deck;
use super::message::{Change, Deal, Reply, Task};
use crate::error::CliError;
use crate::worker_process::{self, Pipes};

/// What a serving thread tells the demo.
#[derive(Debug)]
pub(crate) enum Event {
    /// A deal was answered.
    Answered { worker: usize, reply: Box<Reply> },
    /// A killed worker has a successor, which answers its last deal anew and repeats the changes that were not
    /// announced everywhere.
    Replaced,
    /// The demo cannot go on.
    Failed(CliError),
}

/// All workers and what is dealt to them.
#[derive(Debug)]
pub(crate) struct Crew {
    /// By host.
    tasks: Vec<Task>,
    deck: Mutex<Deck>,
    workers: Vec<Worker>,
    stop: AtomicBool,
}

#[derive(Debug, Default)]
struct Worker {
    child: Mutex<Option<Child>>,
    /// This crew killed it.
    killed: AtomicBool,
}

impl Crew {
    /// Workers are spread over the hosts in turn: there is a task for each host.
    pub(crate) fn new(tasks: Vec<Task>, deck: Deck, workers: usize) -> Self {
        Self {
            tasks,
            deck: Mutex::new(deck),
            workers: (0..workers).map(|_| Worker::default()).collect(),
            stop: AtomicBool::new(false),
        }
    }

    /// Deals no more.
    pub(crate) fn stop(&self) {
        // Relaxed: it only ends loops; replies come through a channel.
        self.stop.store(true, Ordering::Relaxed);
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// SIGKILLs a worker in the middle of whatever it does.
    pub(crate) fn kill(&self, worker: usize) {
        let Some(worker) = self.workers.get(worker) else {
            return;
        };
        // Held until the signal is sent: the process is not waited for before, so its id is its own.
        let mut child = locked(&worker.child);
        if let Some(child) = child.as_mut() {
            worker.killed.store(true, Ordering::Relaxed);
            // An error means that it ended already.
            let _ = child.kill();
        }
    }

    /// Memory that each living worker has for itself alone, in bytes.
    pub(crate) fn private_bytes(&self) -> Vec<u64> {
        let id = |worker: &Worker| locked(&worker.child).as_ref().map(Child::id);
        self.workers
            .iter()
            .filter_map(id)
            .filter_map(private_bytes)
            .collect()
    }

    pub(crate) fn deck(&self) -> MutexGuard<'_, Deck> {
        locked(&self.deck)
    }

    /// Serves one worker until the deck is empty or the crew stops.
    pub(crate) fn serve(&self, index: usize, events: &Sender<Event>) {
        let Some(worker) = self.workers.get(index) else {
            return;
        };
        if let Err(error) = self.deal_all(index, worker, events) {
            // Nobody listens any more: the demo ended with another error.
            let _ = events.send(Event::Failed(error));
        }
        let child = locked(&worker.child).take();
        if let Some(mut child) = child {
            // Its input is closed, so it ends; one that is stuck is ended.
            if self.is_stopped() {
                let _ = child.kill();
            }
            let _ = child.wait();
        }
    }

    fn deal_all(&self, index: usize, worker: &Worker, events: &Sender<Event>) -> Result<(), CliError> {
        let host = index % self.tasks.len();
        let mut pipes = self.start(worker, host)?;
        // Changes that are not announced to every host.
        let mut pending: Vec<Change> = Vec::new();
        while !self.is_stopped() {
            let Some(mut deal) = self.deck().draw(host) else {
                return Ok(());
            };
            let changes = deal.changes.clone();
            let reply = loop {
                if let Some(reply) = exchange(&mut pipes, &deal) {
                    break reply;
                }
                // One that still lives reads the end of its input and ends.
                drop(pipes);
                if !self.was_killed(worker)? {
                    return Ok(());
                }
                pipes = self.start(worker, host)?;
                let repeated = pending.iter().map(|change| Change { before: 0, ..*change });
                deal.changes = repeated.chain(changes.iter().copied()).collect();
                let _ = events.send(Event::Replaced);
            };
            pending.extend(changes);
            for object in &reply.announced {
                pending.retain(|change| change.object != *object);
                self.deck().announced(*object);
            }
            let reply = Box::new(reply);
            if events.send(Event::Answered { worker: index, reply }).is_err() {
                return Ok(());
            }
        }
        Ok(())
    }

    fn start(&self, worker: &Worker, host: usize) -> Result<Pipes, CliError> {
        let (child, pipes) = worker_process::start("demo-worker", &self.tasks.get(host))?;
        *locked(&worker.child) = Some(child);
        Ok(pipes)
    }

    /// Whether the worker, which answers no more, was killed by this crew and is to be replaced. An
    /// error if it ended by itself, or was interrupted together with the demo.
    fn was_killed(&self, worker: &Worker) -> Result<bool, CliError> {
        let mut slot = locked(&worker.child);
        let status = match slot.as_mut() {
            Some(child) => child.wait().map_err(|error| {
                CliError::Failed(format!(
                    "cannot wait for a worker process: {error}; run the demo again"
                ))
            })?,
            None => return Ok(false),
        };
        *slot = None;
        if worker.killed.swap(false, Ordering::Relaxed) {
            return Ok(!self.is_stopped());
        }
        if self.is_stopped() {
            return Ok(false);
        }
        if was_interrupted(status) {
            return Err(super::interrupted());
        }
        Err(CliError::Failed(format!(
            "a worker process ended by itself ({status}); see what it said before"
        )))
    }
}

const SIGHUP: i32 = 1;
const SIGINT: i32 = 2;
const SIGTERM: i32 = 15;

/// Whether a process was ended by what a terminal sends to all processes of the demo.
pub(super) fn was_interrupted(status: ExitStatus) -> bool {
    let signal = status.signal();
    signal.is_some_and(|signal| [SIGHUP, SIGINT, SIGTERM].contains(&signal))
}

fn exchange(pipes: &mut Pipes, deal: &Deal) -> Option<Reply> {
    pipes.send(deal).ok()?;
    pipes.receive().ok()?
}

fn private_bytes(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find(|line| line.starts_with("RssAnon:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kib << 10)
}

/// What a panicking thread leaves in these mutexes is whole at any time.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
