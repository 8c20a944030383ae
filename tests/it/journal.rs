//! The journal between processes: each record is read once, in the order of its appender, whoever is killed.

use std::collections::HashMap;
use std::time::Duration;

use guira_segment::{JournalRead, Segment};

use crate::children::Child;
use crate::places::{SMALL_BYTES, file_in, in_memory};
use crate::watchdog::in_time;

/// Records that each process appends.
const EACH: u64 = 500_000;

fn read_all(segment: &Segment, mut each: impl FnMut(u64), is_enough: impl Fn() -> bool) {
    let journal = segment.journal().expect("it is of a cluster");
    let (mut next, mut entries) = (0, Vec::new());
    while !is_enough() || next < journal.tail() {
        entries.clear();
        match journal.read(next, 4_096, &mut entries) {
            JournalRead::UpTo(up_to) if up_to == next => {
                journal.wait_for_records(next, Duration::from_millis(100));
            }
            JournalRead::UpTo(up_to) => {
                next = up_to;
                journal.set_accepted(next);
            }
            JournalRead::Pending { at } => journal.close_hole(at),
            JournalRead::Overwritten { .. } => panic!("the writers wait for the reader"),
        }
        for record in entries.iter().filter_map(|entry| entry.record) {
            each(record.hash);
        }
    }
}

#[test]
fn two_processes_append_a_million_records_and_each_is_read_once() {
    let directory = in_memory();
    let path = file_in(&directory);
    let segment = Segment::builder()
        .size(SMALL_BYTES)
        .cluster("tests")
        .journal_records(1 << 15)
        .create(&path)
        .expect("a segment");
    let numbers: HashMap<u64, u64> = (0..2 * EACH)
        .map(|number| (segment.hash_of(&number.to_le_bytes()), number))
        .collect();
    assert_eq!(numbers.len() as u64, 2 * EACH, "no two keys of one hash");
    in_time("reading what two processes append", move || {
        let mut seen = vec![false; 2 * EACH as usize];
        let mut last = [None; 2];
        let count = std::cell::Cell::new(0);
        std::thread::scope(|scope| {
            for writer in 0..2 {
                let path = &path;
                scope.spawn(move || {
                    let mut child = Child::with_segment(path);
                    let command = format!("announce-many {} {EACH}", writer * EACH);
                    assert_eq!(child.ask(&command), "ok");
                });
            }
            let each = |hash: u64| {
                let number = *numbers.get(&hash).expect("one of theirs");
                let was_seen = std::mem::replace(&mut seen[number as usize], true);
                assert!(!was_seen, "{number} twice");
                let writer = (number / EACH) as usize;
                assert!(last[writer] < Some(number), "{number} behind {:?}", last[writer]);
                last[writer] = Some(number);
                count.set(count.get() + 1);
            };
            read_all(&segment, each, || count.get() == 2 * EACH);
        });
        assert!(seen.iter().all(|seen| *seen));
        drop(directory);
    });
}
