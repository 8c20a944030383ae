//! Reading many keys at once, in stages, so that the memory latencies of all of them overlap: hash
//! all and start fetching their buckets; find the likely entries and start fetching those; then read
//! one after another. Values are copied to a buffer of the thread first, for user code never runs
//! while the engine holds a pin.

use crate::attach::{Counter, ThreadState};
use crate::key::Key;
use crate::pin::EnginePin;
use crate::shared::Shared;

/// Keys whose fetches are under way at once.
const STAGE: usize = 64;

impl Shared {
    /// Calls `each` with every key's index and value, in the order of the keys.
    ///
    /// The thread's line is taken for each stage anew and not held while `each` runs: it may be the
    /// common one, which is locked, and `each` may use the segment, or fork.
    pub(crate) fn get_many(
        &self,
        namespace: u16,
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
        namespace: u16,
        batch: &[&[u8]],
        buffer: &mut Vec<u8>,
        spans: &mut [Option<(usize, usize)>; STAGE],
    ) {
        let empty = Key::new(&self.geometry, self.superblock.hash_seed, namespace, b"");
        let mut hashed = [empty; STAGE];
        for (slot, key) in hashed.iter_mut().zip(batch) {
            *slot = Key::new(&self.geometry, self.superblock.hash_seed, namespace, key);
            self.region().prefetch(self.bucket_offset(slot.pair.primary));
        }
        for key in hashed.iter().take(batch.len()) {
            let mask = self.matching_slots(key.pair.primary, key.pair.tag);
            if mask == 0 {
                self.region().prefetch(self.bucket_offset(key.pair.partner));
                continue;
            }
            let slot = self.load_slot(key.pair.primary, mask.trailing_zeros() as usize);
            let offset = slot.location().offset();
            if self.geometry.block_of(offset).is_some() {
                self.region().prefetch(offset);
                self.region().prefetch(offset + 64);
                self.region().prefetch(offset + 128);
            }
        }
        let pin = thread.engine_pin(self, EnginePin::Read as usize);
        for (span, key) in spans.iter_mut().zip(hashed.iter().take(batch.len())) {
            *span = None;
            if key.bytes.is_empty() {
                thread.count(self, Counter::Misses);
                continue;
            }
            let Some(found) = self.find_counted(thread, pin, key) else {
                continue;
            };
            let begin = buffer.len();
            self.region()
                .append_to(found.value_offset(), found.value_bytes(), buffer);
            if self.verify_values && !self.copy_is_intact(buffer.get(begin..).unwrap_or(&[]), &found) {
                thread.count(self, Counter::Damaged);
                buffer.truncate(begin);
                continue;
            }
            *span = Some((begin, buffer.len()));
        }
    }
}

/// A buffer that grew beyond this is not kept.
const KEEP_BYTES: usize = 1 << 20;
