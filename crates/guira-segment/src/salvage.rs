//! Rebuilding the index from the entries of a file that was in use when the machine went down.
//!
//! Nothing but an entry's own checks is believed: header check (which covers place and generation),
//! value check, LIVE. Of two entries of one key neither is kept, for nothing says which is newer.
//! Large values (runs) are given up.

use std::collections::{HashMap, HashSet};

use guira_shm::clock::Clock;
use guira_shm::region::Region;
use guira_shm::sync::Ordering;
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::format::format_segment;
use crate::key::{Pair, hash_key, namespace_seed};
use crate::layout::block::{
    BLOCK_META_BYTES, BLOCK_WORD_BYTES, BlockState, BlockWord, Live, META_EXPIRES_MS, META_LIVE,
    META_SEALED_AT, META_TAIL, Pool, Tail,
};
use crate::layout::control::{
    CONTROL_CLOCK, CONTROL_CLOCK_OFFSET, CONTROL_FLOOR, CONTROL_NAMESPACES, CONTROL_OFFSET,
    CONTROL_SEAL_SEQUENCE, MAX_CLOCK,
};
use crate::layout::entry::{
    ENTRY_BORN, ENTRY_DEADLINES, ENTRY_GRID, ENTRY_LENGTHS, ENTRY_MADE, ENTRY_STATE, FLAG_CHECKED,
    FLAG_NAMESPACE, FLAG_TAGS, HEADER_BYTES, Header, Kind, State, TAGS_HEAD_BYTES, value_offset,
};
use crate::layout::geometry::Geometry;
use crate::layout::namespace::{NAMESPACE_BYTES, NAMESPACE_HASH, NAMESPACE_STAMP};
use crate::layout::slot::{BUCKET_BYTES, BUCKET_SLOTS, Location, Slot};
use crate::layout::superblock::{OPTION_CHECKED_VALUES, Superblock};

/// An entry that proved itself, and what is needed to link it.
struct Kept {
    location: Location,
    block: u32,
    generation: u32,
    bytes: usize,
    hard_ms: u64,
    birth: u64,
    hash: u64,
    made_ds: u32,
}

/// Keeps what proves itself; false if the segment's values carry no checks.
pub(crate) fn salvage(region: &Region, superblock: &Superblock, clock: &Clock) -> bool {
    if superblock.options & OPTION_CHECKED_VALUES == 0 {
        return false;
    }
    let geometry = &superblock.geometry;
    let kept = collect(region, superblock);
    let generations: Vec<u32> = (0..geometry.blocks())
        .map(|block| block_word(region, geometry, block).generation())
        .collect();
    let mut namespaces = copy_namespaces(region, geometry);
    for stamp in namespaces
        .iter_mut()
        .skip(NAMESPACE_STAMP / 8)
        .step_by(NAMESPACE_BYTES / 8)
    {
        *stamp = plausible(*stamp);
    }
    let floor = plausible(region.word(CONTROL_FLOOR).load(Ordering::Relaxed));
    let clock_before = plausible(region.word(CONTROL_CLOCK).load(Ordering::Relaxed));
    // Every stamp that is kept must be below the clock, or nothing could be put there any more.
    let stamps = namespaces
        .iter()
        .skip(NAMESPACE_STAMP / 8)
        .step_by(NAMESPACE_BYTES / 8);
    let newest = stamps.copied().chain([floor, clock_before]).max().unwrap_or(0);
    region.zero(CONTROL_OFFSET, geometry.arena - CONTROL_OFFSET);
    format_segment(region, superblock, clock, 1);
    // Segment time went on by the wall clock since the file was made, when it was one second, and is
    // at least that of the newest entry.
    let by_wall_ms = clock
        .realtime_ms()
        .saturating_sub(superblock.created_ms)
        .saturating_add(1_000);
    let by_entries_ms = kept
        .iter()
        .map(|entry| u64::from(entry.made_ds) * 100 + 100)
        .max()
        .unwrap_or(0);
    let segment_ms = by_wall_ms.max(by_entries_ms);
    let offset_ms = (segment_ms as i64).wrapping_sub_unsigned(clock.now_ms());
    region
        .word(CONTROL_CLOCK_OFFSET)
        .store(offset_ms as u64, Ordering::Relaxed);
    for (index, word) in namespaces.into_iter().enumerate() {
        region
            .word(geometry.namespaces + index * 8)
            .store(word, Ordering::Relaxed);
    }
    let mut rows = (0..geometry.counts.namespaces).filter(|row| {
        let at = geometry.namespaces + *row as usize * NAMESPACE_BYTES + NAMESPACE_HASH;
        region.word(at).load(Ordering::Relaxed) != 0
    });
    let used = rows.next_back().map_or(0, |row| row + 1);
    region.word(CONTROL_NAMESPACES).store(used, Ordering::Relaxed);
    region.word(CONTROL_FLOOR).store(floor, Ordering::Relaxed);
    rebuild(region, superblock, &kept, &generations, newest);
    true
}

/// A value of the invalidation clock, or zero for one that births could never reach.
const fn plausible(clock: u64) -> u64 {
    if clock < MAX_CLOCK { clock } else { 0 }
}

fn block_word(region: &Region, geometry: &Geometry, block: u32) -> BlockWord {
    BlockWord(
        region
            .word(geometry.block_words + block as usize * BLOCK_WORD_BYTES)
            .load(Ordering::Relaxed),
    )
}

fn copy_namespaces(region: &Region, geometry: &Geometry) -> Vec<u64> {
    (geometry.namespaces..geometry.sweep_ranges)
        .step_by(8)
        .map(|at| region.word(at).load(Ordering::Relaxed))
        .collect()
}

fn collect(region: &Region, superblock: &Superblock) -> Vec<Kept> {
    let geometry = &superblock.geometry;
    let mut by_key: HashMap<Vec<u8>, Option<Kept>> = HashMap::new();
    for block in 0..geometry.blocks() {
        let word = block_word(region, geometry, block);
        if !word.is_readable() {
            continue;
        }
        let begin = geometry.block_offset(block);
        let mut at = begin;
        while at + HEADER_BYTES.next_multiple_of(ENTRY_GRID) <= begin + geometry.block_bytes {
            let Some((entry_bytes, entry)) = parse(region, superblock, block, word.generation(), at) else {
                break;
            };
            if let Some((key, kept)) = entry {
                // Two of one key: neither.
                by_key
                    .entry(key)
                    .and_modify(|present| *present = None)
                    .or_insert(Some(kept));
            }
            at += entry_bytes;
        }
    }
    by_key.into_values().flatten().collect()
}

/// The entry at `at`: its size if its header proves itself, and the rest if the whole does.
#[expect(
    clippy::type_complexity,
    reason = "two optional parts of one answer, used once"
)]
fn parse(
    region: &Region,
    superblock: &Superblock,
    block: u32,
    generation: u32,
    at: usize,
) -> Option<(usize, Option<(Vec<u8>, Kept)>)> {
    let geometry = &superblock.geometry;
    let location = Location::from_offset(at);
    let word = |field: usize| region.word(at + field).load(Ordering::Relaxed);
    let made = word(ENTRY_MADE);
    let header = Header {
        lengths: word(ENTRY_LENGTHS),
        born: word(ENTRY_BORN),
        deadlines: word(ENTRY_DEADLINES),
        made_ds: made as u32,
    };
    if header.key_bytes() == 0 || !header.is_intact(location, generation) {
        return None;
    }
    let head = (made >> 32) as usize;
    let tags_bytes = if header.has(FLAG_TAGS) {
        TAGS_HEAD_BYTES + (head & 0xff) * 8 + (head >> 8 & 0xffff)
    } else {
        0
    };
    let entry_bytes = header.entry_bytes(tags_bytes);
    if at + entry_bytes > geometry.block_offset(block) + geometry.block_bytes {
        return None;
    }
    let state = State(word(ENTRY_STATE));
    let carried = (generation & geometry.generation_mask()) as u16;
    if state.kind() != Kind::Live || state.self_generation() != carried || !header.has(FLAG_CHECKED) {
        return Some((entry_bytes, None));
    }
    let value_at = at + value_offset(header.flags(), tags_bytes, header.key_bytes());
    let mut value = Vec::new();
    region.append_to(value_at, header.value_bytes() + 4, &mut value);
    let check = value.split_off(header.value_bytes());
    if xxh3_64_with_seed(&value, superblock.hash_seed) as u32
        != u32::from_le_bytes(check.try_into().unwrap_or_default())
    {
        return Some((entry_bytes, None));
    }
    let mut key = Vec::new();
    region.append_to(at + HEADER_BYTES + tags_bytes, header.key_bytes(), &mut key);
    let hash = match key.split_first_chunk::<2>() {
        Some((namespace, rest)) if header.has(FLAG_NAMESPACE) => {
            let row = usize::from(u16::from_le_bytes(*namespace));
            if row as u64 >= geometry.counts.namespaces {
                return Some((entry_bytes, None));
            }
            let at = geometry.namespaces + row * NAMESPACE_BYTES + NAMESPACE_HASH;
            let namespace_hash = region.word(at).load(Ordering::Relaxed);
            hash_key(namespace_seed(superblock.hash_seed, namespace_hash), rest)
        }
        _ => hash_key(superblock.hash_seed, &key),
    };
    if header.has(FLAG_NAMESPACE) {
        key.push(1);
    } else {
        key.push(0);
    }
    let kept = Kept {
        location,
        block,
        generation,
        bytes: entry_bytes,
        hard_ms: header.hard_ms(),
        birth: header.birth(),
        hash,
        made_ds: header.made_ds,
    };
    Some((entry_bytes, Some((key, kept))))
}

fn rebuild(region: &Region, superblock: &Superblock, kept: &[Kept], generations: &[u32], newest: u64) {
    let geometry = &superblock.geometry;
    let meta = |block: u32, field: usize| {
        region.word(geometry.block_meta + block as usize * BLOCK_META_BYTES + field)
    };
    let words = |block: u32| region.word(geometry.block_words + block as usize * BLOCK_WORD_BYTES);
    for (block, generation) in generations.iter().enumerate() {
        let free = BlockWord::new(generation.wrapping_add(1), BlockState::Free);
        words(block as u32).store(free.0, Ordering::Relaxed);
    }
    let mut clock = newest;
    let mut sealed = 0;
    let mut linked = HashSet::new();
    for entry in kept {
        if !link(region, geometry, entry) {
            continue;
        }
        linked.insert(entry.location.offset());
        clock = clock.max(entry.birth);
        let end = entry.location.offset() + entry.bytes - geometry.block_offset(entry.block);
        let tail = meta(entry.block, META_TAIL);
        let present = Tail(tail.load(Ordering::Relaxed)).used_bytes();
        tail.store(
            Tail::new(entry.generation, end.max(present)).closed().0,
            Ordering::Relaxed,
        );
        meta(entry.block, META_LIVE).fetch_add(Live::of_entry(entry.bytes).0, Ordering::Relaxed);
        meta(entry.block, META_EXPIRES_MS).fetch_max(entry.hard_ms, Ordering::Relaxed);
        let word = BlockWord::new(entry.generation, BlockState::Sealed).with_pool(Pool::Main, 0);
        if words(entry.block).swap(word.0, Ordering::Relaxed) != word.0 {
            meta(entry.block, META_SEALED_AT).store(sealed, Ordering::Relaxed);
            sealed += 1;
        }
    }
    for (block, generation) in generations.iter().enumerate() {
        if words(block as u32).load(Ordering::Relaxed)
            == BlockWord::new(*generation, BlockState::Sealed)
                .with_pool(Pool::Main, 0)
                .0
        {
            bury_others(region, superblock, block as u32, *generation, &linked);
        }
    }
    region
        .word(CONTROL_SEAL_SEQUENCE)
        .store(sealed, Ordering::Relaxed);
    region.word(CONTROL_CLOCK).store(clock + 1, Ordering::Relaxed);
}

/// Marks the entries of a block DEAD that are not linked: LIVE, they would be counted off when it is drained.
fn bury_others(
    region: &Region,
    superblock: &Superblock,
    block: u32,
    generation: u32,
    linked: &HashSet<usize>,
) {
    let begin = superblock.geometry.block_offset(block);
    let mut at = begin;
    while at + HEADER_BYTES.next_multiple_of(ENTRY_GRID) <= begin + superblock.geometry.block_bytes {
        let Some((entry_bytes, _)) = parse(region, superblock, block, generation, at) else {
            break;
        };
        let word = region.word(at + ENTRY_STATE);
        let state = State(word.load(Ordering::Relaxed));
        if state.kind() == Kind::Live && !linked.contains(&at) {
            word.store(state.dead().0, Ordering::Relaxed);
        }
        at += entry_bytes;
    }
}

fn link(region: &Region, geometry: &Geometry, entry: &Kept) -> bool {
    let pair = Pair::of_hash(geometry, entry.hash);
    let generation = (entry.generation & geometry.generation_mask()) as u16;
    let word = Slot::new(pair.tag, generation, entry.location);
    for bucket in [pair.primary, pair.partner] {
        for slot in 0..BUCKET_SLOTS {
            let place = region.word(geometry.index + bucket * BUCKET_BYTES + slot * 8);
            if place.load(Ordering::Relaxed) == 0 {
                place.store(word.0, Ordering::Relaxed);
                return true;
            }
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use crate::expiry::Expiry;
    use crate::layout::entry::Kind;
    use crate::pin::EnginePin;
    use crate::segment::Segment;

    /// What is not kept is DEAD: LIVE and not counted, it would be counted off when its block is drained.
    #[test]
    fn what_is_not_kept_is_buried() {
        let builder = Segment::builder().size(8 << 20).checked_values(true);
        let segment = builder.private().expect("it is small");
        let shared = &*segment.shared;
        for name in [b"kept", b"lost"] {
            segment.put(name, b"value", Expiry::never()).expect("room");
        }
        let place_of = |name: &[u8]| {
            let thread = shared.thread().expect("this process is attached");
            let pin = thread.engine_pin(shared, EnginePin::Read);
            let found = shared.find(&thread, pin, &segment.key(name)).expect("just put");
            (found.location, found.value_offset())
        };
        let [(kept, _), (lost, value_at)] = [place_of(b"kept"), place_of(b"lost")];
        shared.region().copy_in(value_at, b"V");
        let clock = guira_shm::clock::Clock::system();
        assert!(super::salvage(shared.region(), &shared.superblock, &clock));
        assert_eq!(shared.load_state(kept).kind(), Kind::Live);
        assert_eq!(shared.load_state(lost).kind(), Kind::Dead);
    }
}
