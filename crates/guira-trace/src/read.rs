//! Trace files: which records a file holds is told by its name.

use std::fs;
use std::io;
use std::path::Path;

use crate::{Access, Trace, TraceError};

/// First bytes of a zstd frame.
pub(crate) const ZSTD_MAGIC: [u8; 4] = [0x28, 0xb5, 0x2f, 0xfd];

/// Bytes of a `.keys` record: a little-endian u64 key.
const KEY_BYTES: usize = 8;
/// Bytes of a `.sized` record: a key, then a little-endian u32 size in bytes.
const SIZED_BYTES: usize = 12;

impl Trace {
    /// Reads a trace file. The end of its name tells the form:
    ///
    /// | Name ends in | Content |
    /// |---|---|
    /// | `.keys` | records of a u64 key; sizes are 1 |
    /// | `.sized` | records of a u64 key, then a u32 size in bytes |
    /// | `.keys.zst`, `.sized.zst` | the same, compressed with zstd |
    /// | `.compact.zst` | the form of [`compact`](crate::compact) |
    ///
    /// Numbers are little-endian; nothing stands between or around records.
    ///
    /// # Errors
    ///
    /// [`TraceError`] when the file is missing or unreadable, its extension
    /// unknown, or its content not what the extension says.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, TraceError> {
        let path = path.as_ref();
        let form = Form::of(path).ok_or_else(|| TraceError::UnknownExtension {
            path: path.to_owned(),
        })?;
        let bytes = fs::read(path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound => TraceError::Missing {
                path: path.to_owned(),
            },
            _ => TraceError::Io {
                path: path.to_owned(),
                source,
            },
        })?;
        match form {
            Form::Keys => keys(path, &bytes),
            Form::Sized => sized(path, &bytes),
            Form::KeysZstd => keys(path, &decompressed(path, &bytes)?),
            Form::SizedZstd => sized(path, &decompressed(path, &bytes)?),
            Form::Compact => Self::from_compact_bytes(&bytes).map_err(|source| TraceError::Compact {
                path: path.to_owned(),
                source,
            }),
        }
    }
}

enum Form {
    Keys,
    Sized,
    KeysZstd,
    SizedZstd,
    Compact,
}

impl Form {
    fn of(path: &Path) -> Option<Self> {
        let name = path.file_name()?.to_string_lossy();
        let (rest, compressed) = match name.strip_suffix(".zst") {
            Some(rest) => (rest, true),
            None => (&*name, false),
        };
        match (Path::new(rest).extension()?.to_str()?, compressed) {
            ("keys", false) => Some(Self::Keys),
            ("sized", false) => Some(Self::Sized),
            ("keys", true) => Some(Self::KeysZstd),
            ("sized", true) => Some(Self::SizedZstd),
            ("compact", true) => Some(Self::Compact),
            _ => None,
        }
    }
}

fn decompressed(path: &Path, bytes: &[u8]) -> Result<Vec<u8>, TraceError> {
    if !bytes.starts_with(&ZSTD_MAGIC) {
        return Err(TraceError::NotZstd {
            path: path.to_owned(),
        });
    }
    zstd::decode_all(bytes).map_err(|source| TraceError::DamagedZstd {
        path: path.to_owned(),
        source,
    })
}

fn keys(path: &Path, bytes: &[u8]) -> Result<Trace, TraceError> {
    let records = whole_records::<KEY_BYTES>(path, bytes)?;
    let accesses = records
        .iter()
        .map(|record| Access::unit(u64::from_le_bytes(*record)));
    Ok(Trace::new(accesses.collect()))
}

fn sized(path: &Path, bytes: &[u8]) -> Result<Trace, TraceError> {
    let records = whole_records::<SIZED_BYTES>(path, bytes)?;
    let accesses = records
        .iter()
        .map(|&[a, b, c, d, e, f, g, h, i, j, k, l]| Access {
            key: u64::from_le_bytes([a, b, c, d, e, f, g, h]),
            size_bytes: u32::from_le_bytes([i, j, k, l]),
        });
    Ok(Trace::new(accesses.collect()))
}

fn whole_records<'a, const N: usize>(path: &Path, bytes: &'a [u8]) -> Result<&'a [[u8; N]], TraceError> {
    match bytes.as_chunks::<N>() {
        (records, []) => Ok(records),
        (_, trailing) => Err(TraceError::TruncatedRecord {
            path: path.to_owned(),
            record_bytes: N,
            trailing_bytes: trailing.len(),
        }),
    }
}
