//! Running a model within bounds, and reporting what was looked at.
//!
//! `cargo xtask model` sets the bounds by the environment and collects the reports in a file.

use std::io::Write;
use std::panic::{resume_unwind, set_hook, take_hook};
use std::sync::Once;
use std::time::{Duration, Instant};

use guira_shm::mutant::{Mutant, switch_on};
use guira_shm::sync::model::{Bounds, Explored, check};
use guira_shm::sync::{AtomicBool, Ordering};

/// Preemptions beyond what the model asks for.
const MORE_PREEMPTIONS: &str = "GUIRA_MODEL_MORE_PREEMPTIONS";
/// Seconds that one model may take.
const SECONDS: &str = "GUIRA_MODEL_SECONDS";
/// Only models with this in their name, or in that of the mutant.
const ONLY: &str = "GUIRA_MODEL_ONLY";
/// `models` or `mutants`, without which both run.
const WHICH: &str = "GUIRA_MODEL_WHICH";
/// A file to which reports are appended, a line of JSON each.
const REPORT: &str = "GUIRA_MODEL_REPORT";

const DEFAULT_SECONDS: u64 = 60;

/// A model that is killed at each change it makes: after so many changes.
pub(super) type AtEachChange = fn(usize);

/// No execution of `model` fails.
pub(super) fn holds(name: &str, preemptions: usize, model: fn()) {
    if !is_wanted(name, None) {
        return;
    }
    let begin = Instant::now();
    let explored = check(&bounds(preemptions), model);
    conclude(name, preemptions, begin, explored);
}

/// No execution of `model` fails, whichever of its changes the thread that dies comes to last.
pub(super) fn holds_at_each_change(name: &str, preemptions: usize, model: AtEachChange) {
    if !is_wanted(name, None) {
        return;
    }
    let begin = Instant::now();
    let mut sum = Explored {
        executions: 0,
        threads: 0,
        is_complete: true,
        has_killed: false,
        failure: None,
    };
    for changes in 0.. {
        let explored = check(&left(&bounds(preemptions), begin), move || model(changes));
        sum.executions += explored.executions;
        sum.threads = explored.threads;
        sum.is_complete &= explored.is_complete;
        sum.failure = explored.failure;
        if sum.failure.is_some() || !explored.has_killed {
            break;
        }
    }
    conclude(name, preemptions, begin, sum);
}

/// Some execution of `model` fails while `mutant` is on.
pub(super) fn catches(name: &str, mutant: Mutant, preemptions: usize, model: fn()) {
    if !is_wanted(name, Some(mutant)) {
        return;
    }
    let begin = Instant::now();
    let explored = mutated(mutant, || check(&mutant_bounds(preemptions), model));
    conclude_mutant(name, mutant, preemptions, begin, &explored);
}

/// Some execution of `model` fails while `mutant` is on, for one of the changes a thread dies at.
pub(super) fn catches_at_some_change(name: &str, mutant: Mutant, preemptions: usize, model: AtEachChange) {
    if !is_wanted(name, Some(mutant)) {
        return;
    }
    let begin = Instant::now();
    let explored = mutated(mutant, || {
        let mut executions = 0;
        for changes in 0.. {
            let mut explored = check(&left(&mutant_bounds(preemptions), begin), move || model(changes));
            executions += explored.executions;
            explored.executions = executions;
            if explored.failure.is_some() || !explored.has_killed {
                return explored;
            }
        }
        unreachable!("an operation makes a bounded number of changes")
    });
    conclude_mutant(name, mutant, preemptions, begin, &explored);
}

fn is_wanted(name: &str, mutant: Option<Mutant>) -> bool {
    let kind = if mutant.is_some() { "mutants" } else { "models" };
    let mutant = mutant.map_or("", Mutant::name);
    let is_other_kind = std::env::var(WHICH).is_ok_and(|which| which != kind);
    let is_other = std::env::var(ONLY).is_ok_and(|only| !name.contains(&only) && !mutant.contains(&only));
    !is_other_kind && !is_other
}

fn bounds(preemptions: usize) -> Bounds {
    Bounds {
        preemptions: preemptions + number(MORE_PREEMPTIONS, 0) as usize,
        executions: usize::MAX,
        time: Duration::from_secs(number(SECONDS, DEFAULT_SECONDS)),
    }
}

fn left(bounds: &Bounds, begin: Instant) -> Bounds {
    Bounds {
        time: bounds.time.saturating_sub(begin.elapsed()),
        ..*bounds
    }
}

fn number(name: &str, default: u64) -> u64 {
    let text = std::env::var(name).ok();
    text.and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// A mutant gets more time than a model: it is to be found, not only not to be missed by what there was
/// time for.
fn mutant_bounds(preemptions: usize) -> Bounds {
    let bounds = bounds(preemptions);
    Bounds {
        time: bounds.time * 4,
        ..bounds
    }
}

fn mutated(mutant: Mutant, run: impl FnOnce() -> Explored) -> Explored {
    expect_panics(true);
    switch_on(Some(mutant));
    let explored = run();
    switch_on(None);
    expect_panics(false);
    explored
}

static EXPECTED: AtomicBool = AtomicBool::new(false);

/// While panics are expected, nothing is printed of them.
fn expect_panics(expected: bool) {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        // The checker's own hook comes first: it keeps its cancelled threads quiet.
        check(&bounds(0), || ());
        let hook = take_hook();
        set_hook(Box::new(move |info| {
            if !EXPECTED.load(Ordering::Relaxed) {
                hook(info);
            }
        }));
    });
    EXPECTED.store(expected, Ordering::Relaxed);
}

fn conclude(name: &str, preemptions: usize, begin: Instant, explored: Explored) {
    report(name, "", preemptions, begin, &explored);
    if let Some(cause) = explored.failure {
        resume_unwind(cause);
    }
    assert!(explored.executions > 1, "{name}: nothing to explore");
}

/// How the checker complains of a model that it cannot explore: then it has noticed nothing.
const COMPLAINTS: [&str; 3] = [
    "Model exceeded maximum number of branches",
    "Reached unexpected exploration state",
    "deadlock",
];

fn conclude_mutant(name: &str, mutant: Mutant, preemptions: usize, begin: Instant, explored: &Explored) {
    report(name, mutant.name(), preemptions, begin, explored);
    let cause = cause_of(explored);
    assert!(
        explored.failure.is_some(),
        "{name} did not notice {} in {} executions",
        mutant.name(),
        explored.executions
    );
    assert!(
        !COMPLAINTS.iter().any(|complaint| cause.starts_with(complaint)),
        "{name} could not be explored with {}: {cause}",
        mutant.name()
    );
}

/// The first line of what the last execution failed with.
fn cause_of(explored: &Explored) -> String {
    explored.failure.as_ref().map_or_else(String::new, |cause| {
        let text = cause.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| cause.downcast_ref::<&str>().copied());
        let line = text.unwrap_or("a panic").lines().next().unwrap_or_default();
        line.replace(['"', '\\'], "'")
    })
}

fn report(name: &str, mutant: &str, preemptions: usize, begin: Instant, explored: &Explored) {
    let cause = cause_of(explored);
    let line = format!(
        r#"{{"model":"{name}","mutant":"{mutant}","threads":{},"executions":{},"seconds":{:.1},"preemptions":{},"complete":{},"failed":"{cause}"}}"#,
        explored.threads,
        explored.executions,
        begin.elapsed().as_secs_f64(),
        bounds(preemptions).preemptions,
        explored.is_complete,
    );
    let written = match std::env::var_os(REPORT) {
        None => writeln!(std::io::stdout(), "{line}"),
        Some(path) => std::fs::File::options()
            .create(true)
            .append(true)
            .open(path)
            .and_then(|mut file| writeln!(file, "{line}")),
    };
    written.expect("the report is written");
}
