//! A value on its way up, from the tier that had it to those above.

use std::ops::Range;

use guira_segment::FillToken;

use super::Tiers;
use super::arbiter::Decide;
use super::seam::Keeping;
use super::tier::count;
use super::walk::{Best, Standing};
use crate::lifetime::Ttl;

/// A value that came up.
#[derive(Debug)]
pub struct Promotion<'p, K: ?Sized, V> {
    /// Of this key.
    pub key: &'p K,
    /// The value.
    pub value: &'p V,
    /// What was left of its life in the tier that had it.
    pub ttl: Ttl,
    /// The tier that had it, counted from 0 at the top.
    pub from: usize,
    /// The tier that has it now, too.
    pub to: usize,
}

/// Who is told of promotions.
pub(super) type OnPromotion<K, V> = Box<dyn Fn(&Promotion<'_, K, V>) + Send + Sync>;

impl<K: ?Sized, V> Tiers<K, V> {
    /// Keeps what was found in each tier above it. What a tier cannot keep is read from below again.
    pub(super) fn promote_best(&self, key: &K, best: &Best<V>, standings: &[Standing]) {
        if best.is_enough {
            self.promote(key, best, 0..best.from, standings);
        }
    }

    /// The same in the tiers of `range`, whose `standings` these are.
    pub(super) fn promote(&self, key: &K, best: &Best<V>, range: Range<usize>, standings: &[Standing]) {
        for (to, standing) in range.zip(standings).rev() {
            if !self.lift(key, best, to, *standing) {
                break;
            }
        }
    }

    /// To one tier. False if it is superseded, and must go no higher.
    fn lift(&self, key: &K, best: &Best<V>, to: usize, standing: Standing) -> bool {
        let held = &best.held;
        let Some(tier) = self.tiers.get(to) else {
            return false;
        };
        let decider = self.decider();
        let is_arbiter = decider.is_some_and(|(number, _)| number == to);
        let seat = match standing {
            Standing::Failed => return true,
            Standing::Plain => None,
            Standing::Taken(seat) if is_arbiter => {
                Some(best.born.map_or(seat, |token| seat.born_at(token.clock())))
            }
            Standing::Taken(seat) => Some(seat),
        };
        let keeping = Keeping {
            seat,
            lives: tier.rest(held.life),
            at_most: tier.at_most,
            tags: &held.tags(),
            // Above the arbiter nobody asks for it, and in the arbiter the engine keeps its own.
            birth: held
                .birth
                .filter(|_| decider.is_some_and(|(number, _)| to > number)),
            is_put: false,
        };
        match tier.store.keep(key, &held.value, &keeping) {
            Ok(true) => {}
            Ok(false) => return !is_arbiter,
            Err(error) => {
                tier.failed(&error);
                return true;
            }
        }
        let is_touched = |(_, decider)| !is_untouched(decider, key, best.asked.as_ref(), &held.tags());
        if seat.is_none() && decider.is_some_and(is_touched) {
            // The key was written since it was read, and the writer's word to forget it may have come before it
            // was there.
            if let Err(error) = tier.store.invalidate(key) {
                tier.failed(&error);
            }
            return true;
        }
        count(&tier.tally.promotions);
        self.tell(&Promotion {
            key,
            value: &held.value,
            ttl: held.ttl,
            from: best.from,
            to,
        });
        true
    }

    pub(super) fn tell(&self, promotion: &Promotion<'_, K, V>) {
        if let Some(observer) = &self.on_promote {
            observer(promotion);
        }
    }
}

/// What the arbiter knows of the key's writes.
pub(super) fn token_of<K: ?Sized, V>(decider: &dyn Decide<K, V>, key: &K) -> Option<FillToken> {
    let key = decider.bytes_of(key).ok()?;
    let place = decider.place_of(&key).ok()?;
    Some(place.segment.fill_token(&key))
}

/// Whether what was born then still stands as `now` knows it.
pub(super) fn is_born<K: ?Sized, V>(
    decider: &dyn Decide<K, V>,
    key: &K,
    now: &FillToken,
    (clock, invalidations): (u64, u32),
    tags: &[&[u8]],
) -> bool {
    let Ok(key) = decider.bytes_of(key) else {
        return false;
    };
    let place = decider.place_of(&key);
    place.is_ok_and(|place| {
        place
            .segment
            .token_born(now, clock, invalidations, tags)
            .is_some()
    })
}

/// Whether the key was neither written nor invalidated since that token was taken.
pub(super) fn is_untouched<K: ?Sized, V>(
    decider: &dyn Decide<K, V>,
    key: &K,
    since: Option<&FillToken>,
    tags: &[&[u8]],
) -> bool {
    let (Some(since), Ok(key)) = (since, decider.bytes_of(key)) else {
        return false;
    };
    decider.place_of(&key).is_ok_and(|place| {
        let now = place.segment.fill_token(&key);
        // With the clock of then, and the stamp of now.
        place
            .segment
            .token_born(&now, since.clock(), since.invalidations(), tags)
            == Some(*since)
    })
}
