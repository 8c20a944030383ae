//! A small cache in a directory of its own, and the values that are put into it.
//!
//! A value tells its key, its version and its length, and all its other bytes follow from these: whatever is read is
//! compared byte by byte with what it says to be.

use std::cell::RefCell;
use std::fs::File;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use guira_files::{Files, FilesError};
use guira_segment::Expiry;

use crate::belief::Beliefs;
use crate::subject::{Kept, Subject, Unopened, files};

/// What a key is called here.
pub(crate) type Key = u32;
/// Which value of its key a value is.
pub(crate) type Version = u32;

/// What is there when a scene begins.
pub(crate) const BEFORE: Version = 1;
/// What the operation of the scene writes.
pub(crate) const ACTED: Version = 2;
/// What a survivor writes while the operation hangs.
pub(crate) const MEANWHILE: Version = 3;
/// What is written in the end.
pub(crate) const LATER: Version = 4;
/// What is computed after the survivor made void what was there.
pub(crate) const ANEW: Version = 5;

/// Bytes of the value of `key`, in the index and as a file.
pub(crate) const SMALL_BYTES: usize = 200;
pub(crate) const LARGE_BYTES: usize = 90_000;

/// Where a scene plays.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Ground {
    /// A file system in memory: nothing there outlives a boot.
    Memory,
    /// A disk: the last to leave writes back, and marks the table.
    Disk,
}

/// A cache, who looks at it, and what it may hold.
pub(crate) struct World<S = Files> {
    root: PathBuf,
    /// The survivor's handle.
    pub(crate) survivor: Option<S>,
    pub(crate) beliefs: RefCell<Beliefs>,
    /// Names in the directory that are somebody else's.
    pub(crate) foreign: RefCell<Vec<PathBuf>>,
}

impl<S: Subject> World<S> {
    /// An empty one at `root`, which is made; nothing is in it, and nobody has it open.
    pub(crate) fn new(root: &Path) -> Self {
        // Left by a run that was ended from outside.
        let _ = std::fs::remove_dir_all(root);
        std::fs::create_dir_all(root).expect("a directory can be made");
        Self {
            root: root.canonicalize().expect("it was just made"),
            survivor: None,
            beliefs: RefCell::default(),
            foreign: RefCell::default(),
        }
    }

    /// Of values that are files.
    pub(crate) fn directory(&self) -> PathBuf {
        self.root.join("cache")
    }

    /// A file beside the cache.
    pub(crate) fn outside(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }

    /// From here on the key is computed anew: what was computed before is void.
    pub(crate) fn make_void(&self) {
        std::fs::write(self.outside("void"), []).expect("there is room");
    }

    /// What a computation gives now.
    pub(crate) fn computed(&self, key: Key) -> Vec<u8> {
        let is_void = self.outside("void").exists();
        value(key, if is_void { ANEW } else { ACTED }, LARGE_BYTES)
    }

    pub(crate) fn open(&self) -> Result<S, Unopened> {
        S::open(&self.root)
    }

    /// The survivor's handle, opened if it was not.
    pub(crate) fn survivor(&mut self) -> Result<&S, Unopened> {
        if self.survivor.is_none() {
            self.survivor = Some(self.open()?);
        }
        Ok(self.survivor.as_ref().expect("it was just opened"))
    }

    /// The survivor's handle, in a scene that has prepared it.
    pub(crate) fn prepared(&self) -> &S {
        self.survivor.as_ref().expect("the scene opened it")
    }

    pub(crate) fn begin(&mut self) {
        self.survivor = Some(S::make(&self.root).expect("a new directory opens"));
    }

    /// Puts what is there before the operation.
    pub(crate) fn put(&self, key: Key, bytes: usize) {
        let put = self.prepared().put(key, &value(key, BEFORE, bytes));
        assert_eq!(put, Ok(Kept::Stored), "there is room");
        self.beliefs.borrow_mut().set(key, BEFORE);
    }

    /// Six files and two small values, which leaves room for six more files.
    pub(crate) fn furnish(&mut self) {
        self.begin();
        for key in 0..6 {
            self.put(key, LARGE_BYTES);
        }
        self.put(10, SMALL_BYTES);
        self.put(11, SMALL_BYTES);
    }

    /// So many files that the next one takes the room of another.
    pub(crate) fn fill_up(&mut self) {
        self.furnish();
        for key in 20..27 {
            self.put(key, LARGE_BYTES);
        }
        let depot = self.prepared().depot().expect("it has files");
        let left = depot.room_bytes() - depot.used_bytes();
        assert!(
            left < LARGE_BYTES as u64,
            "{left} bytes are left: the scene evicts nothing"
        );
    }

    /// The value file of the key, as a path.
    pub(crate) fn file_of(&self, key: Key) -> PathBuf {
        let own = value(key, BEFORE, LARGE_BYTES);
        let files = crate::audit::value_files(&self.directory());
        let found = files
            .into_iter()
            .find(|path| std::fs::read(path).is_ok_and(|bytes| bytes.ends_with(&own)));
        found.expect("the key has a file")
    }
}

impl World {
    pub(crate) fn open_durable(&self) -> Result<Files, FilesError> {
        files::builder().durable(true).open_or_create(self.directory())
    }

    pub(crate) fn put_for(&self, key: Key, bytes: usize, expiry: Expiry) {
        let value = value(key, BEFORE, bytes);
        self.prepared()
            .put(&name(key), &value, expiry)
            .expect("there is room");
        self.beliefs.borrow_mut().set(key, BEFORE);
    }

    /// Puts a value that is over before the scene begins.
    pub(crate) fn put_expired(&self, key: Key, bytes: usize) {
        self.put_for(key, bytes, Expiry::after(Duration::from_millis(1)));
        while self.prepared().contains(&name(key)) {
            std::thread::yield_now();
        }
        self.beliefs.borrow_mut().lose(key);
    }

    /// Reads every key: what is read is not the first to go.
    pub(crate) fn read_all(&self) {
        for key in self.beliefs.borrow().keys() {
            assert!(self.prepared().get_bytes(&name(key)).is_ok());
        }
    }

    /// Puts a value for which others have to go.
    pub(crate) fn squeeze(&self, key: Key, bytes: usize) {
        self.put(key, bytes);
        let mut beliefs = self.beliefs.borrow_mut();
        for key in beliefs.keys() {
            if !self.prepared().contains(&name(key)) {
                beliefs.lose(key);
            }
        }
    }

    /// Waits until the key's file is so old that the kernel's clock would tell a change of it.
    pub(crate) fn settle(&self, key: Key) {
        let path = self.file_of(key);
        let age = || {
            let found = path.metadata().and_then(|it| it.modified()).expect("it is there");
            found.elapsed().unwrap_or_default()
        };
        while age() < Duration::from_millis(60) {
            std::thread::yield_now();
        }
    }

    /// A regular file beside the cache with the value of `key` that the operation writes.
    pub(crate) fn source(&self, key: Key, bytes: usize) -> File {
        let path = self.outside("source");
        let mut file = File::create_new(&path).expect("a file can be made");
        file.write_all(&value(key, ACTED, bytes)).expect("there is room");
        File::open(path).expect("it was just made")
    }
}

impl<S> Drop for World<S> {
    fn drop(&mut self) {
        drop(self.survivor.take());
        // What cannot be removed now is removed by the next world at this place.
        let _ = std::fs::remove_dir_all(&self.root);
    }
}

/// The key's bytes.
pub(crate) fn name(key: Key) -> Vec<u8> {
    format!("key {key}").into_bytes()
}

/// The bytes of a value: key, version, length, and noise that follows from them. At least 16.
pub(crate) fn value(key: Key, version: Version, length: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(length + 8);
    bytes.extend_from_slice(&key.to_le_bytes());
    bytes.extend_from_slice(&version.to_le_bytes());
    bytes.extend_from_slice(&(length as u64).to_le_bytes());
    let mut state = (u64::from(key) << 40 | u64::from(version) << 32 | length as u64)
        .wrapping_mul(0x9e37_79b9_7f4a_7c15)
        | 1;
    while bytes.len() < length {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(length);
    bytes
}

/// Which version of `key` these bytes are; an error if they are no value of it.
pub(crate) fn version_of(key: Key, bytes: &[u8]) -> Result<Version, String> {
    let word = |at: usize| {
        bytes
            .get(at..at + 4)?
            .first_chunk()
            .map(|word| u32::from_le_bytes(*word))
    };
    let (Some(own), Some(version)) = (word(0), word(4)) else {
        return Err(format!("{} bytes are no value", bytes.len()));
    };
    if own != key {
        return Err(format!("a value of key {own} is given for key {key}"));
    }
    if bytes != value(key, version, bytes.len()) {
        return Err(format!(
            "{} bytes of key {key}, version {version}, are not those that were put",
            bytes.len()
        ));
    }
    Ok(version)
}
