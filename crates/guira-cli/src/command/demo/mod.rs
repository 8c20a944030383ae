//! `guira demo`: the main job on this machine, checked while it runs.
//!
//! Worker processes ([`worker`]) on two [`hosts`] memoize an expensive [`function`] over a real trace, dealt to
//! them from a [`deck`] by a [`crew`]. They invalidate what changes; a [`broker`] tells the other host. One worker
//! that is its host's agent is killed, and later the broker ([`conduct`]). A [`source`] of truth apart from the
//! caches says what is stale, and the times of all computations say which were a [`stampede`].

mod announcer;
mod bar;
mod broker;
mod comparison;
mod conduct;
mod crew;
mod deck;
mod function;
mod hosts;
mod message;
mod place;
mod probe;
mod report;
mod requests;
mod shown;
mod source;
mod stampede;
mod tally;
mod trust;
mod verdict;
mod worker;

use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use clap::Args;

use crate::duration::parse_seconds;
use crate::error::CliError;
use crate::exit::Exit;
use crate::output::write_json;
use broker::BrokerProcess;
use conduct::{Conducted, conduct};
use crew::Crew;
use deck::Deck;
use function::Function;
use hosts::{HOSTS, Host, NAMES};
use message::Task;
use place::Place;
use report::{HostFacts, Report, Surroundings};
use requests::Requests;
use source::Source;

/// See the main job on this machine, checked while it runs
#[derive(Clone, Debug, Args)]
#[command(after_long_help = "\
Two hosts, that is two segments, in /dev/shm if there is room, with a broker between them, which listens on a \
free port of this machine. Worker processes on both memoize a function that takes 50 us of honest work: a \
look-up, and on a miss a computation that at most one of a host's workers does. Each segment has room for about \
a tenth of the trace's objects. Meanwhile objects are changed and invalidated by workers of both hosts, one for \
about every 256 requests. One worker that is its host's agent is killed and replaced, and later the broker; \
what the worker had left of its last 128 requests is dealt anew.

Every value is checked: that it is the function's, and that it is no older than promised. On the host that \
invalidated, that is from the invalidation's return on; on the other, one bound (500 ms) after the broker \
accepted it, whoever was killed meanwhile. The last line is the verdict. A wrong or stale value, damage in a segment, or \
a host that is not trusted again within 10 s after what was killed make it a bad one, and the exit status 4.

ideal is the number of computations that the same run would have had without any stampede: the computations \
less those that began while another one of the same object and version was under way on the same host, told by \
the times of all of them. While a host is not trusted, its hits are suspect and count as misses. The hit ratio \
counts what was answered without computing, and stands beside those of LRU and OPT, simulated over the requests \
of each host and all changes, with as many objects as its segment held at most. Probes tell how long an \
invalidation takes from its call on one host until the value is gone on the other.")]
pub struct DemoArgs {
    /// Worker processes, in turn on one host and the other
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(2..=256))]
    pub workers: u32,
    /// How long
    #[arg(long, value_name = "S", default_value = "20", value_parser = parse_seconds)]
    pub seconds: Duration,
    /// The trace [default: one of an ORM, 5,000,000 requests, which is built in]
    #[arg(long, value_name = "FILE")]
    pub trace: Option<PathBuf>,
    /// Where the segments lie for the while [default: /dev/shm, or a directory for temporary files]
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
    /// Print the report as JSON
    #[arg(long)]
    pub json: bool,
}

/// One worker process; started by the demo itself
#[derive(Clone, Debug, Args)]
pub struct DemoWorkerArgs {
    /// What to do, as JSON
    pub task: String,
}

/// The broker's process; started by the demo itself
#[derive(Clone, Debug, Args)]
pub struct DemoBrokerArgs {
    /// What to do, as JSON
    pub task: String,
}

/// What the function costs.
const WORK: Duration = Duration::from_micros(50);
/// A segment has room for one of so many objects.
const ROOM_DIVISOR: u64 = 10;
/// The smallest segment; with few objects the values are larger instead.
const MIN_SEGMENT_BYTES: u64 = 8 << 20;
const MAX_SEGMENT_BYTES: u64 = 1 << 30;
/// The least an object takes in a segment that is made larger for many of them.
const LEAST_OBJECT_BYTES: u64 = 300;
/// What a value takes beside its bytes: header, key, and its part of the blocks kept free.
const OVERHEAD_BYTES: u64 = 80;
const MAX_VALUE_BYTES: u64 = 4096;
/// Room for the source, and some to spare.
const SPARE_BYTES: u64 = 16 << 20;
/// Set by SIGINT, SIGTERM and SIGHUP, so that the demo cleans up after itself.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

pub(crate) fn run(args: &DemoArgs, out: &mut dyn Write) -> Result<Exit, CliError> {
    // Fails where the program handles these signals otherwise, which is then its business.
    let _ = ctrlc::set_handler(|| INTERRUPTED.store(true, Ordering::Relaxed));
    let requests = Requests::read(args.trace.as_deref())?;
    let wanted_objects = (requests.distinct_objects / ROOM_DIVISOR).max(1);
    let size_bytes = (wanted_objects * LEAST_OBJECT_BYTES).clamp(MIN_SEGMENT_BYTES, MAX_SEGMENT_BYTES);
    let place = Place::find(args.dir.as_deref(), HOSTS as u64 * size_bytes + SPARE_BYTES)?;
    if let Some(note) = &place.note {
        let _ = writeln!(io::stderr(), "guira: {note}");
    }
    let report = run_in(&place, args, requests, size_bytes, wanted_objects);
    let removed = place.remove();
    let report = report?;
    removed?;
    if args.json {
        write_json(out, &report.json())?;
    } else {
        report.write(out)?;
    }
    let verdict = report.verdict();
    if verdict.is_good {
        return Ok(Exit::Done);
    }
    Err(CliError::Failed(format!(
        "{}; please report it with the output of `guira doctor`",
        verdict.sentence
    )))
}

fn interrupted() -> CliError {
    CliError::Failed("interrupted; what the demo made is removed".to_owned())
}

/// One worker process.
pub(crate) fn run_worker(args: &DemoWorkerArgs, out: &mut dyn Write) -> Result<Exit, CliError> {
    worker::run(&task(&args.task)?, &mut io::stdin().lock(), out)
}

/// The broker's process.
pub(crate) fn run_broker(args: &DemoBrokerArgs, out: &mut dyn Write) -> Result<Exit, CliError> {
    broker::run(&task(&args.task)?, &mut io::stdin().lock(), out)
}

fn task<T: serde::de::DeserializeOwned>(text: &str) -> Result<T, CliError> {
    serde_json::from_str(text).map_err(|error| {
        CliError::Usage(format!(
            "no task for a process of the demo: {error}; run `guira demo`"
        ))
    })
}

fn run_in(
    place: &Place,
    args: &DemoArgs,
    requests: Requests,
    size_bytes: u64,
    wanted_objects: u64,
) -> Result<Report, CliError> {
    // Nobody else's hosts are of this cluster, should they find its broker.
    let cluster = format!("demo-{}", std::process::id());
    let mut broker = BrokerProcess::start(&cluster)?;
    let segments: Vec<PathBuf> = NAMES.iter().map(|name| place.segment(name)).collect();
    let hosts: Vec<Host> = segments
        .iter()
        .enumerate()
        .map(|(host, path)| Host::create(path, size_bytes, &cluster, broker.endpoint(), host))
        .collect::<Result<_, _>>()?;
    let arena_bytes = hosts.first().map_or(0, |host| host.guira.stats().arena_bytes);
    let value_bytes = (arena_bytes / wanted_objects)
        .saturating_sub(OVERHEAD_BYTES)
        .clamp(function::MIN_VALUE_BYTES as u64, MAX_VALUE_BYTES);
    let objects = usize::try_from(requests.distinct_objects).unwrap_or(usize::MAX);
    Source::create(&place.source(), objects).map_err(CliError::io("create", &place.source()))?;
    let function = Function::calibrated(WORK, usize::try_from(value_bytes).unwrap_or(usize::MAX));
    let task = |host| Task {
        host,
        segments: segments.clone(),
        broker: broker.endpoint().to_owned(),
        cluster: cluster.clone(),
        source: place.source(),
        function,
    };
    let tasks = (0..HOSTS).map(task).collect();
    let deck = Deck::new(requests.objects, objects, args.workers as usize);
    let crew = Crew::new(tasks, deck, args.workers as usize);
    let bar = bar::progress_bar(args);
    let conducted = conduct(&crew, &hosts, &mut broker, args, &bar)?;
    bar.set_message("done; comparing with LRU and OPT");
    let around = Surroundings {
        trace: requests.name,
        distinct_objects: requests.distinct_objects,
        workers: u64::from(args.workers),
        value_bytes,
        ..surroundings(&crew, &hosts, &conducted)
    };
    bar.finish_and_clear();
    Ok(Report::new(conducted.tally, around))
}

/// What is left when the crew is done.
fn surroundings(crew: &Crew, hosts: &[Host], conducted: &Conducted) -> Surroundings {
    let requests = usize::try_from(conducted.tally.requests()).unwrap_or(usize::MAX);
    let (mut lru_hits, mut opt_hits, mut simulated) = (0.0, 0.0, 0.0);
    let mut facts = Vec::new();
    for (index, (host, entries)) in hosts.iter().zip(&conducted.entries).enumerate() {
        let played = crew.deck().played(requests, index);
        simulated += played.len() as f64;
        lru_hits += comparison::lru_hit_ratio(&played, *entries) * played.len() as f64;
        opt_hits += comparison::opt_hit_ratio(&played, *entries) * played.len() as f64;
        // Recovers from the killed first, so that the figures after it include that.
        let verified = host.guira.segment().verify();
        let stats = host.guira.stats();
        facts.push(HostFacts {
            name: host.name,
            segment_bytes: stats.size_bytes,
            bytes_used: stats.bytes_used,
            entries: *entries,
            evictions: stats.evictions,
            faults: verified.faults.len() as u64,
            recoveries: stats.recoveries,
            coherence: host.counts(),
        });
    }
    Surroundings {
        elapsed: conducted.elapsed,
        hosts: facts,
        kills: conducted.kills.clone(),
        healing: conducted.healing,
        probes: conducted.probes.clone(),
        private_bytes: conducted.private_bytes.clone(),
        lru_hit_ratio: lru_hits / f64::max(simulated, 1.0),
        opt_hit_ratio: opt_hits / f64::max(simulated, 1.0),
        ..Surroundings::default()
    }
}
