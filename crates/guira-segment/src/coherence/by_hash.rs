//! Finding a key of which only the hash is known.
//!
//! A hash of 64 bits is as good as the key where a wrong answer costs a miss; where it would give another key's
//! value it is not, so the key comes with the value and whoever asked compares it.

use guira_shm::sync::Ordering;

use crate::attach::ThreadState;
use crate::index::scan::{Pass, Step};
use crate::key::{Key, Pair};
use crate::layout::control::CONTROL_NAMESPACES;
use crate::layout::entry::Kind;
use crate::metadata::Metadata;
use crate::pin::EnginePin;
use crate::segment::Segment;
use crate::shared::Shared;
use crate::tuning::WRITE_PASSES;

/// An entry that was found by its key's hash.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HashedEntry {
    /// The key, to be compared.
    pub key: Vec<u8>,
    /// The value's bytes.
    pub value: Vec<u8>,
    /// Deadlines, age and the like.
    pub metadata: Metadata,
    /// The names of its tags.
    pub tags: Vec<Vec<u8>>,
    /// The invalidation clock of its token, or of its put.
    pub born_at_clock: u64,
}

/// Whether a key is there could not be seen: more threads than the segment has rows for, or its buckets kept changing.
/// Ask again later, and until then take it for there.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "whether the key is there could not be seen: too many threads use the segment, or its place kept changing"
)]
pub struct Unseen;

impl Segment {
    /// The entry whose key has `hash` in the namespace whose name has `namespace_hash` (0 for the default one), if
    /// it is valid, and its value has at most `max_bytes` and fits its check if it has one. Counts as neither hit nor
    /// read.
    #[must_use]
    pub fn get_by_hash(&self, namespace_hash: u64, hash: u64, max_bytes: usize) -> Option<HashedEntry> {
        self.look_by_hash(namespace_hash, hash, max_bytes).ok().flatten()
    }

    /// As [`get_by_hash`](Segment::get_by_hash), for whom "there is none" has consequences.
    ///
    /// # Errors
    /// [`Unseen`]: whether there is one cannot be said.
    pub fn look_by_hash(
        &self,
        namespace_hash: u64,
        hash: u64,
        max_bytes: usize,
    ) -> Result<Option<HashedEntry>, Unseen> {
        let shared = &*self.shared;
        let thread = shared.thread().ok_or(Unseen)?;
        let keys = shared
            .keys_of_hash(&thread, namespace_hash, hash, u64::MAX)
            .ok_or(Unseen)?;
        for (row, bytes) in keys {
            let key = Key::of_hash(&shared.geometry, row, &bytes, hash);
            let pin = thread.engine_pin(shared, EnginePin::Read);
            let found = shared.find_surely(&thread, pin, &key).map_err(|()| Unseen)?;
            let Some(found) = found.filter(|found| found.value_bytes() <= max_bytes) else {
                continue;
            };
            let mut value = Vec::with_capacity(found.value_bytes());
            shared
                .region()
                .append_to(found.value_offset(), found.value_bytes(), &mut value);
            if !shared.copy_is_intact(&value, &found) {
                continue;
            }
            return Ok(Some(HashedEntry {
                metadata: shared.metadata(&found, found.state),
                tags: shared.tags_of(&found).names(),
                born_at_clock: found.header.birth(),
                key: bytes.clone(),
                value,
            }));
        }
        Ok(None)
    }

    /// Evicts the entry whose key has `hash` in the namespace whose name has `namespace_hash` (0 for the default one),
    /// if its value has at most `max_bytes` and `is_meant` says that it is the one. Says whether it did. As of any
    /// eviction, no put or fill in progress is refused because of it; and no other entry of the key is touched.
    pub fn evict_by_hash(
        &self,
        namespace_hash: u64,
        hash: u64,
        max_bytes: usize,
        is_meant: impl Fn(&[u8]) -> bool,
    ) -> bool {
        let shared = &*self.shared;
        let Some(thread) = shared.thread() else {
            return false;
        };
        let keys = shared.keys_of_hash(&thread, namespace_hash, hash, u64::MAX);
        keys.into_iter().flatten().any(|(row, bytes)| {
            let key = Key::of_hash(&shared.geometry, row, &bytes, hash);
            // Lost to a drainer that moved it, or to a write in its place: looked at anew.
            (0..WRITE_PASSES).any(|_| {
                let pin = thread.engine_pin(shared, EnginePin::Read);
                shared
                    .find(&thread, pin, &key)
                    .filter(|found| found.value_bytes() <= max_bytes && is_meant(&shared.value_of(found)))
                    .is_some_and(|found| shared.evict_found(&thread, &found, &key))
            })
        })
    }

    /// The hash of the name of this handle's namespace, the same in all segments of a cluster; 0 for the default
    /// namespace.
    #[must_use]
    pub fn namespace_hash(&self) -> u64 {
        self.shared.namespace_hash(self.namespace)
    }
}

impl Shared {
    /// The namespaces that were ever in use, the default one first.
    pub(super) fn rows(&self) -> impl Iterator<Item = u16> + use<> {
        let rows = self.geometry.counts.namespaces;
        // Acquire: pairs with the maximum behind a claim. Damage may have made it anything.
        let used = self
            .word(CONTROL_NAMESPACES)
            .load(Ordering::Acquire)
            .clamp(1, rows);
        0..used as u16
    }

    /// The namespaces whose names have this hash: none or one, but for a coincidence of 64 bits.
    pub(super) fn rows_of(&self, namespace_hash: u64) -> impl Iterator<Item = u16> + '_ {
        // Claimed, but not yet counted as used: its claimer has not returned, so nothing was read for it before.
        self.rows().filter(move |row| {
            self.namespace_hash(*row) == namespace_hash && (*row == 0) == (namespace_hash == 0)
        })
    }

    /// Namespaces and bytes of the keys with this hash that have an entry born before `born_before`, LIVE or on its
    /// way; `None` if entries kept moving.
    pub(super) fn keys_of_hash(
        &self,
        thread: &ThreadState,
        namespace_hash: u64,
        hash: u64,
        born_before: u64,
    ) -> Option<Vec<(u16, Vec<u8>)>> {
        let pair = Pair::of_hash(&self.geometry, hash);
        let mut keys = Vec::new();
        let pass = self.verified_pass::<()>(&pair, WRITE_PASSES, |_, _, slot| {
            if !self.is_entry_place(slot.location()) {
                return Step::Continue;
            }
            let pin = thread.engine_pin(self, EnginePin::Twin);
            let Some(pinned) = self.pin_location(thread, pin, slot.location(), slot.generation()) else {
                return Step::Continue;
            };
            let entry = self.walk_entry(slot.location(), pinned.block, pinned.word.generation());
            let Some(entry) = entry.filter(|it| it.state.kind() != Kind::Dead) else {
                return Step::Continue;
            };
            let (found, row) = self.walked_hash(&entry);
            if found == hash
                && self.namespace_hash(row) == namespace_hash
                && entry.header.birth() < born_before
            {
                let key = self.walked_key(&entry);
                if !keys.contains(&key) {
                    keys.push(key);
                }
            }
            Step::Continue
        });
        (pass == Pass::Complete).then_some(keys)
    }
}
