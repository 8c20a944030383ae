//! What the directory takes, as `du` counts: blocks of all names.
//!
//! A listing takes a while, and files come and go meanwhile: one that goes after it was seen and one that comes and is
//! seen later were never there together. So names are listed twice, and only those count that are in both lists:
//! numbers are given to one file each, so all of these were there at the moment between the two. What is found so is
//! never more than what there was at that moment. What it leaves out is known: nothing if both lists are the same.
//! And now and then all who work are stopped (`conductor`), and one listing is exact.

use std::collections::HashMap;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::plan::{LARGEST_BYTES, Plan};
use crate::tally::Tally;
use crate::value::now_ns;

/// Every name below a directory, itself included, with the bytes of its blocks.
pub(crate) fn listing(directory: &Path) -> HashMap<PathBuf, u64> {
    let mut found = HashMap::new();
    let mut open = vec![directory.to_path_buf()];
    while let Some(path) = open.pop() {
        // One that has gone meanwhile is not there.
        let Ok(metadata) = path.symlink_metadata() else {
            continue;
        };
        if metadata.is_dir() {
            let entries = std::fs::read_dir(&path).into_iter().flatten().flatten();
            open.extend(entries.map(|entry| entry.path()));
        }
        found.insert(path, metadata.blocks() * 512);
    }
    found
}

/// Compares what is taken with what may be, and counts.
pub(crate) fn judge(plan: &Plan, tally: &mut Tally, taken_bytes: u64, how: &str) {
    tally.add(&format!("measured {how}"), 1);
    tally.most(&format!("most {how}"), taken_bytes);
    if taken_bytes > plan.limit_bytes {
        tally.add("above the limit", 1);
    }
    if taken_bytes > plan.limit_bytes + LARGEST_BYTES {
        tally.anomaly(&format!(
            "the directory takes {taken_bytes} bytes: more than its limit of {} and a value",
            plan.limit_bytes
        ));
    }
}

/// Measures as often as it can, until the storm is over.
pub(crate) fn measure(plan: &Plan, end_ns: u64, mut tally: Tally) {
    let directory = plan.directory();
    let mut first = listing(&directory);
    while now_ns() < end_ns {
        let second = listing(&directory);
        let both = second
            .iter()
            .filter_map(|(path, bytes)| Some(*first.get(path)?.min(bytes)));
        judge(plan, &mut tally, both.sum(), "in passing");
        let is_same = first == second;
        tally.add("measured without a change meanwhile", u64::from(is_same));
        let alone = |one: &HashMap<PathBuf, u64>, other: &HashMap<PathBuf, u64>| -> u64 {
            let alone = one.iter().filter(|(path, _)| !other.contains_key(*path));
            alone.map(|(_, bytes)| *bytes).sum()
        };
        tally.most(
            "most left out",
            alone(&first, &second).max(alone(&second, &first)),
        );
        tally.keep();
        first = second;
    }
    tally.write();
}
