//! Walking a block: its entries one after another, believed only as far as generation, bounds and check fit.

use crate::index::scan::{Pass, Step};
use crate::key::{Pair, hash_key};
use crate::layout::entry::{ENTRY_GRID, FLAG_NAMESPACE, HEADER_BYTES, Header, State};
use crate::layout::slot::{Location, Slot};
use crate::shared::Shared;
use crate::tuning::WRITE_PASSES;

/// An entry met on a walk: parsed, its header intact, inside its block.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Walked {
    pub(crate) location: Location,
    pub(crate) state: State,
    pub(crate) header: Header,
    pub(crate) tags_bytes: usize,
    pub(crate) entry_bytes: usize,
}

impl Shared {
    /// The entry that begins at `location`, if one of this generation does.
    pub(crate) fn walk_entry(&self, location: Location, block: u32, generation: u32) -> Option<Walked> {
        if !self.is_entry_place(location) {
            return None;
        }
        let state = self.load_state(location);
        if state.self_generation() != self.carried(generation) {
            return None;
        }
        let header = self.load_header(location);
        if header.key_bytes() == 0 || !header.is_intact(location, generation) {
            return None;
        }
        let tags_bytes = self.tags_bytes(location, &header)?;
        let entry_bytes = header.entry_bytes(tags_bytes);
        self.fits_block(location, block, generation, entry_bytes)
            .then_some(Walked {
                location,
                state,
                header,
                tags_bytes,
                entry_bytes,
            })
    }

    /// The hash of a walked entry's key, and its namespace.
    pub(crate) fn walked_hash(&self, entry: &Walked) -> (u64, u16) {
        let offset = entry.location.offset() + HEADER_BYTES + entry.tags_bytes;
        let has_namespace = entry.header.has(FLAG_NAMESPACE);
        self.region().look_at(offset, entry.header.key_bytes(), |stored| {
            match stored.split_first_chunk::<2>() {
                Some((number, key)) if has_namespace => {
                    let namespace = u16::from_le_bytes(*number);
                    (hash_key(self.namespace_seed(namespace), key), namespace)
                }
                _ => (hash_key(self.superblock.hash_seed, stored), 0),
            }
        })
    }

    /// A walked entry's namespace and key.
    pub(crate) fn walked_key(&self, entry: &Walked) -> (u16, Vec<u8>) {
        let mut key = Vec::with_capacity(entry.header.key_bytes());
        let mut offset = entry.location.offset() + HEADER_BYTES + entry.tags_bytes;
        let mut bytes = entry.header.key_bytes();
        let mut namespace = 0;
        if entry.header.has(FLAG_NAMESPACE) && bytes >= 2 {
            self.region().append_to(offset, 2, &mut key);
            namespace = key
                .first_chunk::<2>()
                .map_or(0, |number| u16::from_le_bytes(*number));
            key.clear();
            (offset, bytes) = (offset + 2, bytes - 2);
        }
        self.region().append_to(offset, bytes, &mut key);
        (namespace, key)
    }

    /// Whether a slot of the pair names an entry; true if that cannot be told.
    pub(crate) fn is_linked(&self, pair: &Pair, entry: Slot) -> bool {
        let pass = self.verified_pass(pair, WRITE_PASSES, |_, _, word| {
            if word == entry {
                Step::Stop(())
            } else {
                Step::Continue
            }
        });
        pass != Pass::Complete
    }

    /// Where in a block, from `at_bytes` on, the next entry begins that a slot names; `end_bytes` if none does.
    ///
    /// Any bytes may lie there, those of values among them, so what looks like an entry is one only if the slot
    /// of its key says so.
    pub(crate) fn next_linked_bytes(
        &self,
        block: u32,
        generation: u32,
        at_bytes: usize,
        end_bytes: usize,
    ) -> usize {
        let begin = self.geometry.block_offset(block);
        (at_bytes..end_bytes)
            .step_by(ENTRY_GRID)
            .find(|at_bytes| {
                let location = Location::from_offset(begin + at_bytes);
                self.walk_entry(location, block, generation).is_some_and(|entry| {
                    let (hash, _) = self.walked_hash(&entry);
                    let pair = Pair::of_hash(&self.geometry, hash);
                    self.is_linked(&pair, Slot::new(pair.tag, self.carried(generation), location))
                })
            })
            .unwrap_or(end_bytes)
    }
}

#[cfg(test)]
mod tests {
    use crate::expiry::Expiry;
    use crate::layout::block::Pool;
    use crate::layout::entry::NEVER_MS;
    use crate::log::place::Purpose;
    use crate::segment::Segment;

    /// A writer reserves space and does not write it; behind it, and before, are values that were read.
    #[test]
    fn a_drain_finds_what_lies_behind_space_that_was_never_written() {
        let segment = Segment::builder().size(8 << 20).private().expect("it is small");
        let put = |name: &[u8]| {
            segment
                .put(name, b"value", Expiry::never())
                .expect("there is room")
        };
        let shared = &*segment.shared;
        put(b"before");
        {
            let thread = shared.thread().expect("this process is attached");
            let hole = shared.reserve(&thread, Pool::Admission, 320, NEVER_MS, Purpose::Store);
            assert!(hole.is_some());
        }
        put(b"behind");
        let block = segment.metadata(b"behind").expect("just put").block;
        assert_eq!(segment.metadata(b"before").expect("just put").block, block);
        assert!(segment.contains(b"before") && segment.get(b"behind").is_some());
        assert!(segment.get(b"before").is_some());
        let thread = shared.thread().expect("this process is attached");
        shared.seal_block(block, shared.block(block));
        shared.evict_block(&thread, block, shared.block(block));
        for name in [&b"before"[..], b"behind"] {
            let found = segment.metadata(name).expect("what was read survives");
            assert_ne!(found.block, block);
        }
    }
}
