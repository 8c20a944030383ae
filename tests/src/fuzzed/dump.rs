//! Dumps.

use std::io::Write;

use guira::dump::{Dump, DumpReader, Load, Part};
use guira_segment::Segment;
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

const PREAMBLE: [u8; 10] = *b"\x89guira\r\n\x01\0";
const PREAMBLE_BYTES: usize = 16;
/// Kind and length of a record.
const HEAD_BYTES: usize = 5;

/// Reads the bytes as a dump: as they are if the two lowest bits of the first are 0; else as records with no checks,
/// which are put in; and compressed if the second of those bits is set.
///
/// # Panics
/// When a dump that was read cannot be loaded, dumped and read again.
pub fn dump(bytes: &[u8]) {
    let Some((&choice, content)) = bytes.split_first() else {
        return;
    };
    let dump = match choice & 3 {
        0 => content.to_vec(),
        kind => checked(content, kind & 2 != 0),
    };
    let Some((entries, void)) = read(&dump) else {
        return;
    };
    let reader = DumpReader::new(&dump[..]).expect("it was read before");
    let segment = segment();
    let loaded = Load::new()
        .replace(choice & 4 != 0)
        .run(reader, &segment, &mut |_| ());
    // More namespaces than there are rows end a load, as they may.
    let Ok(loaded) = loaded else { return };
    let met =
        loaded.entries + loaded.kept + loaded.expired + loaded.superseded + loaded.too_large + loaded.void;
    // Of what is over, it is not looked at whether it is void.
    assert_eq!(met, entries + void);
    let mut again = Vec::new();
    let dumped = Dump::new()
        .write(&segment, &mut again, &mut |_| ())
        .expect("memory");
    assert_eq!(read(&again), Some((dumped.entries, 0)));
}

/// How many entries count, and how many are void, if it is a dump.
fn read(dump: &[u8]) -> Option<(u64, u64)> {
    let mut reader = DumpReader::new(dump).ok()?;
    let (mut entries, mut void, mut value) = (0, 0, Vec::new());
    while reader.next_entry().ok()?.is_some() {
        value.clear();
        loop {
            match reader.next_part(&mut value).ok()? {
                Part::More => {}
                Part::Last => break entries += 1,
                Part::Void => break void += 1,
            }
        }
    }
    Some((entries, void))
}

/// A beginning, the records in `content` with checks that fit, and what is left of it.
fn checked(content: &[u8], is_compressed: bool) -> Vec<u8> {
    let mut preamble = PREAMBLE.to_vec();
    preamble.extend_from_slice(&[u8::from(is_compressed), 0]);
    let check = xxh3_64(&preamble) as u32;
    preamble.extend_from_slice(&check.to_le_bytes());
    assert_eq!(preamble.len(), PREAMBLE_BYTES);
    let (mut records, mut rest, mut seed) = (Vec::new(), content, xxh3_64(&preamble));
    while let Some((head, behind)) = rest.split_first_chunk::<HEAD_BYTES>() {
        let length = u32::from_le_bytes([head[1], head[2], head[3], head[4]]) as usize;
        let Some((body, behind)) = behind.split_at_checked(length) else {
            break;
        };
        let mut hasher = Xxh3::with_seed(seed);
        hasher.update(head);
        hasher.update(body);
        seed = hasher.digest();
        records.extend_from_slice(head);
        records.extend_from_slice(body);
        records.extend_from_slice(&seed.to_le_bytes());
        rest = behind;
    }
    records.extend_from_slice(rest);
    if is_compressed {
        records = zstd::encode_all(&records[..], 1).expect("memory");
    }
    preamble.write_all(&records).expect("memory");
    preamble
}

fn segment() -> Segment {
    Segment::builder()
        .exact_blocks(4096, 32)
        .max_processes(4)
        .max_threads(6)
        .private()
        .expect("a small segment")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A target that read nothing to its end would find nothing.
    #[test]
    fn records_without_checks_become_a_dump() {
        let records = include_bytes!("../../inputs/dump/records");
        for is_compressed in [false, true] {
            assert_eq!(read(&checked(&records[1..], is_compressed)), Some((3, 1)));
        }
    }
}
