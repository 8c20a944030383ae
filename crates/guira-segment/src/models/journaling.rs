//! The journal, on a ring of one record: what is read of a ticket is what its appender wrote, and an
//! invalidation whose effects are seen has left its record, wherever it died.

use guira_shm::mutant::Mutant;
use guira_shm::sync::model::{explore, mortal};

use super::run::{catches, catches_at_some_change, holds, holds_at_each_change};
use super::world::{CLUSTERED, Said, World, read, thread};
use crate::Expiry;
use crate::journal::{JournalEntry, JournalRead, RecordKind};
use crate::layout::journal::Body;
use crate::segment::Segment;

/// A thread that appends a record whose every word says `number`; says which ticket it got.
fn appending(segment: &Segment, number: u64) -> Box<dyn FnOnce() -> Said + Send> {
    thread(segment, move |segment| {
        let appended = segment.shared.append(&Body {
            kind: RecordKind::Invalidate.code(),
            flags: 0,
            namespace: 0,
            hash: number << 48 | number,
            wall_ms: number,
            stamp: number,
        });
        segment.shared.finish_record(&appended);
        Some(appended.ticket().to_le_bytes().to_vec())
    })
}

/// A thread that reads from ticket 0 on and makes holes void without waiting; says which numbers it read at which
/// tickets.
fn draining(segment: &Segment) -> Box<dyn FnOnce() -> Said + Send> {
    thread(segment, |segment| {
        let journal = segment.journal().expect("it is of a cluster");
        let (mut entries, mut next) = (Vec::new(), 0);
        for _ in 0..3 {
            match journal.read(next, 2, &mut entries) {
                JournalRead::UpTo(up_to) => next = up_to,
                JournalRead::Pending { at } => segment.shared.void(at),
                JournalRead::Overwritten { missing_to, .. } => next = missing_to,
            }
        }
        Some(entries.iter().flat_map(told).flat_map(u64::to_le_bytes).collect())
    })
}

/// Ticket and number of an entry; of a void one 0.
fn told(entry: &JournalEntry) -> [u64; 2] {
    let number = entry.record.map_or(0, |record| {
        let words = [record.hash >> 48, record.hash & 0xffff, record.wall_ms];
        assert_eq!(words, [record.stamp; 3], "a record of two");
        record.stamp
    });
    [entry.ticket, number]
}

fn numbers(said: &Said) -> Vec<u64> {
    let bytes = said.as_deref().unwrap_or(&[]);
    bytes
        .chunks_exact(8)
        .filter_map(|bytes| bytes.first_chunk().map(|bytes| u64::from_le_bytes(*bytes)))
        .collect()
}

/// Whatever was read of a ticket is void, or what the appender that returned with this ticket wrote.
fn judge(tickets: &[(u64, u64)], entries: &[u64]) {
    for pair in entries.chunks_exact(2) {
        let &[ticket, number] = pair else { continue };
        let written = tickets.iter().find(|(own, _)| *own == ticket);
        match written {
            Some((_, by)) => assert_eq!(number, *by, "of ticket {ticket}"),
            None => assert_eq!(number, 0, "nobody returned with ticket {ticket}"),
        }
    }
}

/// The last record, when all is over, is that of its ticket's appender.
fn judge_last(segment: &Segment, tickets: &[(u64, u64)]) {
    let journal = segment.journal().expect("it is of a cluster");
    let last = journal.tail() - 1;
    let mut entries = Vec::new();
    let end = journal.read(last, 1, &mut entries);
    if tickets.iter().any(|(own, _)| *own == last) {
        assert_eq!(end, JournalRead::UpTo(last + 1), "the last record is lost");
    }
    let entries: Vec<u64> = entries.iter().flat_map(told).collect();
    judge(tickets, &entries);
}

fn two_appenders_and_a_drainer() {
    let segment = World::new(CLUSTERED).alone();
    let [one, two, read] = explore([appending(&segment, 1), appending(&segment, 2), draining(&segment)]);
    let ticket = |said: &Said| numbers(said).first().copied().expect("it returned");
    let tickets = [(ticket(&one), 1), (ticket(&two), 2)];
    judge(&tickets, &numbers(&read));
    judge_last(&segment, &tickets);
}

fn three_appenders() {
    let segment = World::new(CLUSTERED).alone();
    let said = explore([1, 2, 3].map(|number| appending(&segment, number)));
    let tickets: Vec<(u64, u64)> = said
        .iter()
        .zip(1..)
        .filter_map(|(said, number)| numbers(said).first().map(|ticket| (*ticket, number)))
        .collect();
    judge_last(&segment, &tickets);
}

/// One of two appenders dies at one of its changes; the drainer goes on.
fn an_appender_dies(changes: usize) {
    let segment = World::new(CLUSTERED).alone();
    let dying = appending(&segment, 1);
    let dying: Box<dyn FnOnce() -> Said + Send> = Box::new(move || mortal(changes, dying).flatten());
    let [dead, living, read] = explore([dying, appending(&segment, 2), draining(&segment)]);
    let tickets: Vec<(u64, u64)> = [(dead, 1), (living, 2)]
        .iter()
        .filter_map(|(said, number)| numbers(said).first().map(|ticket| (*ticket, *number)))
        .collect();
    // What the dead one committed may be read, although it did not return.
    let read: Vec<u64> = numbers(&read)
        .chunks_exact(2)
        .filter(|pair| tickets.len() == 2 || pair.last() != Some(&1))
        .flatten()
        .copied()
        .collect();
    judge(&tickets, &read);
    let journal = segment.journal().expect("it is of a cluster");
    for ticket in 0..journal.tail() {
        segment.shared.void(ticket);
    }
    let mut entries = Vec::new();
    let last = journal.tail() - 1;
    let end = journal.read(last, 1, &mut entries);
    assert_eq!(end, JournalRead::UpTo(last + 1), "a hole that does not close");
}

/// An invalidation dies at one of its changes, beside a reader: if the value was seen to be gone, the record is
/// there, and it tells what to finish.
fn an_invalidation_dies(changes: usize) {
    let segment = World::new(CLUSTERED).alone();
    segment.put(b"k", b"0", Expiry::never()).expect("room");
    let dying = thread(&segment, move |segment| {
        mortal(changes, || segment.invalidate(b"k"));
        None
    });
    let reader = thread(&segment, |segment| read(segment, b"k"));
    let [_, value] = explore([dying, reader]);
    let journal = segment.journal().expect("it is of a cluster");
    let mut entries = Vec::new();
    journal.read(0, 1, &mut entries);
    let record = entries.first().and_then(|entry| entry.record);
    if value.is_none() {
        assert!(record.is_some(), "readers have seen what nobody is told of");
    }
    if let Some(record) = record {
        segment.finish_own(&record);
        assert!(read(&segment, b"k").is_none());
    }
}

#[test]
fn what_is_read_of_a_ticket_is_its_appenders() {
    holds("journal-append", 2, two_appenders_and_a_drainer);
}

#[test]
fn of_three_appenders_the_last_record_stays() {
    holds("journal-three", 2, three_appenders);
}

#[test]
fn an_appender_that_dies_leaves_a_hole_that_closes() {
    holds_at_each_change("journal-death", 1, an_appender_dies);
}

#[test]
fn an_invalidation_that_is_seen_has_left_its_record() {
    holds_at_each_change("invalidation-death", 1, an_invalidation_dies);
}

#[test]
fn an_appender_that_stores_is_caught() {
    let mutant = Mutant::JournalByStores;
    catches("journal-append", mutant, 2, two_appenders_and_a_drainer);
}

#[test]
fn an_appender_that_compares_no_laps_is_caught() {
    let mutant = Mutant::JournalLapsUnchecked;
    catches("journal-append", mutant, 2, two_appenders_and_a_drainer);
}

#[test]
fn an_invalidation_that_stamps_before_its_record_is_caught() {
    let mutant = Mutant::StampBeforeRecord;
    catches_at_some_change("invalidation-death", mutant, 1, an_invalidation_dies);
}
