//! Steps of a check: announced, timed, and the ones that failed named at the end.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use crate::error::XtaskError;

/// The steps that have run. A failed step does not stop the next: one run shows everything.
#[derive(Debug, Default)]
pub(crate) struct Steps {
    finished: Vec<Finished>,
}

#[derive(Debug)]
struct Finished {
    name: &'static str,
    took: Duration,
    passed: bool,
}

impl Steps {
    /// Runs one step and keeps how it went.
    pub(crate) fn run(&mut self, name: &'static str, step: impl FnOnce() -> Result<(), XtaskError>) {
        println!("==> {name}");
        let began = Instant::now();
        let outcome = step();
        if let Err(error) = &outcome {
            eprintln!("{name}: {error}");
        }
        let finished = Finished {
            name,
            took: began.elapsed(),
            passed: outcome.is_ok(),
        };
        println!("<== {}", finished.line());
        self.finished.push(finished);
    }

    /// Prints every step's outcome, the failed ones by name, and gives the exit code.
    pub(crate) fn conclude(&self) -> ExitCode {
        if self.finished.len() > 1 {
            println!();
            for step in &self.finished {
                println!("    {}", step.line());
            }
        }
        let failed = self.failed();
        if failed.is_empty() {
            return ExitCode::SUCCESS;
        }
        eprintln!("failed: {}", failed.join(", "));
        ExitCode::FAILURE
    }

    fn failed(&self) -> Vec<&'static str> {
        self.finished
            .iter()
            .filter(|step| !step.passed)
            .map(|step| step.name)
            .collect()
    }
}

impl Finished {
    fn line(&self) -> String {
        let outcome = if self.passed { "ok" } else { "FAILED" };
        format!("{}: {outcome} in {:.1} s", self.name, self.took.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_step_is_named_and_the_next_one_still_runs() {
        let mut steps = Steps::default();
        steps.run("first", || Err(XtaskError::NothingTested));
        steps.run("second", || Ok(()));
        assert_eq!(steps.failed(), ["first"]);
        assert!(steps.finished[1].passed);
        assert_eq!(steps.conclude(), ExitCode::FAILURE);
    }

    #[test]
    fn steps_that_all_pass_conclude_with_success() {
        let mut steps = Steps::default();
        steps.run("only", || Ok(()));
        assert_eq!(steps.conclude(), ExitCode::SUCCESS);
        assert!(steps.finished[0].line().starts_with("only: ok in "));
    }
}
