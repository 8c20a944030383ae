//! The source of truth that the function reads: a version for each object, in a file of its own.
//!
//! Beside each current version stands, for each host, the one whose invalidation must have been seen
//! there. A change writes the current version, invalidates, and only then announces it: at once to the
//! own host, and to others one bound after the brokers accepted the invalidation. A trusted read that
//! begins after an announcement to its host and shows an older version is stale. The file is read and
//! written by system calls, so it shares nothing with what it judges.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use super::hosts::HOSTS;

const WORD_BYTES: u64 = 8;
const OBJECT_BYTES: u64 = (1 + HOSTS as u64) * WORD_BYTES;

/// The open file.
#[derive(Debug)]
pub(crate) struct Source(File);

impl Source {
    /// A new source: every object has version 0.
    pub(crate) fn create(path: &Path, objects: usize) -> io::Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .open(path)?;
        file.set_len(objects as u64 * OBJECT_BYTES)?;
        Ok(Self(file))
    }

    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        Ok(Self(OpenOptions::new().read(true).write(true).open(path)?))
    }

    /// The version a computation that begins now is of.
    pub(crate) fn current(&self, object: u32) -> io::Result<u64> {
        self.read(u64::from(object) * OBJECT_BYTES)
    }

    /// The oldest version that a trusted read which begins now on `host` may show.
    pub(crate) fn announced(&self, object: u32, host: usize) -> io::Result<u64> {
        self.read(announcement(object, host))
    }

    /// Changes the object; of one object one process at a time.
    pub(crate) fn change(&self, object: u32, version: u64) -> io::Result<()> {
        self.write(u64::from(object) * OBJECT_BYTES, version)
    }

    /// Says that from now on `host` may not show anything older than `version`.
    pub(crate) fn announce(&self, object: u32, host: usize, version: u64) -> io::Result<()> {
        self.write(announcement(object, host), version)
    }

    fn read(&self, offset: u64) -> io::Result<u64> {
        let mut word = [0; WORD_BYTES as usize];
        self.0.read_exact_at(&mut word, offset)?;
        Ok(u64::from_le_bytes(word))
    }

    fn write(&self, offset: u64, version: u64) -> io::Result<()> {
        self.0.write_all_at(&version.to_le_bytes(), offset)
    }
}

const fn announcement(object: u32, host: usize) -> u64 {
    object as u64 * OBJECT_BYTES + (1 + host as u64) * WORD_BYTES
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_current_at_once_and_announced_to_each_host_later() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("source");
        let source = Source::create(&path, 10).expect("a new file");
        let other = Source::open(&path).expect("the same file");
        source.change(9, 4).expect("in range");
        assert_eq!(other.current(9).expect("in range"), 4);
        assert_eq!(other.announced(9, 1).expect("in range"), 0);
        source.announce(9, 1, 4).expect("in range");
        assert_eq!(other.announced(9, 1).expect("in range"), 4);
        assert_eq!(other.announced(9, 0).expect("in range"), 0);
        assert_eq!(other.current(8).expect("in range"), 0);
        assert!(other.current(10).is_err());
    }
}
