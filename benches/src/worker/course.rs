//! A subject as a worker runs it: one lane, or several on threads of their own.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Barrier};
use std::thread;
use std::time::{Duration, Instant};

use super::lane::Lane;
use super::message::Outcome;
use super::open::Streams;
use crate::bench::{Workers, Workload};
use crate::error::BenchError;
use crate::peers::{Cache, Subject};
use crate::rounds::Lap;

/// What is measured, whatever cache it is.
pub(super) trait Course {
    /// Works for at least `lap_ms` milliseconds with so many threads.
    fn lap(&mut self, lap_ms: u64, threads: u32) -> Result<Outcome, BenchError>;

    /// The share of all keys that have a value.
    fn kept_share(&mut self) -> Result<f64, BenchError>;
}

/// The lanes of one cache.
struct Lanes<C> {
    first: Lane<C>,
    others: Vec<Other>,
}

/// A thread that lives as long as its cache: what a thread pays once is paid before the first lap counts.
struct Other {
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
    let (_, threads) = workers.threads();
    let mut others = Vec::new();
    for other in 1..threads {
        let make = first.sibling().ok_or_else(|| BenchError::Worker {
            problem: format!("was asked for {threads} threads of {}", subject.name()),
        })?;
        let stream = streams.second();
        // The same stream for all of a crowd, from another place each.
        let begin = stream.len() / threads as usize * (other as usize - 1);
        others.push(Other::start(move || {
            Ok(Lane::new(make()?, subject, workload, keys, stream).beginning_at(begin))
        }));
    }
    Ok(Box::new(Lanes { first, others }))
}

impl Other {
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
                        problem: format!("got no further handle: {error}"),
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
}

/// A lap of all threads at once. The wall clock of a crowd is that of all together: its threads take turns.
fn together(
    others: &[Other],
    duration: Duration,
    first: impl FnOnce() -> Result<Outcome, BenchError>,
) -> Result<Outcome, BenchError> {
    let gone = || BenchError::Worker {
        problem: "lost one of its threads".to_owned(),
    };
    for other in others {
        other.laps.send(duration).map_err(|_| gone())?;
    }
    let began = Instant::now();
    for other in others {
        other.start.wait();
    }
    let mut laps = vec![first()?.lap];
    for other in others {
        laps.push(other.outcomes.recv().map_err(|_| gone())??.lap);
    }
    let lap = match *laps {
        [one, other] => Lap::of_two(one, other),
        _ => Lap::of_crowd(&laps, began.elapsed()),
    };
    Ok(Outcome {
        lap,
        latencies: Vec::new(),
    })
}

impl<C: Cache> Course for Lanes<C> {
    fn lap(&mut self, lap_ms: u64, threads: u32) -> Result<Outcome, BenchError> {
        let duration = Duration::from_millis(lap_ms);
        match self.others.get(..threads as usize - 1) {
            None | Some([]) => self.first.lap(duration),
            Some(others) => together(others, duration, || self.first.lap(duration)),
        }
    }

    fn kept_share(&mut self) -> Result<f64, BenchError> {
        self.first.kept_share()
    }
}
