//! `guira demo`: the main job on this machine, checked while it runs.
//!
//! Worker processes ([`worker`]) memoize an expensive [`function`] over a real trace, dealt to them
//! from a [`deck`] by a [`crew`] that also kills some of them; a [`source`] of truth apart from the
//! segment says what is stale, and the times of all computations say which were a [`stampede`].

mod comparison;
mod crew;
mod deck;
mod function;
mod message;
mod place;
mod report;
mod source;
mod stampede;
mod worker;

use std::collections::HashMap;
use std::io::{self, IsTerminal, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use clap::Args;
use guira_segment::Segment;
use guira_trace::Trace;
use indicatif::{ProgressBar, ProgressStyle};

use crate::duration::parse_seconds;
use crate::error::CliError;
use crate::exit::Exit;
use crate::output::{show_count, show_share, write_json};
use crew::{Crew, Event};
use deck::Deck;
use function::Function;
use message::Task;
use place::Place;
use report::{Report, Surroundings, Tally};
use source::Source;

/// See the main job on this machine, checked while it runs
#[derive(Clone, Debug, Args)]
#[command(after_long_help = "\
Worker processes share one segment, in /dev/shm if there is room, and memoize a function that takes 50 us of \
honest work: a look-up, and on a miss a computation that at most one of them does. The segment has room for \
about a tenth of the trace's objects. Meanwhile objects are changed and invalidated, one for about every 256 \
requests, and two workers are killed and replaced; what they had left of their last 128 requests is dealt \
anew. The run ends with its time or with the trace.

Every value is checked: that it is the function's, and that it is no older than the last invalidation that \
returned before the read began. A wrong or stale value makes the exit status 4.

ideal is the number of computations that the same run would have had without any stampede: the computations \
less those that began while another one of the same object and version was under way, told by the times of \
all of them. The hit ratio counts what was answered without computing, and stands beside those of LRU and \
OPT, simulated over the same requests and invalidations with as many objects as the segment held at most.")]
pub struct DemoArgs {
    /// Worker processes
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u32).range(1..=256))]
    pub workers: u32,
    /// How long
    #[arg(long, value_name = "S", default_value = "20", value_parser = parse_seconds)]
    pub seconds: Duration,
    /// The trace [default: one of an ORM, 5,000,000 requests, which is built in]
    #[arg(long, value_name = "FILE")]
    pub trace: Option<PathBuf>,
    /// Where the segment lies for the while [default: /dev/shm, or a directory for temporary files]
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

/// What the function costs.
const WORK: Duration = Duration::from_micros(50);
/// The segment has room for one of so many objects.
const ROOM_DIVISOR: u64 = 10;
/// The smallest segment; with few objects the values are larger instead.
const MIN_SEGMENT_BYTES: u64 = 8 << 20;
const MAX_SEGMENT_BYTES: u64 = 1 << 30;
/// The least an object takes in a segment that is made larger for many of them.
const LEAST_OBJECT_BYTES: u64 = 300;
/// What a value takes beside its bytes: header, key, and its part of the blocks kept free.
const OVERHEAD_BYTES: u64 = 64;
const MAX_VALUE_BYTES: u64 = 4096;
/// Room for the source, and some to spare.
const SPARE_BYTES: u64 = 16 << 20;
/// How often the bar moves.
const TICK: Duration = Duration::from_millis(100);
/// Workers that are killed on the way, spread evenly.
const KILLS: u32 = 2;

/// Set by SIGINT, SIGTERM and SIGHUP, so that the demo cleans up after itself.
static INTERRUPTED: AtomicBool = AtomicBool::new(false);

pub(crate) fn run(args: &DemoArgs, out: &mut dyn Write) -> Result<Exit, CliError> {
    // Fails where the program handles these signals otherwise, which is then its business.
    let _ = ctrlc::set_handler(|| INTERRUPTED.store(true, Ordering::Relaxed));
    let requests = Requests::read(args)?;
    let wanted_objects = (requests.distinct_objects / ROOM_DIVISOR).max(1);
    let size_bytes = (wanted_objects * LEAST_OBJECT_BYTES).clamp(MIN_SEGMENT_BYTES, MAX_SEGMENT_BYTES);
    let place = Place::find(args.dir.as_deref(), size_bytes + SPARE_BYTES)?;
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
    report.verdict()?;
    Ok(Exit::Done)
}

fn interrupted() -> CliError {
    CliError::Failed("interrupted; what the demo made is removed".to_owned())
}

/// One worker process.
pub(crate) fn run_worker(args: &DemoWorkerArgs, out: &mut dyn Write) -> Result<Exit, CliError> {
    let task = serde_json::from_str(&args.task)
        .map_err(|error| CliError::Usage(format!("no task for a worker: {error}; run `guira demo`")))?;
    worker::run(&task, &mut io::stdin().lock(), out)
}

/// The trace, its objects numbered from 0.
struct Requests {
    name: String,
    objects: Vec<u32>,
    distinct_objects: u64,
}

impl Requests {
    fn read(args: &DemoArgs) -> Result<Self, CliError> {
        let (name, trace) = match &args.trace {
            Some(path) => (path.display().to_string(), Trace::read(path)?),
            None => ("an ORM of a busy web shop".to_owned(), Trace::orm_busy()),
        };
        let mut numbers: HashMap<u64, u32> = HashMap::new();
        let mut objects = Vec::with_capacity(trace.accesses().len());
        for access in trace.accesses() {
            let next = u32::try_from(numbers.len())
                .map_err(|_| CliError::Failed(format!("{name}: too many objects; give a shorter trace")))?;
            objects.push(*numbers.entry(access.key).or_insert(next));
        }
        if objects.is_empty() {
            return Err(CliError::Usage(format!(
                "{name}: the trace is empty; give another"
            )));
        }
        Ok(Self {
            name,
            objects,
            distinct_objects: numbers.len() as u64,
        })
    }
}

fn run_in(
    place: &Place,
    args: &DemoArgs,
    requests: Requests,
    size_bytes: u64,
    wanted_objects: u64,
) -> Result<Report, CliError> {
    let segment = Segment::builder().size(size_bytes).create(place.segment())?;
    let stats = segment.stats();
    let value_bytes = (stats.arena_bytes / wanted_objects)
        .saturating_sub(OVERHEAD_BYTES)
        .clamp(function::MIN_VALUE_BYTES as u64, MAX_VALUE_BYTES);
    let objects = usize::try_from(requests.distinct_objects).unwrap_or(usize::MAX);
    Source::create(&place.source(), objects).map_err(CliError::io("create", &place.source()))?;
    let task = Task {
        segment: place.segment(),
        source: place.source(),
        function: Function::calibrated(WORK, usize::try_from(value_bytes).unwrap_or(usize::MAX)),
    };
    let deck = Deck::new(requests.objects, objects, args.workers as usize);
    let crew = Crew::new(task, deck, args.workers as usize);
    let bar = progress_bar(args);
    let (tally, mut around) = conduct(&crew, &segment, args, &bar)?;
    bar.set_message("done; comparing with LRU and OPT");
    let played = crew
        .deck()
        .played(usize::try_from(tally.requests()).unwrap_or(usize::MAX));
    // Recovers from the killed first, so that the figures after it include that.
    let verified = segment.verify();
    let stats = segment.stats();
    around = Surroundings {
        trace: requests.name,
        distinct_objects: requests.distinct_objects,
        workers: u64::from(args.workers),
        value_bytes,
        segment_bytes: stats.size_bytes,
        bytes_used: stats.bytes_used,
        evictions: stats.evictions,
        recoveries: stats.recoveries,
        faults: verified.faults.len() as u64,
        lru_hit_ratio: comparison::lru_hit_ratio(&played, around.entries),
        opt_hit_ratio: comparison::opt_hit_ratio(&played, around.entries),
        ..around
    };
    bar.finish_and_clear();
    Ok(Report::new(tally, around))
}

/// Runs the crew to its end.
fn conduct(
    crew: &Crew,
    segment: &Segment,
    args: &DemoArgs,
    bar: &ProgressBar,
) -> Result<(Tally, Surroundings), CliError> {
    let (sender, events) = mpsc::channel();
    std::thread::scope(|scope| {
        for worker in 0..args.workers as usize {
            let sender = sender.clone();
            scope.spawn(move || crew.serve(worker, &sender));
        }
        drop(sender);
        let result = watch(crew, segment, args, bar, &events);
        crew.stop();
        // What is still on its way is neither counted nor waited for by anybody.
        drop(events);
        result
    })
}

/// Counts replies, kills workers and moves the bar until the time is over.
fn watch(
    crew: &Crew,
    segment: &Segment,
    args: &DemoArgs,
    bar: &ProgressBar,
    events: &Receiver<Event>,
) -> Result<(Tally, Surroundings), CliError> {
    let begin = Instant::now();
    let mut tally = Tally::default();
    let mut around = Surroundings::default();
    let mut kills = 0;
    let mut next_tick = TICK;
    loop {
        match events.recv_timeout(TICK) {
            Ok(Event::Answered(reply)) => tally.add(*reply),
            Ok(Event::Replaced) => tally.replaced += 1,
            Ok(Event::Failed(error)) => return Err(error),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        if INTERRUPTED.load(Ordering::Relaxed) {
            return Err(interrupted());
        }
        let elapsed = begin.elapsed();
        if kills < KILLS && elapsed >= args.seconds * (kills + 1) / (KILLS + 1) {
            crew.kill((kills % args.workers) as usize);
            kills += 1;
        }
        if elapsed >= next_tick {
            next_tick = elapsed + TICK;
            around.entries = around.entries.max(segment.stats().entries);
            let private_bytes = crew.private_bytes();
            if private_bytes.len() == args.workers as usize {
                around.private_bytes = private_bytes;
            }
            show(bar, &tally, elapsed);
        }
        if elapsed >= args.seconds {
            break;
        }
    }
    around.elapsed = begin.elapsed();
    around.entries = around.entries.max(segment.stats().entries).max(1);
    Ok((tally, around))
}

fn show(bar: &ProgressBar, tally: &Tally, elapsed: Duration) {
    bar.set_position(u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX));
    bar.set_message(format!(
        "{} requests, {} hits, {} computations, {} stale, {} wrong",
        show_count(tally.requests()),
        show_share(tally.hit_ratio()),
        show_count(tally.computations.len() as u64),
        tally.stale_reads,
        tally.wrong_values
    ));
}

fn progress_bar(args: &DemoArgs) -> ProgressBar {
    if args.json || !io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(u64::try_from(args.seconds.as_millis()).unwrap_or(u64::MAX));
    let style = ProgressStyle::with_template("{bar:30} {msg}").expect("the template is right");
    bar.set_style(style.progress_chars("=> "));
    bar
}
