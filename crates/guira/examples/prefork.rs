//! A pool of worker processes that share the results of one function.
//!
//! ```sh
//! cargo run -p guira --example prefork              # 4 workers ask for 200 values, each in an order of its own
//! cargo run -p guira --example prefork -- 8 1000    # 8 workers, 1,000 values
//! ```
//!
//! The parent makes the segment and starts the workers, which open it by its path. Whoever needs a value first computes
//! it; who needs it at the same time waits for that, and all others find it. So there are as many computations as there
//! are values, however many workers there are.
#![expect(clippy::print_stdout, reason = "an example tells what it did")]
#![forbid(unsafe_code)]

use std::error::Error;
use std::hint::black_box;
use std::path::Path;
use std::process::{Child, Command};
use std::time::Instant;

use guira::{Guira, cached};

/// Says that this process is a worker: the segment's path, its number, how many values.
const WORKER: &str = "worker";

/// The number of steps that `start` takes to 1 by Collatz's rule, found slowly: some milliseconds of work.
#[cached(name = "steps", ttl = "5m")]
fn steps(start: u64) -> u64 {
    (0..20_000)
        .map(|_| count_steps(black_box(start)))
        .max()
        .unwrap_or(0)
}

fn count_steps(start: u64) -> u64 {
    let rule = |n: &u64| match n {
        0 | 1 => None,
        n if n.is_multiple_of(2) => Some(n / 2),
        n => Some(3 * n + 1),
    };
    std::iter::successors(Some(start), rule).count() as u64 - 1
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments[..] {
        [WORKER, path, number, values] => work(Path::new(path), number.parse()?, values.parse()?),
        [] => run_pool(4, 200),
        [workers, values] => run_pool(workers.parse()?, values.parse()?),
        _ => Err("usage: prefork [WORKERS VALUES]".into()),
    }
}

fn run_pool(workers: u64, values: u64) -> Result<(), Box<dyn Error>> {
    let directory = tempfile::tempdir_in("/dev/shm")?;
    let path = directory.path().join("pool.guira");
    // Made before there is anybody who needs it: what is wrong with the place is said here, once.
    let guira = Guira::builder().size(16 << 20).create(&path)?;
    let computed = guira.counters::<str>("computed");

    let began = Instant::now();
    let pool: Vec<Child> = (0..workers)
        .map(|number| start_worker(&path, number, values))
        .collect::<Result<_, _>>()?;
    for mut worker in pool {
        let status = worker.wait()?;
        if !status.success() {
            println!("a worker ended with {status}");
        }
    }
    let computations = computed.get("steps")?.unwrap_or(0);
    println!(
        "{workers} workers asked for {values} values each: {computations} computations in {:.2?}",
        began.elapsed()
    );
    Ok(())
}

fn start_worker(path: &Path, number: u64, values: u64) -> std::io::Result<Child> {
    Command::new(std::env::current_exe()?)
        .arg(WORKER)
        .arg(path)
        .args([number.to_string(), values.to_string()])
        .spawn()
}

/// What a worker does: asks for all values, beginning at another one than its neighbours.
fn work(path: &Path, number: u64, values: u64) -> Result<(), Box<dyn Error>> {
    let guira = Guira::builder().open_existing(path)?;
    guira.set_default();
    let mut most = 0;
    for n in 0..values {
        most = most.max(steps(1 + (n + number * values / 4) % values));
    }
    let stats = steps::stats();
    let computations = stats.flights.computations;
    let counted = i64::try_from(computations)?;
    guira
        .counters::<str>("computed")
        .increment("steps", counted, Some(counted), guira::Lifetime::never())?;
    println!(
        "worker {number}: {computations} computed, {} found, {} waited for; the most steps are {most}",
        stats.hits, stats.flights.waits
    );
    Ok(())
}
