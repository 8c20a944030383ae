//! A read on its way down: one tier after the other, until one has what is good enough.

use std::ops::Range;
use std::time::Duration;

use guira_segment::FillToken;

use super::Tiers;
use super::arbiter::{Decide, Verdict, judge};
use super::promote::token_of;
use super::seam::{Held, Looked, Seat};
use super::tier::{Tier, count};
use crate::error::Error;
use crate::key::KeyBytes;

/// How a tier stands to the key after it was asked.
#[derive(Clone, Copy, Debug)]
pub(super) enum Standing {
    /// It failed: nothing is stored there.
    Failed,
    /// It gives no seats.
    Plain,
    /// What may be stored takes this place.
    Taken(Seat),
}

/// The best value that was met.
#[derive(Debug)]
pub(super) struct Best<V> {
    pub(super) held: Held<V>,
    pub(super) from: usize,
    /// Fresh, and for long enough.
    pub(super) is_enough: bool,
    /// Under which it may be stored in the arbiter, if it came from below that.
    pub(super) born: Option<FillToken>,
    /// What the arbiter knew of the key's writes before the value was read.
    pub(super) asked: Option<FillToken>,
}

/// A read of one key.
pub(super) struct Walk<'t, K: ?Sized, V> {
    tiers: &'t Tiers<K, V>,
    arbiter: Option<Asked<'t, K, V>>,
    skip: Duration,
    /// The arbiter's value was made stale by hand: what is below is no fresher.
    is_expired: bool,
    /// It is no read.
    is_peek: bool,
    /// Of each tier that was asked, from the first one of the walk.
    standings: Vec<Standing>,
    best: Option<Best<V>>,
}

/// The arbiter, and its token once it was asked.
struct Asked<'t, K: ?Sized, V> {
    number: usize,
    decider: &'t dyn Decide<K, V>,
    token: Option<FillToken>,
    /// The same without the right to refresh.
    plain: Option<FillToken>,
}

impl<'t, K: ?Sized, V> Walk<'t, K, V> {
    pub(super) fn new(tiers: &'t Tiers<K, V>, skip: Duration) -> Self {
        Self {
            tiers,
            arbiter: tiers.decider().map(|(number, decider)| Asked {
                number,
                decider,
                token: None,
                plain: None,
            }),
            skip,
            is_expired: false,
            is_peek: false,
            standings: Vec::new(),
            best: None,
        }
    }

    /// That is not counted as a read.
    pub(super) fn peeking(self) -> Self {
        Self {
            is_peek: true,
            ..self
        }
    }

    /// For a walk that begins below the arbiter, which was asked: under this token, and it had a value that was made stale
    /// by hand or not.
    pub(super) fn below(tiers: &'t Tiers<K, V>, key: &K, token: FillToken, is_expired: bool) -> Self {
        let mut walk = Self::new(tiers, tiers.ttl_skip);
        if let Some(arbiter) = &mut walk.arbiter {
            arbiter.plain = token_of(arbiter.decider, key);
            arbiter.token = Some(token);
        }
        walk.is_expired = is_expired;
        walk
    }

    /// Asks the tiers of `range`, until one has what is good enough.
    pub(super) fn ask(&mut self, key: &K, range: Range<usize>) -> Result<(), Error> {
        let tiers = self.tiers.tiers.get(range.clone()).unwrap_or(&[]);
        for (number, tier) in range.zip(tiers) {
            let looked = tier.store.look(key);
            self.meet(key, number, tier, looked)?;
            if self.has_enough() {
                break;
            }
        }
        Ok(())
    }

    /// Whether one was met that is good enough.
    pub(super) fn has_enough(&self) -> bool {
        self.best.as_ref().is_some_and(|best| best.is_enough)
    }

    /// Takes in what `tier`, the next one, has.
    pub(super) fn meet(
        &mut self,
        key: &K,
        number: usize,
        tier: &Tier<K, V>,
        looked: Result<Looked<V>, Error>,
    ) -> Result<(), Error> {
        let Some(Looked { held, seat }) = tier.settle(looked)? else {
            self.standings.push(Standing::Failed);
            self.ask_arbiter(key, number);
            return Ok(());
        };
        self.standings.push(match seat {
            Some(seat) => Standing::Taken(seat),
            None if tier.is_dated => Standing::Failed,
            None => Standing::Plain,
        });
        if let Some(arbiter) = &mut self.arbiter
            && arbiter.number == number
        {
            arbiter.token = seat.map(|seat| *seat.basis.token());
            arbiter.plain = seat.map(|seat| seat.asked);
            self.is_expired = held.as_ref().is_some_and(Held::was_expired);
        }
        let Some(held) = held else {
            self.missed(number);
            return Ok(());
        };
        let born = match self.judge(key, number, tier, &held) {
            None => None,
            Some(Verdict::Good(token)) => Some(token),
            Some(verdict) => {
                count(&tier.tally.refused);
                self.missed(number);
                if verdict == Verdict::Void {
                    // What it cannot remove is refused the next time too.
                    if let Err(error) = tier.store.remove(key) {
                        tier.failed(&error);
                    }
                }
                return Ok(());
            }
        };
        if born.is_some() && self.is_expired {
            // The arbiter's own is as good, and says so.
            if !held.ttl.is_stale()
                && let Err(error) = tier.store.expire(key)
            {
                tier.failed(&error);
            }
            self.missed(number);
            return Ok(());
        }
        self.compare(number, held, born);
        Ok(())
    }

    /// The token of an arbiter whose store failed: its segment may be asked all the same.
    fn ask_arbiter(&mut self, key: &K, number: usize) {
        if let Some(arbiter) = &mut self.arbiter
            && arbiter.number == number
        {
            arbiter.token = token_of(arbiter.decider, key);
            arbiter.plain = arbiter.token;
        }
    }

    /// What a value of tier `number` is worth; `None` for one that comes from no tier below the arbiter.
    fn judge(&self, key: &K, number: usize, tier: &Tier<K, V>, held: &Held<V>) -> Option<Verdict> {
        let arbiter = self.arbiter.as_ref().filter(|arbiter| number > arbiter.number)?;
        let bytes = arbiter.decider.bytes_of(key);
        let verdict = |key: &KeyBytes| {
            let place = arbiter.decider.place_of(key).ok()?;
            let now = arbiter.token?;
            if !place.flights.judge.allows(place.segment) {
                return None;
            }
            let life = arbiter.decider.life();
            Some(judge(place.segment, life, &now, held, tier.takes_undated))
        };
        let verdict = bytes.ok().and_then(|key| verdict(&key));
        Some(verdict.unwrap_or(Verdict::Unknown))
    }

    /// What was found, and where else it may be stored.
    pub(super) fn end(self) -> (Option<Best<V>>, Vec<Standing>) {
        if let Some(tier) = self
            .best
            .as_ref()
            .and_then(|best| self.tiers.tiers.get(best.from))
            && !self.is_peek
        {
            count(&tier.tally.hits);
        }
        (self.best, self.standings)
    }

    fn compare(&mut self, number: usize, held: Held<V>, born: Option<FillToken>) {
        let is_fresh = !held.ttl.is_stale();
        let is_better = match &self.best {
            None => true,
            Some(best) => is_fresh && held.ttl.seconds() > best.held.ttl.seconds(),
        };
        if is_better {
            let is_enough = is_fresh && (self.skip.is_zero() || held.ttl.outlasts(self.skip));
            if let Some(passed_over) = self.best.replace(Best {
                held,
                from: number,
                is_enough,
                born,
                asked: self.arbiter.as_ref().and_then(|arbiter| arbiter.plain),
            }) {
                self.missed(passed_over.from);
            }
        } else {
            self.missed(number);
        }
    }

    fn missed(&self, number: usize) {
        if let Some(tier) = self.tiers.tiers.get(number)
            && !self.is_peek
        {
            count(&tier.tally.misses);
        }
    }
}
