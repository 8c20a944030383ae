//! What was made void does not come up, whoever made it void and however it came to lie below.

use guira::store::{Around, Layered, Operation, Outcome, Prefixed, Tiers};
use guira::{Cache, Error, Guira, Lifetime, Put, PutOptions, Store};
use guira_segment::{Applied, Segment};

use super::{Two, Words, get, key, put};
use crate::kinds::{SECOND, guira_with_clock, options};

/// A host of a cluster, with a segment of its own.
fn host() -> Guira {
    let segment = Segment::builder().size(8 << 20).cluster("shop");
    Guira::of_segment(segment.private().expect("it is small"))
}

fn records_of(guira: &Guira) -> Vec<guira_segment::Record> {
    let mut entries = Vec::new();
    let journal = guira.segment().journal().expect("of a cluster");
    journal.read(0, 100, &mut entries);
    entries.into_iter().filter_map(|entry| entry.record).collect()
}

#[test]
fn what_became_void_in_the_arbiter_alone_is_missed_and_removed_below() {
    type Change = (&'static str, fn(&Two));
    let changes: [Change; 5] = [
        ("invalidate", |two| {
            two.near.invalidate("a").expect("no error");
        }),
        ("tag", |two| two.near.invalidate_tag(b"tag").expect("no error")),
        ("clear", |two| two.near.clear().expect("no error")),
        ("clear all", |two| two.guira.clear_all()),
        ("guard", |two| {
            two.near.write_guard("a", SECOND).expect("room").finish();
        }),
    ];
    for (name, change) in changes {
        let two = Two::new();
        let stack = two.stack();
        let tagged = PutOptions::default().tags(&[b"tag"]);
        stack.put(&key("a"), &key("1"), &tagged).expect("room");
        change(&two);
        assert!(two.far("a").is_some(), "{name}: it is still below");
        assert_eq!(
            stack.get_many(&[&key("a")]).remove(0).expect("no error"),
            None,
            "{name}"
        );
        assert_eq!(two.far("a"), None, "{name}: removed");
        assert_eq!(
            (stack.counts()[1].refused, stack.counts()[0].promotions),
            (1, 0),
            "{name}"
        );
        // What is newer is good.
        put(&stack, "a", "2", Lifetime::never());
        two.evict("a");
        assert_eq!(get(&stack, "a"), Some(key("2")), "{name}");
    }
}

#[test]
fn what_comes_up_is_as_old_as_it_was() {
    let two = Two::new();
    let stack = two.stack();
    put(&stack, "a", "1", Lifetime::never());
    let team = two.guira.dependency("team:3");
    team.invalidate();
    two.evict("a");
    assert_eq!(get(&stack, "a"), Some(key("1")));
    assert_eq!(
        team.add(&two.near, "a").expect("no error"),
        guira::Replace::Stored
    );
    assert_eq!(
        two.near("a"),
        None,
        "the team was invalidated since the value was put"
    );
}

#[test]
fn a_computed_value_is_as_old_below_as_its_beginning() {
    let two = Two::new();
    let stack = two.stack();
    let value = stack.get_or_compute(&key("a"), || {
        two.near.invalidate("a").expect("no error");
        key("old")
    });
    assert_eq!(value.expect("no error"), "old");
    assert_eq!(two.near("a"), None);
    assert_eq!(get(&stack, "a"), None, "it comes from before");

    // One that the whole stack is told of is refused below at once.
    let value = stack.get_or_compute(&key("b"), || {
        stack.invalidate(&key("b")).expect("no error");
        key("old")
    });
    assert_eq!(value.expect("no error"), "old");
    assert_eq!((two.near("b"), two.far("b")), (None, None));
}

#[test]
fn what_other_hosts_made_void_over_the_bus_is_refused_below() {
    let (here, there) = (host(), host());
    let disk = Guira::builder().size(8 << 20).private().expect("it is small");
    let near: Words = here.cache("words");
    let stack = Tiers::new()
        .then(near.clone())
        .then(disk.cache::<String, String>("words"));
    let theirs: Words = there.cache("words");
    put(&stack, "a", "1", Lifetime::never());
    put(&stack, "b", "1", Lifetime::never());
    theirs.invalidate("a").expect("no error");
    for record in records_of(&there) {
        assert_eq!(here.segment().apply(&record), Applied::Present);
    }
    near.remove("b").expect("no error");
    assert_eq!(get(&stack, "a"), None);
    assert_eq!(get(&stack, "b"), Some(key("1")));
}

#[test]
fn what_other_hosts_expired_is_stale_in_all_tiers() {
    let (here, there) = (host(), host());
    let disk = Guira::builder().size(8 << 20).private().expect("it is small");
    let far: Words = disk.cache("words");
    let stack = Tiers::new()
        .then(here.cache::<String, String>("words"))
        .then(far.clone());
    let theirs: Words = there.cache("words");
    put(&stack, "a", "1", Lifetime::never());
    put(&theirs, "a", "1", Lifetime::never());
    theirs.expire("a").expect("no error");
    for record in records_of(&there) {
        here.segment().apply(&record);
    }
    assert!(far.ttl("a").expect("no error").is_some_and(|ttl| !ttl.is_stale()));
    let found = stack.get_ttl(&key("a")).expect("no error");
    assert!(found.is_some_and(|(value, ttl)| value == "1" && ttl.is_stale()));
    assert!(
        far.ttl("a").expect("no error").is_some_and(guira::Ttl::is_stale),
        "told on the way"
    );
    let computed = stack.get_or_compute(&key("a"), || key("2")).expect("no error");
    assert_eq!((computed, get(&far, "a")), (key("2"), Some(key("2"))));
}

/// The segment above is made anew, as after a restart; the one below is still there.
#[test]
fn what_an_earlier_arbiter_left_is_good_unless_this_one_knows_better() {
    let two = Two::new();
    let tagged = PutOptions::default().tags(&[b"tag"]);
    for text in ["a", "b", "c"] {
        two.stack().put(&key(text), &key("1"), &tagged).expect("room");
    }
    let (anew, _clock) = guira_with_clock();
    let near: Words = anew.cache("words");
    let stack = Tiers::new().then(near.clone()).then(two.far.clone());
    assert_eq!(get(&stack, "a"), Some(key("1")));
    assert_eq!(near.get("a").expect("no error"), Some(key("1")), "it came up");
    near.invalidate("b").expect("no error");
    assert_eq!(get(&stack, "b"), None);
    anew.segment().invalidate_tag(b"tag");
    assert_eq!(get(&stack, "c"), None);
    assert_eq!(get(&stack, "a"), None, "and what came up is as old");
}

#[test]
fn a_member_of_a_cluster_takes_nothing_of_another_life() {
    let two = Two::new();
    put(&two.stack(), "a", "1", Lifetime::never());
    put(&two.far, "b", "1", Lifetime::never());
    let here = host();
    let stack = Tiers::new()
        .then(here.cache::<String, String>("words"))
        .then(two.far.clone());
    assert_eq!((get(&stack, "a"), get(&stack, "b")), (None, None));
    assert_eq!(stack.counts()[1].refused, 2);
    assert!(
        two.far("a").is_some(),
        "it may be another host's, and is left to it"
    );
    let value = stack.get_or_compute(&key("a"), || key("2")).expect("no error");
    assert_eq!((value, get(&two.far, "a")), (key("2"), Some(key("2"))));

    let trusting = Tiers::new()
        .then(here.cache::<String, String>("words"))
        .then(two.far.clone())
        .takes_undated();
    assert_eq!(get(&trusting, "b"), Some(key("1")), "it has no birth");
}

#[test]
fn what_somebody_wrote_past_the_stack_is_good_without_a_cluster() {
    let two = Two::new();
    let stack = two.stack();
    put(&two.far, "a", "1", Lifetime::never());
    assert_eq!(get(&stack, "a"), Some(key("1")));
    stack.invalidate(&key("a")).expect("no error");
    put(&two.far, "a", "2", Lifetime::never());
    assert_eq!(get(&stack, "a"), Some(key("2")));
}

#[test]
fn births_are_kept_with_values_of_every_form() {
    use guira::codec::{Json, NdArray, Number, Raw};
    use guira::transform::KeyRing;
    use ndarray::{Array1, array};

    fn comes_up<V: Clone + PartialEq + std::fmt::Debug + 'static, C: guira::codec::Codec<V>>(
        make: impl Fn(&Guira) -> Cache<String, V, C>,
        value: &V,
    ) {
        let (guira, _clock) = guira_with_clock();
        let disk = Guira::builder().size(8 << 20).private().expect("it is small");
        let (near, far) = (make(&guira), make(&disk));
        let stack = Tiers::new().then(near.clone()).then(far.clone());
        let forever = options(Lifetime::never());
        stack.put(&key("a"), value, &forever).expect("room");
        near.remove("a").expect("no error");
        assert_eq!(far.get("a").expect("no error").as_ref(), Some(value));
        assert_eq!(stack.get(&key("a")).expect("no error").as_ref(), Some(value));
        assert_eq!(near.get("a").expect("no error").as_ref(), Some(value));
        near.invalidate("a").expect("no error");
        assert_eq!(stack.get(&key("a")).expect("no error"), None);
    }
    comes_up(
        |guira| guira.cache_builder("x").codec(Raw).open(),
        &b"plum".to_vec(),
    );
    comes_up(
        |guira| guira.cache_builder("x").codec(Json).compress_lz4(10).open(),
        &"plum".repeat(50),
    );
    comes_up(
        |guira| {
            guira
                .cache_builder("x")
                .schema(7)
                .encrypt(KeyRing::new(1, [7; 32]))
                .open()
        },
        &key("plum"),
    );
    let numbers: Array1<f64> = array![1.0, 2.0, 3.0];
    comes_up(|guira| guira.cache_builder("x").codec(NdArray).open(), &numbers);

    // Digits have no envelope, so no birth.
    let (guira, _clock) = guira_with_clock();
    let disk = Guira::builder().size(8 << 20).private().expect("it is small");
    let near = guira.cache_builder::<String, i64>("n").codec(Number).open();
    let stack = Tiers::new().then(near.clone()).then(disk.counters::<String>("n"));
    stack
        .put(&key("a"), &7, &options(Lifetime::never()))
        .expect("room");
    near.invalidate("a").expect("no error");
    assert_eq!(stack.get(&key("a")).expect("no error"), Some(7));
}

#[test]
fn an_array_with_a_birth_is_still_read_where_it_lies() {
    use guira::codec::NdArray;
    use ndarray::{Array1, array};

    let (guira, _clock) = guira_with_clock();
    let disk = Guira::builder().size(8 << 20).private().expect("it is small");
    let open = |guira: &Guira| {
        guira
            .cache_builder::<String, Array1<f64>>("x")
            .codec(NdArray)
            .open()
    };
    let far = open(&disk);
    let stack = Tiers::new().then(open(&guira)).then(far.clone());
    stack
        .put(&key("a"), &array![1.0, 2.0], &options(Lifetime::never()))
        .expect("room");
    let array = far.get_array("a").expect("no error").expect("just put");
    assert!(array.is_borrowed());
    assert_eq!(array.view().sum(), 3.0);
}

#[test]
fn a_part_of_a_cache_is_a_tier_with_births() {
    let (guira, _clock) = guira_with_clock();
    let disk = Guira::builder().size(8 << 20).private().expect("it is small");
    let near = guira.cache::<(u8, String), String>("words");
    let stack = Tiers::new()
        .then(Prefixed::new(near.clone(), 7))
        .then(Prefixed::new(disk.cache::<(u8, String), String>("words"), 7));
    assert_eq!(
        stack.get_or_compute(&key("a"), || key("1")).expect("no error"),
        key("1")
    );
    near.remove(&(7_u8, key("a"))).expect("no error");
    assert_eq!(get(&stack, "a"), Some(key("1")));
    near.invalidate(&(7_u8, key("a"))).expect("no error");
    assert_eq!(get(&stack, "a"), None);
}

/// Dies once it has done what it was asked for, as a killed process would.
struct DiesBehind;

impl Around for DiesBehind {
    fn around<T: Outcome>(
        &self,
        operation: Operation,
        call: impl FnOnce() -> Result<T, Error>,
    ) -> Result<T, Error> {
        let done = call();
        assert_ne!(operation, Operation::Put, "killed");
        done
    }
}

#[test]
fn a_writer_that_is_killed_between_two_tiers_leaves_the_old_value_or_the_new_one() {
    let two = Two::new();
    let stack = two.stack();
    put(&stack, "a", "old", Lifetime::never());
    let doomed = Tiers::new()
        .then(two.near.clone())
        .then(Layered::new(two.far.clone(), DiesBehind));
    let dying = std::panic::AssertUnwindSafe(|| doomed.put(&key("a"), &key("new"), &options(SECOND)));
    assert!(std::panic::catch_unwind(dying).is_err());
    assert_eq!(get(&stack, "a"), Some(key("old")));
    two.evict("a");
    assert_eq!(get(&stack, "a"), Some(key("new")), "as if it were put now");
    // Invalidated in between, it is gone.
    let dying = std::panic::AssertUnwindSafe(|| doomed.put(&key("a"), &key("newer"), &options(SECOND)));
    assert!(std::panic::catch_unwind(dying).is_err());
    two.near.invalidate("a").expect("no error");
    assert_eq!(get(&stack, "a"), None);
    let forever = options(Lifetime::never());
    assert_eq!(
        stack.put(&key("a"), &key("last"), &forever).expect("room"),
        Put::Stored
    );
}
