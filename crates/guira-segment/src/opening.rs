//! Reading the superblock of an existing file, and saying what is wrong with it.

use std::path::{Path, PathBuf};

use guira_shm::file::OpenFile;

use crate::error::OpenError;
use crate::layout::geometry::MIN_SEGMENT_BYTES;
use crate::layout::superblock::{MAGIC, MAJOR_VERSION, Refusal, SUPERBLOCK_BYTES, Superblock, Unchecked};

pub(crate) fn read_superblock(file: &OpenFile, path: &Path) -> Result<Superblock, OpenError> {
    let path = path.to_path_buf();
    let found_bytes = file.len_bytes()?;
    let mut bytes = [0; SUPERBLOCK_BYTES];
    let readable = usize::try_from(found_bytes)
        .unwrap_or(SUPERBLOCK_BYTES)
        .min(SUPERBLOCK_BYTES);
    if let Some(head) = bytes.get_mut(..readable) {
        file.read_exact_at(0, head)?;
    }
    if readable < SUPERBLOCK_BYTES {
        // Only what begins like a segment is called a damaged one: anything else may be precious.
        let begins_like_one = MAGIC
            .to_le_bytes()
            .iter()
            .zip(&bytes)
            .take(readable)
            .all(|(a, b)| a == b);
        return Err(if begins_like_one {
            OpenError::Truncated {
                path,
                found_bytes,
                expected_bytes: MIN_SEGMENT_BYTES as u64,
            }
        } else {
            OpenError::Foreign { path }
        });
    }
    let superblock = Unchecked(bytes)
        .check()
        .map_err(|refusal| refusal.into_error(path.clone()))?;
    let expected_bytes = superblock.geometry.total_bytes as u64;
    if found_bytes < expected_bytes {
        return Err(OpenError::Truncated {
            path,
            found_bytes,
            expected_bytes,
        });
    }
    Ok(superblock)
}

impl Refusal {
    pub(crate) fn into_error(self, path: PathBuf) -> OpenError {
        match self {
            Refusal::Foreign => OpenError::Foreign { path },
            Refusal::WrongEndian => OpenError::WrongEndian { path },
            Refusal::Version { major, minor } => OpenError::Version {
                path,
                major,
                minor,
                supported: MAJOR_VERSION,
            },
            Refusal::Features { unknown } => OpenError::Features { path, unknown },
            Refusal::Checksum => OpenError::Damaged {
                path,
                what: "checksum",
            },
            Refusal::Geometry { field } => OpenError::Damaged { path, what: field },
        }
    }
}
