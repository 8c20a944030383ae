//! Damage that shows only when space is used again: `verify` names it before, and after a repair nobody
//! overwrites what is there.

use std::fs::File;
use std::os::unix::fs::FileExt;

use guira_segment::{Expiry, FaultKind, Segment, StoreError};
use tempfile::TempDir;

use crate::places::{file_in, in_memory};

const STATE_MASK: u64 = 0xf << 32;
const BODY: u64 = 6 << 32;
const TAIL: u64 = 0;
const SPAN: u64 = 32;
const HEADER_BYTES: usize = 36;

/// A segment of checked values, and the way to its words behind its back.
struct Patient {
    _directory: TempDir,
    file: File,
    segment: Segment,
}

impl Patient {
    fn new() -> Self {
        let directory = in_memory();
        let path = file_in(&directory);
        let segment = Segment::builder()
            .exact_blocks(4096, 64)
            .checked_values(true)
            .create(&path)
            .expect("a segment");
        let file = File::options().read(true).write(true).open(&path);
        Self {
            _directory: directory,
            file: file.expect("there"),
            segment,
        }
    }

    /// Where the items of a part begin.
    fn items(&self, name: &str) -> Vec<u64> {
        let parts = self.segment.parts();
        let part = parts.iter().find(|part| part.name == name).expect("a part");
        (0..part.items)
            .map(|item| (part.offset_bytes + item * part.item_bytes) as u64)
            .collect()
    }

    fn word(&self, at: u64) -> u64 {
        let mut bytes = [0; 8];
        self.file.read_exact_at(&mut bytes, at).expect("inside");
        u64::from_le_bytes(bytes)
    }

    fn set_word(&self, at: u64, word: u64) {
        self.file.write_all_at(&word.to_le_bytes(), at).expect("inside");
    }

    fn fault_kinds(&self) -> Vec<FaultKind> {
        let faults = self.segment.verify().faults;
        faults.iter().map(|fault| fault.kind).collect()
    }

    fn put(&self, n: u32) {
        let value = value_of(n);
        let put = self.segment.put(&key_of(n), &value, Expiry::never());
        put.expect("room");
    }

    fn assert_has(&self, n: u32) {
        let found = self.segment.get(&key_of(n));
        assert_eq!(found.as_deref(), Some(value_of(n).as_slice()), "key {n}");
    }

    /// Where the entry of key `n` begins.
    fn entry(&self, n: u32) -> u64 {
        let mut content = Vec::new();
        std::io::Read::read_to_end(&mut File::open(self.segment.path()).expect("there"), &mut content)
            .expect("readable");
        let bytes = [key_of(n), value_of(n)].concat();
        let at = content.windows(bytes.len()).position(|window| *window == bytes);
        (at.expect("it lies in the file") - HEADER_BYTES) as u64
    }
}

fn key_of(n: u32) -> Vec<u8> {
    format!("key number {n}").into_bytes()
}

fn value_of(n: u32) -> Vec<u8> {
    (n | 0x4000_0000).to_le_bytes().repeat(20)
}

#[test]
fn a_tail_before_live_entries_is_named_and_nothing_is_written_over_them() {
    let patient = Patient::new();
    (0..5).for_each(|n| patient.put(n));
    for at in patient.items("block metadata") {
        let tail = patient.word(at + TAIL);
        if tail & 0xffff_ffff != 0 {
            patient.set_word(at + TAIL, tail & !0xffff_ffff);
        }
    }
    assert_eq!(patient.fault_kinds(), [FaultKind::BlockTail]);
    assert!(patient.segment.repair().left.is_clean());
    (100..120).for_each(|n| patient.put(n));
    (0..5).for_each(|n| patient.assert_has(n));
    assert_eq!(patient.fault_kinds(), []);
}

#[test]
fn a_run_that_lost_a_block_is_named_and_dropped() {
    let patient = Patient::new();
    let large = vec![7; 10_000];
    patient
        .segment
        .put(b"large", &large, Expiry::never())
        .expect("room");
    let is_body = |at: &u64| patient.word(*at) & STATE_MASK == BODY;
    let bodies: Vec<u64> = patient.items("block words").into_iter().filter(is_body).collect();
    assert_eq!(bodies.len(), 2);
    patient.set_word(bodies[1], patient.word(bodies[1]) & !STATE_MASK);
    assert_eq!(patient.fault_kinds(), [FaultKind::RunBroken]);
    let repaired = patient.segment.repair();
    assert_eq!((repaired.dropped_entries, repaired.left.is_clean()), (1, true));
    assert!(patient.segment.get(b"large").is_none());
    for n in 0..2_000 {
        patient.put(n);
        patient.assert_has(n);
    }
    assert_eq!(patient.fault_kinds(), []);
}

#[test]
fn a_free_block_that_a_damaged_word_calls_a_run_is_none_when_it_is_used() {
    let patient = Patient::new();
    let words = patient.items("block words");
    for (word, metadata) in words.into_iter().zip(patient.items("block metadata")) {
        let generation = patient.word(word) & 0xffff_ffff;
        patient.set_word(metadata + SPAN, generation << 32 | 5);
    }
    (0..200).for_each(|n| patient.put(n));
    assert_eq!(patient.fault_kinds(), []);
    (0..200).for_each(|n| patient.assert_has(n));
}

#[test]
fn a_forward_to_another_keys_entry_is_not_followed_when_its_block_is_drained() {
    let patient = Patient::new();
    (0..400).for_each(|n| patient.put(n));
    for n in 0..60 {
        let (entry, other) = (patient.entry(n), patient.entry(n + 300));
        let generation = |entry: u64| patient.word(entry) >> 48 & 0xfff;
        let forward = 3 << 62 | generation(entry) << 48 | generation(other) << 36 | (other / 16);
        patient.set_word(entry, forward);
    }
    for n in 1_000..4_000 {
        patient.put(n);
        if n % 50 == 0 {
            assert_eq!(patient.fault_kinds(), [], "after key {n}");
        }
    }
}

#[test]
fn a_counter_under_a_floor_ahead_of_the_clock_gives_up_at_once_and_counts_after_the_repair() {
    const FLOOR_IN_CONTROL: usize = (4224 - 4096) / 8;
    let patient = Patient::new();
    let count = || patient.segment.increment(b"counter", 1, Some(1), Expiry::never());
    assert_eq!(count(), Ok(Some(1)));
    patient.set_word(patient.items("control")[FLOOR_IN_CONTROL], 1 << 40);
    assert_eq!(count(), Err(StoreError::Contended { attempts: 1 }));
    assert_eq!(patient.fault_kinds(), [FaultKind::StampAhead]);
    assert!(patient.segment.repair().left.is_clean());
    assert_eq!(count(), Ok(Some(1)), "what the floor covered is invalidated");
    assert_eq!(count(), Ok(Some(2)));
}
