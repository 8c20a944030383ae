//! Running a model within bounds, and reporting what was looked at.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use guira_shm::mutant::{Mutant, switch_on};
use guira_shm::sync::model::{Bounds, Explored, check};

fn bounds(preemptions: usize) -> Bounds {
    let number = |name: &str, default: u64| {
        std::env::var(name)
            .ok()
            .and_then(|text| text.parse().ok())
            .unwrap_or(default)
    };
    Bounds {
        preemptions: preemptions + number("GUIRA_MODEL_PREEMPTIONS", 0) as usize,
        executions: number("GUIRA_MODEL_EXECUTIONS", 1_000_000) as usize,
        time: Duration::from_secs(number("GUIRA_MODEL_SECONDS", 20)),
    }
}

/// No execution of `model` fails.
pub(super) fn holds(name: &str, preemptions: usize, model: impl Fn() + Send + Sync + 'static) {
    let begin = Instant::now();
    let explored = check(&bounds(preemptions), model);
    report(name, &format!("{preemptions} preemptions"), explored, begin);
    assert!(explored.executions > 1, "{name}: nothing to explore");
}

/// Some execution of `model` fails while `mutant` is on.
pub(super) fn catches(
    name: &str,
    mutant: Mutant,
    preemptions: usize,
    model: impl Fn() + Send + Sync + 'static,
) {
    let begin = Instant::now();
    switch_on(Some(mutant));
    let result = catch_unwind(AssertUnwindSafe(|| check(&bounds(preemptions), model)));
    switch_on(None);
    match result {
        Err(_) => println!(
            "mutant {name} {} caught {:.1}",
            mutant.name(),
            begin.elapsed().as_secs_f64()
        ),
        Ok(explored) => panic!("{name} did not notice {} ({explored:?})", mutant.name()),
    }
}

fn report(name: &str, bound: &str, explored: Explored, begin: Instant) {
    println!(
        "model {name} {} executions {:.1} s {bound} {}",
        explored.executions,
        begin.elapsed().as_secs_f64(),
        if explored.is_complete {
            "complete"
        } else {
            "capped"
        },
    );
}
