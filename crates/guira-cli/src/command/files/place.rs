//! What these commands work on: a directory of files, a namespace in it, a key.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use clap::Args;
use guira_files::{Files, FilesError};

use crate::error::CliError;
use crate::target::Target;

/// The directory a command works on.
#[derive(Clone, Debug, Args)]
pub struct Directory {
    /// The directory
    pub dir: PathBuf,
    /// The namespace [default: the one without a name]
    #[arg(long, value_name = "NAME")]
    pub ns: Option<String>,
}

impl Directory {
    /// The files, through the namespace that was named; `None` if there is no such namespace.
    pub(super) fn existing(&self) -> Result<Option<Files>, CliError> {
        let files = self.open()?;
        Ok(match &self.ns {
            Some(name) => files.existing_namespace(name),
            None => Some(files),
        })
    }

    /// As [`Directory::existing`], but makes the namespace if it is new.
    pub(super) fn made(&self) -> Result<Files, CliError> {
        self.within(self.open()?)
    }

    fn open(&self) -> Result<Files, CliError> {
        if let Some(name) = &self.ns {
            self.target().check_namespace(name)?;
        }
        open_files(&self.dir)
    }

    fn within(&self, files: Files) -> Result<Files, CliError> {
        let Some(name) = &self.ns else {
            return Ok(files);
        };
        files.namespace(name).map_err(|source| CliError::Namespace {
            path: self.dir.clone(),
            source,
        })
    }

    /// The bytes of a key, if they can be one.
    pub(super) fn key<'k>(&self, key: &'k OsStr) -> Result<&'k [u8], CliError> {
        self.target().key(key)
    }

    /// Keys and namespaces are those of a segment.
    fn target(&self) -> Target {
        Target {
            path: self.dir.clone(),
            allow_group: false,
        }
    }

    /// An error of a value, with the directory's name where it has no path.
    pub(super) fn failed(&self, error: FilesError) -> CliError {
        match error {
            FilesError::Entry(source) => CliError::store(&self.dir)(source),
            error => CliError::Files(Box::new(error)),
        }
    }
}

/// Opens a files cache that is there.
pub(crate) fn open_files(directory: &Path) -> Result<Files, CliError> {
    match Files::builder().open(directory) {
        Ok(files) => Ok(files),
        Err(FilesError::NotFound { .. }) if directory.join("table.guira-files").is_file() => {
            Err(CliError::Missing(format!(
                "{}: these are the large values of a segment, which has their keys; name that segment",
                directory.display()
            )))
        }
        Err(FilesError::NotFound { .. }) if directory.is_dir() => {
            Err(no_files_cache(directory, "no files cache is in this directory"))
        }
        Err(FilesError::NotFound { .. }) => Err(no_files_cache(directory, "there is nothing")),
        Err(error) => Err(CliError::FilesOpen(Box::new(error))),
    }
}

fn no_files_cache(directory: &Path, what: &str) -> CliError {
    let path = directory.display();
    CliError::Missing(format!(
        "{path}: {what}; make a files cache by `guira files create {path} --limit SIZE`"
    ))
}
