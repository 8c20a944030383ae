//! What a typed hit costs beside the engine's copy of the same bytes: decides whether keys and values
//! are encoded cheaply enough (at most 1.3 times). Run with `--release`.

#![forbid(unsafe_code)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use guira::Guira;
use guira::key::KeyBytes;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
struct Score {
    user: u64,
    points: f64,
    rank: u32,
}

const KEYS: u64 = 4096;
const HITS_PER_ROUND: u64 = 1 << 20;
const ROUNDS: usize = 9;

fn ns_per_hit(mut hit: impl FnMut(u64)) -> f64 {
    let begin = Instant::now();
    let mut key = 1_u64;
    for _ in 0..HITS_PER_ROUND {
        key = key
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        hit((key >> 33) % KEYS);
    }
    begin.elapsed().as_nanos() as f64 / HITS_PER_ROUND as f64
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let directory = tempfile::tempdir_in("/dev/shm")?;
    let guira = Guira::builder()
        .size(32 << 20)
        .open(directory.path().join("hit.guira"))?;
    let scores = guira.cache::<u64, Score>("scores");
    for user in 0..KEYS {
        let score = Score {
            user,
            points: user as f64,
            rank: 7,
        };
        scores.put(&user, &score, Duration::from_secs(3600))?;
    }
    let segment = scores.segment()?;
    let keys: Vec<KeyBytes> = (0..KEYS)
        .map(|key| KeyBytes::of(&key))
        .collect::<Result<_, _>>()?;
    let mut buffer = Vec::new();
    let mut ratios = Vec::new();
    for _ in 0..ROUNDS {
        let engine = ns_per_hit(|key| {
            let found = segment.get_into(&keys[key as usize], &mut buffer);
            black_box((found, &buffer));
        });
        let pinned = ns_per_hit(|key| {
            black_box(segment.get(&keys[key as usize]).map(|value| value.len()));
        });
        let encoded = ns_per_hit(|key| {
            black_box(KeyBytes::of(&black_box(key)).is_ok());
        });
        let typed = ns_per_hit(|key| {
            black_box(scores.get(&key).is_ok_and(|score| score.is_some()));
        });
        ratios.push(typed / engine);
        #[expect(clippy::print_stdout, reason = "it is what this program is for")]
        {
            println!("get_into {engine:.1} ns, get {pinned:.1} ns, key {encoded:.1} ns, typed {typed:.1} ns");
        }
    }
    ratios.sort_by(f64::total_cmp);
    #[expect(clippy::print_stdout, reason = "it is what this program is for")]
    {
        println!("typed / get_into: median {:.2}", ratios[ROUNDS / 2]);
    }
    Ok(())
}
