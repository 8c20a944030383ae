//! What a world is of: a files cache, a cache that spills, or a stack of tiers. Runs and survivors know no difference.

pub(crate) mod files;
mod spilled;
mod stack;

pub(crate) use spilled::Spilled;
pub(crate) use stack::{Lower, OverFiles, OverSegment, Stack};

use std::path::{Path, PathBuf};

use guira_files::Depot;

use crate::world::{Key, Version};

/// What becomes of a write.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kept {
    Stored,
    /// Something came between.
    Superseded,
    /// An add found a value.
    Exists,
    /// Others hold the room.
    Crowded,
}

/// Why a subject did not open.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Unopened {
    /// Somebody is renewing the table, and nobody can tell that he does not go on.
    Busy,
    Failed(String),
}

/// Something that keeps values for keys, with the handle of one process.
pub(crate) trait Subject: Clone {
    /// What its directory of files may take on the disk.
    const LIMIT_BYTES: u64;
    /// Whether its own changes are those of segments, which another proof looks at one by one.
    const IS_OF_SEGMENTS: bool = false;

    /// Opens what is at `root`, or makes it.
    fn open(root: &Path) -> Result<Self, Unopened>;

    /// The same where nothing is yet.
    fn make(root: &Path) -> Result<Self, Unopened> {
        Self::open(root)
    }

    /// What a read of the key gives, in a way that `turn` chooses.
    fn read(&self, key: Key, turn: usize) -> Result<Option<Version>, String>;

    fn put(&self, key: Key, bytes: &[u8]) -> Result<Kept, String>;

    fn add(&self, key: Key, bytes: &[u8]) -> Result<Kept, String>;

    fn remove(&self, key: Key) -> Result<(), String>;

    fn invalidate(&self, key: Key) -> Result<(), String>;

    fn clear(&self) -> Result<(), String>;

    /// Removes whatever nobody needs, and tells what is somebody else's.
    fn sweep(&self) -> Result<Vec<PathBuf>, String>;

    /// Its files, if it has some.
    fn depot(&self) -> Option<&Depot>;

    /// What does not hold, and must even while somebody is in the middle of an operation.
    fn at_any_time(&self, has_strangers: bool) -> Vec<String>;

    /// What does not hold after a sweep, when nobody is in the middle of anything. `foreign` is what may lie about.
    fn at_rest(&self, foreign: &[PathBuf]) -> Vec<String>;

    /// Whether a key may be of version `later` that was seen to be of version `seen`, when nobody wrote it meanwhile.
    fn may_follow(seen: Version, later: Version) -> bool {
        seen == later
    }

    /// What is wrong about a key that was put last, with this version, by somebody who was alone.
    fn whole(&self, _key: Key, _version: Version) -> Vec<String> {
        Vec::new()
    }
}
