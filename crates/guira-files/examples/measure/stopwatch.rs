//! How long something took: this thread on a processor, and by the wall clock.

use std::time::{Duration, Instant};

use nix::time::{ClockId, clock_gettime};

use crate::Outcome;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Took {
    pub(crate) thread: Duration,
    pub(crate) wall: Duration,
}

#[derive(Debug)]
pub(crate) struct Stopwatch {
    thread: Duration,
    wall: Instant,
}

impl Stopwatch {
    pub(crate) fn start() -> Outcome<Self> {
        Ok(Self {
            thread: thread_time()?,
            wall: Instant::now(),
        })
    }

    pub(crate) fn took(&self) -> Outcome<Took> {
        Ok(Took {
            thread: thread_time()?.saturating_sub(self.thread),
            wall: self.wall.elapsed(),
        })
    }
}

fn thread_time() -> Outcome<Duration> {
    Ok(clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)?.into())
}
