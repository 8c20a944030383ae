//! Dumps that were cut or changed, of other versions, and files that are none.

use guira::dump::{DumpReader, Load, LoadCause, ReadError};
use guira_segment::Expiry;

use super::{dump, facts, load_with, read, segment, small};

#[test]
fn a_dump_that_is_cut_anywhere_is_an_error_that_says_where() {
    for is_compressed in [false, true] {
        let whole = small(is_compressed);
        let (expected, ended) = read(&whole);
        assert!(ended.is_ok() && expected.len() == 3, "{ended:?}");
        for bytes in 0..whole.len() {
            let (entries, ended) = read(&whole[..bytes]);
            assert!(expected.starts_with(&entries), "cut to {bytes}: {entries:?}");
            match ended.expect_err("its end is missing") {
                ReadError::Foreign => assert_eq!(bytes, 0),
                ReadError::Cut { offset_bytes, .. } if !is_compressed => {
                    assert_eq!(offset_bytes, bytes as u64);
                }
                ReadError::Cut { .. } => {}
                other => panic!("cut to {bytes}: {other}"),
            }
        }
    }
}

#[test]
fn a_bit_that_flipped_anywhere_is_an_error_or_changes_nothing() {
    for is_compressed in [false, true] {
        let whole = small(is_compressed);
        let (expected, _) = read(&whole);
        let mut harmless = 0;
        for bit in 0..whole.len() * 8 {
            let mut flipped = whole.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let (entries, ended) = read(&flipped);
            assert!(expected.starts_with(&entries), "bit {bit}: {entries:?}");
            match ended {
                Ok(()) => {
                    assert_eq!(entries, expected, "bit {bit}");
                    harmless += 1;
                }
                Err(ReadError::Io(error)) => panic!("bit {bit}: {error} is no failure of the system"),
                Err(_) => {}
            }
        }
        // Only the form of compressed bytes has bits that mean nothing.
        assert!(
            harmless <= if is_compressed { 64 } else { 0 },
            "{harmless} harmless bits"
        );
    }
}

#[test]
fn what_follows_the_end_is_an_error() {
    for is_compressed in [false, true] {
        for more in [&b"\0"[..], &small(is_compressed)] {
            let (entries, ended) = read(&[&small(is_compressed), more].concat());
            assert_eq!(entries.len(), 3);
            let error = ended.expect_err("there is more");
            assert!(error.to_string().contains("goes on behind its end"), "{error}");
        }
    }
}

#[test]
fn a_record_that_is_lost_doubled_or_elsewhere_is_an_error() {
    let whole = small(false);
    // Where records begin, by their lengths.
    let mut begins = vec![16];
    while let Some(&begin) = begins.last().filter(|begin| **begin < whole.len()) {
        let length: [u8; 4] = whole[begin + 1..begin + 5].try_into().expect("four");
        begins.push(begin + 5 + u32::from_le_bytes(length) as usize + 8);
    }
    let records: Vec<&[u8]> = begins.windows(2).map(|pair| &whole[pair[0]..pair[1]]).collect();
    assert_eq!(records.len(), 6, "origin, namespace, three entries, end");
    let join = |records: Vec<&[u8]>| [&whole[..16], &records.concat()].concat();
    assert!(read(&join(records.clone())).1.is_ok());
    for n in 0..records.len() {
        let (mut lost, mut doubled, mut swapped) = (records.clone(), records.clone(), records.clone());
        lost.remove(n);
        doubled.insert(n, records[n]);
        swapped.swap(n, (n + 1) % records.len());
        for changed in [lost, doubled, swapped] {
            let (entries, ended) = read(&join(changed));
            assert!(ended.is_err() && entries.len() <= 3, "record {n}: {entries:?}");
        }
    }
}

#[test]
fn a_fault_is_final_and_what_was_loaded_before_is_counted() {
    let before = segment();
    for n in 0..100_u32 {
        before
            .put(&n.to_le_bytes(), &[n as u8; 100], Expiry::never())
            .expect("room");
    }
    let mut bytes = dump(&before);
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    let after = segment();
    let error = load_with(Load::new(), &bytes, &after).expect_err("it is damaged");
    let LoadCause::Read(ReadError::Damaged { offset_bytes, .. }) = error.cause else {
        panic!("{error}");
    };
    assert!((offset_bytes as usize) < middle && offset_bytes as usize > middle - 300);
    assert!((30..70).contains(&error.loaded.entries), "{error}");
    let found = facts(&after);
    assert_eq!(found.len() as u64, error.loaded.entries);
    let all = facts(&before);
    assert!(found.iter().all(|(place, facts)| all[place] == *facts));
    let said = error.to_string();
    let counted = format!("{} entries were loaded before that", error.loaded.entries);
    assert!(
        said.contains(&counted) && said.contains(&format!("byte {offset_bytes}")),
        "{said}"
    );

    let mut reader = DumpReader::new(&bytes[..]).expect("it begins well");
    while reader.next_entry().is_ok_and(|entry| entry.is_some()) {}
    assert!(
        reader.next_entry().is_err(),
        "nothing behind the fault is believed"
    );
    assert!(reader.next_part(&mut Vec::new()).is_err());
}

#[test]
fn foreign_files_and_newer_dumps_are_told_apart() {
    for foreign in [&b""[..], b"PK", &[0; 4096], b"\x89guira\n and more text"] {
        let error = DumpReader::new(foreign).expect_err("no dump");
        assert!(matches!(error, ReadError::Foreign), "{error}");
    }
    let mut newer = small(false);
    newer[8] = 2;
    let check = xxhash_rust::xxh3::xxh3_64(&newer[..12]) as u32;
    newer[12..16].copy_from_slice(&check.to_le_bytes());
    let error = DumpReader::new(&newer[..]).expect_err("of a later version");
    assert!(
        matches!(
            error,
            ReadError::Newer {
                version: 2,
                supported: 1
            }
        ),
        "{error}"
    );
    assert!(error.to_string().contains("newer guira"), "{error}");
}
