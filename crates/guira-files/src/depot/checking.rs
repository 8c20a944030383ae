//! Whether a file is what its stub says.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;

use xxhash_rust::xxh3::Xxh3;

use crate::layout::head::{HEAD_FIXED_BYTES, Head, MAX_HEAD_BYTES};
use crate::layout::stub::Stub;

const STEP_BYTES: usize = 1 << 20;

/// Whether an error of opening says that the value is not there: its name is gone, or leads to something that is no
/// file of ours.
pub(super) fn is_gone(error: &io::Error) -> bool {
    const TOO_MANY_LINKS: i32 = nix::errno::Errno::ELOOP as i32;
    matches!(
        error.kind(),
        ErrorKind::NotFound | ErrorKind::NotADirectory | ErrorKind::InvalidInput
    ) || error.raw_os_error() == Some(TOO_MANY_LINKS)
}

/// The checksum of the first `len_bytes` of a file, as they are now; an error if there are fewer.
pub(super) fn checksum_of(file: &File, len_bytes: u64) -> io::Result<u64> {
    checksum_from(file, 0, len_bytes)
}

/// Reads the whole file: whether its head is the stub's, and its bytes have the checksum. The bytes are copied to be
/// looked at, so a file that is cut meanwhile is only shorter.
pub(super) fn is_intact(file: &File, stub: &Stub) -> io::Result<bool> {
    if !stub.is_linked() && !head_fits(file, stub)? {
        return Ok(false);
    }
    match checksum_from(file, stub.head_bytes.into(), stub.value_bytes) {
        Ok(checksum) => Ok(checksum == stub.checksum),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}

fn checksum_from(file: &File, from: u64, len_bytes: u64) -> io::Result<u64> {
    let mut hasher = Xxh3::new();
    let mut buffer = vec![0; STEP_BYTES.min(usize::try_from(len_bytes).unwrap_or(STEP_BYTES))];
    let mut done = 0;
    while done < len_bytes {
        let step = buffer
            .len()
            .min(usize::try_from(len_bytes - done).unwrap_or(STEP_BYTES));
        let room = buffer.get_mut(..step).unwrap_or_default();
        file.read_exact_at(room, from + done)?;
        hasher.update(room);
        done += step as u64;
    }
    Ok(hasher.digest())
}

fn head_fits(file: &File, stub: &Stub) -> io::Result<bool> {
    Ok(read_head(file)?.is_some_and(|head| {
        let own = (
            head.life,
            head.number,
            head.value_bytes,
            head.checksum,
            head.head_bytes,
        );
        own == (
            stub.life,
            stub.number,
            stub.value_bytes,
            stub.checksum,
            stub.head_bytes,
        )
    }))
}

/// The head of a value file; `None` if it has none, or a damaged one.
pub(super) fn read_head(file: &File) -> io::Result<Option<Head>> {
    let mut fixed = [0; HEAD_FIXED_BYTES];
    match file.read_exact_at(&mut fixed, 0) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    }
    let key_bytes = fixed
        .get(96..100)
        .and_then(|bytes| bytes.first_chunk())
        .map_or(0, |bytes| u32::from_le_bytes(*bytes) as usize);
    if HEAD_FIXED_BYTES + key_bytes > MAX_HEAD_BYTES {
        return Ok(None);
    }
    let mut bytes = vec![0; HEAD_FIXED_BYTES + key_bytes];
    match file.read_exact_at(&mut bytes, 0) {
        Ok(()) => Ok(Head::parse(&bytes)),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(None),
        Err(error) => Err(error),
    }
}
