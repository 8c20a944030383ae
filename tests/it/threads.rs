//! Threads of one process against each other: what must hold whatever the interleaving.

use std::sync::Barrier;
use std::thread;

use guira_segment::{Add, Expiry, Fill, PutOptions, Segment, Swap};
use guira_shm::sync::{AtomicU64, Ordering};

const THREADS: u64 = 4;

fn small() -> Segment {
    Segment::builder()
        .size(8 << 20)
        .private()
        .expect("a private segment")
}

fn together(work: impl Fn(u64) + Sync) {
    let barrier = Barrier::new(THREADS as usize);
    thread::scope(|scope| {
        for number in 0..THREADS {
            let (work, barrier) = (&work, &barrier);
            scope.spawn(move || {
                barrier.wait();
                work(number);
            });
        }
    });
}

#[test]
fn no_increment_is_lost() {
    let segment = small();
    let rounds = 20_000;
    together(|_| {
        for round in 0..rounds {
            let key: &[u8] = if round % 3 == 0 { b"a" } else { b"b" };
            // The first increment stores 1: the sum is the number of calls.
            segment
                .increment(key, 1, Some(1), Expiry::never())
                .expect("room")
                .expect("a sum");
        }
    });
    let sum: i64 = [b"a", b"b"]
        .iter()
        .map(|key| {
            segment
                .increment(*key, 0, None, Expiry::never())
                .expect("room")
                .expect("there")
        })
        .sum();
    assert_eq!(sum, (THREADS * rounds) as i64);
    assert!(segment.verify().is_clean());
}

#[test]
fn of_many_adds_one_wins() {
    let segment = small();
    // Threads are started anew for every batch of keys, so that lines are handed on.
    for first in (0..3_000_u32).step_by(300) {
        let stored = AtomicU64::new(0);
        together(|number| {
            for key in first..first + 300 {
                let outcome = segment.add(&key.to_le_bytes(), &number.to_le_bytes(), &PutOptions::default());
                if outcome == Ok(Add::Stored) {
                    stored.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
        assert_eq!(stored.load(Ordering::Relaxed), 300, "from {first}");
    }
}

#[test]
fn swaps_of_one_version_succeed_once() {
    let segment = small();
    segment.put(b"k", b"0", Expiry::never()).expect("room");
    let successes = AtomicU64::new(0);
    together(|number| {
        for round in 0..3_000_u64 {
            let Some(metadata) = segment.metadata(b"k") else {
                panic!("lost")
            };
            let value = format!("{number}.{round}");
            let outcome =
                segment.compare_and_swap(b"k", metadata.version, value.as_bytes(), &PutOptions::default());
            match outcome.expect("room") {
                Swap::Stored => successes.fetch_add(1, Ordering::Relaxed),
                Swap::Conflict(_) => 0,
                other => panic!("{other:?}"),
            };
        }
    });
    assert!(successes.load(Ordering::Relaxed) >= 3_000);
    assert!(segment.verify().is_clean());
}

#[test]
fn concurrent_puts_seldom_hide_a_hot_key_and_leave_every_one() {
    let segment = small();
    let keys: Vec<Vec<u8>> = (0..8_u8).map(|key| vec![key; 5]).collect();
    for key in &keys {
        segment.put(key, b"first", Expiry::never()).expect("room");
    }
    let missing = AtomicU64::new(0);
    together(|number| {
        let mut buffer = Vec::new();
        for round in 0..20_000_u64 {
            let key = &keys[(round as usize * 7 + number as usize) % keys.len()];
            if number % 2 == 0 {
                let value = [key.as_slice(), &round.to_le_bytes()].concat().repeat(3);
                segment.put(key, &value, Expiry::never()).expect("room");
            } else if segment.get_into(key, &mut buffer) {
                assert!(
                    buffer == b"first" || buffer.starts_with(key),
                    "another key's value"
                );
            } else {
                missing.fetch_add(1, Ordering::Relaxed);
            }
        }
    });
    // Two writers may kill each other's entries for a moment; in the end every key is there.
    let share = missing.load(Ordering::Relaxed) as f64 / (THREADS as f64 / 2.0 * 20_000.0);
    assert!(share < 0.01, "{share}");
    for key in &keys {
        assert!(segment.get(key).is_some());
    }
    assert!(segment.verify().is_clean());
}

#[test]
fn a_tiny_world_survives_everything_at_once() {
    let segment = Segment::builder()
        .exact_blocks(2048, 24)
        .index_entries(64)
        .generation_bits(3)
        .private()
        .expect("a private segment");
    together(|number| {
        let mut state = number * 7919 + 1;
        let mut next = |below: u64| {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (state >> 33) % below
        };
        let mut buffer = Vec::new();
        for _ in 0..60_000 {
            let key = next(60) as u8;
            let name = [key, key ^ 0xff, 7];
            let value = vec![key; 4 + next(400) as usize];
            match next(10) {
                0..=3 => {
                    segment
                        .put(&name, &value, Expiry::never())
                        .map(drop)
                        .unwrap_or_default();
                }
                4 => {
                    segment.remove(&name);
                }
                5 => {
                    segment.invalidate(&name);
                }
                6 => {
                    let token = segment.fill_token(&name);
                    let _: Result<Fill, _> = segment.fill(&name, &value, &token, &PutOptions::default());
                }
                7 => {
                    if let Some(value) = segment.get(&name) {
                        assert!(value.iter().all(|&byte| byte == key), "{key}: {value:?}");
                    }
                }
                _ => {
                    if segment.get_into(&name, &mut buffer) {
                        assert!(buffer.iter().all(|&byte| byte == key), "{key}: {buffer:?}");
                    }
                }
            }
        }
    });
    let verified = segment.verify();
    assert!(verified.is_clean(), "{:?}", verified.faults);
    let blocks = segment.stats().blocks;
    assert_eq!(blocks.run + blocks.damaged, 0, "{blocks:?}");
    // A thread may end in the middle of a drain; whoever takes its line goes on with it.
    assert!(blocks.draining <= THREADS as u32, "{blocks:?}");
}

#[test]
fn a_stale_fill_never_appears_after_its_invalidation() {
    let segment = small();
    let source = AtomicU64::new(1);
    let announced = AtomicU64::new(0);
    together(|number| {
        for _ in 0..15_000 {
            if number == 0 {
                let version = source.fetch_add(1, Ordering::SeqCst) + 1;
                segment.invalidate(b"k");
                announced.store(version, Ordering::SeqCst);
                continue;
            }
            let least = announced.load(Ordering::SeqCst);
            if let Some(value) = segment.get(b"k") {
                let bytes: [u8; 8] = value[..].try_into().expect("eight bytes");
                assert!(
                    u64::from_le_bytes(bytes) >= least,
                    "a value older than an invalidation"
                );
                continue;
            }
            let token = segment.fill_token(b"k");
            let computed = source.load(Ordering::SeqCst);
            segment
                .fill(b"k", &computed.to_le_bytes(), &token, &PutOptions::default())
                .expect("room");
        }
    });
}

#[test]
fn threads_without_a_line_take_turns_and_may_use_the_segment_in_a_batch() {
    // Two lines: the common one and one thread's.
    let segment = Segment::builder()
        .size(8 << 20)
        .max_threads(2)
        .private()
        .expect("a private segment");
    for key in 0..50_u8 {
        segment.put(&[key], &[key; 20], Expiry::never()).expect("room");
    }
    together(|_| {
        for _ in 0..200 {
            let mut seen = 0;
            segment.get_many(&[b"\x01".as_slice(), b"\x02", b"\x03"], |index, value| {
                let inner = segment.get(&[index as u8 + 1]);
                assert_eq!(value, inner.as_deref());
                seen += 1;
            });
            assert_eq!(seen, 3);
        }
    });
}
