//! Threads in worlds of a few blocks on a clock that stands: everything here runs under Miri and the
//! other sanitizers too, with fewer rounds where each takes long.

use std::sync::{Arc, Barrier};
use std::thread;

use guira_segment::{Clock, Expiry, Fill, Lookup, PutOptions, Segment};
use guira_tests::oracle::run::{attempt, sequence};
use guira_tests::oracle::{Tally, World};
use guira_tests::random::Random;
use std::sync::atomic::AtomicU64;

/// So many rounds, or so many under Miri.
const fn rounds(natively: u64, under_miri: u64) -> u64 {
    if cfg!(miri) { under_miri } else { natively }
}

fn world(block_bytes: u64, blocks: u64) -> Segment {
    Segment::builder()
        .clock(Clock::manual(Arc::new(AtomicU64::new(1_000_000))))
        .exact_blocks(block_bytes, blocks)
        .index_entries(32)
        .generation_bits(3)
        .max_threads(8)
        .max_processes(2)
        .checked_values(true)
        .private()
        .expect("a private segment")
}

fn together(threads: u64, work: impl Fn(u64) + Sync) {
    let barrier = Barrier::new(threads as usize);
    thread::scope(|scope| {
        for number in 0..threads {
            let (work, barrier) = (&work, &barrier);
            scope.spawn(move || {
                barrier.wait();
                work(number);
            });
        }
    });
}

/// A value that shows by every byte whose it is.
fn value_of(key: u8, bytes: u64) -> Vec<u8> {
    vec![key; 1 + bytes as usize]
}

#[test]
fn values_that_are_held_stand_still_while_others_take_the_room() {
    let segment = world(1024, 12);
    together(3, |number| {
        let random = &mut Random::new(1, number);
        let mut held = Vec::new();
        for _ in 0..rounds(20_000, 60) {
            let key = random.below(12) as u8;
            if number == 0 {
                held.extend(segment.get(&[key]).map(|value| (key, value)));
                for (key, value) in &held {
                    assert!(value.iter().all(|byte| byte == key), "{key}: {value:?}");
                }
                if held.len() > 2 {
                    held.remove(random.below(3) as usize);
                }
            } else {
                // Without room the old value goes: the next reader misses.
                let value = value_of(key, random.below(200));
                let _full = segment.put(&[key], &value, Expiry::never());
            }
        }
    });
    let verified = segment.verify();
    assert!(verified.is_clean(), "{:?}", verified.faults);
    assert_eq!(segment.stats().guards, 0);
}

#[test]
fn increments_of_threads_add_up() {
    let segment = world(1024, 64);
    let each = rounds(5_000, 12);
    together(3, |_| {
        for _ in 0..each {
            let sum = segment.increment(b"n", 1, Some(1), Expiry::never());
            assert!(sum.is_ok_and(|sum| sum.is_some()));
        }
    });
    let sum = segment.increment(b"n", 0, None, Expiry::never());
    assert_eq!(sum, Ok(Some(3 * each as i64)));
}

#[test]
fn no_fill_outlives_the_invalidation_that_came_after_its_token() {
    let segment = world(1024, 12);
    let source = AtomicU64::new(1);
    together(3, |number| {
        for _ in 0..rounds(5_000, 12) {
            use guira_shm::sync::Ordering;
            if number == 0 {
                source.fetch_add(1, Ordering::SeqCst);
                segment.invalidate(b"k");
                continue;
            }
            let least = source.load(Ordering::SeqCst) - 1;
            match segment.lookup(b"k") {
                Lookup::Hit(value) | Lookup::Stale(value, _) => {
                    let bytes: [u8; 8] = value[..].try_into().expect("eight bytes");
                    assert!(u64::from_le_bytes(bytes) >= least, "an old value");
                }
                Lookup::Miss(token) => {
                    let computed = source.load(Ordering::SeqCst).to_le_bytes();
                    let filled = segment.fill(b"k", &computed, &token, &PutOptions::default());
                    assert!(matches!(filled, Ok(Fill::Stored | Fill::Superseded)));
                }
            }
        }
    });
}

#[test]
fn threads_that_come_and_go_hand_their_lines_on() {
    let segment = world(1024, 12);
    for round in 0..rounds(200, 3) {
        together(3, |number| {
            let key = [(round % 5) as u8, number as u8];
            let value = value_of(key[0], round % 50);
            segment.put(&key, &value, Expiry::never()).expect("room");
            segment.remove(&[key[0], 0]);
        });
    }
    assert!(segment.stats().threads <= 8);
    assert!(segment.verify().is_clean());
}

#[test]
fn a_few_sequences_of_the_oracle_are_answered_rightly() {
    let mut left = rounds(300, 6);
    for number in 0.. {
        let (world, numbers) = sequence(21, number);
        // Miri knows no shared files, and is slow to clear the tables of a large world.
        if !world.may_evict || world.on_file {
            continue;
        }
        let world = World {
            verify_values: true,
            ..world
        };
        let numbers = &numbers[..numbers.len().min(rounds(300, 25) as usize)];
        attempt(world, numbers, &mut Tally::default()).expect("the map's answers");
        left -= 1;
        if left == 0 {
            break;
        }
    }
}
