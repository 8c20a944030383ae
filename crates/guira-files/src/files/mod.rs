//! A files cache of its own: keys and values of any bytes in a directory.
//!
//! Its index is a segment in the directory: keys, deadlines, tags, and small values, which are read there faster than
//! any file is opened. Larger values are files, named by stubs in the index ([`Depot`]).

mod builder;
mod look;
mod store;

pub use builder::FilesBuilder;
pub use look::{FileEntry, Verified};
pub use store::Purged;

use std::path::Path;

use guira_segment::{Metadata, Segment};

use crate::depot::{Depot, DepotStats, FileValue, Swept, ValueMap};
use crate::error::FilesError;
use crate::layout::stub::Stub;

/// How often a value is read that is replaced each time between the look at the index and that at its file.
const READS: u32 = 8;

/// A cache of large values in a directory that processes share. Cheap to clone; `Send` and `Sync`; a forked child goes
/// on with it.
///
/// ```
/// use guira_files::{Expiry, Files};
/// use std::io::Read;
/// use std::time::Duration;
///
/// # let directory = tempfile::tempdir()?;
/// # let path = directory.path().join("renderings");
/// let files = Files::builder().limit_bytes(64 << 20).open_or_create(&path)?;
/// let rendering = vec![7; 1 << 20];
/// files.put(b"page 1", &rendering, Expiry::after(Duration::from_secs(3600)))?;
///
/// let mapped = files.get(b"page 1")?.expect("just put"); // no copy: all processes share the bytes
/// assert_eq!(mapped.len(), 1 << 20);
///
/// let mut file = files.open(b"page 1")?.expect("just put").into_file()?; // or an open file
/// let mut bytes = Vec::new();
/// file.read_to_end(&mut bytes)?;
/// assert_eq!(bytes, rendering);
///
/// assert!(files.invalidate(b"page 1"));
/// assert!(files.get(b"page 1")?.is_none());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # What is promised
///
/// * What the directory takes on the disk stays within the limit: space is counted before it is written, and files are
///   evicted by the one who writes.
/// * A value is there complete or not at all. A process may be killed at any instruction: nothing of it is served
///   that was not complete, usage stays exact, and what it left is cleared up by the next who needs room, or opens.
/// * After `invalidate` returns, no read gives a value whose put began before.
/// * A file is verified at its first read: what was damaged before is a miss, never a wrong value.
/// * A miss is always possible: files are evicted when room is needed.
#[derive(Clone, Debug)]
pub struct Files {
    index: Segment,
    depot: Depot,
    inline_max_bytes: usize,
}

impl Files {
    /// How to make or open one.
    #[must_use]
    pub fn builder() -> FilesBuilder {
        FilesBuilder::default()
    }

    /// The directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.depot.path()
    }

    /// The index, through this handle's namespace.
    #[must_use]
    pub const fn index(&self) -> &Segment {
        &self.index
    }

    /// Values of more bytes are files.
    #[must_use]
    pub const fn inline_max_bytes(&self) -> usize {
        self.inline_max_bytes
    }

    /// The files of its values.
    #[must_use]
    pub const fn depot(&self) -> &Depot {
        &self.depot
    }

    /// The same files through the namespace `name`, which is made if it is new: keys of another are others.
    ///
    /// # Errors
    /// A bad name, or no row left for a new one.
    pub fn namespace(&self, name: &str) -> Result<Self, guira_segment::NamespaceError> {
        Ok(Self {
            index: self.index.namespace(name)?,
            ..self.clone()
        })
    }

    /// As [`Files::namespace`], for those who only look: `None` if there is no such namespace.
    #[must_use]
    pub fn existing_namespace(&self, name: &str) -> Option<Self> {
        Some(Self {
            index: self.index.existing_namespace(name)?,
            ..self.clone()
        })
    }

    /// The value of `key`: of a large one, its file mapped.
    ///
    /// # Errors
    /// The file is there and cannot be read.
    pub fn get(&self, key: &[u8]) -> Result<Option<ValueMap>, FilesError> {
        self.read(
            key,
            |stored| Ok(ValueMap::copied(stored.to_vec())),
            |stub| self.depot.map(stub),
        )
    }

    /// The value of `key`, copied.
    ///
    /// # Errors
    /// As [`Files::get`].
    pub fn get_bytes(&self, key: &[u8]) -> Result<Option<Vec<u8>>, FilesError> {
        let mut stored = Vec::new();
        if !self.index.get_into(key, &mut stored) {
            return Ok(None);
        }
        let Some(stub) = Stub::parse(&stored) else {
            return Ok(Some(stored));
        };
        match self.forget_unless(self.depot.bytes(&stub)?, key, &stub) {
            Some(bytes) => Ok(Some(bytes)),
            // It may have been replaced meanwhile.
            None => self.read(key, |stored| Ok(stored.to_vec()), |stub| self.depot.bytes(stub)),
        }
    }

    /// The value of `key` as an open file, which reads it.
    ///
    /// # Errors
    /// As [`Files::get`]. Of a small value a file without a name is made.
    pub fn open(&self, key: &[u8]) -> Result<Option<FileValue>, FilesError> {
        self.read(
            key,
            |stored| self.depot.file_of(stored),
            |stub| self.depot.open(stub),
        )
    }

    /// The value of `key`, by `small` if the index has it and by `large` from its file.
    fn read<T>(
        &self,
        key: &[u8],
        small: impl Fn(&[u8]) -> Result<T, FilesError>,
        large: impl Fn(&Stub) -> Result<Option<T>, FilesError>,
    ) -> Result<Option<T>, FilesError> {
        let mut met = None;
        for _ in 0..READS {
            let Some(stored) = self.index.get(key) else {
                return Ok(None);
            };
            let Some(stub) = Stub::parse(&stored) else {
                return small(&stored).map(Some);
            };
            drop(stored);
            if met == Some(stub) {
                break;
            }
            let value = self.forget_unless(large(&stub)?, key, &stub);
            if value.is_some() {
                return Ok(value);
            }
            // It may have been replaced between the two looks.
            met = Some(stub);
        }
        Ok(None)
    }

    /// Whether `key` has a value. Counts as no read.
    #[must_use]
    pub fn contains(&self, key: &[u8]) -> bool {
        self.index.contains(key) && self.stub(key).is_none_or(|stub| self.depot.has(&stub))
    }

    /// Deadlines, age and version of `key`'s entry; `value_bytes` is that of the index: see [`Files::value_bytes`].
    #[must_use]
    pub fn metadata(&self, key: &[u8]) -> Option<Metadata> {
        self.index.metadata(key)
    }

    /// Bytes of `key`'s value.
    #[must_use]
    pub fn value_bytes(&self, key: &[u8]) -> Option<u64> {
        match self.stub(key) {
            None => Some(self.index.metadata(key)?.value_bytes as u64),
            Some(stub) => self.depot.has(&stub).then(|| stub.value_bytes()),
        }
    }

    /// Figures of the files.
    #[must_use]
    pub fn stats(&self) -> DepotStats {
        self.depot.stats()
    }

    /// As [`Depot::sweep`]; takes entries whose files are gone out of the index, too. Takes time in proportion to all
    /// entries.
    ///
    /// # Errors
    /// As there.
    pub fn sweep(&self) -> Result<Swept, FilesError> {
        let mut swept = self.depot.sweep()?;
        for entry in self.index.all_entries() {
            if let Ok(Some((namespace, stub))) = self.stub_of(&entry) {
                swept.missing += u64::from(self.forget_gone(&namespace, &entry.key, &stub));
            }
        }
        Ok(swept)
    }

    /// The stub that the index has for `key`. Counts as no read.
    fn stub(&self, key: &[u8]) -> Option<Stub> {
        let (namespace, hash) = (self.index.namespace_hash(), self.index.hash_of(key));
        let entry = self.index.get_by_hash(namespace, hash, crate::STUB_BYTES)?;
        Stub::parse(&entry.value).filter(|_| entry.key == key)
    }

    /// What was read of a stub's file; if there is none, its entry goes, too: it is of an earlier table, or of a file
    /// that somebody is removing or died removing.
    fn forget_unless<T>(&self, read: Option<T>, key: &[u8], stub: &Stub) -> Option<T> {
        if read.is_none() {
            self.forget_gone(&self.index, key, stub);
        }
        read
    }

    /// Takes an entry out of the index whose stub's file is gone for good.
    fn forget_gone(&self, namespace: &Segment, key: &[u8], stub: &Stub) -> bool {
        let (name, hash) = (namespace.namespace_hash(), namespace.hash_of(key));
        !self.depot.has(stub)
            && self.index.evict_by_hash(name, hash, crate::STUB_BYTES, |stored| {
                Stub::parse(stored).as_ref() == Some(stub)
            })
    }
}
