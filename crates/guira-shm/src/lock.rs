//! Locks on single bytes of a file, which the kernel drops at the holder's death.
//!
//! They are open-file-description locks: they belong to the descriptor (and to
//! every copy of it that `dup` or `fork` makes), not to a process or a thread.
//! They never wait.

use crate::file::KeptFile;
use crate::sync::point;
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use std::fs::File;
use std::io;
use std::sync::Arc;

/// First byte of the range in which process records are locked. It lies past
/// the end of any file, where bytes can be locked all the same.
pub const RECORD_LOCK_BASE: u64 = 1 << 62;

/// Whether a byte is locked through another descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Probe {
    /// No other descriptor holds it.
    Free,
    /// Another descriptor holds it.
    Held,
}

/// The byte locks held through one open file description.
///
/// Dropping it closes the descriptor and so drops its locks, unless a forked
/// child still holds a copy: see [`crate::file::MappedFile::reopen`].
///
/// In a process that closed its descriptors the locks are gone; every request then fails, and none
/// reaches a file that got the number later.
#[derive(Debug)]
pub struct ByteLocks {
    file: KeptFile,
}

impl ByteLocks {
    /// Locks through `file`, which must be open for writing and should be a
    /// description of its own (not a `try_clone` of another).
    pub fn new(file: File) -> ByteLocks {
        ByteLocks {
            file: KeptFile::new(file),
        }
    }

    /// The file whose bytes are locked.
    pub fn file(&self) -> &File {
        self.file.unchecked()
    }

    /// Takes the lock on `byte` unless another descriptor holds it. Succeeds
    /// (again) for a byte that this descriptor already holds.
    ///
    /// # Errors
    ///
    /// When the kernel refuses for another reason than a held lock, such as a
    /// file system without locks or a byte past `i64::MAX`.
    pub fn try_lock(&self, byte: u64) -> io::Result<bool> {
        point("lock");
        match self.set(byte, libc::F_WRLCK) {
            Ok(()) => Ok(true),
            Err(Errno::EAGAIN | Errno::EACCES) => Ok(false),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Releases the lock on `byte`. In a forked child this would release the
    /// parent's lock: a child closes the descriptor instead.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub fn unlock(&self, byte: u64) -> io::Result<()> {
        point("unlock");
        Ok(self.set(byte, libc::F_UNLCK)?)
    }

    /// In a forked child: closes the descriptor that came over the fork, which leaves the parent's locks
    /// alone, also if threads that the child does not have were in the middle of using it.
    pub fn leave_to_parent(self: Arc<Self>) {
        if let Err(shared) = Arc::try_unwrap(self) {
            // The references that are left are of threads that do not exist: nobody closes it again.
            shared.file.close();
            std::mem::forget(shared);
        }
    }

    /// Whether another descriptor holds `byte`. A lock of this very descriptor
    /// looks free: never probe a byte of one's own, nor through a descriptor
    /// that came over a fork.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub fn probe(&self, byte: u64) -> io::Result<Probe> {
        let mut flock = flock(byte, libc::F_WRLCK)?;
        fcntl(self.file.checked()?, FcntlArg::F_OFD_GETLK(&mut flock))?;
        let free = i32::from(flock.l_type) == libc::F_UNLCK;
        Ok(if free { Probe::Free } else { Probe::Held })
    }

    fn set(&self, byte: u64, kind: i32) -> nix::Result<()> {
        let flock = flock(byte, kind)?;
        loop {
            match fcntl(self.file.checked()?, FcntlArg::F_OFD_SETLK(&flock)) {
                Ok(_) => return Ok(()),
                Err(Errno::EINTR) => {}
                Err(errno) => return Err(errno),
            }
        }
    }
}

fn flock(byte: u64, kind: i32) -> nix::Result<libc::flock> {
    Ok(libc::flock {
        l_type: kind as libc::c_short,
        l_whence: libc::SEEK_SET as libc::c_short,
        l_start: i64::try_from(byte).map_err(|_| Errno::EINVAL)?,
        l_len: 1,
        l_pid: 0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{eventually, spawn_child};
    use nix::sys::signal::{Signal, kill};
    use std::path::Path;

    const BYTE: u64 = RECORD_LOCK_BASE + 5;

    fn locks_of(path: &Path) -> ByteLocks {
        let file = File::options()
            .read(true)
            .write(true)
            .open(path)
            .expect("the file opens");
        ByteLocks::new(file)
    }

    #[test]
    fn a_byte_past_the_end_has_one_holder_at_a_time() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let (one, two) = (locks_of(file.path()), locks_of(file.path()));
        assert!(one.try_lock(BYTE).expect("lock"));
        assert!(!two.try_lock(BYTE).expect("lock"));
        assert_eq!(two.probe(BYTE).expect("probe"), Probe::Held);
        assert_eq!(two.probe(BYTE + 1).expect("probe"), Probe::Free);
        assert!(two.try_lock(BYTE + 1).expect("a neighbour is another lock"));
        one.unlock(BYTE).expect("unlock");
        assert_eq!(two.probe(BYTE).expect("probe"), Probe::Free);
        assert!(two.try_lock(BYTE).expect("lock"));
    }

    #[test]
    fn an_own_lock_looks_free_and_is_taken_again() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let locks = locks_of(file.path());
        assert!(locks.try_lock(BYTE).expect("lock"));
        assert!(locks.try_lock(BYTE).expect("lock"));
        assert_eq!(locks.probe(BYTE).expect("probe"), Probe::Free);
    }

    #[test]
    fn a_killed_holder_frees_its_byte_before_it_is_reaped() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let locks = locks_of(file.path());
        let path = file.path().to_path_buf();
        let child = spawn_child(move || {
            let locks = locks_of(&path);
            let locked = locks.try_lock(BYTE).expect("lock");
            assert!(locked);
            nix::unistd::pause();
        });
        eventually(|| locks.probe(BYTE).expect("probe") == Probe::Held);
        kill(child.pid(), Signal::SIGKILL).expect("kill");
        eventually(|| locks.probe(BYTE).expect("probe") == Probe::Free);
        assert!(locks.try_lock(BYTE).expect("lock"));
    }

    #[test]
    fn a_child_gives_up_a_descriptor_that_its_parents_threads_were_using() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let other = locks_of(file.path());
        let locks = Arc::new(locks_of(file.path()));
        assert!(locks.try_lock(BYTE).expect("lock"));
        // Another thread in the middle of a probe, as the child finds it.
        let in_use = Arc::clone(&locks);
        let child = spawn_child(|| {
            Arc::clone(&locks).leave_to_parent();
            assert!(in_use.probe(BYTE).is_err(), "its number is closed");
            nix::unistd::pause();
        });
        eventually(|| {
            let path = format!("/proc/{}/fd", child.pid());
            let open = std::fs::read_dir(path).expect("its descriptors");
            let leads_here = |entry: io::Result<std::fs::DirEntry>| {
                let entry = entry.expect("a descriptor").path();
                std::fs::read_link(entry).is_ok_and(|target| target == file.path())
            };
            // The file itself, the other description: one less than here.
            open.map(leads_here).filter(|leads| *leads).count() == 2
        });
        assert_eq!(
            other.probe(BYTE).expect("probe"),
            Probe::Held,
            "the parent's lock stands"
        );
        drop(in_use);
        drop(locks);
        // Awaited, for children of other tests may hold copies until they end. This one does not end.
        eventually(|| other.probe(BYTE).expect("probe") == Probe::Free);
    }

    #[test]
    fn a_byte_past_the_largest_offset_is_refused() {
        let file = tempfile::NamedTempFile::new().expect("a file");
        let error = locks_of(file.path())
            .try_lock(u64::MAX)
            .expect_err("no such byte");
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
    }
}
