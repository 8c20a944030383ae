//! Golden bytes: the layout as literals, written down once.
//!
//! Whoever changes one of them changes the layout: the major version goes up and `shm-layout.md`
//! changes with it. The last test is the worked example of that document, on a whole segment with a
//! fixed id, seed and clock.

use std::sync::Arc;
use std::sync::atomic::AtomicU64; // process-private

use guira_shm::clock::Clock;
use guira_shm::region::Region;
use guira_shm::sync::Ordering;

use super::block::{BlockState, BlockWord, Live, Pool, Tail, tagged};
use super::control;
use super::entry::{
    ENTRY_STATE, FLAG_ALIGNED, FLAG_NAMESPACE, FLAG_TAGS, Header, HeaderFields, Kind, NEVER_MS, State,
};
use super::geometry::{Geometry, Wish};
use super::record::{LineOwner, PinWord, RecordOwner};
use super::slot::{Location, Slot};
use super::stamp::{INVALIDATION, KeyStamp};
use super::superblock::{OPTION_CHECKED_VALUES, Superblock, Unchecked};
use crate::attach::AttachmentSlot;
use crate::clock::SegmentClock;
use crate::expiry::Expiry;
use crate::format::{format_segment, read_clock_offset};
use crate::key::{Pair, hash_key};
use crate::memory::Memory;
use crate::options::PutOptions;
use crate::segment::{Put, Segment};
use crate::shared::Shared;
use crate::tags::{Tags, hash_tag};

#[test]
fn print_all() {
    let example = example();
    println!("{}", dump(&superblock().encode(), 0));
    for size in [8 << 20, 1u64 << 30] {
        println!("{:?}", geometry(size));
    }
    let shared = &example.shared;
    let region = shared.region();
    assert_eq!(
        example
            .put(
                b"user:42",
                b"plum",
                Expiry::after(std::time::Duration::from_secs(300)).soft(std::time::Duration::from_secs(60))
            )
            .expect("put"),
        Put::Stored
    );
    let users = example.namespace("users").expect("row");
    let options = PutOptions::default().tags(&[b"team:7"]).aligned(true);
    users.put_with(b"7", b"fig", &options).expect("put");
    let mut bytes = Vec::new();
    region.append_to(shared.geometry.arena, 64 + 128, &mut bytes);
    println!("{}", dump(&bytes, shared.geometry.arena));
    for (ns, key) in [(0, b"user:42".as_slice()), (1, b"7")] {
        let hash = hash_key(SEED, ns, key);
        let pair = Pair::of_hash(&shared.geometry, hash);
        println!(
            "hash {hash:#x} {pair:?} tag {:#x} counter {} stamp {:#x}",
            pair.tag,
            pair.move_counter(&shared.geometry),
            shared.key_stamp(hash).0
        );
        for b in [pair.primary, pair.partner] {
            for s in 0..8 {
                println!(
                    "{b} {s} {:#x} {:?}",
                    shared.slot_word(b, s).load(Ordering::Relaxed),
                    shared.load_slot(b, s)
                );
            }
        }
    }
    println!("tag {:#x}", hash_tag(SEED, b"team:7"));
    println!("block {:#x}", shared.block_word(0).load(Ordering::Relaxed));
    for m in 0..8 {
        println!(
            "meta {} {:#x}",
            m * 8,
            shared.block_meta(0, m * 8).load(Ordering::Relaxed)
        );
    }
    for off in (0..shared.geometry.index).step_by(8) {
        let w = region.word(off).load(Ordering::Relaxed);
        if w != 0 {
            println!("{off}: {w:#x}");
        }
    }
}

const SEED: u64 = 0x0123_4567_89ab_cdef;

fn geometry(size_bytes: u64) -> Geometry {
    Geometry::plan(&Wish {
        size_bytes,
        index_entries: None,
        processes: None,
        threads: None,
        blocks: None,
        generation_bits: 12,
    })
    .expect("a plan")
}

fn superblock() -> Superblock {
    Superblock {
        id: 0x0011_2233_4455_6677_8899_aabb_ccdd_eeff,
        hash_seed: SEED,
        options: OPTION_CHECKED_VALUES,
        created_ms: 1_700_000_000_000,
        geometry: geometry(8 << 20),
    }
}

fn example() -> Segment {
    let clock = Clock::manual(Arc::new(AtomicU64::new(77_000)));
    let superblock = superblock();
    let region = Region::heap(superblock.geometry.total_bytes);
    format_segment(&region, &superblock, &clock, 1);
    let offset_ms = read_clock_offset(&region);
    Segment {
        shared: Arc::new(Shared {
            memory: Memory::Heap(region),
            geometry: superblock.geometry,
            superblock,
            clock: SegmentClock::new(clock, offset_ms),
            attachment: AttachmentSlot::new().expect("a page"),
            verify_values: false,
        }),
        namespace: 0,
    }
}

fn dump(bytes: &[u8], offset: usize) -> String {
    use std::fmt::Write as _;
    let mut text = String::new();
    for (line, chunk) in bytes.chunks(16).enumerate() {
        if chunk.iter().all(|byte| *byte == 0) {
            continue;
        }
        let _ = write!(text, "{:06x}", offset + line * 16);
        for byte in chunk {
            let _ = write!(text, " {byte:02x}");
        }
        text.push('\n');
    }
    text
}
