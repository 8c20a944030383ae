//! Which points the source has: `cargo xtask kill` reads them off the source text and hands them
//! over. Each is reached by some scene, or is in the table below with a reason.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::KillError;
use super::victim::PointName;

/// A place in the source where shared memory is changed.
#[derive(Clone, PartialEq, Eq, Debug, PartialOrd, Ord, Serialize, Deserialize)]
pub struct SourcePoint {
    /// Source file, from the workspace's root.
    pub file: String,
    /// Line.
    pub line: u32,
    /// Column.
    pub column: u32,
    /// The function around it.
    pub function: String,
    /// What is called.
    pub what: String,
}

/// A place that no scene reaches.
#[derive(Clone, Copy, Debug)]
pub struct Unreached {
    /// The end of the source file's path.
    pub file: &'static str,
    /// The function; `*` for all.
    pub function: &'static str,
    /// What is called; `*` for whatever is.
    pub what: &'static str,
    /// How many such places there are, at most.
    pub places: usize,
    /// Whether a scene may come there all the same, where a process is slow.
    pub is_by_chance: bool,
    /// Why.
    pub reason: &'static str,
}

const fn unreached(
    file: &'static str,
    function: &'static str,
    what: &'static str,
    reason: &'static str,
) -> Unreached {
    Unreached {
        file,
        function,
        what,
        places: 1,
        is_by_chance: false,
        reason,
    }
}

/// Places that no scene reaches, and why.
pub const UNREACHED: &[Unreached] = &[
    unreached(
        "attach/mod.rs",
        "attach",
        "store",
        "the process's own page, which nobody else sees",
    ),
    unreached(
        "attach/mod.rs",
        "new_attachment",
        "store",
        "only a segment on memory of this process alone",
    ),
    unreached(
        "attach/mod.rs",
        "detach",
        "store",
        "the process's own page; or an attacher came between two instructions of the last detach",
    )
    .of(2),
    unreached("format.rs", "random_u64", "write_u64", "a hasher, not a region"),
    unreached(
        "format.rs",
        "prepare_for_this_boot",
        "wait",
        "only while another process prepares the file: the survivors of those scenes pass it",
    ),
    unreached(
        "file/create.rs",
        "open_new",
        "point",
        "only where a file system has no unnamed files",
    ),
    unreached(
        "file/create.rs",
        "rename",
        "point",
        "only where a file system has no unnamed files",
    ),
    unreached(
        "file/create.rs",
        "drop",
        "point",
        "only where a file system has no unnamed files",
    ),
    unreached(
        "ops/evict.rs",
        "cut_off",
        "change_state",
        "only a value that a put which died has in its grip: the proof of the files cache passes it",
    ),
    unreached(
        "file/mapped.rs",
        "populate",
        "fetch_or",
        "only on a kernel without MADV_POPULATE_WRITE",
    ),
    unreached(
        "builder.rs",
        "private_image",
        "copy_in",
        "only a segment on memory of this process alone",
    ),
    unreached(
        "flight.rs",
        "take_flight",
        "store",
        "one of many: only as a mutant",
    ),
    unreached(
        "index/sweep.rs",
        "sweep_range",
        "fetch_max",
        "one of two: only as a mutant",
    ),
    unreached("pin.rs", "pin_block", "store", "only as a mutant"),
    unreached("journal/append.rs", "write_word", "store", "only as a mutant"),
    unreached("attach/lookout.rs", "take", "swap", "a flag of this process, not the segment"),
    unreached(
        "attach/lookout.rs",
        "add",
        "compare_exchange",
        "a list of this process, not the segment",
    ),
    unreached("attach/lookout.rs", "drop", "store", "a flag of this process, not the segment"),
    unreached(
        "attach/lookout.rs",
        "look_out",
        "store",
        "a list of this process, not the segment",
    ),
    Unreached {
        is_by_chance: true,
        ..unreached(
            "flight.rs",
            "wait",
            "wake",
            "of who slept to the end of its slice, for whoever ended the flight may have died before waking: it changes nothing",
        )
    },
    unreached(
        "flight.rs",
        "sleep",
        "wait",
        "as in `wait`, which one of the same crowd is in: it changes nothing",
    ),
    unreached(
        "log/survivor.rs",
        "fate",
        "change_state",
        "only in a block where an earlier writer died before it went LIVE",
    ),
    unreached(
        "salvage.rs",
        "bury_others",
        "store",
        "only what is damaged, or of a key that has two entries",
    ),
    unreached(
        "log/forward.rs",
        "swing_again",
        "bump_moves",
        "one of two: only when an entry whose slot was not cleared yet leads to one that is gone",
    ),
    unreached(
        "truncation.rs",
        "invalidate_for_others",
        "*",
        "only after somebody cut the mapped file",
    )
    .of(2),
    unreached(
        "log/place.rs",
        "reserve_private",
        "change_block",
        "only when the drain that makes room for a lane of the main pool opens one for its survivors",
    ),
    unreached(
        "log/place.rs",
        "reserve_shared",
        "change_block",
        "only when two threads open a block for one lane at once",
    ),
    unreached(
        "ops/derive.rs",
        "replace_entry",
        "change_state",
        "only when a base's block is retired between two instructions",
    ),
    unreached(
        "ops/kill.rs",
        "kill_chain",
        "change_state",
        "only a ring of forwards, which damage alone makes",
    ),
    unreached(
        "index/displace.rs",
        "move_along",
        "claim_slot",
        "only when a slot of the pair goes stale between two looks",
    ),
    unreached(
        "index/link.rs",
        "replace_coldest",
        "claim_slot",
        "the first of two: only when a slot of the pair empties between two looks",
    ),
    unreached(
        "index/sweep.rs",
        "may_reuse",
        "store",
        "the first of two: only when a base is damaged, or somebody reuses the block at once",
    ),
    unreached(
        "index/sweep.rs",
        "sweep_slot",
        "claim_slot",
        "two of four: a slot that names no entry, which damage alone makes; and one that a writer which died when its \
         entry was LIVE had not cleared",
    )
    .of(2),
    unreached(
        "index/sweep.rs",
        "sweep_slot",
        "bump_moves",
        "only before the second of these",
    ),
    unreached(
        "log/survivor.rs",
        "give_up_copy",
        "change_state",
        "only when another writer of the key comes between two instructions",
    ),
    unreached(
        "log/write.rs",
        "write_at",
        "copy_in",
        "the second part of a value: nobody gives one yet",
    ),
];

impl Unreached {
    const fn of(self, places: usize) -> Self {
        Self { places, ..self }
    }

    fn covers(&self, point: &SourcePoint) -> bool {
        point.file.ends_with(self.file)
            && (self.function == "*" || self.function == point.function)
            && (self.what == "*" || self.what == point.what)
    }
}

/// The points of the source and where runs came to.
#[derive(Debug, Default)]
pub struct Coverage {
    source: BTreeMap<(String, u32, u32), SourcePoint>,
    killed: BTreeSet<(String, u32, u32)>,
    stopped: BTreeSet<(String, u32, u32)>,
    passed: BTreeSet<(String, u32, u32)>,
    counted: BTreeSet<(String, u32, u32)>,
}

fn place(point: &PointName) -> (String, u32, u32) {
    (point.file.clone(), point.line, point.column)
}

impl Coverage {
    /// Reads the list that `cargo xtask kill` made.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn read(path: &Path) -> Result<Self, KillError> {
        let text = std::fs::read_to_string(path).map_err(|source| KillError::NoList {
            path: path.to_owned(),
            source,
        })?;
        let points: Vec<SourcePoint> = serde_json::from_str(&text)?;
        Ok(Self::of(points))
    }

    fn of(points: Vec<SourcePoint>) -> Self {
        let source = points
            .into_iter()
            .map(|point| ((point.file.clone(), point.line, point.column), point))
            .collect();
        Self {
            source,
            ..Self::default()
        }
    }

    /// An operation passes this point.
    pub fn pass(&mut self, point: &PointName) {
        self.passed.insert(place(point));
    }

    /// An operation passes this point when nothing happens to it: somebody is to die and to stop here.
    pub fn count(&mut self, point: &PointName) {
        self.counted.insert(place(point));
        self.pass(point);
    }

    /// Somebody died here.
    pub fn kill(&mut self, point: &PointName) {
        self.killed.insert(place(point));
    }

    /// Somebody was stopped here.
    pub fn stop(&mut self, point: &PointName) {
        self.stopped.insert(place(point));
    }

    /// Points of the source.
    #[must_use]
    pub fn total(&self) -> usize {
        self.source.len()
    }

    /// Points of the source at which somebody died and somebody was stopped.
    #[must_use]
    pub fn exercised(&self) -> usize {
        let both =
            |place: &&(String, u32, u32)| self.killed.contains(*place) && self.stopped.contains(*place);
        self.source.keys().filter(both).count()
    }

    /// Points that no operation passes, each with the reason that the table gives.
    #[must_use]
    pub fn unreached(&self) -> Vec<(&SourcePoint, Option<&'static str>)> {
        self.source
            .iter()
            .filter(|(place, _)| !self.passed.contains(*place))
            .map(|(_, point)| {
                let reason = UNREACHED.iter().find(|entry| entry.covers(point));
                (point, reason.map(|entry| entry.reason))
            })
            .collect()
    }

    /// What is wrong with the lists themselves: points that were passed but are not in the source's
    /// list, or at which nobody died or stopped, and entries of the table that name nothing, something
    /// that is reached, or more than they say.
    #[must_use]
    pub fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        if self.source.is_empty() {
            return faults;
        }
        for (file, line, column) in &self.passed {
            if file.starts_with("crates/") && !self.source.contains_key(&(file.clone(), *line, *column)) {
                faults.push(format!(
                    "{file}:{line}:{column} is a point that the reading of the source missed"
                ));
            }
        }
        for (file, line, column) in &self.counted {
            let here = (file.clone(), *line, *column);
            if self.source.contains_key(&here)
                && !(self.killed.contains(&here) && self.stopped.contains(&here))
            {
                faults.push(format!(
                    "{file}:{line}:{column} is passed, but nobody died there, or nobody stopped; more --scripts try again"
                ));
            }
        }
        for entry in UNREACHED {
            let mut named = self
                .source
                .iter()
                .filter(|(_, point)| entry.covers(point))
                .peekable();
            if named.peek().is_none() {
                faults.push(format!(
                    "the table of unreached points names {} in {}, which is no point any more",
                    entry.function, entry.file
                ));
            } else if !entry.is_by_chance && named.all(|(place, _)| self.passed.contains(place)) {
                faults.push(format!(
                    "the table of unreached points names {} in {}, which is reached: take it out",
                    entry.function, entry.file
                ));
            }
            let unreached = self.unreached();
            let count = unreached.iter().filter(|(point, _)| entry.covers(point)).count();
            if count > entry.places {
                faults.push(format!(
                    "the table of unreached points allows {} of {} in {}, but {count} are not reached",
                    entry.places, entry.function, entry.file
                ));
            }
        }
        for (point, reason) in self.unreached() {
            if reason.is_none() {
                faults.push(format!(
                    "{}:{} {} in {} is reached by no scene: add one, or say why in tests/src/kill/source.rs",
                    point.file, point.line, point.what, point.function
                ));
            }
        }
        faults
    }
}
