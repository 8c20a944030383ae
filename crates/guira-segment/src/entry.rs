//! An entry in a block, as a pinned reader or writer sees it: nothing here is believed before its
//! generation, bounds and check fit.

use guira_shm::sync::{AtomicU64, Ordering};

use crate::attach::{Counter, ThreadState};
use crate::key::Key;
use crate::layout::block::{META_SPAN, tagged};
use crate::layout::entry::{
    ENTRY_LENGTHS, ENTRY_MADE, ENTRY_STATE, FLAG_CHECKED, FLAG_NAMESPACE, FLAG_TAGS, HEADER_BYTES, Header,
    NEVER_MS, State, TAGS_HEAD_BYTES, value_offset,
};
use crate::layout::slot::{Location, Slot};
use crate::pin::Pinned;
use crate::shared::Shared;
use crate::tags::check_of_hashes;

/// An entry whose block is pinned, whose header is intact and whose key was compared.
#[derive(Debug)]
pub(crate) struct Found<'s> {
    pub(crate) pinned: Pinned<'s>,
    pub(crate) location: Location,
    pub(crate) state: State,
    pub(crate) header: Header,
    pub(crate) tags_bytes: usize,
}

impl Found<'_> {
    #[inline]
    pub(crate) fn offset(&self) -> usize {
        self.location.offset()
    }

    /// Where the value begins, in bytes from the file's start.
    #[inline]
    pub(crate) fn value_offset(&self) -> usize {
        self.offset() + value_offset(self.header.flags(), self.tags_bytes, self.header.key_bytes())
    }

    #[inline]
    pub(crate) fn value_bytes(&self) -> usize {
        self.header.value_bytes()
    }

    /// Bytes the entry takes in its block.
    pub(crate) fn entry_bytes(&self) -> usize {
        self.header.entry_bytes(self.tags_bytes)
    }

    /// The word that an index slot for this entry would hold.
    pub(crate) fn slot(&self, shared: &Shared, tag: u16) -> Slot {
        Slot::new(tag, shared.carried(self.pinned.word.generation()), self.location)
    }
}

impl Shared {
    #[inline]
    pub(crate) fn entry_state(&self, location: Location) -> &AtomicU64 {
        self.word(location.offset() + ENTRY_STATE)
    }

    /// Acquire: pairs with the Release with which the entry's writer published its bytes.
    #[inline]
    pub(crate) fn load_state(&self, location: Location) -> State {
        State(self.entry_state(location).load(Ordering::Acquire))
    }

    /// Replaces an entry's state if it is still `from`.
    #[cfg_attr(guira_points, track_caller)]
    pub(crate) fn change_state(&self, location: Location, from: State, to: State) -> bool {
        // SeqCst: the linearization point of every operation; pairs with the Acquire of readers and
        // stays in one order with stamps and links.
        self.entry_state(location)
            .compare_exchange(from.0, to.0, Ordering::SeqCst, Ordering::Acquire)
            .is_ok()
    }

    #[inline]
    pub(crate) fn load_header(&self, location: Location) -> Header {
        let [lengths, born, deadlines, made] = self.region().words(location.offset() + ENTRY_LENGTHS);
        // Relaxed: the state word was loaded with Acquire before, and headers do not change after.
        Header {
            lengths: lengths.load(Ordering::Relaxed),
            born: born.load(Ordering::Relaxed),
            deadlines: deadlines.load(Ordering::Relaxed),
            made_ds: made.load(Ordering::Relaxed) as u32,
        }
    }

    /// Whether `offset` leaves room for the smallest entry inside the arena.
    #[inline]
    pub(crate) fn is_entry_place(&self, location: Location) -> bool {
        let offset = location.offset();
        offset >= self.geometry.arena
            && offset + HEADER_BYTES.next_multiple_of(16)
                <= self.geometry.block_offset(self.geometry.blocks() - 1) + self.geometry.block_bytes
    }

    /// Bytes of the tag list of an entry with this header; `None` if they do not fit the block.
    #[inline]
    pub(crate) fn tags_bytes(&self, location: Location, header: &Header) -> Option<usize> {
        if !header.has(FLAG_TAGS) {
            return Some(0);
        }
        let head = (self.word(location.offset() + ENTRY_MADE).load(Ordering::Relaxed) >> 32) as u32;
        let (count, name_bytes) = ((head & 0xff) as usize, (head >> 8 & 0xffff) as usize);
        let bytes = TAGS_HEAD_BYTES + count * 8 + name_bytes;
        (HEADER_BYTES + bytes <= self.geometry.block_bytes * self.geometry.max_run_blocks() as usize)
            .then_some(bytes)
    }

    /// Whether `bytes` from `location` stay inside its block, or its run if it heads one.
    #[inline]
    pub(crate) fn fits_block(&self, location: Location, block: u32, generation: u32, bytes: usize) -> bool {
        let within = location.offset() - self.geometry.block_offset(block);
        if within + bytes <= self.geometry.block_bytes {
            return true;
        }
        within == 0 && bytes <= self.run_blocks(block, generation) as usize * self.geometry.block_bytes
    }

    /// How many blocks the run headed by `block` has; 1 for a block of its own.
    pub(crate) fn run_blocks(&self, block: u32, generation: u32) -> u32 {
        // Acquire: pairs with the Release with which a run's builder wrote it.
        let span = self.block_meta(block, META_SPAN).load(Ordering::Acquire);
        if span >> 32 != tagged(generation, 0) >> 32 {
            return 1;
        }
        (span as u32).clamp(1, self.geometry.blocks() - block)
    }

    /// Looks at the entry that `slot` hints at: pins its block, compares generation and key, checks
    /// the header. `None` when it is not an entry of `key` (any more).
    #[inline(always)]
    pub(crate) fn examine<'s>(
        &'s self,
        thread: &ThreadState,
        pin: &'s AtomicU64,
        slot: Slot,
        key: &Key<'_>,
    ) -> Option<Found<'s>> {
        self.examine_at(thread, pin, slot.location(), slot.generation(), key)
    }

    /// As [`Shared::examine`], for a location that a forward names.
    #[inline(always)]
    pub(crate) fn examine_at<'s>(
        &'s self,
        thread: &ThreadState,
        pin: &'s AtomicU64,
        location: Location,
        generation: u16,
        key: &Key<'_>,
    ) -> Option<Found<'s>> {
        if !self.is_entry_place(location) {
            thread.count(self, Counter::Damaged);
            return None;
        }
        // Pinning orders what follows behind it: the entry's lines are fetched meanwhile.
        self.region().prefetch(location.offset());
        self.region().prefetch(location.offset() + 64);
        let pinned = self.pin_location(thread, pin, location, generation)?;
        match self.examine_pinned(pinned, location, generation, key) {
            Ok(found) => Some(found),
            Err(unfit) => {
                if let Some((pinned, header)) = unfit {
                    self.count_damage(thread, location, &header, &pinned);
                }
                None
            }
        }
    }

    /// As [`Shared::examine_at`], in a block that is pinned and of this generation. What is unfit is given back
    /// if it may be damaged.
    #[inline(always)]
    pub(crate) fn examine_pinned<'s>(
        &'s self,
        pinned: Pinned<'s>,
        location: Location,
        generation: u16,
        key: &Key<'_>,
    ) -> Result<Found<'s>, Option<(Pinned<'s>, Header)>> {
        let state = self.load_state(location);
        if state.self_generation() != generation {
            return Err(None);
        }
        let header = self.load_header(location);
        if header.key_bytes() != key.stored_bytes() || header.has(FLAG_NAMESPACE) != (key.namespace != 0) {
            return Err(Some((pinned, header)));
        }
        let Some(tags_bytes) = self.tags_bytes(location, &header) else {
            return Err(None);
        };
        let block_generation = pinned.word.generation();
        if !self.fits_block(
            location,
            pinned.block,
            block_generation,
            header.entry_bytes(tags_bytes),
        ) || !self.key_equals(location, tags_bytes, key)
            || !header.is_intact(location, block_generation)
        {
            return Err(Some((pinned, header)));
        }
        Ok(Found {
            pinned,
            location,
            state,
            header,
            tags_bytes,
        })
    }

    /// Not the key that was looked for: another key under the same tag, or damage, which is counted.
    #[cold]
    fn count_damage(&self, thread: &ThreadState, location: Location, header: &Header, pinned: &Pinned<'_>) {
        if !header.is_intact(location, pinned.word.generation()) {
            thread.count(self, Counter::Damaged);
        }
    }

    #[inline(always)]
    fn key_equals(&self, location: Location, tags_bytes: usize, key: &Key<'_>) -> bool {
        let mut offset = location.offset() + HEADER_BYTES + tags_bytes;
        if key.namespace != 0 {
            if !self.region().equals(offset, &key.namespace.to_le_bytes()) {
                return false;
            }
            offset += 2;
        }
        self.region().equals(offset, key.bytes)
    }

    /// Whether a LIVE entry still counts: not past its hard deadline, not born before what was
    /// cleared, none of its tags invalidated since.
    #[inline(always)]
    pub(crate) fn validity(&self, location: Location, header: &Header, namespace: u16) -> Validity {
        let birth = header.birth();
        // Acquire: pairs with the SeqCst maximum that raised the stamp.
        if birth < self.floor() || birth < self.namespace_stamp(namespace).load(Ordering::Acquire) {
            return Validity::Invalidated;
        }
        if header.hard_ms() == NEVER_MS && !header.has(FLAG_TAGS) {
            return Validity::Valid;
        }
        self.validity_of_limited(location, header)
    }

    /// As `validity`, for an entry with a deadline or tags.
    fn validity_of_limited(&self, location: Location, header: &Header) -> Validity {
        if header.hard_ms() != NEVER_MS && self.clock.has_passed(header.hard_ms()) {
            return Validity::Expired;
        }
        if header.has(FLAG_TAGS)
            && (!self.tags_are_intact(location, header) || self.tags_invalidated(location, header.birth()))
        {
            return Validity::Invalidated;
        }
        Validity::Valid
    }

    /// Whether the tags' hashes fit their check; true where there are no tags.
    pub(crate) fn tags_are_intact(&self, location: Location, header: &Header) -> bool {
        !header.has(FLAG_TAGS) || {
            let head = self.word(location.offset() + ENTRY_MADE).load(Ordering::Relaxed) >> 32;
            head >> 24 == u64::from(check_of_hashes(self.tag_hashes(location)))
        }
    }

    #[cold]
    fn tags_invalidated(&self, location: Location, birth: u64) -> bool {
        // Acquire: as in `validity`.
        self.tag_hashes(location)
            .any(|hash| birth < self.tag_stamp(hash).load(Ordering::Acquire))
    }

    /// The hashes of an entry's tags; its header is intact and has tags.
    pub(crate) fn tag_hashes(&self, location: Location) -> impl Iterator<Item = u64> + '_ {
        let head = (self.word(location.offset() + ENTRY_MADE).load(Ordering::Relaxed) >> 32) as u32;
        let first = location.offset() + HEADER_BYTES + TAGS_HEAD_BYTES;
        // 36 + 4 bytes after the entry's start: the hashes are aligned words.
        (0..(head & 0xff) as usize).map(move |tag| self.word(first + tag * 8).load(Ordering::Relaxed))
    }

    /// Whether a value is what its check says; true where the segment keeps no checks.
    pub(crate) fn value_is_intact(&self, offset: usize, value_bytes: usize, header: &Header) -> bool {
        if !header.has(FLAG_CHECKED) {
            return true;
        }
        let check = self.value_check(offset, value_bytes);
        self.region().equals(offset + value_bytes, &check.to_le_bytes())
    }

    /// Whether a copy of a found entry's value is what its check says. What was copied is what is
    /// compared: damage may let others overwrite the original at any time.
    pub(crate) fn copy_is_intact(&self, copy: &[u8], found: &Found<'_>) -> bool {
        if !found.header.has(FLAG_CHECKED) {
            return true;
        }
        let check = self.check_of(&[copy]);
        self.region()
            .equals(found.value_offset() + found.value_bytes(), &check.to_le_bytes())
    }

    /// The check of a value that is given in parts.
    pub(crate) fn check_of(&self, parts: &[&[u8]]) -> u32 {
        let mut hasher = xxhash_rust::xxh3::Xxh3::with_seed(self.superblock.hash_seed);
        parts.iter().for_each(|part| hasher.update(part));
        hasher.digest() as u32
    }

    /// The check of the value at `offset`.
    pub(crate) fn value_check(&self, offset: usize, value_bytes: usize) -> u32 {
        let mut hasher = xxhash_rust::xxh3::Xxh3::with_seed(self.superblock.hash_seed);
        let mut buffer = Vec::with_capacity(value_bytes.min(CHECK_CHUNK_BYTES));
        let mut at = 0;
        while at < value_bytes {
            let chunk = (value_bytes - at).min(CHECK_CHUNK_BYTES);
            buffer.clear();
            self.region().append_to(offset + at, chunk, &mut buffer);
            hasher.update(&buffer);
            at += chunk;
        }
        hasher.digest() as u32
    }
}

const CHECK_CHUNK_BYTES: usize = 64 << 10;

/// Whether a LIVE entry may be returned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Validity {
    Valid,
    Expired,
    Invalidated,
}
