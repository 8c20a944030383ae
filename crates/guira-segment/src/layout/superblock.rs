//! The superblock: page 0, written once before the file becomes visible, never changed.
//!
//! It is read with `pread` and checked before anything is mapped: [`Unchecked`] holds bytes and
//! nothing else, [`Superblock`] cannot exist unless every field is plausible and the checksum fits.

use xxhash_rust::xxh3::xxh3_64;

use super::geometry::{Counts, Geometry};

/// layout: bytes of the superblock
pub(crate) const SUPERBLOCK_BYTES: usize = 512;
/// layout: superblock: magic, the bytes GUIRASEG
pub(crate) const SUPER_MAGIC: usize = 0;
/// layout: superblock: major version 32, minor version 32 (low to high)
pub(crate) const SUPER_VERSION: usize = 8;
/// layout: superblock: 0x0102030405060708, to tell byte orders apart
pub(crate) const SUPER_ENDIAN: usize = 16;
/// layout: superblock: features a reader must know
pub(crate) const SUPER_INCOMPATIBLE: usize = 24;
/// layout: superblock: features a reader may ignore
pub(crate) const SUPER_COMPATIBLE: usize = 32;
/// layout: superblock: random id, low half
pub(crate) const SUPER_ID_LOW: usize = 40;
/// layout: superblock: random id, high half
pub(crate) const SUPER_ID_HIGH: usize = 48;
/// layout: superblock: seed of every hash
pub(crate) const SUPER_HASH_SEED: usize = 56;
/// layout: superblock: bytes of the file
pub(crate) const SUPER_TOTAL_BYTES: usize = 64;
/// layout: superblock: bytes of a block
pub(crate) const SUPER_BLOCK_BYTES: usize = 72;
/// layout: superblock: blocks
pub(crate) const SUPER_BLOCKS: usize = 80;
/// layout: superblock: buckets of the index
pub(crate) const SUPER_BUCKETS: usize = 88;
/// layout: superblock: attach records
pub(crate) const SUPER_RECORDS: usize = 96;
/// layout: superblock: thread lines
pub(crate) const SUPER_LINES: usize = 104;
/// layout: superblock: shared lanes of the admission pool
pub(crate) const SUPER_ADMISSION_LANES: usize = 112;
/// layout: superblock: lanes of each lifetime class of the main pool
pub(crate) const SUPER_CLASS_LANES: usize = 120;
/// layout: superblock: lifetime classes
pub(crate) const SUPER_CLASSES: usize = 128;
/// layout: superblock: move counters, a power of two
pub(crate) const SUPER_MOVE_COUNTERS: usize = 136;
/// layout: superblock: key stamps, a power of two
pub(crate) const SUPER_KEY_STAMPS: usize = 144;
/// layout: superblock: tag stamps, a power of two
pub(crate) const SUPER_TAG_STAMPS: usize = 152;
/// layout: superblock: namespace rows
pub(crate) const SUPER_NAMESPACES: usize = 160;
/// layout: superblock: lines of ghosts
pub(crate) const SUPER_GHOST_LINES: usize = 168;
/// layout: superblock: flight cells
pub(crate) const SUPER_FLIGHTS: usize = 176;
/// layout: superblock: sweep ranges
pub(crate) const SUPER_SWEEP_RANGES: usize = 184;
/// layout: superblock: journal records
pub(crate) const SUPER_JOURNAL_RECORDS: usize = 192;
/// layout: superblock: bits of a generation that slots and state words compare
pub(crate) const SUPER_GENERATION_BITS: usize = 200;
/// layout: superblock: options, 1 values carry a check
pub(crate) const SUPER_OPTIONS: usize = 208;
/// layout: superblock: wall clock milliseconds of creation
pub(crate) const SUPER_CREATED_MS: usize = 216;
/// layout: superblock: offset of the arena, as the geometry gives it
pub(crate) const SUPER_ARENA_OFFSET: usize = 224;
/// layout: superblock: number of the cluster, 0 for none
pub(crate) const SUPER_CLUSTER: usize = 232;
/// layout: superblock: lease slots, 0 in a segment of no cluster
pub(crate) const SUPER_LEASE_SLOTS: usize = 240;
/// layout: superblock: XXH3-64 of everything before it
pub(crate) const SUPER_CHECKSUM: usize = 504;

/// The first eight bytes of a segment.
pub(crate) const MAGIC: u64 = u64::from_le_bytes(*b"GUIRASEG");
/// Another major version is another layout: refused.
pub(crate) const MAJOR_VERSION: u32 = 2;
/// A higher minor version added something that this one may ignore.
pub(crate) const MINOR_VERSION: u32 = 0;
/// What `SUPER_ENDIAN` holds.
pub(crate) const ENDIAN_MARK: u64 = 0x0102_0304_0506_0708;
/// Option: every entry carries a check of its value.
pub(crate) const OPTION_CHECKED_VALUES: u64 = 1;

/// Why a superblock was not accepted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Refusal {
    Foreign,
    WrongEndian,
    Version { major: u32, minor: u32 },
    Features { unknown: u64 },
    Checksum,
    Geometry { field: &'static str },
}

/// The bytes of a superblock, not believed yet.
pub(crate) struct Unchecked(pub(crate) [u8; SUPERBLOCK_BYTES]);

/// A superblock that passed every check.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Superblock {
    pub(crate) id: u128,
    pub(crate) hash_seed: u64,
    pub(crate) options: u64,
    pub(crate) created_ms: u64,
    /// The number of the cluster, 0 for none.
    pub(crate) cluster: u64,
    pub(crate) geometry: Geometry,
}

impl Unchecked {
    fn word(&self, offset: usize) -> u64 {
        let mut bytes = [0; 8];
        if let Some(source) = self.0.get(offset..offset + 8) {
            bytes.copy_from_slice(source);
        }
        u64::from_le_bytes(bytes)
    }

    /// Checks everything: identity, version, checksum, then the geometry with overflow-checked
    /// arithmetic.
    pub(crate) fn check(&self) -> Result<Superblock, Refusal> {
        if self.word(SUPER_MAGIC) != MAGIC {
            let swapped = self.word(SUPER_MAGIC).swap_bytes() == MAGIC;
            return Err(if swapped {
                Refusal::WrongEndian
            } else {
                Refusal::Foreign
            });
        }
        if self.word(SUPER_ENDIAN) != ENDIAN_MARK {
            return Err(Refusal::WrongEndian);
        }
        let version = self.word(SUPER_VERSION);
        let (major, minor) = (version as u32, (version >> 32) as u32);
        if major != MAJOR_VERSION {
            return Err(Refusal::Version { major, minor });
        }
        if self.word(SUPER_CHECKSUM) != xxh3_64(&self.0[..SUPER_CHECKSUM]) {
            return Err(Refusal::Checksum);
        }
        let unknown = self.word(SUPER_INCOMPATIBLE);
        if unknown != 0 {
            return Err(Refusal::Features { unknown });
        }
        let counts = Counts {
            block_bytes: self.word(SUPER_BLOCK_BYTES),
            blocks: self.word(SUPER_BLOCKS),
            buckets: self.word(SUPER_BUCKETS),
            records: self.word(SUPER_RECORDS),
            lines: self.word(SUPER_LINES),
            admission_lanes: self.word(SUPER_ADMISSION_LANES),
            class_lanes: self.word(SUPER_CLASS_LANES),
            classes: self.word(SUPER_CLASSES),
            move_counters: self.word(SUPER_MOVE_COUNTERS),
            key_stamps: self.word(SUPER_KEY_STAMPS),
            tag_stamps: self.word(SUPER_TAG_STAMPS),
            namespaces: self.word(SUPER_NAMESPACES),
            ghost_lines: self.word(SUPER_GHOST_LINES),
            flights: self.word(SUPER_FLIGHTS),
            sweep_ranges: self.word(SUPER_SWEEP_RANGES),
            journal_records: self.word(SUPER_JOURNAL_RECORDS),
            generation_bits: self.word(SUPER_GENERATION_BITS),
            lease_slots: self.word(SUPER_LEASE_SLOTS),
        };
        let geometry = Geometry::checked(&counts, self.word(SUPER_TOTAL_BYTES))
            .map_err(|field| Refusal::Geometry { field })?;
        if self.word(SUPER_ARENA_OFFSET) != geometry.arena as u64 {
            return Err(Refusal::Geometry {
                field: "arena offset",
            });
        }
        let cluster = self.word(SUPER_CLUSTER);
        if (cluster == 0) != (counts.lease_slots == 0) {
            return Err(Refusal::Geometry { field: "lease slots" });
        }
        Ok(Superblock {
            id: u128::from(self.word(SUPER_ID_LOW)) | u128::from(self.word(SUPER_ID_HIGH)) << 64,
            hash_seed: self.word(SUPER_HASH_SEED),
            options: self.word(SUPER_OPTIONS),
            created_ms: self.word(SUPER_CREATED_MS),
            cluster,
            geometry,
        })
    }
}

impl Superblock {
    /// The bytes that [`Unchecked::check`] accepts as `self`.
    pub(crate) fn encode(&self) -> [u8; SUPERBLOCK_BYTES] {
        let mut bytes = [0; SUPERBLOCK_BYTES];
        let mut put = |offset: usize, value: u64| {
            if let Some(place) = bytes.get_mut(offset..offset + 8) {
                place.copy_from_slice(&value.to_le_bytes());
            }
        };
        let counts = &self.geometry.counts;
        put(SUPER_MAGIC, MAGIC);
        put(
            SUPER_VERSION,
            u64::from(MAJOR_VERSION) | u64::from(MINOR_VERSION) << 32,
        );
        put(SUPER_ENDIAN, ENDIAN_MARK);
        put(SUPER_INCOMPATIBLE, 0);
        put(SUPER_COMPATIBLE, 0);
        put(SUPER_ID_LOW, self.id as u64);
        put(SUPER_ID_HIGH, (self.id >> 64) as u64);
        put(SUPER_HASH_SEED, self.hash_seed);
        put(SUPER_TOTAL_BYTES, self.geometry.total_bytes as u64);
        put(SUPER_BLOCK_BYTES, counts.block_bytes);
        put(SUPER_BLOCKS, counts.blocks);
        put(SUPER_BUCKETS, counts.buckets);
        put(SUPER_RECORDS, counts.records);
        put(SUPER_LINES, counts.lines);
        put(SUPER_ADMISSION_LANES, counts.admission_lanes);
        put(SUPER_CLASS_LANES, counts.class_lanes);
        put(SUPER_CLASSES, counts.classes);
        put(SUPER_MOVE_COUNTERS, counts.move_counters);
        put(SUPER_KEY_STAMPS, counts.key_stamps);
        put(SUPER_TAG_STAMPS, counts.tag_stamps);
        put(SUPER_NAMESPACES, counts.namespaces);
        put(SUPER_GHOST_LINES, counts.ghost_lines);
        put(SUPER_FLIGHTS, counts.flights);
        put(SUPER_SWEEP_RANGES, counts.sweep_ranges);
        put(SUPER_JOURNAL_RECORDS, counts.journal_records);
        put(SUPER_GENERATION_BITS, counts.generation_bits);
        put(SUPER_OPTIONS, self.options);
        put(SUPER_CREATED_MS, self.created_ms);
        put(SUPER_CLUSTER, self.cluster);
        put(SUPER_LEASE_SLOTS, counts.lease_slots);
        put(SUPER_ARENA_OFFSET, self.geometry.arena as u64);
        let checksum = xxh3_64(&bytes[..SUPER_CHECKSUM]);
        bytes[SUPER_CHECKSUM..].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }
}
