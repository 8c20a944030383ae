//! `guira bench`: throughput and latency of a segment on this machine.
//!
//! Worker processes, each with some threads, work on one segment for a while ([`worker`]); what they
//! do is a [`workload`]; what comes out is a [`report`].

mod report;
mod worker;
mod workload;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::Child;
use std::time::Duration;

use clap::Args;
use guira_segment::{Expiry, Segment};
use guira_trace::Trace;

use crate::duration::parse_seconds;
use crate::error::CliError;
use crate::exit::Exit;
use crate::size::parse_size;
use crate::target::Target;
use crate::worker_process::{self, Pipes};
use report::write_report;
use worker::{Sums, Task};
use workload::{Mix, Workload, key_bytes, parse_mix, parse_zipf, value_of};

/// The namespace that holds a bench's entries.
const NAMESPACE: &str = "guira-bench";

/// Measure throughput and latency on this machine
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "Keys have 8 bytes and are all put before the clock starts. A get copies the value; \
one that misses is followed by a put, which is an operation of its own. Every eighth operation is timed, and \
what reading the clock takes is subtracted. The entries are in the namespace guira-bench, and are removed \
afterwards; what they evicted is gone."
)]
pub struct BenchArgs {
    #[command(flatten)]
    pub target: Target,
    /// Threads of each process
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=256))]
    pub threads: u32,
    /// Processes
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=256))]
    pub processes: u32,
    /// Gets to puts
    #[arg(long, value_name = "GETS:PUTS", default_value = "95:5", value_parser = parse_mix, conflicts_with = "trace")]
    pub mix: Mix,
    /// How many different keys
    #[arg(long, value_name = "N", default_value_t = 100_000, conflicts_with = "trace",
          value_parser = clap::value_parser!(u32).range(1..))]
    pub keys: u32,
    /// Bytes of a value [default: 100, or what the trace says]
    #[arg(long, value_name = "SIZE", value_parser = parse_size)]
    pub value: Option<u64>,
    /// Keys by a Zipf law with this exponent, such as 0.99 [default: all alike]
    #[arg(long, value_name = "S", value_parser = parse_zipf, conflicts_with = "trace")]
    pub zipf: Option<f64>,
    /// Keys from this trace instead: a get for each access, and a put where it misses
    #[arg(long, value_name = "FILE")]
    pub trace: Option<PathBuf>,
    /// How long
    #[arg(long, value_name = "S", default_value = "5", value_parser = parse_seconds)]
    pub seconds: Duration,
    /// Go on although the segment has entries, which may be evicted
    #[arg(long)]
    pub force: bool,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// One worker process; started by bench itself
#[derive(Clone, Debug, Args)]
pub struct BenchWorkerArgs {
    /// What to do, as JSON
    pub task: String,
}

pub(crate) fn run(args: &BenchArgs, out: &mut dyn Write) -> Result<Exit, CliError> {
    let segment = args.target.open()?;
    if !args.force && segment.all_entries().next().is_some() {
        return Err(CliError::Failed(format!(
            "{}: has entries, which a bench may evict; give --force, or the path of an empty segment",
            args.target.path.display()
        )));
    }
    let workload = Workload {
        mix: args.mix,
        keys: args.keys,
        value_bytes: args.value,
        zipf: args.zipf,
        trace: args.trace.clone(),
    };
    let space = args.target.made(segment, Some(NAMESPACE))?;
    let measured = measure(args, &space, &workload);
    remove_all(&space);
    write_report(out, args, &measured?)?;
    Ok(Exit::Done)
}

fn measure(args: &BenchArgs, space: &Segment, workload: &Workload) -> Result<Sums, CliError> {
    match &workload.trace {
        // Read here once, so that a bad trace is refused before anything starts.
        Some(path) if Trace::read(path)?.accesses().is_empty() => {
            return Err(CliError::Usage(format!(
                "{}: the trace is empty; give another",
                path.display()
            )));
        }
        Some(_) => {}
        None => preload(args, space, workload)?,
    }
    let mut workers = Vec::new();
    for process in 0..args.processes {
        let task = Task {
            path: args.target.path.clone(),
            allow_group: args.target.allow_group,
            threads: args.threads,
            seconds: args.seconds,
            workload: workload.clone(),
            seed: u64::from(process) << 32,
        };
        let (child, pipes) = worker_process::start("bench-worker", &task)?;
        workers.push(Worker { child, pipes });
    }
    // All begin at once: when the last one is ready.
    for worker in &mut workers {
        worker.receive::<worker::Ready>()?;
    }
    for worker in &mut workers {
        worker.pipes.send(&worker::Go).map_err(|error| ended(&error))?;
    }
    let mut sums = Sums::default();
    for worker in &mut workers {
        sums.add(&worker.receive::<Sums>()?);
    }
    Ok(sums)
}

/// One by one, so that the segment is empty at once; a cleared namespace would still take room.
fn remove_all(space: &Segment) {
    for entry in space.entries() {
        space.remove(&entry.key);
    }
}

fn preload(args: &BenchArgs, space: &Segment, workload: &Workload) -> Result<(), CliError> {
    let mut value = Vec::new();
    for key in 0..u64::from(workload.keys) {
        value_of(key, workload.value_bytes_of(1), &mut value);
        space
            .put(&key_bytes(key), &value, Expiry::never())
            .map_err(CliError::store(&args.target.path))?;
    }
    Ok(())
}

/// A worker process; never outlives the bench.
struct Worker {
    child: Child,
    pipes: Pipes,
}

impl Worker {
    fn receive<T: serde::de::DeserializeOwned>(&mut self) -> Result<T, CliError> {
        match self.pipes.receive() {
            Ok(Some(message)) => Ok(message),
            Ok(None) => Err(ended(&io::ErrorKind::UnexpectedEof.into())),
            Err(error) => Err(ended(&error)),
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // One that is done has sent everything; one that is not is of no use any more.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn ended(error: &io::Error) -> CliError {
    CliError::Failed(format!(
        "a worker process ended early ({error}); see what it said before"
    ))
}

/// One worker process.
pub(crate) fn run_worker(args: &BenchWorkerArgs, out: &mut dyn Write) -> Result<Exit, CliError> {
    let task = serde_json::from_str(&args.task)
        .map_err(|error| CliError::Usage(format!("no task for a worker: {error}; run `guira bench`")))?;
    worker::run(&task, &mut io::stdin().lock(), out)
}
