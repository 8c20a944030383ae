//! An entry: header, tags, key and value inside a block; immutable once it is LIVE.
//!
//! ```text
//!  0  state       u64   kind 2 | conditional 1 | soft 1 | self generation 12 | forward generation 12 | forward location 36
//!  8  lengths     u64   check 12 | frequency 2 | flags 6 | zero 5 | key bytes 12 | value bytes 27
//! 16  born        u64   soft deadline, low 16 bits | birth on the invalidation clock 48
//! 24  deadlines   u64   soft deadline, next 21 bits | hard deadline 43
//! 32  made        u32   tenths of a second of the segment's clock at which it was written
//! 36  [tags]            only with TAGS: count u8, name bytes u16, check u8, hashes 8 each, names
//!     key               with NAMESPACE its first two bytes are the namespace's number
//!     [pad to 16]       only with ALIGNED
//!     value
//!     [value check u32] only with CHECKED
//! ```
//!
//! Entries begin on a 16-byte grid and take a multiple of 16 bytes. The *state word* is the only
//! arbiter of replace, remove and relocate:
//!
//! | kind | meaning | next |
//! |---|---|---|
//! | WRITING | complete bytes, not visible | LIVE (its writer, or a helper once another entry is forwarded to it), DEAD (any writer of the key), WRITING with the soft bit (expire) |
//! | LIVE | the key's value | FWD (a replacing writer, or the drainer with a copy), DEAD (remove, invalidate, eviction), LIVE with the soft bit (expire) |
//! | FWD | replaced by, or moved to, the entry it names | none: it goes with its block; a killer goes on to the entry it names |
//! | DEAD | gone | |
//!
//! The frequency counter shares a word with immutable fields: it is written by plain stores of the
//! same word with other counter bits, under a pin; a lost tick is fine. It is outside the check.
//!
//! Long because: the state word and the header are one contract, with the tests of its bytes beside it.

use super::slot::{GENERATION_BITS, LOCATION_BITS, Location};
use super::{bits, mask};

/// layout: bytes of an entry's header
pub(crate) const HEADER_BYTES: usize = 36;
/// layout: entry: state word
pub(crate) const ENTRY_STATE: usize = 0;
/// layout: entry: lengths, flags, frequency, check
pub(crate) const ENTRY_LENGTHS: usize = 8;
/// layout: entry: birth and low bits of the soft deadline
pub(crate) const ENTRY_BORN: usize = 16;
/// layout: entry: hard deadline and high bits of the soft deadline
pub(crate) const ENTRY_DEADLINES: usize = 24;
/// layout: entry: when it was written, tenths of a second of the segment's clock
pub(crate) const ENTRY_MADE: usize = 32;
/// layout: entries begin and end on multiples of this many bytes
pub(crate) const ENTRY_GRID: usize = 16;
/// layout: bytes before the hashes of an entry's tags
pub(crate) const TAGS_HEAD_BYTES: usize = 4;
/// layout: longest key in bytes, the namespace's two bytes apart
pub(crate) const MAX_KEY_BYTES: usize = 4093;
/// layout: longest value in bytes
pub(crate) const MAX_VALUE_BYTES: usize = 67108864;

/// layout: flag: the key is preceded by its namespace's number
pub(crate) const FLAG_NAMESPACE: usize = 1;
/// layout: flag: tags follow the header
pub(crate) const FLAG_TAGS: usize = 2;
/// layout: flag: the value begins on a multiple of 16 bytes
pub(crate) const FLAG_ALIGNED: usize = 4;
/// layout: flag: a check of the value follows it
pub(crate) const FLAG_CHECKED: usize = 8;

/// No deadline: all bits of the field.
pub(crate) const NEVER_MS: u64 = mask(43);
/// Soft deadline field when there is none: 37 bits are stored as the distance below the hard one.
const SOFT_NONE: u64 = 0;

/// What a state word says of its entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    Dead,
    Writing,
    Live,
    Forward,
}

/// The 8-byte arbiter of an entry; see the module's table.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct State(pub(crate) u64);

const SELF_SHIFT: u32 = (LOCATION_BITS + GENERATION_BITS) as u32;
const SOFT_BIT: u64 = 1 << 60;
const CONDITIONAL_BIT: u64 = 1 << 61;
const KIND_SHIFT: u32 = 62;

impl State {
    #[inline]
    pub(crate) const fn new(kind: Kind, self_generation: u16) -> Self {
        let kind = match kind {
            Kind::Dead => 0,
            Kind::Writing => 1,
            Kind::Live => 2,
            Kind::Forward => 3,
        };
        Self(kind << KIND_SHIFT | (self_generation as u64 & mask(GENERATION_BITS as u32)) << SELF_SHIFT)
    }

    #[inline]
    pub(crate) const fn kind(self) -> Kind {
        match self.0 >> KIND_SHIFT {
            0 => Kind::Dead,
            1 => Kind::Writing,
            2 => Kind::Live,
            _ => Kind::Forward,
        }
    }

    #[inline]
    pub(crate) const fn self_generation(self) -> u16 {
        bits(self.0, SELF_SHIFT, GENERATION_BITS as u32) as u16
    }

    /// Soft-expired by `expire`: still readable, reported as stale.
    #[inline]
    pub(crate) const fn is_soft(self) -> bool {
        self.0 & SOFT_BIT != 0
    }

    /// A WRITING entry that becomes LIVE only through a forward from the entry it was derived
    /// from. Conditional writers never kill one: its predecessor may already point to it.
    #[inline]
    pub(crate) const fn is_conditional(self) -> bool {
        self.0 & CONDITIONAL_BIT != 0
    }

    #[inline]
    pub(crate) const fn with_soft(self) -> Self {
        Self(self.0 | SOFT_BIT)
    }

    #[inline]
    pub(crate) const fn with_conditional(self) -> Self {
        Self(self.0 | CONDITIONAL_BIT)
    }

    /// The same entry as `kind`, flags and forward cleared.
    #[inline]
    pub(crate) const fn to_kind(self, kind: Kind) -> Self {
        Self::new(kind, self.self_generation())
    }

    /// The same entry as LIVE, stale if it was marked so on its way.
    #[inline]
    pub(crate) const fn to_live(self) -> Self {
        Self(self.to_kind(Kind::Live).0 | self.0 & SOFT_BIT)
    }

    /// The same entry, gone; remembers whether it had been LIVE.
    #[inline]
    pub(crate) const fn dead(self) -> Self {
        let dead = Self::new(Kind::Dead, self.self_generation());
        match self.kind() {
            // Only what is LIVE is forwarded.
            Kind::Live | Kind::Forward => Self(dead.0 | SOFT_BIT),
            Kind::Dead => self,
            Kind::Writing => dead,
        }
    }

    /// A DEAD entry that had been LIVE: whoever wrote it has succeeded.
    #[inline]
    pub(crate) const fn was_live(self) -> bool {
        matches!(self.kind(), Kind::Dead) && self.0 & SOFT_BIT != 0
    }

    /// The same entry, replaced by the one at `location` of a block of `generation`.
    #[inline]
    pub(crate) const fn forwarded(self, location: Location, generation: u16) -> Self {
        Self(
            Self::new(Kind::Forward, self.self_generation()).0
                | (generation as u64 & mask(GENERATION_BITS as u32)) << LOCATION_BITS
                | (location.0 & mask(LOCATION_BITS as u32))
                // Readers still get it while what replaces it is being written.
                | (self.0 & SOFT_BIT),
        )
    }

    #[inline]
    pub(crate) const fn forward_location(self) -> Location {
        Location(bits(self.0, 0, LOCATION_BITS as u32))
    }

    #[inline]
    pub(crate) const fn forward_generation(self) -> u16 {
        bits(self.0, LOCATION_BITS as u32, GENERATION_BITS as u32) as u16
    }
}

impl core::fmt::Debug for State {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "State({:?} self {}", self.kind(), self.self_generation())?;
        if self.kind() == Kind::Forward {
            write!(
                f,
                " -> {:#x} generation {}",
                self.forward_location().0,
                self.forward_generation()
            )?;
        }
        if self.is_soft() {
            f.write_str(" soft")?;
        }
        if self.is_conditional() {
            f.write_str(" conditional")?;
        }
        f.write_str(")")
    }
}

/// The immutable part of a header: three words and `made`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Header {
    pub(crate) lengths: u64,
    pub(crate) born: u64,
    pub(crate) deadlines: u64,
    pub(crate) made_ds: u32,
}

/// What a writer decides about an entry before it is encoded.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HeaderFields {
    pub(crate) key_bytes: usize,
    pub(crate) value_bytes: usize,
    pub(crate) flags: usize,
    pub(crate) frequency: u8,
    pub(crate) birth: u64,
    pub(crate) hard_ms: u64,
    /// `NEVER_MS` or at least `hard_ms`: no soft deadline.
    pub(crate) soft_ms: u64,
    pub(crate) made_ds: u32,
}

const VALUE_BITS: u32 = 27;
const KEY_SHIFT: u32 = 27;
const KEY_BITS: u32 = 12;
const FLAGS_SHIFT: u32 = 44;
const FLAGS_BITS: u32 = 6;
const FREQUENCY_SHIFT: u32 = 50;
const CHECK_SHIFT: u32 = 52;
const FREQUENCY_MASK: u64 = mask(2) << FREQUENCY_SHIFT;
const CHECK_MASK: u64 = mask(12) << CHECK_SHIFT;

impl Header {
    /// Encodes `fields` for an entry at `location` of a block of `generation`.
    pub(crate) fn encode(fields: &HeaderFields, location: Location, generation: u32) -> Self {
        let soft = if fields.soft_ms >= fields.hard_ms {
            SOFT_NONE
        } else {
            soft_distance(fields)
        };
        let mut header = Self {
            lengths: fields.value_bytes as u64 & mask(VALUE_BITS)
                | (fields.key_bytes as u64 & mask(KEY_BITS)) << KEY_SHIFT
                | (fields.flags as u64 & mask(FLAGS_BITS)) << FLAGS_SHIFT
                | u64::from(fields.frequency.min(3)) << FREQUENCY_SHIFT,
            born: fields.birth & mask(48) | (soft & mask(16)) << 48,
            deadlines: fields.hard_ms.min(NEVER_MS) | (soft >> 16 & mask(21)) << 43,
            made_ds: fields.made_ds,
        };
        header.lengths |= header.check(location, generation) << CHECK_SHIFT;
        header
    }

    /// The header of an unchanged copy at another place, with another frequency.
    pub(crate) const fn moved_to(&self, frequency: u8, location: Location, generation: u32) -> Self {
        let mut header = *self;
        header.lengths = Self::lengths_with_frequency(self.lengths, frequency) & !CHECK_MASK;
        header.lengths |= header.check(location, generation) << CHECK_SHIFT;
        header
    }

    #[inline]
    pub(crate) const fn value_bytes(&self) -> usize {
        bits(self.lengths, 0, VALUE_BITS) as usize
    }

    /// Bytes of the stored key, the namespace's number included.
    #[inline]
    pub(crate) const fn key_bytes(&self) -> usize {
        bits(self.lengths, KEY_SHIFT, KEY_BITS) as usize
    }

    #[inline]
    pub(crate) const fn flags(&self) -> usize {
        bits(self.lengths, FLAGS_SHIFT, FLAGS_BITS) as usize
    }

    #[inline]
    pub(crate) const fn has(&self, flag: usize) -> bool {
        self.flags() & flag != 0
    }

    #[inline]
    pub(crate) const fn frequency(&self) -> u8 {
        bits(self.lengths, FREQUENCY_SHIFT, 2) as u8
    }

    /// The lengths word with another frequency.
    #[inline]
    pub(crate) const fn lengths_with_frequency(lengths: u64, frequency: u8) -> u64 {
        lengths & !FREQUENCY_MASK | (frequency as u64 & 3) << FREQUENCY_SHIFT
    }

    /// The lengths word with one more read counted, if the counter is not full.
    #[inline]
    pub(crate) const fn lengths_after_read(&self) -> Option<u64> {
        if self.lengths & FREQUENCY_MASK == FREQUENCY_MASK {
            None
        } else {
            Some(self.lengths + (1 << FREQUENCY_SHIFT))
        }
    }

    #[inline]
    pub(crate) const fn birth(&self) -> u64 {
        bits(self.born, 0, 48)
    }

    /// Hard deadline in segment milliseconds, `NEVER_MS` if there is none.
    #[inline]
    pub(crate) const fn hard_ms(&self) -> u64 {
        bits(self.deadlines, 0, 43)
    }

    /// Soft deadline in segment milliseconds; equal to the hard one if there is none.
    #[inline]
    pub(crate) const fn soft_ms(&self) -> u64 {
        let stored = bits(self.born, 48, 16) | bits(self.deadlines, 43, 21) << 16;
        decode_soft(stored, self.hard_ms())
    }

    /// Twelve bits over everything immutable, the location and the generation, so that a header
    /// that was moved, left over or damaged is not taken for one of this place.
    #[inline]
    pub(crate) const fn check(&self, location: Location, generation: u32) -> u64 {
        let lengths = self.lengths & !FREQUENCY_MASK & !CHECK_MASK;
        let mut sum = lengths ^ 0x9e37_79b9_7f4a_7c15;
        sum = (sum ^ self.born).wrapping_mul(0xff51_afd7_ed55_8ccd);
        sum = (sum ^ (sum >> 32) ^ self.deadlines).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
        sum ^= (location.0 << 20) ^ ((self.made_ds as u64) << 32) ^ generation as u64;
        sum = (sum ^ (sum >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        sum >> 52
    }

    #[inline]
    pub(crate) const fn is_intact(&self, location: Location, generation: u32) -> bool {
        self.lengths >> CHECK_SHIFT == self.check(location, generation)
    }

    /// Bytes of the whole entry on the grid, given the bytes of its tags.
    #[inline]
    pub(crate) const fn entry_bytes(&self, tags_bytes: usize) -> usize {
        entry_bytes(self.flags(), tags_bytes, self.key_bytes(), self.value_bytes())
    }
}

/// The soft deadline in 37 bits: `1 + distance` below the hard deadline, in milliseconds while
/// that takes 36 bits (2.1 years) and else in units of 128 ms; with no hard deadline it is measured
/// from the segment's beginning in the same way. The top bit says which unit.
const fn soft_distance(fields: &HeaderFields) -> u64 {
    let distance = if fields.hard_ms >= NEVER_MS {
        fields.soft_ms
    } else {
        fields.hard_ms - fields.soft_ms
    };
    if distance < mask(36) {
        distance + 1
    } else {
        1 << 36 | (distance >> 7) & mask(36)
    }
}

const fn decode_soft(stored: u64, hard_ms: u64) -> u64 {
    if stored == SOFT_NONE {
        return hard_ms;
    }
    let distance = if stored >> 36 == 0 {
        stored - 1
    } else {
        (stored & mask(36)) << 7
    };
    if hard_ms >= NEVER_MS {
        distance
    } else {
        hard_ms.saturating_sub(distance)
    }
}

/// Whether a lengths word says: a key of `key_bytes`, and these flags, no others.
#[inline]
pub(crate) const fn is_of_key_and_flags(lengths: u64, key_bytes: usize, flags: usize) -> bool {
    // Key length, the reserved bits and the flags in one comparison.
    let expected = key_bytes as u64 | (flags as u64) << (FLAGS_SHIFT - KEY_SHIFT);
    bits(lengths, KEY_SHIFT, FREQUENCY_SHIFT - KEY_SHIFT) == expected
}

/// Offset of the value inside an entry, in bytes from its start.
#[inline]
pub(crate) const fn value_offset(flags: usize, tags_bytes: usize, key_bytes: usize) -> usize {
    let end_of_key = HEADER_BYTES + tags_bytes + key_bytes;
    if flags & FLAG_ALIGNED != 0 {
        end_of_key.next_multiple_of(16)
    } else {
        end_of_key
    }
}

/// Bytes an entry takes in its block.
#[inline]
pub(crate) const fn entry_bytes(
    flags: usize,
    tags_bytes: usize,
    key_bytes: usize,
    value_bytes: usize,
) -> usize {
    let check = if flags & FLAG_CHECKED != 0 { 4 } else { 0 };
    (value_offset(flags, tags_bytes, key_bytes) + value_bytes + check).next_multiple_of(ENTRY_GRID)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields() -> HeaderFields {
        HeaderFields {
            key_bytes: 24,
            value_bytes: 100,
            flags: FLAG_TAGS,
            frequency: 1,
            birth: 77,
            hard_ms: 5_000,
            soft_ms: 3_000,
            made_ds: 9,
        }
    }

    #[test]
    fn a_header_gives_back_what_was_encoded() {
        let header = Header::encode(&fields(), Location(4096), 3);
        assert_eq!(
            (header.key_bytes(), header.value_bytes(), header.flags()),
            (24, 100, FLAG_TAGS)
        );
        assert_eq!(
            (header.birth(), header.hard_ms(), header.soft_ms()),
            (77, 5_000, 3_000)
        );
        assert_eq!(header.frequency(), 1);
        assert!(header.is_intact(Location(4096), 3));
    }

    #[test]
    fn the_check_sees_every_flipped_bit_but_the_frequency() {
        let header = Header::encode(&fields(), Location(4096), 3);
        for bit in 0..64 {
            let mut flipped = header;
            flipped.lengths ^= 1 << bit;
            assert_eq!(
                flipped.is_intact(Location(4096), 3),
                (50..52).contains(&bit),
                "lengths bit {bit}"
            );
            flipped = header;
            flipped.born ^= 1 << bit;
            assert!(!flipped.is_intact(Location(4096), 3), "born bit {bit}");
            flipped = header;
            flipped.deadlines ^= 1 << bit;
            assert!(!flipped.is_intact(Location(4096), 3), "deadlines bit {bit}");
        }
        assert!(!header.is_intact(Location(4097), 3));
        assert!(!header.is_intact(Location(4096), 4));
    }

    #[test]
    fn a_dead_word_tells_whether_its_entry_was_ever_live() {
        let writing = State::new(Kind::Writing, 5).with_soft().with_conditional();
        assert_eq!(writing.dead(), State::new(Kind::Dead, 5));
        let forward = State::new(Kind::Live, 5).forwarded(Location(4096), 3);
        for state in [writing.to_live(), State::new(Kind::Live, 5), forward] {
            assert!(state.dead().was_live(), "{state:?}");
            assert_eq!(state.dead().dead(), state.dead(), "{state:?}");
            assert_eq!(state.dead().self_generation(), 5);
        }
    }

    #[test]
    fn soft_deadlines_survive_any_distance() {
        let year_ms = 365 * 86_400_000;
        for (soft_ms, hard_ms) in [
            (0, 1),
            (1, NEVER_MS),
            (0, NEVER_MS),
            (10 * year_ms, NEVER_MS),
            (1_000, 1_000 + year_ms),
            (1_000, 1_000 + 100 * year_ms),
            (5_000, 5_000),
            (NEVER_MS, NEVER_MS),
        ] {
            let header = Header::encode(
                &HeaderFields {
                    soft_ms,
                    hard_ms,
                    ..fields()
                },
                Location(1),
                1,
            );
            let off_by = header.soft_ms().abs_diff(soft_ms);
            let exact = hard_ms.min(NEVER_MS) - soft_ms < mask(36) || soft_ms < mask(36);
            assert!(
                off_by == 0 || (!exact && off_by < 128) || (hard_ms < NEVER_MS && off_by < 128),
                "{soft_ms} {hard_ms} {off_by}"
            );
        }
    }

    #[test]
    fn the_measured_entry_takes_160_bytes() {
        assert_eq!(entry_bytes(0, 0, 24, 100), 160);
    }
}
