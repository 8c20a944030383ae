//! What one broker carries on this machine: records a second, latency from host to host, a burst, a crowd.
//!
//! `cargo run --release -p guira-bus --example load -- [--rounds N] [--hosts N] [--only NAME]`
//!
//! The broker is a process of its own; hosts are threads of this one with sockets and frames, but no cache.
//! Each figure is the median of the rounds, with the least and the most.

#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "a report for people")]
#![cfg_attr(test, expect(unused, reason = "an example"))]

mod broker;
mod crowd;
mod host;
mod rounds;

use std::error::Error;

use broker::{BrokerProcess, Keys};

type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// The lower and upper ends of what was measured, and the middle.
struct Figures(Vec<f64>);

impl Figures {
    fn of<T>(rounds: &[T], figure: impl Fn(&T) -> f64) -> Self {
        let mut figures: Vec<f64> = rounds.iter().map(figure).collect();
        figures.sort_by(f64::total_cmp);
        Self(figures)
    }
}

impl std::fmt::Display for Figures {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let at = |index: usize| self.0.get(index).copied().unwrap_or(f64::NAN);
        let last = self.0.len().saturating_sub(1);
        write!(f, "{:.0} ({:.0} to {:.0})", at(last / 2), at(0), at(last))
    }
}

struct Request {
    rounds: usize,
    hosts: usize,
    only: Option<String>,
}

impl Request {
    fn read(mut arguments: impl Iterator<Item = String>) -> Outcome<Self> {
        let mut request = Self {
            rounds: 5,
            hosts: 1000,
            only: None,
        };
        while let Some(name) = arguments.next() {
            let value = arguments.next().ok_or_else(|| format!("{name} needs a value"))?;
            match name.as_str() {
                "--rounds" => request.rounds = value.parse()?,
                "--hosts" => request.hosts = value.parse()?,
                "--only" => request.only = Some(value),
                _ => return Err(format!("unknown {name}: --rounds N, --hosts N, --only NAME").into()),
            }
        }
        Ok(request)
    }

    fn wants(&self, name: &str) -> bool {
        self.only.as_ref().is_none_or(|only| only == name)
    }

    fn rounds<T>(&self, round: impl Fn() -> Outcome<T>) -> Outcome<Vec<T>> {
        (0..self.rounds).map(|_| round()).collect()
    }
}

fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1).peekable();
    if arguments.peek().is_some_and(|first| first == broker::SERVE) {
        return broker::serve(arguments.nth(1).as_deref());
    }
    let request = Request::read(arguments)?;
    for (name, keys) in [("plain", None), ("CURVE", Some(Keys::make()?))] {
        let keys = keys.as_ref();
        if request.wants("throughput") {
            let rounds = request.rounds(|| rounds::throughput(&BrokerProcess::start(keys)?, 3))?;
            println!(
                "throughput, {name}: {} records/s to each of 3 hosts, {} % of a core for the broker, {} gaps",
                Figures::of(&rounds, |round| round.per_s),
                Figures::of(&rounds, |round| round.broker_core_percent),
                rounds.iter().map(|round| round.gaps).sum::<u64>(),
            );
        }
        if request.wants("latency") {
            let rounds = request.rounds(|| rounds::latency(&BrokerProcess::start(keys)?))?;
            println!(
                "latency of one record, {name}: p50 {} us, p99 {} us",
                Figures::of(&rounds, |round| round.p50_us),
                Figures::of(&rounds, |round| round.p99_us),
            );
        }
        if request.wants("burst") {
            let rounds = request.rounds(|| rounds::burst(&BrokerProcess::start(keys)?))?;
            println!(
                "burst of 20,000 in frames of one, {name}: {} ms, {} lost, {} gaps healed",
                Figures::of(&rounds, |round| round.seconds * 1e3),
                rounds.iter().map(|round| round.lost).sum::<u64>(),
                rounds.iter().map(|round| round.gaps).sum::<u64>(),
            );
        }
        if request.wants("crowd") {
            let rounds = request.rounds(|| crowd::crowd(&BrokerProcess::start(keys)?, request.hosts))?;
            println!(
                "{} hosts that ask each 100 ms, {name}: joined in {} ms, answers p50 {} us, p99 {} us, {} % missed, \
                 record to all of them {} us, {} % of a core for the broker",
                request.hosts,
                Figures::of(&rounds, |round| round.joined_ms),
                Figures::of(&rounds, |round| round.answer_p50_us),
                Figures::of(&rounds, |round| round.answer_p99_us),
                Figures::of(&rounds, |round| round.missed_percent),
                Figures::of(&rounds, |round| round.to_all_us),
                Figures::of(&rounds, |round| round.broker_core_percent),
            );
        }
    }
    Ok(())
}
