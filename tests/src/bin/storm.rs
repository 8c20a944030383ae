//! Experiments with worker processes: `storm` kills and stops them, `stale` hunts for stale reads, `races` for stale
//! answers of the typed layer.
//!
//! Long because: the options of every experiment, which share those of the world.

#![forbid(unsafe_code)]
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command for people: the report goes to stdout, what went wrong to stderr"
)]

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;

use clap::builder::RangedU64ValueParser;
use clap::{Args, Parser, Subcommand, ValueEnum};
use guira_tests::experiment::{Assignment, ExperimentError, Plan, World};
use guira_tests::latency::{self, LatencyPlan};
use guira_tests::lock_release;
use guira_tests::namespaces;
use guira_tests::races::{self, RacesPlan, RacesReport};
use guira_tests::scratch::directory_in;
use guira_tests::stale::{self, StalePlan};
use guira_tests::storm::{self, LegsReport, StormPlan};
use guira_tests::summary::{Summary, fresh_seed};
use guira_tests::verdict::MutantVerdict;
use serde::Serialize;

/// Experiments with worker processes that are killed and stopped.
#[derive(Debug, Parser)]
#[command(name = "storm", disable_help_subcommand = true)]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Every operation at once while workers are killed and stopped
    Storm(StormArguments),
    /// What kills and stops cost other operations: the same work, calm and in a storm, in turns
    Latency(LatencyArguments),
    /// Fills, puts and invalidations of a few keys race: no read may be stale
    Stale(StaleArguments),
    /// Invalidations race computations through the public interface: no call may give a stale value
    Races(RacesArguments),
    /// How long after its death a process's lock is free, by the size of the segment
    LockRelease(LockReleaseArguments),
    /// Holds a segment until it is killed; what `lock-release` starts
    #[command(hide = true)]
    Hold {
        #[arg(long)]
        path: PathBuf,
        #[arg(long)]
        populated: bool,
    },
    /// Starts a worker; the other commands do
    #[command(hide = true)]
    Worker {
        #[arg(long)]
        plan: String,
        #[arg(long)]
        worker: usize,
        #[arg(long)]
        incarnation: u64,
        /// It is the first process of a pid namespace
        #[arg(long)]
        proc: Option<ProcMount>,
    },
    /// Opens the segment, works a little and leaves; what workers fork does
    #[command(hide = true)]
    Visit {
        #[arg(long)]
        plan: String,
        #[arg(long)]
        worker: usize,
    },
}

/// Which `/proc` the first process of a pid namespace sees.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum ProcMount {
    Own,
    Foreign,
}

#[derive(Clone, Debug, Args)]
struct WorldArguments {
    /// Worker processes; by default 4, and 2 where latency is measured
    #[arg(long, value_parser = up_to(MOST_WORKERS))]
    workers: Option<usize>,
    /// Threads of each worker
    #[arg(long, default_value = "1", value_parser = up_to(MOST_THREADS))]
    threads: usize,
    /// Kills, at random times; by default 8 a second
    #[arg(long)]
    kills: Option<u64>,
    /// Stops, at random times; by default 8 a second
    #[arg(long)]
    stops: Option<u64>,
    /// Longest stop, ms
    #[arg(long, default_value_t = 120)]
    max_stop_ms: u64,
    /// Where the segment is made, in a directory of its own; a storm is by default in memory and on
    /// disk, a hunt in memory
    #[arg(long)]
    path: Option<PathBuf>,
    /// Bytes of the segment
    #[arg(long)]
    size_bytes: Option<u64>,
    /// Blocks of so many bytes
    #[arg(long, requires = "blocks")]
    block_bytes: Option<u64>,
    /// So many blocks
    #[arg(long, requires = "block_bytes")]
    blocks: Option<u64>,
    /// Entries that the index is made for
    #[arg(long)]
    index_entries: Option<u64>,
    /// Bits of a generation that are compared
    #[arg(long, default_value_t = 12, value_parser = clap::value_parser!(u64).range(2..=12))]
    generation_bits: u64,
    /// Values carry checks that every read compares
    #[arg(long)]
    checked_values: bool,
    /// Of every random choice; by default another one each time
    #[arg(long)]
    seed: Option<u64>,
    /// The report as JSON
    #[arg(long)]
    json: bool,
    /// Appends a line of JSON with the counts to this file
    #[arg(long, value_name = "FILE")]
    summary: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct StormArguments {
    #[command(flatten)]
    world: WorldArguments,
    /// How long
    #[arg(long, default_value = "10", value_parser = parse_time)]
    minutes: f64,
    /// Keys; the segment holds about a tenth of them
    #[arg(long, default_value_t = 400_000, value_parser = clap::value_parser!(u64).range(1..))]
    keys: u64,
    /// Without values that take runs of blocks
    #[arg(long)]
    no_large_values: bool,
    /// Shows operations that waited over 100 ms, but does not fail for them: for machines with too few
    /// processors, where threads of one process keep each other waiting
    #[arg(long)]
    waits_are_known: bool,
}

#[derive(Debug, Args)]
struct LatencyArguments {
    #[command(flatten)]
    world: WorldArguments,
    /// How long in all
    #[arg(long, default_value = "4", value_parser = parse_time)]
    minutes: f64,
    /// Rounds of a calm and a stormy half
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u64).range(1..))]
    rounds: u64,
    /// Keys; the segment holds about a tenth of them
    #[arg(long, default_value_t = 400_000, value_parser = clap::value_parser!(u64).range(1..))]
    keys: u64,
}

#[derive(Debug, Args)]
struct LockReleaseArguments {
    /// Sizes of the segment
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "4,64,256,1024",
        value_parser = clap::value_parser!(u64).range(1..=1 << 20)
    )]
    mib: Vec<u64>,
    /// Measurements of each
    #[arg(long, default_value = "15", value_parser = up_to(1_000_000))]
    repeats: usize,
    /// Where; by default in memory and on disk
    #[arg(long)]
    path: Option<PathBuf>,
    /// The figures as JSON, a line each
    #[arg(long)]
    json: bool,
    /// Noted in the summary: nothing here is left to chance
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// Appends a line of JSON with the counts to this file
    #[arg(long, value_name = "FILE")]
    summary: Option<PathBuf>,
}

#[derive(Debug, Args)]
struct StaleArguments {
    #[command(flatten)]
    world: WorldArguments,
    /// Operations after which it ends, as 1e8 or 100000000
    #[arg(long, default_value = "1e8", value_parser = parse_count)]
    operations: u64,
    /// The time over which kills and stops are spread, s
    #[arg(long, default_value = "60", value_parser = parse_time)]
    seconds: f64,
    /// Keys that everybody fights over
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u64).range(1..))]
    hot_keys: u64,
    /// Keys that only fill the segment
    #[arg(long, default_value_t = 500_000, value_parser = clap::value_parser!(u64).range(1..))]
    cold_keys: u64,
}

#[derive(Debug, Args)]
struct RacesArguments {
    #[command(flatten)]
    world: WorldArguments,
    /// Rounds after which it ends, as 1e7 or 10000000: an invalidation each, and the calls around it
    #[arg(long, default_value = "1e7", value_parser = parse_count)]
    rounds: u64,
    /// The time over which kills and stops are spread, s
    #[arg(long, default_value = "60", value_parser = parse_time)]
    seconds: f64,
    /// Keys that everybody fights over, of a cache and of a memoized function each
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u64).range(1..=1024))]
    keys: u64,
    /// Breaks this on purpose and succeeds if it is noticed; `all` for each that is to be noticed
    #[arg(long, value_name = "NAME")]
    mutant: Option<String>,
}

impl RacesArguments {
    fn run(&self) -> Result<ExitCode, ExperimentError> {
        let Some(mutant) = &self.mutant else {
            let report = self.race(None)?;
            return self
                .world
                .conclude(&report, &report.summary(), &report.anomalies());
        };
        let mutants = if mutant == "all" {
            races::MUTANTS
        } else {
            &[mutant.as_str()]
        };
        let mut all_are_noticed = true;
        for &mutant in mutants {
            let report = self.race(Some(mutant))?;
            let verdict = MutantVerdict {
                mutant: mutant.to_owned(),
                is_noticed: report.wrong != 0,
                told: format!("{} stale values in {} rounds", report.wrong, report.rounds),
            };
            all_are_noticed &= verdict.is_noticed;
            println!("{verdict}");
            if let Some(line) = report.journal.first() {
                println!("  {line}");
            }
        }
        Ok(if all_are_noticed {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }

    fn race(&self, mutant: Option<&str>) -> Result<RacesReport, ExperimentError> {
        let world = &self.world;
        let directory = directory_in(world.path.as_deref().unwrap_or(Path::new("/dev/shm")))?;
        let plan = RacesPlan {
            world: world.world(directory.path().to_owned(), self.seconds, 8 << 20),
            rounds: self.rounds,
            keys: self.keys,
            mutant: mutant.map(str::to_owned),
        };
        races::run(Path::new(PROGRAM), &plan)
    }
}

fn parse_count(text: &str) -> Result<u64, String> {
    let count: f64 = text.parse().map_err(|_| format!("{text} is not a number"))?;
    if (1.0..=1e18).contains(&count) {
        Ok(count as u64)
    } else {
        Err("it must be between 1 and 1e18".to_owned())
    }
}

fn parse_time(text: &str) -> Result<f64, String> {
    let time: f64 = text.parse().map_err(|_| format!("{text} is not a number"))?;
    if time > 0.0 && time < 1e6 {
        Ok(time)
    } else {
        Err("it must be more than 0 and less than a million".to_owned())
    }
}

fn up_to(most: u64) -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(1..=most)
}

/// This program, even if its file is replaced while it runs.
const PROGRAM: &str = "/proc/self/exe";
/// More workers, or threads of each, tell nothing that these do not.
const MOST_WORKERS: u64 = 64;
const MOST_THREADS: u64 = 64;
/// Workers by default.
const WORKERS: usize = 4;
/// Workers where latency is measured: more than there are processors would measure the machine.
const MEASURED_WORKERS: usize = 2;
/// Kills, and stops, by default.
const EVENTS_PER_SECOND: f64 = 8.0;
/// Bytes that an average entry of a storm takes, block ends included.
const ENTRY_BYTES: u64 = 640;

/// A segment that holds about a tenth of so many keys.
fn segment_bytes(keys: u64) -> u64 {
    (keys / 10 * ENTRY_BYTES).max(8 << 20)
}

impl WorldArguments {
    fn world(&self, directory: PathBuf, seconds: f64, default_bytes: u64) -> World {
        let per_second = |rate: f64| (rate * seconds) as u64;
        World {
            room: None,
            directory,
            size_bytes: self.size_bytes.unwrap_or(default_bytes),
            exact_blocks: self.block_bytes.zip(self.blocks),
            index_entries: self.index_entries,
            generation_bits: self.generation_bits,
            checked_values: self.checked_values,
            workers: self.workers.unwrap_or(WORKERS),
            threads: self.threads,
            kills: self.kills.unwrap_or(per_second(EVENTS_PER_SECOND)),
            stops: self.stops.unwrap_or(per_second(EVENTS_PER_SECOND)),
            max_stop_ms: self.max_stop_ms,
            seconds,
            seed: self.seed.unwrap_or_else(fresh_seed),
        }
    }

    /// Shows the report, keeps the summary, and turns anomalies into the exit code.
    fn conclude(
        &self,
        report: &(impl Serialize + Display),
        summary: &Summary,
        anomalies: &[String],
    ) -> Result<ExitCode, ExperimentError> {
        if self.json {
            println!("{}", serde_json::to_string_pretty(report)?);
        } else {
            println!("{report}");
        }
        if let Some(path) = &self.summary {
            summary.append_to(path)?;
        }
        Ok(if anomalies.is_empty() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }
}

/// A worker whose conductor is gone has nobody to end it.
fn die_with_parent() -> std::io::Result<()> {
    Ok(nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGKILL)?)
}

impl LockReleaseArguments {
    fn run(&self) -> Result<ExitCode, ExperimentError> {
        let began = Instant::now();
        let mut notes = Vec::new();
        let places = storm::places(self.path.as_deref(), &mut notes)?;
        for note in &notes {
            eprintln!("left out: {note}");
        }
        let mut all = Vec::new();
        for place in &places {
            for (&mib, populated) in self.mib.iter().flat_map(|mib| [(mib, false), (mib, true)]) {
                let released =
                    lock_release::measure(Path::new(PROGRAM), place, mib << 20, populated, self.repeats)?;
                if self.json {
                    println!("{}", serde_json::to_string(&released)?);
                } else {
                    println!("{released}");
                }
                all.push(released);
            }
        }
        if let Some(path) = &self.summary {
            lock_release::summary(&all, self.seed, began.elapsed().as_secs_f64()).append_to(path)?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl StormArguments {
    fn run(&self) -> Result<ExitCode, ExperimentError> {
        let world = &self.world;
        let (legs, notes) = storm::legs(
            world.path.as_deref(),
            world.workers.unwrap_or(WORKERS),
            world.threads,
        )?;
        for note in &notes {
            eprintln!("left out: {note}");
        }
        let seed = world.seed.unwrap_or_else(fresh_seed);
        let seconds = self.minutes * 60.0 / legs.len() as f64;
        let mut reports = Vec::new();
        for (number, leg) in legs.iter().enumerate() {
            let directory = directory_in(&leg.place.path)?;
            let share = |events: Option<u64>| events.map(|events| events.div_ceil(legs.len() as u64));
            let keys = leg.keys.unwrap_or(self.keys);
            let plan = StormPlan {
                world: World {
                    room: leg.room,
                    threads: leg.threads,
                    checked_values: leg.checked_values || world.checked_values,
                    seed: seed.wrapping_add(number as u64),
                    ..WorldArguments {
                        kills: share(world.kills),
                        stops: share(world.stops),
                        ..world.clone()
                    }
                    .world(directory.path().to_owned(), seconds, segment_bytes(keys))
                },
                keys,
                large_values: !self.no_large_values,
                customs: leg.customs,
                latency: false,
            };
            let name = format!("{}, {}", leg.place.name, leg.name);
            eprintln!("{name}: {seconds:.0} s");
            reports.push((name, storm::run(Path::new(PROGRAM), &plan)?));
        }
        let report = LegsReport {
            seed,
            notes,
            legs: reports,
        };
        let anomalies = if self.waits_are_known {
            report.anomalies_but_waits()
        } else {
            report.anomalies()
        };
        world.conclude(&report, &report.summary(), &anomalies)
    }
}

fn main() -> ExitCode {
    match run(Arguments::parse().task) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("storm: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(task: Task) -> Result<ExitCode, ExperimentError> {
    match task {
        Task::Storm(arguments) => arguments.run(),
        Task::Stale(arguments) => {
            let world = &arguments.world;
            let directory = directory_in(world.path.as_deref().unwrap_or(Path::new("/dev/shm")))?;
            let plan = StalePlan {
                world: world.world(directory.path().to_owned(), arguments.seconds, 8 << 20),
                operations: arguments.operations,
                hot_keys: arguments.hot_keys,
                cold_keys: arguments.cold_keys,
            };
            let report = stale::run(Path::new(PROGRAM), &plan)?;
            world.conclude(&report, &report.summary(), &report.anomalies())
        }
        Task::Latency(arguments) => {
            let world = &arguments.world;
            let seconds = arguments.minutes * 30.0 / arguments.rounds as f64;
            let directory = world.path.clone().unwrap_or_else(|| "/dev/shm".into());
            let plan = LatencyPlan {
                world: World {
                    workers: world.workers.unwrap_or(MEASURED_WORKERS),
                    ..world.world(directory, seconds, segment_bytes(arguments.keys))
                },
                keys: arguments.keys,
                rounds: arguments.rounds,
            };
            let report = latency::run(Path::new(PROGRAM), &plan)?;
            world.conclude(&report, &report.summary(), &report.anomalies())
        }
        Task::Races(arguments) => arguments.run(),
        Task::LockRelease(arguments) => arguments.run(),
        Task::Hold { path, populated } => {
            die_with_parent()?;
            let segment = lock_release::hold(&path, populated)?;
            println!("{}", lock_release::HELD);
            loop {
                std::thread::park();
                std::hint::black_box(&segment);
            }
        }
        Task::Worker {
            plan,
            worker,
            incarnation,
            proc,
        } => {
            if proc == Some(ProcMount::Own) {
                namespaces::mount_own_proc()?;
            }
            die_with_parent()?;
            let plan: Plan = serde_json::from_str(&plan)?;
            plan.work(Assignment { worker, incarnation })?;
            Ok(ExitCode::SUCCESS)
        }
        Task::Visit { plan, worker } => {
            storm::visit(&serde_json::from_str(&plan)?, worker)?;
            Ok(ExitCode::SUCCESS)
        }
    }
}
