//! One path of the engine, many times, for whoever counts its instructions: `cargo xtask bench --gate`
//! runs each under callgrind, which counts in `measured` only.
//!
//! Instructions are the part of the cost that does not depend on the machine's other programs. They say
//! nothing of memory: `cargo xtask bench` does.

#![expect(
    clippy::print_stdout,
    reason = "the names and the count are for whoever started it"
)]

use std::error::Error;
use std::hint::black_box;

use guira_segment::{Expiry, FillToken, PutOptions, Segment};

/// Keys in the segment; each path takes them in turn.
const KEYS: usize = 2_000;
/// Reads of each key before a hit is measured: its counter is then full, as those of popular keys are.
const READS_BEFORE: usize = 4;

struct World {
    segment: Segment,
    /// The same in a namespace.
    named: Segment,
    keys: Vec<Vec<u8>>,
    absent: Vec<Vec<u8>>,
    /// Keys whose values have a tag.
    tagged: Vec<Vec<u8>>,
    tokens: Vec<FillToken>,
    value: Vec<u8>,
    buffer: Vec<u8>,
}

type Path = fn(&mut World, usize);

const PATHS: [(&str, usize, Path); 12] = [
    ("hit", 100, hit),
    ("hit-1k", 1024, hit),
    ("hit-borrowed", 100, hit_borrowed),
    ("hit-batch", 100, hit_batch),
    ("hit-namespace", 100, hit_in_namespace),
    ("hit-tagged", 100, hit_tagged),
    ("miss", 100, miss),
    ("miss-batch", 100, miss_batch),
    ("put-over", 100, put_over),
    ("put-new", 100, put_new),
    ("fill", 100, fill),
    ("increment", 100, increment),
];

/// Keys of a batch.
const BATCH: usize = 100;

fn hit(world: &mut World, nth: usize) {
    let is_hit = world.segment.get_into(&world.keys[nth], &mut world.buffer);
    assert!(is_hit);
}

fn hit_borrowed(world: &mut World, nth: usize) {
    let value = world.segment.get(&world.keys[nth]).expect("it is there");
    black_box((value.first(), value.last()));
}

fn hit_batch(world: &mut World, nth: usize) {
    batch(world, &world.keys, nth, true);
}

fn miss_batch(world: &mut World, nth: usize) {
    batch(world, &world.absent, nth, false);
}

/// A whole batch each [`BATCH`] times, nothing in between: the mean is that of a key.
fn batch(world: &World, names: &[Vec<u8>], nth: usize, are_hits: bool) {
    if nth.is_multiple_of(BATCH) {
        let mut keys: [&[u8]; BATCH] = [&[]; BATCH];
        for (place, key) in keys.iter_mut().zip(&names[nth..]) {
            *place = key;
        }
        world.segment.get_many(&keys, |_, value| {
            assert_eq!(value.is_some(), are_hits);
        });
    }
}

fn hit_in_namespace(world: &mut World, nth: usize) {
    let is_hit = world.named.get_into(&world.keys[nth], &mut world.buffer);
    assert!(is_hit);
}

fn hit_tagged(world: &mut World, nth: usize) {
    let is_hit = world.segment.get_into(&world.tagged[nth], &mut world.buffer);
    assert!(is_hit);
}

fn miss(world: &mut World, nth: usize) {
    let is_hit = world.segment.get_into(&world.absent[nth], &mut world.buffer);
    assert!(!is_hit);
}

fn put_over(world: &mut World, nth: usize) {
    let put = world.segment.put(&world.keys[nth], &world.value, Expiry::never());
    put.expect("there is room");
}

fn put_new(world: &mut World, nth: usize) {
    let put = world
        .segment
        .put(&world.absent[nth], &world.value, Expiry::never());
    put.expect("there is room");
}

fn fill(world: &mut World, nth: usize) {
    let (key, token) = (&world.absent[nth], &world.tokens[nth]);
    let fill = world
        .segment
        .fill(key, &world.value, token, &PutOptions::default());
    fill.expect("there is room");
}

fn increment(world: &mut World, nth: usize) {
    let sum = world
        .segment
        .increment(&world.absent[nth], 1, Some(0), Expiry::never());
    sum.expect("a number");
}

#[inline(never)]
fn measured(path: Path, world: &mut World) {
    for nth in 0..KEYS {
        path(world, nth);
    }
}

fn numbered(kind: &str) -> Vec<Vec<u8>> {
    let name = |nth| format!("{kind}:{nth:08}:{:012x}", nth * 7_919);
    (0..KEYS).map(|nth| name(nth).into_bytes()).collect()
}

fn main() -> Result<(), Box<dyn Error>> {
    let names = || PATHS.map(|(name, ..)| name).join(", ");
    let wanted = std::env::args()
        .nth(1)
        .ok_or_else(|| format!("which path? {}", names()))?;
    if wanted == "--list" {
        PATHS.iter().for_each(|(name, ..)| println!("{name}"));
        return Ok(());
    }
    let (_, value_bytes, path) = *PATHS
        .iter()
        .find(|(name, ..)| *name == wanted)
        .ok_or_else(|| format!("no path {wanted:?}; there are: {}", names()))?;
    let segment = Segment::builder().size(32 << 20).private()?;
    let named = segment.namespace("named")?;
    let [keys, absent, tagged] = ["key", "not", "tag"].map(numbered);
    let value = vec![7; value_bytes];
    let mut buffer = Vec::with_capacity(2 * value_bytes);
    for (key, with_tag) in keys.iter().zip(&tagged) {
        segment.put(key, &value, Expiry::never())?;
        named.put(key, &value, Expiry::never())?;
        segment.put_with(with_tag, &value, &PutOptions::default().tags(&[b"tag"]))?;
        for _ in 0..READS_BEFORE {
            assert!(segment.get_into(key, &mut buffer));
            assert!(named.get_into(key, &mut buffer));
            assert!(segment.get_into(with_tag, &mut buffer));
        }
    }
    let tokens = absent.iter().map(|key| segment.fill_token(key)).collect();
    let mut world = World {
        segment,
        named,
        keys,
        absent,
        tagged,
        tokens,
        value,
        buffer,
    };
    measured(path, &mut world);
    println!("{KEYS}");
    Ok(())
}
