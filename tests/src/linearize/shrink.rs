//! The part of a history that shows a violation.
//!
//! A look is needed if the history has an order without it. A mutation is needed if the history has an order
//! as soon as that mutation *may or may not* have happened: it is never taken away, or what it wrote would
//! seem to come from nowhere. So what is called needed contradicts itself whatever became of the rest.

use std::ops::Range;

use crate::linearize::event::Event;
use crate::linearize::operation::Operations;
use crate::linearize::search::{Verdict, decide, decide_within};
use crate::linearize::spec::Rules;

/// Mutations before the contradiction that are tried; what is older is taken as it was.
const TRIED_MUTATIONS: usize = 24;
/// Pairs that the search of one trial looks at; a trial that needs more leaves everything as it is.
const TRIAL_PAIRS: u64 = 100_000;
/// Pairs that all trials of a violation look at, beyond which the rest is shown as it is.
const ALL_TRIALS_PAIRS: u64 = 10_000_000;

/// For each event whether it is needed; and how many events there are up to the contradiction.
pub(crate) fn needed(events: &[Event], rules: Rules) -> (Vec<bool>, usize) {
    let mut operations = Operations::new(events);
    let end = match decide(&operations, rules).verdict {
        Verdict::Violation { operation } => {
            let end_ns = events.get(operation).and_then(|event| event.ended_ns);
            events
                .iter()
                .filter(|event| Some(event.began_ns) <= end_ns)
                .count()
        }
        _ => events.len(),
    };
    operations.all.truncate(end);
    let mut trial = Trial {
        operations,
        rules,
        is_kept: vec![true; end],
        is_needed: vec![true; end],
        pairs_left: ALL_TRIALS_PAIRS,
    };
    let mut length = end.div_ceil(2).max(1);
    loop {
        let mut range_end = end;
        while range_end > 0 {
            let range = range_end.saturating_sub(length)..range_end;
            range_end = range.start;
            trial.leave_out_looks(range);
        }
        if length == 1 {
            break;
        }
        length = length.div_ceil(2);
    }
    let mutations: Vec<usize> = (0..end)
        .rev()
        .filter(|index| trial.is_kept.get(*index) == Some(&true))
        .take(TRIED_MUTATIONS)
        .collect();
    if let Some(oldest) = mutations.last() {
        trial
            .is_needed
            .iter_mut()
            .take(*oldest)
            .for_each(|is_needed| *is_needed = false);
    }
    for index in mutations {
        trial.make_optional(index);
    }
    (trial.is_needed, end)
}

struct Trial {
    operations: Operations,
    rules: Rules,
    /// Not left out of the search.
    is_kept: Vec<bool>,
    is_needed: Vec<bool>,
    pairs_left: u64,
}

impl Trial {
    /// A look that is left out only takes away a demand.
    fn leave_out_looks(&mut self, range: Range<usize>) {
        let before = self.is_kept.clone();
        for index in range {
            if let (Some(operation), Some(is_kept)) =
                (self.operations.all.get(index), self.is_kept.get_mut(index))
                && operation.event.is_look()
            {
                *is_kept = false;
            }
        }
        if self.is_kept == before {
            return;
        }
        if self.is_violation() {
            self.is_needed.clone_from(&self.is_kept);
        } else {
            self.is_kept = before;
        }
    }

    fn make_optional(&mut self, index: usize) {
        self.set_optional(index, true);
        if self.is_violation() {
            if let Some(is_needed) = self.is_needed.get_mut(index) {
                *is_needed = false;
            }
        } else {
            self.set_optional(index, false);
        }
    }

    fn set_optional(&mut self, index: usize, is_optional: bool) {
        if let Some(operation) = self.operations.all.get_mut(index) {
            operation.is_optional = is_optional || operation.event.ended_ns.is_none();
        }
    }

    fn is_violation(&mut self) -> bool {
        let kept = self.operations.only(&self.is_kept);
        let decision = decide_within(&kept, self.rules, TRIAL_PAIRS.min(self.pairs_left));
        self.pairs_left = self.pairs_left.saturating_sub(decision.explored);
        matches!(decision.verdict, Verdict::Violation { .. })
    }
}
