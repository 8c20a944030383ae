//! Flights: one computation of a key among several.

use std::time::Duration;

use guira_segment::{Flight, FlightEnd, FlightLead};

use super::computing::Token;
use super::episode::Episode;
use super::names::Place;

/// The right to compute a key, perhaps taken over by another since.
pub(super) struct Lead<'s> {
    place: Place,
    /// Of the flight that it leads, unless it was taken over.
    began: Token,
    deadline_ms: u64,
    is_current: bool,
    guard: FlightLead<'s>,
}

impl Lead<'_> {
    pub(super) const fn is_current(&self) -> bool {
        self.is_current
    }
}

/// What a taker-over grants itself.
const GRANTED_MS: u64 = 50_000;
/// Most leads that are kept: a key has two cells, and few flights leave one free.
const MAX_LEADS: usize = 4;

impl<'s> Episode<'s, '_> {
    pub(super) fn flight(&mut self, place: Place, patience_ms: u64, use_old_token: Option<u64>) {
        if place.is_empty() || place.is_too_long() {
            return;
        }
        if self.leads.len() >= MAX_LEADS {
            self.end_flight(0);
        }
        let segment = self.segment(place.space);
        let old = use_old_token.and_then(|choice| self.old_token(place, choice));
        let token = old.unwrap_or_else(|| self.token_of_now(place, segment.fill_token(place.name()), None));
        let patience = match patience_ms {
            u64::MAX => Duration::MAX,
            ms => Duration::from_millis(ms),
        };
        let current = self
            .leads
            .iter()
            .position(|lead| lead.is_current && lead.place == place);
        let flight = segment.flight(place.name(), &token.token, patience);
        match (flight, current) {
            (Flight::Lead(guard), None) => {
                self.tally.note("flight led");
                self.lead(place, token, patience_ms, guard);
            }
            (Flight::Lead(guard), Some(at)) => {
                // What that flight computes may be older than this miss.
                assert!(
                    self.may_differ(place, self.leads[at].began, token)
                        && self.leads[at].began.birth <= token.birth,
                    "{place:?}: a second lead"
                );
                self.tally.note("flight led after an invalidation or write");
                self.leads[at].is_current = false;
                self.lead(place, token, patience_ms, guard);
            }
            (Flight::Wait(wait), Some(at)) => {
                let began = self.leads[at].began;
                assert!(
                    began.writes == token.writes || began.birth > token.birth,
                    "{place:?}: joined a flight that is older than what was written"
                );
                self.tally.note("flight waited for");
                self.model.counters.waits += 1;
                let guard = &self.leads[at].guard;
                assert_eq!(wait.number(), guard.number(), "{place:?}");
                assert!(guard.is_awaited(), "{place:?}");
                assert!(!wait.sleep(Duration::ZERO), "{place:?}: nobody ended it");
                let end = wait.wait(Duration::ZERO);
                drop(wait);
                assert!(!self.leads[at].guard.is_awaited(), "{place:?}");
                self.waited(place, at, end);
            }
            (Flight::Alone, None) => {
                let others = self.leads.iter().filter(|lead| lead.is_current).count();
                assert!(
                    others >= 2,
                    "{place:?}: no cell although {others} flights are under way"
                );
                self.tally.note("flight alone");
            }
            (flight, current) => panic!("{place:?}: {flight:?} {current:?}"),
        }
    }

    /// A token of this key that was taken some time ago, if there is one.
    fn old_token(&self, place: Place, choice: u64) -> Option<Token> {
        let of_place = self.model.tokens.iter().filter(|token| token.place == place);
        let of_place: Vec<&Token> = of_place.collect();
        let at = choice as usize % of_place.len().max(1);
        of_place.get(at).copied().copied()
    }

    /// Whether the stamps of two tokens of one key may differ.
    fn may_differ(&self, place: Place, one: Token, other: Token) -> bool {
        one.writes != other.writes
            || one.uncertain_writes != other.uncertain_writes
            || self.model.is_crowded(place)
    }

    fn lead(&mut self, place: Place, began: Token, patience_ms: u64, guard: FlightLead<'s>) {
        self.leads.push(Lead {
            place,
            began,
            deadline_ms: self.model.now_ms().saturating_add(patience_ms),
            is_current: true,
            guard,
        });
    }

    fn waited(&mut self, place: Place, at: usize, end: FlightEnd<'s>) {
        let is_late = self.leads[at].deadline_ms <= self.model.now_ms();
        match end {
            FlightEnd::TakenOver(guard) => {
                assert!(is_late, "{place:?}: taken over from one that has time");
                self.tally.note("flight taken over");
                self.leads[at].is_current = false;
                // As of now: whatever was written before it is seen by whoever computes.
                let token = self.segment(place.space).fill_token(place.name());
                let began = self.token_of_now(place, token, None);
                guard.extend(Duration::from_millis(GRANTED_MS));
                self.lead(place, began, GRANTED_MS, guard);
            }
            FlightEnd::TimedOut => {
                assert!(!is_late, "{place:?}: a late flight was waited for");
                self.tally.note("flight timed out");
            }
            FlightEnd::Landed => panic!("{place:?}: landed, but nobody ended it"),
        }
    }

    pub(super) fn end_flight(&mut self, choice: u64) {
        if self.leads.is_empty() {
            return;
        }
        self.tally.note("flight ended");
        let at = choice as usize % self.leads.len();
        self.leads.remove(at);
    }
}
