//! Formats: round trips, stored bytes, types that changed.

use std::collections::BTreeMap;

use guira::codec::{Codec, Json, MessagePack, Postcard, Raw, Text};
use guira::{Cache, Lifetime};
use serde::{Deserialize, Serialize};

use crate::kinds::guira_with_clock;

#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
enum Shape {
    Point,
    Circle(f64),
    Polygon { corners: Vec<(i32, i32)> },
}

#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
struct Drawing {
    name: String,
    shapes: Vec<Shape>,
    layers: BTreeMap<String, Option<u64>>,
    parent: Option<Box<Drawing>>,
}

fn drawings() -> Vec<Drawing> {
    let empty = Drawing {
        name: String::new(),
        shapes: Vec::new(),
        layers: BTreeMap::new(),
        parent: None,
    };
    let full = Drawing {
        name: "m\u{fc}ll \u{1f980}".to_owned(),
        shapes: vec![
            Shape::Point,
            Shape::Circle(-0.5),
            Shape::Polygon {
                corners: vec![(i32::MIN, i32::MAX), (0, -1)],
            },
        ],
        layers: [("a".to_owned(), Some(u64::MAX)), ("b".to_owned(), None)].into(),
        parent: Some(Box::new(empty.clone())),
    };
    let large = Drawing {
        name: "x".repeat(100_000),
        ..full.clone()
    };
    vec![empty, full, large]
}

fn round_trip<C: Codec<Drawing>>(codec: C) {
    let (guira, _clock) = guira_with_clock();
    let cache = guira
        .cache_builder::<u64, Drawing>("x")
        .codec(codec)
        .build()
        .expect("name");
    for (key, drawing) in (0..).zip(drawings()) {
        cache.put(&key, &drawing, Lifetime::never()).expect("room");
        assert_eq!(cache.get(&key).expect("no error"), Some(drawing));
    }
}

#[test]
fn every_format_gives_back_what_was_put() {
    round_trip(Postcard);
    round_trip(Json);
    round_trip(MessagePack);
}

fn stored<V, C: Codec<V>>(cache: &Cache<u64, V, C>, value: &V) -> Vec<u8> {
    cache.put(&1, value, Lifetime::never()).expect("room");
    let segment = cache.segment().expect("name");
    let key = cache.key_bytes(&1).expect("key");
    segment.get(&key).expect("just put").to_vec()
}

#[test]
fn stored_values_have_the_bytes_that_are_written_down() {
    let (guira, _clock) = guira_with_clock();
    let raw = guira.cache_builder("x").codec(Raw).build().expect("name");
    assert_eq!(stored(&raw, &b"ab".to_vec()), b"\x80ab");
    let text = guira.cache_builder("x").codec(Text).build().expect("name");
    assert_eq!(stored(&text, &"ab".to_owned()), b"\x81ab");
    let json = guira.cache_builder("x").codec(Json).build().expect("name");
    assert_eq!(stored(&json, &(1_u8, "a".to_owned())), b"\x83[1,\"a\"]");
    let packed = guira.cache_builder("x").codec(MessagePack).build().expect("name");
    assert_eq!(stored(&packed, &Shape::Point), b"\x84\xa5Point");
    assert_eq!(stored(&guira.counters("x"), &-17), b"-17");
    let postcard = guira.cache::<u64, u32>("x");
    let bytes = stored(&postcard, &300);
    assert_eq!((bytes[0], &bytes[5..]), (0x92, &[0xac, 0x02][..]));
    let next = guira
        .cache_builder("x")
        .codec(Raw)
        .schema(1)
        .build()
        .expect("name");
    assert_eq!(stored(&next, &b"ab".to_vec()), b"\x90\xb1\x79\x37\x9eab");
}

#[test]
fn a_type_that_has_changed_does_not_read_what_the_old_one_wrote() {
    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    struct Old {
        user: u64,
        points: u32,
    }
    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    struct Swapped {
        points: u32,
        user: u64,
    }
    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    struct Signed {
        user: u64,
        points: i32,
    }
    let (guira, _clock) = guira_with_clock();
    let old = guira.cache::<u64, Old>("x");
    old.put(&1, &Old { user: 1, points: 2 }, Lifetime::never())
        .expect("room");
    assert_eq!(guira.cache::<u64, Swapped>("x").get(&1).expect("a miss"), None);
    assert_eq!(guira.cache::<u64, Signed>("x").get(&1).expect("a miss"), None);
    assert!(guira.cache::<u64, Old>("x").get(&1).expect("a hit").is_some());
}

#[test]
fn json_and_message_pack_read_a_type_that_has_grown() {
    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    struct Old {
        user: u64,
    }
    #[derive(Serialize, Deserialize, PartialEq, Debug)]
    struct New {
        user: u64,
        #[serde(default)]
        points: u32,
    }
    let (guira, _clock) = guira_with_clock();
    let old = guira
        .cache_builder::<u64, Old>("j")
        .codec(Json)
        .build()
        .expect("name");
    old.put(&1, &Old { user: 7 }, Lifetime::never()).expect("room");
    let new = guira
        .cache_builder::<u64, New>("j")
        .codec(Json)
        .build()
        .expect("name");
    assert_eq!(new.get(&1).expect("a hit"), Some(New { user: 7, points: 0 }));
    let old = guira
        .cache_builder::<u64, Old>("m")
        .codec(MessagePack)
        .build()
        .expect("name");
    old.put(&1, &Old { user: 7 }, Lifetime::never()).expect("room");
    let new = guira
        .cache_builder::<u64, New>("m")
        .codec(MessagePack)
        .build()
        .expect("name");
    assert_eq!(new.get(&1).expect("a hit"), Some(New { user: 7, points: 0 }));
}

#[test]
fn a_codec_of_the_programs_own_is_told_apart_by_its_name() {
    use guira::CodecError;
    use guira::codec::{CodecId, Form};

    struct Reversed(&'static str);
    impl Codec<String> for Reversed {
        fn form(&self) -> Form {
            Form::of(CodecId::own(self.0))
        }
        fn encode(&self, value: &String, out: &mut Vec<u8>) -> Result<(), CodecError> {
            out.extend(value.bytes().rev());
            Ok(())
        }
        fn decode(&self, bytes: &[u8]) -> Result<String, CodecError> {
            String::from_utf8(bytes.iter().rev().copied().collect())
                .map_err(|error| CodecError::decode("reversed text", error))
        }
    }
    let (guira, _clock) = guira_with_clock();
    let open = |name| {
        let builder = guira.cache_builder::<u64, String>("x").codec(Reversed(name));
        builder.build().expect("name")
    };
    open("one")
        .put(&1, &"plum".to_owned(), Lifetime::never())
        .expect("room");
    assert_eq!(open("one").get(&1).expect("a hit").as_deref(), Some("plum"));
    assert_eq!(open("other").get(&1).expect("a miss"), None);
}

#[derive(Serialize, Deserialize, Clone, PartialEq, Debug)]
struct Sparse {
    #[serde(skip_serializing_if = "Option::is_none", default)]
    note: Option<u8>,
    level: u8,
    count: u16,
}

#[test]
fn a_value_of_which_a_field_is_left_out_is_refused_where_fields_have_no_names() {
    let (guira, _clock) = guira_with_clock();
    // Without its first field it would be read as { note: None, level: 133, count: 1 }.
    let sparse = Sparse {
        note: None,
        level: 0,
        count: 133,
    };
    let whole = Sparse {
        note: Some(1),
        ..sparse.clone()
    };
    let cache = guira.cache::<u64, (u8, Option<Sparse>)>("by place");
    cache
        .put(&1, &(7, Some(whole.clone())), Lifetime::never())
        .expect("nothing is left out");
    assert_eq!(cache.get(&1).expect("no error"), Some((7, Some(whole))));
    let refused = cache
        .put(&1, &(7, Some(sparse.clone())), Lifetime::never())
        .expect_err("a field is left out");
    assert!(
        refused.to_string().contains("its field note is left out"),
        "{refused}"
    );

    let builder = guira.cache_builder::<u64, Sparse>("by name").codec(Json);
    let cache = builder.build().expect("name");
    cache.put(&1, &sparse, Lifetime::never()).expect("room");
    assert_eq!(cache.get(&1).expect("no error"), Some(sparse));
}
