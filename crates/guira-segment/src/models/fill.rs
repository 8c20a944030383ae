//! A fill whose token was taken before: what is invalidated or put meanwhile wins.

use guira_shm::mutant::Mutant;
use guira_shm::sync::Ordering;
use guira_shm::sync::model::explore;

use super::run::{catches, holds};
use super::world::{ONE_BUCKET, Said, World, assert_sound, invalidating, putting, read, thread};
use crate::log::write::Draft;
use crate::ops::store::Intent;
use crate::segment::Segment;
use crate::tags::Tags;
use crate::{Expiry, PutOptions};

/// A thread that fills with a token taken now.
fn filling(segment: &Segment) -> Box<dyn FnOnce() -> Said + Send> {
    let token = segment.fill_token(b"k");
    thread(segment, move |segment| {
        segment
            .fill(b"k", b"filled", &token, &PutOptions::default())
            .expect("there is room");
        None
    })
}

fn fill_invalidate() {
    let segment = World::new(ONE_BUCKET).alone();
    explore([filling(&segment), invalidating(&segment, b"k")]);
    assert_eq!(read(&segment, b"k"), None);
    assert_sound(&segment);
}

fn fill_put() {
    let segment = World::new(ONE_BUCKET).alone();
    explore([filling(&segment), putting(&segment, b"k", b"put")]);
    assert_eq!(read(&segment, b"k").as_deref(), Some(&b"put"[..]));
    assert_sound(&segment);
}

fn fill_put_invalidate() {
    let segment = World::new(ONE_BUCKET).alone();
    explore([
        filling(&segment),
        putting(&segment, b"k", b"put"),
        invalidating(&segment, b"k"),
    ]);
    let value = read(&segment, b"k");
    assert!(matches!(value.as_deref(), None | Some(b"put")), "{value:?}");
    assert_sound(&segment);
}

/// A thread that puts, and began now.
fn putting_late(segment: &Segment) -> Box<dyn FnOnce() -> Said + Send> {
    let token = segment.shared.token(&segment.key(b"k"));
    thread(segment, move |segment| {
        let shared = &segment.shared;
        let thread = shared.thread().expect("an attached process");
        let none = Tags::NONE;
        let draft = Draft::for_ever(segment.key(b"k"), b"late", &none, token.clock);
        shared
            .store(&thread, &draft, Intent::Put, &token)
            .expect("there is room");
        None
    })
}

/// A put that began before the invalidation does not survive it.
fn put_invalidate() {
    let segment = World::new(ONE_BUCKET).alone();
    segment.put(b"k", b"0", Expiry::never()).expect("room");
    explore([putting_late(&segment), invalidating(&segment, b"k")]);
    assert_eq!(read(&segment, b"k"), None);
    assert_sound(&segment);
}

/// A put that is too old, the value put since the invalidation, which it would forward to its own entry, and
/// a writer that would help it.
fn put_helped() {
    let segment = World::new(ONE_BUCKET).alone();
    let late = putting_late(&segment);
    segment.invalidate(b"k");
    segment.put(b"k", b"new", Expiry::never()).expect("room");
    let adding_and_reading = thread(&segment, |segment| {
        segment
            .add(b"k", b"new", &PutOptions::default())
            .expect("there is room");
        read(segment, b"k")
    });
    let [_, seen] = explore([late, adding_and_reading]);
    assert!(matches!(seen.as_deref(), None | Some(b"new")), "{seen:?}");
    assert_sound(&segment);
}

/// A fill that is too old, an entry past its deadline in its place, and a writer that would help it.
fn fill_helped() {
    let (segment, clock_ms) = World::new(ONE_BUCKET).alone_with_clock();
    let fill = filling(&segment);
    let soon = Expiry::after(std::time::Duration::from_millis(1));
    segment.put(b"k", b"brief", soon).expect("room");
    clock_ms.fetch_add(1_000, Ordering::Relaxed);
    let add = thread(&segment, |segment| {
        segment
            .add(b"k", b"added", &PutOptions::default())
            .expect("there is room");
        None
    });
    explore([fill, add]);
    assert_eq!(read(&segment, b"k").as_deref(), Some(&b"added"[..]));
    assert_sound(&segment);
}

/// What was expired does not get a fresh value from a computation that began before.
fn fill_expire() {
    let segment = World::new(ONE_BUCKET).alone();
    let fill = filling(&segment);
    let expire = thread(&segment, |segment| {
        segment.expire(b"k");
        None
    });
    explore([fill, expire]);
    assert!(
        segment.get(b"k").is_none_or(|value| value.is_stale()),
        "a fresh value"
    );
    assert_sound(&segment);
}

#[test]
fn a_fill_is_not_helped_that_came_too_late() {
    holds("fill-helped", 1, fill_helped);
}

#[test]
fn a_fill_is_not_fresh_after_an_expiry() {
    holds("fill-expire", 2, fill_expire);
}

#[test]
fn a_fill_does_not_survive_an_invalidation() {
    holds("fill-invalidate", 2, fill_invalidate);
}

#[test]
fn a_put_wins_against_an_older_fill() {
    holds("fill-put", 1, fill_put);
}

#[test]
fn a_fill_a_put_and_an_invalidation_leave_the_put_or_nothing() {
    holds("fill-put-invalidate", 1, fill_put_invalidate);
}

#[test]
fn a_put_does_not_survive_an_invalidation_that_began_after_it() {
    holds("put-invalidate", 1, put_invalidate);
}

#[test]
fn a_fill_without_its_fence_is_caught() {
    catches("fill-invalidate", Mutant::StoreWithoutFence, 2, fill_invalidate);
}

#[test]
fn an_invalidation_without_its_fence_is_caught() {
    catches(
        "fill-invalidate",
        Mutant::InvalidateWithoutFence,
        2,
        fill_invalidate,
    );
}

#[test]
fn a_put_is_not_helped_that_came_too_late() {
    holds("put-helped", 1, put_helped);
}

#[test]
fn a_put_that_looks_at_the_stamps_after_only_is_caught() {
    catches("put-helped", Mutant::NoFirstLookAtStamps, 1, put_helped);
}
