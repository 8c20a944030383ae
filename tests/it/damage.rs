//! Damage while a segment is in use: flipped bits and pages of rubbish anywhere behind the
//! superblock. Whatever is hit, nobody crashes or hangs, and no key ever has another's value.

use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::Path;

use guira_segment::{Expiry, PutOptions, Segment};

use crate::children::Child;
use crate::places::{file_in, in_memory};
use crate::watchdog::in_time;

/// Small, so that every region is hit often: 64 blocks of 16 KiB.
const SETTINGS: &str = "blocks=16384x64 checked verify processes=8 threads=16";
const SUPERBLOCK_PAGE_BYTES: u64 = 4096;

/// Where the next damage goes: xorshift64 (Marsaglia, 2003).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 8) % below
    }

    /// Half of the damage goes to the log, half to what is before it.
    fn place(&mut self, file_bytes: u64) -> u64 {
        let log = file_bytes - (64 << 14);
        if self.roll(2) == 0 {
            SUPERBLOCK_PAGE_BYTES + self.roll(log - SUPERBLOCK_PAGE_BYTES)
        } else {
            log + self.roll(file_bytes - log)
        }
    }
}

fn writable(path: &Path) -> File {
    File::options()
        .read(true)
        .write(true)
        .open(path)
        .expect("writable")
}

fn flip(file: &File, at: u64, bit: u64) {
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).expect("inside the file");
    file.write_all_at(&[byte[0] ^ 1 << bit], at)
        .expect("inside the file");
}

/// What is asked of a damaged segment once nobody damages it any more.
fn assert_repairable(path: &Path, seed: u64) {
    let path = path.to_path_buf();
    in_time("the repair of a damaged segment", move || {
        let segment = Segment::builder()
            .verify_values(true)
            .open(&path)
            .expect("the superblock is whole");
        let repaired = segment.repair();
        assert!(
            repaired.left.is_clean(),
            "seed {seed}: {:?} left",
            repaired.left.faults
        );
        segment.clear_all();
        for n in 0..5_000_u32 {
            let key = n.to_le_bytes();
            let put = segment.put(&key, &key.repeat(20), Expiry::never());
            put.unwrap_or_else(|error| panic!("seed {seed}: {error}, {:?}", segment.stats()));
            assert_eq!(
                segment.get(&key).as_deref(),
                Some(key.repeat(20).as_slice()),
                "seed {seed}"
            );
        }
        assert!(
            segment.verify().is_clean(),
            "seed {seed}: {:?}",
            segment.verify().faults
        );
    });
}

fn damage_under_load(seed: u64, mut damage: impl FnMut(&File, &mut Dice, u64)) {
    let directory = in_memory();
    let path = file_in(&directory);
    let mut child = Child::start();
    assert_eq!(child.ask(&format!("create {} {SETTINGS}", path.display())), "ok");
    let mut second = Child::start();
    assert_eq!(second.ask(&format!("open {} verify", path.display())), "ok");
    assert_eq!(child.ask("exercise 7 20000"), "right");
    let file = writable(&path);
    let file_bytes = file.metadata().expect("there").len();
    let mut dice = Dice(seed | 1);
    for round in 0..30 {
        let command = format!("exercise {} 1500", seed * 1000 + round);
        child.tell(&command);
        second.tell(&command);
        for _ in 0..10 {
            damage(&file, &mut dice, file_bytes);
        }
        assert_eq!(child.answer_to(&command), "right", "seed {seed}, round {round}");
        assert_eq!(second.answer_to(&command), "right", "seed {seed}, round {round}");
    }
    let faults = child.ask("faults");
    assert!(faults.starts_with('['), "{faults}");
    child.kill();
    second.kill();
    assert_repairable(&path, seed);
}

#[test]
fn flipped_bits_anywhere_crash_nobody_and_show_no_wrong_value() {
    for seed in 1..=6 {
        damage_under_load(seed, |file, dice, file_bytes| {
            flip(file, dice.place(file_bytes), dice.roll(8));
        });
    }
}

#[test]
fn words_of_rubbish_anywhere_crash_nobody_and_show_no_wrong_value() {
    for seed in 101..=106 {
        damage_under_load(seed, |file, dice, file_bytes| {
            let at = dice.place(file_bytes) & !7;
            let word = match dice.roll(3) {
                0 => 0,
                1 => u64::MAX,
                _ => dice.roll(u64::MAX),
            };
            file.write_all_at(&word.to_le_bytes(), at)
                .expect("inside the file");
        });
    }
}

#[test]
fn pages_that_changed_places_crash_nobody_and_show_no_wrong_value() {
    for seed in 201..=204 {
        damage_under_load(seed, |file, dice, file_bytes| {
            let mut page = [0; 4096];
            let mut page_at = || dice.place(file_bytes) / 4096 * 4096;
            let (from, to) = (page_at(), page_at());
            file.read_exact_at(&mut page, from).expect("inside the file");
            file.write_all_at(&page, to).expect("inside the file");
        });
    }
}

#[test]
fn a_flipped_bit_in_a_value_is_found_by_verify_and_never_returned_by_verified_reads() {
    let directory = in_memory();
    let path = file_in(&directory);
    let segment = Segment::builder()
        .size(8 << 20)
        .checked_values(true)
        .create(&path)
        .expect("a segment");
    let careful = Segment::builder().verify_values(true).open(&path).expect("open");
    let value: Vec<u8> = (0..20_000_u32)
        .flat_map(|n| (n ^ 0x5a5a_5a5a).to_le_bytes())
        .collect();
    segment.put(b"k", &value, Expiry::never()).expect("room");
    let content = std::fs::read(&path).expect("readable");
    let at = content
        .windows(64)
        .position(|window| *window == value[..64])
        .expect("it lies in the file");
    let file = writable(&path);
    for offset in [0, 1, 31, 4_096, value.len() - 1] {
        flip(&file, (at + offset) as u64, 3);
        assert!(careful.get(b"k").is_none());
        assert!(!careful.get_into(b"k", &mut Vec::new()));
        careful.get_many(&[b"k"], |_, found| assert!(found.is_none()));
        let faults = segment.verify().faults;
        assert_eq!(faults.len(), 1, "{faults:?}");
        assert_eq!(faults[0].kind, guira_segment::FaultKind::ValueDamaged);
        flip(&file, (at + offset) as u64, 3);
        assert_eq!(careful.get(b"k").as_deref(), Some(value.as_slice()));
    }
    assert!(careful.stats().damaged >= 5);
    flip(&file, at as u64, 3);
    let repaired = segment.repair();
    assert_eq!((repaired.dropped_entries, repaired.left.is_clean()), (1, true));
    assert!(segment.get(b"k").is_none());
}

#[test]
fn an_entry_whose_tag_was_damaged_is_not_returned_and_repair_drops_it() {
    let directory = in_memory();
    let path = file_in(&directory);
    let segment = Segment::builder().size(8 << 20).create(&path).expect("a segment");
    let options = PutOptions::default().tags(&[b"team:7"]);
    segment.put_with(b"k", b"v", &options).expect("room");
    let content = std::fs::read(&path).expect("readable");
    let name = content
        .windows(6)
        .position(|window| window == b"team:7")
        .expect("it lies in the file");
    let file = writable(&path);
    for bit in 0..64_u64 {
        // The hash is the 8 bytes before the name's length.
        let at = name as u64 - 9 + bit / 8;
        flip(&file, at, bit % 8);
        let before = segment.stats().damaged;
        assert!(segment.get(b"k").is_none(), "bit {bit}");
        assert!(segment.stats().damaged > before);
        assert_eq!(
            segment.verify().faults[0].kind,
            guira_segment::FaultKind::TagsDamaged
        );
        flip(&file, at, bit % 8);
        assert_eq!(segment.get(b"k").as_deref(), Some(b"v".as_slice()));
    }
    flip(&file, (name - 9) as u64, 0);
    assert_eq!(segment.repair().dropped_entries, 1);
    assert!(segment.verify().is_clean());
    segment.put_with(b"k", b"w", &options).expect("room");
    assert_eq!(segment.get(b"k").as_deref(), Some(b"w".as_slice()));
}
