//! Many who wait for one computation: how soon they have their answers when it ends (`wake`), and when whoever
//! computed is killed (`takeover`). Informs how waiters are woken, and how often a computing process's life is
//! looked at.
//!
//! | Where | What |
//! |---|---|
//! | `crowd` | processes of waiting threads, as the measuring process sees them |
//! | `waiters` | such a process |
//! | `wake` | the end of a computation |
//! | `takeover` | the death of one that computes |

mod crowd;
mod takeover;
mod waiters;
mod wake;

pub(crate) use takeover::{TakeoverArguments, run as run_takeover};
pub(crate) use waiters::{WaitersArguments, run as run_waiters};
pub(crate) use wake::{WakeArguments, run as run_wake};

use std::path::Path;
use std::time::Duration;

use guira::{Cache, FlightOptions, Guira};
use guira_shm::sync::AtomicU64;
use nix::time::{ClockId, clock_gettime};

use crate::error::{BenchError, while_doing};

/// Longer than any measurement.
const PATIENCE: Duration = Duration::from_secs(600);

/// The time of the clock that all processes share.
fn now_ns() -> Result<u64, BenchError> {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC)
        .map_err(|errno| while_doing("read the clock")(errno.into()))?;
    Ok(Duration::from(now).as_nanos() as u64)
}

/// The cache in which is waited.
fn cache_of(guira: &Guira) -> Cache<u64, u64> {
    guira
        .cache_builder("flights")
        .flights(FlightOptions::default().patience(PATIENCE))
        .open()
}

/// A file with a word that is waited for without a cache, beside the segment at `path`.
fn word_path(path: &Path) -> std::path::PathBuf {
    path.with_extension("word")
}

/// The word of a bare wait, and how many wait for it.
struct Bare {
    file: guira_shm::file::MappedFile,
}

const WORD_BYTES: u64 = 4096;

impl Bare {
    fn create(path: &Path) -> Result<Self, BenchError> {
        let options = guira_shm::file::CreateOptions::new(WORD_BYTES);
        let file = guira_shm::file::create_unnamed(path, &options)?.publish(path)?;
        Ok(Self { file })
    }

    fn open(path: &Path) -> Result<Self, BenchError> {
        let rules = guira_shm::file::OpenRules {
            allow_group_write: false,
            writable: true,
        };
        let file = guira_shm::file::open_checked(path, &rules)?.map(WORD_BYTES)?;
        Ok(Self { file })
    }

    fn word(&self) -> &AtomicU64 {
        self.file.region().word(0)
    }

    fn waiting(&self) -> &AtomicU64 {
        self.file.region().word(64)
    }
}
