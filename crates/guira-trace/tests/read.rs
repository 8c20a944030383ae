//! Trace files are read by their extension, and refused with their path.
#![forbid(unsafe_code)]

use std::fs;
use std::path::{Path, PathBuf};

use guira_trace::{Access, Trace, TraceError, compact};
use tempfile::TempDir;

const SIZED: [Access; 3] = [
    Access {
        key: 5,
        size_bytes: 70_000,
    },
    Access {
        key: u64::MAX,
        size_bytes: 0,
    },
    Access {
        key: 5,
        size_bytes: u32::MAX,
    },
];

fn keys_bytes() -> Vec<u8> {
    SIZED.iter().flat_map(|a| a.key.to_le_bytes()).collect()
}

fn sized_bytes() -> Vec<u8> {
    let record = |a: &Access| [&a.key.to_le_bytes()[..], &a.size_bytes.to_le_bytes()].concat();
    SIZED.iter().flat_map(record).collect()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 1).expect("bytes in memory can be compressed")
}

fn directory() -> TempDir {
    TempDir::new().expect("a temporary directory can be made")
}

fn write(directory: &TempDir, name: &str, bytes: &[u8]) -> PathBuf {
    let path = directory.path().join(name);
    fs::write(&path, bytes).expect("a temporary file can be written");
    path
}

fn refusal(path: &Path) -> TraceError {
    let error = Trace::read(path).expect_err("must be refused");
    let message = error.to_string();
    assert!(message.contains(&path.display().to_string()), "{message}");
    error
}

#[test]
fn every_known_extension_is_read() {
    let directory = directory();
    let sized = Trace::new(SIZED.to_vec());
    let keys = Trace::new(SIZED.map(|access| Access::unit(access.key)).to_vec());
    let compact = compact::encode(&keys).expect("a trace in memory can be encoded");
    let renumbered = Trace::new([0, 1, 0].map(Access::unit).to_vec());
    for (name, bytes, expected) in [
        ("t.keys", keys_bytes(), &keys),
        ("t.keys.zst", zstd(&keys_bytes()), &keys),
        ("t.sized", sized_bytes(), &sized),
        ("t.sized.zst", zstd(&sized_bytes()), &sized),
        ("t.compact.zst", compact, &renumbered),
    ] {
        let read = Trace::read(write(&directory, name, &bytes)).expect("the file is whole");
        assert_eq!(read, *expected, "{name}");
        assert_eq!(read.distinct_keys(), 2, "{name}");
    }
}

#[test]
fn a_missing_file_is_told_apart_from_an_unreadable_one() {
    let directory = directory();
    let missing = refusal(&directory.path().join("absent.keys"));
    assert!(matches!(missing, TraceError::Missing { .. }));

    let folder = directory.path().join("folder.keys");
    fs::create_dir(&folder).expect("a temporary folder can be made");
    assert!(matches!(refusal(&folder), TraceError::Io { .. }));
}

#[test]
fn an_unknown_extension_is_refused_before_the_file_is_read() {
    for name in ["t", "t.csv", "t.zst", "t.csv.zst", "t.compact", "t.keys.gz"] {
        let error = refusal(Path::new(name));
        assert!(matches!(error, TraceError::UnknownExtension { .. }), "{name}");
    }
}

#[test]
fn uncompressed_and_damaged_content_of_a_zst_file_are_refused() {
    let directory = directory();
    let plain = write(&directory, "plain.keys.zst", &keys_bytes());
    assert!(matches!(refusal(&plain), TraceError::NotZstd { .. }));

    let whole = zstd(&sized_bytes());
    let cut = write(&directory, "cut.sized.zst", &whole[..whole.len() - 1]);
    assert!(matches!(refusal(&cut), TraceError::DamagedZstd { .. }));

    let compact = write(&directory, "keys.compact.zst", &whole);
    assert!(matches!(refusal(&compact), TraceError::Compact { .. }));
}

#[test]
fn a_file_that_ends_inside_a_record_is_refused() {
    let directory = directory();
    let keys = write(&directory, "t.keys", &keys_bytes()[..19]);
    assert!(matches!(
        refusal(&keys),
        TraceError::TruncatedRecord {
            record_bytes: 8,
            trailing_bytes: 3,
            ..
        }
    ));
    let sized = write(&directory, "t.sized.zst", &zstd(&sized_bytes()[..35]));
    assert!(matches!(
        refusal(&sized),
        TraceError::TruncatedRecord {
            record_bytes: 12,
            trailing_bytes: 11,
            ..
        }
    ));
}
