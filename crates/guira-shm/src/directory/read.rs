//! Getting a file's bytes into memory of this process, without zeroes being written there first.

use nix::errno::Errno;
use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;

/// Pieces of memory that are copied side by side, and how much of each at once. The processor fetches ahead within a page
/// only; four pages at a time keep more fetches under way than one (8.8 us for 10.8, of 100 KB that no cache has).
const SIDE_BY_SIDE: usize = 4;
const STEP_BYTES: usize = 1 << 10;

/// The `len_bytes` of `file` from `offset_bytes` on.
///
/// # Errors
/// [`io::ErrorKind::UnexpectedEof`] for a shorter file, and what the kernel says.
pub fn read_at(file: &File, offset_bytes: u64, len_bytes: usize) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(len_bytes);
    while bytes.len() < len_bytes {
        let at = i64::try_from(offset_bytes.saturating_add(bytes.len() as u64));
        let at = at.map_err(|_| io::ErrorKind::UnexpectedEof)?;
        let room = bytes.spare_capacity_mut();
        let most = room.len().min(len_bytes);
        // SAFETY: the kernel writes at most `most` bytes, which `room` has.
        let read = unsafe { libc::pread(file.as_raw_fd(), room.as_mut_ptr().cast(), most, at) };
        match Errno::result(read) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Ok(read) => {
                let len = bytes.len() + read as usize;
                // SAFETY: the kernel has written so many bytes behind those that were there.
                unsafe { bytes.set_len(len) };
            }
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    bytes.truncate(len_bytes);
    Ok(bytes)
}

/// A copy of bytes that are long and, likely, in no cache of the processor.
pub(super) fn copy_of(bytes: &[u8]) -> Vec<u8> {
    let mut copy = Vec::with_capacity(bytes.len());
    let room = copy
        .spare_capacity_mut()
        .get_mut(..bytes.len())
        .unwrap_or_default();
    let part = bytes.len() / SIDE_BY_SIDE;
    for step in (0..part).step_by(STEP_BYTES) {
        for piece in 0..SIDE_BY_SIDE {
            let range = piece * part + step..piece * part + part.min(step + STEP_BYTES);
            if let (Some(to), Some(from)) = (room.get_mut(range.clone()), bytes.get(range)) {
                to.write_copy_of_slice(from);
            }
        }
    }
    let rest = part * SIDE_BY_SIDE..bytes.len();
    if let (Some(to), Some(from)) = (room.get_mut(rest.clone()), bytes.get(rest)) {
        to.write_copy_of_slice(from);
    }
    // SAFETY: the pieces and the rest are all of it, and each has been written.
    unsafe { copy.set_len(bytes.len()) };
    copy
}
