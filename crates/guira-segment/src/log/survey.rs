//! Choosing what to reclaim, by scanning the dense arrays of blocks; never through links.
//!
//! In order: a block whose every entry expired; a block without a live entry; then either the block
//! with the most dead bytes, all of whose live entries are kept (*compaction*), or the oldest block
//! of the admission or the main pool, S3-FIFO's choice (*eviction*).
//!
//! Which of the two is a mode of the segment. While the arena has slack, overwriting alone must
//! never cost a live entry, so it compacts as long as some block is at least one sixteenth dead.
//! When none is, it starts to evict, and then compacts only blocks of the main pool that are one third
//! dead; it returns to keeping everything when live bytes fall below 85 % of what is written. An
//! allocation that made several rounds without getting a block (large entries do not pack) starts
//! it, too.

use guira_shm::sync::Ordering;

use crate::layout::block::{
    BlockState, BlockWord, Live, META_EXPIRES_MS, META_LIVE, META_SEALED_AT, META_TAIL, Pool, Tail,
};
use crate::layout::control::CONTROL_RECLAIM_MODE;
use crate::shared::Shared;
use crate::tuning::{
    ADMISSION_PERCENT, EVICT_DEAD_PARTS, INDEX_FULL_PERCENT, KEEP_BELOW_PERCENT, KEEP_DEAD_PARTS,
};

/// What is done with the live entries of a victim.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum DrainMode {
    /// Nothing in it counts any more, whatever is there: no walk.
    Drop,
    /// All are copied to the main pool.
    Compact,
    /// Those that were read go to the main pool, the others become ghosts.
    EvictAdmission,
    /// Those that were read stay, with one read less; the others are dropped.
    EvictMain,
}

/// A block worth reclaiming, and how.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Victim {
    pub(crate) block: u32,
    pub(crate) word: BlockWord,
    pub(crate) mode: DrainMode,
    pub(crate) expired: bool,
}

/// Everything one scan of the blocks found.
#[derive(Debug, Default)]
pub(crate) struct Survey {
    /// The block that is looked at next.
    next_block: u32,
    /// Blocks that are no victims.
    spared: Vec<u32>,
    pub(crate) free: u32,
    pub(crate) retired: Vec<u32>,
    pub(crate) live_entries: u64,
    pub(crate) live_bytes: usize,
    used_bytes: usize,
    admission: u32,
    expired: Option<(u32, BlockWord)>,
    empty: Option<(u32, BlockWord)>,
    sparsest: Option<(usize, u32, BlockWord)>,
    sparsest_main: Option<(usize, u32, BlockWord)>,
    oldest_admission: Option<(u64, u32, BlockWord)>,
    oldest_main: Option<(u64, u32, BlockWord)>,
}

impl Survey {
    /// One that will name none of `spared` as a victim.
    pub(crate) fn without(spared: Vec<u32>) -> Self {
        Self {
            spared,
            ..Self::default()
        }
    }
}

const MODE_KEEP: u64 = 0;
const MODE_EVICT: u64 = 1;

impl Shared {
    /// Live entries and bytes of a block, as far as killed processes left the count right.
    pub(crate) fn live(&self, block: u32) -> Live {
        Live(self.block_meta(block, META_LIVE).load(Ordering::Relaxed))
    }

    pub(crate) fn survey(&self) -> Survey {
        let mut survey = Survey::default();
        self.survey_on(&mut survey, self.geometry.blocks());
        survey
    }

    /// Looks at the next `blocks` blocks, as far as there are any.
    pub(crate) fn survey_on(&self, survey: &mut Survey, blocks: u32) {
        let now_ms = self.clock.coarse_ms();
        let begin = survey.next_block;
        survey.next_block = begin.saturating_add(blocks).min(self.geometry.blocks());
        for block in begin..survey.next_block {
            let word = self.block(block);
            match word.state() {
                BlockState::Free => survey.free += 1,
                BlockState::Retired => survey.retired.push(block),
                BlockState::Open | BlockState::Drain => {
                    self.survey_live(block, word, survey);
                }
                BlockState::Sealed => self.survey_sealed(block, word, now_ms, survey),
                BlockState::Claimed | BlockState::Body | BlockState::Damaged => {}
            }
        }
    }

    fn survey_live(&self, block: u32, word: BlockWord, survey: &mut Survey) -> Live {
        let live = self.live(block);
        survey.live_entries += u64::from(live.entries());
        survey.live_bytes += live.bytes();
        if word.pool() == Pool::Admission {
            survey.admission += self.run_blocks(block, word.generation());
        }
        live
    }

    fn survey_sealed(&self, block: u32, word: BlockWord, now_ms: u64, survey: &mut Survey) {
        let live = self.survey_live(block, word, survey);
        if survey.spared.contains(&block) {
            return;
        }
        if self.block_meta(block, META_EXPIRES_MS).load(Ordering::Relaxed) <= now_ms {
            survey.expired = survey.expired.or(Some((block, word)));
        }
        if live.entries() == 0 {
            survey.empty = survey.empty.or(Some((block, word)));
        }
        if self.run_blocks(block, word.generation()) == 1 {
            let used = Tail(self.block_meta(block, META_TAIL).load(Ordering::Relaxed)).used_bytes();
            survey.used_bytes += used;
            // The end of a block that no entry fitted is not dead: another block would end like it. But
            // a block that is not half used was sealed because its owner went.
            let written = if used * 2 < self.geometry.block_bytes {
                self.geometry.block_bytes
            } else {
                used
            };
            let dead = written.saturating_sub(live.bytes());
            if survey.sparsest.is_none_or(|(most, ..)| dead > most) {
                survey.sparsest = Some((dead, block, word));
            }
            if word.pool() == Pool::Main && survey.sparsest_main.is_none_or(|(most, ..)| dead > most) {
                survey.sparsest_main = Some((dead, block, word));
            }
        }
        let oldest = match word.pool() {
            Pool::Admission => &mut survey.oldest_admission,
            Pool::Main => &mut survey.oldest_main,
        };
        let sealed_at = self.block_meta(block, META_SEALED_AT).load(Ordering::Relaxed);
        if oldest.is_none_or(|(first, ..)| sealed_at < first) {
            *oldest = Some((sealed_at, block, word));
        }
    }

    /// Whether room is made by dropping entries.
    pub(crate) fn is_evicting(&self) -> bool {
        self.word(CONTROL_RECLAIM_MODE).load(Ordering::Relaxed) != MODE_KEEP
    }

    /// Compaction came to nothing: drop entries.
    pub(crate) fn begin_evicting(&self) {
        self.word(CONTROL_RECLAIM_MODE)
            .store(MODE_EVICT, Ordering::Relaxed);
    }

    /// Whether the index is so full that entries must go although blocks are free.
    pub(crate) fn index_is_full(&self, survey: &Survey) -> bool {
        survey.live_entries as usize * 100 > self.geometry.slots() * INDEX_FULL_PERCENT
    }

    /// The next block to reclaim; `None` if no block is SEALED.
    pub(crate) fn choose_victim(&self, survey: &Survey) -> Option<Victim> {
        if let Some((block, word)) = survey.expired {
            return Some(Victim {
                block,
                word,
                mode: DrainMode::Drop,
                expired: true,
            });
        }
        if let Some((block, word)) = survey.empty {
            // What went LIVE in it since, its writer having been slow, stays.
            return Some(Victim {
                block,
                word,
                mode: DrainMode::Compact,
                expired: false,
            });
        }
        if !self.index_is_full(survey)
            && let Some((block, word)) = self.choose_sparse(survey)
        {
            return Some(Victim {
                block,
                word,
                mode: DrainMode::Compact,
                expired: false,
            });
        }
        let admission_is_over = survey.admission * 100 > self.geometry.blocks() * ADMISSION_PERCENT;
        let (first, second) = if admission_is_over {
            (survey.oldest_admission, survey.oldest_main)
        } else {
            (survey.oldest_main, survey.oldest_admission)
        };
        first.or(second).map(|(_, block, word)| {
            let mode = match word.pool() {
                Pool::Admission => DrainMode::EvictAdmission,
                Pool::Main => DrainMode::EvictMain,
            };
            Victim {
                block,
                word,
                mode,
                expired: false,
            }
        })
    }

    fn choose_sparse(&self, survey: &Survey) -> Option<(u32, BlockWord)> {
        let mode_word = self.word(CONTROL_RECLAIM_MODE);
        let mut mode = mode_word.load(Ordering::Relaxed);
        if mode != MODE_KEEP && survey.live_bytes < survey.used_bytes / 100 * KEEP_BELOW_PERCENT {
            mode = MODE_KEEP;
            mode_word.store(mode, Ordering::Relaxed);
        }
        let (candidate, least) = if mode == MODE_KEEP {
            (survey.sparsest, self.geometry.block_bytes / KEEP_DEAD_PARTS)
        } else {
            (survey.sparsest_main, self.geometry.block_bytes / EVICT_DEAD_PARTS)
        };
        match candidate {
            Some((dead, block, word)) if dead >= least => Some((block, word)),
            _ => {
                if mode == MODE_KEEP {
                    mode_word.store(MODE_EVICT, Ordering::Relaxed);
                }
                None
            }
        }
    }
}
