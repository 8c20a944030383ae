//! When a value was computed that is kept below the segment which knows of its invalidations.
//!
//! | bits of two little-endian words | what |
//! |---|---|
//! | 0 to 23 | how often the key's stamp had been invalidated |
//! | 24 to 63, 112 to 127 | the life of the segment, of which 56 bits are kept |
//! | 64 to 111 | its invalidation clock |

use guira_segment::FillToken;

/// Two words.
pub(super) const BIRTH_BYTES: usize = 16;

const LIFE: u64 = (1 << 56) - 1;
const CLOCK: u64 = (1 << 48) - 1;
const INVALIDATIONS: u64 = (1 << 24) - 1;

/// What a segment's invalidation clock and the key's stamp said when a value's computation began.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Birth {
    life: u64,
    clock: u64,
    invalidations: u32,
}

impl Birth {
    pub(super) const NONE: Self = Self {
        life: 0,
        clock: 0,
        invalidations: 0,
    };

    /// Of a value that is computed under `token`, of a segment in this life.
    pub(crate) const fn of(life: u64, token: &FillToken) -> Self {
        Self {
            life: life & LIFE,
            clock: token.clock() & CLOCK,
            invalidations: token.invalidations(),
        }
    }

    /// Whether it was in this life of a segment.
    pub(crate) const fn is_of(&self, life: u64) -> bool {
        self.life == life & LIFE
    }

    pub(crate) const fn clock(&self) -> u64 {
        self.clock
    }

    pub(crate) const fn invalidations(&self) -> u32 {
        self.invalidations
    }

    pub(super) fn to_bytes(self) -> [u8; BIRTH_BYTES] {
        let low = u64::from(self.invalidations) | self.life << 24;
        let high = self.clock | (self.life >> 40) << 48;
        (u128::from(low) | u128::from(high) << 64).to_le_bytes()
    }

    pub(super) fn from_bytes(bytes: [u8; BIRTH_BYTES]) -> Self {
        let words = u128::from_le_bytes(bytes);
        let (low, high) = (words as u64, (words >> 64) as u64);
        Self {
            life: low >> 24 | (high >> 48) << 40,
            clock: high & CLOCK,
            invalidations: (low & INVALIDATIONS) as u32,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_birth_comes_back_from_its_bytes() {
        for (life, clock, invalidations) in [
            (0, 0, 0),
            (LIFE, CLOCK, INVALIDATIONS as u32),
            (LIFE, 0, 0),
            (0, CLOCK, 0),
            (0, 0, INVALIDATIONS as u32),
            (0x12_3456_789a_bcde, 0x1234_5678_9abc, 0x12_3456),
        ] {
            let birth = Birth {
                life,
                clock,
                invalidations,
            };
            assert_eq!(Birth::from_bytes(birth.to_bytes()), birth);
        }
    }

    #[test]
    fn births_have_the_bytes_that_are_written_down() {
        let birth = Birth {
            life: 0xa7_a6a5_a4a3_a2a1,
            clock: 0xc6c5_c4c3_c2c1,
            invalidations: 0xb3_b2b1,
        };
        assert_eq!(
            birth.to_bytes(),
            *b"\xb1\xb2\xb3\xa1\xa2\xa3\xa4\xa5\xc1\xc2\xc3\xc4\xc5\xc6\xa6\xa7"
        );
    }
}
