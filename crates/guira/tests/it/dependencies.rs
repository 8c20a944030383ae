//! Names that values depend on: said when a value is put, afterwards, and while it is computed.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use guira::store::{Decoded, Store};
use guira::{Error, Guira, Lifetime, PutOptions, Replace, dependency, depends_on};

use crate::children::{Host, Worker};
use crate::kinds::guira_with_clock;

/// What must not be an error.
trait Good<T> {
    fn good(self) -> T;
}

impl<T> Good<T> for Result<T, Error> {
    fn good(self) -> T {
        self.expect("no error")
    }
}

fn private() -> Guira {
    Guira::builder().size(8 << 20).private().expect("it is small")
}

#[test]
fn what_was_put_or_added_goes_with_the_name_it_depends_on_in_every_cache() {
    let guira = private();
    let (users, pages) = (guira.cache::<u64, u64>("users"), guira.cache::<str, u64>("pages"));
    let (team, other) = (guira.dependency("team:3"), guira.dependency("team:4"));
    let options = PutOptions::default().tags(&[b"team:3"]);
    users.put(&1, &1, options).expect("room");
    pages.put("/", &2, options).expect("room");
    users.put(&2, &2, Lifetime::never()).expect("room");
    users
        .put(&3, &3, PutOptions::default().tags(&[other.tag()]))
        .expect("room");
    assert_eq!(team.add(&users, &3).good(), Replace::Stored);
    assert_eq!(team.add(&users, &9).good(), Replace::NotFound);
    assert_eq!(users.get(&3).good(), Some(3));

    team.invalidate();
    assert_eq!((users.get(&1).good(), pages.get("/").good()), (None, None));
    assert_eq!((users.get(&2).good(), users.get(&3).good()), (Some(2), None));

    // An add that fails wires nothing, and unknown names are nobody's.
    assert_eq!(users.add(&2, &7, options).good(), guira::Add::Exists);
    guira.invalidate_dependencies(["team:3", "nobody's"]);
    assert_eq!(users.get(&2).good(), Some(2));
}

#[test]
fn what_is_added_counts_as_if_it_had_always_been_there_and_keeps_the_deadlines() {
    let (guira, clock_ms) = guira_with_clock();
    let users = guira.cache::<u64, u64>("users");
    let team = guira.dependency("team:3");
    let lifetime = Lifetime::after(Duration::from_secs(100)).stale_after(Duration::from_secs(50));
    users.put(&1, &1, lifetime).expect("room");
    clock_ms.fetch_add(10_000, Ordering::Relaxed);
    team.add(&users, &1).expect("room");
    let ttl = users.ttl(&1).expect("a key").expect("a value");
    assert_eq!(ttl, guira::Ttl::Fresh(Duration::from_secs(40)));

    users.put(&2, &2, Lifetime::never()).expect("room");
    team.invalidate();
    team.add(&users, &2).expect("room");
    assert_eq!(
        users.get(&2).good(),
        None,
        "it was computed before the invalidation"
    );
}

#[test]
fn a_name_may_be_declared_anywhere_in_a_computation() {
    let guira = private();
    let squares = guira.cache::<u64, u64>("squares");
    assert!(!depends_on("outside"));
    for (key, declares_first) in [(1, true), (2, false)] {
        let computed = squares.get_or_compute(&key, || {
            if declares_first {
                assert!(depends_on("square"));
            }
            guira.dependency("square").invalidate();
            if !declares_first {
                depends_on("square");
            }
            key * key
        });
        assert_eq!(computed.good(), key * key);
        assert_eq!(
            squares.get(&key).good(),
            None,
            "the source changed while it was read"
        );
    }
    assert_eq!(squares.flight_stats().superseded, 2);
}

#[test]
fn names_are_those_of_the_computation_that_says_them() {
    let guira = private();
    let values = guira.cache::<u64, u64>("values");
    let computed = values.get_or_compute(&1, || {
        depends_on("outer");
        let inner = values.get_or_compute(&2, || {
            depends_on("inner");
            2
        });
        depends_on("after");
        inner.good() + 1
    });
    assert_eq!(computed.good(), 3);
    let segment = values.segment().expect("a row");
    let tags = |key: u64| segment.tags(&values.key_bytes(&key).expect("a key"));
    assert_eq!(tags(1), Some(vec![b"outer".to_vec(), b"after".to_vec()]));
    assert_eq!(tags(2), Some(vec![b"inner".to_vec()]));
}

#[test]
fn whoever_inherits_depends_on_what_the_values_it_is_given_depend_on() {
    let guira = private();
    let parts = guira.memoize("parts").function(|part: u64| {
        depends_on(format!("part:{part}"));
        part
    });
    let parts = parts.tags_of(|_| vec!["parts".to_owned()]);
    let plain = guira
        .cache_builder::<u64, String>("plain")
        .codec(guira::codec::Text)
        .open();
    let decoded = Decoded::new(guira.cache::<u64, u64>("decoded"), 10);
    let fill = || {
        plain
            .put(
                &1,
                &"plain".to_owned(),
                PutOptions::default().tags(&[b"of plain"]),
            )
            .expect("room");
        let options = PutOptions::default().tags(&[b"of decoded"]);
        decoded.put(&1, &1, &options).expect("room");
    };
    let before = parts.clone();
    let sums = {
        let (parts, plain) = (parts.clone(), plain.clone());
        let decoded = Decoded::new(guira.cache::<u64, u64>("decoded"), 10);
        guira.memoize("sums").function(move |inherits: bool| {
            before.get(1); // not yet
            if inherits {
                dependency::inherit();
            }
            let many = plain.get_many([&1]).len() as u64;
            let decoded = (0..3)
                .map(|_| decoded.get(&1).expect("a key").unwrap_or(0))
                .sum::<u64>();
            parts.get(2) + parts.get(3) + many + decoded
        })
    };
    for name in ["part:2", "part:3", "parts", "of plain", "of decoded"] {
        fill();
        parts.get(3); // a hit inside; the other is computed inside, or a hit too
        assert_eq!((sums.get(true), sums.get(false)), (9, 9));
        guira.dependency(name).invalidate();
        assert!(!sums.contains(&true).expect("a key"), "{name}");
        assert!(sums.contains(&false).expect("a key"), "{name}");
        sums.get(true);
    }
    fill();
    sums.refresh(true).expect("it cannot fail");
    guira.dependency("part:1").invalidate();
    assert!(sums.contains(&true).expect("a key"), "it was given that before");
}

#[test]
fn stale_values_are_inherited_from_too_and_what_nobody_knows_is_not_stored() {
    let guira = private();
    let parts = guira.memoize("parts").function(|part: u64| {
        depends_on("part");
        part
    });
    let outer = {
        let parts = parts.clone();
        guira.memoize("outer").function(move |in_background: bool| {
            dependency::inherit();
            if in_background {
                let Ok(value) = parts.bg(2);
                return value;
            }
            parts.get(1)
        })
    };
    parts.get(1);
    parts.expire(&1).expect("a key");
    outer.get(false);
    assert!(outer.contains(&false).expect("a key"));
    guira.dependency("part").invalidate();
    assert!(!outer.contains(&false).expect("a key"));

    assert_eq!(outer.get(true), 2);
    assert!(
        !outer.contains(&true).expect("a key"),
        "it was computed elsewhere"
    );
    assert_eq!(outer.get(true), 2);
    assert!(outer.contains(&true).expect("a key"), "it was there");
}

#[test]
fn what_was_expired_stays_so_when_it_is_made_to_depend_on_a_name() {
    let guira = private();
    let users = guira.cache::<u64, u64>("users");
    users.put(&1, &1, Lifetime::never()).expect("room");
    assert!(users.expire(&1).good());
    let team = guira.dependency("team:3");
    assert_eq!(team.add(&users, &1).good(), Replace::Stored);
    assert!(users.ttl(&1).good().expect("it is kept").is_stale());
    team.invalidate();
    assert_eq!(users.get(&1).good(), None);
}

#[test]
fn a_future_declares_in_its_polls_and_not_for_other_tasks() {
    let guira = private();
    let values = guira.cache::<u64, u64>("values");
    let is_open = AtomicBool::new(false);
    let opened = || {
        std::future::poll_fn(|_| match is_open.load(Ordering::Relaxed) {
            true => Poll::Ready(()),
            false => Poll::Pending,
        })
    };
    let compute = |key: u64| async move {
        depends_on(format!("before {key}"));
        opened().await;
        depends_on(format!("after {key}"));
        key
    };
    let mut one = pin!(values.get_or_compute_async(&1, || compute(1)));
    let mut two = pin!(values.get_or_compute_async(&2, || compute(2)));
    let mut context = Context::from_waker(Waker::noop());
    assert!(one.as_mut().poll(&mut context).is_pending());
    assert!(
        !depends_on("between"),
        "no computation is current outside of a poll"
    );
    assert!(two.as_mut().poll(&mut context).is_pending());
    is_open.store(true, Ordering::Relaxed);
    assert!(one.as_mut().poll(&mut context).is_ready());
    assert!(two.as_mut().poll(&mut context).is_ready());
    let segment = values.segment().expect("a row");
    for key in [1_u64, 2] {
        let names = ["before", "after"].map(|name| format!("{name} {key}").into_bytes());
        assert_eq!(
            segment.tags(&values.key_bytes(&key).expect("a key")),
            Some(names.to_vec())
        );
    }
}

#[test]
fn a_value_of_more_names_than_an_entry_carries_goes_with_each_of_them() {
    let guira = private();
    let shelves = guira.cache::<u64, u64>("shelves");
    for article in [0, 13, 14, 15, 16, 50, 99] {
        let computed = shelves.get_or_compute(&1, || {
            (0..100).for_each(|article| {
                depends_on(format!("article:{article}"));
            });
            7
        });
        assert_eq!((computed.good(), shelves.get(&1).good()), (7, Some(7)));
        guira.dependency(format!("article:{article}")).invalidate();
        assert_eq!(shelves.get(&1).good(), None, "article {article}");
    }
    // Added one by one.
    shelves.put(&2, &7, Lifetime::never()).expect("room");
    for article in 0..40 {
        let name = guira.dependency(format!("article:{article}"));
        assert_eq!(
            name.add(&shelves, &2).good(),
            Replace::Stored,
            "article {article}"
        );
    }
    guira.dependency("article:39").invalidate();
    assert_eq!(shelves.get(&2).good(), None);
}

#[test]
fn a_name_that_is_none_is_an_error_of_what_is_put_and_keeps_what_is_computed_from_the_cache() {
    let guira = private();
    let values = guira.cache::<u64, u64>("values");
    let computed = values.get_or_compute(&1, || u64::from(depends_on("")));
    assert_eq!((computed.good(), values.get(&1).good()), (1, None));
    values.put(&1, &1, Lifetime::never()).expect("room");
    assert!(guira.dependency("n".repeat(256)).add(&values, &1).is_err());
    assert_eq!(values.get(&1).good(), Some(1));
}

#[test]
fn a_name_that_another_process_invalidates_takes_what_was_computed_here() {
    let host = Host::new();
    let guira = Guira::of_segment(host.segment.clone());
    let values = guira.cache::<u64, u64>("values");
    let calls = AtomicU64::new(0);
    let compute = || {
        depends_on("user:7");
        calls.fetch_add(1, Ordering::Relaxed) + 1
    };
    assert_eq!(values.get_or_compute(&1, compute).good(), 1);
    let mut other = Worker::start(&host.path);
    other.tell("invalidate-name user:7");
    assert_eq!(other.answer(), "invalidated");
    assert_eq!(values.get_or_compute(&1, compute).good(), 2);
}
