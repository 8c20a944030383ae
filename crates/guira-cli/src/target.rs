//! What a command works on: a segment, a namespace in it, a key.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use clap::Args;
use guira_segment::{MAX_KEY_BYTES, MAX_NAMESPACE_BYTES, NamespaceError, Segment, StoreError};

use crate::error::CliError;

/// The segment a command works on.
#[derive(Clone, Debug, Args)]
pub struct Target {
    /// The segment's file
    pub path: PathBuf,
    /// Accept a segment that its group may write
    #[arg(long)]
    pub allow_group: bool,
}

impl Target {
    /// Opens the segment.
    pub(crate) fn open(&self) -> Result<Segment, CliError> {
        if self.path.join("index.guira").is_file() {
            return Err(CliError::Missing(format!(
                "{}: this is a files cache; look at it by `guira files stat`, `keys`, `get` and so on",
                self.path.display()
            )));
        }
        Ok(Segment::builder()
            .allow_group(self.allow_group)
            .open(&self.path)?)
    }

    /// The bytes of a key, if they can be one.
    pub(crate) fn key<'k>(&self, key: &'k OsStr) -> Result<&'k [u8], CliError> {
        let max_bytes = MAX_KEY_BYTES;
        let refuse = |source| Err(CliError::store(&self.path)(source));
        match key.as_bytes() {
            [] => refuse(StoreError::EmptyKey { max_bytes }),
            bytes if bytes.len() > max_bytes => refuse(StoreError::KeyTooLong {
                key_bytes: bytes.len(),
                max_bytes,
            }),
            bytes => Ok(bytes),
        }
    }

    /// `segment` seen through the namespace `name`, without a name through the default one; `None`
    /// if there is no such namespace.
    pub(crate) fn existing(&self, segment: Segment, name: Option<&str>) -> Result<Option<Segment>, CliError> {
        let Some(name) = name else {
            return Ok(Some(segment));
        };
        self.check_namespace(name)?;
        Ok(segment.existing_namespace(name))
    }

    /// As [`Target::existing`], but makes the namespace if it is new.
    pub(crate) fn made(&self, segment: Segment, name: Option<&str>) -> Result<Segment, CliError> {
        match name {
            None => Ok(segment),
            Some(name) => segment
                .namespace(name)
                .map_err(|source| self.namespace_error(source)),
        }
    }

    /// Refuses what cannot be a namespace's name, before the segment is opened.
    pub(crate) fn check_namespace(&self, name: &str) -> Result<(), CliError> {
        if (1..=MAX_NAMESPACE_BYTES).contains(&name.len()) {
            return Ok(());
        }
        Err(self.namespace_error(NamespaceError::BadName {
            name_bytes: name.len(),
            max_bytes: MAX_NAMESPACE_BYTES,
        }))
    }

    fn namespace_error(&self, source: NamespaceError) -> CliError {
        CliError::Namespace {
            path: self.path.clone(),
            source,
        }
    }
}

/// A namespace, named by itself or by the function whose results it holds. A function keeps them in the
/// namespace of its name, under typed keys.
#[derive(Clone, Debug, Args)]
pub struct Scope {
    /// The namespace [default: the one without a name]
    #[arg(long, value_name = "NAME", conflicts_with = "function")]
    pub ns: Option<String>,
    /// The results of the memoized function NAME, which is its path unless it was given a name
    #[arg(long = "fn", value_name = "NAME")]
    pub function: Option<String>,
}

impl Scope {
    /// The namespace's name; `None` for the default one.
    pub(crate) fn name(&self) -> Option<&str> {
        self.function.as_deref().or(self.ns.as_deref())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use guira_segment::Expiry;

    #[test]
    fn the_limits_are_the_engines() {
        let segment = Segment::builder()
            .size(8 << 20)
            .private()
            .expect("a private segment");
        let put = |key_bytes| segment.put(&vec![b'k'; key_bytes], b"", Expiry::never());
        assert!(put(MAX_KEY_BYTES).is_ok());
        assert!(matches!(
            put(MAX_KEY_BYTES + 1),
            Err(StoreError::KeyTooLong { .. })
        ));
        assert!(segment.namespace(&"n".repeat(MAX_NAMESPACE_BYTES)).is_ok());
        assert!(segment.namespace(&"n".repeat(MAX_NAMESPACE_BYTES + 1)).is_err());
    }
}
