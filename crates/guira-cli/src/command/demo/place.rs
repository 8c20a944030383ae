//! Where the demo's segments lie: shared memory if it can, else the directory for temporary files.

use std::path::{Path, PathBuf};

use guira_shm::file::{available_bytes, file_system_of};
use tempfile::TempDir;

use crate::error::CliError;
use crate::size::show_size;

const SHARED_MEMORY: &str = "/dev/shm";

/// A directory of the demo's own; it goes when this is dropped.
#[derive(Debug)]
pub(crate) struct Place {
    pub(crate) directory: TempDir,
    /// Why it is not in shared memory, where it is not.
    pub(crate) note: Option<String>,
}

impl Place {
    /// Finds room for `needed_bytes`, in `wanted` if that is given.
    pub(crate) fn find(wanted: Option<&Path>, needed_bytes: u64) -> Result<Self, CliError> {
        let candidates = match wanted {
            Some(directory) => vec![directory.to_path_buf()],
            None => vec![PathBuf::from(SHARED_MEMORY), std::env::temp_dir()],
        };
        let mut refusals = Vec::new();
        for parent in candidates {
            match directory_in(&parent, needed_bytes) {
                Ok(directory) => {
                    let note = (!refusals.is_empty())
                        .then(|| format!("{}; using {}", refusals.join("; "), parent.display()));
                    return Ok(Self { directory, note });
                }
                Err(refusal) => refusals.push(refusal),
            }
        }
        Err(CliError::Failed(format!(
            "no place for a segment: {}; run `guira doctor` to see what to do",
            refusals.join("; ")
        )))
    }

    pub(crate) fn segment(&self, host: &str) -> PathBuf {
        self.directory.path().join(format!("{host}.guira"))
    }

    pub(crate) fn source(&self) -> PathBuf {
        self.directory.path().join("source")
    }

    /// Removes it now.
    pub(crate) fn remove(self) -> Result<(), CliError> {
        let path = self.directory.path().to_path_buf();
        self.directory.close().map_err(CliError::io("remove", &path))
    }
}

fn directory_in(parent: &Path, needed_bytes: u64) -> Result<TempDir, String> {
    let kind = file_system_of(parent).map_err(|error| error.to_string())?;
    if !kind.is_supported() {
        return Err(format!(
            "{} is on {}, which is not supported",
            parent.display(),
            kind.name()
        ));
    }
    let available = available_bytes(parent).map_err(|error| error.to_string())?;
    if available < needed_bytes {
        return Err(format!(
            "{} has {} left of {} needed",
            parent.display(),
            show_size(available),
            show_size(needed_bytes)
        ));
    }
    tempfile::Builder::new()
        .prefix("guira-demo-")
        .tempdir_in(parent)
        .map_err(|error| format!("cannot make a directory in {}: {error}", parent.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_directory_goes_with_the_place() {
        let place = Place::find(None, 1).expect("a byte of room");
        let path = place.directory.path().to_path_buf();
        assert!(path.is_dir());
        place.remove().expect("it is empty");
        assert!(!path.exists());
    }

    #[test]
    fn too_little_room_is_said_of_each_candidate() {
        let error = Place::find(None, u64::MAX)
            .expect_err("nobody has so much")
            .to_string();
        assert!(
            error.contains(SHARED_MEMORY) && error.contains("guira doctor"),
            "{error}"
        );
    }
}
