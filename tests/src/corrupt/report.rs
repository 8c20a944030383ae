//! What a run came to.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::caller::Verdict;
use super::damage::Theme;
use super::mender::Mended;
use crate::summary::Summary;

/// Figures of a run, and everything that must not be.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// Of every random choice; image `n` of the run is the first of a run with seed + n.
    pub seed: u64,
    /// How long it took, s.
    pub seconds: f64,
    /// Images.
    pub images: u64,
    /// Of each theme.
    pub themes: BTreeMap<Theme, u64>,
    /// Changes that were made to them.
    pub changes: u64,
    /// Operations on them.
    pub operations: u64,
    /// Reads that gave a value.
    pub hits: u64,
    /// Writes that were refused with an error.
    pub errors: u64,
    /// Unverified values that were torn.
    pub torn: u64,
    /// The longest operation, us.
    pub max_operation_us: u64,
    /// Times an image was not opened, with an error that names it.
    pub refused: u64,
    /// Images in which `verify` found something.
    pub faulty: u64,
    /// Faults by kind.
    pub faults: BTreeMap<String, u64>,
    /// Entries that repairs dropped.
    pub dropped_entries: u64,
    /// Blocks that repairs gave back.
    pub freed_blocks: u64,
    /// Images that were cut: nothing to be repaired.
    pub cut: u64,
    /// Processes that a signal or a panic ended.
    pub deaths: u64,
    /// Processes that hung.
    pub hangs: u64,
    /// Values that were wrong, and operations that ran too long.
    pub wrong: u64,
    /// Images that did not work again after the repair.
    pub unmended: u64,
    /// Images that were refused without a reason that their damage gives.
    pub unopened: u64,
    /// What was wrong, beginning with the image's seed.
    pub findings: Vec<String>,
}

impl Report {
    /// Adds what one process saw of an image.
    pub(super) fn add(&mut self, verdict: &Verdict) {
        self.operations += verdict.operations;
        self.hits += verdict.hits;
        self.errors += verdict.errors;
        self.torn += verdict.torn;
        self.max_operation_us = self.max_operation_us.max(verdict.slowest_us);
    }

    /// Adds what a repair did.
    pub(super) fn add_mended(&mut self, mended: &Mended) {
        self.add(&mended.verdict);
        self.faulty += u64::from(!mended.faults.is_empty());
        self.dropped_entries += mended.dropped_entries;
        self.freed_blocks += mended.freed_blocks;
        self.cut += u64::from(mended.is_cut);
        for (kind, count) in &mended.faults {
            *self.faults.entry(kind.clone()).or_default() += count;
        }
    }

    /// Adds the figures of another lane of the same run.
    pub(super) fn merge(&mut self, other: Report) {
        self.images += other.images;
        self.changes += other.changes;
        self.operations += other.operations;
        self.hits += other.hits;
        self.errors += other.errors;
        self.torn += other.torn;
        self.max_operation_us = self.max_operation_us.max(other.max_operation_us);
        self.refused += other.refused;
        self.faulty += other.faulty;
        self.dropped_entries += other.dropped_entries;
        self.freed_blocks += other.freed_blocks;
        self.cut += other.cut;
        self.deaths += other.deaths;
        self.hangs += other.hangs;
        self.wrong += other.wrong;
        self.unmended += other.unmended;
        self.unopened += other.unopened;
        for (kind, count) in other.faults {
            *self.faults.entry(kind).or_default() += count;
        }
        for (theme, count) in other.themes {
            *self.themes.entry(theme).or_default() += count;
        }
        self.findings.extend(other.findings);
    }

    /// What must not be.
    #[must_use]
    pub const fn anomalies(&self) -> u64 {
        self.deaths + self.hangs + self.wrong + self.unmended + self.unopened
    }

    /// For the ledger.
    #[must_use]
    pub fn summary(&self) -> Summary {
        Summary::new("corrupt", self.seed, self.seconds, self.anomalies())
            .count("images", self.images)
            .count("changes", self.changes)
            .count("operations", self.operations)
            .count("hits", self.hits)
            .count("torn", self.torn)
            .count("refused", self.refused)
            .count("faulty", self.faulty)
            .count("faults", self.faults.values().sum())
            .count("dropped_entries", self.dropped_entries)
            .count("deaths", self.deaths)
            .count("hangs", self.hangs)
            .count("wrong", self.wrong)
            .count("unmended", self.unmended)
            .count("unopened", self.unopened)
            .count("max_operation_us", self.max_operation_us)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for finding in &self.findings {
            writeln!(f, "{finding}")?;
        }
        writeln!(
            f,
            "seed {}: {} images in {:.1} s ({:.0} a second), {} changes, {} operations, {} hits, {} errors",
            self.seed,
            self.images,
            self.seconds,
            self.images as f64 / self.seconds.max(0.001),
            self.changes,
            self.operations,
            self.hits,
            self.errors
        )?;
        let list = |counts: Vec<(String, u64)>| {
            let words: Vec<String> = counts
                .into_iter()
                .map(|(name, count)| format!("{name} {count}"))
                .collect();
            words.join(", ")
        };
        let themes = self
            .themes
            .iter()
            .map(|(theme, count)| (format!("{theme:?}"), *count));
        writeln!(f, "images by damage: {}", list(themes.collect()))?;
        let faults = self.faults.iter().map(|(kind, count)| (kind.clone(), *count));
        writeln!(
            f,
            "verify found something in {}: {}",
            self.faulty,
            list(faults.collect())
        )?;
        writeln!(
            f,
            "repairs dropped {} entries and gave back {} blocks; {} images were cut, {} times one was refused",
            self.dropped_entries, self.freed_blocks, self.cut, self.refused
        )?;
        writeln!(
            f,
            "{} unverified values were torn; the longest operation took {:.1} ms",
            self.torn,
            self.max_operation_us as f64 / 1000.0
        )?;
        write!(
            f,
            "anomalies: {} ({} deaths, {} hangs, {} wrong values or times, {} not mended, {} not opened)",
            self.anomalies(),
            self.deaths,
            self.hangs,
            self.wrong,
            self.unmended,
            self.unopened
        )
    }
}
