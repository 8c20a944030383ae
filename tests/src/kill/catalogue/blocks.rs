//! Writes for which room must be made: large values, a full index, a full log, gaps, generations
//! that wrap.

use guira_segment::Expiry;

use super::answered;
use crate::kill::effect::{Answer, Effect, Value};
use crate::kill::image::{Image, LARGE_BYTES, keys};
use crate::kill::scene::Scene;
use crate::kill::survivors::put_answer;
use crate::kill::victim::Victim;

const NEW: &[u8] = b"123456";

pub(super) const SCENES: &[Scene] = &[
    Scene::on_key(
        "put large: a new key",
        Image::Roomy,
        keys::ABSENT,
        large,
        |victim| put_large(victim, keys::ABSENT),
    ),
    Scene::on_key(
        "put large: over a large value",
        Image::Roomy,
        keys::LARGE,
        large,
        |victim| put_large(victim, keys::LARGE),
    ),
    Scene::on_key(
        "put large: into a full log",
        Image::FullLog,
        keys::ABSENT,
        large,
        |victim| put_large(victim, keys::ABSENT),
    ),
    Scene::on_key(
        "put large: where generations wrap",
        Image::Wrapping,
        keys::ABSENT,
        large,
        |victim| put_large(victim, keys::ABSENT),
    ),
    Scene::on_key(
        "put large: many into a full log",
        Image::FullLog,
        keys::ABSENT,
        large,
        put_many_large,
    ),
    Scene::on_key(
        "put: into a full index",
        Image::FullIndex,
        keys::ABSENT,
        put_new,
        |victim| burst(victim, 12, 20),
    ),
    Scene::on_key(
        "put: into a full log",
        Image::FullLog,
        keys::ABSENT,
        put_new,
        |victim| burst(victim, 1, 300),
    ),
    Scene::on_key(
        "put: burst into a full log",
        Image::FullLog,
        keys::ABSENT,
        put_new,
        |victim| burst(victim, 60, 300),
    ),
    Scene::on_key(
        "put: burst into a log whose values are read",
        Image::FullLog,
        keys::ABSENT,
        put_new,
        burst_after_reads,
    ),
    Scene::on_key(
        "put: burst where there are gaps",
        Image::Gaps,
        keys::ABSENT,
        put_new,
        |victim| burst_over(victim, 40),
    ),
    Scene::on_key(
        "put: burst where generations wrap",
        Image::Wrapping,
        keys::ABSENT,
        put_new,
        |victim| burst(victim, 260, 900),
    ),
    Scene::on_key(
        "put: burst of short-lived values",
        Image::FullLog,
        keys::ABSENT,
        put_new,
        burst_of_short_lived,
    ),
    Scene::on_key(
        "put: over keys that were evicted",
        Image::FullLog,
        keys::ABSENT,
        put_new,
        put_evicted_again,
    ),
    Scene::on_key(
        "put: over a value where generations wrap",
        Image::Wrapping,
        keys::KEPT,
        || Effect::Put(Value::of(NEW)),
        |victim| {
            let segment = victim.segment();
            victim.armed(|| answered(segment.put(keys::KEPT, NEW, Expiry::never()), put_answer))
        },
    ),
    Scene::on_key(
        "remove: where generations wrap",
        Image::Wrapping,
        keys::KEPT,
        || Effect::Remove,
        |victim| {
            let segment = victim.segment();
            if victim.armed(|| segment.remove(keys::KEPT)) {
                Answer::Done
            } else {
                Answer::Refused
            }
        },
    ),
    Scene::on_key(
        "put: burst until the log is full",
        Image::Roomy,
        keys::ABSENT,
        put_new,
        |victim| burst(victim, 300, 900),
    )
    .evicting(),
    Scene::on_key(
        "put: burst of half blocks where there are gaps",
        Image::Gaps,
        keys::ABSENT,
        put_new,
        |victim| burst(victim, 60, 960),
    )
    .evicting(),
    Scene::on_key(
        "put: burst after removals",
        Image::FullLog,
        keys::ABSENT,
        put_new,
        burst_after_removals,
    ),
    Scene::on_key(
        "put: burst beside large values that are read",
        Image::FullLog,
        keys::ABSENT,
        put_new,
        burst_beside_large,
    ),
];

fn put_new() -> Effect {
    Effect::PutAtLast(Value::of(NEW))
}

fn large() -> Effect {
    Effect::PutAtLast(Value::of(&[b'n'; LARGE_BYTES]))
}

fn put_large(victim: &mut Victim<'_>, key: &[u8]) -> Answer {
    let segment = victim.segment();
    victim.armed(|| {
        answered(
            segment.put(key, &[b'n'; LARGE_BYTES], Expiry::never()),
            put_answer,
        )
    })
}

fn put_many_large(victim: &mut Victim<'_>) -> Answer {
    let segment = victim.segment();
    victim.armed(|| {
        for n in 0..16_usize {
            let bytes = LARGE_BYTES + n * 1_000;
            // Read, so that it is kept at its first turn.
            let key = format!("large{}", n % 5);
            let _ = segment.put(key.as_bytes(), &vec![b'l'; bytes], Expiry::never());
            drop(segment.get(key.as_bytes()));
        }
        answered(
            segment.put(keys::ABSENT, &[b'n'; LARGE_BYTES], Expiry::never()),
            put_answer,
        )
    })
}

fn burst(victim: &mut Victim<'_>, puts: usize, value_bytes: usize) -> Answer {
    let segment = victim.segment();
    victim.armed(|| {
        for n in 1..puts {
            let _ = segment.put(
                format!("burst{n}").as_bytes(),
                &vec![b'b'; value_bytes],
                Expiry::never(),
            );
        }
        answered(segment.put(keys::ABSENT, NEW, Expiry::never()), put_answer)
    })
}

/// The keys of the image again and again: what they held becomes a gap.
fn burst_over(victim: &mut Victim<'_>, puts: usize) -> Answer {
    let segment = victim.segment();
    victim.armed(|| {
        for n in 0..puts {
            let value = format!("g{}", n % 40).repeat(120);
            let put = segment.put(
                format!("h{}", n % 8).as_bytes(),
                value.as_bytes(),
                Expiry::never(),
            );
            put.expect("gaps make room");
        }
        answered(segment.put(keys::ABSENT, NEW, Expiry::never()), put_answer)
    })
}

fn burst_after_reads(victim: &mut Victim<'_>) -> Answer {
    let segment = victim.segment();
    for _ in 0..3 {
        for n in 0..1_200 {
            drop(segment.get(format!("f{n}").as_bytes()));
        }
    }
    victim.armed(|| {
        for n in 0..120 {
            let _ = segment.put(format!("burst{n}").as_bytes(), &[b'b'; 300], Expiry::never());
        }
        answered(segment.put(keys::ABSENT, NEW, Expiry::never()), put_answer)
    })
}

fn burst_of_short_lived(victim: &mut Victim<'_>) -> Answer {
    let segment = victim.segment();
    for n in 0..120 {
        let expiry = Expiry::after(std::time::Duration::from_millis(1));
        let _ = segment.put(format!("short{n}").as_bytes(), &[b's'; 300], expiry);
    }
    while segment.contains(b"short119") {
        std::thread::yield_now();
    }
    victim.armed(|| {
        for n in 0..120 {
            let _ = segment.put(format!("burst{n}").as_bytes(), &[b'b'; 300], Expiry::never());
        }
        answered(segment.put(keys::ABSENT, NEW, Expiry::never()), put_answer)
    })
}

/// Keys that were evicted unread are remembered, and go to the main pool when they come again.
fn put_evicted_again(victim: &mut Victim<'_>) -> Answer {
    let segment = victim.segment();
    let gone: Vec<String> = (0..1_200)
        .rev()
        .map(|n| format!("f{n}"))
        .filter(|key| !segment.contains(key.as_bytes()))
        .take(120)
        .collect();
    assert!(!gone.is_empty(), "a full log has evicted something");
    victim.armed(|| {
        for key in &gone {
            let _ = segment.put(key.as_bytes(), &[b'a'; 300], Expiry::never());
        }
        answered(segment.put(keys::ABSENT, NEW, Expiry::never()), put_answer)
    })
}

/// So much is removed that nothing has to be evicted for a while.
fn burst_after_removals(victim: &mut Victim<'_>) -> Answer {
    let segment = victim.segment();
    for n in 0..1_200 {
        if n % 3 > 0 {
            segment.remove(format!("f{n}").as_bytes());
        }
    }
    burst(victim, 200, 300)
}

/// Large values that were read take another turn where they are.
fn burst_beside_large(victim: &mut Victim<'_>) -> Answer {
    let segment = victim.segment();
    for n in 0..4 {
        let key = format!("large{n}");
        let put = segment.put(key.as_bytes(), &[b'l'; LARGE_BYTES], Expiry::never());
        assert!(put.is_ok(), "a run can be had: {put:?}");
        drop(segment.get(key.as_bytes()));
    }
    victim.armed(|| {
        for n in 0..260 {
            let _ = segment.put(format!("burst{n}").as_bytes(), &[b'b'; 900], Expiry::never());
        }
        answered(segment.put(keys::ABSENT, NEW, Expiry::never()), put_answer)
    })
}
