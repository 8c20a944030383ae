//! A put that evicts, in a directory of 100,000 files: what it costs, and that no directory is listed for it.
//!
//! Once as many files as there may be are there, and once as many as their bytes allow. The system's calls that list a
//! directory are counted by `strace`, in a run of their own: those of opening alone, and those of opening and
//! evicting. Both have to be the same.

use std::path::Path;
use std::process::{Command, Stdio};

use guira_files::{Files, FilesBuilder};
use guira_segment::Expiry;

use crate::Outcome;
use crate::child::command;
use crate::figures::verdict;
use crate::request::Request;
use crate::stopwatch::Stopwatch;

pub(crate) const PART: &str = "evict-part";
const OPEN: &str = "open";
const EVICT: &str = "evict";
const VALUE: [u8; 64] = [7; 64];
/// A block of the file system.
const FILE_BYTES: u64 = 4096;

/// A builder whose cache has room for `files` small ones: as many as it may have, or as many as fit.
pub(crate) fn builder(place: &Path, files: u64, is_by_bytes: bool) -> Outcome<FilesBuilder> {
    let most = if is_by_bytes { files * 2 } else { files };
    let builder = Files::builder()
        .max_files(most)
        .inline_max_bytes(0)
        .index_bytes(((most * 320).max(8 << 20)).next_multiple_of(1 << 20));
    let large = files * FILE_BYTES * 8 + (1 << 30);
    if !is_by_bytes {
        return Ok(builder.limit_bytes(large));
    }
    // What is not there for values is known when it is there.
    let tried = builder.clone().limit_bytes(large).open_or_create(place)?;
    let overhead_bytes = tried.stats().overhead_bytes;
    drop(tried);
    std::fs::remove_dir_all(place)?;
    Ok(builder.limit_bytes(overhead_bytes + files * FILE_BYTES))
}

/// Puts small files with these numbers; microseconds of this thread a put.
pub(crate) fn put(files: &Files, numbers: std::ops::Range<u64>) -> Outcome<f64> {
    let count = (numbers.end - numbers.start) as f64;
    let begin = Stopwatch::start()?;
    for number in numbers {
        files.put(&number.to_le_bytes(), &VALUE, Expiry::never())?;
    }
    Ok(begin.took()?.thread.as_secs_f64() * 1e6 / count)
}

pub(crate) fn run(request: &Request) -> Outcome<()> {
    let files: u64 = request.number("--files", 100_000)?;
    for is_by_bytes in [false, true] {
        let place = request.new_place()?;
        let path = place.path().join("cache");
        let cache = builder(&path, files, is_by_bytes)?.open_or_create(&path)?;
        let fill_us = put(&cache, 0..files)?;
        let evicted_before = cache.stats().evicted;
        let evict_us = put(&cache, files..files * 2)?;
        let stats = cache.stats();
        drop(cache);
        let limit = if is_by_bytes {
            "their bytes"
        } else {
            "their number"
        };
        println!(
            "{} files, limited by {limit}: {fill_us:.1} us a put while there is room",
            stats.files
        );
        println!(
            "{} evictions: {evict_us:.1} us a put that evicts, {:.1} more",
            stats.evicted - evicted_before,
            evict_us - fill_us,
        );
        match (listings(OPEN, &path, files)?, listings(EVICT, &path, files)?) {
            (Some(opening), Some(evicting)) => println!(
                "calls that list a directory: {opening} of opening, {evicting} of opening and {files} puts more, goal \
                 the same: {}",
                verdict(opening == evicting)
            ),
            _ => println!("calls that list a directory are not counted: strace is missing, or may not trace"),
        }
    }
    Ok(())
}

/// How many calls that list a directory a part makes; `None` if they cannot be counted.
fn listings(part: &str, place: &Path, files: u64) -> Outcome<Option<u64>> {
    let own = command(PART, part, place)?;
    let mut traced = Command::new("strace");
    traced
        .args(["-f", "--seccomp-bpf", "-e", "trace=getdents,getdents64"])
        .args(["-e", "signal=none", "-qqq"])
        .arg(own.get_program())
        .args(own.get_args())
        .args(["--files", &files.to_string()])
        .stderr(Stdio::piped());
    let Ok(output) = traced.output() else {
        return Ok(None);
    };
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() {
        print!("{said}");
        return Ok(None);
    }
    Ok(Some(
        said.lines().filter(|line| line.contains("getdents")).count() as u64,
    ))
}

pub(crate) fn part(request: &Request) -> Outcome<()> {
    let files: u64 = request.number("--files", 0)?;
    let cache = Files::builder().inline_max_bytes(0).open(request.place()?)?;
    if request.text("--part") == Some(EVICT) {
        let evicted_before = cache.stats().evicted;
        put(&cache, files * 2..files * 3)?;
        if cache.stats().evicted - evicted_before < files / 2 {
            return Err("hardly a put evicted".into());
        }
    }
    Ok(())
}
