//! Looking at all entries.

use guira_segment::{EntryInfo, Segment};

use super::Files;
use crate::error::FilesError;
use crate::layout::stub::Stub;

/// An entry of a files cache.
#[derive(Clone, Debug)]
pub struct FileEntry {
    /// Key, namespace, deadlines, tags.
    pub entry: EntryInfo,
    /// Bytes of the value.
    pub value_bytes: u64,
    /// Whether it is a file, and not in the index.
    pub is_file: bool,
}

/// What a verification found.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[non_exhaustive]
pub struct Verified {
    /// Values that are files and are what they were.
    pub intact: u64,
    /// Values whose files were gone or damaged: they are removed.
    pub damaged: u64,
    /// Values in the index.
    pub inline: u64,
    /// Bytes that were read.
    pub bytes: u64,
}

impl Files {
    /// The entries of this handle's namespace, in no order.
    pub fn entries(&self) -> impl Iterator<Item = FileEntry> {
        self.index.entries().filter_map(|entry| self.entry_of(entry))
    }

    /// The entries of all namespaces.
    pub fn all_entries(&self) -> impl Iterator<Item = FileEntry> {
        self.index.all_entries().filter_map(|entry| self.entry_of(entry))
    }

    /// The stub that an entry is, with its namespace; an error if it is another's by now.
    pub(super) fn stub_of(&self, entry: &EntryInfo) -> Result<Option<(Segment, Stub)>, ()> {
        if entry.metadata.value_bytes != crate::STUB_BYTES {
            return Ok(None);
        }
        let namespace = match &entry.namespace {
            None => self.index.default_namespace(),
            Some(name) => self.index.existing_namespace(name).ok_or(())?,
        };
        let (name, hash) = (namespace.namespace_hash(), namespace.hash_of(&entry.key));
        let found = self.index.get_by_hash(name, hash, crate::STUB_BYTES).ok_or(())?;
        Ok(Stub::parse(&found.value).map(|stub| (namespace, stub)))
    }

    fn entry_of(&self, entry: EntryInfo) -> Option<FileEntry> {
        let stub = self.stub_of(&entry).ok()?;
        Some(FileEntry {
            is_file: stub.is_some(),
            value_bytes: stub.map_or(entry.metadata.value_bytes as u64, |(_, stub)| stub.value_bytes()),
            entry,
        })
    }

    /// Reads every file of every namespace and compares it with its checksum; what is damaged is removed. `each` is
    /// told of every value, for progress.
    ///
    /// # Errors
    /// A file is there and cannot be read.
    pub fn verify(&self, mut each: impl FnMut(&Verified)) -> Result<Verified, FilesError> {
        let mut verified = Verified::default();
        for entry in self.index.all_entries() {
            match self.stub_of(&entry) {
                Err(()) => continue,
                Ok(None) => verified.inline += 1,
                Ok(Some((namespace, stub))) => {
                    verified.bytes += stub.value_bytes();
                    if self.depot.verify(&stub)? {
                        verified.intact += 1;
                    } else {
                        verified.damaged += 1;
                        self.forget_gone(&namespace, &entry.key, &stub);
                    }
                }
            }
            each(&verified);
        }
        Ok(verified)
    }
}
