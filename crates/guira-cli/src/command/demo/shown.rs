//! The report for people.

use std::io::Write;
use std::time::Duration;

use super::hosts::BOUND;
use super::report::Report;
use crate::duration::show_duration;
use crate::error::CliError;
use crate::output::{Facts, show_count, show_counted, show_share, write_facts};
use crate::size::show_size;

impl Report {
    pub(crate) fn write(&self, out: &mut dyn Write) -> Result<(), CliError> {
        let groups = [
            self.run(),
            self.shown_hits(),
            self.shown_computations(),
            self.coherence(),
            self.killed(),
            self.memory(),
            legend(),
        ];
        write_facts(out, &groups)?;
        writeln!(out, "\nVerdict: {}", self.verdict().sentence).map_err(CliError::Output)
    }

    fn run(&self) -> Facts {
        let around = &self.around;
        let objects = show_count(around.distinct_objects);
        Facts::new("Run")
            .row("trace", format!("{}, {objects} objects", around.trace))
            .row(
                "hosts",
                format!(
                    "{}, each a segment on this machine, and a broker between them by TCP over loopback",
                    around.hosts.len()
                ),
            )
            .row(
                "workers",
                format!(
                    "{} processes, {} killed and replaced on the way",
                    around.workers, self.replaced
                ),
            )
            .row(
                "requests",
                format!(
                    "{} in {}, {}/s",
                    show_count(self.requests),
                    show_duration(around.elapsed),
                    show_count(self.requests_per_s() as u64)
                ),
            )
    }

    fn shown_hits(&self) -> Facts {
        let around = &self.around;
        let entries = self.sum(|host| host.entries) / (around.hosts.len() as u64).max(1);
        let times_cheaper = show_count(self.computation_ns / self.hit_ns.max(1));
        Facts::new("Hits")
            .row(
                "hit ratio",
                format!(
                    "{} with room for {} objects on each host",
                    show_share(self.hit_ratio),
                    show_count(entries)
                ),
            )
            .row("LRU, same room", show_share(around.lru_hit_ratio))
            .row(
                "OPT, same room",
                format!("{} (needs to know the future)", show_share(around.opt_hit_ratio)),
            )
            .row(
                "a hit",
                format!("{} (p99 {})", shown(self.hit_ns), shown(self.hit_p99_ns)),
            )
            .row(
                "a computation",
                format!("{}, {times_cheaper} times a hit", shown(self.computation_ns)),
            )
    }

    fn shown_computations(&self) -> Facts {
        Facts::new("Computations")
            .row("done", show_count(self.computations))
            .row(
                "ideal",
                format!(
                    "{}, so {} were needless",
                    show_count(self.ideal),
                    show_count(self.computations - self.ideal)
                ),
            )
            .row("answered by another's", show_count(self.joined))
            .row("for want of trust", show_count(self.untrusted_computations))
    }

    fn coherence(&self) -> Facts {
        let probes = &self.around.probes;
        Facts::new("Coherence")
            .row(
                "invalidations",
                format!(
                    "{} of {} each, from both hosts",
                    show_count(self.invalidations),
                    shown(self.invalidation_ns)
                ),
            )
            .row(
                "accepted by the broker",
                format!(
                    "after {} (p99 {})",
                    shown(self.accepted_ns),
                    shown(self.accepted_p99_ns)
                ),
            )
            .row(
                "seen by the other host",
                format!(
                    "after {} (p99 {}, worst {}), by {}",
                    shown(probes.latency.percentile_ns(0.5).min(probes.worst_ns)),
                    shown(probes.latency.percentile_ns(0.99).min(probes.worst_ns)),
                    shown(probes.worst_ns),
                    show_counted(probes.latency.count(), "probe", "probes")
                ),
            )
            .row(
                "stale reads",
                format!(
                    "{}, on the own host at once, on the other beyond {}",
                    show_count(self.stale_reads),
                    show_duration(BOUND)
                ),
            )
            .row(
                "suspect reads",
                format!(
                    "{}, taken for misses while a host was not trusted",
                    show_count(self.sum(|host| host.coherence.suspect_refused))
                ),
            )
            .row("wrong values", show_count(self.wrong_values))
            .row("faults in the segments", show_count(self.sum(|host| host.faults)))
    }

    fn killed(&self) -> Facts {
        let mut facts = Facts::new("Lost and healed");
        for kill in &self.around.kills {
            let trust = if kill.without_trust.is_zero() {
                "trust never ran out".to_owned()
            } else {
                format!("{} without trust", show_duration(kill.without_trust))
            };
            let held_up = show_duration(kill.held_up);
            let taken_over = kill.taken_over.map_or_else(String::new, |time| {
                format!(", the role taken over after {}", show_duration(time))
            });
            facts = facts.row(
                format!("{} killed", kill.what),
                format!(
                    "after {}: invalidations held up {held_up} at most, {trust}{taken_over}",
                    show_duration(kill.at)
                ),
            );
        }
        for host in &self.around.hosts {
            let counts = &host.coherence;
            facts = facts.row(
                format!("host {}", host.name),
                format!(
                    "{} applied, {} in the stream and filled, {}, {} met again, {} lost",
                    show_counted(counts.applied, "record", "records"),
                    show_counted(counts.gaps, "gap", "gaps"),
                    show_counted(counts.floors_raised, "floor raised", "floors raised"),
                    show_counted(counts.reconnects, "broker", "brokers"),
                    show_count(counts.overflows),
                ),
            );
        }
        facts
    }

    fn memory(&self) -> Facts {
        let around = &self.around;
        let used = self.sum(|host| host.bytes_used);
        let hosts = (around.hosts.len() as u64).max(1);
        let private = around.private_bytes.iter().max().copied().unwrap_or(0);
        Facts::new("Memory")
            .row(
                "segments, one a host",
                format!(
                    "{}, {} of it in use",
                    show_size(self.sum(|host| host.segment_bytes)),
                    show_size(used)
                ),
            )
            .row("each worker's own", show_size(private))
            .row(
                "a cache in each worker",
                format!(
                    "would be {} for the same objects",
                    show_size(used / hosts * around.workers)
                ),
            )
    }
}

/// The words above, for who reads them for the first time.
fn legend() -> Facts {
    Facts::new("Words")
        .row("p99", "99 of 100 took less")
        .row(
            "LRU, OPT",
            "simulated: drops what was used longest ago; drops what is needed last from now on",
        )
        .row(
            "ideal",
            "computations if none had begun while another of the same object was under way on its host",
        )
        .row(
            "answered by another's",
            "waited for a computation that was under way, and took its value",
        )
        .row(
            "trust",
            "its host has agreed with the broker within the bound; without it hits are suspect",
        )
        .row(
            "stale",
            "older than promised: read after its invalidation had to be known",
        )
        .row(
            "probe",
            "a value that is put on one host and invalidated on the other, to see how long that takes",
        )
        .row("held up", "the longest that a probe took after the kill")
        .row(
            "gap",
            "records that were lost on the way: noticed, and sent again",
        )
        .row(
            "floor raised",
            "what was filled before is a miss: its namespace is new there, or what was missed is not known",
        )
        .row(
            "lost",
            "how often invalidations were overwritten before they were sent",
        )
}

fn shown(ns: u64) -> String {
    show_duration(Duration::from_nanos(ns))
}
