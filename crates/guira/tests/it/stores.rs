//! Stores that are made of others.

use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use guira::store::{Around, Counting, FailOpen, Layered, Null, Operation, Outcome, Router, TwoLevel};
use guira::{Add, Error, Lifetime, Put, PutOptions, Replace, Store, Ttl};
use guira_segment::StoreError;

use crate::kinds::{SECOND, guira_with_clock, options};

type Words = dyn Store<String, String>;

fn key(text: &str) -> String {
    text.to_owned()
}

/// A layer that fails while it is broken, and counts what reaches it.
#[derive(Default)]
struct Breakable {
    is_broken: AtomicBool,
    calls: AtomicU32,
}

impl Around for &Breakable {
    fn around<T: Outcome>(
        &self,
        _operation: Operation,
        call: impl FnOnce() -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.calls.fetch_add(1, Ordering::Relaxed);
        if self.is_broken.load(Ordering::Relaxed) {
            return Err(StoreError::NoSpace.into());
        }
        call()
    }
}

#[test]
fn the_null_store_misses_everything_and_takes_everything() {
    let store: &Words = &Null;
    let (a, value, forever) = (key("a"), key("1"), options(Lifetime::never()));
    assert_eq!(store.put(&a, &value, &forever).expect("no error"), Put::Stored);
    assert_eq!(store.add(&a, &value, &forever).expect("no error"), Add::Stored);
    assert_eq!(
        store.replace(&a, &value, &forever).expect("no error"),
        Replace::NotFound
    );
    assert_eq!(store.get(&a).expect("no error"), None);
    assert!(!store.contains(&a).expect("no error"));
    assert!(
        store
            .get_many(&[&a, &a])
            .into_iter()
            .all(|one| matches!(one, Ok(None)))
    );
    assert!(!store.remove(&a).expect("no error"));
    store.clear().expect("no error");
    assert_eq!(store.purge().expect("no error"), 0);
}

#[test]
fn reads_looks_writes_removes_and_errors_are_counted_apart() {
    let (guira, _clock) = guira_with_clock();
    let breakable = Breakable::default();
    let store = Layered::new(guira.cache::<String, String>("x"), &breakable);
    let store = Layered::new(store, Counting::default());
    let (a, b, value) = (key("a"), key("b"), key("1"));
    store.put(&a, &value, &PutOptions::default()).expect("room");
    store.get(&a).expect("no error");
    store.get(&b).expect("no error");
    assert_eq!(store.get_many(&[&a, &b, &a]).len(), 3);
    store.contains(&a).expect("no error");
    store.ttl(&b).expect("no error");
    store.get_ttl(&a).expect("no error");
    store.remove(&a).expect("no error");
    breakable.is_broken.store(true, Ordering::Relaxed);
    assert!(store.get(&a).is_err());
    assert!(store.put(&a, &value, &PutOptions::default()).is_err());

    let counts = store.layer().reset();
    let read = (counts.hits, counts.misses, counts.looks);
    assert_eq!(read, (4, 2, 2), "{counts:?}");
    assert_eq!(
        (counts.writes, counts.removes, counts.errors),
        (2, 1, 2),
        "{counts:?}"
    );
    assert!((counts.hit_ratio() - 4.0 / 6.0).abs() < 1e-9);
    assert_eq!(store.layer().counts(), guira::store::Counts::default());
}

#[test]
fn a_store_that_fails_is_passed_over_and_asked_again_after_a_pause() {
    let (guira, _clock) = guira_with_clock();
    let breakable = Breakable::default();
    let pause = Duration::from_millis(100);
    let store = Layered::new(guira.cache::<String, String>("x"), &breakable);
    let store = Layered::new(store, FailOpen::new(3, pause));
    let (a, value) = (key("a"), key("1"));
    store.put(&a, &value, &PutOptions::default()).expect("room");
    let asked = || breakable.calls.swap(0, Ordering::Relaxed);
    asked();

    breakable.is_broken.store(true, Ordering::Relaxed);
    for _ in 0..3 {
        assert_eq!(store.get(&a).expect("a miss"), None);
    }
    assert_eq!(asked(), 3);
    assert!(store.layer().is_open());
    assert_eq!(
        store
            .put(&a, &value, &PutOptions::default())
            .expect("kept nowhere"),
        Put::Superseded
    );
    assert_eq!(store.get(&a).expect("a miss"), None);
    assert_eq!(asked(), 0);
    assert_eq!((store.layer().errors(), store.layer().not_asked()), (3, 2));

    // One call after each pause tries, until one succeeds.
    let wait = || {
        while store.layer().is_open() {
            std::thread::park_timeout(pause / 10);
        }
    };
    wait();
    assert_eq!(store.get(&a).expect("a miss"), None);
    assert_eq!(store.get(&a).expect("a miss"), None);
    assert_eq!(asked(), 1);
    breakable.is_broken.store(false, Ordering::Relaxed);
    wait();
    assert_eq!(store.get(&a).expect("a hit"), Some(value.clone()));
    assert_eq!(store.get(&a).expect("a hit"), Some(value));
    assert_eq!(asked(), 2);
}

#[test]
fn what_the_caller_did_wrong_stays_an_error() {
    let (guira, _clock) = guira_with_clock();
    let store = Layered::new(guira.cache::<f64, String>("x"), FailOpen::new(1, SECOND));
    for _ in 0..3 {
        assert!(matches!(store.get(&f64::NAN), Err(Error::Key(_))));
        let zero = options(Duration::ZERO);
        assert!(matches!(store.put(&1.0, &key("1"), &zero), Err(Error::Store(_))));
    }
    assert!(!store.layer().is_open());
}

#[test]
fn two_levels_read_near_write_through_and_forget_both() {
    let (guira, clock_ms) = guira_with_clock();
    let near = guira.cache::<String, String>("near");
    let far = guira.cache::<String, String>("far");
    let both = TwoLevel::new(near.clone(), far.clone()).near_at_most(60 * SECOND);
    let (a, one, two) = (key("a"), key("1"), key("2"));

    both.put(&a, &one, &options(100 * SECOND)).expect("room");
    assert_eq!(far.get(&a).expect("no error"), Some(one.clone()));
    assert_eq!(near.get(&a).expect("no error"), None);
    clock_ms.fetch_add(70_000, Ordering::Relaxed);
    assert_eq!(both.get(&a).expect("no error"), Some(one.clone()));
    // Promoted for the time that is left.
    assert_eq!(near.ttl(&a).expect("no error"), Some(Ttl::Fresh(30 * SECOND)));

    both.put(&a, &two, &options(Lifetime::never())).expect("room");
    assert_eq!(both.get(&a).expect("no error"), Some(two.clone()));
    assert_eq!(near.ttl(&a).expect("no error"), Some(Ttl::Fresh(60 * SECOND)));
    assert!(both.remove(&a).expect("no error"));
    assert_eq!(near.get(&a).expect("no error"), None);
    assert_eq!(far.get(&a).expect("no error"), None);
    assert!(!both.remove(&a).expect("no error"));

    // Only near: there was something, and it goes.
    near.put(&a, &one, Lifetime::never()).expect("room");
    assert!(both.invalidate(&a).expect("no error"));
    assert_eq!(both.get(&a).expect("no error"), None);

    near.put(&a, &one, Lifetime::never()).expect("room");
    far.put(&a, &one, Lifetime::never()).expect("room");
    both.clear().expect("no error");
    assert_eq!(both.get(&a).expect("no error"), None);
}

#[test]
fn a_write_that_the_far_store_refuses_leaves_nothing_near() {
    let (guira, _clock) = guira_with_clock();
    let breakable = Breakable::default();
    let near = guira.cache::<String, String>("near");
    let far = Layered::new(guira.cache::<String, String>("far"), &breakable);
    let both = TwoLevel::new(near.clone(), far);
    let a = key("a");
    near.put(&a, &key("old"), Lifetime::never()).expect("room");
    breakable.is_broken.store(true, Ordering::Relaxed);
    assert!(both.put(&a, &key("new"), &PutOptions::default()).is_err());
    assert_eq!(near.get(&a).expect("no error"), None);
    // With a far store that fails open the near one goes on alone.
    let open = TwoLevel::new(near.clone(), Layered::new(both.far(), FailOpen::default()));
    near.put(&a, &key("near"), Lifetime::never()).expect("room");
    assert_eq!(open.get(&a).expect("a hit"), Some(key("near")));
    assert_eq!(open.get(&key("b")).expect("a miss"), None);
}

#[test]
fn namespaces_are_found_by_name_and_the_unknown_is_told() {
    let (guira, _clock) = guira_with_clock();
    let pages: Arc<Words> = Arc::new(guira.cache("pages"));
    let router = Router::new(Arc::clone(&pages))
        .route("pages", pages)
        .route("users", Arc::new(guira.cache("users")));
    let (a, value) = (key("a"), key("1"));
    router
        .default_store()
        .put(&a, &value, &PutOptions::default())
        .expect("room");
    let get = |namespace| router.of(namespace).expect("routed").get(&a).expect("no error");
    assert_eq!(get("pages"), Some(value));
    assert_eq!(get("users"), None);
    let error = router.of("user").err().expect("not routed").to_string();
    assert!(
        error.contains("\"user\"") && error.contains("pages, users"),
        "{error}"
    );
}

#[test]
fn decoded_values_are_shared_and_never_older_than_the_cache() {
    use guira::store::Decoded;

    let (guira, clock_ms) = guira_with_clock();
    let cache = guira.cache::<String, String>("x");
    let decoded = Decoded::new(cache.clone(), 100);
    let (a, one, two) = (key("a"), key("1"), key("2"));
    let get = || decoded.get_shared(&a).expect("no error");
    assert!(get().is_none());
    cache.put(&a, &one, 10 * SECOND).expect("room");
    let first = get().expect("a hit");
    assert_eq!(*first, one);
    assert!(
        std::ptr::eq(&*first, &*get().expect("a hit")),
        "it was decoded again"
    );
    assert_eq!(decoded.kept(), 1);

    // Whoever puts, it shows at once; what was handed out stays as it was.
    cache.put(&a, &two, 10 * SECOND).expect("room");
    assert_eq!(*get().expect("a hit"), two);
    assert_eq!(*first, one);
    clock_ms.fetch_add(10_000, Ordering::Relaxed);
    assert!(get().is_none());
    assert_eq!(decoded.kept(), 0);
}

#[test]
fn threads_that_read_decoded_values_see_no_put_too_late() {
    use guira::store::Decoded;
    use std::sync::atomic::AtomicU64;

    let (guira, _clock) = guira_with_clock();
    let cache = guira.cache::<u64, u64>("x");
    cache.put(&1, &0, Lifetime::never()).expect("room");
    let decoded = Decoded::new(cache.clone(), 100);
    let (published, is_done) = (AtomicU64::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !is_done.load(Ordering::SeqCst) {
                    let at_least = published.load(Ordering::SeqCst);
                    let seen = decoded.get_shared(&1).expect("no error").expect("never removed");
                    assert!(*seen >= at_least, "{seen:?} after {at_least}");
                }
            });
        }
        for value in 1..20_000 {
            cache.put(&1, &value, Lifetime::never()).expect("room");
            published.store(value, Ordering::SeqCst);
        }
        is_done.store(true, Ordering::SeqCst);
    });
}

#[test]
fn what_the_near_store_cannot_keep_is_read_from_far() {
    let (guira, _clock) = guira_with_clock();
    let breakable = Breakable::default();
    let near = Layered::new(guira.cache::<String, String>("near"), PutsFail);
    let far = Layered::new(guira.cache::<String, String>("far"), &breakable);
    let both = TwoLevel::new(near, far);
    let (a, value) = (key("a"), key("1"));
    both.put(&a, &value, &PutOptions::default()).expect("room");
    assert_eq!(both.get(&a).expect("the far one has it"), Some(value.clone()));
    assert_eq!(both.get(&a).expect("the far one has it"), Some(value));
    assert_eq!(breakable.calls.load(Ordering::Relaxed), 3);
}

/// A layer through which nothing is put.
struct PutsFail;

impl Around for PutsFail {
    fn around<T: Outcome>(
        &self,
        operation: Operation,
        call: impl FnOnce() -> Result<T, Error>,
    ) -> Result<T, Error> {
        match operation {
            Operation::Put => Err(StoreError::NoSpace.into()),
            _ => call(),
        }
    }
}

#[test]
fn a_removal_that_a_failing_store_did_not_do_is_an_error_and_no_miss() {
    let (guira, _clock) = guira_with_clock();
    let breakable = Breakable::default();
    let store = Layered::new(guira.cache::<String, String>("x"), &breakable);
    let store = Layered::new(store, FailOpen::new(1, 1_000 * SECOND));
    let (a, value) = (key("a"), key("1"));
    store.put(&a, &value, &PutOptions::default()).expect("room");
    breakable.is_broken.store(true, Ordering::Relaxed);
    assert_eq!(store.get(&a).expect("a miss"), None);
    assert!(store.layer().is_open());
    assert!(store.invalidate(&a).is_err());
    assert!(store.remove(&a).is_err());
    assert!(store.remove_many(&[&a]).remove(0).is_err());
    assert!(store.expire(&a).is_err());
    assert!(store.clear().is_err());
    // They are asked for in any case, and tell that the store is back.
    breakable.is_broken.store(false, Ordering::Relaxed);
    assert!(store.invalidate(&a).expect("it is back"));
    assert!(!store.layer().is_open());
    assert_eq!(store.get(&a).expect("a miss"), None);
}

#[test]
fn a_store_that_is_passed_over_is_not_asked_for_many_either() {
    let (guira, _clock) = guira_with_clock();
    let breakable = Breakable::default();
    let store = Layered::new(guira.cache::<String, String>("x"), &breakable);
    let store = Layered::new(store, FailOpen::new(1, 1_000 * SECOND));
    let (a, b) = (key("a"), key("b"));
    store.put(&a, &key("1"), &PutOptions::default()).expect("room");
    assert_eq!(
        store.get_many(&[&b, &a]).remove(1).expect("a hit"),
        Some(key("1"))
    );
    breakable.is_broken.store(true, Ordering::Relaxed);
    assert_eq!(store.get(&a).expect("a miss"), None);
    assert!(store.layer().is_open());
    breakable.calls.store(0, Ordering::Relaxed);
    let found = store.get_many(&[&a, &b]);
    assert!(found.iter().all(|one| matches!(one, Ok(None))) && found.len() == 2);
    assert_eq!(breakable.calls.load(Ordering::Relaxed), 0);
}

#[test]
fn a_mistake_of_the_caller_says_nothing_of_the_store() {
    let (guira, _clock) = guira_with_clock();
    let breakable = Breakable::default();
    let store = Layered::new(guira.cache::<f64, String>("x"), &breakable);
    let store = Layered::new(store, FailOpen::new(2, 1_000 * SECOND));
    breakable.is_broken.store(true, Ordering::Relaxed);
    assert_eq!(store.get(&1.0).expect("a miss"), None);
    breakable.is_broken.store(false, Ordering::Relaxed);
    assert!(store.get(&f64::NAN).is_err());
    breakable.is_broken.store(true, Ordering::Relaxed);
    assert_eq!(store.get(&1.0).expect("a miss"), None);
    assert!(store.layer().is_open());
}

#[test]
fn a_near_value_of_little_time_is_passed_over_and_who_wants_is_told_of_promotions() {
    let (guira, clock_ms) = guira_with_clock();
    let near = guira.cache::<String, String>("near");
    let far = guira.cache::<String, String>("far");
    let promoted = Mutex::new(Vec::new());
    let both = TwoLevel::new(&near, &far)
        .near_at_most(60 * SECOND)
        .near_margin(20 * SECOND)
        .on_promote(|key: &String, value: &String, ttl: Ttl| {
            let told = (key.clone(), value.clone(), ttl);
            promoted.lock().expect("no panic").push(told);
        });
    let (a, one, two) = (key("a"), key("1"), key("2"));
    assert!(!both.promote(&a).expect("no error"));
    both.put(&a, &one, &options(Lifetime::never())).expect("room");
    assert!(both.promote(&a).expect("no error"));
    assert_eq!(near.get(&a).expect("no error"), Some(one.clone()));
    far.put(&a, &two, Lifetime::never()).expect("room");
    clock_ms.fetch_add(39_000, Ordering::Relaxed);
    assert_eq!(
        both.get(&a).expect("no error"),
        Some(one.clone()),
        "21 s are left"
    );
    clock_ms.fetch_add(1_000, Ordering::Relaxed);
    assert_eq!(both.get(&a).expect("no error"), Some(two.clone()));
    let told = [(a.clone(), one, Ttl::Never), (a, two, Ttl::Never)];
    assert_eq!(*promoted.lock().expect("no panic"), told);
}
