//! Settings from outside the program: `guira.toml` and the environment.
//!
//! ```toml
//! path = "/dev/shm/app.guira"
//! size = "256M"
//!
//! [cache.users]
//! ttl = "5m"
//! stale_after = "1m"
//! ```
//!
//! | setting | environment | means | default |
//! |---|---|---|---|
//! | `path` | `GUIRA_PATH` | the segment's file | none: it must be given |
//! | `size` | `GUIRA_SIZE` | bytes of a new segment, such as `64M` | `64M` |
//! | `files` | `GUIRA_FILES` | the directory of values that are too large for the segment, see [`GuiraBuilder::files`] | none: all are in the segment |
//! | `files_limit` | `GUIRA_FILES_LIMIT` | what a new directory may take on the disk, such as `10G` | `1G` |
//! | `index_entries` | `GUIRA_INDEX_ENTRIES` | entries that a new segment's index is made for | what fits at 160 bytes each |
//! | `max_processes` | `GUIRA_MAX_PROCESSES` | processes that can attach at once to a new segment | by size |
//! | `max_threads` | `GUIRA_MAX_THREADS` | threads of all processes that have a line of their own in a new segment | by size |
//! | `mode` | `GUIRA_MODE` | permission bits of a new file, octal | `0600` |
//! | `allow_group` | `GUIRA_ALLOW_GROUP` | whether a file that its group can write is accepted | `false` |
//! | `checked_values` | `GUIRA_CHECKED_VALUES` | whether the values of a new segment carry checks | `false` |
//! | `verify_values` | `GUIRA_VERIFY_VALUES` | whether reads compare values with their checks | `false` |
//! | `salvage` | `GUIRA_SALVAGE` | whether a file is searched for entries after a crash of the machine | `false` |
//! | `populate` | `GUIRA_POPULATE` | whether the whole file is faulted in at opening | `false` |
//! | `huge_pages` | `GUIRA_HUGE_PAGES` | whether index and log are gathered into huge pages | `false` |
//! | `outlive_truncation` | `GUIRA_OUTLIVE_TRUNCATION` | whether the process goes on when the file is cut | `true` |
//! | `cluster` | `GUIRA_CLUSTER` | the cluster whose hosts agree, see [`coherence`](crate::coherence) | none |
//! | `brokers` | `GUIRA_BROKERS` | the addresses of all its brokers: a list, in the environment with commas between | |
//! | `broker_keys` | `GUIRA_BROKER_KEYS` | their public keys, one for each and in the same order | none |
//! | `broker_here` | `GUIRA_BROKER_HERE` | in place of `brokers`: the address where one of the processes is the broker | |
//! | `keys` | `GUIRA_KEYS` | the directory of this host's own keys | none |
//! | `bound` | `GUIRA_BOUND` | how old a trusted hit may be | `500ms` |
//! | `start_within` | `GUIRA_START_WITHIN` | how long opening waits until hits are trusted; `0s` does not | `5s` |
//! | `agent_elsewhere` | `GUIRA_AGENT_ELSEWHERE` | whether another process is the host's agent | `false` |
//! | `host_name` | `GUIRA_HOST_NAME` | how reports call this host | its name on the network |
//! | `processor` | `GUIRA_PROCESSOR` | which processor the threads of the agent keep to, counted from 0 | any |
//! | `cache.NAME.ttl` | | how long values live that the program gives no lifetime | as the program says |
//! | `cache.NAME.stale_after` | | when they are stale | as the program says |
//! | `cache.NAME.ttl_spread` | | which part of a lifetime may be cut off, 0 to 1 | as the program says |
//! | `cache.NAME.sliding` | | how long values live that are not read | as the program says |
//! | `cache.NAME.mismatch` | | `miss` or `error` | as the program says |
//! | `cache.NAME.when_suspect` | | what becomes of hits beyond trust: `revalidate`, `serve_stale` or `refuse` | as the program says |
//! | `cache.NAME.announce_puts` | | whether puts make what other hosts have void | as the program says |
//! | `cache.NAME.cluster` | | whether one computation is enough for all hosts | as the program says |
//! | `cache.NAME.spill_above` | | with `files`: values of more bytes go there, such as `64K` | as the program says, `64K` |
//! | `cache.NAME.fetch` | | for how long, with `cluster`, other hosts are asked for a value before it is computed: a duration, `true` for `20ms`, or `false` | as the program says |
//!
//! The file is `guira.toml` in the working directory, or what `GUIRA_CONFIG` names; the environment wins over
//! the file, and the file over the program. Nothing unknown is passed over: a setting that there is not, in the
//! file or as a variable that begins with `GUIRA_`, is an error that names it, and so is a wrong value.

mod cluster;
mod file;
mod names;
mod of_cache;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use guira_files::DepotBuilder;
pub(crate) use of_cache::CacheSettings;

use crate::builder::GuiraBuilder;
use crate::error::Error;
use crate::handle::Guira;

/// Names the file.
const CONFIG_VARIABLE: &str = "GUIRA_CONFIG";
const FILE_NAME: &str = "guira.toml";
const PREFIX: &str = "GUIRA_";

/// What is wrong with a setting.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{place}: {name}: {problem}")]
#[non_exhaustive]
pub struct SettingError {
    /// Where it stands: a file, or `environment`.
    pub place: Box<str>,
    /// The setting, as it is called there.
    pub name: Box<str>,
    /// What is wrong, and what would be right.
    pub problem: Box<str>,
}

/// Settings as the file and the environment give them.
///
/// ```
/// use guira::Settings;
///
/// # let directory = tempfile::tempdir_in("/dev/shm")?;
/// # let path = directory.path().join("guira.toml");
/// # let segment = directory.path().join("app.guira");
/// # std::fs::write(&path, format!("path = {segment:?}\nsize = '16M'\n"))?;
/// let guira = Settings::read(&path)?.open()?;
/// assert_eq!(guira.path(), segment);
///
/// std::fs::write(&path, "sise = '16M'\n")?;
/// let error = Settings::read(&path).unwrap_err();
/// assert!(error.to_string().contains("sise"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Settings {
    builder: GuiraBuilder,
    path: Option<PathBuf>,
    files: Option<PathBuf>,
    files_limit_bytes: Option<u64>,
    caches: BTreeMap<Box<str>, CacheSettings>,
    cluster: cluster::ClusterSettings,
}

impl Settings {
    /// The settings of a file.
    ///
    /// # Errors
    /// [`Error::Setting`], which names the file and the setting.
    pub fn read(path: impl AsRef<Path>) -> Result<Self, Error> {
        let mut settings = Self::default();
        settings.add_file(path.as_ref())?;
        Ok(settings)
    }

    /// The settings of the environment, and of the file that it names or the working directory has.
    ///
    /// # Errors
    /// As [`Settings::read`].
    pub fn from_env() -> Result<Self, Error> {
        let mut variables = Vec::new();
        for (name, value) in std::env::vars_os() {
            // A name that is no text is none of ours.
            let Some(name) = name.into_string().ok().filter(|name| name.starts_with(PREFIX)) else {
                continue;
            };
            match value.into_string() {
                Ok(value) => variables.push((name, value)),
                Err(_) => return Err(setting_error("environment", name, "its value is no UTF-8")),
            }
        }
        Self::of_variables(variables, Path::new(FILE_NAME))
    }

    /// The settings of `variables`, and of the file that they name, or `file` if it exists.
    pub(crate) fn of_variables(
        variables: impl IntoIterator<Item = (String, String)>,
        file: &Path,
    ) -> Result<Self, Error> {
        let variables: Vec<(String, String)> = variables
            .into_iter()
            .filter(|(name, _)| name.starts_with(PREFIX))
            .collect();
        let mut settings = Self::default();
        let named = variables.iter().find(|(name, _)| name == CONFIG_VARIABLE);
        match named {
            Some((_, path)) => settings.add_file(Path::new(path))?,
            None if file.exists() => settings.add_file(file)?,
            None => {}
        }
        for (variable, value) in &variables {
            settings.add_variable(variable, value)?;
        }
        Ok(settings)
    }

    /// The segment's file, if one is named.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }

    /// Opens or creates the segment.
    ///
    /// # Errors
    /// [`Error::Setting`] if no path is given, or what is said of the cluster does not go together; [`Error::Open`],
    /// [`Error::Coherence`].
    pub fn open(&self) -> Result<Guira, Error> {
        let Some(path) = &self.path else {
            let problem = format!("no path is given; set GUIRA_PATH, or write path = \"...\" in {FILE_NAME}");
            return Err(setting_error("settings", "path", problem));
        };
        let coherence = self
            .cluster
            .coherence()
            .map_err(|(name, problem)| setting_error("settings", name, problem))?;
        let builder = match coherence {
            Some(coherence) => self.builder.clone().coherence(coherence),
            None => self.builder.clone(),
        };
        let builder = match (&self.files, self.files_limit_bytes) {
            (None, None) => builder,
            (None, Some(_)) => {
                let problem = "no directory is given for it; set files, too";
                return Err(setting_error("settings", "files_limit", problem));
            }
            (Some(directory), limit_bytes) => {
                let files = DepotBuilder::default();
                let limited = limit_bytes.map(|bytes| files.clone().limit_bytes(bytes));
                builder.files(directory, limited.unwrap_or(files))
            }
        };
        let guira = builder.open(path)?;
        Ok(guira.with_cache_settings(Arc::new(self.caches.clone())))
    }
}

impl Guira {
    /// Opens or creates the segment that the environment, or `guira.toml`, names; see [`Settings`].
    ///
    /// # Errors
    /// [`Error::Setting`], which names the setting, [`Error::Open`].
    pub fn from_env() -> Result<Self, Error> {
        Settings::from_env()?.open()
    }
}

pub(crate) fn setting_error(
    place: impl Into<Box<str>>,
    name: impl Into<Box<str>>,
    problem: impl Into<Box<str>>,
) -> Error {
    Error::Setting(Box::new(SettingError {
        place: place.into(),
        name: name.into(),
        problem: problem.into(),
    }))
}

#[cfg(test)]
mod tests;
