//! Adding: the arbiter first, for whose value it takes, that one is added; then the tiers below, each in the place of
//! what was seen there, so that nothing that came between is lost. Those below that know of no births come last, and only
//! while nothing has touched the key: what they have, nothing refuses later.
//!
//! What a tier has that could not be seen (it failed, or nobody can tell what it is worth) may be a value, which must not
//! come up after the added one. So it is made void *before* the key is looked at for the last time: whoever
//! adds, puts or computes after that is met, and nobody's value is overwritten.

use std::time::Duration;

use guira_segment::Add;

use super::Tiers;
use super::promote::{is_born, is_untouched, token_of};
use super::tier::Tier;
use super::walk::{Standing, Walk};
use crate::envelope::Birth;
use crate::error::Error;
use crate::flight::Basis;
use crate::options::PutOptions;

/// Looks at the tiers before an add: the first removes what is void, and the last is behind making void what is hidden.
const LOOKS: u32 = 3;

/// What was seen of a key.
enum Sight {
    /// It has a value.
    Taken,
    /// It was invalidated since the add began.
    Superseded,
    /// No tier has a value, and what is added is born then, before the look.
    Vacant(Vec<Standing>, Option<Birth>),
}

impl<K: ?Sized, V> Tiers<K, V> {
    /// Adds `value` if no tier has one.
    pub(super) fn add_to_all(&self, key: &K, value: &V, options: &PutOptions<'_>) -> Result<Add, Error> {
        let (standings, birth) = match self.sight(key, options.tags)? {
            Sight::Taken => return Ok(Add::Exists),
            Sight::Superseded => return Ok(Add::Superseded),
            Sight::Vacant(standings, birth) => (standings, birth),
        };
        let arbiter = self.arbiter;
        let top = arbiter.unwrap_or(0);
        let mut is_added = false;
        for (number, tier) in self.tiers.iter().enumerate().skip(top) {
            let is_below = arbiter.is_some_and(|arbiter| number > arbiter);
            let outcome = match standings.get(number) {
                // What could not be read is in the way.
                Some(Standing::Taken(seat)) if !is_below && matches!(seat.basis, Basis::Present(..)) => {
                    return Ok(Add::Exists);
                }
                Some(Standing::Taken(seat)) => {
                    let birth = birth.filter(|_| is_below);
                    let keeping = self.keeping(number, options, Some(*seat), birth);
                    tier.store.keep(key, value, &keeping)
                }
                Some(Standing::Plain) if !is_below => self.add_plain(key, value, options, (number, tier)),
                Some(Standing::Plain | Standing::Failed) | None => continue,
            };
            match tier.settle(outcome) {
                Ok(Some(true)) => is_added = true,
                // Somebody else was faster; what is above is theirs.
                Ok(Some(false)) if !is_added => return Ok(self.lost_add(key)),
                // What it has is void, or was put after this was added.
                Ok(Some(false) | None) => {}
                Err(error) => {
                    self.forget(key, 0..self.tiers.len());
                    return Err(error);
                }
            }
        }
        if !is_added {
            return Ok(Add::Superseded);
        }
        self.add_to_undated(key, value, options, &standings, birth)?;
        self.drop_above(key, top)?;
        Ok(Add::Stored)
    }

    /// Adds, behind the arbiter, to the tiers below it that carry no births, unless something touches the key.
    fn add_to_undated(
        &self,
        key: &K,
        value: &V,
        options: &PutOptions<'_>,
        standings: &[Standing],
        birth: Option<Birth>,
    ) -> Result<(), Error> {
        let Some(((arbiter, decider), birth)) = self.decider().zip(birth) else {
            return Ok(());
        };
        let born = (birth.clock(), birth.invalidations());
        let before = token_of(decider, key).filter(|now| is_born(decider, key, now, born, options.tags));
        if before.is_none() {
            return Ok(());
        }
        let is_plain = |number: &usize| matches!(standings.get(*number), Some(Standing::Plain));
        let numbers: Vec<usize> = (arbiter + 1..self.tiers.len()).filter(is_plain).collect();
        for (number, tier) in self
            .tiers
            .iter()
            .enumerate()
            .filter(|(number, _)| numbers.contains(number))
        {
            let added = self.add_plain(key, value, options, (number, tier));
            if let Err(error) = tier.settle(added) {
                self.forget(key, 0..self.tiers.len());
                return Err(error);
            }
        }
        if !is_untouched(decider, key, before.as_ref(), options.tags) {
            for number in numbers {
                self.forget(key, number..number + 1);
            }
        }
        Ok(())
    }

    /// Looks whether no tier has a value of `key`, and makes void what cannot be seen.
    fn sight(&self, key: &K, tags: &[&[u8]]) -> Result<Sight, Error> {
        let token = || self.decider().and_then(|(_, decider)| token_of(decider, key));
        let first = token();
        // Own invalidations, which say nothing of others'.
        let mut own = 0;
        for look in 1..=LOOKS {
            let before = token();
            let mut walk = Walk::new(self, Duration::ZERO).peeking();
            walk.ask(key, 0..self.tiers.len())?;
            let (best, standings) = walk.end();
            if best.is_some() {
                return Ok(Sight::Taken);
            }
            if look < LOOKS && self.hides(&standings) {
                if look + 1 == LOOKS && self.make_void(key) {
                    own += 1;
                }
                continue;
            }
            let Some(((_, decider), (first, before))) = self.decider().zip(first.zip(before)) else {
                return Ok(Sight::Vacant(standings, None));
            };
            // What comes after this look is refused by its seats; what came before it, since the add began, by this.
            let invalidations = (first.invalidations() + own) & 0xff_ffff;
            let now = token().filter(|now| is_born(decider, key, now, (first.clock(), invalidations), tags));
            return Ok(match now {
                Some(_) => Sight::Vacant(standings, Some(Birth::of(decider.life(), &before))),
                None => Sight::Superseded,
            });
        }
        Ok(Sight::Superseded)
    }

    /// Whether a tier that was not, or could not be, looked at may give a value later that the arbiter takes for good.
    fn hides(&self, standings: &[Standing]) -> bool {
        let Some(arbiter) = self.arbiter else {
            return false;
        };
        let tiers = self.tiers.iter().zip(standings).enumerate().skip(arbiter);
        tiers
            .filter(|(_, (tier, _))| tier.is_dated)
            .any(|(number, (_, standing))| match standing {
                Standing::Failed => true,
                Standing::Taken(seat) => number > arbiter && matches!(seat.basis, Basis::Present(..)),
                Standing::Plain => false,
            })
    }

    fn add_plain(
        &self,
        key: &K,
        value: &V,
        options: &PutOptions<'_>,
        (number, tier): (usize, &Tier<K, V>),
    ) -> Result<bool, Error> {
        let lifetime = self.keeping(number, options, None, None).lifetime();
        let options = PutOptions {
            lifetime: lifetime.unwrap_or(options.lifetime),
            ..*options
        };
        Ok(tier.store.add(key, value, &options)? == Add::Stored)
    }

    /// Another write came before an add.
    fn lost_add(&self, key: &K) -> Add {
        match self.peek(key) {
            Ok(Some(_)) => Add::Exists,
            _ => Add::Superseded,
        }
    }
}
