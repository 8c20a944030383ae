//! The command: which runs are made, by several processes at a time, and what they add up to.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use clap::Parser;
use guira_shm::mutant::{Mutant, switch_on};
use guira_shm::point::{self, Action, Forked};
use nix::sys::wait::{WaitStatus, waitpid};

use crate::catalogue::{DEADLY, Scene, after_death, scenes, scenes_of_spilling, scenes_of_tiers};
use crate::coverage::{Coverage, is_ours};
use crate::scripts::{SCRIPTS, scripts};
use crate::subject::{OverFiles, OverSegment, Subject};
use crate::trial::{Course, course, trial};
use crate::victim::PointName;
use crate::world::Ground;

/// A process dies, then one stops, at each change that each operation of the files cache makes.
#[derive(Debug, Parser)]
#[command(name = "kill files")]
struct Arguments {
    /// Only the first and the last pass of each place of the files cache, and a few of the engine's: for CI
    #[arg(long)]
    quick: bool,
    /// Scripts of the survivor for each point
    #[arg(long, default_value_t = 1)]
    scripts: usize,
    /// Processes that make runs at the same time
    #[arg(long, default_value_t = 2)]
    workers: usize,
    /// Only scenes whose names contain this
    #[arg(long)]
    only: Option<String>,
    /// Only this point of each scene, with every script
    #[arg(long)]
    at: Option<usize>,
    /// Names the scenes and how many points each passes
    #[arg(long)]
    list: bool,
    /// Runs of caches with a check left out, one after the other: succeeds if each is noticed
    #[arg(long)]
    mutants: bool,
    /// Where directories in memory are made
    #[arg(long, default_value = "/dev/shm")]
    memory: PathBuf,
    /// Where directories on a disk are made
    #[arg(long, default_value = ".")]
    disk: PathBuf,
    /// Of the scripts that are chosen
    #[arg(long)]
    seed: Option<u64>,
    /// A line of JSON that tells the sums is appended to this file
    #[arg(long)]
    summary: Option<PathBuf>,
    /// The points of the source, as `cargo xtask kill files` lists them
    #[arg(long)]
    source_points: Option<PathBuf>,
}

/// A run that takes so long hangs.
const PATIENCE_SECONDS: u32 = 120;
/// Runs with something wrong that are told in full.
const MOST_TOLD: usize = 20;

/// What is left out, one at a time, and the scene that has to show it.
const MUTANTS: [(Mutant, &str); 7] = [
    (Mutant::IntentNotWritten, "put: a file, over a file"),
    (Mutant::CountedFirst, "put: a file, over a file"),
    (Mutant::FreedBeforeUnlinked, "invalidate"),
    (Mutant::NamedFileGivenUp, "put: a file, over a file"),
    (Mutant::NamedFileGivenUp, "spilled put: over a spilled value"),
    (Mutant::RetiredBeforeStored, "spilled put: over a spilled value"),
    (Mutant::ArbiterFirst, "tiers over a segment: put: over a value"),
];

pub(crate) fn run() -> ExitCode {
    let mut arguments = Arguments::parse();
    let clock = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    let fresh = clock.map_or(0, |it| it.as_micros() as u64) & ((1 << 48) - 1);
    let seed = *arguments.seed.get_or_insert(fresh);
    let coverage = match Coverage::read(arguments.source_points.as_deref()) {
        Ok(coverage) => coverage,
        Err(error) => {
            eprintln!("the list of points cannot be read: {error}; run: cargo xtask kill files");
            return ExitCode::FAILURE;
        }
    };
    if !arguments.mutants {
        let sums = all_runs(&arguments, seed, None, coverage);
        return sums.conclude(&arguments, seed);
    }
    // Few points show what is left out, and not every survivor sees it there.
    arguments.quick = true;
    arguments.scripts = SCRIPTS;
    let mut unnoticed = Vec::new();
    for (mutant, scene) in MUTANTS {
        arguments.only = Some(scene.to_owned());
        let sums = all_runs(&arguments, seed, Some(mutant), Coverage::default());
        println!(
            "{} in `{scene}`: {} of {} runs show it",
            mutant.name(),
            sums.anomalies,
            sums.runs
        );
        if sums.anomalies == 0 {
            unnoticed.push(mutant.name());
        }
    }
    if unnoticed.is_empty() {
        return ExitCode::SUCCESS;
    }
    eprintln!("not noticed: {}", unnoticed.join(", "));
    ExitCode::FAILURE
}

/// Has every worker make its runs, and adds up what they found.
fn all_runs(arguments: &Arguments, seed: u64, mutant: Option<Mutant>, coverage: Coverage) -> Sums {
    let begun = Instant::now();
    let rooms = [&arguments.memory, &arguments.disk].map(|place| {
        let room = tempfile::Builder::new()
            .prefix("guira-kill-files-")
            .tempdir_in(place);
        room.expect("a directory can be made")
    });
    let workers: Vec<Forked> = (0..arguments.workers.max(1))
        .map(|number| {
            let worker = point::fork(|| {
                nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL)
                    .expect("a signal that exists");
                switch_on(mutant);
                let mut worker = Worker {
                    arguments,
                    number,
                    rooms: rooms.each_ref().map(tempfile::TempDir::path),
                    seed,
                    told: String::new(),
                    // What a mutant does is only counted.
                    tells_at_most: if mutant.is_some() { 0 } else { MOST_TOLD },
                };
                worker.work();
                0
            });
            worker.expect("a process can be made")
        })
        .collect();
    let mut sums = Sums {
        coverage,
        ..Sums::default()
    };
    for (number, mut worker) in workers.into_iter().enumerate() {
        let status = waitpid(worker.pid(), None);
        worker.was_reaped();
        let room = rooms[0].path();
        sums.add(&std::fs::read_to_string(told_by(room, number)).unwrap_or_default());
        if !matches!(status, Ok(WaitStatus::Exited(_, 0))) {
            let now = std::fs::read_to_string(doing(room, number)).unwrap_or_default();
            sums.anomalies += 1;
            eprintln!("worker {number} ended with {status:?} at: {now}");
        }
    }
    sums.took = begun.elapsed();
    sums
}

fn told_by(room: &Path, worker: usize) -> PathBuf {
    room.join(format!("told-{worker}"))
}

fn doing(room: &Path, worker: usize) -> PathBuf {
    room.join(format!("doing-{worker}"))
}

/// One of the processes that make runs.
struct Worker<'a> {
    arguments: &'a Arguments,
    number: usize,
    /// In memory, and on a disk.
    rooms: [&'a Path; 2],
    seed: u64,
    told: String,
    tells_at_most: usize,
}

impl Worker<'_> {
    fn work(&mut self) {
        for scene in scenes() {
            self.play(&scene);
        }
        for first in DEADLY {
            for at in self.deaths(first) {
                for scene in after_death(first, at) {
                    self.play(&scene);
                }
            }
        }
        for scene in scenes_of_spilling() {
            self.play(&scene);
        }
        for scene in scenes_of_tiers::<OverSegment>("a segment") {
            self.play(&scene);
        }
        for scene in scenes_of_tiers::<OverFiles>("files") {
            self.play(&scene);
        }
        std::fs::write(told_by(self.rooms[0], self.number), &self.told).expect("there is room");
    }

    fn root<S>(&self, scene: &Scene<S>) -> PathBuf {
        let room = if scene.ground == Ground::Disk {
            self.rooms[1]
        } else {
            self.rooms[0]
        };
        room.join(format!("world-{}", self.number))
    }

    /// The points of `first` at which somebody dies before others come: one of each place, and in CI few of these.
    fn deaths(&mut self, first: fn() -> Scene) -> Vec<usize> {
        let scene = first();
        if self
            .arguments
            .only
            .as_ref()
            .is_some_and(|only| !only.contains("after a death") && !"after a death".contains(only.as_str()))
        {
            return Vec::new();
        }
        let Ok(course) = course(&scene, &self.root(&scene)) else {
            return Vec::new();
        };
        let mut known = BTreeSet::new();
        let places: Vec<usize> = course
            .points
            .iter()
            .enumerate()
            .filter(|(_, point)| is_ours(point) && known.insert((*point).clone()))
            .map(|(at, _)| at)
            .collect();
        if !self.arguments.quick {
            return places;
        }
        // Those in the middle of a change of a record, and two others.
        let step = (places.len() / 2).max(1);
        let lot = self.seed as usize % step;
        let is_half = |at: usize| {
            let [before, here] = [at.wrapping_sub(1), at].map(|at| course.points.get(at));
            let is = |point: Option<&PointName>, what| {
                point.is_some_and(|it| it.file.ends_with("table/ledger.rs") && it.what == what)
            };
            is(before, "compare_exchange") && is(here, "store")
        };
        let chosen = places.iter().enumerate();
        let chosen = chosen.filter(|(index, at)| index % step == lot || is_half(**at));
        chosen.map(|(_, at)| *at).collect()
    }

    fn play<S: Subject>(&mut self, scene: &Scene<S>) {
        if self
            .arguments
            .only
            .as_ref()
            .is_some_and(|only| !scene.name.contains(only.as_str()))
        {
            return;
        }
        let root = self.root(scene);
        self.announce(&format!("{}, undisturbed", scene.name));
        let course = match course(scene, &root) {
            Ok(course) => course,
            Err(problem) => {
                if self.number == 0 {
                    self.report(&scene.name, &[problem]);
                }
                return;
            }
        };
        if self.number == 0 {
            for point in course.points.iter().collect::<BTreeSet<_>>() {
                self.tell(&format!("passed {point}"));
            }
            self.tell(&format!("scene {}", course.points.len()));
            if self.arguments.list {
                println!("{:>5} points  {}", course.points.len(), scene.name);
            }
        }
        if self.arguments.list {
            return;
        }
        let chosen = self.chosen::<S>(scene, &course);
        let runs = chosen
            .iter()
            .flat_map(|at| Action::ALL.map(|action| (*at, action)));
        let (workers, number) = (self.arguments.workers.max(1), self.number);
        for (_, (at, action)) in runs.enumerate().filter(|(index, _)| index % workers == number) {
            let turns = if self.arguments.at.is_some() {
                SCRIPTS
            } else {
                self.arguments.scripts
            };
            for turn in 0..turns {
                let script =
                    (at * 7 + self.seed as usize + turn + usize::from(action == Action::Stop)) % SCRIPTS;
                let what = format!(
                    "{}, {action:?} at {at} ({}), then who {}",
                    scene.name,
                    course.points[at],
                    scripts::<S>()[script].0
                );
                self.announce(&what);
                let verdict = trial(scene, &course, action, at, script, &root);
                if let Some(point) = &verdict.killed {
                    self.tell(&format!("killed {point}"));
                }
                if let Some(point) = &verdict.stopped {
                    self.tell(&format!("stopped {point}"));
                }
                self.tell("run");
                if !verdict.wrong.is_empty() {
                    self.report(&what, &verdict.wrong);
                }
            }
        }
    }

    /// The points of a scene at which something is to happen.
    fn chosen<S: Subject>(&self, scene: &Scene<S>, course: &Course) -> Vec<usize> {
        if let Some(at) = self.arguments.at {
            return (at < course.points.len()).then_some(at).into_iter().collect();
        }
        let all = 0..course.points.len();
        if !self.arguments.quick {
            return all.collect();
        }
        let is_of_death = scene.name.contains("after a death");
        let first = |at: usize| !course.points[..at].contains(&course.points[at]);
        let last = |at: usize| !course.points[at + 1..].contains(&course.points[at]);
        all.filter(|at| {
            let lot = at.wrapping_mul(0x9e37_79b1).wrapping_add(self.seed as usize) >> 4;
            match (is_ours(&course.points[*at]), is_of_death) {
                (true, false) => first(*at) || last(*at),
                (true, true) => first(*at),
                (false, false) if S::IS_OF_SEGMENTS => {
                    first(*at) && (self.arguments.mutants || lot.is_multiple_of(3))
                }
                (false, false) => first(*at) && lot.is_multiple_of(12),
                (false, true) => first(*at) && lot.is_multiple_of(24),
            }
        })
        .collect()
    }

    fn announce(&self, what: &str) {
        std::fs::write(doing(self.rooms[0], self.number), what).expect("there is room");
        nix::unistd::alarm::set(PATIENCE_SECONDS);
    }

    fn tell(&mut self, line: &str) {
        writeln!(self.told, "{line}").expect("a string takes it");
    }

    fn report(&mut self, what: &str, wrong: &[String]) {
        self.tell("wrong");
        if self.tells_at_most > 0 {
            self.tells_at_most -= 1;
            eprintln!("{what}:");
            for problem in wrong {
                eprintln!("    {problem}");
            }
        }
    }
}

/// What all workers found.
#[derive(Debug, Default)]
struct Sums {
    coverage: Coverage,
    scenes: u64,
    points: u64,
    runs: u64,
    kills: u64,
    stops: u64,
    anomalies: u64,
    took: Duration,
}

impl Sums {
    fn add(&mut self, told: &str) {
        for line in told.lines() {
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            match (word, PointName::parse(rest)) {
                ("passed", Some(point)) => {
                    self.coverage.passed.insert(point);
                }
                ("killed", Some(point)) => {
                    self.kills += 1;
                    self.coverage.killed.insert(point);
                }
                ("stopped", Some(point)) => {
                    self.stops += 1;
                    self.coverage.stopped.insert(point);
                }
                ("run", _) => self.runs += 1,
                ("wrong", _) => self.anomalies += 1,
                ("scene", _) => {
                    self.scenes += 1;
                    self.points += rest.parse::<u64>().unwrap_or(0);
                }
                _ => {}
            }
        }
    }

    fn conclude(mut self, arguments: &Arguments, seed: u64) -> ExitCode {
        let is_whole = arguments.only.is_none() && arguments.at.is_none();
        if is_whole {
            for fault in self.coverage.faults() {
                eprintln!("{fault}");
                self.anomalies += 1;
            }
        }
        let Self {
            scenes,
            points,
            runs,
            kills,
            stops,
            anomalies,
            ..
        } = self;
        let seconds = self.took.as_secs_f64();
        println!(
            "kill files: {scenes} scenes with {points} points; {runs} runs, {kills} deaths, {stops} stops; {} of {} \
             places of the source exercised; {anomalies} anomalies; seed {seed}, {seconds:.1} s",
            self.coverage.exercised(),
            self.coverage.total(),
        );
        if let Some(path) = &arguments.summary {
            let line = format!(
                "{{\"proof\":\"kill-files\",\"seed\":{seed},\"seconds\":{seconds:.1},\"counts\":{{\"scenes\":{scenes},\
                 \"points\":{points},\"runs\":{runs},\"kills\":{kills},\"stops\":{stops},\"anomalies\":{anomalies}}}}}\n"
            );
            let file = std::fs::OpenOptions::new().append(true).create(true).open(path);
            if let Err(error) = file.and_then(|mut file| file.write_all(line.as_bytes())) {
                eprintln!("{}: {error}", path.display());
                return ExitCode::FAILURE;
            }
        }
        if anomalies == 0 {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }
}
