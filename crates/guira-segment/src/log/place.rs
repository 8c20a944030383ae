//! Reserving space for an entry.
//!
//! Threads begin on shared lanes, and get one of their own once they have written half a block: one for new
//! entries, and one for those of the main pool, of the class of lifetime that most of them have.
//!
//! A *private lane* is an OPEN block that names its thread's record as owner: only that thread
//! appends, by plain stores, and while it lives nobody seals the block, so it needs no pin. A
//! *shared lane* is a word naming an OPEN block without owner; space in it is taken by
//! compare-and-swap on the block's tail, under a pin taken before the state was checked. Either way
//! the tail carries the generation and is closed before the block is sealed, so two writers never
//! get the same bytes and nobody appends to a sealed block.

use std::cell::Cell;

use guira_shm::mutant::Mutant;
use guira_shm::sync::Ordering;

use crate::attach::{PrivateLane, ThreadState};
use crate::layout::block::{BlockState, BlockWord, META_EXPIRES_MS, META_TAIL, Pool, Tail, tagged};
use crate::layout::entry::NEVER_MS;
use crate::layout::slot::Location;
use crate::pin::{EnginePin, Pinned};
use crate::shared::Shared;
use crate::tuning::{PRIVATE_LANE_SHARE, PRIVATE_MAIN_LANE_SHARE};

/// Space for one entry.
#[derive(Debug)]
pub(crate) struct Place<'s> {
    pub(crate) location: Location,
    pub(crate) block: u32,
    /// The block's full generation.
    pub(crate) generation: u32,
    /// Keeps a shared block; a private one is kept by its owner.
    pub(crate) _pinned: Option<Pinned<'s>>,
}

/// On whose behalf a block is taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Purpose {
    /// A new entry: may reclaim first, and leaves the reserve alone.
    Store,
    /// A survivor of a drain: takes what is free, never reclaims.
    Survivor,
}

/// Attempts against others that fill the shared lane just as fast.
const LANE_ATTEMPTS: u32 = 64;

impl Shared {
    /// Space for an entry of `bytes` (at most half a block) in the given pool.
    pub(crate) fn reserve<'s>(
        &'s self,
        thread: &ThreadState,
        pool: Pool,
        bytes: usize,
        hard_ms: u64,
        purpose: Purpose,
    ) -> Option<Place<'s>> {
        match pool {
            Pool::Admission if self.has_private_lane(thread) => {
                self.reserve_private(thread, &thread.lane, (pool, 0), bytes, hard_ms, purpose)
            }
            Pool::Admission => {
                thread
                    .shared_bytes
                    .set(thread.shared_bytes.get().saturating_add(bytes));
                let lane = thread.line as usize % self.geometry.counts.admission_lanes as usize;
                self.reserve_shared(thread, lane, (pool, 0), bytes, hard_ms, purpose)
            }
            Pool::Main => {
                let class = self.lifetime_class(hard_ms);
                if self.has_main_lane(thread, class, bytes) {
                    let lane = &thread.main_lane;
                    return self.reserve_private(thread, lane, (pool, class), bytes, hard_ms, purpose);
                }
                let stripes = self.geometry.counts.class_lanes as usize;
                let lane = self.geometry.counts.admission_lanes as usize
                    + usize::from(class) * stripes
                    + thread.line as usize % stripes;
                self.reserve_shared(thread, lane, (pool, class), bytes, hard_ms, purpose)
            }
        }
    }

    /// A thread gets a block of its own once it has written half a block through the shared lanes: a
    /// process that puts a few entries and ends must not leave a block behind that it alone used.
    fn has_private_lane(&self, thread: &ThreadState) -> bool {
        thread.shared_bytes.get() >= self.geometry.block_bytes / 2
            && !thread.is_commons
            && thread.line < self.geometry.blocks() / PRIVATE_LANE_SHARE
    }

    /// The same for the main pool. Only one class of lifetime has a lane of the thread's own: the one that
    /// is ahead of all others together by half a block.
    fn has_main_lane(&self, thread: &ThreadState, class: u8, bytes: usize) -> bool {
        if let Some(lane) = thread.main_lane.get() {
            return lane.word.class() == class;
        }
        let (ahead, lead_bytes) = thread.main_bytes.get();
        let lead = if ahead == class {
            (ahead, lead_bytes.saturating_add(bytes))
        } else if lead_bytes <= bytes {
            (class, bytes)
        } else {
            (ahead, lead_bytes - bytes)
        };
        thread.main_bytes.set(lead);
        lead.0 == class
            && lead.1 >= self.geometry.block_bytes / 2
            && !thread.is_commons
            && thread.line < self.geometry.blocks() / PRIVATE_MAIN_LANE_SHARE
    }

    /// Classes of lifetime are powers of four of a second, beginning at four; class 0 never expires.
    pub(crate) fn lifetime_class(&self, hard_ms: u64) -> u8 {
        let classes = self.geometry.counts.classes as u32;
        if hard_ms >= NEVER_MS || classes < 3 {
            return 0;
        }
        let seconds = hard_ms.saturating_sub(self.clock.coarse_ms()) / 1000;
        let quarters = seconds.max(1).ilog2() / 2;
        quarters.clamp(0, classes - 2) as u8 + 1
    }

    fn reserve_private<'s>(
        &'s self,
        thread: &ThreadState,
        own: &Cell<Option<PrivateLane>>,
        (pool, class): (Pool, u8),
        bytes: usize,
        hard_ms: u64,
        purpose: Purpose,
    ) -> Option<Place<'s>> {
        loop {
            if let Some(mut lane) = own.get() {
                // Not ours any more only if somebody took us for dead, or the segment was repaired.
                if self.block(lane.block) == lane.word {
                    let begin = lane.used_bytes;
                    if begin + bytes <= self.geometry.block_bytes {
                        lane.used_bytes += bytes;
                        let generation = lane.word.generation();
                        // Relaxed: walkers of open blocks believe headers, not this.
                        self.block_meta(lane.block, META_TAIL)
                            .store(Tail::new(generation, lane.used_bytes).0, Ordering::Relaxed);
                        if hard_ms > lane.expires_ms {
                            lane.expires_ms = hard_ms;
                            self.block_meta(lane.block, META_EXPIRES_MS)
                                .store(hard_ms, Ordering::Relaxed);
                        }
                        own.set(Some(lane));
                        return Some(Place {
                            location: Location::from_offset(self.geometry.block_offset(lane.block) + begin),
                            block: lane.block,
                            generation,
                            _pinned: None,
                        });
                    }
                    self.seal_block(lane.block, lane.word);
                }
                own.set(None);
            }
            let (block, word) = self.open_block(thread, pool, class, purpose)?;
            if own.get().is_some() {
                // To make room for it this thread drained a block, and opened one for what survived.
                self.change_block(block, word, word.next_generation(BlockState::Free));
                continue;
            }
            own.set(Some(PrivateLane {
                block,
                word,
                used_bytes: 0,
                expires_ms: 0,
            }));
        }
    }

    fn reserve_shared<'s>(
        &'s self,
        thread: &ThreadState,
        lane: usize,
        (pool, class): (Pool, u8),
        bytes: usize,
        hard_ms: u64,
        purpose: Purpose,
    ) -> Option<Place<'s>> {
        let pin = match pool {
            Pool::Admission => EnginePin::Lane,
            Pool::Main => EnginePin::Main,
        };
        let lane_word = self.lane_word(lane);
        for _ in 0..LANE_ATTEMPTS {
            // Acquire: pairs with the AcqRel that installed it, so the block's metadata is fresh.
            let current = lane_word.load(Ordering::Acquire);
            if let Some((block, generation)) = self.lane_block(current) {
                let pinned = self.pin_block(thread, thread.engine_pin(self, pin), block);
                let is_open =
                    pinned.word.state() == BlockState::Open && pinned.word.generation() == generation;
                if is_open || Mutant::UnguardedLane.is_on() {
                    if let Some(begin) = self.advance_tail(block, generation, bytes) {
                        let expires = self.block_meta(block, META_EXPIRES_MS);
                        if expires.load(Ordering::Relaxed) < hard_ms {
                            expires.fetch_max(hard_ms, Ordering::Relaxed);
                        }
                        let location = Location::from_offset(self.geometry.block_offset(block) + begin);
                        return Some(Place {
                            location,
                            block,
                            generation,
                            _pinned: Some(pinned),
                        });
                    }
                    self.seal_block(block, pinned.word);
                }
            }
            let (block, word) = self.open_block(thread, pool, class, purpose)?;
            let installed = tagged(word.generation(), block + 1);
            // AcqRel: publishes the fresh metadata; pairs with the Acquire above.
            if lane_word
                .compare_exchange(current, installed, Ordering::AcqRel, Ordering::Relaxed)
                .is_ok()
            {
                self.change_block(block, word, word.without_owner());
            } else {
                self.change_block(block, word, word.next_generation(BlockState::Free));
            }
        }
        None
    }

    /// `[generation 32 | block + 1, 32]` of a lane, if it names a block that exists.
    pub(crate) fn lane_block(&self, lane: u64) -> Option<(u32, u32)> {
        let block = (lane as u32).checked_sub(1)?;
        (block < self.geometry.blocks()).then_some((block, (lane >> 32) as u32))
    }

    fn advance_tail(&self, block: u32, generation: u32, bytes: usize) -> Option<usize> {
        let word = self.block_meta(block, META_TAIL);
        // Acquire, also on failure: pairs with the AcqRel of whoever advanced or closed it.
        let mut tail = Tail(word.load(Ordering::Acquire));
        loop {
            let begin = tail.used_bytes();
            let is_other = tail.generation() != generation || tail.is_closed();
            if (is_other && !Mutant::UnguardedLane.is_on()) || begin + bytes > self.geometry.block_bytes {
                return None;
            }
            // AcqRel: one order with the closing of the tail.
            match word.compare_exchange_weak(
                tail.0,
                tail.advanced(bytes).0,
                Ordering::AcqRel,
                Ordering::Acquire,
            ) {
                Ok(_) => return Some(begin),
                Err(now) => tail = Tail(now),
            }
        }
    }

    /// Closes an OPEN block's tail, gives it the next place in the FIFO and makes it SEALED.
    pub(crate) fn seal_block(&self, block: u32, word: BlockWord) -> bool {
        let tail_word = self.block_meta(block, META_TAIL);
        // Acquire: as in `advance_tail`.
        let mut tail = Tail(tail_word.load(Ordering::Acquire));
        while tail.generation() == word.generation() && !tail.is_closed() {
            // AcqRel: nobody advances it after this.
            match tail_word.compare_exchange_weak(
                tail.0,
                tail.closed().0,
                Ordering::AcqRel,
                Ordering::Acquire,
            ) {
                Ok(_) => break,
                Err(now) => tail = Tail(now),
            }
        }
        self.stamp_sealed(block);
        let mut word = word;
        // Again if only the owner changed meanwhile: a block must not stay open when its lane goes on.
        while !self.change_block(block, word, word.with_state(BlockState::Sealed).without_owner()) {
            let now = self.block(block);
            if now.state() != BlockState::Open || now.generation() != word.generation() {
                return false;
            }
            word = now;
        }
        true
    }
}
