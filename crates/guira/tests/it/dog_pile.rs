//! The dog-pile demo of py-memoize: fifty batches of five callers, a batch each 70 ms, and values that live for
//! 200 ms. A value serves three batches, so 17 computations are the least; callers that do not wait for each other
//! make up to 85.
//!
//! The clock is moved by the test, so the numbers hold on a machine that is busy.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::time::Duration;

use guira::Guira;
use guira_segment::{Clock, Segment};

use crate::children::{Host, Worker};

const BATCHES: u64 = 50;
const CALLERS: usize = 5;
const PAUSE_MS: u64 = 70;
const LIFE: Duration = Duration::from_millis(200);
const LEAST: u64 = 17;
const BOOT_MS: u64 = 315_360_000_003;

#[test]
fn five_threads_make_17_calls() {
    let time = Arc::new(AtomicU64::new(BOOT_MS));
    let segment = Segment::builder()
        .size(8 << 20)
        .clock(Clock::manual(Arc::clone(&time)))
        .private()
        .expect("a segment");
    let cache = Guira::of_segment(segment)
        .cache_builder::<u64, u64>("values")
        .lifetime(LIFE)
        .open();
    let calls = AtomicU64::new(0);
    let barrier = Barrier::new(CALLERS);
    std::thread::scope(|scope| {
        for _ in 0..CALLERS {
            scope.spawn(|| {
                for _ in 0..BATCHES {
                    let value = cache.get_or_compute(&1, || calls.fetch_add(1, Ordering::Relaxed));
                    assert!(value.expect("no failure") < LEAST);
                    if barrier.wait().is_leader() {
                        time.fetch_add(PAUSE_MS, Ordering::Relaxed);
                    }
                    barrier.wait();
                }
            });
        }
    });
    assert_eq!(calls.load(Ordering::Relaxed), LEAST);
}

#[test]
fn five_processes_make_17_calls() {
    let host = Host::new();
    let mut workers: Vec<Worker> = (0..CALLERS).map(|_| Worker::start(&host.path)).collect();
    for batch in 0..BATCHES {
        for worker in &mut workers {
            worker.tell(&format!("time {}", BOOT_MS + batch * PAUSE_MS));
            assert_eq!(worker.answer(), "set");
        }
        workers
            .iter_mut()
            .for_each(|worker| worker.tell("ask 1 1 now 60000"));
        for worker in &mut workers {
            let mut answer = worker.answer();
            if answer == "computing 1" {
                answer = worker.answer();
            }
            assert!(answer.starts_with("value "), "{answer}");
        }
    }
    assert_eq!(host.computations(), LEAST);
}
