//! What a memoized hit costs beside the engine's read of the same bytes, in interleaved rounds: decides whether keys,
//! counters and the first look are cheap enough (at most 1.5 times; an async hit at most 60 ns more).
//!
//! `cargo run --release -p guira --example memoized_hit`

#![forbid(unsafe_code)]

use std::hint::black_box;
use std::io::Write;
use std::pin::pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use guira::{Guira, Lifetime};
use guira_segment::Expiry;
use serde::{Deserialize, Serialize};

const KEYS: u64 = 10_000;
const ROUNDS: usize = 41;
const READS: u64 = 200_000;
const TTL: Duration = Duration::from_secs(3600);

#[derive(Serialize, Deserialize, Clone, Copy, Debug)]
struct Point {
    id: u64,
    x: f64,
    y: f64,
}

fn point(id: u64) -> Point {
    Point {
        id,
        x: id as f64,
        y: 0.5,
    }
}

fn ns_of(mut read: impl FnMut(u64)) -> f64 {
    let began = Instant::now();
    let mut key = 1_u64;
    for _ in 0..READS {
        key = key
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        read((key >> 33) % KEYS);
    }
    began.elapsed().as_nanos() as f64 / READS as f64
}

fn median(mut laps: Vec<f64>) -> f64 {
    laps.sort_by(f64::total_cmp);
    laps.get(laps.len() / 2).copied().unwrap_or(f64::NAN)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let guira = Guira::builder().size(64 << 20).private()?;
    let points = guira.memoize("points").function(point);
    let awaited = guira
        .memoize("points")
        .async_function(|id: u64| async move { point(id) });
    let fresh = guira
        .memoize("fresh")
        .ttl(TTL)
        .refresh_after(TTL / 2)
        .function(point);
    let typed = guira.cache::<u64, Point>("typed");
    let raw = guira.segment().clone();
    // Apart from that one, whose keys are the same.
    let dated = guira_segment::Segment::builder().size(64 << 20).private()?;
    let named = points.cache()?.segment()?.clone();
    let mut keys = Vec::new();
    let mut buffer = Vec::new();
    for id in 0..KEYS {
        points.get(id);
        fresh.get(id);
        typed.put(&id, &point(id), Lifetime::never())?;
        let key = points.key(&id)?;
        named.get_into(&key, &mut buffer);
        raw.put(&key, &buffer, Expiry::never())?;
        dated.put(&key, &buffer, Expiry::after(TTL).soft(TTL / 2))?;
        keys.push(key);
    }
    let key_of = |id: u64| keys.get(id as usize).map_or(&[][..], |key| key);
    let mut copy = |segment: &guira_segment::Segment, id| {
        segment.get_into(key_of(id), &mut buffer);
        black_box(&buffer);
    };
    let mut context = Context::from_waker(Waker::noop());
    let mut laps: [Vec<f64>; 7] = Default::default();
    for _ in 0..ROUNDS {
        let round = [
            ns_of(|id| copy(&raw, id)),
            ns_of(|id| copy(&named, id)),
            ns_of(|id| copy(&dated, id)),
            ns_of(|id| drop(black_box(typed.get(&id)))),
            ns_of(|id| _ = black_box(points.get(id))),
            ns_of(|id| _ = black_box(fresh.get(id))),
            ns_of(|id| {
                let Poll::Ready(point) = pin!(awaited.get(id)).poll(&mut context) else {
                    unreachable!("it is there")
                };
                black_box(point);
            }),
        ];
        for (laps, ns) in laps.iter_mut().zip(round) {
            laps.push(ns);
        }
    }
    let [raw, named, dated, typed, memoized, memoized_dated, awaited] = laps.map(median);
    let mut output = std::io::stdout().lock();
    for (name, ns, base) in [
        ("get_into", raw, raw),
        ("get_into in a namespace", named, raw),
        ("get_into with deadlines", dated, raw),
        ("Cache::get", typed, raw),
        ("Memoized::get", memoized, raw),
        ("Memoized::get with deadlines", memoized_dated, dated),
        ("AsyncMemoized::get", awaited, raw),
    ] {
        writeln!(output, "{name:30} {ns:7.1} ns  x{:.2}", ns / base)?;
    }
    Ok(())
}
