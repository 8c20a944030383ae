//! What is read from where, and kept where for how long: the suites that tiered clients of older libraries are held to.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use guira::store::{Counting, Decoded, Layered, Null, Tiers};
use guira::{Add, Guira, Lifetime, Put, PutOptions, Renew, Replace, Store, Ttl};

use super::{Two, Words, get, key, put};
use crate::kinds::{SECOND, guira_of_clock, guira_with_clock, options};

#[test]
fn a_value_that_only_the_lowest_tier_has_is_read_through_and_comes_up_for_the_rest_of_its_life() {
    let two = Two::new();
    let stack = two.stack();
    put(
        &stack,
        "a",
        "1",
        Lifetime::after(100 * SECOND).stale_after(80 * SECOND),
    );
    two.pass(70 * SECOND);
    two.evict("a");
    assert_eq!(two.near("a"), None);
    assert_eq!(get(&stack, "a"), Some(key("1")));
    assert_eq!(two.near("a"), Some((key("1"), Ttl::Fresh(10 * SECOND))));
    two.pass(15 * SECOND);
    let stale = Ttl::Stale {
        gone_in: Some(15 * SECOND),
        stale_for: Some(5 * SECOND),
    };
    assert_eq!(two.near("a"), Some((key("1"), stale)), "both deadlines are kept");
    let counts = stack.counts();
    assert_eq!(
        (counts[0].hits, counts[0].promotions, counts[1].hits),
        (0, 1, 1),
        "{counts:?}"
    );
}

#[test]
fn what_is_put_is_in_all_tiers_and_what_is_removed_in_none() {
    let two = Two::new();
    let stack = two.stack();
    let forever = options(Lifetime::never());
    put(&stack, "a", "1", Lifetime::never());
    assert_eq!(
        (two.near("a"), two.far("a")),
        (Some((key("1"), Ttl::Never)), Some((key("1"), Ttl::Never)))
    );
    assert_eq!(
        stack.add(&key("a"), &key("2"), &forever).expect("room"),
        Add::Exists
    );
    assert_eq!(
        stack.replace(&key("a"), &key("2"), &forever).expect("room"),
        Replace::Stored
    );
    assert_eq!(
        (two.near("a"), two.far("a")),
        (Some((key("2"), Ttl::Never)), Some((key("2"), Ttl::Never)))
    );
    two.evict("a");
    assert_eq!(
        stack.add(&key("a"), &key("3"), &forever).expect("room"),
        Add::Exists
    );
    assert!(stack.remove(&key("a")).expect("no error"));
    assert_eq!((two.near("a"), two.far("a")), (None, None));
    assert_eq!(
        stack.replace(&key("a"), &key("2"), &forever).expect("room"),
        Replace::NotFound
    );
    assert_eq!(
        stack.add(&key("a"), &key("3"), &forever).expect("room"),
        Add::Stored
    );
    assert_eq!(
        (two.near("a"), two.far("a")),
        (Some((key("3"), Ttl::Never)), Some((key("3"), Ttl::Never)))
    );
    two.evict("a");
    assert_eq!(get(&stack, "a"), Some(key("3")));
}

#[test]
fn each_tier_has_its_part_of_a_lifetime() {
    let two = Two::new();
    let stack = Tiers::new()
        .then(two.near.clone())
        .fraction(0.25)
        .at_most(20 * SECOND)
        .then(two.far.clone());
    let lives = |text: &str| {
        (
            two.near(text).map(|(_, ttl)| ttl),
            two.far(text).map(|(_, ttl)| ttl),
        )
    };
    put(&stack, "a", "1", 40 * SECOND);
    assert_eq!(
        lives("a"),
        (Some(Ttl::Fresh(10 * SECOND)), Some(Ttl::Fresh(40 * SECOND)))
    );
    put(&stack, "b", "1", 400 * SECOND);
    assert_eq!(
        lives("b"),
        (Some(Ttl::Fresh(20 * SECOND)), Some(Ttl::Fresh(400 * SECOND)))
    );
    put(&stack, "c", "1", Lifetime::never());
    assert_eq!(lives("c"), (Some(Ttl::Fresh(20 * SECOND)), Some(Ttl::Never)));
    two.pass(20 * SECOND);
    assert_eq!(get(&stack, "a"), Some(key("1")));
    assert_eq!(
        lives("a"),
        (Some(Ttl::Fresh(5 * SECOND)), Some(Ttl::Fresh(20 * SECOND)))
    );
    let renewed = stack
        .renew(&key("a"), Lifetime::after(80 * SECOND))
        .expect("room");
    assert_eq!(renewed, Renew::Renewed);
    assert_eq!(
        lives("a"),
        (Some(Ttl::Fresh(20 * SECOND)), Some(Ttl::Fresh(80 * SECOND)))
    );
}

#[test]
fn a_hit_of_little_time_is_passed_over_for_a_fresher_one_below_and_given_if_there_is_none() {
    let two = Two::new();
    let stack = two.stack().ttl_skip(10 * SECOND);
    put(&two.near, "a", "near", 5 * SECOND);
    put(&two.far, "a", "far", 100 * SECOND);
    assert_eq!(get(&stack, "a"), Some(key("far")));
    assert_eq!(two.near("a"), Some((key("far"), Ttl::Fresh(100 * SECOND))));

    put(&two.near, "b", "near", 5 * SECOND);
    assert_eq!(get(&stack, "b"), Some(key("near")), "it is all there is");
    put(&two.far, "b", "far", 6 * SECOND);
    assert_eq!(get(&stack, "b"), Some(key("far")), "of two short ones the longer");
    assert_eq!(
        two.near("b").map(|(value, _)| value),
        Some(key("near")),
        "not worth its way up"
    );
    assert_eq!(
        stack.reading().ttl_skip(SECOND).get(&key("b")).expect("no error"),
        Some(key("near"))
    );

    let many = [&key("a"), &key("b"), &key("c")];
    let found: Vec<_> = stack
        .get_many(&many)
        .into_iter()
        .map(|one| one.expect("no error"))
        .collect();
    assert_eq!(found, [Some(key("far")), Some(key("far")), None]);
}

#[test]
fn a_stale_value_is_given_if_no_tier_has_a_fresh_one() {
    let two = Two::new();
    let stack = two.stack();
    put(
        &two.near,
        "a",
        "near",
        Lifetime::after(100 * SECOND).stale_after(SECOND),
    );
    put(
        &two.far,
        "a",
        "far",
        Lifetime::after(100 * SECOND).stale_after(50 * SECOND),
    );
    assert_eq!(get(&stack, "a"), Some(key("near")));
    two.pass(SECOND);
    assert_eq!(get(&stack, "a"), Some(key("far")));
    assert_eq!(
        two.near("a"),
        Some((key("far"), Ttl::Fresh(49 * SECOND))),
        "the stale one was refreshed"
    );
    two.pass(49 * SECOND);
    let found = stack.get_ttl(&key("a")).expect("no error");
    assert!(found.is_some_and(|(value, ttl)| value == "far" && ttl.is_stale()));
    assert!(stack.contains(&key("a")).expect("no error"));
    assert!(!stack.contains_for(&key("a"), Duration::ZERO).expect("no error"));
    assert_eq!(stack.purge().expect("no error"), 1);
    assert_eq!((two.near("a"), two.far("a")), (None, None));
}

type Seen = Arc<Mutex<Vec<(String, String, Ttl, usize, usize)>>>;

#[test]
fn whoever_wants_is_told_of_promotions_from_which_tier_to_which() {
    let (guira, clock_ms) = guira_with_clock();
    let far = guira_of_clock(&clock_ms).cache::<String, String>("words");
    let (top, middle): (Words, Words) = (guira.cache("top"), guira.cache("middle"));
    let seen = Seen::default();
    let told = Arc::clone(&seen);
    let stack = Tiers::new()
        .then(top.clone())
        .then(middle.clone())
        .then(far.clone())
        .on_promote(move |promotion| {
            let it = (promotion.key.clone(), promotion.value.clone(), promotion.ttl);
            told.lock()
                .expect("whole")
                .push((it.0, it.1, it.2, promotion.from, promotion.to));
        });
    put(&stack, "a", "1", 10 * SECOND);
    assert_eq!(get(&stack, "a"), Some(key("1")));
    assert!(seen.lock().expect("whole").is_empty());
    top.remove("a").expect("no error");
    middle.remove("a").expect("no error");
    assert!(
        stack.promote_key(&key("a")).expect("no error"),
        "without the value"
    );
    let ttl = Ttl::Fresh(10 * SECOND);
    let moves = |from: usize, to: usize| (key("a"), key("1"), ttl, from, to);
    assert_eq!(*seen.lock().expect("whole"), [moves(2, 1), moves(2, 0)]);
    assert_eq!(middle.get("a").expect("no error"), Some(key("1")));
    top.remove("a").expect("no error");
    assert_eq!(get(&stack, "a"), Some(key("1")));
    assert_eq!(seen.lock().expect("whole").last(), Some(&moves(1, 0)));
    assert!(!stack.promote_key(&key("b")).expect("no error"));
}

#[test]
fn many_keys_are_asked_for_below_only_where_they_are_missing_above() {
    let two = Two::new();
    let far = Arc::new(Layered::new(two.far.clone(), Counting::default()));
    let stack = Tiers::new().then(two.near.clone()).then(Arc::clone(&far));
    let keys: Vec<String> = (0..10).map(|number| number.to_string()).collect();
    let value = key("1");
    let items: Vec<(&String, &String)> = keys.iter().take(8).map(|key| (key, &value)).collect();
    let put = stack.put_many(&items, &options(Lifetime::never()));
    assert!(put.into_iter().all(|one| one.expect("room") == Put::Stored));
    for text in &keys[..3] {
        two.evict(text);
    }
    far.layer().reset();
    let asked: Vec<&String> = keys.iter().collect();
    let found = stack.get_many(&asked);
    let found: Vec<bool> = found
        .into_iter()
        .map(|one| one.expect("no error").is_some())
        .collect();
    assert_eq!(
        found,
        [true, true, true, true, true, true, true, true, false, false]
    );
    let counts = far.layer().counts();
    assert_eq!((counts.hits, counts.misses), (3, 2), "{counts:?}");
    assert_eq!(get(&two.near, "0"), Some(value.clone()), "it came up");

    let removed = stack.remove_many(&asked);
    let removed: Vec<bool> = removed.into_iter().map(|one| one.expect("no error")).collect();
    assert_eq!(removed, found);
    assert!(
        stack
            .get_many(&asked)
            .into_iter()
            .all(|one| matches!(one, Ok(None)))
    );
}

#[test]
fn a_read_may_ask_fewer_tiers() {
    let two = Two::new();
    let stack = two.stack();
    put(&stack, "a", "1", Lifetime::never());
    two.evict("a");
    for depth in [0, 1] {
        assert_eq!(
            stack.reading().depth(depth).get(&key("a")).expect("no error"),
            None,
            "{depth}"
        );
    }
    assert_eq!(two.near("a"), None);
    let found = stack.reading().depth(9).get_ttl(&key("a")).expect("no error");
    assert_eq!(found, Some((key("1"), Ttl::Never)));
    assert_eq!(
        stack.reading().depth(1).get(&key("a")).expect("no error"),
        Some(key("1"))
    );
    assert_eq!(stack.depth(), 2);
}

#[test]
fn what_a_small_tier_evicts_the_large_one_below_still_has() {
    let (guira, clock_ms) = guira_with_clock();
    let below = Guira::builder().size(64 << 20).private().expect("it is small");
    let near: Words = guira.cache("words");
    let stack = Tiers::new()
        .then(near.clone())
        .then(below.cache::<String, String>("words"));
    let text = "x".repeat(20_000);
    for number in 0..1_000 {
        put(
            &stack,
            &number.to_string(),
            &format!("{number}{text}"),
            Lifetime::never(),
        );
    }
    let kept = (0..1_000).filter(|number| near.contains(&number.to_string()).expect("no error"));
    let kept = kept.count();
    assert!(kept < 500, "{kept} near");
    for number in 0..1_000 {
        assert_eq!(
            get(&stack, &number.to_string()),
            Some(format!("{number}{text}")),
            "{number}"
        );
    }
    drop(clock_ms);
}

#[test]
fn a_value_that_the_near_tier_cannot_take_lives_below() {
    let (guira, clock_ms) = guira_with_clock();
    let below = Guira::builder().size(64 << 20).private().expect("it is small");
    let near: Words = guira.cache("words");
    let stack = Tiers::new()
        .then(near.clone())
        .then(below.cache::<String, String>("words"));
    let large = "x".repeat(guira.segment().max_value_bytes() + 1);
    put(&stack, "a", "small", Lifetime::never());
    put(&stack, "a", &large, Lifetime::never());
    assert_eq!(near.get("a").expect("no error"), None, "what it had is older");
    assert_eq!(get(&stack, "a").map(|value| value.len()), Some(large.len()));
    let computed = stack.get_or_compute(&key("a"), || unreachable!("it is below"));
    assert_eq!(computed.expect("no error").len(), large.len());
    drop(clock_ms);
}

#[test]
fn tags_come_up_with_their_values() {
    let two = Two::new();
    let stack = two.stack();
    let tagged = PutOptions::default().tags(&[b"team:3"]);
    stack.put(&key("a"), &key("1"), &tagged).expect("room");
    two.evict("a");
    assert_eq!(get(&stack, "a"), Some(key("1")));
    two.near.invalidate_tag(b"team:3").expect("no error");
    assert_eq!(two.near("a"), None);
    assert_eq!(get(&stack, "a"), None);
    stack.put(&key("a"), &key("2"), &tagged).expect("room");
    assert_eq!(
        get(&stack, "a"),
        Some(key("2")),
        "put after the tag was invalidated"
    );
    stack.put(&key("a"), &key("3"), &tagged).expect("room");
    assert_eq!(
        (get(&two.near, "a"), get(&two.far, "a")),
        (Some(key("3")), Some(key("3")))
    );
    stack.invalidate_tag(b"team:3").expect("no error");
    assert_eq!((two.near("a"), two.far("a")), (None, None));
}

#[test]
fn a_stack_without_a_segment_is_a_store_too() {
    let store: Tiers<String, String> = Tiers::new().then(Null).then(Null);
    put(&store, "a", "1", SECOND);
    assert_eq!(get(&store, "a"), None);
    assert_eq!(
        store.get_or_compute(&key("a"), || key("2")).expect("no error"),
        key("2")
    );
    let nothing: Tiers<String, String> = Tiers::default();
    assert_eq!(get(&nothing, "a"), None);
    assert_eq!(
        nothing.get_or_compute(&key("a"), || key("2")).expect("no error"),
        key("2")
    );
    assert!(!nothing.invalidate(&key("a")).expect("no error"));
}

#[test]
fn a_process_keeps_decoded_values_over_the_stack_and_misses_no_change() {
    let two = Two::new();
    let top = Arc::new(Decoded::new(two.near.clone(), 100));
    let stack = Tiers::new().then(Arc::clone(&top)).then(two.far.clone());
    put(
        &stack,
        "a",
        "1",
        Lifetime::after(10 * SECOND).stale_after(5 * SECOND),
    );
    for _ in 0..3 {
        assert_eq!(get(&stack, "a"), Some(key("1")));
    }
    assert_eq!(top.kept(), 1);
    two.near.invalidate("a").expect("no error");
    assert_eq!(get(&stack, "a"), None, "by whomever");
    put(&stack, "a", "2", Lifetime::never());
    assert_eq!(get(&stack, "a"), Some(key("2")));
    two.near.expire("a").expect("no error");
    let stale = stack.get_ttl(&key("a")).expect("no error");
    assert!(stale.is_some_and(|(_, ttl)| ttl.is_stale()));
}
