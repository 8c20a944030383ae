//! Computing in tasks: any runtime, no blocking in a poll, and nobody is hurt by a future that is dropped.

use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

use guira::{Cache, Error, FlightOptions, Guira};

use crate::children::{WATCHDOG, await_that};

fn squares() -> Cache<u64, u64> {
    Guira::builder()
        .size(8 << 20)
        .private()
        .expect("a segment")
        .cache("squares")
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// The plainest runtime there is.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    let end = Instant::now() + WATCHDOG;
    loop {
        if let Poll::Ready(output) = future.as_mut().poll(&mut context) {
            return output;
        }
        assert!(Instant::now() < end, "a future that nobody wakes");
        std::thread::park_timeout(WATCHDOG);
    }
}

/// Ready when the flag is set; whoever sets it wakes nobody, so it is polled by hand.
async fn gate(is_open: &AtomicU64) {
    std::future::poll_fn(|_| match is_open.load(Ordering::Relaxed) {
        0 => Poll::Pending,
        _ => Poll::Ready(()),
    })
    .await;
}

fn is_send<T: Send>(value: T) -> T {
    value
}

#[test]
fn a_future_gives_what_is_there_or_computes_it() {
    let cache = squares();
    let seven = 7;
    let ask = || is_send(cache.get_or_compute_async(&seven, async || 49));
    assert_eq!(block_on(ask()).expect("a key"), 49);
    assert_eq!(block_on(ask()).expect("a key"), 49);
    assert_eq!(cache.flight_stats().computations, 1);
}

#[test]
fn a_task_waits_for_the_computation_of_another_and_of_a_thread() {
    let cache = squares();
    let is_open = AtomicU64::new(0);
    let mut leader = pin!(cache.get_or_compute_async(&7, async || {
        gate(&is_open).await;
        49
    }));
    let mut context = Context::from_waker(Waker::noop());
    assert!(leader.as_mut().poll(&mut context).is_pending());
    std::thread::scope(|scope| {
        let tasks: Vec<_> = (0..20)
            .map(|_| scope.spawn(|| block_on(cache.get_or_compute_async(&7, async || 1))))
            .collect();
        let thread = scope.spawn(|| cache.get_or_compute(&7, || 1));
        await_that("the waiters", || cache.flight_stats().waits == 21);
        is_open.store(1, Ordering::Relaxed);
        assert!(matches!(leader.as_mut().poll(&mut context), Poll::Ready(Ok(49))));
        for task in tasks {
            assert_eq!(task.join().expect("no panic").expect("no failure"), 49);
        }
        assert_eq!(thread.join().expect("no panic").expect("no failure"), 49);
    });
    assert_eq!(cache.flight_stats().computations, 1);
}

#[test]
fn a_computing_future_that_is_dropped_hands_over_and_a_waiting_one_leaves() {
    let cache = squares();
    let mut context = Context::from_waker(Waker::noop());
    let mut leader = Box::pin(cache.get_or_compute_async(&7, std::future::pending::<u64>));
    assert!(leader.as_mut().poll(&mut context).is_pending());
    let mut leaving = Box::pin(cache.get_or_compute_async(&7, async || 1));
    assert!(leaving.as_mut().poll(&mut context).is_pending());
    std::thread::scope(|scope| {
        let staying = scope.spawn(|| block_on(cache.get_or_compute_async(&7, async || 49)));
        let blocked = scope.spawn(|| cache.get_or_compute(&7, || 49));
        await_that("the waiters", || cache.flight_stats().waits == 3);
        drop(leaving);
        drop(leader);
        assert_eq!(staying.join().expect("no panic").expect("no failure"), 49);
        assert_eq!(blocked.join().expect("no panic").expect("no failure"), 49);
    });
    assert_eq!(cache.flight_stats().computations, 1);
    assert_eq!(cache.guira().stats().flights, 0);
}

#[test]
fn a_task_is_told_the_error_of_the_computation_it_waited_for_and_gives_up_in_time() {
    let guira = Guira::builder().size(8 << 20).private().expect("a segment");
    let cache = guira.cache::<u64, u64>("squares");
    let impatient = guira
        .cache_builder::<u64, u64>("squares")
        .flights(FlightOptions::default().load_timeout(Duration::from_millis(20)))
        .open();
    let is_open = AtomicU64::new(0);
    let mut leader = pin!(cache.try_get_or_compute_async(&7, async || {
        gate(&is_open).await;
        Err::<u64, Error>(guira::CodecError::encode("plums", "none are ripe").into())
    }));
    let mut context = Context::from_waker(Waker::noop());
    assert!(leader.as_mut().poll(&mut context).is_pending());
    let Err(Error::Failure(failure)) = block_on(impatient.get_or_compute_async(&7, async || 1)) else {
        panic!("it computed although another does")
    };
    assert_eq!(failure.kind(), guira::FailureKind::TimedOut);
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| block_on(cache.get_or_compute_async(&7, async || 1)));
        await_that("the waiter", || cache.flight_stats().waits == 1);
        is_open.store(1, Ordering::Relaxed);
        assert!(matches!(leader.as_mut().poll(&mut context), Poll::Ready(Err(_))));
        let Err(Error::Failure(failure)) = waiter.join().expect("no panic") else {
            panic!("a value from nowhere")
        };
        assert_eq!(
            failure.text(),
            "the value cannot be encoded as plums: none are ripe"
        );
    });
}

#[test]
fn more_flights_than_threads_are_waited_for_at_once() {
    const FLIGHTS: usize = 40;
    let cache = squares();
    let is_open = AtomicU64::new(0);
    let candidates: Vec<u64> = (0..1_000).collect();
    let mut context = Context::from_waker(Waker::noop());
    let mut keys = Vec::new();
    let mut leaders = Vec::new();
    for key in &candidates {
        if keys.len() == FLIGHTS {
            break;
        }
        let is_open = &is_open;
        let mut leader = Box::pin(cache.get_or_compute_async(key, async move || {
            gate(is_open).await;
            key * key
        }));
        assert!(leader.as_mut().poll(&mut context).is_pending());
        // Without a free cell it computes alone, and nobody waits for it.
        if cache.guira().stats().flights == keys.len() as u64 + 1 {
            keys.push(*key);
            leaders.push(leader);
        }
    }
    assert_eq!(keys.len(), FLIGHTS);
    std::thread::scope(|scope| {
        let waiters: Vec<_> = keys
            .iter()
            .map(|key| scope.spawn(|| block_on(cache.get_or_compute_async(key, async || 0))))
            .collect();
        await_that("the waiters", || cache.flight_stats().waits == FLIGHTS as u64);
        is_open.store(1, Ordering::Relaxed);
        for leader in &mut leaders {
            assert!(leader.as_mut().poll(&mut context).is_ready());
        }
        for (key, waiter) in keys.iter().zip(waiters) {
            assert_eq!(waiter.join().expect("no panic").expect("no failure"), key * key);
        }
    });
}

#[test]
fn a_task_that_needs_its_own_key_computes_it_inline() {
    let cache = squares();
    let value = block_on(cache.get_or_compute_async(&7, async || {
        let inner = cache
            .get_or_compute_async(&7, async || 48)
            .await
            .expect("no failure");
        inner + 1
    }));
    assert_eq!(value.expect("no failure"), 49);
    assert_eq!(cache.flight_stats().entangled, 1);
}

/// A runtime that polls its task where it is woken.
struct Inline {
    task: Mutex<Option<Pin<Box<dyn Future<Output = ()> + Send>>>>,
    is_polled: AtomicBool,
}

impl Wake for Inline {
    fn wake(self: Arc<Self>) {
        let task = self.task.lock().expect("nobody panics").take();
        if let Some(mut task) = task {
            assert!(
                task.as_mut()
                    .poll(&mut Context::from_waker(Waker::noop()))
                    .is_pending()
            );
            *self.task.lock().expect("nobody panics") = Some(task);
            self.is_polled.store(true, Ordering::Release);
        }
    }
}

#[test]
fn a_waker_may_poll_a_task_that_waits_for_another_computation() {
    let cache = squares();
    let mut context = Context::from_waker(Waker::noop());
    let mut first = Box::pin(cache.get_or_compute_async(&1, std::future::pending::<u64>));
    let mut second = Box::pin(cache.get_or_compute_async(&2, std::future::pending::<u64>));
    assert!(first.as_mut().poll(&mut context).is_pending());
    assert!(second.as_mut().poll(&mut context).is_pending());

    let next = cache.clone();
    let inline = Arc::new(Inline {
        task: Mutex::new(Some(Box::pin(async move {
            drop(next.get_or_compute_async(&2, async || 4).await);
        }))),
        is_polled: AtomicBool::new(false),
    });
    let mut waiting = Box::pin(cache.get_or_compute_async(&1, async || 1));
    let waker = Waker::from(Arc::clone(&inline));
    assert!(
        waiting
            .as_mut()
            .poll(&mut Context::from_waker(&waker))
            .is_pending()
    );
    drop(first);
    await_that("the poll", || inline.is_polled.load(Ordering::Acquire));
    assert_eq!(block_on(waiting).expect("no failure"), 1);
    drop(second);
}
