//! Deadlines on a clock that the test moves: exact to the millisecond, however far they are.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use guira_segment::{Clock, Expiry, Fill, Lookup, PutOptions, Replace, Segment};

use crate::children::Child;
use crate::places::{SMALL_BYTES, file_in, in_memory};

const YEAR_MS: u64 = 31_556_952_000;

/// A segment, and the hand that moves its clock.
struct Timed {
    segment: Segment,
    ms: Arc<AtomicU64>,
}

impl Timed {
    fn new() -> Self {
        // A day after boot, in the middle of a tick.
        let ms = Arc::new(AtomicU64::new(315_360_000_003));
        let segment = Segment::builder()
            .size(SMALL_BYTES)
            .clock(Clock::manual(Arc::clone(&ms)))
            .private()
            .expect("a private segment");
        Self { segment, ms }
    }

    fn pass_ms(&self, ms: u64) {
        self.ms.fetch_add(ms, Ordering::Relaxed);
    }

    fn put(&self, key: &[u8], expiry: Expiry) {
        self.segment.put(key, b"v", expiry).expect("room");
    }

    fn has(&self, key: &[u8]) -> bool {
        let present = self.segment.get(key).is_some();
        assert_eq!(self.segment.contains(key), present);
        assert_eq!(self.segment.ttl(key).is_some(), present);
        assert_eq!(self.segment.get_into(key, &mut Vec::new()), present);
        self.segment
            .get_many(&[key], |_, value| assert_eq!(value.is_some(), present));
        present
    }
}

fn ms(ms: u64) -> Expiry {
    Expiry::after(Duration::from_millis(ms))
}

#[test]
fn an_entry_lives_to_the_last_millisecond_and_not_longer() {
    let timed = Timed::new();
    for lifetime_ms in [1, 2, 9, 10, 11, 12, 999, 1_000, 60_000, 3_600_001, YEAR_MS] {
        timed.put(b"k", ms(lifetime_ms));
        assert!(timed.has(b"k"));
        timed.pass_ms(lifetime_ms - 1);
        assert!(timed.has(b"k"), "gone too soon of {lifetime_ms} ms");
        assert_eq!(timed.segment.ttl(b"k"), Some(Some(Duration::from_millis(1))));
        timed.pass_ms(1);
        assert!(!timed.has(b"k"), "there after {lifetime_ms} ms");
    }
}

#[test]
fn lifetimes_are_rounded_up_to_milliseconds() {
    let timed = Timed::new();
    timed.put(b"k", Expiry::after(Duration::from_nanos(1)));
    assert!(timed.has(b"k"));
    timed.pass_ms(1);
    assert!(!timed.has(b"k"));
    timed.put(b"k", Expiry::after(Duration::from_micros(1_001)));
    timed.pass_ms(1);
    assert!(timed.has(b"k"));
    timed.pass_ms(1);
    assert!(!timed.has(b"k"));
}

#[test]
fn a_soft_deadline_makes_stale_and_a_hard_one_ends() {
    let timed = Timed::new();
    timed.put(b"k", ms(100).soft(Duration::from_millis(40)));
    timed.pass_ms(39);
    let Lookup::Hit(value) = timed.segment.lookup(b"k") else {
        panic!("stale too soon")
    };
    assert_eq!(value.metadata().soft_ttl, Some(Duration::from_millis(1)));
    drop(value);
    timed.pass_ms(1);
    let Lookup::Stale(value, token) = timed.segment.lookup(b"k") else {
        panic!("fresh after its soft deadline")
    };
    assert_eq!(&*value, b"v");
    assert_eq!(value.metadata().soft_ttl, Some(Duration::ZERO));
    assert_eq!(value.metadata().ttl, Some(Duration::from_millis(60)));
    drop(value);
    timed.pass_ms(59);
    assert!(matches!(timed.segment.lookup(b"k"), Lookup::Stale(..)));
    timed.pass_ms(1);
    assert!(matches!(timed.segment.lookup(b"k"), Lookup::Miss(_)));
    // The token is of a value that is gone, which nobody wrote over.
    let fill = timed.segment.fill(b"k", b"new", &token, &PutOptions::default());
    assert_eq!(fill, Ok(Fill::Stored));
    assert!(timed.has(b"k"));
}

#[test]
fn a_soft_deadline_without_a_hard_one_never_ends() {
    let timed = Timed::new();
    timed.put(b"k", Expiry::never().soft(Duration::from_millis(5)));
    timed.pass_ms(4);
    assert!(matches!(timed.segment.lookup(b"k"), Lookup::Hit(_)));
    timed.pass_ms(1);
    assert!(matches!(timed.segment.lookup(b"k"), Lookup::Stale(..)));
    timed.pass_ms(100 * YEAR_MS);
    assert!(matches!(timed.segment.lookup(b"k"), Lookup::Stale(..)));
    assert_eq!(timed.segment.ttl(b"k"), Some(None));
}

#[test]
fn far_deadlines_are_exact_and_the_farthest_are_never() {
    let timed = Timed::new();
    // Where other caches have cliffs: 30 days, 2038, 49.7 days and 136 years in 32 bits.
    for lifetime_ms in [
        30 * 86_400_000 + 1,
        1 << 32,
        (1 << 31) * 1000,
        (1 << 32) * 1000,
        200 * YEAR_MS,
    ] {
        let timed = Timed::new();
        timed.put(b"k", ms(lifetime_ms));
        timed.pass_ms(lifetime_ms - 1);
        assert!(timed.has(b"k"), "gone too soon of {lifetime_ms} ms");
        timed.pass_ms(1);
        assert!(!timed.has(b"k"), "there after {lifetime_ms} ms");
    }
    timed.put(b"k", ms(300 * YEAR_MS));
    assert_eq!(timed.segment.ttl(b"k"), Some(None));
    timed.pass_ms(300 * YEAR_MS);
    assert!(timed.has(b"k"));
}

#[test]
fn a_touch_begins_anew_and_derived_values_keep_their_deadline() {
    let timed = Timed::new();
    timed.put(b"k", ms(100));
    timed.pass_ms(90);
    assert_eq!(timed.segment.touch(b"k", ms(100)), Ok(Replace::Stored));
    timed.pass_ms(90);
    assert_eq!(timed.segment.append(b"k", b"w"), Ok(Replace::Stored));
    timed.pass_ms(9);
    assert_eq!(timed.segment.get(b"k").as_deref(), Some(b"vw".as_slice()));
    timed.pass_ms(1);
    assert!(!timed.has(b"k"), "append keeps the deadline");
    assert_eq!(timed.segment.touch(b"k", ms(100)), Ok(Replace::NotFound));

    assert_eq!(timed.segment.increment(b"n", 0, Some(5), ms(50)), Ok(Some(5)));
    timed.pass_ms(49);
    assert_eq!(timed.segment.increment(b"n", 1, Some(5), ms(50)), Ok(Some(6)));
    timed.pass_ms(1);
    assert_eq!(timed.segment.increment(b"n", 1, Some(5), ms(50)), Ok(Some(5)));
}

#[test]
fn the_dead_of_old_age_are_absent_to_every_writer() {
    let timed = Timed::new();
    let options = PutOptions::default();
    timed.put(b"k", ms(1));
    let version = timed.segment.metadata(b"k").expect("there").version;
    timed.pass_ms(1);
    assert_eq!(timed.segment.replace(b"k", b"w", &options), Ok(Replace::NotFound));
    assert_eq!(
        timed.segment.compare_and_swap(b"k", version, b"w", &options),
        Ok(guira_segment::Swap::NotFound)
    );
    assert_eq!(timed.segment.append(b"k", b"w"), Ok(Replace::NotFound));
    assert!(!timed.segment.remove(b"k"));
    assert!(!timed.segment.expire(b"k"));
    assert_eq!(
        timed.segment.add(b"k", b"w", &options),
        Ok(guira_segment::Add::Stored)
    );
    assert_eq!(timed.segment.entries().count(), 1);
    assert!(timed.segment.verify().is_clean());
}

#[test]
fn a_clock_that_steps_back_loses_nothing_and_forward_expires_what_is_due() {
    let timed = Timed::new();
    timed.pass_ms(90_000);
    timed.put(b"short", ms(1_000));
    timed.put(b"long", ms(1_000_000));
    timed.ms.fetch_sub(80_000, Ordering::Relaxed);
    assert!(timed.has(b"short") && timed.has(b"long"));
    timed.put(b"now", ms(10));
    timed.pass_ms(10);
    assert!(!timed.has(b"now"));
    timed.pass_ms(80_990);
    assert!(!timed.has(b"short") && timed.has(b"long"));
    timed.pass_ms(1_000_000);
    assert!(!timed.has(b"long"));
}

#[test]
fn a_process_in_another_time_namespace_agrees_on_deadlines() {
    let flags = [
        "--time",
        "--boottime",
        "9000000",
        "--monotonic",
        "9000000",
        "--fork",
        "--kill-child",
    ];
    let Some(mut far) = Child::in_namespaces(&flags, "true") else {
        return;
    };
    let directory = in_memory();
    let path = file_in(&directory);
    let segment = Segment::builder()
        .size(SMALL_BYTES)
        .create(&path)
        .expect("a segment");
    assert_eq!(far.ask(&format!("open {}", path.display())), "ok");

    segment.put(b"here", b"v", ms(100_000)).expect("room");
    let ttl_ms = far.ask("ttl-ms here");
    let ttl_ms: u64 = ttl_ms
        .trim_start_matches("Some(")
        .trim_end_matches(')')
        .parse()
        .expect(&ttl_ms);
    assert!((40_000..=100_000).contains(&ttl_ms), "{ttl_ms} ms left");
    assert_eq!(far.ask("put-for there v 100000"), "Stored");
    let ttl = segment.ttl(b"there").flatten().expect("alive here");
    assert!((40..=100).contains(&ttl.as_secs()), "{ttl:?} left");
}
