//! Waiting until this host has what others said: everything that was accepted until now, or one host's words.
//!
//! Whoever waits has the agent ask the brokers at once, and looks at its notes. Many who wait share a question.

use std::time::{Duration, Instant};

use guira_bus::runtime::{Agent, clock};
use guira_bus::wire::{Epoch, Topic};
use guira_segment::Segment;

use super::counters::{Counted, count, counted};
use super::host::SegmentHost;
use super::note::Note;

/// The first pause between two looks, and the longest.
const FIRST_PAUSE: Duration = Duration::from_micros(30);
const LAST_PAUSE: Duration = Duration::from_millis(1);
/// An agent that is asked and does not answer may be gone: the next one is asked.
const ASK_AGAIN: Duration = Duration::from_millis(20);

/// The topics that reads of this handle's namespace rest on.
pub(super) fn topics_of(segment: &Segment) -> u64 {
    Topic::CONTROL.bit() | Topic::of_namespace(segment.namespace_hash()).bit()
}

/// Waits until everything that a majority of `brokers` brokers had accepted when this was called is applied here; false
/// if that took longer than `timeout`.
pub(super) fn wait_confirmed(segment: &Segment, topics: u64, brokers: usize, timeout: Duration) -> bool {
    let began_us = clock::now_us();
    wait_for(segment, timeout, |notes| {
        is_confirmed(notes, topics, brokers, began_us)
    })
}

/// Waits until what one of the brokers had logged at one of `places`, and a majority had accepted, is applied here;
/// false if that took longer than `timeout`.
pub(super) fn wait_applied(
    segment: &Segment,
    topics: u64,
    places: &[(Epoch, u64)],
    brokers: usize,
    timeout: Duration,
) -> bool {
    let is_applied = |notes: &[Note]| {
        notes
            .iter()
            .any(|note| places.iter().any(|place| note.has_applied(*place, topics)))
    };
    if is_applied(&Note::all(segment)) {
        return true;
    }
    let began_us = clock::now_us();
    // Those brokers may live no more: then whatever was accepted until now will do.
    wait_for(segment, timeout, |notes| {
        is_applied(notes) || is_confirmed(notes, topics, brokers, began_us)
    })
}

fn is_confirmed(notes: &[Note], topics: u64, brokers: usize, began_us: u64) -> bool {
    let confirmed = notes
        .iter()
        .filter(|note| note.is_confirmed_after(began_us, topics));
    confirmed.count() > brokers / 2
}

fn wait_for(segment: &Segment, timeout: Duration, is_so: impl Fn(&[Note]) -> bool) -> bool {
    let began = Instant::now();
    let mut asked: Option<Instant> = None;
    let mut pause = FIRST_PAUSE;
    loop {
        if asked.is_none_or(|asked| asked.elapsed() >= ASK_AGAIN) {
            asked = Some(Instant::now());
            ask(segment);
        }
        if is_so(&Note::all(segment)) {
            return true;
        }
        let left = timeout.saturating_sub(began.elapsed());
        if left.is_zero() {
            return false;
        }
        // Another process may be the agent: there is nothing to wait on but its notes.
        std::thread::park_timeout(pause.min(left));
        pause = (pause * 2).min(LAST_PAUSE);
    }
}

/// Has the agent ask the brokers at once.
fn ask(segment: &Segment) {
    count(segment, Counted::Questions, 1);
    if let Some(journal) = segment.journal() {
        journal.wake_agent();
    }
}

/// The agent's side.
#[derive(Debug, Default)]
pub(super) struct Questions {
    seen: u64,
}

impl Questions {
    /// Asks the brokers if somebody wants it.
    pub(super) fn look(&mut self, segment: &Segment, agent: &mut Agent<SegmentHost>) {
        let asked = counted(segment, Counted::Questions);
        if asked != self.seen {
            self.seen = asked;
            let (core, ..) = agent.core();
            core.ask_soon(clock::now_us());
        }
    }
}

#[cfg(test)]
mod tests {
    use guira_bus::wire::Origin;

    use super::*;

    const CONTROL: u64 = 1;
    const LIFE: Epoch = Epoch(7);

    fn segment() -> Segment {
        let builder = Segment::builder().size(8 << 20);
        builder.cluster("test").private().expect("room")
    }

    fn note(segment: &Segment, broker: usize, note: Note) {
        let origin = segment.journal().expect("of a cluster").origin();
        note.write(segment, Origin(origin), broker);
    }

    fn following(applied: u64, topics: u64) -> Note {
        Note {
            epoch: LIFE.0,
            topics,
            applied,
            ..Note::default()
        }
    }

    fn is_applied(segment: &Segment, place: (Epoch, u64)) -> bool {
        wait_applied(segment, topics_of(segment), &[place], 1, Duration::ZERO)
    }

    #[test]
    fn a_place_is_applied_in_its_own_life_of_a_broker_and_where_its_topic_is_followed() {
        let segment = segment().namespace("values").expect("a row");
        let topics = topics_of(&segment);
        note(&segment, 0, following(10, topics));
        assert!(is_applied(&segment, (LIFE, 10)));
        assert!(!is_applied(&segment, (LIFE, 11)));
        assert!(!is_applied(&segment, (Epoch(8), 1)));
        note(&segment, 0, following(10, CONTROL));
        assert!(!is_applied(&segment, (LIFE, 10)), "the namespace is not followed");
    }

    #[test]
    fn only_a_majority_that_was_asked_after_the_read_began_confirms_it() {
        let segment = segment();
        let confirmed = |ago_us: u64| Note {
            confirmed_us: clock::now_us() + 1_000_000 - ago_us,
            ..following(1, topics_of(&segment))
        };
        let is_confirmed = || wait_confirmed(&segment, topics_of(&segment), 3, Duration::ZERO);
        note(&segment, 0, confirmed(0));
        assert!(!is_confirmed(), "one of three");
        note(&segment, 1, confirmed(2_000_000));
        assert!(!is_confirmed(), "the other was asked before");
        note(
            &segment,
            1,
            Note {
                topics: 0,
                ..confirmed(0)
            },
        );
        assert!(!is_confirmed(), "the other does not tell of this topic");
        note(&segment, 1, confirmed(0));
        assert!(is_confirmed());
    }

    #[test]
    fn notes_of_another_life_of_the_segment_say_nothing() {
        let segment = segment();
        following(10, topics_of(&segment)).write(&segment, Origin(1), 0);
        assert!(!is_applied(&segment, (LIFE, 1)));
    }
}
