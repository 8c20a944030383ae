//! Compression, encryption, signatures.

use guira::codec::Text;
use guira::transform::KeyRing;
use guira::{Cache, CacheBuilder, CodecError, Error, Guira, Lifetime, Mismatch};

use crate::kinds::guira_with_clock;

type Texts = Cache<u64, String, Text>;
type Builder = CacheBuilder<u64, String, Text>;

fn open(guira: &Guira, set: impl FnOnce(Builder) -> Builder) -> Texts {
    let builder = guira.cache_builder("t").codec(Text).mismatch(Mismatch::Error);
    set(builder).build().expect("name")
}

fn put(cache: &Texts, text: &str) -> Vec<u8> {
    cache.put(&1, &text.to_owned(), Lifetime::never()).expect("room");
    let key = cache.key_bytes(&1).expect("key");
    cache
        .segment()
        .expect("name")
        .get(&key)
        .expect("just put")
        .to_vec()
}

fn put_bytes(cache: &Texts, key: u64, bytes: &[u8]) {
    let key = cache.key_bytes(&key).expect("key");
    let segment = cache.segment().expect("name");
    segment
        .put(&key, bytes, guira_segment::Expiry::never())
        .expect("room");
}

fn ring() -> KeyRing {
    KeyRing::new(1, [7; 32])
}

type Set = fn(Builder) -> Builder;

const SETTINGS: &[(&str, Set)] = &[
    ("plain", |builder| builder),
    ("lz4", |builder| builder.compress_lz4(100)),
    ("zstd", |builder| builder.compress_zstd(100, 3)),
    ("encrypted", |builder| builder.encrypt(ring())),
    ("signed", |builder| builder.sign(ring())),
    ("lz4, encrypted", |builder| {
        builder.compress_lz4(100).encrypt(ring())
    }),
    ("zstd, signed", |builder| {
        builder.compress_zstd(100, 19).sign(ring())
    }),
];

fn texts() -> Vec<String> {
    let noise: String = (0..10_000_u32)
        .map(|n| char::from_u32(0x4e00 + n.wrapping_mul(2_654_435_761) % 20_000).expect("a character"))
        .collect();
    vec![
        String::new(),
        "short".to_owned(),
        "again and ".repeat(10_000),
        noise,
    ]
}

#[test]
fn every_stack_of_transforms_gives_back_what_was_put() {
    let (guira, _clock) = guira_with_clock();
    for (name, set) in SETTINGS {
        let cache = open(&guira, set);
        for text in texts() {
            put(&cache, &text);
            assert_eq!(cache.get(&1).expect(name), Some(text), "{name}");
        }
    }
}

#[test]
fn what_is_large_and_repeats_is_compressed_and_nothing_else() {
    let (guira, _clock) = guira_with_clock();
    let [_, short, repeating, _]: [String; 4] = texts().try_into().expect("four");
    for set in [SETTINGS[1].1, SETTINGS[2].1] {
        let cache = open(&guira, set);
        assert_eq!(put(&cache, &short), b"\x81short");
        assert!(put(&cache, &repeating).len() < 2_000);
        // Whoever does not compress reads it, too.
        assert_eq!(
            open(&guira, |builder| builder).get(&1).expect("a hit"),
            Some(repeating.clone())
        );
    }
}

#[test]
fn one_seal_is_never_taken_for_another_or_for_none() {
    let (guira, _clock) = guira_with_clock();
    for (writer, set_writer) in SETTINGS {
        put(&open(&guira, set_writer), "text");
        for (reader, set_reader) in SETTINGS {
            let seal = |name: &str| (name.contains("encrypted"), name.contains("signed"));
            let found = open(&guira, set_reader).get(&1);
            if seal(writer) == seal(reader) {
                assert_eq!(found.expect(writer).as_deref(), Some("text"));
            } else {
                let refused = found.expect_err("another seal");
                assert!(
                    matches!(refused, Error::Codec(CodecError::Mismatch { .. })),
                    "{writer} by {reader}: {refused}"
                );
            }
        }
    }
}

#[test]
fn a_sealed_value_is_refused_if_one_bit_is_not_as_it_was() {
    let (guira, _clock) = guira_with_clock();
    for (name, set) in &SETTINGS[3..] {
        let cache = open(&guira, set);
        let text = "again and ".repeat(20);
        let stored = put(&cache, &text);
        assert!(!name.contains("encrypted") || !stored.windows(5).any(|part| part == b"again"));
        for bit in 0..stored.len() * 8 {
            let mut flipped = stored.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            put_bytes(&cache, 1, &flipped);
            assert!(cache.get(&1).is_err(), "{name}: bit {bit}");
        }
        for cut in 0..stored.len() {
            put_bytes(&cache, 1, &stored[..cut]);
            assert!(cache.get(&1).is_err(), "{name}: cut to {cut}");
        }
        put_bytes(&cache, 1, &stored);
        assert_eq!(cache.get(&1).expect("a hit"), Some(text));
    }
}

#[test]
fn a_sealed_value_belongs_to_its_key_and_its_cache() {
    let (guira, _clock) = guira_with_clock();
    for (name, set) in &SETTINGS[3..] {
        let cache = open(&guira, set);
        let stored = put(&cache, "text");
        put_bytes(&cache, 2, &stored);
        assert!(cache.get(&2).is_err(), "{name}");
        let other = guira.cache_builder("other").codec(Text).mismatch(Mismatch::Error);
        let other = set(other).build().expect("name");
        put_bytes(&other, 1, &stored);
        assert!(other.get(&1).is_err(), "{name}");
    }
}

#[test]
fn the_same_text_is_encrypted_to_other_bytes_each_time() {
    let (guira, _clock) = guira_with_clock();
    let cache = open(&guira, |builder| builder.encrypt(ring()));
    let (one, other) = (put(&cache, "text"), put(&cache, "text"));
    assert_eq!(one.len(), other.len());
    assert_ne!(one, other);
}

#[test]
fn keys_are_changed_without_losing_what_the_old_one_sealed() {
    let (guira, _clock) = guira_with_clock();
    let new = KeyRing::new(2, [8; 32]);
    let both = new.clone().retired(1, [7; 32]).expect("another number");
    for seal in [Builder::encrypt, Builder::sign] {
        put(&open(&guira, |builder| seal(builder, ring())), "old");
        assert_eq!(
            open(&guira, |builder| seal(builder, both.clone()))
                .get(&1)
                .expect("a hit")
                .as_deref(),
            Some("old")
        );
        let refused = open(&guira, |builder| seal(builder, new.clone())).get(&1);
        let refused = refused.expect_err("the ring has it not");
        assert!(refused.to_string().contains("no key 1"), "{refused}");
        put(&open(&guira, |builder| seal(builder, both.clone())), "new");
        assert!(open(&guira, |builder| seal(builder, ring())).get(&1).is_err());
        assert!(open(&guira, |builder| seal(builder, new.clone())).get(&1).is_ok());
        // Another key of the same number.
        let wrong = KeyRing::new(2, [9; 32]);
        assert!(open(&guira, |builder| seal(builder, wrong)).get(&1).is_err());
    }
}

#[test]
fn a_length_that_nothing_has_is_not_made_room_for() {
    let (guira, _clock) = guira_with_clock();
    for (kind, rest) in [(1_u8, [0x1f; 9]), (2, [0; 9])] {
        let cache = open(&guira, |builder| builder);
        let mut stored = vec![0x80 | 0x20 | 1, kind];
        stored.extend_from_slice(&u32::MAX.to_le_bytes());
        stored.extend_from_slice(&rest);
        put_bytes(&cache, 1, &stored);
        let refused = cache.get(&1).expect_err("nothing is as long");
        assert!(refused.to_string().contains("claim"), "{refused}");
    }
}

#[test]
fn what_is_transformed_is_not_appended_to() {
    let (guira, _clock) = guira_with_clock();
    for (name, set) in &SETTINGS[1..] {
        let cache = open(&guira, set);
        let text = "again and ".repeat(20);
        put(&cache, &text);
        let refused = cache.append(&1, "again").expect_err(name);
        assert!(
            matches!(refused, Error::Codec(CodecError::NotInPlace { .. })),
            "{refused}"
        );
        assert_eq!(cache.get(&1).expect("a hit"), Some(text));
    }
}

#[test]
fn counters_are_not_transformed() {
    let (guira, _clock) = guira_with_clock();
    let counters = guira.cache_builder::<u64, i64>("c").codec(guira::codec::Number);
    let refused = counters
        .encrypt(ring())
        .build()
        .expect_err("they are added to in place");
    assert!(matches!(refused, Error::Setup { .. }));
    assert!(refused.to_string().contains("counters"), "{refused}");
}

#[test]
fn what_a_computation_took_is_kept_beside_the_value() {
    use std::time::Duration;

    let (guira, _clock) = guira_with_clock();
    for (name, set) in SETTINGS {
        let cache = open(&guira, set);
        for text in texts() {
            let cost = Duration::from_micros(1_234_567);
            let key = cache.key_bytes(&1).expect("key");
            let stored = cache
                .with_encoded_cost(&key, &text, cost, |bytes| Ok::<_, Error>(bytes.to_vec()))
                .expect("it has an encoding");
            assert_eq!(cache.cost_of(&stored), Some(cost), "{name}");
            assert_eq!(cache.decode(&key, &stored).expect(name), Some(text), "{name}");
        }
        let plain = put(&cache, "text");
        assert_eq!(cache.cost_of(&plain), None, "{name}");
    }
}
