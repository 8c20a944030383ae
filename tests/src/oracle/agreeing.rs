//! What an agent does: applying records of other hosts, trust, its role, its notes, leases.

use std::time::Duration;

use guira_segment::{
    Applied, Journal, LeaseAnswer, LeaseStep, LeaseWish, NOTE_WORDS, Record, RecordKind, Segment, Trust,
};

use super::episode::Episode;
use super::names::Place;

/// What a record is of, as the map knows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Subject {
    Key(Place),
    Tag(usize),
    Space(u8),
    All,
}

const MINUTE: Duration = Duration::from_secs(60);

impl Episode<'_, '_> {
    /// A record that this segment told others of, come back as if it were another host's.
    pub(super) fn apply(&mut self, choice: u64) {
        let known = &self.model.telling.known;
        if known.is_empty() {
            return self.tally.note("nothing to apply");
        }
        let (record, subject) = known[choice as usize % known.len()];
        self.tally.note("record applied");
        let applied = self.segment(0).apply(&record);
        match subject {
            Subject::Key(place) => {
                self.model.births += 1;
                assert_ne!(applied, Applied::UnknownNamespace);
                let present = self.model.meet(place, applied == Applied::Present);
                if record.kind == RecordKind::Expire {
                    self.model.write(place, present);
                    self.model.mark_expired(place);
                } else {
                    self.model.invalidate(place, None);
                }
            }
            Subject::Tag(tag) => self.model.invalidate_tag(tag),
            Subject::Space(space) => self.model.invalidate_space(space),
            Subject::All => self.model.invalidate_all(),
        }
        self.finish(&record, subject);
    }

    /// Nothing that is there was born before a record of long ago: what was, was killed then.
    fn finish(&mut self, record: &Record, subject: Subject) {
        // An expiry does not advance the clock, so what was put since may be of the same age.
        if record.kind == RecordKind::Expire {
            return;
        }
        let applied = self.segment(0).finish_own(record);
        assert!(
            matches!(applied, Applied::Absent | Applied::Raised),
            "{applied:?}"
        );
        if let Subject::Key(place) = subject {
            let present = self.model.get(place).cloned();
            match record.kind {
                RecordKind::Put => self.model.write(place, present),
                _ => self.model.invalidate(place, present),
            }
        }
    }

    pub(super) fn agree(&mut self, place: Place) {
        let segment = self.segment(place.space);
        self.compare_by_hash(place);
        let now_ms = self.model.boot_ms();
        compare_trust(segment, now_ms, self.model.world.is_clustered);
        let Some(journal) = segment.journal() else {
            assert!(segment.try_take_agent_role(MINUTE).is_none() && !segment.has_agent(MINUTE));
            assert!(!segment.note_broker(0, &[0; NOTE_WORDS]));
            return;
        };
        self.tally.note("agent");
        let role = segment.try_take_agent_role(MINUTE).expect("nobody has it");
        assert!(segment.has_agent(MINUTE) && role.is_mine() && role.progress() && role.epoch() > 0);
        assert_eq!(segment.agent_process(), Some(std::process::id()));
        assert_eq!(segment.agent_epoch(), role.epoch());
        drop(role);
        assert_eq!(segment.agent_process(), None);
        let note = [place.key.into(); NOTE_WORDS];
        assert!(segment.note_broker(3, &note));
        assert_eq!(segment.broker_note(3), Some(note));
        let count = segment.coherence_count(9);
        segment.count_coherence(9, 2);
        assert_eq!(segment.coherence_count(9), count + 2);
        if !place.is_empty() {
            lease(segment, place, &journal);
        }
        let clock = segment.next_invalidation_clock();
        self.model.births += 1;
        assert_eq!((clock, segment.invalidation_clock()), (self.model.births, clock));
        if place.key.is_multiple_of(16) {
            self.raise_floor(place.space);
        }
    }

    /// An entry by its hash is the one by its key.
    fn compare_by_hash(&mut self, place: Place) {
        let segment = self.segment(place.space);
        let (name, hash) = (segment.namespace_hash(), segment.hash_of(place.name()));
        let entry = segment.get_by_hash(name, hash, usize::MAX);
        assert_eq!(segment.look_by_hash(name, hash, usize::MAX), Ok(entry.clone()));
        let held = self.model.meet(place, entry.is_some());
        if let Some((entry, held)) = entry.zip(held) {
            self.tally.note("entry by hash");
            assert_eq!((&entry.key[..], &entry.value), (place.name(), &held.value));
            assert_eq!(entry.tags, super::reading::names_of(&held));
            self.compare_metadata(place, &entry.metadata, &held);
        }
        let segment = self.segment(place.space);
        assert_eq!(segment.default_namespace().namespace_name(), None);
        assert!(!segment.evict_by_hash(name, hash, usize::MAX, |_| false));
        if place.key.is_multiple_of(8) && !place.is_empty() {
            let was_there = segment.evict_by_hash(name, hash, usize::MAX, |_| true);
            self.model.meet(place, was_there);
            if was_there {
                self.tally.note("evicted by hash");
                self.model.evict(place);
            }
        }
    }

    fn raise_floor(&mut self, space: u8) {
        let segment = self.segment(space);
        if space == 0 {
            segment.raise_floor(1);
            return self.model.invalidate_all();
        }
        let topic = |segment: &Segment| 1_u64 << (1 + segment.namespace_hash() % 63);
        let topics = topic(segment);
        segment.raise_floor(topics);
        let reached: Vec<u8> = (0..super::names::SPACES)
            .filter(|other| topic(self.segment(*other)) == topics)
            .collect();
        self.model.invalidate_spaces(&reached);
    }
}

fn compare_trust(segment: &Segment, now_ms: u64, is_clustered: bool) {
    let before_ms = segment.trusted_until_ms();
    segment.extend_trust(now_ms + 10);
    let wanted = segment.topics_wanted();
    segment.set_topics_trusted(wanted);
    assert!(segment.invalidation_clock() > 0);
    if !is_clustered {
        let of_topics = segment.topics_trust_at(wanted, 0);
        assert_eq!(
            [segment.trust(), segment.trust_at(0), of_topics],
            [Trust::NotCoherent; 3]
        );
        assert_eq!(segment.trusted_for(), None);
        return assert_eq!((segment.trusted_until_ms(), segment.topics_trusted()), (0, 0));
    }
    let until_ms = before_ms.max(now_ms + 10);
    assert_eq!(
        (segment.trusted_until_ms(), segment.topics_trusted()),
        (until_ms, wanted)
    );
    assert_eq!(segment.trust(), Trust::Trusted { until_ms });
    assert_eq!(segment.trust_at(until_ms), Trust::Suspect);
    let of_topics = |ms| segment.topics_trust_at(wanted, ms);
    assert_eq!(
        [of_topics(until_ms - 1), of_topics(until_ms)],
        [Trust::Trusted { until_ms }, Trust::Suspect]
    );
    assert_eq!(
        segment.trusted_for(),
        Some(Duration::from_millis(until_ms - now_ms))
    );
    segment.set_topics_trusted(0);
    assert_eq!(segment.trust(), Trust::Suspect);
}

/// A lease from one end to the other, with nobody else about.
fn lease(segment: &Segment, place: Place, journal: &Journal<'_>) {
    let token = segment.fill_token(place.name());
    let events = journal.lease_events();
    journal.wait_for_events(journal.tail(), events + 1, MINUTE);
    let wish = match place.key % 3 {
        0 => LeaseWish::Compute,
        1 => LeaseWish::FetchOrCompute(Duration::from_micros(place.key.into())),
        _ => LeaseWish::Fetch(MINUTE),
    };
    let lease = match wish {
        LeaseWish::Compute => segment.ask_lease(place.name(), &token, MINUTE),
        wish => segment.ask_lease_for(place.name(), &token, MINUTE, wish),
    };
    let lease = lease.expect("a free slot");
    assert_eq!(segment.asked_leases()[0].wish, wish);
    let clock = token.clock();
    assert_eq!(
        [token.born_at(clock - 1).clock(), token.born_at(u64::MAX).clock()],
        [clock - 1, clock]
    );
    for answer in [LeaseAnswer::Granted, LeaseAnswer::Busy] {
        let asked = segment.asked_leases()[0];
        assert_eq!(asked.hash, segment.hash_of(place.name()));
        assert_eq!(asked.number(), lease.number());
        assert_eq!(asked.number() >> 16 == 0, asked.number() < 1 << 16);
        let is_granted = answer == LeaseAnswer::Granted;
        assert_eq!(segment.answer_lease(&asked, answer, 5), is_granted);
    }
    assert_eq!((lease.wait(MINUTE), lease.payload()), (LeaseStep::Granted, 5));
    assert_eq!(segment.wait_for_lease(lease.number(), MINUTE), LeaseStep::Granted);
    let another = lease.number() ^ 1 << 17;
    assert_eq!(segment.wait_for_lease(another, MINUTE), LeaseStep::Alone);
    assert!(lease.done());
    let asked = segment.asked_leases()[0];
    assert!(segment.answer_lease(&asked, LeaseAnswer::Closed, 0));
    assert_eq!(journal.lease_events(), events + 2);
    journal.wake_agent();
    assert_eq!(journal.lease_events(), events + 3);
    assert!(segment.asked_leases().is_empty());
}
