//! A file whose descriptor others may close behind its owner's back.
//!
//! A process that makes itself a daemon closes every number it knows of, and the next file that it
//! opens gets one of them. Whoever goes on with the old number then asks, locks and closes a file of
//! somebody else.

use nix::errno::Errno;
use std::fs::File;
use std::os::unix::fs::MetadataExt;

/// An open file, used and closed only as long as its descriptor leads to it.
#[derive(Debug)]
pub(crate) struct KeptFile {
    /// There until it is dropped.
    file: Option<File>,
    /// Device and inode numbers; none if they could not be had.
    identity: Option<(u64, u64)>,
}

impl KeptFile {
    pub(crate) fn new(file: File) -> KeptFile {
        KeptFile {
            identity: identity_of(&file),
            file: Some(file),
        }
    }

    /// The file, wherever its descriptor leads by now.
    pub(crate) fn unchecked(&self) -> &File {
        self.file.as_ref().expect("it is there until it is dropped")
    }

    /// The file, if its descriptor still leads to it; `EBADF` as for a closed one otherwise.
    pub(crate) fn checked(&self) -> Result<&File, Errno> {
        let file = self.unchecked();
        if self.identity.is_some() && identity_of(file) == self.identity {
            Ok(file)
        } else {
            Err(Errno::EBADF)
        }
    }

    /// Closes the descriptor, if it still leads to the file; whoever asks for it later gets `EBADF`, as if
    /// somebody else had closed it.
    #[cfg(not(guira_model))]
    pub(crate) fn close(&self) {
        if let Ok(file) = self.checked() {
            // Linux closes the number whatever this returns.
            let _ = nix::unistd::close(std::os::fd::AsRawFd::as_raw_fd(file));
        }
    }
}

impl Drop for KeptFile {
    fn drop(&mut self) {
        let is_ours = self.checked().is_ok();
        if let Some(file) = self.file.take()
            && !is_ours
        {
            // The number is closed, or somebody else's: not ours to close.
            std::mem::forget(file);
        }
    }
}

fn identity_of(file: &File) -> Option<(u64, u64)> {
    let metadata = file.metadata().ok()?;
    Some((metadata.dev(), metadata.ino()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Outcome, in_child};
    use nix::fcntl::{FcntlArg, fcntl};
    use std::os::fd::AsRawFd;

    #[test]
    fn a_file_whose_number_is_anothers_is_neither_used_nor_closed() {
        let [first, second] = [(); 2].map(|()| tempfile::tempfile().expect("a file"));
        let outcome = in_child(move || {
            let number = first.as_raw_fd();
            let kept = KeptFile::new(first);
            let before = kept.checked().is_ok();
            nix::unistd::close(number).expect("closed behind its back");
            let closed = kept.checked().err();
            // Not the lowest free number: threads of other tests may have left lower ones.
            let taken = fcntl(&second, FcntlArg::F_DUPFD_CLOEXEC(number)) == Ok(number);
            let foreign = kept.checked().err();
            drop(kept);
            let left_open = fcntl(&second, FcntlArg::F_DUPFD_CLOEXEC(number)) != Ok(number);
            let both = [closed, foreign] == [Some(Errno::EBADF); 2];
            Outcome::of(before && both && taken && left_open)
        });
        assert_eq!(outcome, Outcome::Passed);
    }
}
