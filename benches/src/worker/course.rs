//! A subject as a worker runs it: one lane, or two on threads of their own.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::Duration;

use super::lane::Lane;
use super::message::Outcome;
use super::open::Streams;
use crate::bench::{Workers, Workload};
use crate::error::BenchError;
use crate::peers::{Cache, Subject};
use crate::rounds::Lap;

/// What is measured, whatever cache it is.
pub(super) trait Course {
    /// Works for at least `lap_ms` milliseconds with one thread or two.
    fn lap(&mut self, lap_ms: u64, threads: u32) -> Result<Outcome, BenchError>;

    /// The share of all keys that have a value.
    fn kept_share(&mut self) -> Result<f64, BenchError>;
}

/// The lanes of one cache.
struct Lanes<C> {
    first: Lane<C>,
    second: Option<Second>,
}

/// A thread that lives as long as its cache: what a thread pays once is paid before the first lap counts.
struct Second {
    laps: Sender<Duration>,
    outcomes: Receiver<Result<Outcome, BenchError>>,
    start: Arc<Barrier>,
}

/// Warms and checks `cache`, and gets it ready for laps.
pub(super) fn with_cache<C: Cache>(
    cache: C,
    subject: Subject,
    (workload, workers, keys): (Workload, Workers, usize),
    streams: &Streams,
) -> Result<Box<dyn Course>, BenchError> {
    let mut first = Lane::new(cache, subject, workload, keys, streams.first());
    first.warm()?;
    first.compare()?;
    let second = if workers == Workers::Threads {
        let make = first.sibling().ok_or_else(|| BenchError::Worker {
            problem: format!("was asked for two threads of {}", subject.name()),
        })?;
        let stream = streams.second();
        Some(Second::start(move || {
            Ok(Lane::new(make()?, subject, workload, keys, stream))
        }))
    } else {
        None
    };
    Ok(Box::new(Lanes { first, second }))
}

impl Second {
    fn start<C: Cache>(make: impl FnOnce() -> Result<Lane<C>, BenchError> + Send + 'static) -> Self {
        let (laps, asked) = channel::<Duration>();
        let (answer, outcomes) = channel();
        let start = Arc::new(Barrier::new(2));
        let gate = Arc::clone(&start);
        // It ends when the sender of laps is dropped.
        thread::spawn(move || {
            let mut lane = make();
            for duration in asked {
                gate.wait();
                let outcome = match &mut lane {
                    Ok(lane) => lane.lap(duration),
                    Err(error) => Err(BenchError::Worker {
                        problem: format!("got no second handle: {error}"),
                    }),
                };
                if answer.send(outcome).is_err() {
                    break;
                }
            }
        });
        Self {
            laps,
            outcomes,
            start,
        }
    }

    fn beside(
        &self,
        duration: Duration,
        first: impl FnOnce() -> Result<Outcome, BenchError>,
    ) -> Result<Outcome, BenchError> {
        let gone = || BenchError::Worker {
            problem: "lost its second thread".to_owned(),
        };
        self.laps.send(duration).map_err(|_| gone())?;
        self.start.wait();
        let one = first()?;
        let other = self.outcomes.recv().map_err(|_| gone())??;
        Ok(Outcome {
            lap: Lap::of_two(one.lap, other.lap),
            latencies: Vec::new(),
        })
    }
}

impl<C: Cache> Course for Lanes<C> {
    fn lap(&mut self, lap_ms: u64, threads: u32) -> Result<Outcome, BenchError> {
        let duration = Duration::from_millis(lap_ms);
        match &self.second {
            Some(second) if threads > 1 => second.beside(duration, || self.first.lap(duration)),
            _ => self.first.lap(duration),
        }
    }

    fn kept_share(&mut self) -> Result<f64, BenchError> {
        self.first.kept_share()
    }
}
