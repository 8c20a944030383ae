//! Keys are read back, shown, and written again.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Bytes, KeyBytes, KeyDecodeError, KeyItem};

#[derive(Serialize)]
enum Shape {
    Empty,
    Wrapped(u8),
    Pair(u8, u8),
    Named { x: u8 },
}

#[derive(Serialize)]
struct Plum<'p> {
    sort: &'p str,
    weight: f32,
}

fn item_of(key: &(impl Serialize + ?Sized)) -> KeyItem {
    let bytes = KeyBytes::of(key).expect("it has an encoding");
    let item = KeyItem::of_bytes(&bytes).expect("it was just encoded");
    assert_eq!(item.to_bytes().as_ref(), Ok(&bytes));
    let shown = item.to_string();
    let read: KeyItem = serde_json::from_str(&shown).unwrap_or_else(|error| panic!("{shown}: {error}"));
    assert_eq!(read.to_bytes(), Ok(bytes), "{shown}");
    item
}

fn shown(key: &(impl Serialize + ?Sized)) -> String {
    item_of(key).to_string()
}

#[test]
fn keys_are_shown_as_json_and_read_from_it() {
    assert_eq!(shown(&7_u8), "7");
    assert_eq!(shown(&-7), "-7");
    assert_eq!(shown(&7.0), "7.0");
    assert_eq!(shown(&true), "true");
    assert_eq!(shown(&None::<u8>), "null");
    assert_eq!(shown("a \"plum\"\n\u{1b}"), r#""a \"plum\"\n\u001b""#);
    assert_eq!(shown(&()), "[]");
    assert_eq!(shown(&(1, "a", [2, 3])), r#"[1,"a",[2,3]]"#);
    let plum = Plum {
        sort: "mirabelle",
        weight: 0.5,
    };
    assert_eq!(shown(&plum), r#"{"sort":"mirabelle","weight":0.5}"#);
}

#[test]
fn what_json_lacks_has_a_form() {
    assert_eq!(shown(&Bytes(&[0, 255])), r#"{"$bytes":"00ff"}"#);
    assert_eq!(shown(&Some(Some(None::<u8>))), r#"{"$some":{"$some":null}}"#);
    assert_eq!(shown(&f64::NEG_INFINITY), r#"{"$float":"-inf"}"#);
    assert_eq!(shown(&Shape::Empty), r#"{"$variant":"Empty"}"#);
    assert_eq!(shown(&Shape::Wrapped(1)), r#"{"$variant":["Wrapped",1]}"#);
    assert_eq!(shown(&Shape::Pair(1, 2)), r#"{"$variant":["Pair",[1,2]]}"#);
    assert_eq!(shown(&Shape::Named { x: 1 }), r#"{"$variant":["Named",{"x":1}]}"#);
    assert_eq!(
        shown(&BTreeMap::from([(1, "a"), (2, "b")])),
        r#"{"$map":[[1,"a"],[2,"b"]]}"#
    );
    assert_eq!(
        shown(&BTreeMap::from([("$some", 1)])),
        r#"{"$map":[["$some",1]]}"#
    );
    assert!(shown(&"x".repeat(5_000)).starts_with(r#"{"$hashed":"7e"#));
}

#[test]
fn numbers_of_every_width_come_back() {
    for bit in 0..128 {
        for near in [0, 1, u128::MAX] {
            let natural = (1_u128 << bit).wrapping_add(near);
            assert_eq!(item_of(&natural), KeyItem::Natural(natural));
            let negative = !(natural >> 1).cast_signed();
            assert_eq!(item_of(&negative), KeyItem::Negative(negative));
        }
    }
    for float in [0.1, 1e300, 5e-324, f64::from(0.1_f32), 123_456_789.123] {
        assert_eq!(item_of(&float), KeyItem::Float(float));
    }
}

#[test]
fn an_object_with_an_unknown_dollar_field_is_refused() {
    for text in [
        r#"{"$plum":1}"#,
        r#"{"$bytes":"0"}"#,
        r#"{"$map":[[1]]}"#,
        r#"{"$variant":[1,2]}"#,
    ] {
        let error = serde_json::from_str::<KeyItem>(text).expect_err("it means nothing");
        assert!(error.to_string().contains("stands for no item"), "{error}");
    }
}

#[test]
fn what_is_no_key_is_refused() {
    for (bytes, error) in [
        (&b""[..], KeyDecodeError::CutOff),
        (b"\x60abc", KeyDecodeError::CutOff),
        (b"\x70\x41\x07", KeyDecodeError::CutOff),
        (b"\x61\xff\xff\xff\xff", KeyDecodeError::CutOff),
        (b"\x41\x07\x07", KeyDecodeError::Longer { extra_bytes: 1 }),
        (b"user:7", KeyDecodeError::UnknownTag { tag: b'u' }),
        (b"\x60\xc3\xff", KeyDecodeError::NotText),
        (b"\x42\x00\x07", KeyDecodeError::NotCanonical),
        (b"\x02\x41\x07", KeyDecodeError::NotCanonical),
        (
            b"\x58\x80\x00\x00\x00\x00\x00\x00\x00",
            KeyDecodeError::NotCanonical,
        ),
        (
            b"\x71\x42\x01\x00\x10\x41\x07\x10\x00",
            KeyDecodeError::NotCanonical,
        ),
        (b"\x7e\x01", KeyDecodeError::NotCanonical),
        (&[0x70; 4_000], KeyDecodeError::TooDeep { max_depth: 64 }),
    ] {
        assert_eq!(KeyItem::of_bytes(bytes), Err(error), "{bytes:02x?}");
    }
}
