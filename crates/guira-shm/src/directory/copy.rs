//! Getting bytes into a file of ours: written, shared with another file, or copied inside the kernel.

use crate::sync::point;
use nix::errno::Errno;
use nix::fcntl::copy_file_range;
use nix::sys::uio::pwritev;
use std::fs::File;
use std::io::{self, IoSlice};
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;

/// Bytes that one call may copy: an interrupting signal costs no more.
const STEP_BYTES: u64 = 64 << 20;

nix::ioctl_write_ptr!(clone_range, 0x94, 13, CloneRange);

/// What the kernel is to share, as it wants it told.
#[repr(C)]
#[derive(Debug)]
pub(super) struct CloneRange {
    source: i64,
    source_offset: u64,
    source_length: u64,
    target_offset: u64,
}

/// Writes all of `bytes` at `offset_bytes`.
///
/// # Errors
/// What the kernel says: a full disk, a quota, a limit of this process. (To exceed `RLIMIT_FSIZE` raises SIGXFSZ, which
/// ends a process that does not ignore it.)
pub fn write_at(file: &File, offset_bytes: u64, bytes: &[u8]) -> io::Result<()> {
    point("write");
    file.write_all_at(bytes, offset_bytes)
}

/// Writes `head` at the file's beginning and `rest` behind it, in one call: of a file that is written in one piece the
/// kernel keeps fewer and larger pieces in memory, which makes reading, mapping and removing it cheaper, too.
///
/// # Errors
/// As [`write_at`].
pub fn write_whole(file: &File, head: &[u8], rest: &[u8]) -> io::Result<()> {
    let mut done = 0;
    point("write");
    while done < head.len() + rest.len() {
        let left = [
            IoSlice::new(head.get(done..).unwrap_or(&[])),
            IoSlice::new(rest.get(done.saturating_sub(head.len())..).unwrap_or(&[])),
        ];
        match pwritev(file, &left, done as i64) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(bytes) => done += bytes,
            Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(())
}

/// Lets `target` share the blocks of the first `len_bytes` of `source` from `target_offset_bytes` on, until
/// one of them is changed. False where the file system cannot: nothing was done.
///
/// # Errors
/// What the kernel says of a disk that is full or fails.
pub fn clone_into(
    source: &File,
    len_bytes: u64,
    target: &File,
    target_offset_bytes: u64,
) -> io::Result<bool> {
    let range = CloneRange {
        source: source.as_raw_fd().into(),
        source_offset: 0,
        source_length: len_bytes,
        target_offset: target_offset_bytes,
    };
    point("clone");
    // SAFETY: the kernel reads the 32 bytes of `range`, which lives until the call returns.
    let cloned = unsafe { clone_range(target.as_raw_fd(), &raw const range) };
    match cloned {
        Ok(_) => Ok(true),
        Err(
            Errno::EOPNOTSUPP
            | Errno::ENOTTY
            | Errno::EXDEV
            | Errno::EINVAL
            | Errno::ENOSYS
            | Errno::EPERM
            | Errno::ETXTBSY,
        ) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}

/// Copies the first `len_bytes` of `source` to `target` from `target_offset_bytes` on; says how many there were,
/// which is fewer if the source is shorter by now.
///
/// # Errors
/// What the kernel says.
pub fn copy_into(source: &File, len_bytes: u64, target: &File, target_offset_bytes: u64) -> io::Result<u64> {
    let mut copied_bytes = 0;
    while copied_bytes < len_bytes {
        let (Ok(mut from), Ok(mut to)) = (
            i64::try_from(copied_bytes),
            i64::try_from(target_offset_bytes.saturating_add(copied_bytes)),
        ) else {
            return Err(io::ErrorKind::FileTooLarge.into());
        };
        let step = (len_bytes - copied_bytes).min(STEP_BYTES) as usize;
        point("copy");
        match copy_file_range(source, Some(&mut from), target, Some(&mut to), step) {
            Ok(0) => break,
            Ok(bytes) => copied_bytes += bytes as u64,
            Err(Errno::EINTR) => {}
            // Kinds of files and pairs of file systems that the kernel does not copy between.
            Err(
                Errno::EXDEV
                | Errno::EINVAL
                | Errno::ENOSYS
                | Errno::EOPNOTSUPP
                | Errno::EPERM
                | Errno::EBADF,
            ) => {
                let left = len_bytes - copied_bytes;
                return Ok(copied_bytes
                    + copy_by_hand(
                        source,
                        copied_bytes,
                        left,
                        target,
                        target_offset_bytes + copied_bytes,
                    )?);
            }
            Err(errno) => return Err(errno.into()),
        }
    }
    Ok(copied_bytes)
}

pub(super) fn copy_by_hand(
    source: &File,
    from: u64,
    len_bytes: u64,
    target: &File,
    to: u64,
) -> io::Result<u64> {
    let mut buffer = vec![0; len_bytes.min(256 << 10) as usize];
    let mut copied_bytes = 0;
    while copied_bytes < len_bytes {
        let step = buffer.len().min((len_bytes - copied_bytes) as usize);
        let Some(room) = buffer.get_mut(..step) else { break };
        let bytes = match source.read_at(room, from + copied_bytes) {
            Ok(0) => break,
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        target.write_all_at(room.get(..bytes).unwrap_or(&[]), to + copied_bytes)?;
        copied_bytes += bytes as u64;
    }
    Ok(copied_bytes)
}
