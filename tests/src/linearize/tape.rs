//! The tape: a small mapped file on which every thread writes down its operations, before and after.
//! It outlives whoever is killed, and what was begun but not ended is seen on it.

use std::path::Path;

use guira_shm::file::{CreateOptions, FileError, MappedFile, OpenRules, create_unnamed, open_checked};
use guira_shm::sync::{AtomicU64, Ordering};

use crate::linearize::event::{Action, Event, Life, New, Outcome};

/// Threads of all incarnations that one history can have.
pub(crate) const ROWS: usize = 32;
/// Operations of a thread in one history.
pub(crate) const ROW_RECORDS: usize = 8192;

/// The number of the history that is being made; waited for.
pub(crate) const HEAD_HISTORY: usize = 0;
/// Threads that have ended their part of it; waited for.
pub(crate) const HEAD_DONE: usize = 1;
/// Threads that are ready to begin it.
pub(crate) const HEAD_READY: usize = 2;
/// Threads that take part.
pub(crate) const HEAD_CLIENTS: usize = 3;
/// The number of the segment.
pub(crate) const HEAD_SEGMENT: usize = 4;
/// Operations for each thread.
pub(crate) const HEAD_QUOTA: usize = 5;
/// 1 when all is over.
pub(crate) const HEAD_END: usize = 6;
/// Which operations there are mostly.
pub(crate) const HEAD_MIX: usize = 7;
const HEAD_WORDS: usize = 64;

/// Operations of the row in this history.
const ROW_COUNT: usize = 0;
/// The history that the row's thread ended last.
pub(crate) const ROW_DONE: usize = 1;
const ROW_HEAD_WORDS: usize = 8;
const RECORD_WORDS: usize = 10;
const ROW_WORDS: usize = ROW_HEAD_WORDS + ROW_RECORDS * RECORD_WORDS;

const BEGAN: usize = 0;
const ENDED: usize = 1;
const ACTION: usize = 2;
const OUTCOME: usize = 6;

/// The mapped tape.
#[derive(Debug)]
pub(crate) struct Tape {
    file: MappedFile,
}

impl Tape {
    pub(crate) fn create(path: &Path) -> Result<Self, FileError> {
        let words = HEAD_WORDS + ROWS * ROW_WORDS;
        let pending = create_unnamed(path, &CreateOptions::new(words as u64 * 8))?;
        let file = pending.publish(path)?;
        Ok(Self { file })
    }

    pub(crate) fn open(path: &Path) -> Result<Self, FileError> {
        let file = open_checked(
            path,
            &OpenRules {
                allow_group_write: false,
                writable: true,
            },
        )?;
        let len_bytes = file.len_bytes()?;
        Ok(Self {
            file: file.map(len_bytes)?,
        })
    }

    fn word(&self, index: usize) -> &AtomicU64 {
        self.file.region().word(index * 8)
    }

    /// A word of the head.
    pub(crate) fn head(&self, field: usize) -> &AtomicU64 {
        self.word(field * 8)
    }

    /// A word of a row's head.
    pub(crate) fn row(&self, row: usize, field: usize) -> &AtomicU64 {
        self.word(HEAD_WORDS + row * ROW_WORDS + field)
    }

    fn record(&self, row: usize, index: usize, field: usize) -> &AtomicU64 {
        self.row(row, ROW_HEAD_WORDS + index * RECORD_WORDS + field)
    }

    /// Operations that the row has begun.
    pub(crate) fn count(&self, row: usize) -> usize {
        // Acquire: pairs with the Release in `begin`.
        (self.row(row, ROW_COUNT).load(Ordering::Acquire) as usize).min(ROW_RECORDS)
    }

    /// Forgets what is on the row.
    pub(crate) fn clear(&self, row: usize) {
        self.row(row, ROW_COUNT).store(0, Ordering::Relaxed);
    }

    /// Whether the row holds `more` records besides those it has.
    pub(crate) fn has_room(&self, row: usize, more: usize) -> bool {
        self.count(row) + more <= ROW_RECORDS
    }

    /// Writes down that an operation begins; returns its record.
    pub(crate) fn begin(&self, row: usize, key: u8, began_ns: u64, action: &Action) -> usize {
        let index = self.count(row);
        let mut words = packed_action(action);
        words[0] |= u64::from(key) << 8;
        for (field, word) in words.into_iter().enumerate() {
            self.record(row, index, ACTION + field)
                .store(word, Ordering::Relaxed);
        }
        self.record(row, index, OUTCOME).store(0, Ordering::Relaxed);
        self.record(row, index, ENDED).store(0, Ordering::Relaxed);
        self.record(row, index, BEGAN).store(began_ns, Ordering::Relaxed);
        // Release: the record is whole before it counts; pairs with the Acquire in `count`.
        self.row(row, ROW_COUNT)
            .store(index as u64 + 1, Ordering::Release);
        index
    }

    /// Writes down that it ended.
    pub(crate) fn end(&self, row: usize, index: usize, ended_ns: u64, outcome: &Outcome) {
        for (field, word) in packed_outcome(outcome).into_iter().enumerate() {
            self.record(row, index, OUTCOME + field)
                .store(word, Ordering::Relaxed);
        }
        // Release: the outcome is there before the end; pairs with the Acquire in `event`.
        self.record(row, index, ENDED).store(ended_ns, Ordering::Release);
    }

    /// What is written down.
    pub(crate) fn event(&self, row: usize, seat: u8, index: usize, gone_ns: Option<u64>) -> Option<Event> {
        let load = |field| self.record(row, index, field).load(Ordering::Relaxed);
        // Acquire: pairs with the Release in `end`.
        let ended_ns = self.record(row, index, ENDED).load(Ordering::Acquire);
        let words = [0, 1, 2, 3].map(|field| load(ACTION + field));
        let outcome = unpacked_outcome([0, 1, 2].map(|field| load(OUTCOME + field)));
        Some(Event {
            client: row as u32,
            seat,
            key: (words[0] >> 8) as u8,
            began_ns: load(BEGAN),
            ended_ns: (ended_ns != 0).then_some(ended_ns),
            gone_ns: gone_ns.filter(|_| ended_ns == 0),
            action: unpacked_action(words)?,
            outcome: outcome.filter(|_| ended_ns != 0),
        })
    }
}

fn packed_life(life: Life) -> u64 {
    u64::from(life.hard_ms) << 32 | u64::from(life.soft_ms)
}

const fn unpacked_life(word: u64) -> Life {
    Life {
        hard_ms: (word >> 32) as u32,
        soft_ms: word as u32,
    }
}

/// The first word: code, a byte for the key, tag, whether the optional number is there.
fn packed_action(action: &Action) -> [u64; 4] {
    let simple = |code: u64| [code, 0, 0, 0];
    let with = |code: u64, new: &New, number: u64, life_or: Option<u64>| {
        [
            code | u64::from(new.tag) << 16 | u64::from(new.life.hard_ms) << 32,
            new.value,
            number,
            life_or.unwrap_or(u64::from(new.life.soft_ms)),
        ]
    };
    match action {
        Action::Read => simple(1),
        Action::Token => simple(2),
        Action::Put(new) => with(3, new, 0, None),
        Action::Add(new) => with(4, new, 0, None),
        Action::Replace(new) => with(5, new, 0, None),
        // Swaps and fills have no soft deadline.
        Action::Swap {
            expected,
            version,
            new,
        } => with(6, new, *expected, Some(*version)),
        Action::Fill {
            token_began_ns,
            refreshes,
            new,
        } => {
            let mut words = with(7, new, refreshes.unwrap_or(0), Some(*token_began_ns));
            words[0] |= u64::from(refreshes.is_some()) << 24;
            words
        }
        Action::Increment { delta, initial, life } => [
            8 | u64::from(initial.is_some()) << 24,
            delta.cast_unsigned(),
            initial.unwrap_or(0).cast_unsigned(),
            packed_life(*life),
        ],
        Action::Append { suffix } => [9, *suffix, 0, 0],
        Action::Touch(life) => [10, 0, 0, packed_life(*life)],
        Action::Expire => simple(11),
        Action::Remove => simple(12),
        Action::Invalidate => simple(13),
        Action::InvalidateTag(tag) => simple(14 | u64::from(*tag) << 16),
        Action::Clear => simple(15),
    }
}

fn unpacked_action(words: [u64; 4]) -> Option<Action> {
    let [head, first, second, third] = words;
    let tag = (head >> 16) as u8;
    let has_number = head >> 24 & 1 != 0;
    let new = |soft_ms: u64| New {
        value: first,
        tag,
        life: Life {
            hard_ms: (head >> 32) as u32,
            soft_ms: soft_ms as u32,
        },
    };
    Some(match head & 0xff {
        1 => Action::Read,
        2 => Action::Token,
        3 => Action::Put(new(third)),
        4 => Action::Add(new(third)),
        5 => Action::Replace(new(third)),
        6 => Action::Swap {
            expected: second,
            version: third,
            new: new(0),
        },
        7 => Action::Fill {
            token_began_ns: third,
            refreshes: has_number.then_some(second),
            new: new(0),
        },
        8 => Action::Increment {
            delta: first.cast_signed(),
            initial: has_number.then_some(second.cast_signed()),
            life: unpacked_life(third),
        },
        9 => Action::Append { suffix: first },
        10 => Action::Touch(unpacked_life(third)),
        11 => Action::Expire,
        12 => Action::Remove,
        13 => Action::Invalidate,
        14 => Action::InvalidateTag(tag),
        15 => Action::Clear,
        _ => return None,
    })
}

fn packed_outcome(outcome: &Outcome) -> [u64; 3] {
    match *outcome {
        Outcome::Hit {
            value,
            version,
            stale,
        } => [
            1 | u64::from(value.is_some()) << 8
                | u64::from(version.is_some()) << 9
                | u64::from(stale.is_some()) << 10
                | u64::from(stale == Some(true)) << 11,
            value.unwrap_or(0),
            version.unwrap_or(0),
        ],
        Outcome::Miss => [2, 0, 0],
        Outcome::Stored => [3, 0, 0],
        Outcome::Exists => [4, 0, 0],
        Outcome::NotFound => [5, 0, 0],
        Outcome::Conflict(version) => [6, version, 0],
        Outcome::Superseded => [7, 0, 0],
        Outcome::Failed => [8, 0, 0],
        Outcome::Sum(sum) => [9, sum.cast_unsigned(), 0],
        Outcome::Was(was) => [10 | u64::from(was) << 8, 0, 0],
        Outcome::Done => [11, 0, 0],
    }
}

fn unpacked_outcome([head, first, second]: [u64; 3]) -> Option<Outcome> {
    let bit = |bit: u32| head >> bit & 1 != 0;
    Some(match head & 0xff {
        1 => Outcome::Hit {
            value: bit(8).then_some(first),
            version: bit(9).then_some(second),
            stale: bit(10).then_some(bit(11)),
        },
        2 => Outcome::Miss,
        3 => Outcome::Stored,
        4 => Outcome::Exists,
        5 => Outcome::NotFound,
        6 => Outcome::Conflict(first),
        7 => Outcome::Superseded,
        8 => Outcome::Failed,
        9 => Outcome::Sum(first.cast_signed()),
        10 => Outcome::Was(bit(8)),
        11 => Outcome::Done,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_down_reads_back() {
        let directory = tempfile::tempdir_in("/dev/shm").expect("a directory");
        let tape = Tape::create(&directory.path().join("tape")).expect("a tape");
        let (hard_ms, soft_ms) = (9, 4);
        let life = Life { hard_ms, soft_ms };
        let new = New {
            value: u64::MAX - 1,
            tag: 2,
            life,
        };
        let plain = New {
            life: Life { hard_ms, soft_ms: 0 },
            ..new
        };
        let actions = [
            Action::Put(new),
            Action::Swap {
                expected: 1,
                version: u64::MAX,
                new: plain,
            },
            Action::Fill {
                token_began_ns: 77,
                refreshes: Some(0),
                new: plain,
            },
            Action::Increment {
                delta: -3,
                initial: Some(0),
                life,
            },
            Action::Touch(life),
            Action::InvalidateTag(3),
            Action::Clear,
        ];
        let outcome = Outcome::Hit {
            value: Some(3),
            version: Some(5),
            stale: Some(false),
        };
        for action in &actions {
            let index = tape.begin(1, 6, 10, action);
            tape.end(1, index, 20, &outcome);
        }
        let pending = tape.begin(1, 6, 30, &Action::Remove);
        for (index, action) in actions.iter().enumerate() {
            let event = tape.event(1, 2, index, None).expect("it was written");
            assert_eq!(
                (&event.action, event.outcome, event.key),
                (action, Some(outcome), 6)
            );
            assert_eq!((event.began_ns, event.ended_ns), (10, Some(20)));
        }
        let event = tape.event(1, 2, pending, Some(40)).expect("it was begun");
        assert_eq!(
            (event.ended_ns, event.gone_ns, event.outcome),
            (None, Some(40), None)
        );
        assert_eq!(tape.count(1), actions.len() + 1);
    }
}
