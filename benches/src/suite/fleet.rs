//! Worker processes and the pipes to them.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command as Program, Stdio};

use crate::error::{BenchError, while_doing};
use crate::peers::Subject;
use crate::rounds::Lap;
use crate::worker::{Answer, Command, Outcome, WorkerPlan};

/// One worker process, or two that work at once.
#[derive(Debug)]
pub(super) struct Fleet {
    workers: Vec<Worker>,
}

impl Fleet {
    /// Starts a worker for each plan, one after another, each when the last is ready.
    pub(super) fn start(plans: &[WorkerPlan]) -> Result<Self, BenchError> {
        let workers = plans.iter().map(Worker::start).collect::<Result<_, _>>()?;
        Ok(Self { workers })
    }

    /// A lap by the first process, with one thread or two.
    pub(super) fn lap(&mut self, subject: Subject, lap_ms: u64, threads: u32) -> Result<Outcome, BenchError> {
        let command = Command::Lap {
            subject,
            lap_ms,
            threads,
            processes: 1,
        };
        self.first().ask(command)?;
        self.first().lap_answer()
    }

    /// A lap by all processes at once.
    pub(super) fn lap_together(&mut self, subject: Subject, lap_ms: u64) -> Result<Outcome, BenchError> {
        let command = Command::Lap {
            subject,
            lap_ms,
            threads: 1,
            processes: self.workers.len() as u64,
        };
        for worker in &mut self.workers {
            worker.ask(command)?;
        }
        let mut outcomes = Vec::new();
        for worker in &mut self.workers {
            outcomes.push(worker.lap_answer()?.lap);
        }
        let lap = outcomes.into_iter().reduce(Lap::of_two);
        Ok(Outcome {
            lap: lap.expect("a fleet has a worker"),
            latencies: Vec::new(),
        })
    }

    /// The share of all keys that have a value.
    pub(super) fn kept_share(&mut self, subject: Subject) -> Result<f64, BenchError> {
        self.first().ask(Command::Probe { subject })?;
        match self.first().answer()? {
            Answer::Kept { share } => Ok(share),
            other => Err(unexpected(&other)),
        }
    }

    fn first(&mut self) -> &mut Worker {
        self.workers.first_mut().expect("a fleet has a worker")
    }
}

#[derive(Debug)]
struct Worker {
    process: Child,
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Worker {
    fn start(plan: &WorkerPlan) -> Result<Self, BenchError> {
        let program = std::env::current_exe().map_err(while_doing("find this program"))?;
        let mut process = Program::new(program)
            .args(["worker", "--plan", &serde_json::to_string(plan)?])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(while_doing("start a worker"))?;
        let commands = process.stdin.take();
        let answers = process.stdout.take().expect("a pipe was asked for");
        let mut worker = Self {
            process,
            commands,
            answers: BufReader::new(answers),
        };
        match worker.answer()? {
            Answer::Ready => Ok(worker),
            other => Err(unexpected(&other)),
        }
    }

    fn ask(&mut self, command: Command) -> Result<(), BenchError> {
        let commands = self.commands.as_mut().expect("open until the drop");
        let mut line = serde_json::to_vec(&command)?;
        line.push(b'\n');
        commands.write_all(&line).map_err(while_doing("tell a worker"))
    }

    fn answer(&mut self) -> Result<Answer, BenchError> {
        let mut line = String::new();
        self.answers
            .read_line(&mut line)
            .map_err(while_doing("hear from a worker"))?;
        if line.is_empty() {
            return Err(BenchError::Worker {
                problem: "ended; what it printed above tells why".to_owned(),
            });
        }
        Ok(serde_json::from_str(&line)?)
    }

    fn lap_answer(&mut self) -> Result<Outcome, BenchError> {
        match self.answer()? {
            Answer::Lap(outcome) => Ok(outcome),
            other => Err(unexpected(&other)),
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It ends with its stdin.
        drop(self.commands.take());
        let _ = self.process.wait();
    }
}

fn unexpected(answer: &Answer) -> BenchError {
    BenchError::Worker {
        problem: format!("answered {answer:?} to something else"),
    }
}
