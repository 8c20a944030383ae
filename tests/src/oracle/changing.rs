//! Writes that depend on the present value.

use guira_segment::{RecordKind, Replace, StoreError, Swap};

use super::episode::Episode;
use super::lifetime::Lifetime;
use super::model::Held;
use super::names::{Place, TagList};
use super::operation::{Expected, Length, Options};
use super::refusals::Refusal;

impl Episode<'_, '_> {
    pub(super) fn replace(&mut self, place: Place, length: Length, options: Options) {
        let value = self.new_value(length);
        let outcome = self.call(place, |segment| {
            options.with(|options| segment.replace(place.name(), &value, options))
        });
        let held = match self.plan(place, &value, options) {
            Ok(held) => held,
            Err(refusal) => {
                self.tally.note("replace refused");
                return refusal.compare(outcome.err());
            }
        };
        self.model.counters.stores += 1;
        let size = self.model.world.size(place, &held);
        match outcome {
            Ok(replace) => {
                let present = self.meet_replaced(place, replace);
                if present.is_some() {
                    assert!(size.fits());
                    self.model.write(place, Some(held));
                }
                self.tally.note(if present.is_some() {
                    "replace stored"
                } else {
                    "replace not found"
                });
            }
            Err(error) => {
                self.meet_before_error(place);
                if !size.fits() {
                    self.tally.note("replace too large");
                }
                self.accept_error(error, size, value.len());
                // As a put: what was to be replaced is gone.
                self.model.counters.removes += 1;
                self.model.write(place, None);
            }
        }
    }

    /// What the key held when it was replaced, or nothing.
    fn meet_replaced(&mut self, place: Place, replace: Replace) -> Option<Held> {
        assert_ne!(replace, Replace::Superseded, "{place:?}: nobody invalidated it");
        self.model.meet(place, replace == Replace::Stored)
    }

    /// An error of an operation that needs a value says that there was one.
    pub(super) fn meet_before_error(&mut self, place: Place) -> Held {
        let held = self.model.get(place).cloned();
        self.model.maybe_written(place);
        held.unwrap_or_else(|| panic!("{place:?}: an error instead of an absent value"))
    }

    pub(super) fn swap(&mut self, place: Place, length: Length, expected: Expected, options: Options) {
        let metadata = self.segment(place.space).metadata(place.name());
        let held = self.model.meet(place, metadata.is_some());
        // Of an absent key some version must be named, too.
        let current = metadata.map(|metadata| metadata.version);
        if let Some((metadata, held)) = metadata.zip(held) {
            self.compare_metadata(place, &metadata, &held);
        }
        let version = match (expected, current) {
            (Expected::Current, Some(current)) => current,
            (Expected::Current, None) => match self.model.any_version(0) {
                Some(version) => version,
                None => return,
            },
            (Expected::Other(choice), current) => match self.model.another_version(current, choice) {
                Some(version) => version,
                None => return,
            },
        };
        let value = self.new_value(length);
        let outcome = self.call(place, |segment| {
            options.with(|options| segment.compare_and_swap(place.name(), version, &value, options))
        });
        let fresh = match self.plan(place, &value, options) {
            Ok(fresh) => fresh,
            Err(refusal) => {
                self.tally.note("swap refused");
                return refusal.compare(outcome.err());
            }
        };
        let size = self.model.world.size(place, &fresh);
        match outcome {
            Ok(swap) => {
                self.model.counters.stores += 1;
                let present = self.model.meet(place, swap != Swap::NotFound);
                self.swapped(place, swap, current == Some(version), fresh, present);
            }
            Err(error) => {
                let held = self.meet_before_error(place);
                assert_eq!(current, Some(version), "{place:?}: {held:?}");
                if !size.fits() {
                    self.tally.note("swap too large");
                }
                self.accept_error(error, size, value.len());
            }
        }
    }

    fn swapped(&mut self, place: Place, swap: Swap, is_current: bool, fresh: Held, present: Option<Held>) {
        match (swap, present) {
            (Swap::Stored, Some(present)) => {
                assert!(is_current, "{place:?}: another version was swapped");
                self.tally.note("swap stored");
                // As old as what it replaced when something is invalidated.
                let birth = present.birth;
                self.model.write(place, Some(Held { birth, ..fresh }));
            }
            (Swap::Conflict(version), Some(present)) => {
                assert!(!is_current, "{place:?}: a conflict with the present version");
                self.tally.note("swap conflict");
                self.model.see_version(place, &present, version);
            }
            (Swap::NotFound, None) => self.tally.note("swap not found"),
            (swap, present) => panic!("{place:?}: {swap:?} of {present:?}"),
        }
    }

    pub(super) fn increment(&mut self, place: Place, delta: i64, initial: Option<i64>, lifetime: Lifetime) {
        let expiry = lifetime.expiry();
        let outcome = self.call(place, |segment| {
            segment.increment(place.name(), delta, initial, expiry)
        });
        self.has_incremented(place, delta, initial, lifetime, outcome);
    }

    pub(super) fn decrement(&mut self, place: Place, delta: i64, initial: Option<i64>, lifetime: Lifetime) {
        let expiry = lifetime.expiry();
        let outcome = self.call(place, |segment| {
            segment.decrement(place.name(), delta, initial, expiry)
        });
        match delta.checked_neg() {
            Some(negated) => self.has_incremented(place, negated, initial, lifetime, outcome),
            None => {
                self.tally.note("decrement of the least number");
                match Refusal::of_key(place) {
                    // Either complaint is right.
                    Some(_) => assert!(outcome.is_err()),
                    None => assert_eq!(outcome, Err(StoreError::Overflow { value: 0, delta })),
                }
            }
        }
    }

    fn has_incremented(
        &mut self,
        place: Place,
        delta: i64,
        initial: Option<i64>,
        lifetime: Lifetime,
        outcome: Result<Option<i64>, StoreError>,
    ) {
        if let Some(refusal) = Refusal::of_key(place) {
            self.tally.note("increment refused");
            return refusal.compare(outcome.err());
        }
        let present = self.model.get(place).cloned();
        let number = present.as_ref().map(|held| number_of(&held.value));
        match (outcome, number) {
            (Ok(Some(sum)), Some(Some(number))) if number.checked_add(delta) == Some(sum) => {
                self.tally.note("increment summed");
                self.model.counters.stores += 1;
                let base = self.model.meet(place, true).expect("there, as just seen");
                let held = self.model.derived(&base, sum.to_string().into_bytes());
                self.model.write(place, Some(held));
            }
            (Ok(result), _) => {
                self.model.counters.stores += 1;
                self.model.meet(place, false);
                assert_eq!(result, initial, "{place:?}: {present:?} {delta:+}");
                let Some(initial) = initial else {
                    return self.tally.note("increment none");
                };
                self.tally.note("increment initial");
                let value = initial.to_string().into_bytes();
                let held = self.plan(place, &value, Options::of(lifetime));
                let held = held.expect("a refused lifetime was taken");
                self.model.write(place, Some(held));
            }
            (Err(StoreError::NotANumber), Some(None)) => self.tally.note("increment not a number"),
            (Err(StoreError::Overflow { value, delta: told }), Some(Some(number))) => {
                self.tally.note("increment overflow");
                assert_eq!((value, told), (number, delta));
                assert!(number.checked_add(delta).is_none());
            }
            (Err(error @ StoreError::BadExpiry { .. }), _) => {
                // Only what is stored anew takes the lifetime.
                self.tally.note("increment refused");
                self.model.meet(place, false);
                assert!(initial.is_some());
                let now_ms = self.model.now_ms();
                Refusal::of_store(place, lifetime, Options::of(lifetime).tags, now_ms)
                    .expect("a lifetime was refused that is good")
                    .compare(Some(error));
            }
            (Err(error), _) => self.increment_failed(place, present, initial, error),
        }
    }

    fn increment_failed(
        &mut self,
        place: Place,
        present: Option<Held>,
        initial: Option<i64>,
        error: StoreError,
    ) {
        let value = initial.unwrap_or_default().to_string().into_bytes();
        let held = present.unwrap_or_else(|| Held {
            value,
            ..self.blank()
        });
        let size = self.model.world.size(place, &held);
        self.accept_error(error, size, held.value.len());
        self.model.maybe_written(place);
    }

    /// An entry without anything.
    fn blank(&mut self) -> Held {
        let options = Options::of(Lifetime::NEVER);
        let deadlines = options.lifetime.deadlines(0).expect("never is no bad lifetime");
        self.model.fresh(Vec::new(), deadlines, options.tags, false)
    }

    pub(super) fn append(&mut self, place: Place, length: Length) {
        let suffix = self.new_value(length);
        let outcome = self.call(place, |segment| segment.append(place.name(), &suffix));
        self.lengthened(place, outcome, |base| Some([base, &suffix].concat()));
    }

    /// `is_headless` if the value is to begin with something else than it does.
    pub(super) fn prepend(&mut self, place: Place, length: Length, head_bytes: usize, is_headless: bool) {
        let prefix = self.new_value(length);
        let held = self
            .model
            .get(place)
            .map(|held| held.value.clone())
            .unwrap_or_default();
        let mut head = held.get(..head_bytes).unwrap_or(&held).to_vec();
        if is_headless {
            head.push(held.get(head.len()).map_or(0, |byte| byte ^ 1));
        }
        let outcome = self.call(place, |segment| segment.prepend(place.name(), &head, &prefix));
        self.lengthened(place, outcome, |base| {
            Some([&head, &prefix, base.strip_prefix(&*head)?].concat())
        });
    }

    /// `longer` makes the new value of the one that is there, or says that it does not fit.
    fn lengthened(
        &mut self,
        place: Place,
        outcome: Result<Replace, StoreError>,
        longer: impl Fn(&[u8]) -> Option<Vec<u8>>,
    ) {
        if let Some(refusal) = Refusal::of_key(place) {
            self.tally.note("append refused");
            return refusal.compare(outcome.err());
        }
        match outcome {
            Ok(replace) => {
                self.model.counters.stores += 1;
                let held = self.model.get(place).cloned();
                if held.is_some_and(|held| longer(&held.value).is_none()) {
                    assert_eq!(replace, Replace::NotFound, "{place:?}: it begins otherwise");
                    return self.tally.note("prepend behind another head");
                }
                let Some(base) = self.meet_replaced(place, replace) else {
                    return self.tally.note("append not found");
                };
                self.tally.note("append stored");
                let value = longer(&base.value).expect("as just seen");
                let held = self.model.derived(&base, value);
                assert!(self.model.world.size(place, &held).fits());
                self.model.write(place, Some(held));
            }
            Err(error) => {
                let base = self.meet_before_error(place);
                let value = longer(&base.value).expect("nothing was to be stored");
                let held = self.model.derived(&base, value);
                let size = self.model.world.size(place, &held);
                if !size.fits() {
                    self.tally.note("append too large");
                }
                self.accept_error(error, size, held.value.len());
            }
        }
    }

    pub(super) fn add_tags(&mut self, place: Place, tags: TagList) {
        let names = tags.names();
        let outcome = self.call(place, |segment| segment.add_tags(place.name(), &names));
        // However many there are, they are folded.
        let nameless = (tags == TagList::Nameless).then_some(Refusal::BadTags);
        if let Some(refusal) = Refusal::of_key(place).or(nameless) {
            self.tally.note("tags not added: refused");
            return refusal.compare(outcome.err());
        }
        let with_tags = |held: Held| {
            let mut numbers = Vec::new();
            for tag in held.tags.iter().copied().chain(tags.folded_numbers()) {
                if !numbers.contains(&tag) {
                    numbers.push(tag);
                }
            }
            Held {
                tags: numbers,
                ..held
            }
        };
        match outcome {
            Ok(replace) => {
                self.model.counters.stores += 1;
                let Some(base) = self.meet_replaced(place, replace) else {
                    return self.tally.note("tags not added: not found");
                };
                self.tally.note("tags added");
                let held = with_tags(self.model.derived(&base, base.value.clone()));
                self.model.write(place, Some(held));
            }
            Err(error) => {
                let held = with_tags(self.meet_before_error(place));
                let size = self.model.world.size(place, &held);
                self.accept_error(error, size, held.value.len());
            }
        }
    }

    pub(super) fn touch(&mut self, place: Place, lifetime: Lifetime) {
        let expiry = lifetime.expiry();
        let outcome = self.call(place, |segment| segment.touch(place.name(), expiry));
        let now_ms = self.model.now_ms();
        if let Some(refusal) = Refusal::of_store(place, lifetime, Options::of(lifetime).tags, now_ms) {
            self.tally.note("touch refused");
            return refusal.compare(outcome.err());
        }
        match outcome {
            Ok(replace) => {
                let Some(base) = self.meet_replaced(place, replace) else {
                    return self.tally.note("touch not found");
                };
                self.tally.note("touch stored");
                let held = self.model.derived(&base, base.value.clone());
                let deadlines = lifetime.deadlines(now_ms).expect("as just seen");
                self.model.write(place, Some(Held { deadlines, ..held }));
            }
            Err(error) => {
                let held = self.meet_before_error(place);
                let size = self.model.world.size(place, &held);
                self.accept_error(error, size, held.value.len());
            }
        }
    }

    pub(super) fn expire(&mut self, place: Place) {
        let was_found = self.call(place, |segment| segment.expire(place.name()));
        let present = self.model.meet(place, was_found);
        self.tally
            .note(if was_found { "expire yes" } else { "expire no" });
        if !place.is_empty() {
            self.model.write(place, present);
            self.model.mark_expired(place);
            self.tell_of_key(RecordKind::Expire, place);
        }
    }
}

/// The decimal number that a value is, if it is one of at most twenty characters.
fn number_of(value: &[u8]) -> Option<i64> {
    if value.len() > 20 {
        return None;
    }
    std::str::from_utf8(value).ok()?.parse().ok()
}
