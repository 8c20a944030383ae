use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use super::*;

fn hex<K: Serialize + ?Sized>(key: &K) -> String {
    let bytes = KeyBytes::of(key).expect("it has an encoding");
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn integers_of_one_value_are_one_key_whatever_their_width() {
    for (value, expected) in [
        (0, "40"),
        (7, "4107"),
        (255, "41ff"),
        (256, "420100"),
        (65_536, "43010000"),
        (-1, "3f"),
        (-2, "3efe"),
        (-256, "3e00"),
        (-257, "3dfeff"),
    ] {
        assert_eq!(hex::<i128>(&value), expected, "{value}");
        assert_eq!(hex(&i64::try_from(value).expect("small")), expected, "{value}");
        if let Ok(natural) = u128::try_from(value) {
            assert_eq!(hex(&natural), expected, "{value}");
        }
        if let Ok(natural) = u64::try_from(value) {
            assert_eq!(hex(&natural), expected, "{value}");
        }
        if let Ok(short) = i16::try_from(value) {
            assert_eq!(hex(&short), expected, "{value}");
        }
        if let Ok(byte) = u8::try_from(value) {
            assert_eq!(hex(&byte), expected, "{value}");
        }
    }
    assert_eq!(hex(&u64::MAX), "48ffffffffffffffff");
    assert_eq!(hex(&i64::MIN), "378000000000000000");
    assert_eq!(hex(&i128::from(i64::MIN)), hex(&i64::MIN));
    assert_eq!(hex(&u128::MAX), format!("50{}", "ff".repeat(16)));
    assert_eq!(hex(&i128::MIN), format!("2f80{}", "00".repeat(15)));
}

#[test]
fn scalars_have_the_bytes_that_are_written_down() {
    assert_eq!(hex(&false), "10");
    assert_eq!(hex(&true), "11");
    assert_eq!(hex(&1.5_f64), "583ff8000000000000");
    assert_eq!(hex(&1.5_f32), hex(&1.5_f64));
    assert_eq!(hex(&-0.0_f64), hex(&0.0_f64));
    assert_eq!(hex("ab"), "606162ff");
    assert_eq!(hex(&'a'), hex("a"));
    assert_eq!(hex(""), "60ff");
    assert_eq!(hex(&Bytes(b"ab")), "61026162");
    assert_eq!(hex(&Bytes(vec![0; 300])), format!("61ac02{}", "00".repeat(300)));
}

#[test]
fn options_nest_without_meeting() {
    assert_eq!(hex(&None::<u64>), "01");
    assert_eq!(hex(&Some(7)), hex(&7));
    assert_eq!(hex(&Some(None::<u64>)), "0201");
    assert_eq!(hex(&Some(Some(None::<u64>))), "020201");
    assert_eq!(hex(&Some(Some(7))), "4107");
    assert_ne!(hex(&Some(())), hex(&None::<()>));
}

#[derive(Serialize)]
struct Ordered {
    a: u8,
    b: &'static str,
}

#[derive(Serialize)]
struct Reversed {
    b: &'static str,
    a: u8,
}

#[derive(Serialize)]
enum Shape {
    Empty,
    Wrapped(u8),
    Pair(u8, u8),
    Named { x: u8 },
}

#[test]
fn lists_maps_and_variants_have_the_bytes_that_are_written_down() {
    assert_eq!(hex(&()), "7000");
    assert_eq!(hex(&(1, "a")), "70410160 61ff00".replace(' ', ""));
    assert_eq!(hex(&(1, 2)), hex(&[1, 2]));
    assert_eq!(hex(&[1_u8, 2] as &[u8]), hex(&vec![1_u64, 2]));
    assert_eq!(hex(&((1,), 2)), "70704101004102 00".replace(' ', ""));
    assert_eq!(hex(&Ordered { a: 1, b: "x" }), "716061ff41016062ff6078ff00");
    assert_eq!(hex(&Reversed { b: "x", a: 1 }), hex(&Ordered { a: 1, b: "x" }));
    assert_eq!(hex(&Shape::Empty), "7260456d707479ff00");
    assert_eq!(hex(&Shape::Wrapped(1)), "726057726170706564ff410100");
    assert_eq!(
        hex(&Shape::Pair(1, 2)),
        "726050616972ff7041014102 0000".replace(' ', "")
    );
    assert_eq!(hex(&Shape::Named { x: 1 }), "72604e616d6564ff716078ff41010000");
}

#[test]
fn a_map_is_one_key_in_whatever_order_it_is_walked() {
    let sorted: BTreeMap<String, u32> = (0..50).map(|n| (format!("key {n}"), n)).collect();
    let expected = hex(&sorted);
    for _ in 0..8 {
        let hashed: HashMap<String, u32> = sorted.clone().into_iter().collect();
        assert_eq!(hex(&hashed), expected);
    }
}

#[test]
fn what_has_no_encoding_is_refused_with_the_reason() {
    assert_eq!(KeyBytes::of(&(1, f64::NAN)), Err(KeyError::Nan));
    struct Twice;
    impl Serialize for Twice {
        fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.collect_map([(1, 2), (1, 3)])
        }
    }
    assert_eq!(KeyBytes::of(&Twice), Err(KeyError::DuplicateMapKey));
    let path = <std::path::Path as AsRef<std::path::Path>>::as_ref(std::path::Path::new("ok"));
    assert_eq!(hex(path), hex("ok"));
    use std::os::unix::ffi::OsStrExt;
    let path = std::path::Path::new(std::ffi::OsStr::from_bytes(b"\xff"));
    let refused = KeyBytes::of(path).expect_err("it is not UTF-8");
    assert!(refused.to_string().contains("UTF-8"), "{refused}");
}

#[test]
fn a_long_key_is_kept_whole_up_to_the_limit_and_hashed_beyond() {
    let longest = "x".repeat(guira_segment::MAX_KEY_BYTES - 2);
    let whole = KeyBytes::of(&longest).expect("text");
    assert_eq!(whole.len(), guira_segment::MAX_KEY_BYTES);
    assert_eq!(whole.first(), Some(&0x60));

    let longer = format!("{longest}x");
    let hashed = KeyBytes::of(&longer).expect("text");
    assert_eq!(hashed.len(), 256);
    assert!(hex(&longer).starts_with("7eab97ed8492ce9369ff55ba346a9497656078"));
    let other = KeyBytes::of(&format!("{longest}y")).expect("text");
    assert_eq!(hashed[17..], other[17..]);
    assert_ne!(hashed, other);
}

#[test]
fn a_key_is_one_whether_it_outgrows_the_stack_or_not() {
    for count in [0, 1, 90, 93, 94, 95, 96, 97, 200] {
        let text = "x".repeat(count);
        assert_eq!(hex(&text), format!("60{}ff", "78".repeat(count)));
        let nested = hex(&(text.as_str(), Some(Some(None::<u8>)), 7));
        assert_eq!(nested, format!("7060{}ff020201410700", "78".repeat(count)));
    }
}
