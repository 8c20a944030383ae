//! The compact form gives back what was put in, and refuses everything else.
#![forbid(unsafe_code)]

mod support;

use guira_trace::compact::{self, CompactError};
use guira_trace::{Access, Trace};
use support::Random;

fn encode(trace: &Trace) -> Vec<u8> {
    compact::encode(trace).expect("a trace in memory can be encoded")
}

/// A zstd frame around any content.
fn frame(content: &[u8]) -> Vec<u8> {
    zstd::encode_all(content, 1).expect("bytes in memory can be compressed")
}

#[test]
fn a_trace_survives_the_round_trip_up_to_the_names_of_its_keys() {
    let mut random = Random(1);
    for round in 0..200 {
        let keys = 1 + random.below(40_000);
        let max_bytes = if round % 2 == 0 { 0 } else { 1 << (round % 32) };
        let length = random.below(3_000);
        let spread = random.next() | 1;
        let plain = random.trace(length, keys, max_bytes);
        // An odd factor is a bijection on u64, so it renames keys over the whole range.
        let renamed = Trace::new(
            plain
                .accesses()
                .iter()
                .map(|access| Access {
                    key: access.key.wrapping_mul(spread),
                    ..*access
                })
                .collect(),
        );
        let decoded = compact::decode(&encode(&renamed)).expect("own output decodes");

        assert_eq!(decoded.distinct_keys(), plain.distinct_keys());
        assert_eq!(decoded.accesses().len(), plain.accesses().len());
        let mut first_of = vec![None; plain.distinct_keys()];
        let mut seen = 0;
        for (before, after) in plain.accesses().iter().zip(decoded.accesses()) {
            let number = usize::try_from(after.key).expect("numbers are small");
            assert!(number <= seen, "key {number} appears before {seen}");
            seen = seen.max(number + 1);
            assert_eq!(*first_of[number].get_or_insert(before.key), before.key);
            assert_eq!(after.size_bytes, before.size_bytes);
        }
        assert_eq!(encode(&decoded), encode(&plain));
    }
}

#[test]
fn largest_sizes_and_keys_survive() {
    let access = Access {
        key: u64::MAX,
        size_bytes: u32::MAX,
    };
    let decoded = compact::decode(&encode(&Trace::new(vec![access]))).expect("own output decodes");
    assert_eq!(decoded.accesses(), [Access { key: 0, ..access }]);
}

#[test]
fn every_cut_of_a_compact_trace_is_refused() {
    let whole = encode(&Random(2).trace(300, 100, 9));
    for end in 0..whole.len() {
        assert!(compact::decode(&whole[..end]).is_err(), "cut at {end}");
    }
    let content = zstd::decode_all(&whole[..]).expect("own output is zstd");
    for end in 6..content.len() {
        let cut = compact::decode(&frame(&content[..end]));
        assert!(matches!(cut, Err(CompactError::Truncated)), "cut at {end}");
    }
}

#[test]
fn content_that_is_no_compact_trace_is_refused_with_the_reason() {
    let decode = |content: &[u8]| compact::decode(&frame(content)).expect_err("must be refused");

    let plain = compact::decode(b"GTRC\x01\0\0").expect_err("must be refused");
    assert!(matches!(plain, CompactError::NotZstd));
    assert!(matches!(decode(b"GTRC"), CompactError::NotCompact));
    assert!(matches!(decode(b"XTRC\x01\0\0"), CompactError::NotCompact));
    assert!(matches!(
        decode(b"GTRC\x02\0\0"),
        CompactError::UnknownVersion { version: 2 }
    ));
    // Neither 0 nor 1 where the presence of sizes is told.
    assert!(matches!(
        decode(b"GTRC\x01\x02\0"),
        CompactError::InvalidNumber { offset_bytes: 6 }
    ));
    // Key 1 before key 0.
    assert!(matches!(
        decode(b"GTRC\x01\0\x01\x01"),
        CompactError::InvalidNumber { offset_bytes: 8 }
    ));
    // A size above u32.
    assert!(matches!(
        decode(b"GTRC\x01\x01\x01\0\x80\x80\x80\x80\x10"),
        CompactError::InvalidNumber { offset_bytes: 13 }
    ));
    // A number above u64.
    assert!(matches!(
        decode(b"GTRC\x01\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"),
        CompactError::InvalidNumber { offset_bytes: 16 }
    ));
    // A count that the content cannot hold.
    assert!(matches!(
        decode(b"GTRC\x01\0\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\0"),
        CompactError::Truncated
    ));
    assert!(matches!(
        decode(b"GTRC\x01\0\x01\0\0\0"),
        CompactError::TrailingBytes { trailing_bytes: 2 }
    ));
}
