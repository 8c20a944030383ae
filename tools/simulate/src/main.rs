//! Simulates networks of hosts and brokers by seeds, and reports what no network may do to them.

#![forbid(unsafe_code)]

mod host;
mod oracle;
mod plan;
mod world;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use clap::Parser;
use guira_bus::core::mutant::Mutant;

use world::{Counts, World};

/// Simulates hosts, brokers and a network that loses, repeats, delays, reorders and cuts.
#[derive(Parser, Debug)]
struct Arguments {
    /// How many seeds.
    #[arg(long, default_value_t = 2_000)]
    seeds: u64,
    /// The first of them; random if not given.
    #[arg(long, visible_alias = "seed")]
    from: Option<u64>,
    /// One seed, with everything that happens.
    #[arg(long)]
    trace: Option<u64>,
    /// Make each deliberate mistake, or this one, and see that it is found.
    #[arg(long, num_args = 0..=1, default_missing_value = "all")]
    mutants: Option<String>,
    /// Threads.
    #[arg(long, default_value_t = 2)]
    threads: usize,
    /// Add a line of JSON with the counts to this file.
    #[arg(long)]
    summary: Option<std::path::PathBuf>,
}

#[derive(Debug, Default)]
struct Report {
    seeds: u64,
    counts: Counts,
    violations: Vec<String>,
    unhealed: Vec<String>,
}

#[expect(clippy::print_stdout, reason = "a command says things")]
fn main() -> std::process::ExitCode {
    let arguments = Arguments::parse();
    if let Some(seed) = arguments.trace {
        let mutant = arguments.mutants.as_ref().and_then(|name| named(name).next());
        Mutant::choose(mutant);
        let outcome = World::new(seed, plan_for(seed, mutant), true).run();
        println!("{:#?}", outcome.counts);
        for text in outcome
            .violation
            .iter()
            .map(ToString::to_string)
            .chain(outcome.unhealed.clone())
        {
            println!("{text}");
        }
        return exit(outcome.violation.is_none() && outcome.unhealed.is_none());
    }
    let from = arguments.from.unwrap_or_else(|| fastrand::u64(..1 << 40));
    if let Some(which) = &arguments.mutants {
        return exit(try_mutants(&arguments, which, from));
    }
    let began = Instant::now();
    let report = simulate(from, arguments.seeds, arguments.threads, None, false);
    let seconds = began.elapsed().as_secs_f64();
    println!(
        "{} seeds from {from} in {seconds:.1} s: {:#?}",
        report.seeds, report.counts
    );
    for text in report.violations.iter().chain(&report.unhealed).take(20) {
        println!("{text}");
    }
    println!(
        "{} reads older than allowed, {} worlds unhealed",
        report.violations.len(),
        report.unhealed.len()
    );
    if let Some(path) = &arguments.summary {
        let line = summary(from, seconds, &report);
        if let Err(error) = append(path, &line) {
            println!("{}: {error}", path.display());
            return exit(false);
        }
    }
    exit(report.violations.is_empty() && report.unhealed.is_empty())
}

fn exit(is_good: bool) -> std::process::ExitCode {
    if is_good {
        std::process::ExitCode::SUCCESS
    } else {
        std::process::ExitCode::FAILURE
    }
}

fn summary(seed: u64, seconds: f64, report: &Report) -> String {
    let counts = &report.counts;
    format!(
        "{{\"proof\":\"simulate\",\"seed\":{seed},\"seconds\":{seconds:.1},\"counts\":{{\"seeds\":{},\"frames\":{},\"trusted_hits\":{},\"invalidations\":{},\"deaths\":{},\"leases\":{},\"anomalies\":{}}}}}\n",
        report.seeds,
        counts.frames,
        counts.trusted_hits,
        counts.invalidations,
        counts.deaths,
        counts.leases_granted,
        report.violations.len() + report.unhealed.len()
    )
}

fn append(path: &std::path::Path, line: &str) -> std::io::Result<()> {
    use std::io::Write;
    std::fs::OpenOptions::new()
        .create(true)
        .append(true)
        .open(path)?
        .write_all(line.as_bytes())
}

/// Runs seeds on threads; with `is_first` ends at the first finding.
fn simulate(from: u64, seeds: u64, threads: usize, mutant: Option<Mutant>, is_first: bool) -> Report {
    let next = AtomicU64::new(from);
    let report = Mutex::new(Report::default());
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                Mutant::choose(mutant);
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= from + seeds {
                        break;
                    }
                    let outcome = World::new(seed, plan_for(seed, mutant), false).run();
                    let mut report = report.lock().expect("nobody panics with it");
                    report.seeds += 1;
                    add(&mut report.counts, &outcome.counts);
                    if let Some(violation) = outcome.violation {
                        report.violations.push(format!("seed {seed}: {violation}"));
                    }
                    if let Some(text) = outcome.unhealed {
                        report.unhealed.push(format!("seed {seed}: {text}"));
                    }
                    if is_first && !(report.violations.is_empty() && report.unhealed.is_empty()) {
                        next.store(from + seeds, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    report.into_inner().expect("the threads have ended")
}

/// The mistake that a world is made to find: also where it is not made, in one world of eight.
fn plan_for(seed: u64, mutant: Option<Mutant>) -> Option<Mutant> {
    mutant.or_else(|| {
        let which = usize::try_from(seed / 8).unwrap_or(0) % Mutant::ALL.len();
        seed.is_multiple_of(8).then(|| Mutant::ALL.get(which).copied())?
    })
}

/// The mistakes of that name, or all.
fn named(which: &str) -> impl Iterator<Item = Mutant> {
    Mutant::ALL
        .iter()
        .copied()
        .filter(move |mutant| which == "all" || format!("{mutant:?}") == which)
}

#[expect(clippy::print_stdout, reason = "a command says things")]
fn try_mutants(arguments: &Arguments, which: &str, from: u64) -> bool {
    let began = Instant::now();
    let (mut tried, mut found) = (0, 0);
    let mut seeds = 0;
    for mutant in named(which) {
        let report = simulate(from, arguments.seeds, arguments.threads, Some(mutant), true);
        tried += 1;
        seeds += report.seeds;
        match report.violations.iter().chain(&report.unhealed).next() {
            Some(text) => {
                found += 1;
                println!("{mutant:?}: found after {} seeds: {text}", report.seeds);
            }
            None => println!("{mutant:?}: NOT found in {} seeds", report.seeds),
        }
    }
    let seconds = began.elapsed().as_secs_f64();
    println!("{found} of {tried} mutants found, from seed {from}, {seeds} seeds in {seconds:.1} s");
    if let Some(path) = &arguments.summary {
        let missed = tried - found;
        let line = format!(
            "{{\"proof\":\"simulate\",\"seed\":{from},\"seconds\":{seconds:.1},\"counts\":{{\"mutants\":{tried},\"mutant_seeds\":{seeds},\"anomalies\":{missed}}}}}\n"
        );
        if let Err(error) = append(path, &line) {
            println!("{}: {error}", path.display());
            return false;
        }
    }
    tried > 0 && found == tried
}

fn add(sum: &mut Counts, more: &Counts) {
    sum.events += more.events;
    sum.frames += more.frames;
    sum.frames_lost += more.frames_lost;
    sum.trusted_hits += more.trusted_hits;
    sum.untrusted_hits += more.untrusted_hits;
    sum.invalidations += more.invalidations;
    sum.accepted += more.accepted;
    sum.settled += more.settled;
    sum.gaps += more.gaps;
    sum.overflows += more.overflows;
    sum.resumed += more.resumed;
    sum.continued += more.continued;
    sum.fresh += more.fresh;
    sum.floors += more.floors;
    sum.deaths += more.deaths;
    sum.leases_granted += more.leases_granted;
    sum.leases_waited += more.leases_waited;
    sum.leases_found += more.leases_found;
    sum.leases_valued += more.leases_valued;
    sum.leases_clocked += more.leases_clocked;
    sum.leases_stored += more.leases_stored;
    sum.leases_alone += more.leases_alone;
    sum.leases_doubled += more.leases_doubled;
    sum.fetched += more.fetched;
}
