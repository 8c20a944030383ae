//! Judging a history: key by key, and what is wrong cut down to what shows it.

use serde::{Deserialize, Serialize};

use crate::linearize::event::Event;
use crate::linearize::operation::Operations;
use crate::linearize::search::{Verdict, decide};
use crate::linearize::shrink::needed;
use crate::linearize::spec::Rules;
use crate::linearize::words::{ALL_KEYS, MAIN_KEYS, SIDE_KEYS};
use crate::linearize::world::World;

/// A history and what must be known to judge it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct History {
    /// Of the run.
    pub seed: u64,
    /// Its number in the run.
    pub number: u64,
    /// Recorded keys.
    pub keys: u8,
    /// Whether entries may have been evicted while it was made.
    pub may_evict: bool,
    /// Its operations.
    pub events: Vec<Event>,
}

/// A key whose operations have no order.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// The key.
    pub key: u8,
    /// The operations that contradict each other, and what wrote meanwhile, by their begin.
    pub shown: Vec<Shown>,
}

/// An operation around a violation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Shown {
    /// The operation.
    pub event: Event,
    /// Without it there would be an order.
    pub is_needed: bool,
}

/// What became of a history.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Judged {
    /// Keys without order.
    pub violations: Vec<Violation>,
    /// Keys that were given up.
    pub undecided: Vec<u8>,
    /// Misses without reason.
    pub momentary_misses: u64,
    /// Keys that have no order without them.
    pub momentary: Vec<Violation>,
    /// Pairs of a state and operations under way that were looked at.
    pub explored: u64,
}

impl History {
    /// The operations on one key, those on all keys included, by their begin.
    #[must_use]
    pub fn of_key(&self, key: u8) -> Vec<Event> {
        let mut events: Vec<Event> = self
            .events
            .iter()
            .filter(|event| match event.key {
                ALL_KEYS => true,
                MAIN_KEYS => !World::is_side(key),
                SIDE_KEYS => World::is_side(key),
                other => other == key,
            })
            .map(|event| Event { key, ..*event })
            .collect();
        events.sort_by_key(|event| (event.began_ns, event.client));
        events
    }

    /// Judges every key.
    #[must_use]
    pub fn judge(&self) -> Judged {
        let mut judged = Judged::default();
        for key in 0..self.keys {
            self.judge_key(key, &mut judged);
        }
        judged
    }

    fn judge_key(&self, key: u8, judged: &mut Judged) {
        let events = self.of_key(key);
        let operations = Operations::new(&events);
        let quick = Rules {
            may_evict: self.may_evict,
            ..Rules::default()
        };
        let strict = Rules {
            may_sweep_twice: true,
            ..quick
        };
        let lenient = Rules {
            may_miss: true,
            ..strict
        };
        let mut rules = quick;
        let mut verdict = Verdict::Linearizable { forgiven: 0 };
        for next in [quick, strict, lenient] {
            let decision = decide(&operations, next);
            judged.explored += decision.explored;
            if next.may_miss && matches!(decision.verdict, Verdict::Undecided { .. }) {
                break;
            }
            // Of a miss the rules that it contradicts are shown, not those that let it pass.
            if !matches!(decision.verdict, Verdict::Linearizable { forgiven: 1.. }) {
                rules = next;
            }
            verdict = decision.verdict;
            if !matches!(verdict, Verdict::Violation { .. }) {
                break;
            }
        }
        match verdict {
            Verdict::Linearizable { forgiven: 0 } => {}
            Verdict::Linearizable { forgiven } => {
                judged.momentary_misses += u64::from(forgiven);
                judged.momentary.push(Violation {
                    key,
                    shown: shown(&events, rules),
                });
            }
            Verdict::Undecided { .. } => judged.undecided.push(key),
            Verdict::Violation { .. } => judged.violations.push(Violation {
                key,
                shown: shown(&events, rules),
            }),
        }
    }
}

/// Lines of a violation, beyond which only needed operations are shown.
const MAX_SHOWN: usize = 40;

/// The needed operations, and whatever may have changed the key from the first to the last of them.
fn shown(events: &[Event], rules: Rules) -> Vec<Shown> {
    let (needed, end) = needed(events, rules);
    let needed_events = || {
        let flagged = events.iter().take(end).zip(&needed);
        flagged
            .filter(|(_, is_needed)| **is_needed)
            .map(|(event, _)| event)
    };
    let first_ns = needed_events().map(|event| event.began_ns).min();
    // One write before it gives the value that all began with.
    let first_ns = events
        .iter()
        .filter(|event| !event.is_look() && Some(event.began_ns) < first_ns)
        .map(|event| event.began_ns)
        .max()
        .or(first_ns);
    let shown: Vec<Shown> = events
        .iter()
        .take(end)
        .zip(&needed)
        .filter(|(event, is_needed)| **is_needed || (!event.is_look() && Some(event.began_ns) >= first_ns))
        .map(|(event, is_needed)| Shown {
            event: *event,
            is_needed: *is_needed,
        })
        .collect();
    if shown.len() <= MAX_SHOWN {
        return shown;
    }
    shown.into_iter().filter(|shown| shown.is_needed).collect()
}

impl Violation {
    /// One line for each operation, times in microseconds since the first; needed ones are marked.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let first_ns = self.shown.first().map_or(0, |shown| shown.event.began_ns);
        self.shown.iter().map(|shown| shown.line(first_ns)).collect()
    }
}

impl Shown {
    fn line(&self, first_ns: u64) -> String {
        let event = &self.event;
        let since = |ns: u64| ns.saturating_sub(first_ns) as f64 / 1000.0;
        let end = match (event.ended_ns, event.gone_ns) {
            (Some(ns), _) => format!("{:.3}", since(ns)),
            (None, Some(ns)) => format!("killed by {:.3}", since(ns)),
            (None, None) => "?".to_owned(),
        };
        let outcome = event
            .outcome
            .map_or("no answer".to_owned(), |outcome| format!("{outcome:?}"));
        format!(
            "{} {:>10.3} .. {end:>10} us  client {:>2}  {:?} -> {outcome}",
            if self.is_needed { '*' } else { ' ' },
            since(event.began_ns),
            event.client,
            event.action
        )
    }
}
