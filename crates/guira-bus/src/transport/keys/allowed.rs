//! The public keys that a broker lets in: a folder with a file for each, read again when it changes.

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::{KeyError, PublicKey};

/// Longer than any file system's clock takes to tick.
const TICK: Duration = Duration::from_secs(2);
const ENDING: &str = "key";

/// A folder of public keys, `NAME.key` for the host called NAME.
///
/// A file that holds no key lets nobody in and is reported once.
#[derive(Debug)]
pub struct AllowedKeys {
    folder: PathBuf,
    changed_at: Option<SystemTime>,
    names: HashMap<PublicKey, String>,
}

/// What reading the folder again found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Reread {
    /// Nothing else than before.
    Same,
    /// Keys came, none went.
    Wider,
    /// A key went: who used it must not stay.
    Narrower,
}

impl AllowedKeys {
    /// Reads the folder.
    ///
    /// # Errors
    ///
    /// [`KeyError::File`] if it cannot be read.
    pub fn open(folder: &Path) -> Result<Self, KeyError> {
        let mut keys = Self {
            folder: folder.to_owned(),
            changed_at: None,
            names: HashMap::new(),
        };
        keys.read()?;
        Ok(keys)
    }

    /// The name under which `key` is allowed.
    #[must_use]
    pub fn name_of(&self, key: &PublicKey) -> Option<&str> {
        self.names.get(key).map(String::as_str)
    }

    /// How many keys are allowed.
    #[must_use]
    pub fn count(&self) -> usize {
        self.names.len()
    }

    /// Reads the folder again if files came, went or were replaced. One that cannot be read lets
    /// nobody in.
    pub(in super::super) fn refresh(&mut self) -> Reread {
        if self.changed_at.is_some() && self.changed_at == self.folder_changed_at() {
            return Reread::Same;
        }
        let before = std::mem::take(&mut self.names);
        if let Err(error) = self.read() {
            self.changed_at = None;
            if !before.is_empty() {
                tracing::error!(%error, "the folder of allowed keys cannot be read: nobody is let in");
            }
        }
        if before.keys().any(|key| !self.names.contains_key(key)) {
            Reread::Narrower
        } else if self.names.len() > before.len() {
            Reread::Wider
        } else {
            Reread::Same
        }
    }

    fn folder_changed_at(&self) -> Option<SystemTime> {
        fs::metadata(&self.folder)
            .and_then(|folder| folder.modified())
            .ok()
    }

    fn read(&mut self) -> Result<(), KeyError> {
        // Before the files: what changes meanwhile is read again. So is a folder that changed just
        // now, because another change within the same tick of its clock would not be seen.
        self.changed_at = self
            .folder_changed_at()
            .filter(|at| at.elapsed().is_ok_and(|age| age > TICK));
        let unreadable = |source| KeyError::File {
            path: self.folder.clone(),
            source,
        };
        for entry in fs::read_dir(&self.folder).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            if path.extension().is_none_or(|ending| ending != ENDING) {
                continue;
            }
            match PublicKey::load(&path) {
                Ok(key) => {
                    let name = path
                        .file_stem()
                        .unwrap_or_default()
                        .to_string_lossy()
                        .into_owned();
                    self.names.insert(key, name);
                }
                Err(error) => tracing::warn!(%error, "a file in the folder of allowed keys lets nobody in"),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::KeyPair;
    use super::*;

    fn key() -> PublicKey {
        KeyPair::generate().unwrap().public()
    }

    #[test]
    fn keys_are_known_by_the_names_of_their_files() {
        let folder = tempfile::tempdir().unwrap();
        let (known, other) = (key(), key());
        fs::write(folder.path().join("web-1.key"), format!("{known}\n")).unwrap();
        fs::write(folder.path().join("web-2.txt"), other.to_string()).unwrap();
        fs::write(folder.path().join("web-3.key"), "no key").unwrap();
        let allowed = AllowedKeys::open(folder.path()).unwrap();
        assert_eq!(allowed.name_of(&known), Some("web-1"));
        assert_eq!(allowed.name_of(&other), None);
        assert_eq!(allowed.count(), 1);
    }

    #[test]
    fn a_changed_folder_is_read_again() {
        let folder = tempfile::tempdir().unwrap();
        let (first, second) = (key(), key());
        fs::write(folder.path().join("1.key"), first.to_string()).unwrap();
        let mut allowed = AllowedKeys::open(folder.path()).unwrap();
        assert_eq!(allowed.refresh(), Reread::Same);

        fs::write(folder.path().join("2.key"), second.to_string()).unwrap();
        assert_eq!(allowed.refresh(), Reread::Wider);
        assert!(allowed.name_of(&second).is_some());

        fs::remove_file(folder.path().join("1.key")).unwrap();
        assert_eq!(allowed.refresh(), Reread::Narrower);
        assert!(allowed.name_of(&first).is_none());

        fs::write(folder.path().join("2.key"), first.to_string()).unwrap();
        assert_eq!(allowed.refresh(), Reread::Narrower);
        assert!(allowed.name_of(&first).is_some());
    }

    #[test]
    fn a_folder_that_is_gone_lets_nobody_in() {
        let folder = tempfile::tempdir().unwrap();
        let missing = folder.path().join("allowed");
        let error = AllowedKeys::open(&missing).unwrap_err();
        assert!(error.to_string().contains("allowed"), "{error}");

        fs::create_dir(&missing).unwrap();
        fs::write(missing.join("1.key"), key().to_string()).unwrap();
        let mut allowed = AllowedKeys::open(&missing).unwrap();
        fs::remove_dir_all(&missing).unwrap();
        assert_eq!(allowed.refresh(), Reread::Narrower);
        assert_eq!(allowed.count(), 0);
    }
}
