//! One computation for all processes, whatever becomes of the one that computes.

use nix::sys::signal::Signal;

use crate::children::{Host, Worker, await_waits};
use crate::worker::now_us;

const LONG_MS: u64 = 50_000;

/// A host whose first worker computes key 1, held, and `waiters` threads in the others that wait for it.
fn one_computes(others: usize, waiters: usize, like: &str, patience_ms: u64) -> (Host, Worker, Vec<Worker>) {
    let host = Host::new();
    let mut leader = Worker::start(&host.path);
    let mut workers: Vec<Worker> = (0..others).map(|_| Worker::start(&host.path)).collect();
    leader.tell(&format!("ask 1 1 {like} {patience_ms}"));
    assert_eq!(leader.answer(), "computing 1");
    let each = waiters / others;
    // What they would compute themselves.
    workers
        .iter_mut()
        .for_each(|worker| worker.tell(&format!("ask 1 {each} now {LONG_MS}")));
    await_waits(&mut workers, (each * others) as u64);
    (host, leader, workers)
}

fn value_of(answer: &str) -> &str {
    let value = answer
        .strip_prefix("value ")
        .unwrap_or_else(|| panic!("{answer}"));
    value.split(' ').next().expect("a value")
}

/// The answers that are not `computing 1`, and how many were that.
fn split(mut answers: Vec<String>) -> (Vec<String>, usize) {
    let all = answers.len();
    answers.retain(|answer| answer != "computing 1");
    let computing = all - answers.len();
    (answers, computing)
}

fn answers_of(worker: &mut Worker, callers: usize) -> (Vec<String>, usize) {
    let (mut answers, mut computing) = split(worker.answers(callers));
    while answers.len() < callers {
        let (more, computed) = split(worker.answers(callers - answers.len()));
        answers.extend(more);
        computing += computed;
    }
    (answers, computing)
}

#[test]
fn of_a_thousand_callers_in_four_processes_one_computes() {
    const EACH: usize = 250;
    let host = Host::new();
    let mut workers: Vec<Worker> = (0..4).map(|_| Worker::start(&host.path)).collect();
    workers
        .iter_mut()
        .for_each(|worker| worker.tell(&format!("ask 1 {EACH} held {LONG_MS}")));
    await_waits(&mut workers, 4 * EACH as u64 - 1);
    let released_us = now_us();
    host.release(1);
    let mut computing = 0;
    let mut answered_us = Vec::new();
    for worker in &mut workers {
        let (answers, computed) = answers_of(worker, EACH);
        computing += computed;
        for answer in answers {
            let at: u128 = answer
                .rsplit(' ')
                .next()
                .expect("a time")
                .parse()
                .expect("a number");
            answered_us.push(at - released_us);
        }
    }
    assert_eq!((computing, host.computations()), (1, 1));
    answered_us.sort_unstable();
    eprintln!(
        "1,000 callers answered after the release: half in {} us, all in {} us",
        answered_us[2 * EACH],
        answered_us[4 * EACH - 1]
    );
}

#[test]
fn a_killed_computer_is_replaced_once_by_one_of_a_hundred_waiters() {
    let (host, leader, mut workers) = one_computes(4, 100, "held", 10 * LONG_MS);
    leader.signal(Signal::SIGKILL);
    let mut values = Vec::new();
    for worker in &mut workers {
        let (answers, _) = answers_of(worker, 25);
        values.extend(answers.iter().map(|answer| value_of(answer).to_owned()));
    }
    values.dedup();
    assert_eq!(values.len(), 1, "{values:?}");
    // The killed one's, and the one that replaced it.
    assert_eq!(host.computations(), 2);
    assert_eq!(host.segment.stats().flights, 0);
}

#[test]
fn a_stopped_computer_is_replaced_once_at_the_end_of_its_patience_and_does_no_harm_later() {
    let (host, mut leader, mut workers) = one_computes(4, 40, "held", 400);
    leader.signal(Signal::SIGSTOP);
    let mut values = Vec::new();
    for worker in &mut workers {
        let (answers, _) = answers_of(worker, 10);
        values.extend(answers.iter().map(|answer| value_of(answer).to_owned()));
    }
    values.dedup();
    assert_eq!(values.len(), 1, "{values:?}");
    assert_eq!(host.computations(), 2);
    leader.signal(Signal::SIGCONT);
    host.release(1);
    // It has a value of its own, which is not stored.
    let own = leader.answer();
    assert_ne!(value_of(&own), values[0]);
    workers[0].tell(&format!("ask 1 1 now {LONG_MS}"));
    assert_eq!(value_of(&workers[0].answer()), values[0]);
    assert_eq!(host.computations(), 2);
}

#[test]
fn waiters_in_other_processes_are_told_why_a_computation_failed_and_later_askers_are_not() {
    let (host, mut leader, mut workers) = one_computes(3, 30, "failing", LONG_MS);
    host.release(1);
    let error = leader.answer();
    assert_eq!(
        error,
        "error own the value cannot be encoded as plums: none are ripe"
    );
    for worker in &mut workers {
        for answer in worker.answers(10) {
            assert_eq!(
                answer,
                "error Error the value cannot be encoded as plums: none are ripe"
            );
        }
    }
    assert_eq!(host.computations(), 1);
    workers[0].tell(&format!("ask 1 1 now {LONG_MS}"));
    assert_eq!(workers[0].answer(), "computing 1");
    assert!(workers[0].answer().starts_with("value "));
}

#[test]
fn waiters_in_other_processes_are_told_of_a_panic() {
    let (host, mut leader, mut workers) = one_computes(2, 4, "panicking", LONG_MS);
    host.release(1);
    assert_eq!(leader.answer(), "panicked");
    for worker in &mut workers {
        for answer in worker.answers(2) {
            assert_eq!(answer, "error Panic out of plums");
        }
    }
    assert_eq!(host.computations(), 1);
}

#[test]
fn a_value_that_was_invalidated_goes_to_older_waiters_only() {
    let (host, mut leader, mut workers) = one_computes(2, 4, "held", LONG_MS);
    // All in one: every key of the cache, by the namespace.
    host.segment.namespace("values").expect("a row").clear();
    let mut later = Worker::start(&host.path);
    later.tell(&format!("ask 1 1 now {LONG_MS}"));
    // It joined the flight, for the key itself was not invalidated.
    await_waits([&mut later], 1);
    host.release(1);
    let old = value_of(&leader.answer()).to_owned();
    assert_eq!(later.answer(), "computing 1");
    let new = value_of(&later.answer()).to_owned();
    assert_ne!(old, new);
    for worker in &mut workers {
        for answer in worker.answers(2) {
            // One that looked late enough finds the newer one.
            assert!([&*old, &*new].contains(&value_of(&answer)), "{answer}");
        }
    }
    // None of the older waiters computed.
    assert_eq!(host.computations(), 2);
}

#[test]
fn computations_of_two_processes_that_need_each_other_compute_inline() {
    let host = Host::new();
    let mut first = Worker::start(&host.path);
    let mut second = Worker::start(&host.path);
    first.tell(&format!("ask 1 1 needing-2 {LONG_MS}"));
    second.tell(&format!("ask 2 1 needing-1 {LONG_MS}"));
    assert_eq!(first.answer(), "computing 1");
    assert_eq!(second.answer(), "computing 2");
    host.release(1);
    host.release(2);
    // Far below the patience: the watchdog says how far.
    for worker in [&mut first, &mut second] {
        let mut answer = worker.answer();
        while answer.starts_with("computing ") {
            answer = worker.answer();
        }
        assert!(answer.starts_with("value "), "{answer}");
    }
    assert!(host.computations() <= 4);
}
