//! Golden bytes: the layout as literals, written down once.
//!
//! Whoever changes one of them changes the layout: `shm-layout.md` and the version change with it.
//! The last test is the worked example of that document, a whole segment with a fixed id, seed and
//! clock.

use std::fmt::Write as _;
use std::sync::Arc;
use std::sync::atomic::AtomicU64; // process-private
use std::time::Duration;

use guira_shm::clock::Clock;
use guira_shm::region::Region;
use guira_shm::sync::Ordering;

use super::block::{BlockState, BlockWord, Live, Pool, Tail, tagged};
use super::entry::{FLAG_ALIGNED, FLAG_NAMESPACE, FLAG_TAGS, Header, HeaderFields, Kind, NEVER_MS, State};
use super::geometry::{Counts, Geometry};
use super::record::{LineOwner, PinWord, RecordOwner};
use super::slot::{Location, Slot};
use super::stamp::{INVALIDATION, KeyStamp};
use super::superblock::{OPTION_CHECKED_VALUES, Superblock, Unchecked};
use crate::attach::AttachmentSlot;
use crate::clock::SegmentClock;
use crate::expiry::Expiry;
use crate::format::{format_segment, read_clock_offset};
use crate::key::{Pair, hash_key, namespace_seed};
use crate::memory::Memory;
use crate::namespaces::hash_namespace;
use crate::options::PutOptions;
use crate::segment::Segment;
use crate::shared::Shared;
use crate::tags::{Tags, hash_tag};

const SEED: u64 = 0x0123_4567_89ab_cdef;

fn superblock() -> Superblock {
    Superblock {
        id: 0x0011_2233_4455_6677_8899_aabb_ccdd_eeff,
        hash_seed: SEED,
        options: OPTION_CHECKED_VALUES,
        created_ms: 1_700_000_000_000,
        cluster: 0,
        geometry: geometry(SMALL, 8 << 20),
    }
}

fn geometry(counts: [u64; 18], total_bytes: u64) -> Geometry {
    let [
        block_bytes,
        blocks,
        buckets,
        records,
        lines,
        admission_lanes,
        rest @ ..,
    ] = counts;
    let [
        class_lanes,
        classes,
        move_counters,
        key_stamps,
        tag_stamps,
        namespaces,
        rest @ ..,
    ] = rest;
    let [
        ghost_lines,
        flights,
        sweep_ranges,
        journal_records,
        generation_bits,
        lease_slots,
    ] = rest;
    let counts = Counts {
        block_bytes,
        blocks,
        buckets,
        records,
        lines,
        admission_lanes,
        class_lanes,
        classes,
        move_counters,
        key_stamps,
        tag_stamps,
        namespaces,
        ghost_lines,
        flights,
        sweep_ranges,
        journal_records,
        generation_bits,
        lease_slots,
    };
    Geometry::checked(&counts, total_bytes).expect("counts in bounds that fit")
}

/// Counts in the order of the superblock, for a file of 8 MiB and one of 1 GiB.
const SMALL: [u64; 18] = [
    65_536, 114, 7_296, 128, 128, 1, 1, 3, 512, 8_192, 2_048, 64, 2_919, 512, 8, 2_048, 12, 0,
];
const LARGE: [u64; 18] = [
    2_097_152, 461, 944_128, 2_048, 8_192, 7, 1, 14, 4_096, 1_048_576, 65_536, 1_024, 377_652, 16_384, 922,
    262_144, 12, 0,
];

/// Sixteen bytes a line behind their offset, as `shm-layout.md` shows them; lines of zeros are left out.
fn dump(bytes: &[u8], begin: usize) -> String {
    let mut text = String::new();
    for (line, chunk) in bytes.chunks(16).enumerate() {
        if chunk.iter().all(|byte| *byte == 0) {
            continue;
        }
        let _ = write!(text, "{:06x}", begin + line * 16);
        for byte in chunk {
            let _ = write!(text, " {byte:02x}");
        }
        text.push('\n');
    }
    text
}

const SUPERBLOCK: &str = "\
000000 47 55 49 52 41 53 45 47 02 00 00 00 00 00 00 00
000010 08 07 06 05 04 03 02 01 00 00 00 00 00 00 00 00
000020 00 00 00 00 00 00 00 00 ff ee dd cc bb aa 99 88
000030 77 66 55 44 33 22 11 00 ef cd ab 89 67 45 23 01
000040 00 00 80 00 00 00 00 00 00 00 01 00 00 00 00 00
000050 72 00 00 00 00 00 00 00 80 1c 00 00 00 00 00 00
000060 80 00 00 00 00 00 00 00 80 00 00 00 00 00 00 00
000070 01 00 00 00 00 00 00 00 01 00 00 00 00 00 00 00
000080 03 00 00 00 00 00 00 00 00 02 00 00 00 00 00 00
000090 00 20 00 00 00 00 00 00 00 08 00 00 00 00 00 00
0000a0 40 00 00 00 00 00 00 00 67 0b 00 00 00 00 00 00
0000b0 00 02 00 00 00 00 00 00 08 00 00 00 00 00 00 00
0000c0 00 08 00 00 00 00 00 00 0c 00 00 00 00 00 00 00
0000d0 01 00 00 00 00 00 00 00 00 68 e5 cf 8b 01 00 00
0000e0 00 00 0e 00 00 00 00 00 00 00 00 00 00 00 00 00
0001f0 00 00 00 00 00 00 00 00 51 26 48 5d 9a ee 52 04
";

#[test]
fn a_superblock_is_these_bytes() {
    let encoded = superblock().encode();
    assert_eq!(dump(&encoded, 0), SUPERBLOCK);
    assert_eq!(Unchecked(encoded).check(), Ok(superblock()));
}

#[test]
fn counts_give_these_offsets() {
    assert_eq!(
        offsets(&geometry(SMALL, 8 << 20)),
        [
            8_192, 16_384, 49_152, 53_248, 57_344, 65_536, 69_632, 135_168, 151_552, 159_744, 163_840,
            352_256, 385_024, 450_560, 917_504
        ]
    );
    assert_eq!(
        offsets(&geometry(LARGE, 1 << 30)),
        [
            8_192,
            139_264,
            2_236_416,
            2_240_512,
            2_244_608,
            2_277_376,
            2_310_144,
            10_698_752,
            11_223_040,
            11_354_112,
            11_362_304,
            35_532_800,
            36_581_376,
            46_137_344,
            106_954_752
        ]
    );
}

/// In the order of the file.
const fn offsets(geometry: &Geometry) -> [usize; 15] {
    [
        geometry.records,
        geometry.lines,
        geometry.lanes,
        geometry.block_words,
        geometry.block_meta,
        geometry.move_counters,
        geometry.key_stamps,
        geometry.tag_stamps,
        geometry.namespaces,
        geometry.sweep_ranges,
        geometry.ghosts,
        geometry.flights,
        geometry.journal,
        geometry.index,
        geometry.arena,
    ]
}

#[test]
fn packed_words_are_these_numbers() {
    let place = Location::from_offset(0xe_0040);
    let word = |state| BlockWord::new(0xa1b2_c3d4, state).0;
    let full = BlockWord::new(7, BlockState::Open)
        .with_pool(Pool::Main, 9)
        .with_owner(LineOwner::new(2, 0));
    for (name, value, literal) in [
        ("slot", Slot::new(0xabcd, 0xfff, place).0, 0xabcd_fff0_0000_e004),
        ("dead", State::new(Kind::Dead, 0xfff).0, 0x0fff_0000_0000_0000),
        ("writing", State::new(Kind::Writing, 5).0, 0x4005_0000_0000_0000),
        (
            "conditional",
            State::new(Kind::Writing, 5).with_conditional().0,
            0x6005_0000_0000_0000,
        ),
        ("live", State::new(Kind::Live, 5).0, 0x8005_0000_0000_0000),
        (
            "soft",
            State::new(Kind::Live, 5).with_soft().0,
            0x9005_0000_0000_0000,
        ),
        (
            "forward",
            State::new(Kind::Live, 5).forwarded(place, 0xabc).0,
            0xc005_abc0_0000_e004,
        ),
        ("free", word(BlockState::Free), 0x0000_0000_a1b2_c3d4),
        ("open", word(BlockState::Open), 0x0000_0001_a1b2_c3d4),
        ("sealed", word(BlockState::Sealed), 0x0000_0002_a1b2_c3d4),
        ("drain", word(BlockState::Drain), 0x0000_0003_a1b2_c3d4),
        ("retired", word(BlockState::Retired), 0x0000_0004_a1b2_c3d4),
        ("claimed", word(BlockState::Claimed), 0x0000_0005_a1b2_c3d4),
        ("body", word(BlockState::Body), 0x0000_0006_a1b2_c3d4),
        ("pool, class, owner", full.0, 0x0000_3251_0000_0007),
        ("tail", Tail::new(7, 0x1230).0, 0x0000_0007_0000_0123),
        (
            "closed tail",
            Tail::new(7, 0x1230).closed().0,
            0x0000_0007_8000_0123,
        ),
        ("live of one entry", Live::of_entry(160).0, 0x0000_0001_0000_000a),
        ("tagged", tagged(7, 3), 0x0000_0007_0000_0003),
        (
            "key stamp",
            KeyStamp(0).written(0x00ab_0000_0000_0000).0,
            0x0000_0000_0000_01ab,
        ),
        ("invalidation", INVALIDATION, 0x0000_0100_0000_0000),
        (
            "record owner",
            RecordOwner::new(3, 4_711).0,
            0x0000_0003_0000_1267,
        ),
        ("line owner", LineOwner::new(2, 3).0, 0x0000_0003_0000_0003),
        (
            "pin",
            PinWord::of(LineOwner::new(2, 0xffff_fffe)).on(5).0,
            0x003f_fffe_0000_0006,
        ),
    ] {
        assert_eq!(value, literal, "{name}: {value:#x}");
    }
}

#[test]
fn headers_are_these_words() {
    let everything = HeaderFields {
        key_bytes: 24,
        value_bytes: 100,
        flags: FLAG_NAMESPACE | FLAG_TAGS | FLAG_ALIGNED,
        frequency: 2,
        birth: 0x1234_5678_9abc,
        hard_ms: 90_000,
        soft_ms: 30_000,
        made_ds: 155,
    };
    let far = HeaderFields {
        soft_ms: 1 << 40,
        hard_ms: NEVER_MS,
        ..everything
    };
    let place = (Location(0xe000), 0xa1b2_c3d4);
    let header = Header::encode(&everything, place.0, place.1);
    assert_eq!(
        [header.lengths, header.born, header.deadlines],
        [
            0x0468_7000_c000_0064,
            0xea61_1234_5678_9abc,
            0x0000_0000_0001_5f90
        ]
    );
    let header = Header::encode(&far, place.0, place.1);
    assert_eq!(
        [header.lengths, header.born, header.deadlines],
        [
            0x7e58_7000_c000_0064,
            0x0000_1234_5678_9abc,
            0x9000_07ff_ffff_ffff
        ]
    );
}

/// An empty segment on private memory with the superblock above; its clock stands at one second.
fn segment() -> Segment {
    let clock = Clock::manual(Arc::new(AtomicU64::new(77_000)));
    let superblock = superblock();
    let region = Region::heap(superblock.geometry.total_bytes);
    format_segment(&region, &superblock, &clock, 1);
    let offset_ms = read_clock_offset(&region);
    let memory = Memory::private(region);
    let clock = SegmentClock::new(clock, offset_ms);
    let attachment = AttachmentSlot::new().expect("a page that fork wipes");
    Segment::new(
        Arc::new(Shared::new(memory, superblock, clock, attachment, false)),
        0,
    )
}

const ENTRIES: &str = "\
0e0000 00 00 00 00 00 00 01 80 04 00 00 38 00 80 e0 80
0e0010 01 00 00 00 00 00 81 a9 c8 97 04 00 00 18 00 00
0e0020 0a 00 00 00 75 73 65 72 3a 34 32 70 6c 75 6d 21
0e0030 d3 88 30 00 00 00 00 00 00 00 00 00 00 00 00 00
0e0040 00 00 00 00 00 00 01 80 03 00 00 18 00 f0 20 47
0e0050 01 00 00 00 00 00 00 00 ff ff ff ff ff 07 00 00
0e0060 0a 00 00 00 01 08 00 f9 4f 7a b6 bd 70 0e 48 54
0e0070 06 74 65 61 6d 3a 37 00 01 00 37 00 00 00 00 00
0e0080 66 69 67 83 1d 8a a8 00 00 00 00 00 00 00 00 00
";

#[test]
fn the_worked_example_of_the_document_is_these_bytes() {
    let segment = segment();
    let region = segment.shared.region();
    let word = |offset: usize| region.word(offset).load(Ordering::Relaxed);

    let lifetime = Expiry::after(Duration::from_secs(300)).soft(Duration::from_secs(60));
    segment.put(b"user:42", b"plum", lifetime).expect("a put");
    let users = segment.namespace("users").expect("a row");
    let options = PutOptions::default().tags(&[b"team:7"]).aligned(true);
    users.put_with(b"7", b"fig", &options).expect("a put");

    let mut bytes = Vec::new();
    region.append_to(917_504, 160, &mut bytes);
    assert_eq!(dump(&bytes, 917_504), ENTRIES);
    for (what, offset, literal) in [
        ("slot of user:42", 450_560 + 6_335 * 64, 0xb650_0010_0000_e000),
        ("slot of 7", 450_560 + 57 * 64, 0xfd62_0010_0000_e004),
        ("key stamp of user:42", 69_632 + 6_053 * 8, 0x0000_0000_0000_014d),
        ("key stamp of 7", 69_632 + 5_752 * 8, 0x0000_0000_0000_0103),
        ("invalidation clock", 4_160, 1),
        ("lane 0", 49_152, 0x0000_0001_0000_0001),
        ("block 0", 53_248, 0x0000_0001_0000_0001),
        ("block 1", 53_256, 0x0000_0000_0000_0001),
        ("tail", 57_344, 0x0000_0001_0000_0009),
        ("live", 57_352, 0x0000_0002_0000_0009),
        ("latest deadline", 57_368, 0x0000_07ff_ffff_ffff),
        ("opened", 57_400, 1_000),
        ("owner of line 1", 16_640, 0x0000_0001_0000_0001),
        ("hash of users", 151_680, 0x2d8f_14dc_a57d_3cff),
        ("length of users", 151_688, 6),
        ("name of users", 151_704, u64::from_le_bytes(*b"users\0\0\0")),
    ] {
        assert_eq!(word(offset), literal, "{what}: {:#x}", word(offset));
    }

    assert!(segment.invalidate(b"user:42"));
    segment.invalidate_tag(b"team:7");
    users.clear();
    for (what, offset, literal) in [
        ("state of user:42", 917_504, 0x1001_0000_0000_0000),
        ("slot of user:42", 450_560 + 6_335 * 64, 0),
        ("key stamp of user:42", 69_632 + 6_053 * 8, 0x0000_0100_0000_014d),
        ("state of 7", 917_568, 0x8001_0000_0000_0000),
        ("tag stamp of team:7", 135_168 + 591 * 8, 3),
        ("stamp of users", 151_696, 4),
        ("invalidation clock", 4_160, 4),
    ] {
        assert_eq!(word(offset), literal, "{what}: {:#x}", word(offset));
    }
}

#[test]
fn the_hashes_of_the_document_are_these_numbers() {
    let geometry = geometry(SMALL, 8 << 20);
    let users = hash_namespace(SEED, b"users");
    for (namespace_hash, key, hash, primary, partner, counter) in [
        (0, b"user:42".as_slice(), 0xde4d_133e_17a5_b650, 6_335, 4_611, 3),
        (users, b"7", 0x0203_a443_5678_fd62, 57, 21, 21),
    ] {
        assert_eq!(hash_key(namespace_seed(SEED, namespace_hash), key), hash);
        let pair = Pair::of_hash(&geometry, hash);
        assert_eq!((pair.primary, pair.partner), (primary, partner));
        assert_eq!(pair.move_counter(&geometry), counter);
    }
    assert_eq!(hash_tag(SEED, b"team:7"), 0x5448_0e70_bdb6_7a4f);
    let tags = Tags::new(SEED, &[b"team:7"]).expect("a good tag");
    assert_eq!(
        tags.stored(),
        b"\x01\x08\0\xf9\x4f\x7a\xb6\xbd\x70\x0e\x48\x54\x06team:7\0"
    );
}
