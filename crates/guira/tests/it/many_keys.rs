//! Many keys of one call, and what is missing of them computed at once.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Barrier;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use guira::{Cache, Error, FailureKind, Guira, Lifetime, Ttl};

use crate::children::await_that;

fn squares() -> Cache<u64, u64> {
    let guira = Guira::builder().size(64 << 20).private().expect("it is small");
    guira.cache("squares")
}

fn all<T>(results: Vec<Result<T, Error>>) -> Vec<T> {
    results.into_iter().collect::<Result<_, _>>().expect("no error")
}

/// Squares, but for those of multiples of ten.
fn square_all(keys: &[&u64]) -> Vec<Option<u64>> {
    keys.iter()
        .map(|key| (**key % 10 != 0).then(|| **key * **key))
        .collect()
}

#[test]
fn what_is_missing_is_computed_by_one_call_and_stored() {
    let squares = squares();
    squares.put(&3, &1_000, Lifetime::never()).expect("room");
    let mut calls = Vec::new();
    let found = squares.get_many_or_compute(&[2, 3, 4, 2, 10], |keys| {
        calls.push(keys.iter().map(|key| **key).collect::<Vec<_>>());
        square_all(keys)
    });
    assert_eq!(all(found), [Some(4), Some(1_000), Some(16), Some(4), None]);
    assert_eq!(calls, [vec![2, 4, 10]]);
    assert_eq!(all(squares.get_many([&2, &4, &10])), [Some(4), Some(16), None]);

    let found = squares.get_many_or_compute(&[2, 3, 4], |_| unreachable!("all are there"));
    assert_eq!(all(found), [Some(4), Some(1_000), Some(16)]);
    assert_eq!(all(squares.get_many_or_compute(&[], square_all)), []);
    // One that answers too little has nothing for the others.
    let found = squares.get_many_or_compute(&[5, 6], |_| vec![Some(25)]);
    assert_eq!(all(found), [Some(25), None]);
    assert_eq!(squares.flight_stats().computations, 3);
}

#[test]
fn what_is_computed_has_the_lifetime_and_what_is_stale_is_computed_anew() {
    let squares = squares();
    let minute = Duration::from_secs(60);
    all(squares.get_many_or_compute_with(&[2, 3], minute, square_all));
    assert!(
        squares
            .ttl(&2)
            .expect("a key")
            .is_some_and(|ttl| ttl.seconds() > 50.0)
    );
    squares.expire(&2).expect("a key");
    let found = squares.get_many_or_compute(&[2, 3], |keys| {
        assert_eq!(keys, [&2]);
        vec![Some(7)]
    });
    assert_eq!(all(found), [Some(7), Some(9)]);
    let ttls = all(squares.get_ttl_many([&2, &3, &4]));
    assert_eq!(ttls[0], Some((7, Ttl::Never)));
    assert!(matches!(ttls[1], Some((9, Ttl::Fresh(_)))) && ttls[2].is_none());
    assert_eq!(squares.get_for(&3, minute).expect("a key"), None);
    assert_eq!(squares.get_for(&3, minute / 2).expect("a key"), Some(9));
}

#[test]
fn threads_that_ask_for_the_same_keys_in_any_order_compute_each_once() {
    const THREADS: usize = 8;
    let squares = squares();
    let computed = AtomicU64::new(0);
    for round in 0..50_u64 {
        let barrier = Barrier::new(THREADS);
        std::thread::scope(|scope| {
            for thread in 0..THREADS as u64 {
                let (squares, barrier, computed) = (&squares, &barrier, &computed);
                scope.spawn(move || {
                    let mut keys: Vec<u64> = (1..9).map(|key| round * 10 + key).collect();
                    keys.rotate_left(thread as usize);
                    let keys: Vec<&u64> = keys.iter().collect();
                    barrier.wait();
                    let found = squares.get_many_or_compute(keys.iter().copied(), |keys| {
                        computed.fetch_add(keys.len() as u64, Ordering::Relaxed);
                        square_all(keys)
                    });
                    assert_eq!(all(found), square_all(&keys));
                });
            }
        });
    }
    assert_eq!(computed.load(Ordering::Relaxed), 50 * 8);
}

#[test]
fn a_computation_that_asks_for_any_of_its_own_keys_computes_it_inline() {
    let squares = squares();
    let found = squares.get_many_or_compute(&[1, 2, 3], |keys| {
        let inner = squares.get_or_compute(&3, || 33).expect("a key");
        keys.iter().map(|key| Some(**key + inner)).collect()
    });
    assert_eq!(all(found)[..2], [Some(34), Some(35)]);
    assert_eq!(squares.flight_stats().entangled, 1);
}

#[test]
fn who_waited_for_one_of_many_that_came_to_nothing_computes_or_is_told() {
    let squares = squares();
    let gate = AtomicU64::new(0);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let found = squares.get_many_or_compute(&[1, 2], |_| {
                gate.store(1, Ordering::Relaxed);
                await_that("the waiter", || squares.flight_stats().waits == 1);
                vec![None, Some(2)]
            });
            assert_eq!(all(found), [None, Some(2)]);
        });
        await_that("the leader", || gate.load(Ordering::Relaxed) == 1);
        assert_eq!(squares.get_or_compute(&1, || 7).expect("no error"), 7);
    });
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let panic = catch_unwind(AssertUnwindSafe(|| {
                squares.get_many_or_compute(&[3, 4], |_| {
                    gate.store(2, Ordering::Relaxed);
                    await_that("the waiter", || squares.flight_stats().waits == 2);
                    panic!("out of plums")
                })
            }));
            panic.expect_err("it panicked");
        });
        await_that("the leader", || gate.load(Ordering::Relaxed) == 2);
        match squares.get_or_compute(&4, || 7) {
            Err(Error::Failure(failure)) => {
                assert_eq!(
                    (failure.kind(), failure.text()),
                    (FailureKind::Panic, "out of plums")
                );
            }
            other => panic!("{other:?}"),
        }
    });
}
