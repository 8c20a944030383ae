//! What is dumped, or loaded into: a segment, with the directory of its large values, or a files cache.

use std::path::{Path, PathBuf};

use clap::Args;
use guira_files::{Depot, Files};
use guira_segment::Segment;

use crate::command::files::open_files;
use crate::error::CliError;
use crate::target::Target;

/// Of values in a segment's files, what a cache spills unless it was told otherwise.
const SPILL_ABOVE_BYTES: usize = 64 << 10;

/// The segment or files cache that a command works on.
#[derive(Clone, Debug, Args)]
pub struct Place {
    /// The segment's file, or the directory of a files cache
    pub path: PathBuf,
    /// Accept a segment that its group may write
    #[arg(long)]
    pub allow_group: bool,
    /// The directory in which the segment's caches keep large values
    #[arg(long, value_name = "DIR")]
    pub files: Option<PathBuf>,
}

/// A place that is open.
pub(crate) struct Opened {
    pub(crate) segment: Segment,
    /// Where values of more bytes are files.
    pub(crate) depot: Option<(Depot, usize)>,
}

impl Place {
    pub(crate) fn target(&self) -> Target {
        Target {
            path: self.path.clone(),
            allow_group: self.allow_group,
        }
    }

    pub(crate) fn open(&self) -> Result<Opened, CliError> {
        if !self.path.is_dir() {
            return self.with_files(self.target().open()?, |directory, segment| {
                Depot::builder().open(directory, segment)
            });
        }
        if self.files.is_some() {
            return Err(CliError::Usage(format!(
                "{}: a files cache has its files in itself; leave --files out",
                self.path.display()
            )));
        }
        let files: Files = open_files(&self.path)?;
        Ok(Opened {
            segment: files.index().default_namespace(),
            depot: Some((files.depot().clone(), files.inline_max_bytes())),
        })
    }

    /// A segment with the files that were named.
    pub(crate) fn with_files(
        &self,
        segment: Segment,
        open: impl FnOnce(&Path, &Segment) -> Result<Depot, guira_files::FilesError>,
    ) -> Result<Opened, CliError> {
        let depot = match &self.files {
            None => None,
            Some(directory) => {
                let depot = open(directory, &segment);
                let depot = depot.map_err(|error| CliError::FilesOpen(Box::new(error)))?;
                Some((depot, SPILL_ABOVE_BYTES))
            }
        };
        Ok(Opened { segment, depot })
    }
}
