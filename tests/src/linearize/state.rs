//! One key as the sequential specification sees it.

use crate::linearize::event::{Life, New};

/// Later than everything: no deadline.
pub(crate) const NEVER_MS: u32 = u32::MAX;
/// Places of threads, each with one token at most.
pub(crate) const SEATS: usize = 8;
/// Of a token: its number; above are the tags that were invalidated since.
const TOKEN_NUMBER: u16 = 0x0fff;

/// A moment that is only known to lie between two, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Moment {
    pub(crate) earliest_ms: u32,
    pub(crate) latest_ms: u32,
}

impl Moment {
    pub(crate) const NEVER: Self = Self {
        earliest_ms: NEVER_MS,
        latest_ms: NEVER_MS,
    };

    /// `after_ms` (0 for never) after some moment of an operation that ran from `began_ms` to `ended_ms`.
    const fn after(after_ms: u32, began_ms: u32, ended_ms: u32) -> Self {
        if after_ms == 0 {
            return Self::NEVER;
        }
        Self {
            earliest_ms: began_ms.saturating_add(after_ms),
            latest_ms: ended_ms.saturating_add(after_ms),
        }
    }

    /// What is left of it if it was still to come at or after `began_ms`.
    pub(crate) fn not_passed(self, began_ms: u32) -> Option<Self> {
        (began_ms < self.latest_ms).then(|| Self {
            earliest_ms: self.earliest_ms.max(began_ms + 1),
            ..self
        })
    }

    /// What is left of it if it had passed at or before `ended_ms`.
    pub(crate) fn passed(self, ended_ms: u32) -> Option<Self> {
        (self.latest_ms != NEVER_MS && ended_ms >= self.earliest_ms).then(|| Self {
            latest_ms: self.latest_ms.min(ended_ms),
            ..self
        })
    }
}

/// The bit of a tag.
pub(crate) const fn tag_bit(tag: u8) -> u8 {
    1 << (tag & 3)
}

/// By seat: the number of its token, 0 for none, and tags invalidated since.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Tokens([u16; SEATS]);

/// The key's value, its deadlines, and who holds a token that is still good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct State {
    pub(crate) is_present: bool,
    pub(crate) value: u64,
    /// 0 while nobody has seen it.
    pub(crate) version: u64,
    pub(crate) tag: u8,
    /// When the operation ended that it is as old as.
    pub(crate) born_by_ns: u64,
    /// Bits of the tags that were invalidated after its birth for certain, and of those perhaps after it.
    pub(crate) tags_after: u8,
    pub(crate) tags_around: u8,
    /// Marked stale by `expire`.
    pub(crate) is_marked: bool,
    pub(crate) hard: Moment,
    pub(crate) soft: Moment,
    /// Of computations that may still be stored.
    pub(crate) tokens: Tokens,
    /// Misses that were let pass, where they are counted.
    pub(crate) forgiven: u8,
}

impl State {
    /// No value and no tokens.
    pub(crate) const ABSENT: Self = Self {
        is_present: false,
        value: 0,
        version: 0,
        tag: 0,
        born_by_ns: 0,
        tags_after: 0,
        tags_around: 0,
        is_marked: false,
        hard: Moment::NEVER,
        soft: Moment::NEVER,
        tokens: Tokens([0; SEATS]),
        forgiven: 0,
    };

    /// Without its value.
    pub(crate) const fn emptied(self) -> Self {
        Self {
            tokens: self.tokens,
            forgiven: self.forgiven,
            ..Self::ABSENT
        }
    }

    /// With a new value, written between two moments.
    pub(crate) const fn written(self, new: &New, began_ms: u32, ended_ms: u32) -> Self {
        Self {
            is_present: true,
            value: new.value,
            tag: new.tag,
            ..self.emptied().living(new.life, began_ms, ended_ms)
        }
    }

    /// With other deadlines, and so another version.
    pub(crate) const fn living(self, life: Life, began_ms: u32, ended_ms: u32) -> Self {
        Self {
            version: 0,
            is_marked: false,
            hard: Moment::after(life.hard_ms, began_ms, ended_ms),
            soft: Moment::after(life.soft_ms, began_ms, ended_ms),
            ..self
        }
    }

    /// With a value made of the present one: it keeps deadlines and tags.
    pub(crate) const fn derived(self, value: u64) -> Self {
        Self {
            value,
            version: 0,
            is_marked: false,
            ..self
        }
    }

    /// The token of `seat`: its number, or 0.
    pub(crate) fn token(&self, seat: u8) -> u16 {
        self.tokens
            .0
            .get(usize::from(seat))
            .map_or(0, |token| token & TOKEN_NUMBER)
    }

    /// Bits of the tags that were invalidated since the seat's token was taken.
    pub(crate) fn tags_since_token(&self, seat: u8) -> u8 {
        self.tokens
            .0
            .get(usize::from(seat))
            .map_or(0, |token| (token >> 12) as u8)
    }

    pub(crate) fn with_token(mut self, seat: u8, number: u16) -> Self {
        if let Some(token) = self.tokens.0.get_mut(usize::from(seat)) {
            *token = number & TOKEN_NUMBER;
        }
        self
    }

    /// Takes away the tokens that `is_older` says are too old for what happens now.
    pub(crate) fn without_tokens(mut self, is_older: impl Fn(u16) -> bool) -> Self {
        for token in &mut self.tokens.0 {
            if *token != 0 && is_older(*token & TOKEN_NUMBER) {
                *token = 0;
            }
        }
        self
    }

    /// Notes on such tokens that `tag` was invalidated.
    pub(crate) fn with_tag_invalidated(mut self, tag: u8, is_older: impl Fn(u16) -> bool) -> Self {
        for token in &mut self.tokens.0 {
            if *token != 0 && is_older(*token & TOKEN_NUMBER) {
                *token |= u16::from(tag_bit(tag)) << 12;
            }
        }
        self
    }
}
