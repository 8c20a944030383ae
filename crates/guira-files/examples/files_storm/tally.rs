//! What is counted, in a file of each process: whoever is killed has lost little.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::path::Path;

use crate::value::now_ns;

/// How often counts are written down.
const EVERY_NS: u64 = 50_000_000;
/// Anomalies that a process tells in full.
const MOST_TOLD: u64 = 20;

/// Counts by name.
#[derive(Debug)]
pub(crate) struct Tally {
    counts: BTreeMap<String, u64>,
    file: Option<File>,
    written_ns: u64,
    told: u64,
}

impl Tally {
    /// Counts that are written down at `path`.
    pub(crate) fn at(path: &Path) -> Self {
        Self {
            counts: BTreeMap::new(),
            file: Some(File::create(path).expect("a file can be made")),
            written_ns: 0,
            told: 0,
        }
    }

    /// The sum of those written down in the files of a folder.
    pub(crate) fn sum(folder: &Path) -> Self {
        let mut sum = Self {
            counts: BTreeMap::new(),
            file: None,
            written_ns: 0,
            told: 0,
        };
        for entry in std::fs::read_dir(folder).expect("it is ours").flatten() {
            let text = std::fs::read_to_string(entry.path()).unwrap_or_default();
            for (name, count) in text.lines().filter_map(|line| line.rsplit_once(' ')) {
                let count = count.parse().unwrap_or(0);
                if name.starts_with("most ") {
                    sum.most(name, count);
                } else {
                    sum.add(name, count);
                }
            }
        }
        sum
    }

    pub(crate) fn add(&mut self, name: &str, by: u64) {
        match self.counts.get_mut(name) {
            Some(count) => *count += by,
            None => {
                self.counts.insert(name.to_owned(), by);
            }
        }
    }

    /// The largest that was ever seen.
    pub(crate) fn most(&mut self, name: &str, value: u64) {
        let most = self.counts.entry(name.to_owned()).or_insert(0);
        *most = value.max(*most);
    }

    pub(crate) fn of(&self, name: &str) -> u64 {
        self.counts.get(name).copied().unwrap_or(0)
    }

    pub(crate) fn beginning_with<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a str, u64)> {
        let named = move |(name, count): (&'a String, &u64)| Some((name.strip_prefix(prefix)?, *count));
        self.counts.iter().filter_map(named)
    }

    /// Something that must not be.
    pub(crate) fn anomaly(&mut self, what: &str) {
        self.add("anomalies", 1);
        self.told += 1;
        if self.told <= MOST_TOLD {
            eprintln!("{what}");
        }
        self.write();
    }

    /// Writes the counts down, if it is time.
    pub(crate) fn keep(&mut self) {
        if now_ns() - self.written_ns > EVERY_NS {
            self.write();
        }
    }

    pub(crate) fn write(&mut self) {
        use std::os::unix::fs::FileExt;
        self.written_ns = now_ns();
        let mut text = String::new();
        for (name, count) in &self.counts {
            writeln!(text, "{name} {count}").expect("a string takes it");
        }
        // Counts only grow: an older text is never longer.
        if let Some(file) = &self.file {
            file.write_all_at(text.as_bytes(), 0).expect("there is room");
        }
    }
}

/// Appends a line to a file.
pub(crate) fn append(path: &Path, line: &str) -> std::io::Result<()> {
    let mut file = OpenOptions::new().append(true).create(true).open(path)?;
    file.write_all(line.as_bytes())
}
