//! Reading many keys at once, in stages, so that the memory latencies of all of them overlap: hash
//! all and start fetching their buckets; find the likely entries and start fetching those; then read
//! one after another. Values are copied to a buffer of the thread first, for user code never runs
//! while the engine holds a pin.

use crate::attach::ThreadState;
use crate::key::{Key, Pair, hash_key};
use crate::layout::slot::Slot;
use crate::shared::Shared;

/// Keys whose fetches are under way at once.
const STAGE: usize = 64;

impl Shared {
    /// Calls `each` with every key's index and value, in the order of the keys, which are of a namespace and
    /// hashed with that namespace's seed.
    ///
    /// The thread's line is taken for each stage anew and not held while `each` runs: it may be the
    /// common one, which is locked, and `each` may use the segment, or fork.
    pub(crate) fn get_many(
        &self,
        namespace: (u16, u64),
        keys: &[&[u8]],
        mut each: impl FnMut(usize, Option<&[u8]>),
    ) {
        let mut buffer = Vec::new();
        let mut spans: [Option<(usize, usize)>; STAGE] = [None; STAGE];
        for (stage, batch) in keys.chunks(STAGE).enumerate() {
            spans.fill(None);
            buffer.clear();
            if let Some(thread) = self.thread() {
                if buffer.capacity() == 0 {
                    buffer = thread.scratch.take();
                    buffer.clear();
                }
                self.read_stage(&thread, namespace, batch, &mut buffer, &mut spans);
            }
            for (index, span) in spans.iter().take(batch.len()).enumerate() {
                let value = span.and_then(|(begin, end)| buffer.get(begin..end));
                each(stage * STAGE + index, value);
            }
        }
        if buffer.capacity() <= KEEP_BYTES
            && let Some(thread) = self.thread()
        {
            thread.scratch.set(buffer);
        }
    }

    fn read_stage(
        &self,
        thread: &ThreadState,
        (namespace, seed): (u16, u64),
        batch: &[&[u8]],
        buffer: &mut Vec<u8>,
        spans: &mut [Option<(usize, usize)>; STAGE],
    ) {
        let mut hashes = [0; STAGE];
        let mut slots = [Slot::EMPTY; STAGE];
        for (hash, key) in hashes.iter_mut().zip(batch) {
            *hash = hash_key(seed, key);
            let pair = Pair::of_hash(&self.geometry, *hash);
            self.buckets().prefetch(pair.primary);
        }
        // A hint: whether a slot names anything is seen later.
        let fetch = |slot: Slot| {
            let offset = slot.location().offset();
            self.region().prefetch(offset);
            self.region().prefetch(offset + 64);
            self.region().prefetch(offset + 128);
        };
        let mut is_elsewhere = false;
        for (slot, hash) in slots.iter_mut().zip(hashes).take(batch.len()) {
            let pair = Pair::of_hash(&self.geometry, hash);
            *slot = self.first_match(pair.primary, pair.tag);
            if slot.is_empty() {
                is_elsewhere = true;
                self.buckets().prefetch(pair.partner);
            }
            fetch(*slot);
        }
        if is_elsewhere {
            for (slot, hash) in slots.iter_mut().zip(hashes).take(batch.len()) {
                if slot.is_empty() {
                    let pair = Pair::of_hash(&self.geometry, hash);
                    *slot = self.first_match(pair.partner, pair.tag);
                    fetch(*slot);
                }
            }
        }
        for (((key, slot), hash), span) in batch.iter().zip(slots).zip(hashes).zip(spans) {
            let begin = buffer.len();
            let key = Key::of_hash(&self.geometry, namespace, key, hash);
            if self.append_value(thread, &key, slot, buffer, |_| ()).is_some() {
                *span = Some((begin, buffer.len()));
            }
        }
    }
}

/// A buffer that grew beyond this is not kept.
const KEEP_BYTES: usize = 1 << 20;
