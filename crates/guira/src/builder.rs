//! Settings with which a segment is created or opened.

use std::path::{Path, PathBuf};

use guira_files::DepotBuilder;
use guira_segment::{Segment, SegmentBuilder};

use crate::coherence::{Active, Coherence};
use crate::error::Error;
use crate::handle::Guira;

/// Settings for opening; each has a default that is stated at its setter.
#[derive(Clone, Debug, Default)]
pub struct GuiraBuilder {
    segment: SegmentBuilder,
    coherence: Option<Coherence>,
    files: Option<(PathBuf, DepotBuilder)>,
}

impl GuiraBuilder {
    /// Bytes of the file if it is new; at least 8 MiB, by default 64 MiB.
    #[must_use]
    pub fn size(self, bytes: u64) -> Self {
        self.segment_settings(|segment| segment.size(bytes))
    }

    /// Any setting of the segment's own builder.
    #[must_use]
    pub fn segment_settings(self, set: impl FnOnce(SegmentBuilder) -> SegmentBuilder) -> Self {
        Self {
            segment: set(self.segment),
            ..self
        }
    }

    /// Agrees with the hosts of a cluster; by default with none. Opening then waits until hits are trusted, and fails
    /// with the reason if they cannot be: see [`coherence`](crate::coherence).
    #[must_use]
    pub fn coherence(self, coherence: Coherence) -> Self {
        Self {
            segment: self.segment.cluster(coherence.cluster()),
            coherence: Some(coherence),
            ..self
        }
    }

    /// Keeps large values in files of `directory`, which is this segment's alone: what is longer than
    /// [`CacheBuilder::spill_above`](crate::CacheBuilder::spill_above) is written there, and the segment has a stub in its
    /// place. Invalidations, lifetimes, tags, computations and other hosts know no difference. By default everything is
    /// in the segment.
    ///
    /// ```
    /// use guira::Guira;
    /// use guira::files::DepotBuilder;
    /// use std::time::Duration;
    ///
    /// # let directory = tempfile::tempdir()?;
    /// # let path = directory.path().join("large");
    /// let guira = Guira::builder()
    ///     .size(8 << 20)
    ///     .files(&path, DepotBuilder::default().limit_bytes(256 << 20))
    ///     .private()?;
    /// let models = guira.cache::<str, Vec<u8>>("models");
    /// models.put("plum", &vec![7; 20 << 20], Duration::from_secs(60))?; // more than the segment holds
    /// assert_eq!(models.get("plum")?.map(|model| model.len()), Some(20 << 20));
    /// assert!(models.invalidate("plum")?);
    /// assert_eq!(models.get("plum")?, None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn files(self, directory: impl Into<PathBuf>, settings: DepotBuilder) -> Self {
        Self {
            files: Some((directory.into(), settings)),
            ..self
        }
    }

    fn guira(&self, segment: Segment) -> Result<Guira, Error> {
        let active = self
            .coherence
            .as_ref()
            .map(|coherence| Active::start(&segment, coherence))
            .transpose()?;
        let depot = match &self.files {
            None => None,
            Some((directory, files)) => Some(files.open_or_create(directory, &segment)?),
        };
        let guira = Guira::of_segment(segment).with_coherence(active);
        Ok(match depot {
            Some(depot) => guira.with_files(depot),
            None => guira,
        })
    }

    /// Opens the segment at `path`, or creates it.
    ///
    /// # Errors
    /// [`Error::Open`], which names the file and what to do.
    pub fn open(&self, path: impl AsRef<Path>) -> Result<Guira, Error> {
        self.guira(self.segment.open_or_create(path)?)
    }

    /// Creates it; the path must not exist.
    ///
    /// # Errors
    /// As [`GuiraBuilder::open`].
    pub fn create(&self, path: impl AsRef<Path>) -> Result<Guira, Error> {
        self.guira(self.segment.create(path)?)
    }

    /// Opens it; the path must exist.
    ///
    /// # Errors
    /// As [`GuiraBuilder::open`].
    pub fn open_existing(&self, path: impl AsRef<Path>) -> Result<Guira, Error> {
        self.guira(self.segment.open(path)?)
    }

    /// In memory of this process alone, without a file: for tests.
    ///
    /// # Errors
    /// As [`GuiraBuilder::open`].
    pub fn private(&self) -> Result<Guira, Error> {
        self.guira(self.segment.private()?)
    }

    /// The settings of the segment.
    #[must_use]
    pub fn segment_builder(&self) -> &SegmentBuilder {
        &self.segment
    }
}

impl From<Segment> for Guira {
    fn from(segment: Segment) -> Self {
        Self::of_segment(segment)
    }
}
