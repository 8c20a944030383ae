//! A peer's part of a round, in a Python process of its own.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::Outcome;
use crate::compare::{Lap, Load, Step};
use crate::stopwatch::Took;

const PROGRAM: &str = include_str!("peer.py");
/// How the program exits if the peer is not installed.
const MISSING: i32 = 3;

/// What became of it.
#[derive(Debug)]
pub(crate) enum Part {
    Played(Vec<Lap>),
    /// It is not installed: why.
    LeftOut(String),
}

pub(crate) fn laps(python: &str, name: &str, place: &Path, load: &Load) -> Outcome<Part> {
    let mut command = Command::new(python);
    command.args(["-W", "ignore", "-c", PROGRAM, name]).arg(place);
    for number in [load.value_bytes, load.entries, load.passes] {
        command.arg(number.to_string());
    }
    let output = match command.stderr(Stdio::inherit()).output() {
        Ok(output) => output,
        Err(error) => return Ok(Part::LeftOut(format!("{python}: {error}; give --python"))),
    };
    let said = String::from_utf8(output.stdout)?;
    if output.status.code() == Some(MISSING) {
        let why = said.lines().last().unwrap_or_default();
        return Ok(Part::LeftOut(format!("{why} for {python}")));
    }
    if !output.status.success() {
        return Err(format!("{name} failed; what it said is above").into());
    }
    let laps: Option<Vec<Lap>> = said.lines().map(lap).collect();
    Ok(Part::Played(
        laps.ok_or_else(|| format!("{name} said what is no lap: {said}"))?,
    ))
}

fn lap(line: &str) -> Option<Lap> {
    let mut words = line.split_whitespace();
    let step = Step::named(words.next()?)?;
    let calls = words.next()?.parse().ok()?;
    let took = Took {
        thread: Duration::from_secs_f64(words.next()?.parse().ok()?),
        wall: Duration::from_secs_f64(words.next()?.parse().ok()?),
    };
    Some(Lap::of(step, calls, &took))
}
