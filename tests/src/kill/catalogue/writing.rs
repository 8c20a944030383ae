//! Writes of one key where there is room: put, add, replace, swap, increment, append, touch, expire,
//! fill.

use std::time::Duration;

use guira_segment::{Expiry, Lookup, PutOptions, Swap};

use super::answered;
use crate::kill::effect::{Answer, Effect, Value};
use crate::kill::image::{Image, SIDE, keys};
use crate::kill::scene::Scene;
use crate::kill::survivors::{add_answer, fill_answer, put_answer, replace_answer};
use crate::kill::victim::Victim;

const NEW: &[u8] = b"123456";
const DAY: Duration = Duration::from_secs(86_400);

pub(super) const SCENES: &[Scene] = &[
    Scene::on_key("put: a new key", Image::Roomy, keys::ABSENT, put_new, |victim| {
        put(victim, keys::ABSENT)
    }),
    Scene::on_key(
        "put: over a value",
        Image::Roomy,
        keys::NUMBER,
        put_new,
        |victim| put(victim, keys::NUMBER),
    ),
    Scene::on_key(
        "put: over a stale value",
        Image::Roomy,
        keys::STALE,
        put_new,
        |victim| put(victim, keys::STALE),
    ),
    Scene::on_key(
        "put: over an expired value",
        Image::Roomy,
        keys::EXPIRED,
        put_new,
        |victim| put(victim, keys::EXPIRED),
    ),
    Scene::on_key(
        "put: over a value whose tag was invalidated",
        Image::Roomy,
        keys::SWEPT,
        put_new,
        |victim| put(victim, keys::SWEPT),
    ),
    Scene::on_key(
        "put: over a large value",
        Image::Roomy,
        keys::LARGE,
        put_new,
        |victim| put(victim, keys::LARGE),
    ),
    Scene::on_key(
        "put: with checks",
        Image::Checked,
        keys::NUMBER,
        put_new,
        |victim| put(victim, keys::NUMBER),
    ),
    Scene::on_key(
        "put: with tags and a deadline",
        Image::Roomy,
        keys::ABSENT,
        || Effect::Put(limited()),
        put_limited,
    ),
    Scene::on_key(
        "put: in a private lane",
        Image::Roomy,
        keys::ABSENT,
        put_new,
        put_in_private_lane,
    ),
    Scene::on_key(
        "put: begins a private lane",
        Image::Roomy,
        keys::ABSENT,
        put_new,
        put_begins_private_lane,
    ),
    Scene::on_key(
        "put: fills a private lane",
        Image::Roomy,
        keys::NUMBER,
        || Effect::PutAtLast(Value::of(NEW)),
        put_fills_private_lane,
    ),
    Scene::on_key(
        "put: holding values",
        Image::Roomy,
        keys::NUMBER,
        put_new,
        put_holding_values,
    ),
    Scene::on_key(
        "put: twice in a row",
        Image::Roomy,
        keys::NUMBER,
        put_new,
        put_twice,
    ),
    Scene::on_key("add: a new key", Image::Roomy, keys::ABSENT, add_new, |victim| {
        add(victim, keys::ABSENT)
    }),
    Scene::on_key(
        "add: a key that exists",
        Image::Roomy,
        keys::NUMBER,
        add_new,
        |victim| add(victim, keys::NUMBER),
    ),
    Scene::on_key(
        "add: an expired key",
        Image::Roomy,
        keys::EXPIRED,
        add_new,
        |victim| add(victim, keys::EXPIRED),
    ),
    Scene::on_key(
        "replace: a value",
        Image::Roomy,
        keys::NUMBER,
        || Effect::Replace(Value::of(NEW)),
        |victim| replace(victim, keys::NUMBER),
    ),
    Scene::on_key(
        "replace: no value",
        Image::Roomy,
        keys::ABSENT,
        || Effect::Replace(Value::of(NEW)),
        |victim| replace(victim, keys::ABSENT),
    ),
    Scene::on_key(
        "swap: the version",
        Image::Roomy,
        keys::NUMBER,
        || Effect::Swap(b"10".to_vec(), Value::of(NEW)),
        |victim| swap(victim, false),
    ),
    Scene::on_key(
        "swap: another version",
        Image::Roomy,
        keys::NUMBER,
        || Effect::Swap(b"other".to_vec(), Value::of(NEW)),
        |victim| swap(victim, true),
    ),
    Scene::on_key(
        "increment: a number",
        Image::Roomy,
        keys::NUMBER,
        || Effect::Increment(5, Some(1)),
        |victim| increment(victim, keys::NUMBER),
    ),
    Scene::on_key(
        "increment: with checks",
        Image::Checked,
        keys::NUMBER,
        || Effect::Increment(5, Some(1)),
        |victim| increment(victim, keys::NUMBER),
    ),
    Scene::on_key(
        "increment: no value",
        Image::Roomy,
        keys::ABSENT,
        || Effect::Increment(5, Some(1)),
        |victim| increment(victim, keys::ABSENT),
    ),
    Scene::on_key(
        "increment: an expired number",
        Image::Roomy,
        keys::EXPIRED,
        || Effect::Increment(5, Some(1)),
        |victim| increment(victim, keys::EXPIRED),
    ),
    Scene::on_key(
        "append: to a value",
        Image::Roomy,
        keys::NUMBER,
        || Effect::Append(b"77".to_vec()),
        |victim| append(victim, keys::NUMBER),
    ),
    Scene::on_key(
        "append: to a large value",
        Image::Roomy,
        keys::LARGE,
        || Effect::Append(b"77".to_vec()),
        |victim| append(victim, keys::LARGE),
    ),
    Scene::on_key(
        "append: to no value",
        Image::Roomy,
        keys::ABSENT,
        || Effect::Append(b"77".to_vec()),
        |victim| append(victim, keys::ABSENT),
    ),
    Scene::on_key(
        "touch: a value",
        Image::Roomy,
        keys::STALE,
        || Effect::Touch,
        touch,
    ),
    Scene::on_key(
        "expire: a value",
        Image::Roomy,
        keys::NUMBER,
        || Effect::Expire,
        |victim| expire(victim, keys::NUMBER),
    ),
    Scene::on_key(
        "expire: no value",
        Image::Roomy,
        keys::ABSENT,
        || Effect::Expire,
        |victim| expire(victim, keys::ABSENT),
    ),
    Scene::on_key("fill: a miss", Image::Roomy, keys::ABSENT, fill_new, |victim| {
        fill(victim, keys::ABSENT)
    }),
    Scene::on_key(
        "fill: an expired value",
        Image::Roomy,
        keys::EXPIRED,
        fill_new,
        |victim| fill(victim, keys::EXPIRED),
    ),
    Scene::on_key(
        "fill: a stale value",
        Image::Roomy,
        keys::STALE,
        || Effect::Refresh(b"old".to_vec(), Value::of(NEW)),
        |victim| fill(victim, keys::STALE),
    ),
    Scene::quiet("put: in a named namespace", Image::Roomy, |victim| {
        let side = victim.segment().namespace(SIDE).expect("it exists");
        let _ = victim.armed(|| side.put(b"own", NEW, Expiry::never()));
        Answer::Done
    }),
];

fn put_new() -> Effect {
    Effect::Put(Value::of(NEW))
}

fn add_new() -> Effect {
    Effect::Add(Value::of(NEW))
}

fn fill_new() -> Effect {
    Effect::Fill(Value::of(NEW))
}

fn limited() -> Value {
    Value {
        is_limited: true,
        ..Value::of(NEW)
    }
}

fn put(victim: &mut Victim<'_>, key: &[u8]) -> Answer {
    let segment = victim.segment();
    victim.armed(|| answered(segment.put(key, NEW, Expiry::never()), put_answer))
}

fn put_limited(victim: &mut Victim<'_>) -> Answer {
    let segment = victim.segment();
    let tags: [&[u8]; 2] = [b"red", b"blue"];
    let expiry = Expiry::after(DAY).soft(DAY / 2);
    let options = PutOptions::default().tags(&tags).aligned(true).expiry(expiry);
    victim.armed(|| answered(segment.put_with(keys::ABSENT, NEW, &options), put_answer))
}

/// Writes so much that the next put goes to a lane of this thread's own.
fn write_half_a_block(segment: &guira_segment::Segment) {
    for n in 0..3 {
        let put = segment.put(format!("own{n}").as_bytes(), &[b'o'; 300], Expiry::never());
        put.expect("there is room");
    }
}

fn put_begins_private_lane(victim: &mut Victim<'_>) -> Answer {
    let segment = victim.segment();
    write_half_a_block(&segment);
    victim.armed(|| answered(segment.put(keys::ABSENT, NEW, Expiry::never()), put_answer))
}

fn put_in_private_lane(victim: &mut Victim<'_>) -> Answer {
    let segment = victim.segment();
    write_half_a_block(&segment);
    let first = segment.put(b"own", b"begins it", Expiry::after(DAY));
    first.expect("there is room");
    victim.armed(|| answered(segment.put(keys::ABSENT, NEW, Expiry::never()), put_answer))
}

fn put_fills_private_lane(victim: &mut Victim<'_>) -> Answer {
    let segment = victim.segment();
    write_half_a_block(&segment);
    victim.armed(|| {
        for n in 0..14 {
            let expiry = Expiry::after(DAY + Duration::from_secs(n));
            let put = segment.put(format!("more{n}").as_bytes(), &[b'm'; 300], expiry);
            put.expect("there is room");
        }
        answered(segment.put(keys::NUMBER, NEW, Expiry::never()), put_answer)
    })
}

fn put_holding_values(victim: &mut Victim<'_>) -> Answer {
    let segment = victim.segment();
    let held: Vec<_> = ["by0", "by5", "by9", "tagged"]
        .iter()
        .filter_map(|key| segment.get(key.as_bytes()))
        .collect();
    let before: Vec<Vec<u8>> = held.iter().map(|value| value.to_vec()).collect();
    let answer = victim.armed(|| answered(segment.put(keys::NUMBER, NEW, Expiry::never()), put_answer));
    for (value, before) in held.iter().zip(before) {
        assert_eq!(**value, *before, "a value that is held does not change");
    }
    answer
}

fn put_twice(victim: &mut Victim<'_>) -> Answer {
    let segment = victim.segment();
    let first = segment.put(b"own", NEW, Expiry::never());
    assert_eq!(first, Ok(guira_segment::Put::Stored));
    victim.armed(|| answered(segment.put(keys::NUMBER, NEW, Expiry::never()), put_answer))
}

fn add(victim: &mut Victim<'_>, key: &[u8]) -> Answer {
    let segment = victim.segment();
    victim.armed(|| answered(segment.add(key, NEW, &PutOptions::default()), add_answer))
}

fn replace(victim: &mut Victim<'_>, key: &[u8]) -> Answer {
    let segment = victim.segment();
    victim.armed(|| answered(segment.replace(key, NEW, &PutOptions::default()), replace_answer))
}

fn swap(victim: &mut Victim<'_>, is_other: bool) -> Answer {
    let segment = victim.segment();
    let seen: &[u8] = if is_other { b"by0" } else { keys::NUMBER };
    let version = segment.metadata(seen).expect("it is there").version;
    victim.armed(|| {
        let swap = segment.compare_and_swap(keys::NUMBER, version, NEW, &PutOptions::default());
        answered(swap, |swap| match swap {
            Swap::Stored => Answer::Done,
            Swap::Conflict(_) | Swap::NotFound => Answer::Refused,
            Swap::Superseded => Answer::Superseded,
        })
    })
}

fn increment(victim: &mut Victim<'_>, key: &[u8]) -> Answer {
    let segment = victim.segment();
    victim.armed(|| {
        answered(
            segment.increment(key, 5, Some(1), Expiry::never()),
            |sum| match sum {
                Some(_) => Answer::Done,
                None => Answer::Refused,
            },
        )
    })
}

fn append(victim: &mut Victim<'_>, key: &[u8]) -> Answer {
    let segment = victim.segment();
    victim.armed(|| answered(segment.append(key, b"77"), replace_answer))
}

fn touch(victim: &mut Victim<'_>) -> Answer {
    let segment = victim.segment();
    victim.armed(|| answered(segment.touch(keys::STALE, Expiry::after(DAY)), replace_answer))
}

fn expire(victim: &mut Victim<'_>, key: &[u8]) -> Answer {
    let segment = victim.segment();
    victim.armed(|| {
        if segment.expire(key) {
            Answer::Done
        } else {
            Answer::Refused
        }
    })
}

fn fill(victim: &mut Victim<'_>, key: &[u8]) -> Answer {
    let segment = victim.segment();
    let token = match segment.lookup(key) {
        Lookup::Miss(token) | Lookup::Stale(_, token) => token,
        Lookup::Hit(_) => panic!("the key is due for a computation"),
    };
    victim.armed(|| {
        answered(
            segment.fill(key, NEW, &token, &PutOptions::default()),
            fill_answer,
        )
    })
}
