//! How long an invalidation takes from one host to the other, measured by probes.
//!
//! A probe puts a value on one host, invalidates its key on the other, and looks until the value is gone, trusted
//! or not. It runs beside the workers, so on busy processors it measures their queue too.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use guira::Lifetime;

use super::hosts::Host;
use crate::error::CliError;
use crate::histogram::Histogram;

/// The time between two probes.
const PAUSE: Duration = Duration::from_millis(10);

/// For how long it looks again and again, and how often after that.
const SOON: Duration = Duration::from_millis(2);
const LATER: Duration = Duration::from_micros(100);

/// What counts as held up by something.
const SLOW: Duration = Duration::from_millis(10);

/// What probes found.
#[derive(Clone, Debug, Default)]
pub(crate) struct Probes {
    pub(crate) latency: Histogram,
    pub(crate) worst_ns: u64,
    /// Those that took long: when they began, and how long.
    slow: Vec<(Instant, Duration)>,
}

impl Probes {
    /// The longest of those that were under way between two times.
    pub(crate) fn longest_between(&self, from: Instant, to: Instant) -> Duration {
        let within = self
            .slow
            .iter()
            .filter(|(begin, took)| *begin < to && *begin + *took > from);
        within.map(|(_, took)| *took).max().unwrap_or_default()
    }
}

/// Probes in turn in both directions until `stop`.
pub(crate) fn run(hosts: &[Host], stop: &AtomicBool) -> Result<Probes, CliError> {
    let mut probes = Probes::default();
    // Relaxed: nothing else is read through it.
    let is_stopped = || stop.load(Ordering::Relaxed);
    // Agents are workers: there are none yet.
    while !is_stopped() && !hosts.iter().all(Host::is_trusted) {
        std::thread::park_timeout(PAUSE);
    }
    let pairs = hosts.iter().zip(hosts.iter().skip(1).chain(hosts)).cycle();
    for (number, (from, to)) in (0_u64..).zip(pairs) {
        std::thread::park_timeout(PAUSE);
        if is_stopped() {
            break;
        }
        to.probes.put(&number, &number, Lifetime::never())?;
        if to.probes.get(&number)?.is_none() {
            continue;
        }
        let begin = Instant::now();
        from.probes.invalidate(&number)?;
        while to.probes.get(&number)?.is_some() {
            if is_stopped() {
                return Ok(probes);
            }
            if begin.elapsed() < SOON {
                std::thread::yield_now();
            } else {
                std::thread::park_timeout(LATER);
            }
        }
        let took = begin.elapsed();
        if took >= SLOW {
            probes.slow.push((begin, took));
        }
        let ns = u64::try_from(took.as_nanos()).unwrap_or(u64::MAX);
        probes.latency.record(ns);
        probes.worst_ns = probes.worst_ns.max(ns);
    }
    Ok(probes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_under_way_between_two_times_was_held_up() {
        let begin = Instant::now();
        let ms = Duration::from_millis;
        let probes = Probes {
            slow: vec![
                (begin, ms(20)),
                (begin + ms(50), ms(300)),
                (begin + ms(400), ms(900)),
            ],
            ..Probes::default()
        };
        let longest = |from, to| probes.longest_between(begin + ms(from), begin + ms(to));
        assert_eq!(longest(60, 400), ms(300));
        assert_eq!(longest(10, 40), ms(20));
        assert_eq!(longest(20, 50), Duration::ZERO);
    }
}
