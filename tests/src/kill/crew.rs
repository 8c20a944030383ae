//! The processes that make the runs: each is given one job at a time, as a line of JSON, and is
//! replaced when it does not answer.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::KillError;
use super::run::{Job, Outcome, Places, Runner};

/// A run that takes longer hangs: a loop or a wait without an end.
const RUN_LIMIT: Duration = Duration::from_secs(60);
/// Between looks at who hangs.
const WATCH_PERIOD: Duration = Duration::from_millis(200);

/// A worker's answer.
#[derive(Debug, Serialize, Deserialize)]
enum Answer {
    Made(Outcome),
    Failed(String),
}

/// What a crew needs to know.
#[derive(Clone, Debug)]
pub struct Crew<'c> {
    /// The program that is a worker when it is given `worker --memory .. --disk .. --number ..`.
    pub program: &'c Path,
    /// Where runs take place.
    pub places: &'c Places,
    /// How many processes.
    pub workers: usize,
    /// The check of the engine that they run without.
    pub mutant: Option<&'c str>,
}

impl Crew<'_> {
    /// Makes every run; `made` is called with each as it ends, in no order. A run that could not be
    /// made, or did not end, has an anomaly that says so.
    ///
    /// # Errors
    /// A worker cannot be started.
    pub fn make(&self, jobs: &[Job], made: impl FnMut(&Job, Outcome) + Send) -> Result<(), KillError> {
        let next = Mutex::new(jobs.iter());
        let made = Mutex::new(made);
        let slots: Vec<Mutex<Slot>> = (0..self.workers).map(|_| Mutex::new(Slot::default())).collect();
        let is_over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let watchdog = scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    slots.iter().for_each(end_if_it_hangs);
                    std::thread::park_timeout(WATCH_PERIOD);
                }
            });
            let threads: Vec<_> = slots
                .iter()
                .enumerate()
                .map(|(number, slot)| {
                    let (next, made) = (&next, &made);
                    scope.spawn(move || self.work(number, slot, next, made))
                })
                .collect();
            let results: Vec<Result<(), KillError>> = threads
                .into_iter()
                .map(|thread| thread.join().expect("it does not panic"))
                .collect();
            is_over.store(true, Ordering::Relaxed);
            watchdog.thread().unpark();
            results.into_iter().collect()
        })
    }

    fn work<'j>(
        &self,
        number: usize,
        slot: &Mutex<Slot>,
        next: &Mutex<impl Iterator<Item = &'j Job>>,
        made: &Mutex<impl FnMut(&Job, Outcome)>,
    ) -> Result<(), KillError> {
        let mut worker: Option<Worker> = None;
        loop {
            let Some(job) = locked(next).next() else {
                break;
            };
            let mut busy = match worker.take() {
                Some(worker) => worker,
                None => self.start(number, slot)?,
            };
            let outcome = match busy.ask(job, slot) {
                Ok(Answer::Made(outcome)) => {
                    worker = Some(busy);
                    outcome
                }
                Ok(Answer::Failed(why)) => {
                    worker = Some(busy);
                    failed(job, &why)
                }
                Err(_) => failed(job, locked(slot).reap()),
            };
            locked(made)(job, outcome);
        }
        drop(worker);
        let child = locked(slot).child.take();
        if let Some(mut child) = child {
            child.wait()?;
        }
        Ok(())
    }

    fn start(&self, number: usize, slot: &Mutex<Slot>) -> Result<Worker, KillError> {
        let mut command = Command::new(self.program);
        command
            .arg("worker")
            .arg("--memory")
            .arg(&self.places.memory)
            .arg("--disk")
            .arg(&self.places.disk)
            .arg("--number")
            .arg(number.to_string());
        if let Some(mutant) = self.mutant {
            command.arg("--mutant").arg(mutant);
        }
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let worker = Worker {
            jobs: child.stdin.take().expect("it is piped"),
            answers: BufReader::new(child.stdout.take().expect("it is piped")),
        };
        locked(slot).child = Some(child);
        Ok(worker)
    }
}

fn failed(job: &Job, why: &str) -> Outcome {
    Outcome {
        is_made: false,
        at: None,
        anomalies: vec![format!("{}: {why}", job.scene)],
        operations: 0,
        longest_us: 0,
        points: Vec::new(),
    }
}

/// One worker, as the watchdog sees it.
#[derive(Debug, Default)]
struct Slot {
    child: Option<Child>,
    busy_since: Option<Instant>,
    hung: bool,
}

impl Slot {
    /// Buries a worker that is gone; says why it is.
    fn reap(&mut self) -> &'static str {
        if let Some(mut child) = self.child.take() {
            // It closed its pipe: it is dead or about to be.
            let _ = child.kill();
            let _ = child.wait();
        }
        self.busy_since = None;
        if std::mem::take(&mut self.hung) {
            "the run did not end: a survivor or the victim hangs"
        } else {
            "the worker died: a survivor crashed"
        }
    }
}

fn end_if_it_hangs(slot: &Mutex<Slot>) {
    let mut slot = locked(slot);
    if slot.busy_since.is_some_and(|since| since.elapsed() > RUN_LIMIT)
        && let Some(child) = &mut slot.child
    {
        // Its victim dies with it.
        let killed = child.kill();
        slot.hung |= killed.is_ok();
    }
}

/// One worker, as the thread that gives it jobs sees it.
#[derive(Debug)]
struct Worker {
    jobs: std::process::ChildStdin,
    answers: BufReader<std::process::ChildStdout>,
}

impl Worker {
    fn ask(&mut self, job: &Job, slot: &Mutex<Slot>) -> Result<Answer, KillError> {
        let mut line = serde_json::to_string(job)?;
        line.push('\n');
        locked(slot).busy_since = Some(Instant::now());
        self.jobs.write_all(line.as_bytes())?;
        line.clear();
        self.answers.read_line(&mut line)?;
        let answer = serde_json::from_str(&line)?;
        locked(slot).busy_since = None;
        Ok(answer)
    }
}

/// A worker's whole life: makes the runs it is told to until its input ends.
///
/// # Errors
/// Its crew is gone.
pub fn work(places: Places, number: usize) -> Result<(), KillError> {
    // One whose crew is gone has nobody to end it.
    nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL).map_err(std::io::Error::from)?;
    let mut runner = Runner::new(places, number);
    let stdin = std::io::stdin();
    let mut line = String::new();
    loop {
        line.clear();
        if stdin.lock().read_line(&mut line)? == 0 {
            return Ok(());
        }
        let job: Job = serde_json::from_str(&line)?;
        let answer = match runner.run(&job) {
            Ok(outcome) => Answer::Made(outcome),
            Err(error) => Answer::Failed(error.to_string()),
        };
        let mut told = serde_json::to_string(&answer)?;
        told.push('\n');
        let mut stdout = std::io::stdout().lock();
        stdout.write_all(told.as_bytes())?;
        stdout.flush()?;
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
