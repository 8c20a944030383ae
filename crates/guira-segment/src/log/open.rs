//! Taking a free block and giving a retired one back.

use guira_shm::mutant::Mutant;
use guira_shm::sync::{Ordering, fence};

use crate::attach::{Counter, ThreadState};
use crate::layout::block::{
    BlockState, BlockWord, META_EXPIRES_MS, META_LIVE, META_OPENED_MS, META_SEALED_AT, META_SPAN, META_TAIL,
    Pool, Tail,
};
use crate::layout::control::{
    CONTROL_FREE_HINT, CONTROL_GUARDED_BLOCKS, CONTROL_LINES_HIGH, CONTROL_SEAL_SEQUENCE,
};
use crate::layout::record::{ENGINE_PINS, GUARD_PINS, LINE_ENGINE_PINS, PinWord};
use crate::log::place::Purpose;
use crate::pin::EnginePin;
use crate::shared::Shared;
use crate::tuning::{RECLAIM_ROUNDS, RESERVE_PARTS, ROUNDS_BEFORE_EVICTION, ROUNDS_PER_URGENCY};

/// Rounds without progress before the reserve is used.
const STUCK_ROUNDS: u32 = 3;

impl Shared {
    /// An OPEN block owned by this process, with fresh metadata.
    pub(crate) fn open_block(
        &self,
        thread: &ThreadState,
        pool: Pool,
        class: u8,
        purpose: Purpose,
    ) -> Option<(u32, BlockWord)> {
        if purpose == Purpose::Survivor {
            return self.take_free(thread, pool, class, 0);
        }
        let keep = self.reserve_blocks();
        let mut stuck = 0;
        for round in 0..RECLAIM_ROUNDS {
            if round == ROUNDS_BEFORE_EVICTION {
                self.begin_evicting();
            }
            // Where everything is read often, a turn of the FIFO frees nothing: be stricter.
            thread.urgency.set((round / ROUNDS_PER_URGENCY) as u8);
            if let Some(taken) = self.take_free(thread, pool, class, keep) {
                return Some(taken);
            }
            if self.reclaim_round(thread) {
                continue;
            }
            stuck += 1;
            if stuck == 1
                && let Some(attachment) = self.current_attachment()
            {
                self.recover_dead(&attachment, true);
            }
            if stuck >= STUCK_ROUNDS {
                break;
            }
        }
        self.take_free(thread, pool, class, 0)
    }

    /// Takes a FREE block if more than `keep` of them are left; sets the thread's pace of reclaim.
    fn take_free(&self, thread: &ThreadState, pool: Pool, class: u8, keep: u32) -> Option<(u32, BlockWord)> {
        let blocks = self.geometry.blocks();
        let hint = self.word(CONTROL_FREE_HINT);
        let start = (hint.load(Ordering::Relaxed) % u64::from(blocks)) as u32;
        let mut first = None;
        let mut free = 0;
        let enough = keep + self.enough_blocks();
        for step in 0..blocks {
            let block = if start + step >= blocks {
                start + step - blocks
            } else {
                start + step
            };
            if self.block(block).state() == BlockState::Free {
                free += 1;
                first = first.or(Some(block));
                if free >= enough {
                    break;
                }
            }
        }
        if free <= keep {
            return None;
        }
        if free >= enough {
            thread.pace.stop();
        } else {
            thread.pace.begin();
        }
        let first = first?;
        for step in 0..blocks {
            let block = (first + step) % blocks;
            let word = self.block(block);
            if word.state() == BlockState::Free
                && let Some(opened) = self.open_free(thread, block, word, pool, class)
            {
                hint.store(u64::from(block) + 1, Ordering::Relaxed);
                return Some((block, opened));
            }
        }
        None
    }

    /// Blocks that are kept for the survivors of drains: one for each thread that may be draining,
    /// as far as there are blocks. (A process has a line for its first thread and a common one.)
    pub(crate) fn reserve_blocks(&self) -> u32 {
        let lines = self.word(CONTROL_LINES_HIGH).load(Ordering::Relaxed) as u32;
        (lines / 2).clamp(1, (self.geometry.blocks() / RESERVE_PARTS).max(1))
    }

    /// Free blocks beyond the reserve, as far as it matters how many they are.
    pub(crate) fn spare_blocks(&self) -> u32 {
        let keep = self.reserve_blocks();
        let is_free = |block: &u32| self.block(*block).state() == BlockState::Free;
        let enough = (keep + self.enough_blocks()) as usize;
        let free = (0..self.geometry.blocks()).filter(is_free).take(enough).count();
        (free as u32).saturating_sub(keep)
    }

    fn open_free(
        &self,
        thread: &ThreadState,
        block: u32,
        word: BlockWord,
        pool: Pool,
        class: u8,
    ) -> Option<BlockWord> {
        if !self.may_reuse(thread, block, word.generation()) {
            return None;
        }
        let opened = word
            .with_state(BlockState::Open)
            .with_pool(pool, class)
            .with_owner(thread.owner);
        self.change_block(block, word, opened).then(|| {
            self.reset_meta(block, opened.generation());
            opened
        })
    }

    /// Metadata of a block that nobody else writes to yet.
    pub(crate) fn reset_meta(&self, block: u32, generation: u32) {
        self.block_meta(block, META_TAIL)
            .store(Tail::new(generation, 0).0, Ordering::Relaxed);
        self.block_meta(block, META_LIVE).store(0, Ordering::Relaxed);
        // Tagged with its generation, it counts no more unless it was damaged.
        self.block_meta(block, META_SPAN).store(0, Ordering::Relaxed);
        self.block_meta(block, META_EXPIRES_MS)
            .store(0, Ordering::Relaxed);
        self.block_meta(block, META_OPENED_MS)
            .store(self.clock.coarse_ms(), Ordering::Relaxed);
    }

    /// Gives a block that is about to be SEALED the next place in the FIFO.
    pub(crate) fn stamp_sealed(&self, block: u32) {
        let sequence = self.word(CONTROL_SEAL_SEQUENCE).fetch_add(1, Ordering::Relaxed);
        self.block_meta(block, META_SEALED_AT)
            .store(sequence, Ordering::Relaxed);
    }

    /// DRAIN -> RETIRED, and on to FREE if nothing pins it.
    pub(crate) fn retire_block(&self, thread: &ThreadState, block: u32, word: BlockWord) -> bool {
        if !self.change_block(block, word, word.next_generation(BlockState::Retired)) {
            return false;
        }
        thread.count(self, Counter::BlocksReclaimed);
        self.release_retired(thread, &[block]) > 0
    }

    /// Frees those of `retired` that no pin names; returns how many blocks became free.
    pub(crate) fn release_retired(&self, thread: &ThreadState, retired: &[u32]) -> usize {
        let words: Vec<(u32, BlockWord)> = retired
            .iter()
            .map(|&block| (block, self.block(block)))
            .filter(|(_, word)| word.state() == BlockState::Retired)
            .collect();
        if words.is_empty() {
            return 0;
        }
        // SeqCst: the generations changed before it, the pins are read after it; pairs with the
        // swap and load of a pinner.
        if !Mutant::ReclaimWithoutFence.is_on() {
            fence(Ordering::SeqCst);
        }
        let pinned = self.pinned_blocks();
        words
            .into_iter()
            .filter(|(block, _)| !pinned.contains(block) || Mutant::PinsNotLookedAt.is_on())
            .map(|(block, word)| self.free_retired(thread, block, word))
            .sum()
    }

    /// Whether a writer is about to go on in a SEALED block.
    pub(crate) fn is_in_writing(&self, block: u32) -> bool {
        self.blocks_in_writing().contains(&block)
    }

    /// Sealed blocks among these are no victims: a writer appended to them and is not done. Whoever appends pins
    /// the block before it sees that it is OPEN, and one that is SEALED gets no more writers, so what this call
    /// does not name stays so.
    pub(crate) fn blocks_in_writing(&self) -> Vec<u32> {
        if Mutant::WritersAreDrained.is_on() || Mutant::PinsNotLookedAt.is_on() {
            return Vec::new();
        }
        // SeqCst: the block was seen SEALED before it, the pins are read after it; pairs with the swap and load
        // of a pinner.
        fence(Ordering::SeqCst);
        let pins = [EnginePin::Lane, EnginePin::Main];
        let word = |line: u32, pin: EnginePin| {
            // SeqCst: after the fence; pairs with the swap of a pinner.
            let word = self.word(self.line_offset(line) + LINE_ENGINE_PINS + pin as usize * 8);
            PinWord(word.load(Ordering::SeqCst)).block()
        };
        (0..self.lines_used())
            .flat_map(|line| pins.into_iter().filter_map(move |pin| word(line, pin)))
            .collect()
    }

    /// Lines that a thread has had.
    fn lines_used(&self) -> u32 {
        // SeqCst: a line that is used is below the mark before its first pin.
        let lines = self.word(CONTROL_LINES_HIGH).load(Ordering::SeqCst);
        lines.min(self.geometry.counts.lines) as u32
    }

    /// Every block that a pin names; how many of them guards hold is remembered.
    pub(crate) fn pinned_blocks(&self) -> Vec<u32> {
        let mut pinned = Vec::new();
        let mut guarded = 0;
        for line in 0..self.lines_used() {
            let offset = self.line_offset(line);
            for pin in 0..ENGINE_PINS + GUARD_PINS {
                // SeqCst: after the caller's fence; pairs with the swap of a pinner.
                let word = PinWord(
                    self.word(offset + LINE_ENGINE_PINS + pin * 8)
                        .load(Ordering::SeqCst),
                );
                if let Some(block) = word.block() {
                    pinned.push(block);
                    guarded += u64::from(pin >= ENGINE_PINS);
                }
            }
        }
        self.word(CONTROL_GUARDED_BLOCKS)
            .store(guarded, Ordering::Relaxed);
        pinned
    }
}

#[cfg(test)]
mod tests {
    use crate::expiry::Expiry;
    use crate::layout::block::BlockState;
    use crate::log::write::Draft;
    use crate::segment::Segment;
    use crate::tags::Tags;

    /// A writer has written its entry, and is stopped; the block is sealed, counts nothing, and would be the first
    /// victim. Meanwhile others turn the whole log over.
    #[test]
    fn a_block_is_kept_while_a_writer_is_about_to_go_on_in_it() {
        let segment = Segment::builder().size(8 << 20).private().expect("it is small");
        let shared = &*segment.shared;
        let thread = shared.thread().expect("this process is attached");
        let key = segment.key(b"key");
        let none = Tags::NONE;
        let draft = Draft::for_ever(key, b"value", &none, shared.token(&key).clock);
        let written = shared.write(&thread, &draft).expect("there is room");
        let block = written.place.block;
        assert!(shared.seal_block(block, shared.block(block)));
        let before = shared.block(block);
        assert!(before.state() == BlockState::Sealed && !shared.counts_any(block));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for number in 0..100_000_u32 {
                    let put = segment.put(&number.to_le_bytes(), &[7; 200], Expiry::never());
                    assert!(put.is_ok(), "{number}: {put:?}");
                }
            });
        });
        assert!(segment.stats().blocks_reclaimed > 200);
        assert!(shared.block(block) == before, "it was not drained");
        let slot = written.slot(shared, key.pair.tag);
        assert!(shared.link(&thread, &key.pair, slot));
        assert!(shared.count_then_live(block, written.entry_bytes, slot.location(), written.state));
        assert_eq!(segment.get(b"key").as_deref(), Some(&b"value"[..]));
    }
}
