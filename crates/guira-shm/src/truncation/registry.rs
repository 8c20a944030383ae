//! The watched mappings: a fixed table that the handler reads without a lock.
//!
//! A row's state word holds a count of its uses above its phase. A reader takes a row's fields as one
//! mapping's only if the count is the same before and after it read them.

use super::Mark;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering, fence}; // process-private

const ROWS: usize = 1024;
const PHASE_MASK: u64 = 7;

/// What a row is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Nothing.
    Free,
    /// Somebody is writing its fields.
    Claimed,
    /// A mapping that is the file's.
    Watched,
    /// A handler is putting zeroes in its place.
    Replacing,
    /// A mapping that was replaced.
    Lost,
}

impl Phase {
    const fn of(state: u64) -> Phase {
        match state & PHASE_MASK {
            0 => Phase::Free,
            1 => Phase::Claimed,
            2 => Phase::Watched,
            3 => Phase::Replacing,
            _ => Phase::Lost,
        }
    }

    const fn bits(self) -> u64 {
        match self {
            Phase::Free => 0,
            Phase::Claimed => 1,
            Phase::Watched => 2,
            Phase::Replacing => 3,
            Phase::Lost => 4,
        }
    }
}

/// One row of the table.
#[derive(Debug)]
pub(super) struct Slot {
    state: AtomicU64,
    start: AtomicUsize,
    len_bytes: AtomicUsize,
    mark_offset: AtomicUsize,
    mark_value: AtomicU64,
}

/// A watched mapping as a row describes it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Watched {
    pub(super) slot: &'static Slot,
    pub(super) phase: Phase,
    pub(super) start: usize,
    pub(super) len_bytes: usize,
    pub(super) mark: Mark,
}

static TABLE: [Slot; ROWS] = [const { Slot::new() }; ROWS];
/// Rows from here on were never used.
static USED: AtomicUsize = AtomicUsize::new(0);

impl Slot {
    const fn new() -> Slot {
        Slot {
            state: AtomicU64::new(0),
            start: AtomicUsize::new(0),
            len_bytes: AtomicUsize::new(0),
            mark_offset: AtomicUsize::new(0),
            mark_value: AtomicU64::new(0),
        }
    }

    /// Whether zeroes took the mapping's place, or are about to.
    #[inline]
    pub(super) fn is_lost(&self, ordering: Ordering) -> bool {
        matches!(
            Phase::of(self.state.load(ordering)),
            Phase::Replacing | Phase::Lost
        )
    }

    /// Moves on from one phase to the next; false if another thread did.
    pub(super) fn enter(&self, from: Phase, to: Phase) -> bool {
        let now = self.state.load(Ordering::Relaxed);
        Phase::of(now) == from
            // AcqRel: what the phase before it did is seen; pairs with the Acquire of `read`.
            && self
                .state
                .compare_exchange(now, now & !PHASE_MASK | to.bits(), Ordering::AcqRel, Ordering::Relaxed)
                .is_ok()
    }

    /// Frees the row. Nobody accesses its mapping any more.
    pub(super) fn release(&self) {
        let uses = self.state.load(Ordering::Relaxed) | PHASE_MASK;
        // Release: pairs with the Acquire of the next claim.
        self.state
            .store(uses.wrapping_add(1) | Phase::Free.bits(), Ordering::Release);
    }

    /// The row's mapping, unless the row is free or changes hands.
    fn read(&'static self) -> Option<Watched> {
        // Acquire: the fields are read after it; pairs with the Release in `claim`.
        let state = self.state.load(Ordering::Acquire);
        let watched = Watched {
            slot: self,
            phase: Phase::of(state),
            start: self.start.load(Ordering::Relaxed),
            len_bytes: self.len_bytes.load(Ordering::Relaxed),
            mark: Mark {
                offset_bytes: self.mark_offset.load(Ordering::Relaxed),
                value: self.mark_value.load(Ordering::Relaxed),
            },
        };
        // Acquire: the fields were read before the state is looked at again; pairs with the fence in `claim`.
        fence(Ordering::Acquire);
        let is_same = self.state.load(Ordering::Relaxed) & !PHASE_MASK == state & !PHASE_MASK;
        (is_same && !matches!(watched.phase, Phase::Free | Phase::Claimed)).then_some(watched)
    }
}

/// Describes a mapping in a free row; none if all are taken.
pub(super) fn claim(start: usize, len_bytes: usize, mark: Mark) -> Option<&'static Slot> {
    let (row, slot) = TABLE.iter().enumerate().find(|(_, slot)| {
        let state = slot.state.load(Ordering::Relaxed);
        Phase::of(state) == Phase::Free
            // Acquire: pairs with the Release of `release`.
            && slot
                .state
                .compare_exchange(
                    state,
                    state | Phase::Claimed.bits(),
                    Ordering::Acquire,
                    Ordering::Relaxed,
                )
                .is_ok()
    })?;
    // Release: a reader that sees a new field sees the claim, too; pairs with the fence in `read`.
    fence(Ordering::Release);
    slot.start.store(start, Ordering::Relaxed);
    slot.len_bytes.store(len_bytes, Ordering::Relaxed);
    slot.mark_offset.store(mark.offset_bytes, Ordering::Relaxed);
    slot.mark_value.store(mark.value, Ordering::Relaxed);
    USED.fetch_max(row + 1, Ordering::Relaxed);
    let claimed = slot.state.load(Ordering::Relaxed);
    // Release: pairs with the Acquire of `read`; the mapping is accessed after this.
    slot.state
        .store(claimed & !PHASE_MASK | Phase::Watched.bits(), Ordering::Release);
    Some(slot)
}

/// The watched mapping that `address` is in.
pub(super) fn mapping_at(address: usize) -> Option<Watched> {
    let used = USED.load(Ordering::Relaxed).min(ROWS);
    TABLE
        .iter()
        .take(used)
        .filter_map(Slot::read)
        .find(|watched| address.wrapping_sub(watched.start) < watched.len_bytes)
}
