//! `guira bus audit`: an observer that asks every host, some time after an invalidation, whether it still gives what
//! is older.
//!
//! A host says how long ago the value was stored that a read of the key gives now, by its own clock; no two hosts'
//! clocks are compared. It is *late* if it was stored before the invalidation for certain: the time since the
//! invalidation was heard, the steps of an age, and [`SLACK_MS`] or the time the invalidation was on its way are
//! allowed for. So what was stored within that time before an invalidation counts as newer, rightly or not.

use std::collections::HashMap;
use std::io::Write;
use std::time::{Duration, Instant};

use clap::Args;
use guira_bus::core::AgentEvent;
use guira_bus::wire::{KeyId, Record, RecordKind};
use serde_json::{Value, json};

use super::brokers::Brokers;
use super::guest::{self, Guest};
use super::ping::new_origin;
use super::probe::Prober;
use crate::duration::{parse_lifetime, parse_seconds, show_duration};
use crate::error::CliError;
use crate::exit::Exit;
use crate::host_name::parse_host_name;
use crate::log_lines::now_ms;
use crate::output::{show_count, show_counted, table, write_json};

/// Ages are told in steps of 100 ms.
const STEP_MS: u64 = 100;
/// An invalidation is heard a while after it was made, and its host may have stored a newer value by then.
const SLACK_MS: u64 = 500;

/// Sample invalidations, and ask every host later whether it still gives something older
///
/// Sees invalidations of single keys, of all hosts; not those of tags and namespaces, and not those that no
/// broker took. A host that has nothing, or something newer, is in time. Exit status 1 if nothing was
/// invalidated meanwhile, 4 if a host was late.
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "Name all brokers of the cluster. It takes --seconds and the longest --after. What was stored less \
than half a second before its invalidation counts as newer. A host that is cut off does not answer; it is counted, \
and its own programs do not trust what they find."
)]
pub struct AuditArgs {
    #[command(flatten)]
    pub brokers: Brokers,
    /// How brokers and reports call this command while it runs
    #[arg(long, value_name = "NAME", default_value = guest::NAME, value_parser = parse_host_name)]
    pub host_name: String,
    /// How long to sample, in seconds
    #[arg(long, default_value = "60", value_parser = parse_seconds)]
    pub seconds: Duration,
    /// At most one sample within this time
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = parse_lifetime)]
    pub every: Duration,
    /// When to ask, counted from when the invalidation was heard
    #[arg(long, value_name = "DURATION", value_delimiter = ',', default_value = "1s,10s,60s", value_parser = parse_lifetime)]
    pub after: Vec<Duration>,
    /// How long to wait for the brokers, and for answers
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = parse_lifetime)]
    pub timeout: Duration,
    /// Print JSON: {"samples", "checks": [{"after_ms", "asked", "unanswered", "nothing", "newer", "late", "nines"}]}
    #[arg(long)]
    pub json: bool,
}

/// An invalidation that was chosen.
#[derive(Clone, Copy, Debug)]
struct Sample {
    key: KeyId,
    heard_at: Instant,
    /// How long it was on its way, by wall clocks.
    lag_ms: u64,
}

/// What came of the questions after one time.
#[derive(Clone, Copy, Debug, Default)]
struct Tally {
    /// Hosts, once for each question.
    asked: u64,
    nothing: u64,
    newer: u64,
    late: u64,
}

impl Tally {
    const fn answers(&self) -> u64 {
        self.nothing + self.newer + self.late
    }

    fn count(&mut self, age_ms: Option<u64>, since_ms: u64, lag_ms: u64) {
        match age_ms {
            None => self.nothing += 1,
            Some(age_ms) if is_late(age_ms, since_ms, lag_ms) => self.late += 1,
            Some(_) => self.newer += 1,
        }
    }

    /// The share in time, in nines; where none was late, what so many answers can show at most.
    fn nines(&self) -> Option<f64> {
        let answers = self.answers();
        (answers > 0).then(|| (answers as f64 / self.late.max(1) as f64).log10())
    }
}

/// Whether a value of this age was stored before an invalidation that was heard `since_ms` ago, for certain.
const fn is_late(age_ms: u64, since_ms: u64, lag_ms: u64) -> bool {
    age_ms > since_ms.saturating_add(STEP_MS + SLACK_MS).saturating_add(lag_ms)
}

pub(crate) fn run(args: &AuditArgs, out: &mut dyn Write) -> Result<Exit, CliError> {
    if args.brokers.addresses.is_empty() {
        return Err(CliError::Usage(
            "no broker is named; give --broker for each".to_owned(),
        ));
    }
    let guest = Guest::join(
        &args.brokers,
        &args.host_name,
        Prober::listening(new_origin()?),
        args.timeout,
    )?;
    let mut audit = Audit {
        args,
        guest,
        due: Vec::new(),
        questions: HashMap::new(),
        tallies: vec![Tally::default(); args.after.len()],
        samples: 0,
        sampled_at: None,
    };
    let began = Instant::now();
    while began.elapsed() < args.seconds {
        audit.turn()?;
        audit.sample();
    }
    while !audit.due.is_empty() {
        audit.turn()?;
    }
    let ended = Instant::now();
    while audit.is_waiting() && ended.elapsed() < args.timeout {
        audit.turn()?;
    }
    audit.guest.leave()?;
    report(args, audit.samples, &audit.tallies, out)
}

struct Audit<'a> {
    args: &'a AuditArgs,
    guest: Guest<Prober>,
    /// What is to be asked when, with the number of the time.
    due: Vec<(Instant, usize, Sample)>,
    /// By their number.
    questions: HashMap<u64, (usize, Sample)>,
    tallies: Vec<Tally>,
    samples: u64,
    sampled_at: Option<Instant>,
}

impl Audit<'_> {
    /// Takes one of what was heard since the last turn, if it is time to.
    fn sample(&mut self) {
        let mut heard = std::mem::take(&mut self.guest.host().heard);
        heard.retain(|record| record.kind == RecordKind::Invalidate);
        let is_due = self.sampled_at.is_none_or(|at| at.elapsed() >= self.args.every);
        let Some(Record {
            namespace,
            hash,
            wall_ms,
            ..
        }) = heard.last().copied().filter(|_| is_due)
        else {
            return;
        };
        let sample = Sample {
            key: KeyId { namespace, hash },
            heard_at: Instant::now(),
            lag_ms: now_ms().saturating_sub(wall_ms),
        };
        self.samples += 1;
        self.sampled_at = Some(sample.heard_at);
        for (index, after) in self.args.after.iter().enumerate() {
            self.due.push((sample.heard_at + *after, index, sample));
        }
    }

    /// Asks what is due, and takes answers.
    fn turn(&mut self) -> Result<(), CliError> {
        let now = Instant::now();
        let (due, later) = self.due.drain(..).partition(|(at, ..)| *at <= now);
        self.due = later;
        let due: Vec<(Instant, usize, Sample)> = due;
        for (_, index, sample) in due {
            // Unanswered by everybody, if no broker can be asked.
            self.tallies[index].asked += self.guest.others() as u64;
            let number = self.questions.len() as u64;
            if self.guest.inspect(number, sample.key) {
                self.questions.insert(number, (index, sample));
            }
        }
        let (tallies, questions) = (&mut self.tallies, &self.questions);
        self.guest.turn(Duration::from_millis(20), |event| {
            if let AgentEvent::Inspected { number, age_ms, .. } = event
                && let Some((index, sample)) = questions.get(&number)
            {
                let since_ms = super::millis(sample.heard_at.elapsed());
                tallies[*index].count(age_ms, since_ms, sample.lag_ms);
            }
        })
    }

    fn is_waiting(&self) -> bool {
        self.tallies.iter().any(|tally| tally.answers() < tally.asked)
    }
}

fn report(args: &AuditArgs, samples: u64, tallies: &[Tally], out: &mut dyn Write) -> Result<Exit, CliError> {
    if args.json {
        let checks: Vec<Value> = args
            .after
            .iter()
            .zip(tallies)
            .map(|(after, tally)| {
                json!({
                    "after_ms": super::millis(*after),
                    "asked": tally.asked,
                    "unanswered": tally.asked.saturating_sub(tally.answers()),
                    "nothing": tally.nothing,
                    "newer": tally.newer,
                    "late": tally.late,
                    "nines": tally.nines(),
                })
            })
            .collect();
        write_json(out, &json!({ "samples": samples, "checks": checks }))?;
    } else {
        let header = [
            "after",
            "asked",
            "no answer",
            "nothing",
            "newer",
            "late",
            "nines in time",
        ];
        let mut rows = table(&header, &[1, 2, 3, 4, 5, 6]);
        for (after, tally) in args.after.iter().zip(tallies) {
            let nines = match tally.nines() {
                None => "-".to_owned(),
                Some(nines) if tally.late == 0 => format!("{nines:.1} or more"),
                Some(nines) => format!("{nines:.1}"),
            };
            rows.add_row([
                show_duration(*after),
                show_count(tally.asked),
                show_count(tally.asked.saturating_sub(tally.answers())),
                show_count(tally.nothing),
                show_count(tally.newer),
                show_count(tally.late),
                nines,
            ]);
        }
        writeln!(out, "{}\n{rows}", show_counted(samples, "sample", "samples")).map_err(CliError::Output)?;
    }
    let late: u64 = tallies.iter().map(|tally| tally.late).sum();
    if late > 0 {
        return Err(CliError::Failed(format!(
            "{late} answers were older than an invalidation that was heard before; see `guira bus status` of those hosts"
        )));
    }
    Ok(if samples == 0 { Exit::NotFound } else { Exit::Done })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_stored_before_for_certain_is_late() {
        let mut tally = Tally::default();
        tally.count(None, 1_000, 0);
        tally.count(Some(900), 1_000, 0);
        tally.count(Some(1_600), 1_000, 0);
        tally.count(Some(4_000), 1_000, 3_000);
        assert_eq!((tally.nothing, tally.newer, tally.late), (1, 3, 0));
        assert!((tally.nines().expect("answers") - 4_f64.log10()).abs() < 1e-9);
        tally.count(Some(1_601), 1_000, 0);
        assert_eq!(tally.late, 1);
        for _ in 0..95 {
            tally.count(None, 1, 0);
        }
        assert!((tally.nines().expect("answers") - 2.0).abs() < 1e-9);
    }
}
