//! A file that appears when it is complete: until then it lies under another name beside it.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use tempfile::{Builder, NamedTempFile};

use crate::error::CliError;

/// A file that is being written. Unless it is kept, nothing of it is left.
#[derive(Debug)]
pub(crate) struct Unfinished {
    path: PathBuf,
    replaces: bool,
    unfinished: NamedTempFile,
}

impl Unfinished {
    /// What is to be the file `path`, made of what is in `segment`, which it must not be. Its mode is 0600.
    pub(crate) fn new(path: &Path, segment: Option<&Path>, replaces: bool) -> Result<Self, CliError> {
        refuse_what_is_there(path, segment, replaces)?;
        let Some(name) = path.file_name() else {
            return Err(CliError::Usage(format!(
                "{}: no name of a file; name one",
                path.display()
            )));
        };
        let directory = match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        let mut prefix = OsString::from(".");
        prefix.push(name);
        prefix.push(".");
        let unfinished = Builder::new()
            .prefix(&prefix)
            .suffix(".part")
            .tempfile_in(directory)
            .map_err(CliError::io("write", path))?;
        Ok(Self {
            path: path.to_path_buf(),
            replaces,
            unfinished,
        })
    }

    pub(crate) fn file(&mut self) -> &mut File {
        self.unfinished.as_file_mut()
    }

    /// Gives it its name, when its bytes are on the disk.
    pub(crate) fn keep(self) -> Result<(), CliError> {
        let Self {
            path,
            replaces,
            unfinished,
        } = self;
        let failed = |source: io::Error| match source.kind() {
            ErrorKind::AlreadyExists => exists(&path),
            _ => CliError::io("write", &path)(source),
        };
        unfinished.as_file().sync_all().map_err(failed)?;
        let kept = if replaces {
            unfinished.persist(&path)
        } else {
            unfinished.persist_noclobber(&path)
        };
        kept.map(drop).map_err(|error| failed(error.error))
    }
}

fn exists(path: &Path) -> CliError {
    CliError::Failed(format!(
        "{}: it exists already; name another file, or replace it by --force",
        path.display()
    ))
}

/// Before the work is done. Only plain files are replaced, and never the segment.
fn refuse_what_is_there(path: &Path, segment: Option<&Path>, replaces: bool) -> Result<(), CliError> {
    let there = match fs::symlink_metadata(path) {
        Ok(there) => there,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(CliError::io("write", path)(error)),
    };
    if !there.is_file() {
        return Err(CliError::Failed(format!(
            "{}: something else than a file is there; name another one, or write to - and redirect it",
            path.display()
        )));
    }
    let is_the_segment = segment
        .and_then(|segment| fs::metadata(segment).ok())
        .is_some_and(|segment| (segment.dev(), segment.ino()) == (there.dev(), there.ino()));
    if is_the_segment {
        return Err(CliError::Usage(format!(
            "{}: this is the segment itself; name another file",
            path.display()
        )));
    }
    if replaces { Ok(()) } else { Err(exists(path)) }
}
