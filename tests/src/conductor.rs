//! The conductor: starts worker processes, kills and stops them at random, and watches that those
//! that nobody stopped go on.

use std::collections::BTreeMap;
use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use guira_shm::sync::{AtomicU64, Ordering};
use nix::sys::prctl::set_child_subreaper;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;

use crate::blocked::{WorkerPids, watch};
use crate::board::{Board, ROW_CURRENT, ROW_OPERATIONS, ROW_STOPS_BEGUN, ROW_STOPS_ENDED};
use crate::orphans::Orphans;
use crate::random::Random;

/// No worker that was left alone may stand still for so long.
const HANG: Duration = Duration::from_secs(5);
/// How long a worker may take to end when it is told to.
const FAREWELL: Duration = Duration::from_secs(20);
/// Looks at the workers' progress.
const LOOK_PERIOD: Duration = Duration::from_millis(250);
/// How long a kill or stop waits for a worker that is worth it.
const AIM: Duration = Duration::from_millis(5);
/// More crashes than this end the experiment.
const MAX_CRASHES: usize = 5;

/// What is done to the workers.
#[derive(Clone, Debug)]
pub struct Schedule {
    /// Processes.
    pub workers: usize,
    /// Threads, and rows on the board, of each.
    pub threads: usize,
    /// Kills, at random times.
    pub kills: u64,
    /// Stops, at random times.
    pub stops: u64,
    /// The longest stop, ms.
    pub max_stop_ms: u64,
    /// The time over which kills and stops are spread.
    pub window: Duration,
    /// Two of three kills and stops wait a moment for a worker that is in the middle of one of these kinds
    /// of operations, or of any.
    pub aims: Vec<usize>,
    /// Of the random times and choices.
    pub seed: u64,
}

/// What happened.
#[derive(Clone, Debug, Default)]
pub struct Conducted {
    /// Workers killed.
    pub kills: u64,
    /// Of these, while stopped.
    pub kills_of_stopped: u64,
    /// Threads of killed workers by what they were in the middle of: one more than the kind, 0 for nothing.
    pub kills_during: BTreeMap<u64, u64>,
    /// Workers stopped and continued.
    pub stops: u64,
    /// Workers that stood still though nobody stopped them.
    pub hangs: Vec<String>,
    /// Workers that ended by themselves.
    pub crashes: Vec<String>,
    /// From the first start to the last end.
    pub elapsed: Duration,
}

struct Worker {
    child: Child,
    incarnation: u64,
    /// When to continue it, if it is stopped.
    continue_at: Option<Instant>,
    /// Operations at the last progress, and when that was.
    progress: Vec<u64>,
    progressed_at: Instant,
}

struct Exit {
    worker: usize,
    incarnation: u64,
}

/// Runs the workers until `is_done`, then lets them finish. `start` starts an incarnation of a worker
/// in a process group of its own; what else is in that group belongs to the worker.
///
/// # Errors
/// A worker cannot be started or signalled.
pub fn conduct(
    board: &Board,
    schedule: &Schedule,
    start: impl Fn(usize, u64) -> io::Result<Child>,
    mut is_done: impl FnMut(&Conducted) -> bool,
) -> io::Result<Conducted> {
    // What a killed worker forked becomes ours to reap.
    set_child_subreaper(true)?;
    let pids: Vec<AtomicU64> = (0..schedule.workers).map(|_| AtomicU64::new(0)).collect();
    std::thread::scope(|scope| {
        let (over, is_over) = channel::<()>();
        let pids = pids.as_slice();
        scope.spawn(move || watch(board, pids, schedule.threads, &is_over));
        let conducted = conduct_watched(board, schedule, pids, start, &mut is_done);
        drop(over);
        conducted
    })
}

fn conduct_watched(
    board: &Board,
    schedule: &Schedule,
    pids: &WorkerPids,
    start: impl Fn(usize, u64) -> io::Result<Child>,
    mut is_done: impl FnMut(&Conducted) -> bool,
) -> io::Result<Conducted> {
    let (exits, notices) = channel();
    let mut conductor = Conductor {
        board,
        schedule,
        pids,
        start,
        exits,
        workers: Vec::new(),
        orphans: Orphans::default(),
        random: Random::new(schedule.seed, u64::MAX),
        conducted: Conducted::default(),
    };
    let began = Instant::now();
    for worker in 0..schedule.workers {
        let started = conductor.start(worker, 0)?;
        conductor.workers.push(started);
    }
    let mut next_kill = conductor.after(began, schedule.kills);
    let mut next_stop = conductor.after(began, schedule.stops);
    let mut next_look = began + LOOK_PERIOD;
    loop {
        let now = Instant::now();
        conductor.conducted.elapsed = now - began;
        if now >= next_look {
            next_look = now + LOOK_PERIOD;
            conductor.look(now)?;
        }
        if is_done(&conductor.conducted) || conductor.conducted.crashes.len() > MAX_CRASHES {
            break;
        }
        if conductor.conducted.kills < schedule.kills && now >= next_kill {
            next_kill = conductor.after(next_kill, schedule.kills);
            conductor.kill_one()?;
        }
        if conductor.conducted.stops < schedule.stops && now >= next_stop {
            next_stop = conductor.after(next_stop, schedule.stops);
            conductor.stop_one()?;
        }
        conductor.continue_due(now)?;
        let mut until = next_look;
        if conductor.conducted.kills < schedule.kills {
            until = until.min(next_kill);
        }
        if conductor.conducted.stops < schedule.stops {
            until = until.min(next_stop);
        }
        for at in conductor.workers.iter().filter_map(|worker| worker.continue_at) {
            until = until.min(at);
        }
        conductor.wait(&notices, until)?;
    }
    conductor.finish(&notices)?;
    conductor.conducted.elapsed = began.elapsed();
    Ok(std::mem::take(&mut conductor.conducted))
}

struct Conductor<'b, S> {
    board: &'b Board,
    schedule: &'b Schedule,
    pids: &'b WorkerPids,
    start: S,
    exits: Sender<Exit>,
    workers: Vec<Worker>,
    orphans: Orphans,
    random: Random,
    conducted: Conducted,
}

impl<S: Fn(usize, u64) -> io::Result<Child>> Conductor<'_, S> {
    fn after(&mut self, from: Instant, events: u64) -> Instant {
        let period_ns = (self.schedule.window.as_nanos() as u64) / events.max(1);
        from + Duration::from_nanos(self.random.below(period_ns.max(1) * 2))
    }

    fn start(&self, worker: usize, incarnation: u64) -> io::Result<Worker> {
        let child = (self.start)(worker, incarnation)?;
        let pid = pid_of(&child);
        if let Some(word) = self.pids.get(worker) {
            word.store(child.id().into(), Ordering::Relaxed);
        }
        let exits = self.exits.clone();
        std::thread::spawn(move || {
            // Only looks: the exit is collected where no signal can follow it.
            let _ = waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT);
            // Nobody listens any more once the experiment is over.
            let _ = exits.send(Exit { worker, incarnation });
        });
        Ok(Worker {
            child,
            incarnation,
            continue_at: None,
            progress: self.progress_of(worker),
            progressed_at: Instant::now(),
        })
    }

    fn first_row(&self, worker: usize) -> usize {
        worker * self.schedule.threads
    }

    fn progress_of(&self, worker: usize) -> Vec<u64> {
        let first = self.first_row(worker);
        (first..first + self.schedule.threads)
            .map(|row| self.board.row_word(row, ROW_OPERATIONS).load(Ordering::Relaxed))
            .collect()
    }

    fn choose(&mut self) -> usize {
        let all = self.schedule.workers;
        let chosen = self.random.below(all as u64) as usize;
        let aim = self.random.below(3);
        if aim == 0 || self.schedule.aims.is_empty() {
            return chosen;
        }
        let deadline = Instant::now() + AIM;
        while Instant::now() < deadline {
            for worker in (chosen..chosen + all).map(|worker| worker % all) {
                let current = self.board.row_word(self.first_row(worker), ROW_CURRENT);
                let kind = current.load(Ordering::Relaxed).checked_sub(1);
                if kind.is_some_and(|kind| aim == 1 || self.schedule.aims.contains(&(kind as usize))) {
                    return worker;
                }
            }
            std::thread::yield_now();
        }
        chosen
    }

    fn kill_one(&mut self) -> io::Result<()> {
        let worker = self.choose();
        self.conducted.kills += 1;
        if let Some(victim) = self.workers.get_mut(worker) {
            self.conducted.kills_of_stopped += u64::from(victim.continue_at.is_some());
            victim.child.kill()?;
            victim.child.wait()?;
        }
        for row in self.first_row(worker)..self.first_row(worker + 1) {
            let current = self.board.row_word(row, ROW_CURRENT).load(Ordering::Relaxed);
            *self.conducted.kills_during.entry(current).or_default() += 1;
        }
        self.restart(worker)
    }

    /// Another incarnation of a worker that ended.
    fn restart(&mut self, worker: usize) -> io::Result<()> {
        let row = self.first_row(worker);
        let begun = self.board.row_word(row, ROW_STOPS_BEGUN).load(Ordering::Relaxed);
        self.board
            .row_word(row, ROW_STOPS_ENDED)
            .store(begun, Ordering::Release);
        for row in row..row + self.schedule.threads {
            self.board.row_word(row, ROW_CURRENT).store(0, Ordering::Relaxed);
        }
        let incarnation = self.workers.get(worker).map_or(0, |old| old.incarnation + 1);
        if let Some(old) = self.workers.get(worker) {
            self.orphans.of(pid_of(&old.child));
        }
        let started = self.start(worker, incarnation)?;
        if let Some(place) = self.workers.get_mut(worker) {
            *place = started;
        }
        Ok(())
    }

    fn stop_one(&mut self) -> io::Result<()> {
        // One that is stopped already would only be stopped for longer.
        let first = self.choose();
        let all = self.workers.len();
        let Some(worker) = (first..first + all).map(|worker| worker % all).find(|&worker| {
            self.workers
                .get(worker)
                .is_some_and(|worker| worker.continue_at.is_none())
        }) else {
            return Ok(());
        };
        self.conducted.stops += 1;
        let stop_ms = 1 + self.random.below(self.schedule.max_stop_ms);
        let row = self.first_row(worker);
        let Some(victim) = self.workers.get_mut(worker) else {
            return Ok(());
        };
        let continue_at = Instant::now() + Duration::from_millis(stop_ms);
        // AcqRel: counted before the signal, so that the worker sees it after the stop.
        self.board
            .row_word(row, ROW_STOPS_BEGUN)
            .fetch_add(1, Ordering::AcqRel);
        kill(pid_of(&victim.child), Signal::SIGSTOP)?;
        victim.continue_at = Some(continue_at);
        Ok(())
    }

    fn continue_due(&mut self, now: Instant) -> io::Result<()> {
        for (index, worker) in self.workers.iter_mut().enumerate() {
            if worker.continue_at.is_some_and(|at| at <= now) {
                worker.continue_at = None;
                worker.progressed_at = now;
                kill(pid_of(&worker.child), Signal::SIGCONT)?;
                // AcqRel: an operation that begins after it sees the stop as over.
                self.board
                    .row_word(index * self.schedule.threads, ROW_STOPS_ENDED)
                    .fetch_add(1, Ordering::AcqRel);
            }
        }
        Ok(())
    }

    /// Looks for workers that stand still.
    fn look(&mut self, now: Instant) -> io::Result<()> {
        self.orphans.reap(&mut self.conducted.crashes);
        for index in 0..self.workers.len() {
            let progress = self.progress_of(index);
            let Some(worker) = self.workers.get_mut(index) else {
                continue;
            };
            let stands = progress
                .iter()
                .zip(&worker.progress)
                .any(|(now, before)| now == before);
            if !stands || worker.continue_at.is_some() {
                worker.progress = progress;
                worker.progressed_at = now;
            } else if now - worker.progressed_at > HANG {
                let report = self.describe_hang(index);
                self.conducted.hangs.push(report);
                if let Some(worker) = self.workers.get_mut(index) {
                    worker.child.kill()?;
                    worker.child.wait()?;
                }
                self.restart(index)?;
            }
        }
        Ok(())
    }

    fn describe_hang(&self, index: usize) -> String {
        let kinds: Vec<u64> = (self.first_row(index)..self.first_row(index + 1))
            .map(|row| self.board.row_word(row, ROW_CURRENT).load(Ordering::Relaxed))
            .collect();
        let pid = self.workers.get(index).map_or(0, |worker| worker.child.id());
        let see = |name: &str| std::fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap_or_default();
        format!(
            "worker {index} (pid {pid}) stood still for {} s; operations under way (kind + 1): {kinds:?}; \
             system call {}; waits in {}",
            HANG.as_secs(),
            see("syscall").trim(),
            see("wchan")
        )
    }

    /// Waits until `until`, or until a worker ends.
    fn wait(&mut self, notices: &Receiver<Exit>, until: Instant) -> io::Result<()> {
        let timeout = until.saturating_duration_since(Instant::now());
        let Ok(exit) = notices.recv_timeout(timeout) else {
            return Ok(());
        };
        let Some(worker) = self.workers.get_mut(exit.worker) else {
            return Ok(());
        };
        if worker.incarnation != exit.incarnation {
            // It was killed, and has been replaced.
            return Ok(());
        }
        let status = worker.child.wait()?;
        self.conducted
            .crashes
            .push(format!("{} by itself", describe_end(exit.worker, status)));
        self.restart(exit.worker)
    }

    /// Lets every worker finish, and says which did not.
    fn finish(&mut self, notices: &Receiver<Exit>) -> io::Result<()> {
        self.board.end();
        self.continue_due(Instant::now() + Duration::from_secs(3600))?;
        let deadline = Instant::now() + FAREWELL;
        let mut ended = vec![false; self.workers.len()];
        while ended.contains(&false) {
            let timeout = deadline.saturating_duration_since(Instant::now());
            match notices.recv_timeout(timeout) {
                Ok(exit) => {
                    let current = self.workers.get(exit.worker).map(|worker| worker.incarnation);
                    if let Some(end) = ended.get_mut(exit.worker)
                        && current == Some(exit.incarnation)
                    {
                        *end = true;
                    }
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
            }
        }
        for (index, ended) in ended.iter().enumerate() {
            if !ended {
                let report = self.describe_hang(index);
                self.conducted.hangs.push(format!("at the end: {report}"));
            }
            let Some(worker) = self.workers.get_mut(index) else {
                continue;
            };
            if !ended {
                worker.child.kill()?;
            }
            let status = worker.child.wait()?;
            self.orphans.of(pid_of(&worker.child));
            if *ended && !status.success() {
                let report = describe_end(index, status);
                self.conducted.crashes.push(report);
            }
        }
        let left = self.orphans.reap_all(deadline, &mut self.conducted.crashes);
        if left > 0 {
            let report = format!("at the end: the children of {left} workers did not end");
            self.conducted.hangs.push(report);
        }
        Ok(())
    }
}

impl<S> Drop for Conductor<'_, S> {
    fn drop(&mut self) {
        for worker in &mut self.workers {
            // After an error nobody else would end them; those that ended are past harm.
            let _ = worker.child.kill();
            let _ = worker.child.wait();
        }
        self.orphans.kill();
    }
}

fn describe_end(worker: usize, status: ExitStatus) -> String {
    format!("worker {worker} ended with {status}")
}

fn pid_of(child: &Child) -> Pid {
    Pid::from_raw(child.id().cast_signed())
}

/// The command that runs `program` as worker `worker`: `plan` is the experiment in JSON.
#[must_use]
pub fn worker_command(program: &Path, plan: &str, worker: usize, incarnation: u64) -> Command {
    let mut command = Command::new(program);
    command
        .stdin(Stdio::null())
        .process_group(0)
        .arg("worker")
        .arg("--plan")
        .arg(plan)
        .arg("--worker")
        .arg(worker.to_string())
        .arg("--incarnation")
        .arg(incarnation.to_string());
    command
}
