//! The legs of a storm: the same storm on other files, with other customs and with less room, one
//! after the other.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use guira_shm::file::{FileSystem, file_system_of};
use serde::Serialize;

use crate::experiment::{ExperimentError, Room};
use crate::namespaces;
use crate::scratch::directory_in;
use crate::storm::Customs;
use crate::storm::report::StormReport;
use crate::summary::Summary;

/// Keys that everybody fights over.
const FEW_KEYS: u64 = 200;

/// Where the segment lies.
#[derive(Clone, Debug)]
pub struct Place {
    /// A directory, in which each leg makes one of its own.
    pub path: PathBuf,
    /// How it is called.
    pub name: &'static str,
}

/// One leg.
#[derive(Clone, Debug)]
pub struct Leg {
    /// What is special about it.
    pub name: &'static str,
    /// Where.
    pub place: Place,
    /// What workers do besides.
    pub customs: Customs,
    /// Room for fewer processes and threads than come.
    pub room: Option<Room>,
    /// Threads of each worker.
    pub threads: usize,
    /// Keys, where they are not as many as wished.
    pub keys: Option<u64>,
    /// Whether values carry checks that every read compares.
    pub checked_values: bool,
}

/// The legs that this machine permits, and what it does not permit. With `path`, all are there.
///
/// # Errors
/// As [`places`].
pub fn legs(
    path: Option<&Path>,
    workers: usize,
    threads: usize,
) -> Result<(Vec<Leg>, Vec<String>), ExperimentError> {
    let mut notes = Vec::new();
    let places = places(path, &mut notes)?;
    let namespaces = match namespaces::probe() {
        Ok(()) => true,
        Err(error) => {
            notes.push(format!("pid namespaces: not permitted here ({error})"));
            false
        }
    };
    let restless = Customs {
        fork: true,
        exec: true,
        come_and_go: true,
        daemons: false,
        namespaces,
    };
    let daemons = Customs {
        daemons: true,
        namespaces: false,
        ..restless
    };
    // Two records and a few lines more than the workers need: their children and second handles
    // find them taken more often than not.
    let crowded = Room {
        processes: workers as u64 + 2,
        threads: (workers * (threads + 2) + 2) as u64,
    };
    let leg = |place: &Place, name, customs| Leg {
        name,
        place: place.clone(),
        customs,
        room: None,
        threads,
        keys: None,
        checked_values: false,
    };
    let of_place = |place: &Place| {
        [
            leg(place, "forks, execs, joins, namespaces", restless),
            Leg {
                room: Some(crowded),
                threads: threads + 1,
                ..leg(place, "full tables", restless)
            },
            Leg {
                checked_values: true,
                ..leg(place, "daemons, checked values", daemons)
            },
            Leg {
                keys: Some(FEW_KEYS),
                threads: threads + 1,
                ..leg(place, "few keys", restless)
            },
        ]
    };
    Ok((places.iter().flat_map(of_place).collect(), notes))
}

/// The given path, or memory and disk; what is not there is noted.
///
/// # Errors
/// One of them is no directory, or nothing can be made in it: better now than after an hour.
pub fn places(path: Option<&Path>, notes: &mut Vec<String>) -> Result<Vec<Place>, ExperimentError> {
    if let Some(path) = path {
        return Ok(vec![usable(path.to_owned(), "the given path", "--path")?]);
    }
    let mut places = vec![usable(PathBuf::from("/dev/shm"), "tmpfs", "--path")?];
    let temporary = std::env::temp_dir();
    if !temporary.is_dir() {
        return Err(no_place(
            &temporary,
            "TMPDIR",
            io::ErrorKind::NotADirectory.into(),
        ));
    }
    match file_system_of(&temporary) {
        Ok(FileSystem::Ext | FileSystem::Xfs | FileSystem::Btrfs) => {
            places.push(usable(temporary, "disk", "TMPDIR")?);
        }
        _ => notes.push(format!(
            "a disk file: {} is on none; set TMPDIR to a directory on ext4, xfs or btrfs",
            temporary.display()
        )),
    }
    Ok(places)
}

/// The place, if a directory can be made there.
fn usable(path: PathBuf, name: &'static str, named_by: &'static str) -> Result<Place, ExperimentError> {
    match directory_in(&path) {
        Ok(_) => Ok(Place { path, name }),
        Err(source) => Err(no_place(&path, named_by, source)),
    }
}

fn no_place(path: &Path, named_by: &'static str, source: io::Error) -> ExperimentError {
    ExperimentError::NoPlace {
        path: path.to_owned(),
        named_by,
        source,
    }
}

/// What all legs found.
#[derive(Clone, Debug, Serialize)]
pub struct LegsReport {
    /// Of every random choice.
    pub seed: u64,
    /// What this machine does not permit.
    pub notes: Vec<String>,
    /// Each leg.
    pub legs: Vec<(String, StormReport)>,
}

impl LegsReport {
    /// What must not have happened, one sentence each; empty if all is well.
    #[must_use]
    pub fn anomalies(&self) -> Vec<String> {
        let of_leg = |(name, report): &(String, StormReport)| -> Vec<String> {
            let found = report.anomalies().into_iter();
            found.map(|anomaly| format!("{name}: {anomaly}")).collect()
        };
        self.legs.iter().flat_map(of_leg).collect()
    }

    /// As `anomalies`, without the waits: where processors are short, a thread may wait for a sibling of
    /// its own process that holds a lock of that process and has no processor.
    #[must_use]
    pub fn anomalies_but_waits(&self) -> Vec<String> {
        let mut found = self.anomalies();
        found.retain(|anomaly| !anomaly.ends_with(super::report::WAITED));
        found
    }

    /// What the ledger keeps.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let seconds = self.legs.iter().map(|(_, report)| report.seconds).sum();
        let mut sum = Summary::new("storm", self.seed, seconds, 0);
        for (_, report) in &self.legs {
            for (name, count) in report.summary().counts {
                *sum.counts.entry(name).or_default() += count;
            }
        }
        sum
    }
}

impl fmt::Display for LegsReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, report) in &self.legs {
            writeln!(f, "[{name}] {report}")?;
        }
        for note in &self.notes {
            writeln!(f, "left out: {note}")?;
        }
        let sum = self.summary();
        let counts: Vec<String> = sum
            .counts
            .iter()
            .map(|(name, count)| format!("{count} {}", name.replace('_', " ")))
            .collect();
        write!(f, "in all, {:.0} s: {}", sum.seconds, counts.join(", "))
    }
}
