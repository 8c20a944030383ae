//! The sequential specification: what a key may become through one operation with the outcome that was
//! seen. Every weakening is one of the [`Rules`], or named in the docs of the parent module.

use crate::linearize::event::{Action, New, Outcome};
use crate::linearize::operation::{Operation, Operations, Role};
use crate::linearize::state::{State, tag_bit};
use crate::linearize::value::folded;

/// What a history is judged by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rules {
    /// Entries may be evicted: whatever finds no value may have found it evicted, and then it is gone.
    pub(crate) may_evict: bool,
    /// A removal may take away what others put while it runs twice, not once: tried when there is no order
    /// without, for it makes the search long.
    pub(crate) may_sweep_twice: bool,
    /// A read may miss without reason, and leaves everything as it is; such misses are counted.
    pub(crate) may_miss: bool,
}

/// Stands for a tag of everything that `expire` reaches, on tokens; values have tags 1 and 2.
const EXPIRED: u8 = 3;
/// Bits of all tags that values have.
const ANY_TAG: u8 = tag_bit(1) | tag_bit(2);

/// Applies operations to states.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spec<'o> {
    pub(crate) operations: &'o Operations,
    pub(crate) rules: Rules,
}

impl Spec<'_> {
    /// Appends every state that `state` may become through `operation`.
    pub(crate) fn apply(&self, state: &State, operation: &Operation, next: &mut Vec<State>) {
        let step = Step {
            spec: self,
            state: *state,
            operation,
            outcome: if operation.role == Role::Appearance {
                Some(Outcome::Stored)
            } else {
                operation.event.outcome
            },
        };
        match operation.role {
            Role::Main | Role::Appearance => {}
            Role::Sweep | Role::SecondSweep => return next.extend(state.is_present.then(|| state.emptied())),
            Role::Gap => {
                let forgiven = state.forgiven.saturating_add(1);
                let emptied = State {
                    forgiven,
                    ..state.emptied()
                };
                let own = operation.event.new_value().map(|new| new.value);
                return next.extend((state.is_present && Some(state.value) != own).then_some(emptied));
            }
        }
        match operation.event.action {
            Action::Read => step.read(next),
            Action::Token => next.push(state.with_token(operation.event.seat, operation.token)),
            Action::Put(new) => step.put(&new, next),
            Action::Add(new) => step.add(&new, next),
            Action::Replace(new) => step.replace(&new, next),
            Action::Swap {
                expected,
                version,
                new,
            } => step.swap(expected, version, &new, next),
            Action::Fill { refreshes, new, .. } => step.fill(refreshes, &new, next),
            Action::Increment {
                delta, initial, life, ..
            } => {
                let new = initial.map(|value| New {
                    value: value.cast_unsigned(),
                    tag: 0,
                    life,
                });
                step.increment(delta, new.as_ref(), next);
            }
            Action::Append { suffix } => {
                step.derive(next, |state| state.derived(folded(state.value, suffix)));
            }
            Action::Touch(life) => {
                step.derive(next, |state| {
                    state.living(life, operation.began_ms, operation.ended_ms)
                });
            }
            Action::Expire => step.expire(next),
            Action::Remove | Action::Invalidate => step.remove(next),
            Action::InvalidateTag(tag) => next.push(step.tag_invalidated(tag)),
            Action::Clear => next.push(step.changed(state.emptied())),
        }
    }
}

/// One operation on one state.
struct Step<'s> {
    spec: &'s Spec<'s>,
    state: State,
    operation: &'s Operation,
    outcome: Option<Outcome>,
}

impl Step<'_> {
    /// Whether it answered so, or was killed before it answered.
    fn may_be(&self, outcome: Outcome) -> bool {
        self.outcome.is_none_or(|seen| seen == outcome)
    }

    fn is_older(&self, token: u16) -> bool {
        self.spec
            .operations
            .is_older(token, self.operation.event.began_ns)
    }

    /// After a write: tokens that were taken before it began are good for nothing any more.
    fn changed(&self, state: State) -> State {
        state.without_tokens(|token| self.is_older(token))
    }

    /// The state, if a value was there to be seen.
    fn present(&self) -> Option<State> {
        let hard = self.state.hard.not_passed(self.operation.began_ms)?;
        self.state.is_present.then_some(State { hard, ..self.state })
    }

    /// The states in which none was there to be seen.
    fn absent(&self) -> impl Iterator<Item = State> {
        let state = self.state;
        let none = (!state.is_present).then_some(state);
        let expired = state
            .hard
            .passed(self.operation.ended_ms)
            .filter(|_| state.is_present)
            .map(|hard| State { hard, ..state });
        let evicted = (state.is_present && self.spec.rules.may_evict).then(|| state.emptied());
        none.into_iter().chain(expired).chain(evicted)
    }

    fn written(&self, state: State, new: &New) -> State {
        self.changed(self.filled(state, new))
    }

    /// Written, but tokens stay good: a fill supersedes no other computation.
    fn filled(&self, state: State, new: &New) -> State {
        State {
            born_by_ns: self.operation.event.ended_ns.unwrap_or(u64::MAX),
            // What is invalidated while it runs may be newer than its birth, whichever took effect first.
            tags_around: self.operation.tags_during,
            ..state.written(new, self.operation.began_ms, self.operation.ended_ms)
        }
    }

    /// Written; gone again, or stale, if an invalidation or a mark for what is older met it on its way.
    fn stored(&self, state: State, new: &New) -> impl Iterator<Item = State> + use<> {
        let written = self.written(state, new);
        self.or_gone(written)
    }

    fn or_gone(&self, written: State) -> impl Iterator<Item = State> + use<> {
        let gone = self.operation.is_overtaken.then(|| written.emptied());
        let marked = self.operation.is_marked.then_some(State {
            is_marked: true,
            ..written
        });
        std::iter::once(written).chain(gone).chain(marked)
    }

    fn tag_invalidated(&self, tag: u8) -> State {
        let mut state = self.state;
        if state.is_present && state.tag == tag {
            state = state.emptied();
        } else if state.is_present && self.operation.event.began_ns > state.born_by_ns {
            state.tags_after |= tag_bit(tag);
        } else if state.is_present {
            state.tags_around |= tag_bit(tag);
        }
        state.with_tag_invalidated(tag, |token| self.is_older(token))
    }

    fn read(&self, next: &mut Vec<State>) {
        match self.outcome {
            Some(Outcome::Hit {
                value,
                version,
                stale,
            }) => next.extend(
                self.present()
                    .filter(|state| value.is_none_or(|value| value == state.value))
                    .and_then(|state| with_version(state, version))
                    .and_then(|state| self.with_staleness(state, stale)),
            ),
            Some(Outcome::Miss) => {
                next.extend(self.absent());
                if self.spec.rules.may_miss && self.state.is_present {
                    next.push(State {
                        forgiven: self.state.forgiven.saturating_add(1),
                        ..self.state
                    });
                }
            }
            _ => next.push(self.state),
        }
    }

    fn with_staleness(&self, state: State, stale: Option<bool>) -> Option<State> {
        match stale {
            Some(true) if !state.is_marked => {
                let soft = state.soft.passed(self.operation.ended_ms)?;
                Some(State { soft, ..state })
            }
            Some(false) if state.is_marked => None,
            Some(false) => {
                let soft = state.soft.not_passed(self.operation.began_ms)?;
                Some(State { soft, ..state })
            }
            Some(true) | None => Some(state),
        }
    }

    fn put(&self, new: &New, next: &mut Vec<State>) {
        if self.may_be(Outcome::Stored) {
            next.extend(self.stored(self.state, new));
        }
        self.refused_with_removal(next);
    }

    /// A put or replace that was superseded or failed has removed what was there.
    fn refused_with_removal(&self, next: &mut Vec<State>) {
        if self.may_be(Outcome::Superseded) || self.may_be(Outcome::Failed) {
            next.push(self.changed(self.state.emptied()));
        }
    }

    /// Others leave everything as it is.
    fn refused(&self, next: &mut Vec<State>) {
        if matches!(self.outcome, Some(Outcome::Superseded | Outcome::Failed)) {
            // What was there for a while is gone in the end.
            let own = self.operation.event.superseded_value();
            next.push(if self.state.is_present && Some(self.state.value) == own {
                self.state.emptied()
            } else {
                self.state
            });
        }
    }

    fn add(&self, new: &New, next: &mut Vec<State>) {
        if self.may_be(Outcome::Stored) {
            next.extend(self.absent().flat_map(|state| self.stored(state, new)));
        }
        if self.outcome == Some(Outcome::Exists) {
            next.extend(self.present());
        }
        self.refused(next);
    }

    fn replace(&self, new: &New, next: &mut Vec<State>) {
        if self.may_be(Outcome::Stored) {
            next.extend(
                self.present()
                    .into_iter()
                    .flat_map(|state| self.stored(state, new)),
            );
            if self.operation.is_base_overtaken && !self.state.is_present {
                next.extend(self.stored(self.state, new));
            }
        }
        self.not_found(next);
        self.refused_with_removal(next);
    }

    fn not_found(&self, next: &mut Vec<State>) {
        if self.outcome == Some(Outcome::NotFound) {
            next.extend(self.absent());
        }
    }

    fn swap(&self, expected: u64, version: u64, new: &New, next: &mut Vec<State>) {
        if self.may_be(Outcome::Stored) {
            next.extend(
                self.present()
                    .filter(|state| state.value == expected)
                    .and_then(|state| with_version(state, Some(version)))
                    .into_iter()
                    .flat_map(|state| self.swapped(state, new)),
            );
            // It may still store although an invalidation took away what it was to replace; a clear of the
            // namespace takes both.
            if self.operation.is_base_overtaken && !self.state.is_present {
                next.push(self.changed(self.state));
                let written = State {
                    tags_around: ANY_TAG,
                    ..self.written(self.state, new)
                };
                next.extend((self.operation.tags_during != 0).then_some(written));
            }
        }
        if let Some(Outcome::Conflict(found)) = self.outcome
            && found != version
        {
            next.extend(self.present().and_then(|state| with_version(state, Some(found))));
        }
        self.not_found(next);
        self.refused(next);
    }

    /// The new value is as old as the one it replaces: if its tag was invalidated since then, it is gone.
    fn swapped(&self, state: State, new: &New) -> impl Iterator<Item = State> {
        let bit = if new.tag == 0 { 0 } else { tag_bit(new.tag) };
        let kept = State {
            born_by_ns: state.born_by_ns,
            tags_after: state.tags_after,
            tags_around: state.tags_around,
            ..self.written(state, new)
        };
        let is_gone = state.tags_after & bit != 0;
        let may_be_gone = is_gone || state.tags_around & bit != 0;
        let gone = may_be_gone.then(|| kept.emptied());
        (!is_gone).then_some(kept).into_iter().chain(gone)
    }

    fn fill(&self, refreshes: Option<u64>, new: &New, next: &mut Vec<State>) {
        let token = self.operation.token;
        let seat = self.operation.event.seat;
        let tags = self.state.tags_since_token(seat);
        let is_expired = tags & tag_bit(EXPIRED) != 0;
        let is_current =
            token != 0 && self.state.token(seat) == token && (!is_expired || self.operation.is_marked);
        let is_invalidated = new.tag != 0 && tags & tag_bit(new.tag) != 0;
        if self.may_be(Outcome::Stored) && is_current {
            // It is as old as its token.
            let filled = |state: State| State {
                tags_around: tags & !tag_bit(EXPIRED) | self.operation.tags_during,
                is_marked: is_expired,
                ..self.filled(state, new)
            };
            let refreshed = self.present().filter(|state| refreshes == Some(state.value));
            let stored = self.absent().chain(refreshed).map(filled);
            if !is_invalidated {
                next.extend(stored.flat_map(|state| self.or_gone(state)));
            } else if self.operation.is_overtaken {
                next.extend(stored.map(State::emptied));
            }
        }
        self.refused(next);
    }

    fn increment(&self, delta: i64, new: Option<&New>, next: &mut Vec<State>) {
        if let Some(present) = self.present()
            && let Some(sum) = present.value.cast_signed().checked_add(delta)
            && self.may_be(Outcome::Sum(sum))
        {
            next.push(self.changed(present.derived(sum.cast_unsigned())));
        }
        match new {
            Some(new) if self.may_be(Outcome::Sum(new.value.cast_signed())) => {
                next.extend(self.absent().flat_map(|state| self.stored(state, new)));
            }
            Some(_) => {}
            None => self.not_found(next),
        }
        self.refused(next);
    }

    fn derive(&self, next: &mut Vec<State>, derived: impl Fn(State) -> State) {
        if self.may_be(Outcome::Stored) {
            next.extend(self.present().map(|state| self.changed(derived(state))));
        }
        self.not_found(next);
        self.refused(next);
    }

    fn expire(&self, next: &mut Vec<State>) {
        if self.may_be(Outcome::Was(true)) {
            next.extend(self.present().map(|state| {
                self.expired(State {
                    is_marked: true,
                    ..state
                })
            }));
        }
        if self.may_be(Outcome::Was(false)) {
            next.extend(self.absent().map(|state| self.expired(state)));
        }
    }

    /// A fill that is under way may still be stored, but not as fresh.
    fn expired(&self, state: State) -> State {
        state.with_tag_invalidated(EXPIRED, |token| self.is_older(token))
    }

    fn remove(&self, next: &mut Vec<State>) {
        if self.may_be(Outcome::Was(true)) {
            next.extend(self.present().map(|state| self.changed(state.emptied())));
        }
        if self.may_be(Outcome::Was(false)) {
            next.extend(self.absent().map(|state| self.changed(state.emptied())));
        }
    }
}

/// The state with the version that was seen, if it had no other.
fn with_version(state: State, seen: Option<u64>) -> Option<State> {
    match seen {
        None => Some(state),
        Some(version) if state.version == 0 || state.version == version => Some(State { version, ..state }),
        Some(_) => None,
    }
}
