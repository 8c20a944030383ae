//! Files that outlive the machine's boot: kept after an orderly detach, made anew after a crash,
//! salvaged on request. A reboot is played by another boot id in the control page.

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use guira_segment::{Clock, Expiry, PutOptions, Segment, SegmentBuilder};
use tempfile::TempDir;

use crate::children::Child;
use crate::places::{SMALL_BYTES, file_in, in_memory, on_disk};
use crate::watchdog::in_time;

const STATE: u64 = 4096;
const BOOT_LOW: u64 = 4104;
const BOOT_HIGH: u64 = 4112;
const CLEAN: u64 = 2;

struct Disk {
    _directory: TempDir,
    path: PathBuf,
}

impl Disk {
    fn new() -> Option<Self> {
        let directory = on_disk()?;
        let path = file_in(&directory);
        Some(Self {
            _directory: directory,
            path,
        })
    }

    fn word(&self, at: u64) -> u64 {
        let mut bytes = [0; 8];
        let file = std::fs::File::open(&self.path).expect("readable");
        file.read_exact_at(&mut bytes, at).expect("a control page");
        u64::from_le_bytes(bytes)
    }

    /// What the machine's next boot finds.
    fn reboot(&self) {
        for at in [BOOT_LOW, BOOT_HIGH] {
            overwrite(&self.path, at, &(!self.word(at)).to_le_bytes());
        }
    }

    /// A child that is killed after it did as told, then a reboot.
    fn crash_after(&self, settings: &str, commands: &[&str]) {
        let mut child = Child::start();
        let create = format!("create {} size={SMALL_BYTES} {settings}", self.path.display());
        assert_eq!(child.ask(create.trim_end()), "ok");
        for command in commands {
            let answer = child.ask(command);
            assert!(!answer.starts_with("error"), "{command}: {answer}");
        }
        child.kill();
        assert_ne!(self.word(STATE), CLEAN);
        self.reboot();
    }
}

fn overwrite(path: &Path, at: u64, bytes: &[u8]) {
    let file = std::fs::File::options().write(true).open(path);
    file.expect("writable").write_all_at(bytes, at).expect("written");
}

fn small() -> SegmentBuilder {
    Segment::builder().size(SMALL_BYTES)
}

fn open(builder: &SegmentBuilder, path: &Path) -> Segment {
    let (builder, path) = (builder.clone(), path.to_path_buf());
    let opened = in_time("opening after a reboot", move || builder.open(path));
    opened.expect("it opens")
}

fn put_all(segment: &Segment, count: u32) {
    for n in 0..count {
        let value = n.to_le_bytes().repeat(20);
        segment
            .put(&n.to_le_bytes(), &value, Expiry::never())
            .expect("room");
    }
}

/// How many of the `count` values are there; a wrong one fails the test.
fn count_right(segment: &Segment, count: u32) -> u32 {
    let mut right = 0;
    for n in 0..count {
        if let Some(value) = segment.get(&n.to_le_bytes()) {
            assert_eq!(*value, *n.to_le_bytes().repeat(20), "key {n}");
            right += 1;
        }
    }
    right
}

fn assert_works(segment: &Segment) {
    assert!(segment.verify().is_clean(), "{:?}", segment.verify().faults);
    put_all(segment, 60_000);
    assert!(count_right(segment, 60_000) > 10_000);
    assert!(segment.verify().is_clean(), "{:?}", segment.verify().faults);
}

#[test]
fn a_cleanly_detached_file_is_whole_after_a_reboot() {
    let Some(disk) = Disk::new() else { return };
    let segment = small().create(&disk.path).expect("a segment");
    let users = segment.namespace("users").expect("a row");
    put_all(&segment, 5_000);
    let tagged = PutOptions::default().tags(&[b"t"]);
    users.put_with(b"u", b"v", &tagged).expect("room");
    drop(users);
    assert_ne!(disk.word(STATE), CLEAN, "a handle is open");
    drop(segment);
    assert_eq!(disk.word(STATE), CLEAN);
    disk.reboot();

    let segment = open(&small(), &disk.path);
    assert_ne!(disk.word(STATE), CLEAN, "in use again");
    assert_eq!(count_right(&segment, 5_000), 5_000);
    let users = segment.existing_namespace("users").expect("kept");
    assert_eq!(users.get(b"u").as_deref(), Some(b"v".as_slice()));
    segment.invalidate_tag(b"t");
    assert!(users.get(b"u").is_none());
    assert_works(&segment);
}

#[test]
fn only_the_last_process_to_leave_marks_the_file_clean() {
    let Some(disk) = Disk::new() else { return };
    let first = small().create(&disk.path).expect("a segment");
    let mut child = Child::with_segment(&disk.path);
    drop(first);
    assert_ne!(disk.word(STATE), CLEAN);
    assert_eq!(child.ask("put k v"), "Stored");
    assert_eq!(child.ask("close"), "closed");
    assert_eq!(disk.word(STATE), CLEAN);
    // A killed one leaves no mark; whoever comes after it and leaves in order does.
    let segment = open(&small(), &disk.path);
    let child = Child::with_segment(&disk.path);
    drop(segment);
    child.kill();
    assert_ne!(disk.word(STATE), CLEAN);
    drop(open(&small(), &disk.path));
    assert_eq!(
        disk.word(STATE),
        CLEAN,
        "the last one recovered and left in order"
    );
}

#[test]
fn a_daemon_that_closed_its_descriptors_keeps_the_file_from_being_marked_clean() {
    let Some(disk) = Disk::new() else { return };
    let segment = small().create(&disk.path).expect("a segment");
    let mut daemon = Child::with_segment(&disk.path);
    assert_eq!(daemon.ask("close-descriptors"), "ok");
    drop(segment);
    assert_ne!(disk.word(STATE), CLEAN, "the daemon works on");
    assert_eq!(daemon.ask("put k v"), "Stored");
    assert_eq!(daemon.ask("faults"), "[]", "nor does it take the file for cut");
    assert_eq!(daemon.ask("close"), "closed");
    assert_eq!(disk.word(STATE), CLEAN, "it was the last");
}

#[test]
fn a_file_in_use_at_a_crash_is_made_anew() {
    let Some(disk) = Disk::new() else { return };
    disk.crash_after("", &["put k v", "put-many 5000 100"]);
    let segment = open(&small(), &disk.path);
    assert!(segment.get(b"k").is_none());
    let stats = segment.stats();
    assert_eq!((stats.entries, stats.processes), (0, 1));
    assert_works(&segment);
}

#[test]
fn a_killed_process_on_a_running_machine_loses_nothing() {
    let Some(disk) = Disk::new() else { return };
    let mut child = Child::start();
    assert_eq!(
        child.ask(&format!("create {} size={SMALL_BYTES}", disk.path.display())),
        "ok"
    );
    assert_eq!(child.ask("put k v"), "Stored");
    child.kill();
    let segment = open(&small(), &disk.path);
    assert_eq!(segment.get(b"k").as_deref(), Some(b"v".as_slice()));
}

#[test]
fn a_crash_in_the_middle_of_making_anew_is_made_anew_again() {
    let Some(disk) = Disk::new() else { return };
    disk.crash_after("", &["put-many 5000 100"]);
    // Torn pages of the index and of the block words.
    overwrite(&disk.path, STATE, &3_u64.to_le_bytes());
    overwrite(&disk.path, 5 << 12, &[0xa5; 3 << 12]);
    let segment = open(&small(), &disk.path);
    assert_eq!(segment.stats().entries, 0);
    assert_works(&segment);
}

#[test]
fn checked_values_are_salvaged_on_request() {
    let Some(disk) = Disk::new() else { return };
    disk.crash_after(
        "checked",
        &["put k v", "put-many 3000 100", "remove k", "put l w"],
    );
    let segment = open(&small().salvage(true), &disk.path);
    assert_eq!(segment.get(b"l").as_deref(), Some(b"w".as_slice()));
    assert!(segment.get(b"k").is_none());
    let kept = (0..3_000_u64)
        .filter(|n| segment.get(&n.to_le_bytes()).as_deref() == Some(&[b'm'; 100]))
        .count();
    assert!(kept >= 2_990, "{kept} of 3000");
    assert_works(&segment);
}

#[test]
fn salvage_believes_no_damaged_entry() {
    let Some(disk) = Disk::new() else { return };
    disk.crash_after("checked", &["put-many 20000 100"]);
    // One flipped bit in each page of the log's first megabyte.
    let length = std::fs::metadata(&disk.path).expect("there").len();
    let mut flipped = 0;
    for at in (length - (7 << 20)..length - (6 << 20)).step_by(4096) {
        let file = std::fs::File::open(&disk.path).expect("readable");
        let mut byte = [0];
        file.read_exact_at(&mut byte, at).expect("a byte");
        overwrite(&disk.path, at, &[byte[0] ^ 0x10]);
        flipped += 1;
    }
    assert!(flipped > 200);
    let segment = open(&small().salvage(true), &disk.path);
    let mut kept = 0;
    for n in 0..20_000_u64 {
        if let Some(value) = segment.get(&n.to_le_bytes()) {
            assert_eq!(*value, [b'm'; 100], "key {n}");
            kept += 1;
        }
    }
    assert!((10_000..20_000).contains(&kept), "{kept} kept");
    assert_eq!(segment.stats().entries, kept);
    assert_works(&segment);
    // The blocks that were kept have been drained by now, and counted off no more than they counted.
    assert_eq!(segment.stats().entries, segment.all_entries().count() as u64);
}

#[test]
fn without_checks_there_is_nothing_to_salvage() {
    let Some(disk) = Disk::new() else { return };
    disk.crash_after("", &["put-many 3000 100"]);
    let segment = open(&small().salvage(true), &disk.path);
    assert_eq!(segment.stats().entries, 0);
    assert_works(&segment);
}

#[test]
fn deadlines_hold_across_a_reboot_by_the_wall_clock() {
    let Some(disk) = Disk::new() else { return };
    let at = |ms: u64| {
        let hand = Arc::new(AtomicU64::new(ms));
        (small().clock(Clock::manual(Arc::clone(&hand))), hand)
    };
    let (builder, _) = at(1_000_000);
    let segment = builder.create(&disk.path).expect("a segment");
    segment
        .put(b"k", b"v", Expiry::after(Duration::from_secs(60)))
        .expect("room");
    drop(segment);
    disk.reboot();
    // Off for 20 seconds, then 39.999 and 40 seconds of use.
    let (builder, hand) = at(1_020_000);
    let segment = open(&builder, &disk.path);
    assert_eq!(segment.ttl(b"k"), Some(Some(Duration::from_secs(40))));
    hand.fetch_add(39_999, Ordering::Relaxed);
    assert!(segment.get(b"k").is_some());
    hand.fetch_add(1, Ordering::Relaxed);
    assert!(segment.get(b"k").is_none());
    segment
        .put(b"k", b"v", Expiry::after(Duration::from_secs(60)))
        .expect("room");
    drop(segment);
    disk.reboot();
    // A wall clock that was set back makes nothing younger than it was.
    let (builder, hand) = at(5_000);
    let segment = open(&builder, &disk.path);
    assert_eq!(segment.ttl(b"k"), Some(Some(Duration::from_secs(60))));
    hand.fetch_add(60_000, Ordering::Relaxed);
    assert!(segment.get(b"k").is_none());
}

#[test]
fn a_salvaged_entry_does_not_outlive_its_lifetime_by_the_machines_uptime() {
    let Some(disk) = Disk::new() else { return };
    // Up for a year when it crashed.
    let year_ms: u64 = 31_556_952_000;
    disk.crash_after(&format!("checked clock={year_ms}"), &["put-for k v 5000"]);
    // Ten seconds after the next boot.
    let hand = Arc::new(AtomicU64::new(10_000));
    let builder = small().salvage(true).clock(Clock::manual(Arc::clone(&hand)));
    let segment = open(&builder, &disk.path);
    if let Some(ttl) = segment.ttl(b"k") {
        assert!(
            ttl.is_some_and(|ttl| ttl <= Duration::from_secs(6)),
            "{ttl:?} left"
        );
    }
    hand.fetch_add(6_000, Ordering::Relaxed);
    assert!(segment.get(b"k").is_none());
    segment
        .put(b"n", b"v", Expiry::after(Duration::from_secs(1)))
        .expect("room");
    hand.fetch_add(1_000, Ordering::Relaxed);
    assert!(segment.get(b"n").is_none());
}

#[test]
fn a_file_in_use_by_a_process_without_proc_is_not_taken_for_one_of_another_boot() {
    let Some(disk) = Disk::new() else { return };
    // Such a process cannot tell which boot this is.
    let Some(mut blind) = Child::in_namespaces(&["-m"], "umount -l /proc") else {
        return;
    };
    let create = format!("create {} size={SMALL_BYTES}", disk.path.display());
    assert_eq!(blind.ask(&create), "ok");
    assert_eq!(blind.ask("put k v"), "Stored");
    let segment = open(&small(), &disk.path);
    assert_eq!(segment.get(b"k").as_deref(), Some(b"v".as_slice()));
    assert_eq!(blind.ask("get k"), "hit v");
    assert_eq!(blind.ask("put l w"), "Stored");
    assert_eq!(segment.get(b"l").as_deref(), Some(b"w".as_slice()));
    assert!(segment.verify().is_clean());
}

#[test]
fn many_openers_after_a_crash_make_it_anew_once() {
    let Some(disk) = Disk::new() else { return };
    disk.crash_after("", &["put-many 5000 100"]);
    let mut children: Vec<Child> = (0..6).map(|_| Child::start()).collect();
    let open = format!("open {}", disk.path.display());
    for (n, child) in children.iter_mut().enumerate() {
        child.tell(&open);
        child.tell(&format!("put k{n} v"));
    }
    for child in &mut children {
        assert_eq!(child.answer_to(&open), "ok");
        assert_eq!(child.answer_to("put"), "Stored");
    }
    for child in &mut children {
        for n in 0..6 {
            assert_eq!(
                child.ask(&format!("get k{n}")),
                "hit v",
                "a second format wiped it"
            );
        }
    }
    assert_eq!(children[0].ask("faults"), "[]");
}

#[test]
fn faulting_everything_in_and_huge_pages_change_no_result() {
    for directory in [Some(in_memory()), on_disk()].into_iter().flatten() {
        let path = file_in(&directory);
        let eager = small().populate(true).huge_pages(true);
        let segment = eager.create(&path).expect("a segment");
        put_all(&segment, 5_000);
        let again = open(&eager, &path);
        assert_eq!(count_right(&again, 5_000), 5_000);
        let plain = open(&small(), &path);
        assert_eq!(count_right(&plain, 5_000), 5_000);
        drop((segment, plain));
        assert_works(&again);
    }
}
