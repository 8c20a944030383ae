//! A value of 1 GiB that eight processes map: what it takes of the memory, and what a get costs.
//!
//! The value is verified once, by a process that is gone then, and the kernel is asked to forget it. Then the
//! processes map it and touch every page. What each has resident is shared: the kernel's proportional share
//! (`Pss`), added up over all, is the value once.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::Instant;

use guira_files::Files;
use guira_segment::Expiry;

use crate::Outcome;
use crate::child::{Part, command, figures_of, wait};
use crate::figures::{Figures, verdict};
use crate::million::forget_file;
use crate::ours::Random;
use crate::request::Request;

pub(crate) const PART: &str = "share-part";
const GET: &str = "get";
const TOUCH: &str = "touch";
const KEY: &[u8] = b"model";
const GOAL_US: f64 = 50.0;
const MIB: f64 = (1 << 20) as f64;
/// Gets of one process after the first.
const AGAIN: usize = 1001;

impl Read for Random {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        self.fill(buffer);
        Ok(buffer.len())
    }
}

pub(crate) fn run(request: &Request) -> Outcome<()> {
    let value_bytes: u64 = request.number("--value-bytes", 1 << 30)?;
    let processes: usize = request.number("--processes", 8)?;
    let rounds: usize = request.number("--rounds", 11)?;
    let place = request.new_place()?;
    let path = place.path().join("cache");
    // So large that the processes may keep their maps: a quarter of the room.
    let files = Files::builder()
        .limit_bytes(value_bytes * 6)
        .open_or_create(&path)?;
    files.put_stream(KEY, Random::new().take(value_bytes), Expiry::never())?;
    drop(files);

    let get = || figures_of(&mut command(PART, GET, &path)?);
    let first_us = get()?.first().copied().unwrap_or(f64::NAN);
    println!("first get of all, which verifies: {:.0} ms", first_us / 1e3);
    let gets = (0..rounds).map(|_| get()).collect::<Outcome<Vec<_>>>()?;
    for (at, title) in [
        "first get of a new process",
        "the same through a handle opened anew",
        "again",
    ]
    .into_iter()
    .enumerate()
    {
        let us = Figures::of(gets.iter().filter_map(|get| get.get(at).copied()));
        let verdict = verdict(us.median() < GOAL_US);
        println!("{title}: {us} us, goal {GOAL_US}: {verdict}");
    }

    for value in value_files(&path)? {
        forget_file(&File::open(value)?)?;
    }
    let before_mib = page_cache_mib()?;
    let mut parts = Vec::new();
    for _ in 0..processes {
        parts.push(Part::start(&mut command(PART, TOUCH, &path)?)?);
    }
    for part in &mut parts {
        part.figures()?;
    }
    let after_mib = page_cache_mib()?;
    // All of them have it now; none leaves before all have looked.
    let mut resident_mib = 0.0;
    let mut share_mib = 0.0;
    for part in &mut parts {
        part.go_on()?;
        let figures = part.figures()?;
        resident_mib += figures.first().ok_or("no figure")?;
        share_mib += figures.get(1).ok_or("no figure")?;
    }
    for part in parts {
        part.end()?;
    }
    let value_mib = value_bytes as f64 / MIB;
    println!(
        "{processes} processes: {resident_mib:.0} MiB resident added up, {share_mib:.0} MiB by their shares, goal \
         {value_mib:.0}: {}",
        verdict((share_mib / value_mib - 1.0).abs() < 0.01)
    );
    println!(
        "the page cache of the machine grew by {:.0} MiB meanwhile",
        after_mib - before_mib
    );
    Ok(())
}

fn value_files(path: &Path) -> Outcome<Vec<std::path::PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(path)? {
        let path = entry?.path();
        if path.is_dir() {
            found.append(&mut value_files(&path)?);
        } else if path.extension().is_none() {
            found.push(path);
        }
    }
    Ok(found)
}

fn page_cache_mib() -> Outcome<f64> {
    let text = std::fs::read_to_string("/proc/meminfo")?;
    let line = text.lines().find(|line| line.starts_with("Cached:"));
    Ok(kib(line.ok_or("no line of the page cache")?) / 1024.0)
}

/// The number in a line such as `Pss:   12 kB`.
fn kib(line: &str) -> f64 {
    line.split_whitespace()
        .nth(1)
        .and_then(|kib| kib.parse().ok())
        .unwrap_or(f64::NAN)
}

pub(crate) fn part(request: &Request) -> Outcome<()> {
    let place = request.place()?;
    let get = |files: &Files| -> Outcome<_> {
        let begin = Instant::now();
        let value = files.get(KEY)?.ok_or("the value was evicted")?;
        Ok((begin.elapsed().as_secs_f64() * 1e6, value))
    };
    let files = Files::builder().open(place)?;
    let (first_us, value) = get(&files)?;
    if request.text("--part") == Some(GET) {
        let (reopened_us, _) = get(&Files::builder().open(place)?)?;
        let again = (0..AGAIN).map(|_| get(&files).map(|(us, _)| us));
        let again_us = Figures::of(again.collect::<Outcome<Vec<_>>>()?).median();
        println!("{first_us} {reopened_us} {again_us}");
        return Ok(());
    }
    let sum = value
        .iter()
        .step_by(4096)
        .map(|byte| u64::from(*byte))
        .sum::<u64>();
    println!("{sum}");
    wait()?;
    let (resident_mib, share_mib) = mapped_mib()?;
    println!("{resident_mib} {share_mib}");
    wait()
}

/// What this process has of value files in memory: all of it, and its share.
fn mapped_mib() -> Outcome<(f64, f64)> {
    let text = std::fs::read_to_string("/proc/self/smaps")?;
    let (mut resident_kib, mut share_kib) = (0.0, 0.0);
    let mut is_value = false;
    for line in text.lines() {
        // A map begins with a line of addresses and a path, the others with a name and a colon.
        let name = line.split_whitespace().next().unwrap_or_default();
        if !name.ends_with(':') {
            is_value = line.contains("/values-");
        } else if is_value && name == "Rss:" {
            resident_kib += kib(line);
        } else if is_value && name == "Pss:" {
            share_kib += kib(line);
        }
    }
    Ok((resident_kib / 1024.0, share_kib / 1024.0))
}
