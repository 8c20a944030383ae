//! The journal: what is appended, what is read, what is missing, who is woken.

use std::thread;
use std::time::Duration;

use super::*;
use crate::layout::control::CONTROL_ACCEPTED;
use crate::layout::journal::{Body, lap_of};

const LONG: Duration = Duration::from_secs(60);

fn segment(records: u64) -> Segment {
    Segment::builder()
        .size(8 << 20)
        .cluster("shop")
        .journal_records(records)
        .private()
        .expect("it is small")
}

fn body(hash: u64) -> Body {
    Body {
        kind: RecordKind::Invalidate.code(),
        flags: 0,
        namespace: 0,
        hash,
        wall_ms: 1,
        stamp: 2,
    }
}

/// Takes a ticket, as an appender that is stopped behind it.
fn take_ticket(shared: &Shared) -> u64 {
    shared.word(CONTROL_JOURNAL_TAIL).fetch_add(1, Ordering::SeqCst)
}

fn read(journal: &Journal<'_>, from: u64) -> (Vec<JournalEntry>, JournalRead) {
    let mut entries = Vec::new();
    let end = journal.read(from, usize::MAX, &mut entries);
    (entries, end)
}

#[test]
fn every_kind_of_invalidation_leaves_its_record_and_a_put_leaves_none() {
    let segment = segment(64);
    let users = segment.namespace("users").expect("a row");
    let journal = users.journal().expect("it is of a cluster");
    users
        .put(b"key", b"value", crate::Expiry::never())
        .expect("there is room");
    assert!(users.remove(b"key"));
    assert_eq!(journal.tail(), 0);
    users.invalidate(b"key");
    users.expire(b"key");
    users.invalidate_tag(b"tag");
    users.clear();
    users.clear_all();
    assert_eq!(journal.announce_put(b"key", 9), 5);
    let (entries, end) = read(&journal, 0);
    assert_eq!(end, JournalRead::UpTo(6));
    assert!(entries.iter().all(|entry| entry.is_finished));
    let records: Vec<Record> = entries
        .iter()
        .map(|entry| entry.record.expect("no void"))
        .collect();
    let kinds: Vec<RecordKind> = records.iter().map(|record| record.kind).collect();
    let expected = [
        RecordKind::Invalidate,
        RecordKind::Expire,
        RecordKind::Tag,
        RecordKind::Namespace,
        RecordKind::Clear,
        RecordKind::Put,
    ];
    assert_eq!(kinds, expected);
    let name = segment.shared.namespace_hash(users.namespace);
    let namespaces: Vec<u64> = records.iter().map(|record| record.namespace_hash).collect();
    let group = u64::from(crate::groups::number_of_group(&crate::groups::group_of(b"tag")));
    assert_eq!(namespaces, [name, name, group, name, 0, name]);
    let hash = users.hash_of(b"key");
    let hashes: Vec<u64> = records.iter().map(|record| record.hash).collect();
    let tag = crate::tags::hash_tag(segment.shared.superblock.hash_seed, b"tag");
    assert_eq!(hashes, [hash, hash, tag, 0, 0, hash]);
    assert_eq!(records.last().map(|record| record.flags), Some(9));
    assert!(records.iter().all(|record| record.wall_ms > 1_577_836_800_000));
    let stamps: Vec<u64> = records.iter().map(|record| record.stamp).collect();
    assert_eq!(stamps, [2, 3, 3, 4, 5, 6], "what the clock was advanced to");
}

#[test]
fn a_segment_of_no_cluster_has_no_journal() {
    let segment = Segment::builder().size(8 << 20).private().expect("it is small");
    assert!(segment.journal().is_none());
    segment.invalidate(b"key");
    assert_eq!(segment.shared.journal_tail(), 0);
}

#[test]
fn a_key_has_one_hash_in_all_segments_of_a_cluster() {
    let (one, other) = (segment(64), segment(64));
    // In another order, so in other rows.
    other.namespace("first").expect("a row");
    let [of_one, of_other] = [&one, &other].map(|it| it.namespace("users").expect("a row"));
    assert_ne!(of_one.namespace, of_other.namespace);
    assert_eq!(of_one.hash_of(b"key"), of_other.hash_of(b"key"));
    assert_eq!(one.hash_of(b"key"), other.hash_of(b"key"));
    assert_ne!(one.hash_of(b"key"), of_one.hash_of(b"key"));
}

#[test]
fn what_was_overwritten_is_reported_with_its_numbers() {
    let segment = segment(8);
    let journal = segment.journal().expect("it is of a cluster");
    for hash in 0..20 {
        assert!(segment.shared.write_next(hash));
    }
    assert_eq!((journal.oldest(), journal.tail()), (12, 20));
    for from in [0, 3, 4, 11] {
        let (entries, end) = read(&journal, from);
        assert!(entries.is_empty());
        let expected = JournalRead::Overwritten {
            missing_from: from,
            missing_to: 12,
        };
        assert_eq!(end, expected);
    }
    let (entries, end) = read(&journal, 12);
    assert_eq!(end, JournalRead::UpTo(20));
    let hashes: Vec<u64> = entries
        .iter()
        .filter_map(|entry| entry.record.map(|it| it.hash))
        .collect();
    assert_eq!(hashes, (12..20).collect::<Vec<u64>>());
    assert_eq!(read(&journal, 20).1, JournalRead::UpTo(20));
}

impl Shared {
    /// Writes one record as an appender that nobody disturbs.
    fn write_next(&self, hash: u64) -> bool {
        let ticket = take_ticket(self);
        let lap = lap_of(ticket, self.geometry.counts.journal_records);
        self.write_record(ticket, body(hash).encode(lap))
    }
}

#[test]
fn an_appender_that_was_stopped_is_voided_and_takes_a_new_ticket() {
    let segment = segment(8);
    let (shared, journal) = (&*segment.shared, segment.journal().expect("it is of a cluster"));
    let stopped = take_ticket(shared);
    assert!(shared.write_next(7));
    assert_eq!(read(&journal, 0), (Vec::new(), JournalRead::Pending { at: 0 }));
    journal.close_hole(0);
    let (entries, end) = read(&journal, 0);
    assert_eq!(end, JournalRead::UpTo(2));
    assert_eq!(
        entries.first().map(|entry| (entry.ticket, entry.record)),
        Some((0, None))
    );
    // It goes on: what it would have written is refused, and `append` takes the next ticket.
    assert!(!shared.write_record(stopped, body(9).encode(lap_of(stopped, 8))));
    shared.finish_record(&shared.append(&body(9)));
    let (entries, _) = read(&journal, 2);
    assert_eq!(
        entries.first().and_then(|entry| entry.record).map(|it| it.hash),
        Some(9)
    );
}

#[test]
fn an_appender_that_was_stopped_for_a_lap_harms_no_record_of_another() {
    let segment = segment(4);
    let (shared, journal) = (&*segment.shared, segment.journal().expect("it is of a cluster"));
    let stopped = take_ticket(shared);
    for hash in 1..5 {
        assert!(shared.write_next(hash));
    }
    assert!(!shared.write_record(stopped, body(99).encode(lap_of(stopped, 4))));
    let (entries, end) = read(&journal, 1);
    assert_eq!(end, JournalRead::UpTo(5));
    assert!(
        entries
            .iter()
            .all(|entry| entry.record.map(|it| it.hash) == Some(entry.ticket))
    );
}

#[test]
fn every_record_of_many_threads_is_read_once() {
    const EACH: u64 = if cfg!(miri) { 50 } else { 20_000 };
    let segment = segment(1024);
    let journal = segment.journal().expect("it is of a cluster");
    let mut seen = vec![0_u8; 3 * EACH as usize];
    thread::scope(|scope| {
        for writer in 0..3 {
            let shared = &*segment.shared;
            scope.spawn(move || {
                for number in 0..EACH {
                    shared.finish_record(&shared.append(&body(writer * EACH + number)));
                    // As the agent accepts them: the ring is not overrun.
                    while shared
                        .journal_tail()
                        .saturating_sub(shared.word(CONTROL_ACCEPTED).load(Ordering::Relaxed))
                        > 900
                    {
                        thread::yield_now();
                    }
                }
            });
        }
        let (mut next, mut records, mut entries) = (0, 0, Vec::new());
        while records < 3 * EACH {
            entries.clear();
            match journal.read(next, 256, &mut entries) {
                JournalRead::UpTo(up_to) if up_to == next => {
                    journal.wait_for_records(next, LONG);
                }
                JournalRead::UpTo(up_to) => {
                    next = up_to;
                    journal.set_accepted(next);
                }
                JournalRead::Pending { at } => journal.close_hole(at),
                JournalRead::Overwritten { .. } => panic!("the writers wait"),
            }
            for record in entries.iter().filter_map(|entry| entry.record) {
                *seen.get_mut(record.hash as usize).expect("one of theirs") += 1;
                records += 1;
            }
        }
    });
    assert!(seen.iter().all(|times| *times == 1));
}

#[test]
fn a_reader_that_sleeps_is_woken_by_an_invalidation() {
    let segment = segment(64);
    let journal = segment.journal().expect("it is of a cluster");
    assert!(
        !journal.wait_for_records(0, Duration::from_millis(1)),
        "nothing comes"
    );
    thread::scope(|scope| {
        let reader = scope.spawn(|| while !journal.wait_for_records(0, LONG) {});
        segment.invalidate(b"key");
        reader.join().expect("it was woken");
    });
}

#[test]
fn heads_only_grow_and_wake_who_waits() {
    let segment = segment(64);
    let journal = segment.journal().expect("it is of a cluster");
    assert!(!journal.wait_accepted(0, Duration::from_millis(1)));
    thread::scope(|scope| {
        let accepted = scope.spawn(|| journal.wait_accepted(4, LONG));
        let settled = scope.spawn(|| journal.wait_settled(0, LONG));
        journal.set_accepted(4);
        journal.set_accepted(5);
        journal.set_accepted(3);
        journal.set_settled(1);
        assert!(accepted.join().expect("it was woken"));
        assert!(settled.join().expect("it was woken"));
    });
    assert_eq!((journal.accepted(), journal.settled()), (5, 1));
    assert!(!journal.wait_accepted(5, Duration::ZERO));
}

#[test]
fn the_origin_is_one_for_all_who_open_the_file_another_for_its_copy_and_renewed_once() {
    let directory = tempfile::tempdir_in("/dev/shm").expect("there is room");
    let [path, copy] = ["one", "two"].map(|name| directory.path().join(name));
    let builder = Segment::builder().size(8 << 20).cluster("shop");
    let segment = builder.create(&path).expect("there is room");
    let opened = builder.open(&path).expect("it is there");
    std::fs::copy(&path, &copy).expect("there is room");
    let copied = builder.open(&copy).expect("it is there");
    let origin = |segment: &Segment| segment.journal().expect("it is of a cluster").origin();
    let before = origin(&segment);
    assert_eq!(origin(&opened), before);
    assert_ne!(origin(&copied), before);
    let journal = segment.journal().expect("it is of a cluster");
    let renewed = journal.renew_origin(before);
    assert_ne!(renewed, before);
    assert_eq!(journal.renew_origin(before), renewed, "somebody else did");
    assert_eq!(origin(&opened), renewed);
}
