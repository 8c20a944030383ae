//! Pins: the promise that a block is not reused while its bytes are read or written.
//!
//! # The argument
//!
//! A pinner stores `block + 1` in a word of its own line, then loads the block's control word. A
//! reclaimer changes the control word (generation + 1), then scans every pin word; it frees the
//! block only if none names it. Both stores and both loads are sequentially consistent, so at least
//! one side sees the other (Dekker's pairing): a pinner that still sees the old generation is seen
//! by the scan and the block waits as RETIRED; a pinner that came too late sees the new generation
//! and does not touch the block. A pin of a living process is never broken; a pin of a dead one is
//! erased by recovery. These are hazard pointers (Michael, 2004) for whole blocks, with the words in
//! shared memory and owned by processes.
//!
//! | engine pin | holds |
//! |---|---|
//! | `Read` | the entry being looked at; while twins are settled, every other entry of a forward chain |
//! | `Lane` | the shared block this thread appends to (a private one is kept by its owner), or a run |
//! | `Main` | the block of the main pool that an entry or a survivor goes to |
//! | `Twin` | another entry of the key being written |
//! | `Hop` | the next entry of a forward chain |
//! | `Move` | the entry whose slot is being moved, swept or evicted; the copy that a slot is swung to |
//! | `Base` | the entry a conditional write is derived from; in a kill, every other entry of a forward chain |

use guira_shm::mutant::Mutant;
use guira_shm::sync::{AtomicU64, Ordering, load_in_order, pairing_fence};

use crate::attach::ThreadState;
use crate::layout::block::BlockWord;
use crate::layout::record::PinWord;
use crate::layout::slot::Location;
use crate::shared::Shared;

/// Which of its engine pins a thread uses; see the module's table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(usize)]
pub(crate) enum EnginePin {
    Read = 0,
    Lane = 1,
    Main = 2,
    Twin = 3,
    Hop = 4,
    Move = 5,
    Base = 6,
}

/// A pinned block: witness that its bytes of this generation stay what they are.
#[derive(Debug)]
pub(crate) struct Pinned<'s> {
    pin: &'s AtomicU64,
    pub(crate) block: u32,
    /// The control word as it was after pinning.
    pub(crate) word: BlockWord,
}

#[cfg(all(test, guira_model))]
impl<'s> Pinned<'s> {
    /// The same pin, as a forked child has it.
    pub(crate) const fn inherited(parents: &Self) -> Self {
        Self {
            pin: parents.pin,
            block: parents.block,
            word: parents.word,
        }
    }
}

impl Drop for Pinned<'_> {
    #[inline]
    fn drop(&mut self) {
        unpin(self.pin);
    }
}

/// Ends a promise.
#[inline]
pub(crate) fn unpin(pin: &AtomicU64) {
    // Release: pairs with the reclaimer's load; every read and write under the pin is before it.
    pin.store(PinWord::NONE.0, Ordering::Release);
}

impl Shared {
    /// Pins `block` in `pin` and says what the block is now.
    #[inline]
    pub(crate) fn pin_block<'s>(
        &'s self,
        thread: &ThreadState,
        pin: &'s AtomicU64,
        block: u32,
    ) -> Pinned<'s> {
        let word = thread.pins.on(block);
        // SeqCst, store then load: pairs with `change_block` and the fence before the scan of pins.
        if Mutant::UnorderedPin.is_on() {
            pin.store(word.0, Ordering::Release);
        } else {
            pin.swap(word.0, Ordering::SeqCst);
            pairing_fence();
        }
        let word = BlockWord(self.block_word(block).load(Ordering::SeqCst));
        Pinned { pin, block, word }
    }

    /// Pins the block at `location` if it still is of `generation` (as slots carry it) and readable.
    #[inline]
    pub(crate) fn pin_location<'s>(
        &'s self,
        thread: &ThreadState,
        pin: &'s AtomicU64,
        location: Location,
        generation: u16,
    ) -> Option<Pinned<'s>> {
        let block = self.geometry.block_of(location.offset())?;
        let pinned = self.pin_block(thread, pin, block);
        (pinned.word.is_readable()
            && (self.same_generation(pinned.word.generation(), generation)
                || Mutant::PinWithoutGeneration.is_on()))
        .then_some(pinned)
    }

    /// Whether a pinned block still is of the generation it had when it was pinned, so that a change
    /// just made to one of its entries was made to an entry that was there.
    pub(crate) fn still_stands(&self, pinned: &Pinned<'_>) -> bool {
        // SeqCst: after the change of the entry's state; pairs with `change_block` of the retirer, and
        // with the second look at the move counter of a scan that found the block retired.
        let word = self.block_word(pinned.block);
        let word = BlockWord(if Mutant::UnorderedSecondLooks.is_on() {
            word.load(Ordering::Acquire)
        } else {
            load_in_order(word)
        });
        word.is_readable() && word.generation() == pinned.word.generation()
    }

    /// Whether a block's generation is the one that a slot or state word carries.
    #[inline]
    pub(crate) const fn same_generation(&self, block_generation: u32, carried: u16) -> bool {
        block_generation & self.geometry.generation_mask() == carried as u32
    }

    /// The bits of a block's generation that slots and state words carry.
    #[inline]
    pub(crate) const fn carried(&self, block_generation: u32) -> u16 {
        (block_generation & self.geometry.generation_mask()) as u16
    }
}
