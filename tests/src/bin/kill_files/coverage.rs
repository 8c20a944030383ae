//! Which places of the source change shared memory or the directory, as `cargo xtask kill files` reads them off its
//! text: each is passed by some scene, or stands in the table below with a reason.

use std::collections::BTreeSet;
use std::path::Path;

use crate::victim::PointName;

/// A place that no scene passes: the end of its file's path, the function, what is called, and why.
type Unreached = (&'static str, &'static str, &'static str, &'static str);

const UNREACHED: &[Unreached] = &[
    (
        "table/attach.rs",
        "take_row",
        "store",
        "one of four: only when the table is given up between its opening and the taking of a row",
    ),
    (
        "table/ledger.rs",
        "change",
        "store",
        "one of six: only as a mutant",
    ),
    (
        "table/make.rs",
        "open",
        "wait",
        "only while another process renews the table: survivors of those who are stopped there pass it",
    ),
    (
        "table/make.rs",
        "is_given_up",
        "store",
        "one of two: only when somebody takes a row of a table that is about to be given up",
    ),
    (
        "table/make.rs",
        "random_life",
        "write_u64",
        "a hasher, not a region",
    ),
    (
        "depot/kept_maps.rs",
        "keep",
        "fetch_add",
        "a count of this process, not the table",
    ),
    (
        "depot/kept_maps.rs",
        "count",
        "fetch_add",
        "a count of this process, not the table",
    ),
    (
        "policy/due.rs",
        "next_due",
        "compare_exchange",
        "a hint, only where an entry was given more time than the table knows of",
    ),
];

/// Places that a scene passes or not, by what its processes did before.
const BY_CHANCE: &[Unreached] = &[
    (
        "depot/room.rs",
        "remove_orphan",
        "store",
        "a hint that steers how many records are looked at, only after an orphan was met",
    ),
    (
        "policy/ghosts.rs",
        "take_ghost",
        "store",
        "a hint, only for a value that was evicted a short while before",
    ),
];

/// The places of the source, and what became of them.
#[derive(Debug, Default)]
pub(crate) struct Coverage {
    /// With the function around each.
    source: Vec<(PointName, String)>,
    pub(crate) passed: BTreeSet<PointName>,
    pub(crate) killed: BTreeSet<PointName>,
    pub(crate) stopped: BTreeSet<PointName>,
}

impl Coverage {
    /// Reads the list that xtask made: file, line, column, what is called, function.
    pub(crate) fn read(list: Option<&Path>) -> std::io::Result<Self> {
        let text = list.map_or(Ok(String::new()), std::fs::read_to_string)?;
        let source = text.lines().filter_map(|line| {
            let (point, function) = line.rsplit_once(' ')?;
            Some((PointName::parse(point)?, function.to_owned()))
        });
        Ok(Self {
            source: source.collect(),
            ..Self::default()
        })
    }

    /// Places of the source.
    pub(crate) fn total(&self) -> usize {
        self.source.len()
    }

    /// Places at which somebody died and somebody stopped.
    pub(crate) fn exercised(&self) -> usize {
        let is_in =
            |points: &BTreeSet<PointName>, point: &PointName| points.iter().any(|it| is_same(it, point));
        let both =
            |(point, _): &&(PointName, String)| is_in(&self.killed, point) && is_in(&self.stopped, point);
        self.source.iter().filter(both).count()
    }

    /// What is wrong with the lists, if all scenes were played.
    pub(crate) fn faults(&self) -> Vec<String> {
        let mut faults = Vec::new();
        for (point, function) in &self.source {
            if BY_CHANCE.iter().any(|chance| is_excused(chance, point, function)) {
                continue;
            }
            let excuse = UNREACHED
                .iter()
                .find(|excuse| is_excused(excuse, point, function));
            let is_passed = self.passed.iter().any(|it| is_same(it, point));
            match (is_passed, excuse) {
                (false, None) => faults.push(format!(
                    "{point} in {function} is passed by no scene: add one, or say why in coverage.rs"
                )),
                (true, Some(_)) if !self.is_one_of_many(point, function) => {
                    faults.push(format!(
                        "{point} in {function} is passed: take it out of the table in coverage.rs"
                    ));
                }
                _ => {}
            }
        }
        for excuse in UNREACHED.iter().chain(BY_CHANCE) {
            if !self.source.is_empty()
                && !self
                    .source
                    .iter()
                    .any(|(point, function)| is_excused(excuse, point, function))
            {
                faults.push(format!(
                    "the table in coverage.rs names {} in {}, which is no point",
                    excuse.1, excuse.0
                ));
            }
        }
        for point in self
            .passed
            .iter()
            .filter(|point| is_ours(point) && !self.source.is_empty())
        {
            if !self.source.iter().any(|(listed, _)| is_same(listed, point)) {
                faults.push(format!(
                    "{point} is a point that the reading of the source missed"
                ));
            }
        }
        faults
    }

    /// Whether another place of the same function is called the same: the table does not tell them apart.
    fn is_one_of_many(&self, point: &PointName, function: &str) -> bool {
        let same = |(other, around): &&(PointName, String)| {
            other.file == point.file && around == function && other.what == point.what
        };
        self.source.iter().filter(same).count() > 1
    }
}

fn is_excused(excuse: &Unreached, point: &PointName, function: &str) -> bool {
    point.file.ends_with(excuse.0) && excuse.1 == function && (excuse.2 == "*" || excuse.2 == point.what)
}

fn is_same(one: &PointName, other: &PointName) -> bool {
    (&one.file, one.line, one.column) == (&other.file, other.line, other.column)
}

/// Whether a point is of the files cache, and not of the engine below it, whose own proof looks at that.
pub(crate) fn is_ours(point: &PointName) -> bool {
    point.file.contains("guira-files/src/") || point.file.contains("guira-shm/src/directory/")
}
