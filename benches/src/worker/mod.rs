//! A process that is measured: it opens what another process filled, and runs laps when told to.

mod course;
mod gate;
mod lane;
mod message;
mod open;

pub(crate) use gate::Gate;
pub(crate) use message::{Answer, Command, Outcome, WorkerPlan};
pub(crate) use open::file_name;

use std::collections::HashMap;
use std::io::{self, BufRead, Write};

use clap::Args;

use crate::error::{BenchError, while_doing};
use crate::peers::Subject;
use course::Course;

/// What a worker is told when it starts.
#[derive(Debug, Args)]
pub(crate) struct WorkerArguments {
    /// A `WorkerPlan` as JSON
    #[arg(long)]
    plan: String,
}

/// Answers commands, a line of JSON each, until stdin ends.
pub(crate) fn run(arguments: &WorkerArguments) -> Result<(), BenchError> {
    let plan: WorkerPlan = serde_json::from_str(&arguments.plan)?;
    let mut gate = Gate::open(&plan.directory)?;
    let streams = open::Streams::draw(&plan);
    let mut courses: HashMap<Subject, Box<dyn Course>> = HashMap::new();
    for &subject in &plan.subjects {
        courses.insert(subject, open::course(subject, &plan, &streams)?);
    }
    answer(&Answer::Ready)?;
    for line in io::stdin().lock().lines() {
        let line = line.map_err(while_doing("read what to measure"))?;
        let command: Command = serde_json::from_str(&line)?;
        let missing = || BenchError::Worker {
            problem: format!("was told {line}, which it has not opened"),
        };
        answer(&match command {
            Command::Lap {
                subject,
                lap_ms,
                threads,
                processes,
            } => {
                let course = courses.get_mut(&subject).ok_or_else(missing)?;
                if processes > 1 {
                    gate.pass(processes)?;
                }
                Answer::Lap(course.lap(lap_ms, threads)?)
            }
            Command::Probe { subject } => {
                let course = courses.get_mut(&subject).ok_or_else(missing)?;
                Answer::Kept {
                    share: course.kept_share()?,
                }
            }
        })?;
    }
    Ok(())
}

fn answer(answer: &Answer) -> Result<(), BenchError> {
    let mut stdout = io::stdout().lock();
    serde_json::to_writer(&mut stdout, answer)?;
    stdout
        .write_all(b"\n")
        .and_then(|()| stdout.flush())
        .map_err(while_doing("answer"))
}
