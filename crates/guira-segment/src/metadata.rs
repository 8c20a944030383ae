//! What is known of an entry beside its value.

use std::time::Duration;

use xxhash_rust::xxh3::Xxh3;

use crate::entry::Found;
use crate::layout::entry::{ENTRY_MADE, FLAG_TAGS, HEADER_BYTES, NEVER_MS, State};
use crate::shared::Shared;
use crate::tags::Tags;

/// Identifies what a key held: equal versions mean the same bytes, deadlines, tags and birth.
///
/// It is a 64-bit digest, not a counter: it survives the moves that eviction makes, and a value that
/// was changed and changed back has its old version again.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Version(pub(crate) u64);

/// What is known of an entry beside its value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Metadata {
    /// Bytes of the value.
    pub value_bytes: usize,
    /// Bytes the entry takes in the segment.
    pub entry_bytes: usize,
    /// Time to the hard deadline; `None` if there is none.
    pub ttl: Option<Duration>,
    /// Time to the soft deadline; `None` if there is none; zero once it passed.
    pub soft_ttl: Option<Duration>,
    /// Past the soft deadline, or expired by `expire`.
    pub is_stale: bool,
    /// Time since the soft deadline; `None` if that is ahead, or there is none: when `expire` was called is not kept.
    pub stale_for: Option<Duration>,
    /// Time since it was written, in steps of 100 ms.
    pub age: Duration,
    /// The block it lies in.
    pub block: u32,
    /// What `compare_and_swap` compares.
    pub version: Version,
}

impl Shared {
    /// Past the soft deadline, or expired by `expire`.
    #[inline]
    pub(crate) fn is_stale_entry(&self, found: &Found<'_>, state: State) -> bool {
        let soft_ms = found.header.soft_ms();
        state.is_soft() || (soft_ms < found.header.hard_ms() && self.clock.has_passed(soft_ms))
    }

    /// Metadata of a found entry.
    pub(crate) fn metadata(&self, found: &Found<'_>, state: State) -> Metadata {
        let (hard_ms, soft_ms) = (found.header.hard_ms(), found.header.soft_ms());
        let now_ms = self.clock.now_ms();
        let until = |deadline_ms: u64| Duration::from_millis(deadline_ms.saturating_sub(now_ms));
        Metadata {
            value_bytes: found.value_bytes(),
            entry_bytes: found.entry_bytes(),
            ttl: (hard_ms < NEVER_MS).then(|| until(hard_ms)),
            soft_ttl: (soft_ms < hard_ms).then(|| until(soft_ms)),
            is_stale: self.is_stale_entry(found, state),
            stale_for: (soft_ms < hard_ms && self.clock.has_passed(soft_ms))
                .then(|| Duration::from_millis(now_ms.saturating_sub(soft_ms))),
            age: Duration::from_millis(now_ms.saturating_sub(u64::from(found.header.made_ds) * 100)),
            block: found.pinned.block,
            version: self.version(found),
        }
    }

    pub(crate) fn version(&self, found: &Found<'_>) -> Version {
        // Tags and key are one run of bytes behind the header. What aligns the value is left out: it is
        // whatever the block held before.
        let mut head = Vec::new();
        let head_bytes = found.tags_bytes + found.header.key_bytes();
        self.region()
            .append_to(found.offset() + HEADER_BYTES, head_bytes, &mut head);
        let mut hasher = Xxh3::with_seed(self.superblock.hash_seed);
        hasher.update(&found.header.born.to_le_bytes());
        hasher.update(&found.header.deadlines.to_le_bytes());
        hasher.update(&head);
        hasher.update(&self.value_of(found));
        Version(hasher.digest())
    }

    /// The tag list of a found entry.
    pub(crate) fn tags_of(&self, found: &Found<'_>) -> Tags {
        if !found.header.has(FLAG_TAGS) {
            return Tags::NONE;
        }
        let mut stored = Vec::with_capacity(found.tags_bytes);
        self.region()
            .append_to(found.offset() + ENTRY_MADE + 4, found.tags_bytes, &mut stored);
        Tags::from_stored(stored)
    }
}
