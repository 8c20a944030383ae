//! Whether table, index and directory say the same: what must hold at any time, and what must hold when nobody is in
//! the middle of anything.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use guira_files::{Depot, FilesError, Stub, Swept};
use guira_segment::Segment;

/// What must hold even while somebody is in the middle of an operation, or died in it: space is counted before it is
/// taken, and given back after it is free. Of strangers' files nothing is counted.
pub(crate) fn at_any_time(depot: &Depot, limit_bytes: u64, has_strangers: bool) -> Vec<String> {
    let mut wrong = Vec::new();
    let on_disk = blocks_bytes(&value_files(depot.path()));
    let used = depot.used_bytes();
    if on_disk > used && !has_strangers {
        wrong.push(format!(
            "value files take {on_disk} bytes, and {used} are counted"
        ));
    }
    let all = du_bytes(depot.path());
    if all > limit_bytes {
        wrong.push(format!("the directory takes {all} bytes of {limit_bytes}"));
    }
    wrong
}

/// What must hold after one sweep, when nobody else is at work, of a directory and of the segment that has its stubs.
pub(crate) fn at_rest(depot: &Depot, segment: &Segment, limit_bytes: u64) -> Vec<String> {
    let mut wrong = at_any_time(depot, limit_bytes, false);
    let mut expect = |what: &str, is: u64, should: u64| {
        if is != should {
            wrong.push(format!("{what}: {is}, and should be {should}"));
        }
    };
    let paths = value_files(depot.path());
    let on_disk = blocks_bytes(&paths);
    let stats = depot.stats();
    expect(
        "bytes counted, beside those on the disk",
        stats.used_bytes,
        on_disk,
    );
    expect(
        "bytes in records, beside those on the disk",
        stats.recorded_bytes,
        on_disk,
    );
    expect("files in records, beside names", stats.files, paths.len() as u64);
    let entries = segment.all_entries().with_values();
    let stubs: Vec<Stub> = entries
        .filter_map(|entry| Stub::parse(&entry.ok()?.value))
        .collect();
    expect("stubs, beside names", stubs.len() as u64, paths.len() as u64);
    for stub in &stubs {
        match depot.verify(stub) {
            Ok(true) => {}
            Ok(false) => wrong.push(format!("the file of {stub:?} is damaged or gone")),
            Err(error) => wrong.push(format!("the file of {stub:?} cannot be verified: {error}")),
        }
    }
    wrong
}

/// What is wrong with a second sweep, if that found anything but `foreign`.
pub(crate) fn swept(swept: Result<Swept, FilesError>, foreign: &[PathBuf]) -> Option<String> {
    let mut expected = Swept::default();
    expected.foreign.extend_from_slice(foreign);
    match swept {
        Ok(swept) if swept == expected => None,
        Ok(swept) => Some(format!("a second sweep found {swept:?}")),
        Err(error) => Some(format!("a second sweep failed: {error}")),
    }
}

/// The value files under a directory, of whichever table.
pub(crate) fn value_files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for values in list(directory).into_iter().filter(|path| is_values(path)) {
        for shard in list(&values) {
            found.extend(list(&shard).into_iter().filter(|path| path.extension().is_none()));
        }
    }
    found
}

fn is_values(path: &Path) -> bool {
    path.file_name()
        .is_some_and(|name| name.to_string_lossy().starts_with("values-"))
}

fn list(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

/// Space that the files take, as the disk counts.
pub(crate) fn blocks_bytes(paths: &[PathBuf]) -> u64 {
    paths
        .iter()
        .filter_map(|path| path.symlink_metadata().ok())
        .map(|it| it.blocks() * 512)
        .sum()
}

/// What `du` says of a directory.
pub(crate) fn du_bytes(path: &Path) -> u64 {
    let own = path.symlink_metadata().map_or(0, |it| it.blocks() * 512);
    let is_directory = path.symlink_metadata().is_ok_and(|it| it.is_dir());
    let below: u64 = if is_directory {
        list(path).iter().map(|path| du_bytes(path)).sum()
    } else {
        0
    };
    own + below
}
