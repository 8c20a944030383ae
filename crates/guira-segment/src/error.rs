//! What can go wrong, one enum for each family of operations. A miss is never an error.

use std::path::PathBuf;

use guira_shm::file::FileError;

/// Why a segment could not be created or opened.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The file could not be created, opened or mapped; nothing was changed.
    #[error(transparent)]
    File(#[from] FileError),
    /// The file is not a segment.
    #[error(
        "{path}: not a guira segment (its first bytes are something else); give the path of a segment, or create one elsewhere"
    )]
    Foreign {
        /// The file.
        path: PathBuf,
    },
    /// The file is shorter than its superblock says.
    #[error(
        "{path}: truncated, {found_bytes} bytes of {expected_bytes}; remove it and create the segment anew"
    )]
    Truncated {
        /// The file.
        path: PathBuf,
        /// Bytes that are there.
        found_bytes: u64,
        /// Bytes that should be there.
        expected_bytes: u64,
    },
    /// The segment was written on a machine of the other byte order.
    #[error(
        "{path}: written on a machine of the other byte order; a segment cannot move between them, create a new one"
    )]
    WrongEndian {
        /// The file.
        path: PathBuf,
    },
    /// The segment has another layout version.
    #[error("{path}: layout version {major}.{minor}, this library reads version {supported}; {}", version_advice(*major, *supported))]
    Version {
        /// The file.
        path: PathBuf,
        /// Its major version.
        major: u32,
        /// Its minor version.
        minor: u32,
        /// The major version that this library reads.
        supported: u32,
    },
    /// The segment uses features that this library does not know.
    #[error(
        "{path}: uses unknown features ({unknown:#x}); open it with the newer library that made it, or create a new one"
    )]
    Features {
        /// The file.
        path: PathBuf,
        /// The unknown feature bits.
        unknown: u64,
    },
    /// The superblock or the geometry in it is damaged.
    #[error("{path}: damaged superblock ({what}); remove the file and create the segment anew")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Which check failed.
        what: &'static str,
    },
    /// The segment was not made for the cluster that was named.
    #[error(
        "{path}: not a segment of the cluster {name:?} (number {wanted:#x}): {}", cluster_found(*found, name)
    )]
    OtherCluster {
        /// The file.
        path: PathBuf,
        /// The cluster that was named.
        name: String,
        /// Its number.
        wanted: u64,
        /// The number of the segment's cluster; 0 if it was made for none.
        found: u64,
    },
    /// Every attach record is held by a living process.
    #[error(
        "{path}: all {records} attach records are in use; detach a process, or create the segment with room for more processes"
    )]
    TooManyProcesses {
        /// The file.
        path: PathBuf,
        /// Records in the segment.
        records: u64,
    },
    /// Every thread line is in use; a process needs one to attach, and one for each thread.
    #[error(
        "{path}: all {lines} thread lines are in use; end some threads, or create the segment with room for more threads"
    )]
    TooManyThreads {
        /// The file.
        path: PathBuf,
        /// Lines in the segment.
        lines: u64,
    },
    /// Another process is re-initialising the segment and did not finish in time.
    #[error(
        "{path}: another process has been re-initialising it for {waited_ms} ms; try again, or stop that process"
    )]
    Busy {
        /// The file.
        path: PathBuf,
        /// How long was waited.
        waited_ms: u64,
    },
    /// A size or count that was asked for is out of range.
    #[error("{field}: {problem}")]
    Options {
        /// Which setting.
        field: &'static str,
        /// What is wrong, and the bounds.
        problem: String,
    },
    /// A system call failed.
    #[error("{path}: {action}: {source}")]
    System {
        /// The file.
        path: PathBuf,
        /// What was attempted.
        action: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
}

/// What it is of instead, and what to do.
fn cluster_found(found: u64, name: &str) -> String {
    match found {
        0 => format!(
            "it belongs to no cluster, and keys hash by the cluster's name; remove it and make it anew with `guira \
             create --cluster {name}`, or name another file"
        ),
        number => format!(
            "it belongs to the one with number {number:#x}; give the name that it was made with, or name another file"
        ),
    }
}

const fn version_advice(found: u32, supported: u32) -> &'static str {
    if found > supported {
        "use the newer library that made it, or create a new segment"
    } else {
        "remove it and create a new segment"
    }
}

/// Why a value was not stored. Whatever the reason, the key's old value is gone or untouched as
/// each variant says; a failed put never leaves a value that it was to replace.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// The key is empty. Nothing was changed.
    #[error("the key is empty; keys have 1 to {max_bytes} bytes")]
    EmptyKey {
        /// Longest key.
        max_bytes: usize,
    },
    /// The key is too long. Nothing was changed.
    #[error("the key has {key_bytes} bytes; keys have 1 to {max_bytes} bytes, hash longer ones")]
    KeyTooLong {
        /// Its length.
        key_bytes: usize,
        /// Longest key.
        max_bytes: usize,
    },
    /// The value is larger than the segment can hold. The key's old value was removed.
    #[error("the value has {value_bytes} bytes; this segment holds values of at most {max_bytes} bytes")]
    ValueTooLarge {
        /// Its length.
        value_bytes: usize,
        /// Longest value for this segment.
        max_bytes: usize,
    },
    /// Too many tags, or one that is empty or too long. Nothing was changed.
    #[error("an entry has at most {max_tags} tags of 1 to {max_bytes} bytes")]
    BadTags {
        /// Most tags of an entry.
        max_tags: usize,
        /// Longest tag.
        max_bytes: usize,
    },
    /// The lifetime is zero, or the soft deadline is after the hard one. Nothing was changed.
    #[error("the lifetime is {problem}; give a positive one, or none for ever")]
    BadExpiry {
        /// What is wrong with it.
        problem: &'static str,
    },
    /// No block could be freed: all are held by guards or by stopped processes. The key's old
    /// value was removed.
    #[error(
        "no block of the segment can be freed: guards or stopped processes hold them all; drop guards, or make the segment larger"
    )]
    NoSpace,
    /// The bound of attempts was reached. The key's old value was removed.
    #[error("gave up after {attempts} attempts against other writers of the same key; try again")]
    Contended {
        /// How often it was tried.
        attempts: u32,
    },
    /// A forked child could not attach to the segment; `Segment::attach` says why.
    #[error("this process is not attached to the segment; call `attach` after a fork to learn why")]
    NotAttached,
    /// The segment's file was cut while it was open, and this process has lost it. Nothing was stored. The
    /// key's old value is untouched, for those who still have it; a put that was under way when the
    /// cut was met has invalidated everything.
    #[error(
        "the segment's file of {size_bytes} bytes was truncated while it was open; create it anew, then open it again"
    )]
    Truncated {
        /// Bytes it had.
        size_bytes: u64,
    },
    /// The value is not a decimal integer. It is untouched.
    #[error("the value is not a decimal integer of 64 bits; only such values can be incremented")]
    NotANumber,
    /// The sum does not fit 64 bits. The value is untouched.
    #[error("{value} + {delta} does not fit a signed integer of 64 bits; the value is unchanged")]
    Overflow {
        /// The value as it is.
        value: i64,
        /// What was to be added.
        delta: i64,
    },
}

/// Why a namespace could not be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NamespaceError {
    /// The name is empty or too long.
    #[error("a namespace's name has 1 to {max_bytes} bytes, this one {name_bytes}")]
    BadName {
        /// Its length.
        name_bytes: usize,
        /// Longest name.
        max_bytes: usize,
    },
    /// The segment's file was cut while it was open.
    #[error(
        "the segment's file of {size_bytes} bytes was truncated while it was open; create it anew, then open it again"
    )]
    Truncated {
        /// Bytes it had.
        size_bytes: u64,
    },
    /// Every row is taken.
    #[error("all {rows} namespaces of the segment are in use; use tags, or create a larger segment")]
    Full {
        /// Rows of the segment.
        rows: u64,
    },
}
