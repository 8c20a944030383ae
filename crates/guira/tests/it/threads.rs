//! Threads that begin and end.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;

use guira::{Cache, Guira, Lifetime};

/// Reads and writes when its thread ends.
struct Farewell {
    cache: Cache<u64, u64>,
    told: mpsc::Sender<bool>,
}

impl Drop for Farewell {
    fn drop(&mut self) {
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            let seen = self.cache.get(&1).expect("a key");
            self.cache.put(&2, &2, Lifetime::never()).expect("room");
            seen
        }));
        let _ = self.told.send(outcome.is_ok_and(|seen| seen == Some(1)));
    }
}

thread_local! {
    static FAREWELL: RefCell<Option<Farewell>> = const { RefCell::new(None) };
}

#[test]
fn what_a_thread_leaves_may_read_and_write_when_the_thread_ends() {
    let guira = Guira::builder().size(8 << 20).private().expect("a segment");
    let cache = guira.cache::<u64, u64>("x");
    let (told, outcome) = mpsc::channel();
    let farewell = Farewell {
        cache: cache.clone(),
        told,
    };
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // Before the cache's own, which end the sooner for it.
            FAREWELL.set(Some(farewell));
            cache.put(&1, &1, Lifetime::never()).expect("room");
            assert_eq!(cache.get(&1).expect("a key"), Some(1));
        });
    });
    assert!(outcome.recv().expect("it was dropped"), "it panicked");
    assert_eq!(cache.get(&2).expect("a key"), Some(2));
}
