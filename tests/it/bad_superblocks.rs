//! Superblocks of other versions and machines, and superblocks that lie: checked before anything is
//! mapped, refused by name, and never a crash.

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use guira_segment::{OpenError, Segment};
use tempfile::TempDir;
use xxhash_rust::xxh3::xxh3_64;

use crate::children::Child;
use crate::places::{SMALL_BYTES, file_in, in_memory};

const SUPERBLOCK_BYTES: usize = 512;
const MAGIC: usize = 0;
const VERSION: usize = 8;
const ENDIAN: usize = 16;
const INCOMPATIBLE: usize = 24;
const COMPATIBLE: usize = 32;
/// The file's size, then the counts that determine the layout.
const COUNTS: std::ops::RangeInclusive<usize> = 64..=200;
const ARENA_OFFSET: usize = 224;
const CHECKSUM: usize = 504;

/// A segment whose superblock the test rewrites.
struct Forgery {
    _directory: TempDir,
    path: PathBuf,
    original: [u8; SUPERBLOCK_BYTES],
}

impl Forgery {
    fn new() -> Self {
        let directory = in_memory();
        let path = file_in(&directory);
        let segment = Segment::builder().size(SMALL_BYTES).create(&path);
        drop(segment.expect("a segment"));
        let mut original = [0; SUPERBLOCK_BYTES];
        let file = std::fs::File::open(&path).expect("readable");
        file.read_exact_at(&mut original, 0).expect("a superblock");
        Self {
            _directory: directory,
            path,
            original,
        }
    }

    fn word(&self, at: usize) -> u64 {
        u64::from_le_bytes(self.original[at..at + 8].try_into().expect("8 bytes"))
    }

    /// The original but for one word; the checksum fits if asked for.
    fn write(&self, at: usize, value: u64, with_checksum: bool) {
        let mut bytes = self.original;
        bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
        if with_checksum {
            let checksum = xxh3_64(&bytes[..CHECKSUM]);
            bytes[CHECKSUM..].copy_from_slice(&checksum.to_le_bytes());
        }
        let file = std::fs::File::options().write(true).open(&self.path);
        file.expect("writable").write_all_at(&bytes, 0).expect("written");
    }

    fn refused(&self) -> OpenError {
        let error = Segment::builder().open(&self.path).expect_err("a bad superblock");
        let message = error.to_string();
        assert!(
            message.contains(&self.path.display().to_string()),
            "which file? {message}"
        );
        let is_advice = |word| message.contains(word);
        assert!(
            ["create", "remove", "newer library"].into_iter().any(is_advice),
            "what to do next? {message}"
        );
        error
    }
}

#[test]
fn another_major_version_is_refused_and_another_minor_version_is_read() {
    let forgery = Forgery::new();
    for (found, advice) in [
        (1_u64, "remove it"),
        (3, "newer library"),
        (u64::from(u32::MAX), "newer library"),
    ] {
        forgery.write(VERSION, found | 7 << 32, true);
        let error = forgery.refused();
        assert!(
            matches!(error, OpenError::Version { major, minor: 7, supported: 2, .. } if u64::from(major) == found),
            "{error}"
        );
        assert!(error.to_string().contains(advice), "{error}");
    }
    forgery.write(VERSION, 2 | 9 << 32, true);
    assert!(Segment::builder().open(&forgery.path).is_ok());
}

#[test]
fn the_other_byte_order_is_named() {
    let forgery = Forgery::new();
    for at in [MAGIC, ENDIAN] {
        forgery.write(at, forgery.word(at).swap_bytes(), true);
        assert!(matches!(forgery.refused(), OpenError::WrongEndian { .. }));
    }
}

#[test]
fn unknown_features_are_refused_if_a_reader_must_know_them() {
    let forgery = Forgery::new();
    forgery.write(INCOMPATIBLE, 1 << 40, true);
    assert!(matches!(forgery.refused(), OpenError::Features { unknown, .. } if unknown == 1 << 40));
    forgery.write(COMPATIBLE, 1 << 40, true);
    assert!(Segment::builder().open(&forgery.path).is_ok());
}

#[test]
fn every_flipped_bit_of_the_superblock_is_noticed() {
    let forgery = Forgery::new();
    for bit in 0..SUPERBLOCK_BYTES * 8 {
        let at = bit / 64 * 8;
        let flipped = forgery.word(at) ^ 1 << (bit % 64);
        forgery.write(at, flipped, false);
        let opened = Segment::builder().open(&forgery.path);
        assert!(opened.is_err(), "bit {bit} was not noticed");
    }
    forgery.write(MAGIC, forgery.word(MAGIC), false);
    assert!(Segment::builder().open(&forgery.path).is_ok());
}

#[test]
fn a_superblock_that_lies_with_a_fitting_checksum_crashes_nobody() {
    let forgery = Forgery::new();
    // In a child, where a fault would end the child and not the tests.
    let mut child = Child::start();
    let mut refusals = 0;
    for at in COUNTS.step_by(8).chain([ARENA_OFFSET]) {
        let honest = forgery.word(at);
        for lie in [
            0,
            1,
            honest - 1,
            honest + 1,
            honest * 2,
            honest / 2,
            1 << 32,
            1 << 62,
            u64::MAX,
        ] {
            if lie == honest {
                continue;
            }
            forgery.write(at, lie, true);
            let answer = try_to_use(&mut child, &forgery.path);
            refusals += usize::from(answer.starts_with("error "));
            assert!(
                answer == "closed" || answer.contains(&forgery.path.display().to_string()),
                "{answer}"
            );
        }
    }
    assert!(refusals > 100, "only {refusals} lies were refused");
}

/// Opens, and if that succeeds uses, a segment whose counts are wrong but plausible.
fn try_to_use(child: &mut Child, path: &Path) -> String {
    let opened = child.ask(&format!("open {}", path.display()));
    if opened != "ok" {
        return opened;
    }
    for command in ["get k", "put k v", "get k", "remove k"] {
        child.ask(command);
    }
    child.ask("close")
}
