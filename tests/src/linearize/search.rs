//! The decision: is there an order of a key's operations that keeps to real time and to the
//! specification?
//!
//! Just-in-time linearization (Lowe 2017, after Wing and Gong): go along the history and keep every
//! pair of a state and the set of operations under way that already took effect, by which what was seen
//! so far is explained. An operation takes effect at the latest when it ends, and others under way only
//! before one that ends. When no pair is left there is no order; nothing is guessed and nothing is
//! bounded but the number of pairs that are looked at, beyond which the history counts as undecided.

use std::collections::HashSet;

use crate::linearize::operation::{Operations, Role};
use crate::linearize::spec::{Rules, Spec};
use crate::linearize::state::State;

/// Pairs beyond which a history is undecided.
const MAX_EXPLORED: u64 = 16_000_000;
/// Operations under way at once.
const MAX_UNDER_WAY: usize = 64;

/// What was decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// There is an order; so many misses were let pass in the one with the fewest.
    Linearizable { forgiven: u8 },
    /// There is none: nothing explains the end of this operation.
    Violation { operation: usize },
    /// Too many possibilities.
    Undecided { operation: usize },
}

/// The verdict and how many pairs were looked at.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Decision {
    pub(crate) verdict: Verdict,
    pub(crate) explored: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Pair {
    state: State,
    /// By place: whether the operation under way took effect.
    done: u64,
}

/// Decides the history of one key, which begins absent.
pub(crate) fn decide(operations: &Operations, rules: Rules) -> Decision {
    decide_within(operations, rules, MAX_EXPLORED)
}

/// As `decide`, but undecided after so many pairs.
pub(crate) fn decide_within(operations: &Operations, rules: Rules, max_explored: u64) -> Decision {
    let mut search = Search {
        spec: Spec { operations, rules },
        under_way: Vec::new(),
        pairs: vec![Pair {
            state: State::ABSENT,
            done: 0,
        }],
        explored: 0,
        max_explored,
    };
    for moment in moments(operations, rules) {
        if moment.is_end {
            if let Some(verdict) = search.end(moment.operation) {
                return search.decision(verdict);
            }
        } else if !search.begin(moment.operation) {
            return search.decision(Verdict::Undecided {
                operation: moment.operation,
            });
        }
    }
    let forgiven = search.pairs.iter().map(|pair| pair.state.forgiven).min();
    search.decision(Verdict::Linearizable {
        forgiven: forgiven.unwrap_or(0),
    })
}

/// A begin or an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Moment {
    at_ns: u64,
    /// At one reading of the clock begins come first: what touches overlaps.
    is_end: bool,
    operation: usize,
}

fn moments(operations: &Operations, rules: Rules) -> Vec<Moment> {
    let mut moments = Vec::with_capacity(3 * operations.all.len());
    for (index, operation) in operations.with_companions().enumerate() {
        let is_left_out = match operation.role {
            Role::Gap => !rules.may_miss,
            Role::SecondSweep => !rules.may_sweep_twice,
            Role::Main | Role::Sweep | Role::Appearance => false,
        };
        if is_left_out {
            continue;
        }
        moments.push(Moment {
            at_ns: operation.event.began_ns,
            is_end: false,
            operation: index,
        });
        moments.extend(operation.event.ended_ns.map(|at_ns| Moment {
            at_ns,
            is_end: true,
            operation: index,
        }));
    }
    moments.sort_unstable();
    moments
}

struct Search<'o> {
    spec: Spec<'o>,
    /// By place: the operation, if one is under way there.
    under_way: Vec<Option<usize>>,
    pairs: Vec<Pair>,
    explored: u64,
    max_explored: u64,
}

impl Search<'_> {
    const fn decision(&self, verdict: Verdict) -> Decision {
        Decision {
            verdict,
            explored: self.explored,
        }
    }

    /// False if no place is left.
    fn begin(&mut self, operation: usize) -> bool {
        if let Some(place) = self.under_way.iter_mut().find(|place| place.is_none()) {
            *place = Some(operation);
            return true;
        }
        self.under_way.push(Some(operation));
        self.under_way.len() <= MAX_UNDER_WAY
    }

    /// Keeps the pairs in which `operation` took effect; a verdict if there are none, or too many.
    fn end(&mut self, operation: usize) -> Option<Verdict> {
        let place = self
            .under_way
            .iter()
            .position(|under_way| *under_way == Some(operation))?;
        let bit = 1 << place;
        let ended = self.spec.operations.get(operation);
        let is_optional = ended.is_some_and(|ended| ended.is_optional);
        let mut seen: HashSet<Pair> = HashSet::new();
        let mut kept: HashSet<Pair> = HashSet::new();
        let mut waiting = std::mem::take(&mut self.pairs);
        let mut next = Vec::new();
        while let Some(pair) = waiting.pop() {
            self.explored += 1;
            if pair.done & bit != 0 {
                kept.insert(Pair {
                    done: pair.done & !bit,
                    ..pair
                });
                continue;
            }
            if is_optional {
                kept.insert(pair);
            }
            if self.explored > self.max_explored {
                return Some(Verdict::Undecided { operation });
            }
            for (other, index) in self.under_way.iter().enumerate() {
                let Some(index) = *index else { continue };
                if pair.done & 1 << other != 0 {
                    continue;
                }
                let Some(other_operation) = self.spec.operations.get(index) else {
                    continue;
                };
                next.clear();
                self.spec.apply(&pair.state, other_operation, &mut next);
                for state in next.drain(..) {
                    let reached = Pair {
                        state,
                        done: pair.done | 1 << other,
                    };
                    if seen.insert(reached) {
                        waiting.push(reached);
                    }
                }
            }
        }
        if let Some(free) = self.under_way.get_mut(place) {
            *free = None;
        }
        // What was not stored in the end is not there.
        let refused = ended.filter(|ended| ended.role == Role::Main);
        let refused = refused.and_then(|ended| ended.event.superseded_value());
        self.pairs = kept
            .into_iter()
            .filter(|pair| !pair.state.is_present || Some(pair.state.value) != refused)
            .collect();
        self.pairs.is_empty().then_some(Verdict::Violation { operation })
    }
}
