//! What a cache says of the lifetimes of its values.

use std::cell::Cell;
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use guira_segment::{Expiry, StoreError};

use super::{Hard, Lifetime};

/// Longer lives end together for all that anybody will see.
const LONGEST_SPREAD: Duration = Duration::from_secs(1 << 40);

/// Says of a value how long it lives.
pub(crate) type OfValue<V> = dyn Fn(&V) -> Lifetime + Send + Sync;

/// What a cache says of the lifetimes of its values.
pub(crate) struct LifetimeRules<V> {
    pub(crate) default: Lifetime,
    pub(crate) of_value: Option<Arc<OfValue<V>>>,
    /// Which part of a lifetime may be cut off, by chance, 0 to 1.
    pub(crate) spread: f64,
    /// A read leaves at least this much of a life.
    pub(crate) sliding: Option<Duration>,
}

impl<V> LifetimeRules<V> {
    pub(crate) const fn new() -> Self {
        Self {
            default: Lifetime::never(),
            of_value: None,
            spread: 0.0,
            sliding: None,
        }
    }

    /// The deadlines of a value that is put now, for the engine.
    pub(crate) fn expiry(&self, value: Option<&V>, asked: Lifetime) -> Result<Expiry, StoreError> {
        let (hard, soft) = self.deadlines(value, asked)?;
        let expiry = hard.map_or(Expiry::never(), Expiry::after);
        Ok(soft.map_or(expiry, |age| expiry.soft(age)))
    }

    /// The hard and the soft deadline, from now on.
    pub(crate) fn deadlines(
        &self,
        value: Option<&V>,
        asked: Lifetime,
    ) -> Result<(Option<Duration>, Option<Duration>), StoreError> {
        let chosen = self.complete(value, asked);
        let keep = if self.spread > 0.0 {
            1.0 - self.spread * random_fraction()
        } else {
            1.0
        };
        let spread = |ttl: Duration| {
            if keep < 1.0 && !ttl.is_zero() && ttl < LONGEST_SPREAD {
                ttl.mul_f64(keep).max(Duration::from_nanos(1))
            } else {
                ttl
            }
        };
        let hard = match chosen.hard {
            Hard::OfCache | Hard::Never => None,
            Hard::After(ttl) => Some(spread(ttl)),
            Hard::Until(deadline) => match deadline.duration_since(SystemTime::now()) {
                Ok(left) if !left.is_zero() => Some(left),
                _ => {
                    return Err(StoreError::BadExpiry {
                        problem: "over already",
                    });
                }
            },
        };
        let soft = chosen.soft.map(spread);
        Ok((hard, soft.filter(|age| hard.is_none_or(|ttl| *age < ttl))))
    }

    /// `asked`, what it leaves open being as the value or the cache says.
    fn complete(&self, value: Option<&V>, asked: Lifetime) -> Lifetime {
        if asked.hard != Hard::OfCache {
            return asked;
        }
        let mut chosen = match (&self.of_value, value) {
            (Some(of_value), Some(value)) => of_value(value),
            _ => self.default,
        };
        if chosen.hard == Hard::OfCache {
            chosen = Lifetime {
                hard: self.default.hard,
                soft: chosen.soft.or(self.default.soft),
            };
        }
        if chosen.hard == Hard::Never
            && let Some(idle) = self.sliding
        {
            chosen.hard = Hard::After(idle);
        }
        Lifetime {
            soft: asked.soft.or(chosen.soft),
            ..chosen
        }
    }
}

impl<V> Clone for LifetimeRules<V> {
    fn clone(&self) -> Self {
        Self {
            of_value: self.of_value.clone(),
            ..*self
        }
    }
}

impl<V> fmt::Debug for LifetimeRules<V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LifetimeRules")
            .field("default", &self.default)
            .field("of_value", &self.of_value.is_some())
            .field("spread", &self.spread)
            .field("sliding", &self.sliding)
            .finish()
    }
}

/// A random number from 0 to 1: only so that entries do not end together.
pub(crate) fn random_fraction() -> f64 {
    thread_local! {
        static STATE: Cell<u64> = const { Cell::new(0) };
    }
    let mut state = STATE.get();
    if state == 0 {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let place: *const u64 = &raw const state;
        state = now.map_or(1, |now| now.as_nanos() as u64)
            ^ u64::from(std::process::id()) << 40
            ^ place.addr() as u64;
    }
    // SplitMix64.
    state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    STATE.set(state);
    let mut mixed = state;
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^= mixed >> 31;
    (mixed >> 11) as f64 / (1_u64 << 53) as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn rules() -> LifetimeRules<u64> {
        LifetimeRules {
            default: Lifetime::after(10 * SECOND).stale_after(5 * SECOND),
            ..LifetimeRules::new()
        }
    }

    #[test]
    fn what_is_left_open_is_as_the_cache_says() {
        let of = |asked| rules().expiry(Some(&3), asked).expect("good");
        assert_eq!(
            of(Lifetime::default()),
            Expiry::after(10 * SECOND).soft(5 * SECOND)
        );
        assert_eq!(
            of(Lifetime::default().stale_after(SECOND)),
            Expiry::after(10 * SECOND).soft(SECOND)
        );
        assert_eq!(of(Lifetime::after(SECOND)), Expiry::after(SECOND));
        assert_eq!(of(Lifetime::never()), Expiry::never());
        assert_eq!(
            of(Lifetime::after(SECOND).stale_after(2 * SECOND)),
            Expiry::after(SECOND)
        );
    }

    #[test]
    fn a_value_may_say_how_long_it_lives() {
        let by_value = LifetimeRules {
            of_value: Some(Arc::new(|seconds: &u64| match seconds {
                0 => Lifetime::default(),
                seconds => Lifetime::after(Duration::from_secs(*seconds)),
            })),
            ..rules()
        };
        let of = |value, asked| by_value.expiry(Some(&value), asked).expect("good");
        assert_eq!(of(3, Lifetime::default()), Expiry::after(3 * SECOND));
        assert_eq!(
            of(0, Lifetime::default()),
            Expiry::after(10 * SECOND).soft(5 * SECOND)
        );
        assert_eq!(of(3, Lifetime::never()), Expiry::never());
    }

    #[test]
    fn a_deadline_must_be_ahead() {
        let until = |at| rules().expiry(None, Lifetime::until(at));
        assert!(until(SystemTime::now() + SECOND).is_ok());
        let over = until(SystemTime::now() - SECOND).expect_err("it is past");
        assert!(over.to_string().contains("over already"), "{over}");
        assert!(until(SystemTime::UNIX_EPOCH).is_err());
    }

    #[test]
    fn a_spread_only_shortens() {
        let spread = LifetimeRules::<u64> {
            spread: 0.5,
            ..LifetimeRules::new()
        };
        let mut lives = std::collections::BTreeSet::new();
        for _ in 0..64 {
            let asked = Lifetime::after(1000 * SECOND).stale_after(100 * SECOND);
            let (hard, soft) = spread.deadlines(None, asked).expect("good");
            let hard = hard.expect("it has one");
            assert!((500 * SECOND..=1000 * SECOND).contains(&hard), "{hard:?}");
            assert_eq!(soft.expect("it has one").as_millis(), hard.as_millis() / 10);
            lives.insert(hard);
        }
        assert!(lives.len() > 32, "{} different ones", lives.len());
        for _ in 0..1000 {
            assert!((0.0..1.0).contains(&random_fraction()));
        }
    }
}
