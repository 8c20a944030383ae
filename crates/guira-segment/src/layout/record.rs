//! Attach records, thread lines and pin words.
//!
//! A *record* is a process's entry in the segment: it lives exactly as long as the process holds
//! the byte lock `2^62 + index` of the file. A *line* belongs to one thread of a process at a time:
//! seven engine pins, eight guard pins and sixteen counters that only this thread writes.
//!
//! | who | may do what |
//! |---|---|
//! | holder of a record's byte lock | write the record, clear pins and free lines of that record's earlier incarnations |
//! | the thread that owns a line | set and clear its engine pins, set its guard pins, add to its counters |
//! | whoever holds a guard | clear that guard's pin |

use super::{bits, mask};

/// layout: bytes of an attach record
pub(crate) const RECORD_BYTES: usize = 64;
/// layout: record: incarnation 32, pid 32; pid 0 means free
pub(crate) const RECORD_OWNER: usize = 0;
/// layout: record: start time of the process in kernel ticks
pub(crate) const RECORD_START_TICKS: usize = 8;
/// layout: record: inode of its pid namespace
pub(crate) const RECORD_PID_NAMESPACE: usize = 16;
/// layout: record: when it attached, segment milliseconds
pub(crate) const RECORD_ATTACHED_MS: usize = 24;
/// layout: record: version of the library, major 16, minor 16, patch 32
pub(crate) const RECORD_LIBRARY: usize = 32;

/// layout: bytes of a thread line
pub(crate) const LINE_BYTES: usize = 256;
/// layout: line: owner, incarnation 32 and record + 1 in 16; 0 means free
pub(crate) const LINE_OWNER: usize = 0;
/// layout: line: first of seven engine pins
pub(crate) const LINE_ENGINE_PINS: usize = 8;
/// layout: engine pins of a line
pub(crate) const ENGINE_PINS: usize = 7;
/// layout: line: first of eight guard pins
pub(crate) const LINE_GUARD_PINS: usize = 64;
/// layout: guard pins of a line
pub(crate) const GUARD_PINS: usize = 8;
/// layout: line: first of sixteen counters
pub(crate) const LINE_COUNTERS: usize = 128;
/// layout: counters of a line
pub(crate) const LINE_COUNTER_COUNT: usize = 16;

/// `[incarnation 32 | record + 1, 16]`: who owns a line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct LineOwner(pub(crate) u64);

impl LineOwner {
    #[inline]
    pub(crate) const fn new(record: u16, incarnation: u32) -> Self {
        Self((incarnation as u64) << 32 | (record as u64 + 1))
    }

    #[inline]
    pub(crate) const fn record(self) -> Option<u16> {
        match bits(self.0, 0, 16) as u16 {
            0 => None,
            index_plus_one => Some(index_plus_one - 1),
        }
    }

    #[inline]
    pub(crate) const fn incarnation(self) -> u32 {
        (self.0 >> 32) as u32
    }
}

/// `[record + 1, 12 | low incarnation 20 | block + 1, 32]`: a promise that a block is not reused.
///
/// Record and incarnation make a late recovery miss the pin of the line's next owner, who may have
/// another record with the very same incarnation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct PinWord(pub(crate) u64);

impl PinWord {
    pub(crate) const NONE: Self = Self(0);

    /// A pin that says whose it is and names no block yet: what all pins of an owner have in common.
    #[inline]
    pub(crate) const fn of(owner: LineOwner) -> Self {
        Self(Self::tag(owner))
    }

    /// The same owner's pin of a block.
    #[inline]
    pub(crate) const fn on(self, block: u32) -> Self {
        Self(self.0 & !mask(32) | (block as u64 + 1))
    }

    /// Whose pin it is, as far as twenty bits of an incarnation say.
    #[inline]
    pub(crate) const fn belongs_to(self, owner: LineOwner) -> bool {
        self.0 >> 32 == Self::tag(owner) >> 32
    }

    #[inline]
    const fn tag(owner: LineOwner) -> u64 {
        owner.0 << 52 | (owner.incarnation() as u64 & mask(20)) << 32
    }

    #[inline]
    pub(crate) const fn block(self) -> Option<u32> {
        match self.0 as u32 {
            0 => None,
            block_plus_one => Some(block_plus_one - 1),
        }
    }
}

/// `[incarnation 32 | pid 32]`: who holds a record.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct RecordOwner(pub(crate) u64);

impl RecordOwner {
    #[inline]
    pub(crate) const fn new(incarnation: u32, pid: u32) -> Self {
        Self((incarnation as u64) << 32 | pid as u64)
    }

    #[inline]
    pub(crate) const fn incarnation(self) -> u32 {
        (self.0 >> 32) as u32
    }

    #[inline]
    pub(crate) const fn pid(self) -> u32 {
        self.0 as u32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pin_belongs_to_one_incarnation_of_one_record() {
        let pin = PinWord::of(LineOwner::new(4093, 57)).on(5);
        assert_eq!(pin.block(), Some(5));
        assert!(pin.belongs_to(LineOwner::new(4093, 57)));
        assert!(!pin.belongs_to(LineOwner::new(4093, 58)));
        assert!(!pin.belongs_to(LineOwner::new(4092, 57)));
    }
}
