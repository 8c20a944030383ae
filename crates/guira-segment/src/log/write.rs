//! Writing an entry's bytes into reserved space, in the state WRITING: complete, but not visible.

use guira_shm::sync::Ordering;

use crate::attach::ThreadState;
use crate::error::StoreError;
use crate::key::Key;
use crate::layout::block::{BlockState, Pool};
use crate::layout::entry::{
    ENTRY_LENGTHS, ENTRY_MADE, FLAG_ALIGNED, FLAG_CHECKED, FLAG_NAMESPACE, FLAG_TAGS, HEADER_BYTES, Header,
    HeaderFields, Kind, MAX_VALUE_BYTES, State, entry_bytes, value_offset,
};
use crate::layout::slot::Slot;
use crate::log::place::{Place, Purpose};
use crate::shared::Shared;
use crate::tags::Tags;

/// An entry that is to be written.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Draft<'d> {
    pub(crate) key: Key<'d>,
    /// The value in two parts, of which either may be empty.
    pub(crate) value: [&'d [u8]; 2],
    pub(crate) tags: &'d Tags,
    pub(crate) aligned: bool,
    pub(crate) birth: u64,
    pub(crate) hard_ms: u64,
    pub(crate) soft_ms: u64,
    pub(crate) pool: Pool,
    /// Becomes LIVE only through a forward from the entry it replaces.
    pub(crate) conditional: bool,
}

#[cfg(test)]
impl<'d> Draft<'d> {
    /// An entry without deadlines, for tests that take a write step by step.
    pub(crate) fn for_ever(key: Key<'d>, value: &'d [u8], tags: &'d Tags, birth: u64) -> Self {
        use crate::layout::entry::NEVER_MS;
        Self {
            key,
            value: [value, &[]],
            tags,
            aligned: false,
            birth,
            hard_ms: NEVER_MS,
            soft_ms: NEVER_MS,
            pool: Pool::Admission,
            conditional: false,
        }
    }
}

impl Draft<'_> {
    pub(crate) const fn value_bytes(&self) -> usize {
        self.value[0].len() + self.value[1].len()
    }

    fn entry_bytes(&self, flags: usize) -> usize {
        let (tags_bytes, key_bytes) = (self.tags.stored_bytes(), self.key.stored_bytes());
        entry_bytes(flags, tags_bytes, key_bytes, self.value_bytes())
    }

    const fn flags(&self, checked: bool) -> usize {
        (if self.key.namespace == 0 {
            0
        } else {
            FLAG_NAMESPACE
        }) | (if self.tags.is_empty() { 0 } else { FLAG_TAGS })
            | (if self.aligned { FLAG_ALIGNED } else { 0 })
            | (if checked { FLAG_CHECKED } else { 0 })
    }
}

/// An entry in state WRITING, and what keeps its block.
#[derive(Debug)]
pub(crate) struct Written<'s> {
    pub(crate) place: Place<'s>,
    pub(crate) state: State,
    pub(crate) entry_bytes: usize,
}

impl Written<'_> {
    /// The word an index slot for it holds.
    pub(crate) fn slot(&self, shared: &Shared, tag: u16) -> Slot {
        Slot::new(tag, shared.carried(self.place.generation), self.place.location)
    }
}

/// The longest entry whose successor's lines are fetched ahead.
const FETCHED_AHEAD_BYTES: usize = 512;

impl Shared {
    /// The longest value this segment takes.
    pub(crate) const fn max_value_bytes(&self) -> usize {
        let quarter = self.max_entry_bytes();
        let overhead = if quarter / 4 < HEADER_OVERHEAD_BYTES {
            quarter / 4
        } else {
            HEADER_OVERHEAD_BYTES
        };
        let largest = quarter - overhead;
        if largest < MAX_VALUE_BYTES {
            largest
        } else {
            MAX_VALUE_BYTES
        }
    }

    const fn max_entry_bytes(&self) -> usize {
        self.geometry.max_run_blocks() as usize * self.geometry.block_bytes
    }

    /// The share of reclaim that goes with an entry. Before anything is asked of the key's buckets, which are
    /// being fetched: it takes about as long.
    #[inline]
    pub(crate) fn reclaim_for(&self, thread: &ThreadState, draft: &Draft<'_>) {
        if !thread.pace.is_wanted() {
            return;
        }
        let bytes = draft.entry_bytes(draft.flags(self.checks_values()));
        if bytes <= self.max_entry_bytes() {
            self.reclaim_share(thread, bytes);
        }
    }

    /// Reserves space and writes the entry there.
    pub(crate) fn write<'s>(
        &'s self,
        thread: &ThreadState,
        draft: &Draft<'_>,
    ) -> Result<Written<'s>, StoreError> {
        let value_bytes = draft.value_bytes();
        let max_bytes = self.max_value_bytes();
        if value_bytes > max_bytes {
            return Err(StoreError::ValueTooLarge {
                value_bytes,
                max_bytes,
            });
        }
        let flags = draft.flags(self.checks_values());
        let tags_bytes = draft.tags.stored_bytes();
        let bytes = draft.entry_bytes(flags);
        if bytes > self.max_entry_bytes() {
            return Err(StoreError::ValueTooLarge {
                value_bytes,
                max_bytes,
            });
        }
        let place = if bytes <= self.geometry.max_shared_entry_bytes() {
            self.reserve(thread, draft.pool, bytes, draft.hard_ms, Purpose::Store)
        } else {
            self.reserve_run(thread, bytes, draft.hard_ms)
        };
        let place = place.ok_or(StoreError::NoSpace)?;
        let state = self.write_at(&place, draft, flags, tags_bytes);
        if bytes > self.geometry.max_shared_entry_bytes() {
            // A run takes no second entry; its pin keeps it until the put is over.
            let word = self.block(place.block);
            if word.state() == BlockState::Open {
                self.seal_block(place.block, word);
            }
        }
        Ok(Written {
            place,
            state,
            entry_bytes: bytes,
        })
    }

    fn write_at(&self, place: &Place<'_>, draft: &Draft<'_>, flags: usize, tags_bytes: usize) -> State {
        let offset = place.location.offset();
        let key_bytes = draft.key.stored_bytes();
        let value_bytes = draft.value_bytes();
        let header = Header::encode(
            &HeaderFields {
                key_bytes,
                value_bytes,
                flags,
                frequency: 0,
                birth: draft.birth,
                hard_ms: draft.hard_ms,
                soft_ms: draft.soft_ms,
                made_ds: u32::try_from(self.clock.coarse_ms() / 100).unwrap_or(u32::MAX),
            },
            place.location,
            place.generation,
        );
        let region = self.region();
        // Locked instructions wait until what was stored before them is in the cache: the lines of the entry
        // that comes after this one, which is probably as long, are fetched meanwhile.
        let entry_bytes = HEADER_BYTES + key_bytes + value_bytes;
        if entry_bytes <= FETCHED_AHEAD_BYTES {
            let mut line_bytes = 64;
            while line_bytes < entry_bytes + 64 {
                region.prefetch_write(offset + entry_bytes + line_bytes);
                line_bytes += 64;
            }
        }
        let [lengths, born, deadlines] = region.words(offset + ENTRY_LENGTHS);
        lengths.store(header.lengths, Ordering::Relaxed);
        born.store(header.born, Ordering::Relaxed);
        deadlines.store(header.deadlines, Ordering::Relaxed);
        region.copy_in(offset + ENTRY_MADE, &header.made_ds.to_le_bytes());
        let mut at = offset + HEADER_BYTES;
        if tags_bytes != 0 {
            region.copy_in(at, draft.tags.stored());
            at += tags_bytes;
        }
        if draft.key.namespace != 0 {
            region.copy_in(at, &draft.key.namespace.to_le_bytes());
            at += 2;
        }
        region.copy_in(at, draft.key.bytes);
        let value_at = offset + value_offset(flags, tags_bytes, key_bytes);
        region.copy_in(value_at, draft.value[0]);
        if !draft.value[1].is_empty() {
            region.copy_in(value_at + draft.value[0].len(), draft.value[1]);
        }
        if flags & FLAG_CHECKED != 0 {
            // Of the source, not of the copy: what happens to the bytes on the way must not fit.
            let check = self.check_of(&draft.value);
            region.copy_in(value_at + value_bytes, &check.to_le_bytes());
        }
        let mut state = State::new(Kind::Writing, self.carried(place.generation));
        if draft.conditional {
            state = state.with_conditional();
        }
        // Release: publishes header and bytes; pairs with the Acquire of every reader of the state.
        self.entry_state(place.location).store(state.0, Ordering::Release);
        state
    }
}

/// What a large entry needs beside its value: header, longest key, tags, alignment, check.
const HEADER_OVERHEAD_BYTES: usize = 16 << 10;
