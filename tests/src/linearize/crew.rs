//! The worker processes: started, told to play a history, killed and stopped in the middle of it.

use std::io;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use guira_shm::futex;
use guira_shm::sync::Ordering;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::linearize::client::now_ns;
use crate::linearize::event::Event;
use crate::linearize::tape::{
    HEAD_CLIENTS, HEAD_DONE, HEAD_END, HEAD_HISTORY, HEAD_MIX, HEAD_QUOTA, HEAD_READY, HEAD_SEGMENT,
    ROW_DONE, ROWS, Tape,
};
use crate::random::Random;

/// Nobody may take longer for its part of a history.
const HANG: Duration = Duration::from_secs(20);
/// Between looks at how far the victim is.
const LOOK: Duration = Duration::from_micros(100);

/// What happens to a worker in the middle of a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mishap {
    None,
    /// It is killed.
    Kill,
    /// It is stopped for at most so long, shorter if nobody else has anything left to do.
    Stop(Duration),
}

/// How a history is to be made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scene {
    pub(crate) segment: u64,
    pub(crate) mix: u64,
    /// Operations for each thread.
    pub(crate) quota: u64,
    pub(crate) mishap: Mishap,
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Played {
    pub(crate) events: Vec<Event>,
    /// Of a kill or stop: whether it found an operation under way.
    pub(crate) was_caught: bool,
    /// Workers that hung or ended by themselves.
    pub(crate) mishaps: Vec<String>,
}

struct Worker {
    child: Child,
    first_row: usize,
}

/// The processes of one stage.
pub(crate) struct Crew<'t, C> {
    tape: &'t Tape,
    threads: usize,
    command: C,
    workers: Vec<Worker>,
    history: u64,
}

impl<'t, C: Fn(usize, u64) -> Command> Crew<'t, C> {
    /// Starts them; `command` gives the command of a worker on the rows from the first, for histories
    /// after the second number.
    pub(crate) fn start(tape: &'t Tape, workers: usize, threads: usize, command: C) -> io::Result<Self> {
        let mut crew = Self {
            tape,
            threads,
            command,
            workers: Vec::new(),
            history: 0,
        };
        for _ in 0..workers {
            let worker = crew.started()?;
            crew.workers.push(worker);
        }
        Ok(crew)
    }

    /// Another worker, on rows that nobody has.
    fn started(&self) -> io::Result<Worker> {
        let first_row = (0..ROWS)
            .step_by(self.threads)
            .find(|row| self.workers.iter().all(|worker| worker.first_row != *row))
            .ok_or_else(|| io::Error::other("there are more workers than rows on the tape"))?;
        for row in self.rows_from(first_row) {
            self.tape.clear(row);
            // It joins the next history, not this one.
            self.tape
                .row(row, ROW_DONE)
                .store(self.history, Ordering::Relaxed);
        }
        Ok(Worker {
            child: (self.command)(first_row, self.history).spawn()?,
            first_row,
        })
    }

    fn rows_from(&self, first_row: usize) -> std::ops::Range<usize> {
        first_row..first_row + self.threads
    }

    /// Has a history played.
    pub(crate) fn play(&mut self, scene: &Scene, random: &mut Random) -> io::Result<Played> {
        let tape = self.tape;
        for worker in &self.workers {
            for row in self.rows_from(worker.first_row) {
                tape.clear(row);
            }
        }
        self.history += 1;
        let clients = self.workers.len() * self.threads;
        tape.head(HEAD_SEGMENT).store(scene.segment, Ordering::Relaxed);
        tape.head(HEAD_MIX).store(scene.mix, Ordering::Relaxed);
        tape.head(HEAD_QUOTA).store(scene.quota, Ordering::Relaxed);
        tape.head(HEAD_CLIENTS).store(clients as u64, Ordering::Relaxed);
        tape.head(HEAD_READY).store(0, Ordering::Relaxed);
        tape.head(HEAD_DONE).store(0, Ordering::Relaxed);
        // Release: all of the above is before it; pairs with the Acquire of workers that wait for it.
        tape.head(HEAD_HISTORY).store(self.history, Ordering::Release);
        futex::wake(tape.head(HEAD_HISTORY), u32::MAX >> 1);

        let mut played = Played {
            events: Vec::new(),
            was_caught: false,
            mishaps: Vec::new(),
        };
        let victim = random.below(self.workers.len() as u64) as usize;
        let at = 1 + random.below(scene.quota * 3 / 4) as usize;
        match scene.mishap {
            Mishap::None => {}
            Mishap::Kill => self.kill(victim, at, &mut played)?,
            Mishap::Stop(longest) => self.stop(victim, at, longest)?,
        }
        self.wait(&mut played)?;
        for (seat, worker) in self.workers.iter().enumerate() {
            self.collect(seat, worker.first_row, None, &mut played.events);
        }
        Ok(played)
    }

    fn collect(&self, seat: usize, first_row: usize, gone_ns: Option<u64>, events: &mut Vec<Event>) {
        for row in self.rows_from(first_row) {
            let seat = (seat * self.threads + row - first_row) as u8;
            events.extend(
                (0..self.tape.count(row)).filter_map(|index| self.tape.event(row, seat, index, gone_ns)),
            );
        }
    }

    /// Waits until the worker has begun its operation number `at`, or all is done.
    fn wait_for(&mut self, worker: usize, at: usize) {
        let Some(first_row) = self.workers.get(worker).map(|worker| worker.first_row) else {
            return;
        };
        let began = Instant::now();
        while self.tape.count(first_row) < at && !self.is_done(worker) && began.elapsed() < HANG {
            self.look();
        }
    }

    /// Waits a little, or until somebody is done.
    fn look(&self) {
        let done = self.tape.head(HEAD_DONE);
        futex::wait(done, done.load(Ordering::Relaxed) as u32, LOOK);
    }

    fn is_done(&self, worker: usize) -> bool {
        self.workers.get(worker).is_none_or(|worker| {
            // Acquire: pairs with the Release of the worker; its records are there.
            self.rows_from(worker.first_row)
                .all(|row| self.tape.row(row, ROW_DONE).load(Ordering::Acquire) == self.history)
        })
    }

    fn kill(&mut self, victim: usize, at: usize, played: &mut Played) -> io::Result<()> {
        self.wait_for(victim, at);
        let Some(worker) = self.workers.get_mut(victim) else {
            return Ok(());
        };
        worker.child.kill()?;
        worker.child.wait()?;
        let gone_ns = now_ns();
        let first_row = worker.first_row;
        let before = played.events.len();
        self.collect(victim, first_row, Some(gone_ns), &mut played.events);
        played.was_caught = played
            .events
            .iter()
            .skip(before)
            .any(|event| event.ended_ns.is_none());
        // It attaches while this history goes on, and joins the next one.
        let started = self.started()?;
        if let Some(place) = self.workers.get_mut(victim) {
            *place = started;
        }
        Ok(())
    }

    fn stop(&mut self, victim: usize, at: usize, longest: Duration) -> io::Result<()> {
        self.wait_for(victim, at);
        let Some(pid) = self.workers.get(victim).map(|worker| pid_of(&worker.child)) else {
            return Ok(());
        };
        kill(pid, Signal::SIGSTOP)?;
        let began = Instant::now();
        let others: Vec<usize> = (0..self.workers.len()).filter(|other| *other != victim).collect();
        while began.elapsed() < longest && !others.iter().all(|other| self.is_done(*other)) {
            self.look();
        }
        kill(pid, Signal::SIGCONT)?;
        Ok(())
    }

    /// Waits until everybody is done.
    fn wait(&mut self, played: &mut Played) -> io::Result<()> {
        let began = Instant::now();
        let mut waiting: Vec<usize> = (0..self.workers.len()).collect();
        while !waiting.is_empty() {
            self.look();
            waiting.retain(|worker| !self.is_done(*worker));
            for index in waiting.clone() {
                let is_hung = began.elapsed() > HANG;
                let Some(worker) = self.workers.get_mut(index) else {
                    continue;
                };
                let status = worker.child.try_wait()?;
                if status.is_none() && !is_hung {
                    continue;
                }
                played.mishaps.push(status.map_or_else(
                    || {
                        format!(
                            "worker {index} did not come to the end of its part in {} s",
                            HANG.as_secs()
                        )
                    },
                    |status| format!("worker {index} ended by itself with {status}"),
                ));
                worker.child.kill()?;
                worker.child.wait()?;
                let (first_row, gone_ns) = (worker.first_row, now_ns());
                self.collect(index, first_row, Some(gone_ns), &mut played.events);
                let started = self.started()?;
                if let Some(place) = self.workers.get_mut(index) {
                    *place = started;
                }
                waiting.retain(|other| *other != index);
            }
        }
        Ok(())
    }
}

impl<C> Drop for Crew<'_, C> {
    fn drop(&mut self) {
        self.tape.head(HEAD_END).store(1, Ordering::Relaxed);
        for worker in &mut self.workers {
            // They hold nothing that outlives them; those that ended are past harm.
            let _ = worker.child.kill();
            let _ = worker.child.wait();
        }
    }
}

fn pid_of(child: &Child) -> Pid {
    Pid::from_raw(child.id().cast_signed())
}
