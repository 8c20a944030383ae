//! Lifetimes, and the deadlines that they mean on the segment's clock.

use std::time::Duration;

use guira_segment::Expiry;

use crate::random::Random;

/// The deadline that never comes.
pub(super) const NEVER_MS: u64 = (1 << 43) - 1;

/// Longest distance between two deadlines that is kept to the millisecond (2.1 years).
const EXACT_MS: u64 = (1 << 36) - 1;
/// What longer ones are kept to.
const COARSE_MS: u64 = 128;

/// A lifetime as a caller gives it, in milliseconds; `u64::MAX` stands for the longest duration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lifetime {
    pub(super) hard_ms: Option<u64>,
    pub(super) soft_ms: Option<u64>,
}

/// When an entry becomes stale, and when it is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Deadlines {
    pub(super) hard_ms: u64,
    /// Equal to `hard_ms` where there is none.
    pub(super) soft_ms: u64,
}

const SECOND: Duration = Duration::from_secs(1);
const YEAR_MS: u64 = 31_556_952_000;

impl Lifetime {
    pub(super) const NEVER: Self = Self {
        hard_ms: None,
        soft_ms: None,
    };

    pub(super) fn random(random: &mut Random) -> Self {
        let hard_ms = match random.below(40) {
            0 => Some(0),
            1 => Some(u64::MAX),
            2 => Some(3 * YEAR_MS + random.below(1000)),
            3 => Some(300 * YEAR_MS),
            4..16 => Some(1 + random.below(500)),
            16..20 => Some(1 + random.below(100_000)),
            _ => None,
        };
        let soft_ms = match random.below(20) {
            0 => Some(random.below(3)),
            1 => Some(u64::MAX),
            2 => Some(2 * YEAR_MS + random.below(YEAR_MS)),
            3..6 => Some(1 + random.below(hard_ms.unwrap_or(400).clamp(1, 100_000))),
            _ => None,
        };
        Self { hard_ms, soft_ms }
    }

    /// As the API takes it.
    pub(super) fn expiry(self) -> Expiry {
        let duration = |ms: u64| match ms {
            u64::MAX => Duration::MAX,
            ms => Duration::from_millis(ms),
        };
        let hard = self.hard_ms.map_or(Expiry::never(), |ms| {
            let hard = Expiry::after(duration(ms));
            // The sooner one counts.
            let later = Expiry::after(duration(ms).saturating_add(SECOND));
            hard.within(later).within(Expiry::never())
        });
        self.soft_ms.map_or(hard, |ms| hard.soft(duration(ms)))
    }

    /// The deadlines of what is stored at `now_ms`; `None` if the lifetime is refused.
    pub(super) fn deadlines(self, now_ms: u64) -> Option<Deadlines> {
        let at =
            |lifetime: Option<u64>| lifetime.map_or(NEVER_MS, |ms| now_ms.saturating_add(ms).min(NEVER_MS));
        let (hard_ms, soft_ms) = (at(self.hard_ms), at(self.soft_ms));
        if self.hard_ms == Some(0) || self.soft_ms == Some(0) || self.soft_ms.is_some() && soft_ms > hard_ms {
            return None;
        }
        Some(Deadlines {
            hard_ms,
            soft_ms: kept_soft_ms(hard_ms, soft_ms),
        })
    }
}

/// A soft deadline as it is kept: by its distance from the hard one, or from the segment's beginning.
fn kept_soft_ms(hard_ms: u64, soft_ms: u64) -> u64 {
    if soft_ms >= hard_ms {
        return hard_ms;
    }
    let distance_ms = if hard_ms == NEVER_MS {
        soft_ms
    } else {
        hard_ms - soft_ms
    };
    let kept_ms = if distance_ms < EXACT_MS {
        distance_ms
    } else {
        distance_ms / COARSE_MS * COARSE_MS
    };
    if hard_ms == NEVER_MS {
        kept_ms
    } else {
        hard_ms - kept_ms
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deadlines_are_exact_saturate_and_are_refused_when_they_cross() {
        let of = |hard_ms, soft_ms| Lifetime { hard_ms, soft_ms }.deadlines(1_000);
        let is = |hard_ms, soft_ms| Some(Deadlines { hard_ms, soft_ms });
        assert_eq!(of(None, None), is(NEVER_MS, NEVER_MS));
        assert_eq!(of(Some(500), Some(5)), is(1_500, 1_005));
        assert_eq!(of(Some(u64::MAX), Some(u64::MAX)), is(NEVER_MS, NEVER_MS));
        assert_eq!(of(Some(5), Some(6)), None);
        assert_eq!(of(Some(0), None), None);
        assert_eq!(of(None, Some(0)), None);
    }
}
