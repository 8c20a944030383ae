//! What a hit of decoded values costs beside a table of one process that asks nobody: decides whether asking
//! the segment on every hit is cheap enough (at most 1.3 times). Run with `--release`.

#![forbid(unsafe_code)]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Instant;

use guira::Guira;
use guira::store::Decoded;

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
        .open(directory.path().join("decoded.guira"))?;
    let cache = guira.cache::<u64, (u64, String)>("scores");
    let table = quick_cache::sync::Cache::<u64, Arc<(u64, String)>>::new(2 * KEYS as usize);
    for key in 0..KEYS {
        let value = (key, format!("user {key}"));
        cache.put(&key, &value, guira::Lifetime::never())?;
        table.insert(key, Arc::new(value));
    }
    let decoded = Decoded::new(cache.clone(), 2 * KEYS as usize);
    let mut ratios = Vec::new();
    for _ in 0..ROUNDS {
        let alone = ns_per_hit(|key| {
            black_box(table.get(&key));
        });
        let watched = ns_per_hit(|key| {
            black_box(decoded.get_shared(&key).is_ok_and(|value| value.is_some()));
        });
        let typed = ns_per_hit(|key| {
            black_box(cache.get(&key).is_ok_and(|value| value.is_some()));
        });
        ratios.push(watched / alone);
        #[expect(clippy::print_stdout, reason = "it is what this program is for")]
        {
            println!("quick_cache {alone:.1} ns, decoded {watched:.1} ns, Cache::get {typed:.1} ns");
        }
    }
    ratios.sort_by(f64::total_cmp);
    #[expect(clippy::print_stdout, reason = "it is what this program is for")]
    {
        println!("decoded / quick_cache: median {:.2}", ratios[ROUNDS / 2]);
    }
    Ok(())
}
