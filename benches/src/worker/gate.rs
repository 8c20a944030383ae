//! A gate in a shared file: processes that are to work at once leave it together.

use std::path::Path;
use std::time::{Duration, Instant};

use guira_shm::file::{CreateOptions, OpenRules, create_unnamed, open_checked};
use guira_shm::region::Region;
use guira_shm::sync::Ordering;

use crate::error::BenchError;

const FILE_NAME: &str = "gate";
const FILE_BYTES: u64 = 4096;
const PATIENCE: Duration = Duration::from_secs(60);

/// Counts arrivals; those of one process come one after another.
#[derive(Debug)]
pub(crate) struct Gate {
    region: Region,
    passed: u64,
}

impl Gate {
    /// Makes the file in `directory`.
    pub(crate) fn create(directory: &Path) -> Result<(), BenchError> {
        let path = directory.join(FILE_NAME);
        create_unnamed(&path, &CreateOptions::new(FILE_BYTES))?.publish(&path)?;
        Ok(())
    }

    pub(super) fn open(directory: &Path) -> Result<Self, BenchError> {
        let rules = OpenRules {
            allow_group_write: false,
            writable: true,
        };
        let file = open_checked(&directory.join(FILE_NAME), &rules)?.map(FILE_BYTES)?;
        Ok(Self {
            region: file.region().clone(),
            passed: 0,
        })
    }

    /// Waits for `processes` processes to arrive as often as this one has.
    pub(super) fn pass(&mut self, processes: u64) -> Result<(), BenchError> {
        let arrivals = self.region.word(0);
        arrivals.fetch_add(1, Ordering::Relaxed);
        self.passed += processes;
        let began = Instant::now();
        // Yielding, not sleeping: they are to leave within a microsecond of each other.
        while arrivals.load(Ordering::Relaxed) < self.passed {
            if began.elapsed() > PATIENCE {
                return Err(BenchError::Worker {
                    problem: "waited in vain for the other one".to_owned(),
                });
            }
            std::thread::yield_now();
        }
        Ok(())
    }
}
