//! Opening a directory of a million files in a new process: nothing in it is listed, so it takes no time that grows with
//! the files.
//!
//! Three times over: with table and index in memory; after the kernel was told to forget both; and after the
//! last process that had it open was killed, when the table is looked through for what it left.

use std::fs::File;
use std::path::Path;
use std::time::Instant;

use guira_files::Files;
use nix::fcntl::{PosixFadviseAdvice, posix_fadvise};

use crate::Outcome;
use crate::child::{Part, command, figures_of, wait};
use crate::evict::{builder, put};
use crate::figures::{Figures, verdict};
use crate::request::Request;

pub(crate) const PART: &str = "open-part";
const OPEN: &str = "open";
const HOLD: &str = "hold";
const GOAL_MS: f64 = 50.0;

pub(crate) fn run(request: &Request) -> Outcome<()> {
    let files: u64 = request.number("--files", 1_000_000)?;
    let rounds: usize = request.number("--rounds", 11)?;
    let place = request.new_place()?;
    let path = place.path().join("cache");
    // A tenth more room, so that nothing is evicted.
    let cache = builder(&path, files + files / 10, false)?.open_or_create(&path)?;
    let put_us = put(&cache, 0..files)?;
    println!("{} files, {put_us:.1} us a put", cache.stats().files);
    drop(cache);

    for (title, before) in [
        ("in memory", Before::Nothing),
        ("not in memory", Before::Forget),
        ("after a kill", Before::Kill),
    ] {
        let mut laps = Vec::new();
        for _ in 0..rounds {
            before.run(&path)?;
            laps.push(figures_of(&mut command(PART, OPEN, &path)?)?);
        }
        let column = |at: usize| Figures::of(laps.iter().filter_map(|lap| lap.get(at).copied()));
        let (open_ms, get_us) = (column(0), column(1));
        let verdict = verdict(open_ms.median() < GOAL_MS);
        println!("{title:14} open {open_ms} ms, goal {GOAL_MS}: {verdict}; then a get {get_us} us");
    }
    Ok(())
}

/// What happens to the directory before it is opened.
#[derive(Clone, Copy, Debug)]
enum Before {
    Nothing,
    Forget,
    Kill,
}

impl Before {
    fn run(self, path: &Path) -> Outcome<()> {
        match self {
            Self::Nothing => Ok(()),
            Self::Forget => forget(path),
            Self::Kill => {
                let mut part = Part::start(&mut command(PART, HOLD, path)?)?;
                part.figures()?;
                part.kill()
            }
        }
    }
}

/// Asks the kernel to drop what it has of the files beside the values.
fn forget(path: &Path) -> Outcome<()> {
    for entry in std::fs::read_dir(path)? {
        let path = entry?.path();
        if path.is_file() {
            forget_file(&File::open(path)?)?;
        }
    }
    Ok(())
}

pub(crate) fn forget_file(file: &File) -> Outcome<()> {
    // Only what is written back can be dropped.
    file.sync_all()?;
    Ok(posix_fadvise(
        file,
        0,
        0,
        PosixFadviseAdvice::POSIX_FADV_DONTNEED,
    )?)
}

pub(crate) fn part(request: &Request) -> Outcome<()> {
    let place = request.place()?;
    let begin = Instant::now();
    let files = Files::builder().inline_max_bytes(0).open(place)?;
    let open_ms = begin.elapsed().as_secs_f64() * 1e3;
    let begin = Instant::now();
    let is_there = files.get(&77_u64.to_le_bytes())?.is_some();
    let get_us = begin.elapsed().as_secs_f64() * 1e6;
    if !is_there {
        return Err("a value was evicted".into());
    }
    println!("{open_ms} {get_us}");
    if request.text("--part") == Some(HOLD) {
        wait()?;
    }
    Ok(())
}
