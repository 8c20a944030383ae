//! Whether a file is what its stub says.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;

use xxhash_rust::xxh3::Xxh3;

use crate::layout::head::{Head, MAX_HEAD_BYTES};
use crate::layout::stub::Stub;

/// What a core has in a cache of its own.
const STEP_BYTES: usize = 64 << 10;

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
    if !head_fits(file, stub)? {
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

/// Whether the file's head says what the stub does. A linked file has none.
pub(super) fn head_fits(file: &File, stub: &Stub) -> io::Result<bool> {
    if stub.is_linked() {
        return Ok(true);
    }
    let head_bytes = stub.head_bytes as usize;
    if head_bytes > MAX_HEAD_BYTES {
        return Ok(false);
    }
    let mut bytes = vec![0; head_bytes];
    match file.read_exact_at(&mut bytes, 0) {
        Ok(()) => {}
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => return Ok(false),
        Err(error) => return Err(error),
    }
    Ok(is_head_of(&bytes, stub))
}

/// Whether the bytes at the beginning of a file are the head that the stub says.
pub(super) fn is_head_of(bytes: &[u8], stub: &Stub) -> bool {
    Head::parse(bytes).is_some_and(|head| {
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
    })
}
