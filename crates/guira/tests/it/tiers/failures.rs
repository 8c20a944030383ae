//! Tiers that fail.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use guira::store::{Around, FailOpen, Layered, OnFailure, Operation, Outcome, Tiers};
use guira::{Add, Error, Lifetime, Store};
use guira_segment::StoreError;

use super::{Two, Words, get, key, put};
use crate::kinds::options;

/// A layer that fails while it is broken.
#[derive(Default)]
struct Breakable {
    is_broken: AtomicBool,
}

impl Breakable {
    fn break_off(&self, is_broken: bool) {
        self.is_broken.store(is_broken, Ordering::Relaxed);
    }
}

impl Around for &'static Breakable {
    fn around<T: Outcome>(
        &self,
        _operation: Operation,
        call: impl FnOnce() -> Result<T, Error>,
    ) -> Result<T, Error> {
        if self.is_broken.load(Ordering::Relaxed) {
            return Err(StoreError::NoSpace.into());
        }
        call()
    }
}

fn breakable(cache: &Words) -> (Layered<Words, &'static Breakable>, &'static Breakable) {
    let layer: &'static Breakable = Box::leak(Box::default());
    (Layered::new(cache.clone(), layer), layer)
}

#[test]
fn a_resilient_tier_that_fails_is_done_without_and_gives_nothing_old_when_it_is_back() {
    let two = Two::new();
    let (far, layer) = breakable(&two.far);
    let stack = Tiers::new().then(two.near.clone()).then(far);
    put(&stack, "a", "1", Lifetime::never());
    put(&stack, "b", "1", Lifetime::never());
    put(&stack, "c", "1", Lifetime::never());
    put(&stack, "d", "1", Lifetime::never());

    layer.break_off(true);
    put(&stack, "a", "2", Lifetime::never());
    assert_eq!(get(&stack, "a"), Some(key("2")));
    assert!(stack.invalidate(&key("b")).expect("the near tier vouches for it"));
    assert!(stack.remove(&key("c")).expect("the near tier vouches for it"));
    assert_eq!(get(&stack, "e"), None);
    let added = stack.add(&key("e"), &key("1"), &options(Lifetime::never()));
    assert_eq!(added.expect("the near tier took it"), Add::Stored);
    assert_eq!(
        stack.get_or_compute(&key("f"), || key("1")).expect("no error"),
        key("1")
    );
    assert!(stack.counts()[1].failures > 5);

    layer.break_off(false);
    for text in ["a", "b", "c"] {
        assert_eq!(
            two.far(text).map(|(value, _)| value),
            Some(key("1")),
            "it knows of nothing"
        );
        two.evict(text);
        assert_eq!(get(&stack, text), None, "{text}");
        assert_eq!(two.far(text), None, "{text} is removed");
    }
    two.evict("d");
    assert_eq!(get(&stack, "d"), Some(key("1")), "what was left alone is good");
}

#[test]
fn a_tier_behind_an_open_circuit_gives_nothing_old_when_it_is_back() {
    let two = Two::new();
    let (far, layer) = breakable(&two.far);
    let open = FailOpen::new(1, Duration::from_secs(3_600));
    let stack = Tiers::new().then(two.near.clone()).then(Layered::new(far, open));
    for text in ["a", "b"] {
        put(&stack, text, "1", Lifetime::never());
    }
    two.evict("b");
    layer.break_off(true);
    put(&stack, "a", "2", Lifetime::never());
    let added = stack.add(&key("b"), &key("2"), &options(Lifetime::never()));
    assert_eq!(
        added.expect("no error"),
        Add::Stored,
        "nobody can see what is below"
    );
    layer.break_off(false);
    let same = two.stack();
    for text in ["a", "b"] {
        assert_eq!(get(&same, text), Some(key("2")));
        two.evict(text);
        assert_eq!(get(&same, text), None, "{text}");
    }
}

#[test]
fn a_strict_tier_that_fails_is_the_callers_error_and_nothing_old_stays_above() {
    let two = Two::new();
    let (far, layer) = breakable(&two.far);
    let stack = Tiers::new()
        .then(two.near.clone())
        .then(far)
        .on_failure(OnFailure::Strict);
    put(&stack, "a", "1", Lifetime::never());
    layer.break_off(true);
    let forever = options(Lifetime::never());
    assert!(stack.put(&key("a"), &key("2"), &forever).is_err());
    assert!(stack.get(&key("b")).is_err());
    assert!(stack.get_many(&[&key("b")]).remove(0).is_err());
    assert!(stack.invalidate(&key("a")).is_err());
    assert_eq!(two.near("a"), None, "invalidated where it could be");
    assert!(stack.clear().is_err());
    layer.break_off(false);
    assert_eq!(get(&stack, "a"), None);
}

#[test]
fn a_near_tier_that_fails_is_passed_by() {
    let two = Two::new();
    let (near, layer) = breakable(&two.near);
    let stack = Tiers::new().then(near).then(two.far.clone());
    put(&stack, "a", "1", Lifetime::never());
    layer.break_off(true);
    assert_eq!(get(&stack, "a"), Some(key("1")));
    put(&stack, "a", "2", Lifetime::never());
    assert_eq!(two.far("a").map(|(value, _)| value), Some(key("2")));
    assert_eq!(get(&stack, "a"), Some(key("2")));
    // Its segment can be asked all the same.
    two.near.invalidate("a").expect("no error");
    assert_eq!(get(&stack, "a"), None);
    layer.break_off(false);
    assert_eq!(get(&stack, "a"), None);
}

#[test]
fn errors_of_the_caller_stay_errors_and_change_nothing() {
    let two = Two::new();
    let stack = two.stack();
    put(&stack, "a", "1", Lifetime::never());
    let over = Lifetime::until(std::time::SystemTime::UNIX_EPOCH);
    assert!(stack.put(&key("a"), &key("2"), &options(over)).is_err());
    assert_eq!(stack.counts()[1].failures, 1);
    let only: Words = two.guira.cache("");
    let nameless = Tiers::new().then(only).then(two.far.clone());
    assert!(
        nameless
            .put(&key("b"), &key("1"), &options(Lifetime::never()))
            .is_err()
    );
}
