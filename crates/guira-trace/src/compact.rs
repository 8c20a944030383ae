//! The compact form of a trace: small enough to ship inside a program.
//!
//! One zstd frame around:
//!
//! | Bytes | Content |
//! |---|---|
//! | 4 | `GTRC` |
//! | 1 | version, 1 |
//! | 1 | 1 if sizes follow the keys, 0 if every size is 1 |
//! | varint | number of accesses |
//! | varint each | keys, renumbered 0, 1, 2, ... by first appearance |
//! | varint each | sizes in bytes, if any |
//!
//! A varint holds 7 bits a byte, lowest first, the high bit set on all but the
//! last byte (LEB128). Renumbering loses the original keys, which no policy looks at.

use std::io::{self, Write};

use thiserror::Error;

use crate::read::ZSTD_MAGIC;
use crate::renumber::renumber;
use crate::{Access, Trace};

const MAGIC: [u8; 4] = *b"GTRC";
const VERSION: u8 = 1;
/// zstd's strongest: a trace is encoded once and decoded often.
const LEVEL: i32 = 22;
/// A u64 takes at most ten groups of seven bits.
const LAST_SHIFT: u32 = 63;

/// Why bytes are not a compact trace.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CompactError {
    /// The bytes do not start a zstd frame.
    #[error("not zstd; give the bytes of a .compact.zst file")]
    NotZstd,
    /// The zstd frame is cut short or corrupt.
    #[error("the zstd data is cut short or corrupt: {0}; fetch the file again")]
    DamagedZstd(io::Error),
    /// The frame holds something else.
    #[error("the zstd data holds no compact trace; give the bytes of a .compact.zst file")]
    NotCompact,
    /// The trace was written in a form this version does not know.
    #[error("compact form {version} is unknown, this is {VERSION}; encode the trace again")]
    UnknownVersion {
        /// The form's number.
        version: u8,
    },
    /// The content ends before its last access.
    #[error("the content ends before the last access; encode the trace again")]
    Truncated,
    /// A number cannot stand where it does.
    #[error("invalid number at byte {offset_bytes} of the content; encode the trace again")]
    InvalidNumber {
        /// Where the number ends in the decompressed content.
        offset_bytes: usize,
    },
    /// Something follows the last access.
    #[error("{trailing_bytes} bytes follow the last access; encode the trace again")]
    TrailingBytes {
        /// How much.
        trailing_bytes: usize,
    },
}

/// The compact form of `trace`.
///
/// ```
/// use guira_trace::{Access, Trace, compact};
///
/// let trace = Trace::new([900, 800, 900].map(Access::unit).to_vec());
/// let decoded = compact::decode(&compact::encode(&trace)?)?;
/// assert_eq!(decoded.accesses(), [0, 1, 0].map(Access::unit));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Errors
///
/// The encoder's, when it cannot get its memory.
pub fn encode(trace: &Trace) -> io::Result<Vec<u8>> {
    let accesses = trace.accesses();
    let with_sizes = accesses.iter().any(|access| access.size_bytes != 1);
    let mut content = MAGIC.to_vec();
    content.extend([VERSION, u8::from(with_sizes)]);
    push_varint(&mut content, accesses.len() as u64);
    let (keys, _) = renumber(accesses);
    for key in keys {
        push_varint(&mut content, key as u64);
    }
    if with_sizes {
        for access in accesses {
            push_varint(&mut content, u64::from(access.size_bytes));
        }
    }
    let mut encoder = zstd::Encoder::new(Vec::new(), LEVEL)?;
    // A known length keeps the decoder's window no larger than the content.
    encoder.set_pledged_src_size(Some(content.len() as u64))?;
    encoder.write_all(&content)?;
    encoder.finish()
}

/// The trace of a compact form; its keys are 0, 1, 2, ... by first appearance.
///
/// # Errors
///
/// [`CompactError`] when the bytes are not a whole compact trace.
pub fn decode(bytes: &[u8]) -> Result<Trace, CompactError> {
    if !bytes.starts_with(&ZSTD_MAGIC) {
        return Err(CompactError::NotZstd);
    }
    let content = zstd::decode_all(bytes).map_err(CompactError::DamagedZstd)?;
    let [magic @ .., version, sizes] = content.first_chunk::<6>().ok_or(CompactError::NotCompact)?;
    if *magic != MAGIC {
        return Err(CompactError::NotCompact);
    }
    if *version != VERSION {
        return Err(CompactError::UnknownVersion { version: *version });
    }
    let mut numbers = Numbers {
        content: &content,
        offset_bytes: MAGIC.len() + 2,
    };
    let with_sizes = match sizes {
        0 => false,
        1 => true,
        _ => return Err(numbers.invalid()),
    };

    // Each access takes a byte at least: a false count must not reserve memory.
    let access_count = usize::try_from(numbers.next()?).map_err(|_| CompactError::Truncated)?;
    if access_count > content.len() {
        return Err(CompactError::Truncated);
    }
    let mut accesses = Vec::with_capacity(access_count);
    let mut distinct_keys = 0;
    for _ in 0..access_count {
        let key = numbers.next()?;
        if key > distinct_keys {
            return Err(numbers.invalid());
        }
        distinct_keys += u64::from(key == distinct_keys);
        accesses.push(Access::unit(key));
    }
    if with_sizes {
        for access in &mut accesses {
            access.size_bytes = u32::try_from(numbers.next()?).map_err(|_| numbers.invalid())?;
        }
    }
    match content.len() - numbers.offset_bytes {
        0 => Ok(Trace::from_counted(accesses, distinct_keys as usize)),
        trailing_bytes => Err(CompactError::TrailingBytes { trailing_bytes }),
    }
}

fn push_varint(content: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        content.push(number as u8 | 0x80);
        number >>= 7;
    }
    content.push(number as u8);
}

/// The varints of a content, one after the other.
struct Numbers<'a> {
    content: &'a [u8],
    offset_bytes: usize,
}

impl Numbers<'_> {
    fn next(&mut self) -> Result<u64, CompactError> {
        let mut number = 0;
        let mut shift = 0;
        loop {
            let byte = *self
                .content
                .get(self.offset_bytes)
                .ok_or(CompactError::Truncated)?;
            self.offset_bytes += 1;
            if shift == LAST_SHIFT && byte > 1 {
                return Err(self.invalid());
            }
            number |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
            shift += 7;
        }
    }

    fn invalid(&self) -> CompactError {
        CompactError::InvalidNumber {
            offset_bytes: self.offset_bytes,
        }
    }
}
