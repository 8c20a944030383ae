//! Walking a block: its entries one after another, believed only as far as generation, bounds and check fit.

use crate::key::hash_key;
use crate::layout::entry::{FLAG_NAMESPACE, HEADER_BYTES, Header, State};
use crate::layout::slot::Location;
use crate::shared::Shared;

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
        let seed = self.superblock.hash_seed;
        let offset = entry.location.offset() + HEADER_BYTES + entry.tags_bytes;
        let has_namespace = entry.header.has(FLAG_NAMESPACE);
        self.region().look_at(offset, entry.header.key_bytes(), |stored| {
            match stored.split_first_chunk::<2>() {
                Some((number, key)) if has_namespace => {
                    let namespace = u16::from_le_bytes(*number);
                    (hash_key(seed, namespace, key), namespace)
                }
                _ => (hash_key(seed, 0, stored), 0),
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
}
