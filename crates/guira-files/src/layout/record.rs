//! A record of the table: one file, or room for one. A record is a line of eight words.
//!
//! | word | what |
//! |---|---|
//! | 0 | state, main queue, owner, generation, space: the only arbiter of the record ([`RecordWord`]) |
//! | 1 | the file's number |
//! | 2, 3 | hashes of the key and of its namespace's name |
//! | 4 | when it is over, in ms of the wall clock: a hint, the segment knows ([`NEVER_MS`] for never) |
//! | 5 | its place in a queue: queue in the highest bit, ticket below |
//! | 6 | the state of the file whose bytes were verified, folded to 64 bits; 0 for none yet |
//! | 7 | reads since the policy last looked, at most [`MAX_USES`] |
//!
//! Words 1 to 7 are written by the record's owner while it is HELD; 4 to 7 are hints that others change, too.

pub(crate) const RECORD_BYTES: usize = 64;
pub(crate) const RECORD_WORD: usize = 0;
pub(crate) const RECORD_NUMBER: usize = 8;
pub(crate) const RECORD_KEY_HASH: usize = 16;
pub(crate) const RECORD_NAMESPACE_HASH: usize = 24;
pub(crate) const RECORD_DUE_MS: usize = 32;
pub(crate) const RECORD_TICKET: usize = 40;
pub(crate) const RECORD_VERIFIED: usize = 48;
pub(crate) const RECORD_USES: usize = 56;

pub(crate) const NEVER_MS: u64 = u64::MAX;
/// The ticket of a record that has no place.
pub(crate) const NO_TICKET: u64 = u64::MAX;
pub(crate) const MAX_USES: u64 = 3;

/// What a record is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum RecordState {
    /// Room for a file.
    Free,
    /// A file that its owner makes, or has made and not yet given to the segment.
    Held,
    /// A file that some stub names, or named.
    Live,
    /// A file that its owner removes.
    Dying,
}

/// State, owner and space of a record in one word.
///
/// ```text
///  63      32 31        14 13     4   3    2..0
/// +----------+------------+--------+------+-----+
/// |  blocks  | generation | owner  | main |state|
/// +----------+------------+--------+------+-----+
/// ```
///
/// Blocks are of 512 bytes, as the kernel counts them. The owner is of HELD and DYING records.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct RecordWord(pub(crate) u64);

const MAIN: u64 = 1 << 3;
const OWNER_SHIFT: u32 = 4;
const OWNER_MASK: u64 = 0x3ff;
const GENERATION_SHIFT: u32 = 14;
const GENERATION_MASK: u64 = 0x3_ffff;

impl RecordWord {
    pub(crate) const fn state(self) -> Option<RecordState> {
        match self.0 & 7 {
            0 => Some(RecordState::Free),
            1 => Some(RecordState::Held),
            2 => Some(RecordState::Live),
            3 => Some(RecordState::Dying),
            _ => None,
        }
    }

    pub(crate) const fn owner(self) -> u16 {
        (self.0 >> OWNER_SHIFT & OWNER_MASK) as u16
    }

    pub(crate) const fn generation(self) -> u32 {
        (self.0 >> GENERATION_SHIFT & GENERATION_MASK) as u32
    }

    /// Space that the record answers for, in units of 512 bytes: 0 for a free one, whatever its word says.
    pub(crate) const fn blocks(self) -> u32 {
        match self.state() {
            Some(RecordState::Free) | None => 0,
            Some(_) => (self.0 >> 32) as u32,
        }
    }

    pub(crate) const fn is_main(self) -> bool {
        self.0 & MAIN != 0
    }

    pub(crate) const fn is_owned_by(self, owner: u16) -> bool {
        self.owner() == owner && matches!(self.state(), Some(RecordState::Held | RecordState::Dying))
    }

    const fn with(self, state: u64, owner: u16, blocks: u32) -> Self {
        let kept = self.0 & (GENERATION_MASK << GENERATION_SHIFT | MAIN);
        Self((blocks as u64) << 32 | kept | (owner as u64 & OWNER_MASK) << OWNER_SHIFT | state)
    }

    /// The next generation, held by `owner`.
    pub(crate) const fn held(self, owner: u16, blocks: u32) -> Self {
        let generation = (self.generation() as u64 + 1) & GENERATION_MASK;
        Self(generation << GENERATION_SHIFT).with(1, owner, blocks)
    }

    pub(crate) const fn with_blocks(self, blocks: u32) -> Self {
        Self(self.0 & 0xffff_ffff | (blocks as u64) << 32)
    }

    pub(crate) const fn live(self) -> Self {
        self.with(2, 0, (self.0 >> 32) as u32)
    }

    pub(crate) const fn in_main(self) -> Self {
        Self(self.0 | MAIN)
    }

    pub(crate) const fn dying(self, owner: u16) -> Self {
        self.with(3, owner, (self.0 >> 32) as u32)
    }

    pub(crate) const fn free(self) -> Self {
        Self(self.0 & GENERATION_MASK << GENERATION_SHIFT)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_goes_round_and_keeps_its_generation_until_it_is_held_anew() {
        let held = RecordWord(0).held(513, 24);
        assert_eq!(
            (held.state(), held.owner(), held.generation()),
            (Some(RecordState::Held), 513, 1)
        );
        let longer = held.with_blocks(4_000_000_000);
        assert_eq!((longer.blocks(), longer.owner()), (4_000_000_000, 513));
        let live = longer.live().in_main();
        assert_eq!(
            (live.state(), live.owner(), live.blocks()),
            (Some(RecordState::Live), 0, 4_000_000_000)
        );
        assert!(live.is_main() && !live.is_owned_by(0));
        let dying = live.dying(7);
        assert!(dying.is_owned_by(7) && !dying.is_owned_by(8) && dying.is_main());
        let free = dying.free();
        assert_eq!(
            (free.state(), free.blocks(), free.generation()),
            (Some(RecordState::Free), 0, 1)
        );
        assert!(!free.is_main() && !free.held(1, 1).is_main());
        let last = RecordWord(GENERATION_MASK << GENERATION_SHIFT);
        assert_eq!(last.held(0, 1).generation(), 0);
        assert_eq!(RecordWord(7).state(), None);
    }
}
