//! The journal: every invalidation left its record, in order, and what was overwritten is reported.

use std::time::Duration;

use guira_segment::{Journal, JournalRead, Record, RecordKind, Segment};

use super::agreeing::Subject;
use super::episode::Episode;
use super::names::Place;

/// The name of the cluster, and so the seed of its hashes.
pub(super) const CLUSTER: &str = "oracle";
/// Records of the journal of a world in a cluster.
pub(super) const JOURNAL_RECORDS: u64 = 16;
/// Entries that one look asks for.
const LOOK: usize = 7;
/// Most records that are kept to be applied.
const MAX_KNOWN: usize = 8;

/// A record that an operation must have left.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Told {
    kind: RecordKind,
    subject: Subject,
}

/// What the journal holds, as far as the map can tell.
#[derive(Debug, Default)]
pub(super) struct Telling {
    /// The ticket of the first record that was told.
    begin: u64,
    told: Vec<Told>,
    /// The next ticket to read.
    next: u64,
    accepted: u64,
    /// Records that were read, for whoever applies them.
    pub(super) known: Vec<(Record, Subject)>,
}

impl Episode<'_, '_> {
    /// From here on every record is known.
    pub(super) fn begin_telling(&mut self) {
        if let Some(journal) = self.segment(0).journal() {
            let tail = journal.tail();
            let telling = &mut self.model.telling;
            (telling.begin, telling.next) = (tail, tail);
            telling.accepted = journal.accepted();
        }
    }

    /// An operation on a key that other hosts are told of.
    pub(super) fn tell_of_key(&mut self, kind: RecordKind, place: Place) {
        self.tell(kind, Subject::Key(place));
    }

    /// The same, of what is no key.
    pub(super) fn tell(&mut self, kind: RecordKind, subject: Subject) {
        self.model.telling.told.push(Told { kind, subject });
    }

    /// Reads on where the last look ended.
    pub(super) fn journal(&mut self, place: Place) {
        let segment = self.segment(place.space);
        assert_eq!(segment.cluster_id().is_some(), self.model.world.is_clustered);
        assert_eq!(segment.is_of_cluster(CLUSTER), self.model.world.is_clustered);
        let Some(journal) = segment.journal() else {
            self.tally.note("no journal");
            return;
        };
        if place.key.is_multiple_of(4) {
            let ticket = journal.announce_put(place.name(), 0);
            self.model.births += 1;
            self.tell_of_key(RecordKind::Put, place);
            assert_eq!(ticket + 1, journal.tail());
        }
        let told = self.model.telling.told.len() as u64;
        let tail = journal.tail();
        assert_eq!(tail, self.model.telling.begin + told);
        assert_eq!(
            (journal.capacity(), journal.oldest()),
            (JOURNAL_RECORDS, tail.saturating_sub(JOURNAL_RECORDS))
        );
        self.read_journal(&journal);
        self.compare_heads(&journal);
        compare_origin(segment, &journal);
    }

    fn read_journal(&mut self, journal: &Journal<'_>) {
        let next = self.model.telling.next;
        journal.close_hole(next.saturating_sub(1));
        let mut entries = Vec::new();
        let up_to = match journal.read(next, LOOK, &mut entries) {
            JournalRead::UpTo(up_to) => up_to,
            JournalRead::Overwritten {
                missing_from,
                missing_to,
            } => {
                self.tally.note("journal overwritten");
                assert_eq!((missing_from, missing_to), (next, journal.oldest()));
                assert!(entries.is_empty());
                missing_to
            }
            JournalRead::Pending { at } => panic!("{at}: nobody is writing"),
        };
        for (entry, ticket) in entries.iter().zip(next..) {
            self.tally.note("journal read");
            let record = entry.record.expect("nobody was stopped");
            let told = self.model.telling.told[(ticket - self.model.telling.begin) as usize];
            assert_eq!((entry.ticket, entry.is_finished), (ticket, true));
            assert_eq!(record.kind, told.kind);
            let (name, hash) = match told.subject {
                Subject::Key(place) => {
                    let segment = self.segment(place.space);
                    (segment.namespace_hash(), segment.hash_of(place.name()))
                }
                Subject::Space(space) => (self.segment(space).namespace_hash(), 0),
                // Of which the map knows no hash.
                Subject::Tag(_) => (record.namespace_hash, record.hash),
                Subject::All => (0, 0),
            };
            assert_eq!((record.namespace_hash, record.hash), (name, hash), "{told:?}");
            assert_eq!(RecordKind::from_code(record.kind.code()), Some(told.kind));
            assert!(record.stamp <= self.model.births + 1);
            let known = &mut self.model.telling.known;
            if known.len() == MAX_KNOWN {
                known.remove(0);
            }
            known.push((record, told.subject));
        }
        self.model.telling.next = up_to;
    }

    /// What is accepted and settled only grows, and who waits for less does not sleep.
    fn compare_heads(&mut self, journal: &Journal<'_>) {
        let before = self.model.telling.accepted;
        assert_eq!((journal.accepted(), journal.settled()), (before, before));
        let up_to = self.model.telling.next;
        for head in [up_to, before] {
            journal.set_accepted(head);
            journal.set_settled(head);
        }
        self.model.telling.accepted = up_to.max(before);
        for (ticket, has_come) in [(up_to, false), (up_to.wrapping_sub(1), up_to > 0)] {
            assert_eq!(journal.wait_accepted(ticket, Duration::ZERO), has_come);
            assert_eq!(journal.wait_settled(ticket, Duration::ZERO), has_come);
        }
        assert!(journal.wait_for_records(journal.tail() + 1, Duration::ZERO));
    }
}

/// The origin is renewed by whoever knows it, once.
fn compare_origin(segment: &Segment, journal: &Journal<'_>) {
    let origin = journal.origin();
    assert_eq!(segment.journal().map(|it| it.origin()), Some(origin));
    assert_eq!(journal.renew_origin(!origin), origin);
    assert_ne!(journal.renew_origin(origin), origin);
}
