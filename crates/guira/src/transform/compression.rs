//! Compression of what is larger than a size.

use crate::envelope::Extras;
use crate::error::CodecError;

/// Longer values are not believed: no segment holds them.
const MAX_VALUE_BYTES: usize = 1 << 32;
/// What the length takes.
const LENGTH_BYTES: usize = 4;

/// How values are compressed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Compression {
    kind: Kind,
    /// Shorter ones are left as they are.
    above_bytes: usize,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    #[cfg(feature = "lz4")]
    Lz4,
    #[cfg(feature = "zstd")]
    Zstd { level: i32 },
}

impl Compression {
    #[cfg(feature = "lz4")]
    pub(crate) const fn lz4(above_bytes: usize) -> Self {
        Self {
            kind: Kind::Lz4,
            above_bytes,
        }
    }

    #[cfg(feature = "zstd")]
    pub(crate) const fn zstd(above_bytes: usize, level: i32) -> Self {
        Self {
            kind: Kind::Zstd { level },
            above_bytes,
        }
    }

    /// The length and the compressed bytes, with the envelope's bits; `None` if they would not be fewer.
    pub(crate) fn compress(&self, payload: &[u8]) -> Result<Option<(u8, Vec<u8>)>, CodecError> {
        if payload.len() <= self.above_bytes {
            return Ok(None);
        }
        let Ok(length) = u32::try_from(payload.len()) else {
            return Ok(None);
        };
        let mut out = length.to_le_bytes().to_vec();
        let bits = self.kind.compress_into(payload, &mut out)?;
        Ok((out.len() < payload.len()).then_some((bits, out)))
    }
}

impl Kind {
    #[cfg_attr(
        not(any(feature = "lz4", feature = "zstd")),
        expect(unused_variables, clippy::ptr_arg, reason = "there is no kind then")
    )]
    fn compress_into(self, payload: &[u8], out: &mut Vec<u8>) -> Result<u8, CodecError> {
        match self {
            #[cfg(feature = "lz4")]
            Self::Lz4 => {
                out.extend_from_slice(&lz4_flex::block::compress(payload));
                Ok(Extras::LZ4)
            }
            #[cfg(feature = "zstd")]
            Self::Zstd { level } => {
                let compressed = zstd::bulk::compress(payload, level)
                    .map_err(|error| CodecError::encode("Zstandard", error))?;
                out.extend_from_slice(&compressed);
                Ok(Extras::ZSTD)
            }
        }
    }
}

/// Undoes a compression of `kind`.
pub(super) fn decompress(kind: u8, bytes: &[u8]) -> Result<Vec<u8>, CodecError> {
    let (length, compressed) = bytes
        .split_first_chunk::<LENGTH_BYTES>()
        .ok_or_else(|| CodecError::decode("compressed value", "it is cut short"))?;
    let length = u32::from_le_bytes(*length) as usize;
    // A few bytes may claim to be gigabytes: LZ4 makes at most 255 of one, Zstandard some 30,000.
    let most = match kind {
        Extras::LZ4 => 255,
        _ => 1 << 15,
    };
    if length > MAX_VALUE_BYTES.min(compressed.len().saturating_mul(most)) {
        return Err(CodecError::decode(
            "compressed value",
            format_args!("{} bytes claim to be {length}", compressed.len()),
        ));
    }
    match kind {
        #[cfg(feature = "lz4")]
        Extras::LZ4 => {
            let value = lz4_flex::block::decompress(compressed, length)
                .map_err(|error| CodecError::decode("LZ4", error))?;
            whole("LZ4", value, length)
        }
        #[cfg(feature = "zstd")]
        Extras::ZSTD => {
            let value = zstd::bulk::decompress(compressed, length)
                .map_err(|error| CodecError::decode("Zstandard", error))?;
            whole("Zstandard", value, length)
        }
        _ => Err(CodecError::decode(
            "compressed value",
            "this program is built without the feature that reads it (lz4, zstd)",
        )),
    }
}

#[cfg(any(feature = "lz4", feature = "zstd"))]
fn whole(name: &'static str, value: Vec<u8>, length: usize) -> Result<Vec<u8>, CodecError> {
    if value.len() == length {
        Ok(value)
    } else {
        Err(CodecError::decode(
            name,
            format_args!("{} bytes instead of {length}", value.len()),
        ))
    }
}
