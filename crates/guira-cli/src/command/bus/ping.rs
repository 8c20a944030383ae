//! `guira bus ping`: which hosts are there, and how long an invalidation and its answer take.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use clap::Args;
use guira_bus::core::AgentEvent;
use guira_bus::wire::Origin;
use guira_segment::Segment;
use serde_json::{Value, json};

use super::brokers::Brokers;
use super::guest::{self, Guest};
use super::probe::Prober;
use crate::duration::{parse_lifetime, show_duration};
use crate::error::CliError;
use crate::exit::Exit;
use crate::host_name::parse_host_name;
use crate::output::{table, write_json};

/// Ask every host of a cluster for an answer, by the way that invalidations take
///
/// A record that changes nothing goes through the brokers to every host; each answers it once. A round trip
/// is that of an invalidation to the host and of its answer back. Exit status 1 if no host answers.
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "Name all brokers of the cluster. The command is a host of its own for as long as it runs, so a \
broker has it on its list. The first question is not counted: hosts learn of this one by it."
)]
pub struct PingArgs {
    /// The segment of this host, to find it among those that answer
    pub path: Option<PathBuf>,
    /// Accept a segment that its group may write
    #[arg(long)]
    pub allow_group: bool,
    #[command(flatten)]
    pub brokers: Brokers,
    /// How brokers and reports call this command while it runs
    #[arg(long, value_name = "NAME", default_value = guest::NAME, value_parser = parse_host_name)]
    pub host_name: String,
    /// How many questions
    #[arg(long, default_value = "10", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub count: u32,
    /// The time between two questions
    #[arg(long, value_name = "DURATION", default_value = "100ms", value_parser = parse_lifetime)]
    pub every: Duration,
    /// How long to wait for the brokers, and for the answers to a question
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = parse_lifetime)]
    pub timeout: Duration,
    /// Print JSON: {"asked", "hosts": [{"host", "origin", "is_here", "answers", "min_us", "median_us", "max_us"}]}
    #[arg(long)]
    pub json: bool,
}

/// A host that answered.
#[derive(Debug, Default)]
struct Answers {
    host: String,
    times: Vec<Duration>,
}

pub(crate) fn run(args: &PingArgs, out: &mut dyn Write) -> Result<Exit, CliError> {
    if args.brokers.addresses.is_empty() {
        return Err(CliError::Usage(
            "no broker is named; give --broker for each".to_owned(),
        ));
    }
    let here = this_host(args)?;
    let origin = new_origin()?;
    let mut guest = Guest::join(&args.brokers, &args.host_name, Prober::new(origin), args.timeout)?;
    let mut hosts: BTreeMap<Origin, Answers> = BTreeMap::new();
    for number in 0..=args.count {
        let times = question(&mut guest, args.timeout)?;
        for (from, (host, time)) in times {
            let answers = hosts.entry(from).or_default();
            answers.host = host;
            if number > 0 {
                answers.times.push(time);
            }
        }
        if number > 0 && number < args.count {
            let began = Instant::now();
            while began.elapsed() < args.every {
                guest.turn(args.every.saturating_sub(began.elapsed()), |_| {})?;
            }
        }
    }
    guest.leave()?;
    for answers in hosts.values_mut() {
        answers.times.sort_unstable();
    }
    if args.json {
        let hosts: Vec<Value> = hosts
            .iter()
            .map(|(origin, answers)| json_of(*origin, answers, here))
            .collect();
        write_json(out, &json!({ "asked": args.count, "hosts": hosts }))?;
    } else {
        write_table(out, &hosts, args.count, here)?;
    }
    Ok(if hosts.is_empty() {
        Exit::NotFound
    } else {
        Exit::Done
    })
}

fn this_host(args: &PingArgs) -> Result<Option<Origin>, CliError> {
    let Some(path) = &args.path else {
        return Ok(None);
    };
    let segment = Segment::builder().allow_group(args.allow_group).open(path)?;
    Ok(segment.journal().map(|journal| Origin(journal.origin())))
}

/// An origin that nobody else has.
pub(super) fn new_origin() -> Result<u128, CliError> {
    let half = || {
        getrandom::u64().map_err(|error| {
            CliError::Failed(format!(
                "the system gives no randomness: {error}; check the seccomp profile"
            ))
        })
    };
    Ok(u128::from(half()?) << 64 | u128::from(half()?))
}

/// Asks once, and waits until all others have answered, for `timeout` at most.
fn question(
    guest: &mut Guest<Prober>,
    timeout: Duration,
) -> Result<BTreeMap<Origin, (String, Duration)>, CliError> {
    let mut times = BTreeMap::new();
    let began = Instant::now();
    let asked = guest.host().ask();
    while times.len() < guest.others() && began.elapsed() < timeout {
        guest.turn(timeout.saturating_sub(began.elapsed()), |event| {
            if let AgentEvent::Pong { from, host, ticket } = event
                && ticket == asked
            {
                times.entry(from).or_insert_with(|| (host, began.elapsed()));
            }
        })?;
    }
    Ok(times)
}

/// The middle of times that are in order.
fn median(times: &[Duration]) -> Option<Duration> {
    times.get(times.len() / 2).copied()
}

fn json_of(origin: Origin, answers: &Answers, here: Option<Origin>) -> Value {
    let micros = |time: Option<Duration>| time.map(|time| time.as_nanos() as f64 / 1e3);
    json!({
        "host": answers.host,
        "origin": origin.to_string(),
        "is_here": here == Some(origin),
        "answers": answers.times.len(),
        "min_us": micros(answers.times.first().copied()),
        "median_us": micros(median(&answers.times)),
        "max_us": micros(answers.times.last().copied()),
    })
}

fn write_table(
    out: &mut dyn Write,
    hosts: &BTreeMap<Origin, Answers>,
    asked: u32,
    here: Option<Origin>,
) -> Result<(), CliError> {
    if hosts.is_empty() {
        return writeln!(out, "no host answers").map_err(CliError::Output);
    }
    let mut rows = table(
        &["host", "origin", "answers", "least", "median", "most"],
        &[2, 3, 4, 5],
    );
    for (origin, answers) in hosts {
        // A host's name is what it says of itself: nothing in it is to move the terminal's cursor.
        let mut name: String = answers
            .host
            .chars()
            .filter(|letter| !letter.is_control())
            .collect();
        if here == Some(*origin) {
            name.push_str(" (here)");
        }
        let show = |time: Option<Duration>| time.map_or_else(|| "-".to_owned(), show_duration);
        rows.add_row([
            name,
            origin.to_string(),
            format!("{} of {asked}", answers.times.len()),
            show(answers.times.first().copied()),
            show(median(&answers.times)),
            show(answers.times.last().copied()),
        ]);
    }
    writeln!(out, "{rows}").map_err(CliError::Output)
}
