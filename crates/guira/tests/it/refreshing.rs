//! Computing a value anew although there is one.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

use guira::Guira;

const MINUTE: Duration = Duration::from_secs(60);

fn private() -> Guira {
    Guira::builder().size(8 << 20).private().expect("a segment")
}

#[test]
fn what_a_refresh_computed_is_kept_although_an_older_computation_ends_first() {
    let source = Arc::new(AtomicU64::new(1));
    // Each computation reads the source, says so, and is told when to end.
    let (began, beginnings) = mpsc::channel::<mpsc::Sender<()>>();
    let of = Arc::clone(&source);
    let copies = private().memoize("copies").function(move |_: u64| {
        let value = of.load(Ordering::SeqCst);
        let (end, ended) = mpsc::channel();
        began.send(end).expect("the test listens");
        ended.recv().expect("the test tells");
        value
    });
    std::thread::scope(|scope| {
        let old = scope.spawn(|| copies.get(7));
        let end_old = beginnings.recv_timeout(MINUTE).expect("it computes");
        source.store(2, Ordering::SeqCst);
        let new = scope.spawn(|| copies.refresh(7));
        let end_new = beginnings.recv_timeout(MINUTE).expect("it computes");
        end_old.send(()).expect("it listens");
        assert_eq!(old.join().expect("no panic"), 1);
        end_new.send(()).expect("it listens");
        assert_eq!(new.join().expect("no panic"), Ok(2));
    });
    assert_eq!(copies.peek(&7).expect("a key"), Some(2));
}
