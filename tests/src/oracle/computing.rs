//! Look-ups, tokens and fills.

use guira_segment::{Fill, FillToken, Lookup, Segment, Swap};

use super::episode::Episode;
use super::model::Held;
use super::names::Place;
use super::operation::{Length, Options};
use super::sizes::Size;

/// A token, and what the map was when it was taken.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token {
    pub(super) token: FillToken,
    pub(super) place: Place,
    pub(super) birth: u64,
    pub(super) writes: u64,
    pub(super) uncertain_writes: u64,
    invalidations: u64,
    life: u64,
    /// The stale entry that may be refreshed with it.
    refreshes: Option<u64>,
}

/// Most tokens that are kept.
const MAX_TOKENS: usize = 8;

impl Episode<'_, '_> {
    pub(super) fn lookup(&mut self, place: Place) {
        let segment = self.segment(place.space);
        let (value, token) = match segment.lookup(place.name()) {
            Lookup::Hit(value) => (Some(value), None),
            Lookup::Stale(value, token) => (Some(value), Some(token)),
            Lookup::Miss(token) => (None, Some(token)),
        };
        self.model.counters.read(value.is_some());
        let held = self.model.meet(place, value.is_some());
        self.tally.note(match (&value, token) {
            (Some(_), None) => "lookup hit",
            (Some(_), Some(_)) => "lookup stale",
            (None, _) => "lookup miss",
        });
        if let Some((value, held)) = value.zip(held.as_ref()) {
            assert_eq!(value.is_stale(), token.is_some(), "{place:?}");
            self.compare_value(place, &value, held);
        }
        if let Some(token) = token {
            self.keep_token(place, token, held.map(|held| held.serial));
        }
    }

    pub(super) fn take_token(&mut self, place: Place) {
        let token = self.call(place, |segment| segment.fill_token(place.name()));
        self.keep_token(place, token, None);
    }

    /// As a write of its own, but that what is there stays.
    pub(super) fn supersede(&mut self, place: Place) {
        let token = self.call(place, |segment| segment.supersede(place.name()));
        self.tally.note("supersede");
        let present = self.model.get(place).cloned();
        self.model.write(place, present);
        self.keep_token(place, token, None);
    }

    fn keep_token(&mut self, place: Place, token: FillToken, refreshes: Option<u64>) {
        if self.model.tokens.len() == MAX_TOKENS {
            self.model.tokens.remove(0);
        }
        if let Some(older) = self.model.tokens.last() {
            let reading = older.token.clock();
            assert!(
                reading <= token.clock(),
                "{place:?}: the clock went back from {reading}"
            );
        }
        let token = self.token_of_now(place, token, refreshes);
        self.model.tokens.push(token);
    }

    pub(super) fn token_of_now(&self, place: Place, token: FillToken, refreshes: Option<u64>) -> Token {
        Token {
            token,
            place,
            birth: self.model.births,
            writes: self.model.writes_of(place),
            invalidations: self.model.invalidations_of(place),
            life: self.segment(place.space).life(),
            uncertain_writes: self.model.uncertain_writes_of(place),
            refreshes,
        }
    }

    pub(super) fn fill(&mut self, choice: u64, other: Option<Place>, length: Length, options: Options) {
        if self.model.tokens.is_empty() {
            return;
        }
        // It stays usable: of two fills with one token the second must find the first.
        let at = choice as usize % self.model.tokens.len();
        let token = self.model.tokens[at];
        let place = other.unwrap_or(token.place);
        let value = self.new_value(length);
        let outcome = self.call(place, |segment| {
            options.with(|options| segment.fill(place.name(), &value, &token.token, options))
        });
        let is_others = place != token.place && !place.is_empty() && !place.is_too_long();
        if is_others {
            self.tally.note("fill with the token of another key");
            return assert_eq!(outcome, Ok(Fill::Superseded), "{place:?} {token:?}");
        }
        let held = match self.plan(place, &value, options) {
            Ok(held) => Held {
                birth: token.birth,
                ..held
            },
            Err(refusal) => {
                self.tally.note("fill refused");
                return refusal.compare(outcome.err());
            }
        };
        self.model.counters.fills += 1;
        let size = self.model.world.size(place, &held);
        match outcome {
            Ok(Fill::Stored) => self.filled(place, token, held, size),
            Ok(Fill::Superseded) => self.not_filled(place, token, &held),
            Err(error) => {
                if !size.fits() {
                    self.tally.note("fill too large");
                }
                self.accept_error(error, size, value.len());
            }
        }
    }

    /// A value that was kept elsewhere since one of the tokens was taken comes back.
    pub(super) fn fill_born(&mut self, choice: u64, length: Length, options: Options) {
        if self.model.tokens.is_empty() || options.tags.is_bad() {
            return;
        }
        let at = choice as usize % self.model.tokens.len();
        let born = self.model.tokens[at];
        let place = born.place;
        let now = self.call(place, |segment| segment.fill_token(place.name()));
        let now = self.token_of_now(place, now, None);
        let tags = options.tags.numbers();
        let judge = |segment: &Segment| {
            let token = &born.token;
            let tags = options.tags.names();
            segment.token_born(&now.token, token.clock(), token.invalidations(), &tags)
        };
        let token = self.call(place, judge);
        assert_eq!(born.life, now.life, "{place:?}: another life");
        let is_good = born.invalidations == now.invalidations
            && self.model.allows_birth(place.space, born.birth, &tags);
        let Some(token) = token else {
            assert!(
                !is_good || self.model.is_crowded(place),
                "{place:?}: a birth refused for nothing, {born:?}"
            );
            return self.tally.note("birth refused");
        };
        assert!(
            is_good,
            "{place:?}: kept elsewhere and invalidated since, {born:?}"
        );
        self.tally.note("birth accepted");
        let birth = born.birth;
        self.model.tokens.push(Token { token, birth, ..now });
        self.fill(self.model.tokens.len() as u64 - 1, None, length, options);
        self.model.tokens.pop();
    }

    /// What is there is replaced by what was computed under one of the tokens.
    pub(super) fn refill(&mut self, choice: u64, length: Length, options: Options) {
        if self.model.tokens.is_empty() {
            return;
        }
        let at = choice as usize % self.model.tokens.len();
        let token = self.model.tokens[at];
        let place = token.place;
        let metadata = self.segment(place.space).metadata(place.name());
        self.model.meet(place, metadata.is_some());
        let seen = metadata.map(|metadata| metadata.version);
        let Some(version) = seen.or_else(|| self.model.any_version(choice)) else {
            return;
        };
        let value = self.new_value(length);
        let outcome = self.call(place, |segment| {
            options.with(|options| segment.refill(place.name(), version, &value, &token.token, options))
        });
        let held = match self.plan(place, &value, options) {
            Ok(held) => Held {
                birth: token.birth,
                ..held
            },
            Err(refusal) => {
                self.tally.note("refill refused");
                return refusal.compare(outcome.err());
            }
        };
        let size = self.model.world.size(place, &held);
        let is_good = token.invalidations == self.model.invalidations_of(place)
            && self.model.allows_birth(place.space, token.birth, &held.tags);
        match outcome {
            Ok(swap) => {
                self.model.counters.stores += 1;
                let present = self.model.meet(place, swap != Swap::NotFound);
                match swap {
                    Swap::Stored => {
                        assert!(
                            is_good,
                            "{place:?}: refilled although it was invalidated, {token:?}"
                        );
                        self.tally.note("refill stored");
                        self.model.write(place, Some(held));
                    }
                    Swap::Superseded => {
                        let is_right = !is_good || self.model.is_crowded(place);
                        assert!(is_right, "{place:?}: a refill refused for nothing, {token:?}");
                        self.tally.note("refill superseded");
                        self.model.write(place, present);
                    }
                    Swap::NotFound => self.tally.note("refill not found"),
                    Swap::Conflict(_) => panic!("{place:?}: a conflict with the present version"),
                }
            }
            Err(error) => {
                self.meet_before_error(place);
                assert!(seen.is_some(), "{place:?}: nothing was to be written");
                if !size.fits() {
                    self.tally.note("refill too large");
                }
                self.accept_error(error, size, value.len());
            }
        }
    }

    fn filled(&mut self, place: Place, token: Token, held: Held, size: Size) {
        assert!(size.fits());
        assert_eq!(
            self.model.writes_of(place),
            token.writes,
            "{place:?}: filled although it was written or invalidated since"
        );
        assert!(
            self.model.allows_birth(place.space, token.birth, &held.tags),
            "{place:?}: filled although what covers it was invalidated since"
        );
        let present = self.model.get(place).cloned();
        let refreshed = present
            .as_ref()
            .is_some_and(|present| Some(present.serial) == token.refreshes && self.model.is_stale(present));
        if refreshed {
            self.tally.note("fill of a stale value");
        } else {
            self.model.meet(place, false);
            self.tally.note("fill stored");
        }
        self.model.fill(place, held);
    }

    fn not_filled(&mut self, place: Place, token: Token, held: &Held) {
        let was_written = self.model.writes_of(place) != token.writes;
        let was_invalidated = !self.model.allows_birth(place.space, token.birth, &held.tags);
        let present = self.model.get(place);
        let has_value = present.is_some_and(|present| Some(present.serial) != token.refreshes);
        let may_be_moved = self.model.world.may_evict && token.refreshes.is_some();
        let is_uncertain =
            self.model.is_crowded(place) || self.model.uncertain_writes_of(place) != token.uncertain_writes;
        let is_right = was_written || was_invalidated || has_value || may_be_moved || is_uncertain;
        assert!(is_right, "{place:?}: refused for nothing, {token:?}");
        let counters = &mut self.model.counters;
        counters.superseded_at_most += 1;
        if was_written || was_invalidated {
            counters.superseded_at_least += 1;
        } else if !is_uncertain {
            counters.superseded_at_most -= 1;
        }
        self.tally.note(if was_written {
            "fill superseded by a write"
        } else if was_invalidated {
            "fill superseded by an invalidation"
        } else {
            "fill of a key that has a value"
        });
    }
}
