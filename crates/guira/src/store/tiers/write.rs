//! Writes: lowest tier first, the arbiter by a token that refuses whoever wrote before, then those above forget.

use std::thread;
use std::time::Duration;

use guira_segment::mutant::Mutant;
use guira_segment::{FillToken, Segment};

use super::Tiers;
use super::arbiter::Decide;
use super::seam::{Keeping, Lives, Seat};
use super::tier::OnFailure;
use super::walk::{Standing, Walk};
use crate::envelope::Birth;
use crate::error::Error;
use crate::flight::Basis;
use crate::key::KeyBytes;
use crate::options::PutOptions;

/// How often a write begins anew because another one of the same key came between.
const ATTEMPTS: u32 = 32;

/// When a value is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Condition {
    Always,
    /// The key has a value.
    Present,
}

/// What became of a write.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Written {
    Stored,
    Superseded,
    NotFound,
}

/// A write that is under way.
struct Write<'w, K: ?Sized, V> {
    tiers: &'w Tiers<K, V>,
    key: &'w K,
    value: &'w V,
    options: &'w PutOptions<'w>,
    decider: &'w dyn Decide<K, V>,
    arbiter: usize,
    /// Tiers below the arbiter that failed, and are not asked again.
    failed: Vec<bool>,
    /// Whether what the failed ones have is to be made void.
    voids: bool,
    /// Some tier has the value.
    has_begun: bool,
}

/// How an attempt ended.
enum Attempt {
    Done(Written),
    /// Another write came between, or a tier failed.
    Again,
}

impl<K: ?Sized, V> Tiers<K, V> {
    /// Writes `value` to all tiers, if `condition` holds.
    pub(super) fn write(
        &self,
        key: &K,
        value: &V,
        options: &PutOptions<'_>,
        condition: Condition,
    ) -> Result<Written, Error> {
        let Some((arbiter, decider)) = self.decider() else {
            return self.write_undated(key, value, options, condition);
        };
        let mut write = Write {
            tiers: self,
            key,
            value,
            options,
            decider,
            arbiter,
            failed: vec![false; self.tiers.len()],
            voids: false,
            has_begun: false,
        };
        let written = write.run(condition);
        if write.has_begun && !matches!(written, Ok(Written::Stored | Written::NotFound)) {
            // It may have come to some tiers, and must not be one tier's truth.
            self.forget(key, arbiter + 1..self.tiers.len());
        }
        if write.has_begun || written.is_ok() && !matches!(written, Ok(Written::NotFound)) {
            self.drop_above(key, arbiter)?;
        }
        written
    }

    /// Of a stack that has no segment.
    fn write_undated(
        &self,
        key: &K,
        value: &V,
        options: &PutOptions<'_>,
        condition: Condition,
    ) -> Result<Written, Error> {
        if condition == Condition::Present && self.peek(key)?.is_none() {
            return Ok(Written::NotFound);
        }
        let mut written = Ok(Written::Superseded);
        for (number, tier) in self.tiers.iter().enumerate().rev() {
            let kept = tier
                .store
                .keep(key, value, &self.keeping(number, options, None, None));
            match tier.settle(kept) {
                Ok(Some(true)) => written = Ok(Written::Stored),
                Ok(Some(false)) => {}
                // What it has is older now.
                Ok(None) => self.forget(key, number..number + 1),
                Err(error) => {
                    self.forget(key, 0..number + 1);
                    return Err(error);
                }
            }
        }
        written
    }

    /// How tier `number` is to keep what somebody puts.
    pub(super) fn keeping<'k>(
        &self,
        number: usize,
        options: &PutOptions<'k>,
        seat: Option<Seat>,
        birth: Option<Birth>,
    ) -> Keeping<'k> {
        let tier = self.tiers.get(number);
        Keeping {
            seat,
            lives: tier.map_or(Lives::Asked(options.lifetime), |tier| {
                tier.asked(options.lifetime)
            }),
            at_most: tier.and_then(|tier| tier.at_most),
            tags: options.tags,
            birth,
            is_put: true,
        }
    }
}

impl<K: ?Sized, V> Write<'_, K, V> {
    fn run(&mut self, condition: Condition) -> Result<Written, Error> {
        let key = self.decider.bytes_of(self.key)?;
        let segment = self.decider.place_of(&key)?.segment;
        let first = segment.fill_token(&key);
        // Own invalidations, which say nothing of others'.
        let mut own = 0;
        for _ in 0..ATTEMPTS {
            let now = if std::mem::take(&mut self.voids) {
                own += 1;
                segment.invalidate(&key);
                segment.fill_token(&key)
            } else {
                segment.supersede(&key)
            };
            let invalidations = (first.invalidations() + own) & 0xff_ffff;
            let Some(token) = segment.token_born(&now, first.clock(), invalidations, self.options.tags)
            else {
                // Invalidated since the write began.
                return Ok(Written::Superseded);
            };
            match self.attempt(&key, segment, token, condition)? {
                Attempt::Done(written) => return Ok(written),
                Attempt::Again => thread::yield_now(),
            }
        }
        Ok(Written::Superseded)
    }

    fn attempt(
        &mut self,
        key: &KeyBytes,
        segment: &Segment,
        token: FillToken,
        condition: Condition,
    ) -> Result<Attempt, Error> {
        let birth = Birth::of(self.decider.life(), &token);
        // Before the lower tiers are written: whoever stores here from now on has written them later, or is refused.
        let basis = match segment.metadata(key) {
            Some(present) => Basis::Present(token, present.version),
            None => Basis::Absent(token),
        };
        let seat = Seat {
            asked: token,
            basis,
            taken_ms: segment.now_ms(),
        };
        let below = self.arbiter + 1..self.tiers.tiers.len();
        let mut standings = Vec::new();
        if condition == Condition::Present {
            let mut walk = Walk::new(self.tiers, Duration::ZERO).peeking();
            walk.ask(self.key, 0..self.tiers.tiers.len())?;
            let (best, found) = walk.end();
            if best.is_none() {
                return Ok(Attempt::Done(Written::NotFound));
            }
            standings = found;
        }
        let keeping = self.tiers.keeping(self.arbiter, self.options, Some(seat), None);
        if Mutant::ArbiterFirst.is_on()
            && let Some(tier) = self.tiers.tiers.get(self.arbiter)
        {
            tier.store.keep(self.key, self.value, &keeping)?;
        }
        let mut is_stored = false;
        for number in below.rev() {
            if self.failed.get(number) == Some(&true) {
                continue;
            }
            let Some(tier) = self.tiers.tiers.get(number) else {
                continue;
            };
            let seat = match standings.get(number) {
                Some(Standing::Taken(seat)) => Some(*seat),
                _ => None,
            };
            let keeping = self.tiers.keeping(number, self.options, seat, Some(birth));
            match tier.store.keep(self.key, self.value, &keeping) {
                Ok(true) => {
                    is_stored = true;
                    self.has_begun = true;
                }
                // Only in the place of what was seen, and that is another now.
                Ok(false) if seat.is_some() => return Ok(Attempt::Again),
                // A layer before it keeps nothing at present, or the stack is being invalidated.
                Ok(false) => {
                    self.leave_out(number);
                    return Ok(Attempt::Again);
                }
                Err(error) => {
                    self.fail(number, error)?;
                    return Ok(Attempt::Again);
                }
            }
        }
        let Some(tier) = self.tiers.tiers.get(self.arbiter) else {
            return Ok(Attempt::Done(Written::Superseded));
        };
        if Mutant::ArbiterFirst.is_on() {
            return Ok(Attempt::Done(Written::Stored));
        }
        match tier.store.keep(self.key, self.value, &keeping) {
            Ok(true) => return Ok(Attempt::Done(Written::Stored)),
            Ok(false) if !self.is_alone(segment, key, &seat) => return Ok(Attempt::Again),
            // A layer before it keeps nothing at present.
            Ok(false) => {}
            Err(error) => {
                tier.failed(&error);
                if !is_stored && error.is_of_the_caller() {
                    return Err(error);
                }
                // What is below took it, so it is no mistake of the caller.
                if !is_stored || tier.on_failure == OnFailure::Strict {
                    segment.remove(key);
                    return Err(error);
                }
            }
        }
        // What it has is older than what is below.
        segment.remove(key);
        Ok(Attempt::Done(if is_stored {
            Written::Stored
        } else {
            Written::Superseded
        }))
    }

    /// Whether nothing came between that would refuse what `seat` is for.
    fn is_alone(&self, segment: &Segment, key: &KeyBytes, seat: &Seat) -> bool {
        let (token, now) = (&seat.asked, segment.fill_token(key));
        let tags = self.options.tags;
        let as_then = segment.token_born(&now, token.clock(), token.invalidations(), tags);
        let is_as_seen = match (seat.basis, segment.metadata(key)) {
            (Basis::Present(_, version), Some(present)) => version == present.version,
            (Basis::Absent(_), None) => true,
            _ => false,
        };
        as_then == Some(*token) && is_as_seen
    }

    /// Tier `number` did not take the value: what it has is older, and must not come up.
    fn fail(&mut self, number: usize, error: Error) -> Result<(), Error> {
        let Some(tier) = self.tiers.tiers.get(number) else {
            return Err(error);
        };
        if error.is_of_the_caller() && !self.has_begun {
            tier.failed(&error);
            return Err(error);
        }
        self.leave_out(number);
        match tier.settle(Err::<(), _>(error)) {
            Err(error) => Err(error),
            Ok(_) => Ok(()),
        }
    }

    /// Goes on without tier `number`, and makes void what it has.
    fn leave_out(&mut self, number: usize) {
        if let Some(failed) = self.failed.get_mut(number) {
            *failed = true;
        }
        self.voids = true;
        self.tiers.forget(self.key, number..number + 1);
    }
}
