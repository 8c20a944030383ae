//! What an agent does to its segment, and what it is told by it.

use std::sync::Arc;
use std::sync::atomic::AtomicU64; // process-private
use std::time::Duration;

use guira_shm::sync::Ordering;

use super::*;
use crate::attach::Liveness;
use crate::computing::Fill;
use crate::expiry::Expiry;
use crate::journal::{Record, RecordKind};
use crate::layout::coherence::{LEASE_BYTES, LEASE_STATE};
use crate::layout::control::CONTROL_LIFE;
use crate::options::PutOptions;
use crate::segment::Segment;
use crate::{Clock, JournalEntry};

const SECOND: Duration = Duration::from_secs(1);

fn segment() -> Segment {
    clocked().0
}

/// A segment, and the milliseconds its clock shows.
fn clocked() -> (Segment, Arc<AtomicU64>) {
    let ms = Arc::new(AtomicU64::new(50_000));
    let builder = Segment::builder()
        .size(8 << 20)
        .cluster("shop")
        .clock(Clock::manual(Arc::clone(&ms)));
    (builder.private().expect("it is small"), ms)
}

fn last_entry(segment: &Segment) -> JournalEntry {
    let journal = segment.journal().expect("it is of a cluster");
    let mut entries = Vec::new();
    journal.read(journal.tail() - 1, 1, &mut entries);
    *entries.first().expect("something was appended")
}

/// The record that an act leaves on another host.
fn told(act: impl FnOnce(&Segment, &Segment)) -> Record {
    let other = segment();
    let users = other.namespace("users").expect("a row");
    act(&other, &users);
    last_entry(&other).record.expect("no void")
}

fn put(segment: &Segment, key: &[u8]) {
    segment
        .put(key, b"value", Expiry::never())
        .expect("there is room");
}

#[test]
fn what_another_host_invalidated_is_gone_and_nothing_else() {
    let segment = segment();
    segment.namespace("first").expect("another row than there");
    let users = segment.namespace("users").expect("a row");
    for handle in [&segment, &users] {
        put(handle, b"key");
        put(handle, b"other");
    }
    let record = told(|_, users| assert!(!users.invalidate(b"key")));
    assert_eq!(segment.apply(&record), Applied::Present);
    assert!(users.get(b"key").is_none());
    assert!(segment.contains(b"key") && users.contains(b"other"));
    assert_eq!(segment.apply(&record), Applied::Absent, "as often as one likes");
    put(&users, b"key");
    let record = told(|_, users| {
        let journal = users.journal().expect("it is of a cluster");
        assert_eq!(journal.announce_put(b"key", 0), 0);
    });
    assert_eq!(segment.apply(&record), Applied::Present);
    assert!(!users.contains(b"key"));
    let record = told(|_, users| users.clear());
    assert_eq!(segment.apply(&record), Applied::Raised);
    assert!(!users.contains(b"other") && segment.contains(b"other"));
    assert_eq!(
        segment.apply(&told(|other, _| other.clear_all())),
        Applied::Raised
    );
    assert!(!segment.contains(b"other"));
}

#[test]
fn a_namespace_that_this_host_has_not_is_no_matter() {
    let segment = segment();
    put(&segment, b"key");
    let record = told(|_, users| assert!(!users.invalidate(b"key")));
    assert_eq!(segment.apply(&record), Applied::UnknownNamespace);
    let record = told(|_, users| users.clear());
    assert_eq!(segment.apply(&record), Applied::UnknownNamespace);
    assert!(segment.contains(b"key"));
}

#[test]
fn what_another_host_expired_is_stale_here() {
    let segment = segment();
    put(&segment, b"key");
    let record = told(|other, _| {
        put(other, b"key");
        other.expire(b"key");
    });
    assert_eq!(segment.apply(&record), Applied::Present);
    assert!(segment.get(b"key").expect("its value stays").is_stale());
}

#[test]
fn a_tag_of_another_host_reaches_its_name_and_its_group() {
    let segment = segment();
    let names: Vec<String> = (0..40).map(|name| format!("name:{name}")).collect();
    let names: Vec<&[u8]> = names.iter().map(String::as_bytes).collect();
    let folded = crate::fold_tags(&names);
    let folded: Vec<&[u8]> = folded.iter().map(Vec::as_slice).collect();
    for (key, tags) in [(&b"one"[..], &[&b"name:39"[..]][..]), (b"folded", &folded)] {
        let options = PutOptions::default().tags(tags);
        segment.put_with(key, b"value", &options).expect("there is room");
    }
    put(&segment, b"none");
    let record = told(|other, _| other.invalidate_tag(b"name:39"));
    assert_eq!(segment.apply(&record), Applied::Raised);
    assert!(!segment.contains(b"one") && !segment.contains(b"folded") && segment.contains(b"none"));
}

#[test]
fn a_fill_that_is_under_way_while_a_record_is_applied_is_refused() {
    let segment = segment();
    let token = segment.fill_token(b"key");
    let record = told(|other, _| assert!(!other.invalidate(b"key")));
    assert_eq!(segment.apply(&record), Applied::Absent);
    let filled = segment.fill(b"key", b"old", &token, &PutOptions::default());
    assert_eq!(filled, Ok(Fill::Superseded));
    let token = segment.fill_token(b"key");
    let filled = segment.fill(b"key", b"new", &token, &PutOptions::default());
    assert_eq!(filled, Ok(Fill::Stored));
}

/// An invalidation that dies behind its record.
fn invalidate_and_die(segment: &Segment, key: &[u8]) -> Record {
    let shared = &segment.shared;
    let hash = segment.hash_of(key);
    let (_, announced) = shared.announce(RecordKind::Invalidate, segment.namespace, hash, 0);
    assert!(announced.is_some());
    let entry = last_entry(segment);
    assert!(!entry.is_finished);
    entry.record.expect("it was committed")
}

#[test]
fn an_invalidation_that_died_behind_its_record_is_finished_and_what_came_after_it_stays() {
    let segment = segment();
    put(&segment, b"key");
    let token = segment.fill_token(b"key");
    let record = invalidate_and_die(&segment, b"key");
    assert!(segment.contains(b"key"));
    assert_eq!(segment.finish_own(&record), Applied::Present);
    assert!(!segment.contains(b"key"));
    let filled = segment.fill(b"key", b"old", &token, &PutOptions::default());
    assert_eq!(
        filled,
        Ok(Fill::Superseded),
        "its token is older than the invalidation"
    );
    put(&segment, b"key");
    assert_eq!(segment.finish_own(&record), Applied::Absent);
    assert!(segment.contains(b"key"), "put after the invalidation");
    // Replaced in between: the newer value is at the end of a forward.
    let record = invalidate_and_die(&segment, b"key");
    put(&segment, b"key");
    assert_eq!(segment.finish_own(&record), Applied::Absent);
    assert!(segment.contains(b"key"));
    assert!(segment.verify().is_clean());
}

#[test]
fn every_other_kind_of_own_record_can_be_finished_too() {
    let segment = segment();
    let options = PutOptions::default().tags(&[b"tag"]);
    for act in [
        (|it: &Segment| it.clear()) as fn(&Segment),
        |it| it.clear_all(),
        |it| it.invalidate_tag(b"tag"),
    ] {
        act(&segment);
        let record = last_entry(&segment).record.expect("no void");
        segment
            .put_with(b"key", b"value", &options)
            .expect("there is room");
        assert_eq!(segment.finish_own(&record), Applied::Raised);
        assert!(segment.contains(b"key"), "born after {record:?}");
    }
}

#[test]
fn a_raised_floor_reaches_the_namespaces_of_its_topics() {
    let segment = segment();
    let users = segment.namespace("users").expect("a row");
    let journal = segment.journal().expect("it is of a cluster");
    for handle in [&segment, &users] {
        put(handle, b"key");
    }
    let of_users = 1 << (1 + users.namespace_hash() % 63);
    assert_eq!(segment.topics_wanted(), 1 | 2 | of_users);
    segment.raise_floor(of_users);
    assert!(!users.contains(b"key") && segment.contains(b"key"));
    segment.raise_floor(1);
    assert!(!segment.contains(b"key"));
    assert_eq!(journal.tail(), 0, "other hosts are not told");
}

#[test]
fn trust_ends_by_the_clock_and_is_given_by_topic() {
    let (segment, ms) = clocked();
    let users = segment.namespace("users").expect("a row");
    assert_eq!(segment.trust(), Trust::Suspect);
    segment.set_topics_trusted(1 | 2);
    segment.extend_trust(51_000);
    segment.extend_trust(50_500);
    let trusted = Trust::Trusted { until_ms: 51_000 };
    assert_eq!((segment.trust(), users.trust()), (trusted, Trust::Suspect));
    segment.set_topics_trusted(segment.topics_wanted());
    assert_eq!(users.trust(), trusted);
    ms.store(50_999, Ordering::Relaxed);
    assert_eq!(users.trust(), trusted);
    ms.store(51_000, Ordering::Relaxed);
    assert_eq!(
        (users.trust(), users.trusted_until_ms()),
        (Trust::Suspect, 51_000)
    );
    assert_eq!(users.trust_at(50_000), trusted);
    let alone = Segment::builder().size(8 << 20).private().expect("it is small");
    alone.extend_trust(u64::MAX);
    assert_eq!(alone.trust(), Trust::NotCoherent);
}

#[test]
fn what_another_boot_trusted_is_not_trusted() {
    let (segment, _) = clocked();
    segment.set_topics_trusted(segment.topics_wanted());
    segment.extend_trust(900_000);
    segment.shared.word(CONTROL_LIFE).fetch_add(1, Ordering::Relaxed);
    assert_eq!((segment.trust(), segment.trusted_until_ms()), (Trust::Suspect, 0));
    segment.extend_trust(60_000);
    assert_eq!(segment.trust(), Trust::Suspect, "no topic yet");
    segment.set_topics_trusted(segment.topics_wanted());
    assert_eq!(segment.trust(), Trust::Trusted { until_ms: 60_000 });
}

#[test]
fn the_agents_role_passes_on_when_it_is_dropped_and_when_its_holder_makes_no_progress() {
    let (segment, ms) = clocked();
    let take = || segment.try_take_agent_role(SECOND);
    assert!(!segment.has_agent(SECOND));
    let first = take().expect("nobody has it");
    assert!(take().is_none() && first.is_mine() && segment.has_agent(SECOND));
    ms.fetch_add(2_000, Ordering::Relaxed);
    assert!(take().is_none() && first.progress());
    ms.fetch_add(2_001, Ordering::Relaxed);
    assert!(!segment.has_agent(SECOND));
    let second = take().expect("the first was stopped");
    assert!(!first.is_mine() && !first.progress() && second.epoch() == first.epoch() + 1);
    drop(first);
    assert!(second.progress(), "who lost the role does not give it back");
    drop(second);
    assert!(take().is_some());
    let alone = Segment::builder().size(8 << 20).private().expect("it is small");
    assert!(alone.try_take_agent_role(SECOND).is_none());
}

#[test]
fn the_agents_role_passes_on_when_its_holder_dies() {
    let directory = tempfile::tempdir_in("/dev/shm").expect("there is room");
    let builder = Segment::builder().size(8 << 20).cluster("shop");
    let segment = builder.create(directory.path().join("s")).expect("there is room");
    let other = builder.open(directory.path().join("s")).expect("it is there");
    let role = other.try_take_agent_role(SECOND).expect("nobody has it");
    let record = other.shared.attach().expect("it is attached").record;
    assert!(segment.try_take_agent_role(SECOND).is_none());
    std::mem::forget(role);
    // The role keeps its segment; the kernel lets go of the lock as at a death.
    other.shared.detach();
    let own = segment.shared.attach().expect("it is attached");
    let owner = segment.shared.record_owner(record);
    assert_ne!(
        segment.shared.liveness(&own, record, owner, true),
        Liveness::Alive
    );
    assert!(segment.try_take_agent_role(SECOND).is_some());
}

#[test]
fn a_note_that_was_torn_leaves_the_one_before_it() {
    let segment = segment();
    assert_eq!(segment.broker_note(3), None);
    for turn in 1..4 {
        assert!(segment.note_broker(3, &[turn; NOTE_WORDS]));
        assert_eq!(segment.broker_note(3), Some([turn; NOTE_WORDS]));
    }
    // Of two copies the third note lies in the first.
    let offset = segment.shared.geometry.brokers + 3 * crate::layout::coherence::BROKER_BYTES;
    segment.shared.word(offset + 16).store(9, Ordering::Relaxed);
    assert_eq!(segment.broker_note(3), Some([2; NOTE_WORDS]));
    assert!(segment.note_broker(3, &[4; NOTE_WORDS]));
    assert_eq!(segment.broker_note(3), Some([4; NOTE_WORDS]));
    assert_eq!((segment.broker_note(2), segment.broker_note(16)), (None, None));
    segment.count_coherence(255, 5);
    segment.count_coherence(256, 5);
    assert_eq!(
        (segment.coherence_count(255), segment.coherence_count(256)),
        (5, 0)
    );
}

#[test]
fn an_entry_is_given_by_its_hash_with_its_key() {
    let segment = segment();
    let users = segment.namespace("users").expect("a row");
    put(&users, b"key");
    let (name, hash) = (users.namespace_hash(), users.hash_of(b"key"));
    let entry = segment.get_by_hash(name, hash, 5).expect("it is there");
    assert_eq!((&entry.key[..], &entry.value[..]), (&b"key"[..], &b"value"[..]));
    let begun = segment.next_invalidation_clock();
    assert!(entry.born_at_clock < begun, "put before the clock moved on");
    put(&users, b"key");
    let entry = segment.get_by_hash(name, hash, 5).expect("it is there");
    assert!(entry.born_at_clock >= begun);
    assert!(segment.get_by_hash(name, hash, 4).is_none(), "too long");
    assert!(segment.get_by_hash(0, hash, 5).is_none(), "another namespace");
    users.clear();
    assert!(segment.get_by_hash(name, hash, 5).is_none());
}

#[test]
fn an_entry_is_evicted_by_its_hash_and_nobodys_fill_is_refused() {
    let segment = segment();
    let (name, hash) = (segment.namespace_hash(), segment.hash_of(b"key"));
    put(&segment, b"key");
    let token = segment.fill_token(b"key");
    assert!(!segment.evict_by_hash(name, hash, 5, |value| value == b"other"));
    assert!(!segment.evict_by_hash(name, hash, 4, |_| true), "too long");
    assert!(segment.contains(b"key"));
    assert!(segment.evict_by_hash(name, hash, 5, |value| value == b"value"));
    assert!(!segment.contains(b"key"));
    assert!(!segment.evict_by_hash(name, hash, 5, |_| true), "it is gone");
    assert_eq!(segment.look_by_hash(name, hash, 5), Ok(None));
    assert!(segment.verify().is_clean());
    assert_eq!((segment.stats().evictions, segment.stats().entries), (1, 0));
    let filled = segment.fill(b"key", b"fresh", &token, &PutOptions::default());
    assert_eq!(filled, Ok(Fill::Stored), "an eviction is no write");
}

fn ask<'s>(segment: &'s Segment, key: &[u8]) -> Lease<'s> {
    let token = segment.fill_token(key);
    segment.ask_lease(key, &token, SECOND).expect("a free slot")
}

fn only(segment: &Segment) -> AskedLease {
    let asked = segment.asked_leases();
    assert_eq!(asked.len(), 1, "{asked:?}");
    *asked.first().expect("just counted")
}

#[test]
fn a_wish_is_known_to_whatever_agent_until_it_is_answered() {
    let segment = segment();
    let wait = Duration::from_millis(20);
    for wish in [
        LeaseWish::Compute,
        LeaseWish::FetchOrCompute(wait),
        LeaseWish::Fetch(wait),
    ] {
        let token = segment.fill_token(b"key");
        let lease = segment
            .ask_lease_for(b"key", &token, SECOND, wish)
            .expect("a free slot");
        assert_eq!(only(&segment).wish, wish);
        assert!(segment.answer_lease(&only(&segment), LeaseAnswer::Busy, 0));
        assert_eq!(only(&segment).wish, wish, "another agent may go on with it");
        assert!(segment.answer_lease(&only(&segment), LeaseAnswer::Ready, 9));
        assert_eq!(lease.payload(), 9);
    }
}

#[test]
fn a_lease_that_is_granted_is_done_or_abandoned() {
    let segment = segment();
    let journal = segment.journal().expect("it is of a cluster");
    for is_done in [true, false] {
        let events = journal.lease_events();
        let lease = ask(&segment, b"key");
        assert_eq!(lease.wait(Duration::ZERO), LeaseStep::Wanted);
        assert_eq!(journal.lease_events(), events + 1);
        let asked = only(&segment);
        assert_eq!(
            (asked.step, asked.hash),
            (LeaseStep::Wanted, segment.hash_of(b"key"))
        );
        assert!(segment.answer_lease(&asked, LeaseAnswer::Busy, 0));
        assert!(
            !segment.answer_lease(&asked, LeaseAnswer::Granted, 0),
            "it is busy by now"
        );
        std::thread::scope(|scope| {
            let worker = scope.spawn(|| lease.wait(Duration::from_secs(60)));
            assert!(segment.answer_lease(&only(&segment), LeaseAnswer::Granted, 7));
            assert_eq!(worker.join().expect("it was woken"), LeaseStep::Granted);
        });
        assert_eq!(lease.payload(), 7);
        let asked = only(&segment);
        assert!(
            !segment.answer_lease(&asked, LeaseAnswer::Closed, 0),
            "the worker computes"
        );
        let step = if is_done {
            assert!(lease.done());
            LeaseStep::Done
        } else {
            drop(lease);
            LeaseStep::Abandoned
        };
        let asked = only(&segment);
        assert_eq!(asked.step, step);
        assert!(segment.answer_lease(&asked, LeaseAnswer::Closed, 0));
        assert!(segment.asked_leases().is_empty());
    }
}

#[test]
fn who_waits_no_longer_has_left_and_who_was_answered_gives_its_slot_back() {
    let segment = segment();
    drop(ask(&segment, b"key"));
    let left = only(&segment);
    assert_eq!(left.step, LeaseStep::Left);
    let again = ask(&segment, b"key");
    assert_eq!(
        segment.asked_leases().len(),
        2,
        "the other slot is not closed yet"
    );
    assert!(segment.answer_lease(&left, LeaseAnswer::Closed, 0));
    assert!(segment.answer_lease(&only(&segment), LeaseAnswer::Ready, 0));
    assert_eq!(again.wait(SECOND), LeaseStep::Ready);
    drop(again);
    assert!(segment.asked_leases().is_empty());
    let numbers: Vec<u64> = (0..2)
        .map(|_| {
            let lease = ask(&segment, b"key");
            let number = only(&segment).number();
            drop(lease);
            assert!(segment.answer_lease(&only(&segment), LeaseAnswer::Closed, 0));
            number
        })
        .collect();
    assert_ne!(numbers.first(), numbers.last());
}

#[test]
fn without_an_agent_slots_come_back_when_their_deadlines_have_passed() {
    let (segment, ms) = clocked();
    let held: Vec<Lease<'_>> = (0..512_u32)
        .map(|key| ask(&segment, &key.to_le_bytes()))
        .collect();
    let token = segment.fill_token(b"key");
    assert!(
        segment.ask_lease(b"key", &token, SECOND).is_none(),
        "all are taken"
    );
    ms.fetch_add(1_001, Ordering::Relaxed);
    let again: Vec<Lease<'_>> = (0..512_u32)
        .map(|key| ask(&segment, &key.to_le_bytes()))
        .collect();
    assert!(held.iter().all(|lease| lease.wait(SECOND) == LeaseStep::Alone));
    drop(held);
    assert!(
        again
            .iter()
            .all(|lease| lease.wait(Duration::ZERO) == LeaseStep::Wanted)
    );
}

#[test]
fn the_lease_of_a_dead_worker_is_abandoned() {
    let segment = segment();
    let lease = ask(&segment, b"key");
    assert!(segment.answer_lease(&only(&segment), LeaseAnswer::Granted, 0));
    let asked = only(&segment);
    // As of an incarnation that is over.
    let word = segment
        .shared
        .word(segment.shared.geometry.leases + asked.slot * LEASE_BYTES + LEASE_STATE);
    word.fetch_add(1 << 32, Ordering::Relaxed);
    assert_eq!(only(&segment).step, LeaseStep::Abandoned);
    assert!(segment.answer_lease(&only(&segment), LeaseAnswer::Closed, 0));
    assert!(!lease.done());
    assert!(segment.asked_leases().is_empty());
}
