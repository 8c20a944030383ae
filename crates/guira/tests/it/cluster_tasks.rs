//! One computation for all hosts, by calls that await.

use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};

use guira::{Cache, FlightOptions, Guira};

use super::awaiting::block_on;
use super::coherence::{LONG, broker, cache, followed, host, until};

fn shared(guira: &Guira) -> Cache<u64, u64> {
    guira
        .cache_builder("values")
        .flights(FlightOptions::default().cluster(true))
        .lifetime(LONG)
        .build()
        .expect("a cache")
}

fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

async fn gate(is_open: &AtomicU64) {
    std::future::poll_fn(|_| match is_open.load(Ordering::Relaxed) {
        0 => Poll::Pending,
        _ => Poll::Ready(()),
    })
    .await;
}

#[test]
fn tasks_of_all_hosts_share_one_computation_on_one_thread() {
    let (_broker, address) = broker();
    let hosts = [host(&address), host(&address), host(&address)];
    for host in &hosts {
        followed(&cache(host));
    }
    let caches: Vec<Cache<u64, u64>> = hosts.iter().map(shared).collect();
    let (computations, is_open) = (AtomicU64::new(0), AtomicU64::new(0));
    let ask = |cache: &Cache<u64, u64>| {
        let (cache, computations, is_open) = (cache.clone(), &computations, &is_open);
        async move {
            let value = cache.get_or_compute_async(&7, || async {
                computations.fetch_add(1, Ordering::Relaxed);
                gate(is_open).await;
                49
            });
            value.await
        }
    };
    // A poll that blocked would wait for ever for the one that computes: it is polled by this thread too.
    let mut tasks: Vec<_> = caches
        .iter()
        .flat_map(|cache| [ask(cache), ask(cache)])
        .map(Box::pin)
        .collect();
    until("one computes", || {
        for task in &mut tasks {
            assert!(poll(task.as_mut()).is_pending());
        }
        computations.load(Ordering::Relaxed) == 1
    });
    until("the others know it", || {
        for task in &mut tasks {
            assert!(poll(task.as_mut()).is_pending());
        }
        let waits: u64 = caches.iter().map(|cache| cache.flight_stats().waits).sum();
        // Three for the other task of their host, and two hosts for the third.
        waits >= 5
    });
    is_open.store(1, Ordering::Relaxed);
    let mut values = Vec::new();
    until("all have it", || {
        tasks.retain_mut(|task| match poll(task.as_mut()) {
            Poll::Pending => true,
            Poll::Ready(value) => {
                values.push(value.expect("a value"));
                false
            }
        });
        tasks.is_empty()
    });
    assert_eq!(values, [49; 6]);
    assert_eq!(computations.load(Ordering::Relaxed), 1);
    for cache in &caches {
        assert_eq!(cache.get(&7).expect("get"), Some(49), "every host keeps it");
    }
}

#[test]
fn a_task_is_woken_when_another_host_has_the_value() {
    let (_broker, address) = broker();
    let (here, there) = (host(&address), host(&address));
    followed(&cache(&here));
    followed(&cache(&there));
    let (ours, theirs) = (shared(&here), shared(&there));
    let (has_begun, is_open) = (AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        let computing = scope.spawn(|| {
            ours.get_or_compute(&7, || {
                has_begun.store(1, Ordering::Relaxed);
                until("the gate opens", || is_open.load(Ordering::Relaxed) != 0);
                49
            })
        });
        until("it computes", || has_begun.load(Ordering::Relaxed) != 0);
        // Nobody polls it but its waker.
        let waiting = scope.spawn(|| block_on(theirs.get_or_compute_async(&7, async || 1)));
        until("it waits", || theirs.flight_stats().waits == 1);
        is_open.store(1, Ordering::Relaxed);
        assert_eq!(computing.join().expect("no panic").expect("a value"), 49);
        assert_eq!(waiting.join().expect("no panic").expect("a value"), 49);
    });
    assert_eq!(theirs.flight_stats().computations, 0);
}

#[test]
fn a_task_that_is_dropped_while_it_computes_is_followed_by_another_host() {
    let (_broker, address) = broker();
    let (here, there) = (host(&address), host(&address));
    followed(&cache(&here));
    followed(&cache(&there));
    let (ours, theirs) = (shared(&here), shared(&there));
    let has_begun = AtomicU64::new(0);
    let mut computing = Box::pin(ours.get_or_compute_async(&7, || {
        has_begun.store(1, Ordering::Relaxed);
        std::future::pending::<u64>()
    }));
    until("it computes", || {
        assert!(poll(computing.as_mut()).is_pending());
        has_begun.load(Ordering::Relaxed) == 1
    });
    let mut waiting = Box::pin(theirs.get_or_compute_async(&7, async || 49));
    until("the other waits", || {
        assert!(poll(waiting.as_mut()).is_pending());
        theirs.flight_stats().waits == 1
    });
    drop(computing);
    assert_eq!(block_on(waiting).expect("a value"), 49);
    assert_eq!(ours.get(&7).expect("get"), None);
}
