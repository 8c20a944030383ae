//! What the demo found, and how it says so.

use std::io::Write;
use std::time::Duration;

use serde_json::{Value, json};

use super::message::{Computation, Reply};
use super::stampede;
use crate::duration::show_duration;
use crate::error::CliError;
use crate::histogram::Histogram;
use crate::output::{Facts, show_count, show_share, write_facts};
use crate::size::show_size;

/// What all replies together say.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) hits: u64,
    pub(crate) joined: u64,
    pub(crate) computations: Vec<Computation>,
    pub(crate) not_stored: u64,
    pub(crate) wrong_values: u64,
    pub(crate) stale_reads: u64,
    pub(crate) evidence: Vec<String>,
    pub(crate) hit: Histogram,
    pub(crate) invalidation: Histogram,
    pub(crate) replaced: u64,
}

impl Tally {
    pub(crate) fn add(&mut self, reply: Reply) {
        self.hits += reply.hits;
        self.joined += reply.joined;
        self.computations.extend(reply.computations);
        self.not_stored += reply.not_stored;
        self.wrong_values += reply.wrong_values;
        self.stale_reads += reply.stale_reads;
        self.evidence.extend(reply.evidence);
        reply.hits_ns.into_iter().for_each(|ns| self.hit.record(ns));
        reply
            .invalidation_ns
            .into_iter()
            .for_each(|ns| self.invalidation.record(ns));
    }

    pub(crate) const fn requests(&self) -> u64 {
        self.hits + self.joined + self.computations.len() as u64
    }

    /// Requests that were answered without computing.
    pub(crate) fn hit_ratio(&self) -> f64 {
        (self.hits + self.joined) as f64 / self.requests().max(1) as f64
    }
}

/// The segment and its surroundings at the end.
#[derive(Clone, Debug, Default)]
pub(crate) struct Surroundings {
    pub(crate) trace: String,
    pub(crate) distinct_objects: u64,
    pub(crate) workers: u64,
    pub(crate) elapsed: Duration,
    pub(crate) value_bytes: u64,
    pub(crate) segment_bytes: u64,
    pub(crate) bytes_used: u64,
    /// The most entries that were there at once.
    pub(crate) entries: u64,
    pub(crate) evictions: u64,
    pub(crate) faults: u64,
    pub(crate) recoveries: u64,
    /// Of each worker at the end.
    pub(crate) private_bytes: Vec<u64>,
    pub(crate) lru_hit_ratio: f64,
    pub(crate) opt_hit_ratio: f64,
}

/// Everything that is reported.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    around: Surroundings,
    requests: u64,
    hits: u64,
    joined: u64,
    computations: u64,
    ideal: u64,
    not_stored: u64,
    hit_ratio: f64,
    wrong_values: u64,
    stale_reads: u64,
    evidence: Vec<String>,
    invalidations: u64,
    replaced: u64,
    hit_ns: u64,
    hit_p99_ns: u64,
    computation_ns: u64,
    invalidation_ns: u64,
}

impl Report {
    pub(crate) fn new(mut tally: Tally, around: Surroundings) -> Self {
        let mut work = Histogram::default();
        tally
            .computations
            .iter()
            .for_each(|done| work.record(done.work_ns));
        let computations = tally.computations.len() as u64;
        Self {
            around,
            requests: tally.requests(),
            hits: tally.hits,
            joined: tally.joined,
            hit_ratio: tally.hit_ratio(),
            computations,
            ideal: computations - stampede::needless(&mut tally.computations),
            not_stored: tally.not_stored,
            wrong_values: tally.wrong_values,
            stale_reads: tally.stale_reads,
            evidence: tally.evidence,
            invalidations: tally.invalidation.count(),
            replaced: tally.replaced,
            hit_ns: tally.hit.percentile_ns(0.5),
            hit_p99_ns: tally.hit.percentile_ns(0.99),
            computation_ns: work.percentile_ns(0.5),
            invalidation_ns: tally.invalidation.percentile_ns(0.5),
        }
    }

    fn requests_per_s(&self) -> f64 {
        self.requests as f64 / self.around.elapsed.as_secs_f64().max(f64::EPSILON)
    }

    /// What must not be: the demo then fails.
    pub(crate) fn verdict(&self) -> Result<(), CliError> {
        if self.wrong_values + self.stale_reads + self.around.faults == 0 {
            return Ok(());
        }
        let evidence = self.evidence.first().map_or("no detail is known", String::as_str);
        Err(CliError::Failed(format!(
            "{} wrong values, {} stale reads, {} faults in the segment ({evidence}); this must not be, please \
             report it with the output of `guira doctor`",
            self.wrong_values, self.stale_reads, self.around.faults
        )))
    }

    pub(crate) fn json(&self) -> Value {
        let around = &self.around;
        json!({
            "requests": self.requests,
            "hits": self.hits,
            "joined": self.joined,
            "computations": self.computations,
            "ideal": self.ideal,
            "wrong_values": self.wrong_values,
            "stale_reads": self.stale_reads,
            "evidence": self.evidence,
            "not_stored": self.not_stored,
            "hit_ratio": self.hit_ratio,
            "lru_hit_ratio": around.lru_hit_ratio,
            "opt_hit_ratio": around.opt_hit_ratio,
            "requests_per_s": self.requests_per_s(),
            "seconds": around.elapsed.as_secs_f64(),
            "hit_p50_ns": self.hit_ns,
            "hit_p99_ns": self.hit_p99_ns,
            "computation_p50_ns": self.computation_ns,
            "invalidation_p50_ns": self.invalidation_ns,
            "invalidations": self.invalidations,
            "trace": around.trace,
            "distinct_objects": around.distinct_objects,
            "value_bytes": around.value_bytes,
            "workers": around.workers,
            "workers_replaced": self.replaced,
            "entries": around.entries,
            "evictions": around.evictions,
            "faults": around.faults,
            "recoveries": around.recoveries,
            "segment_bytes": around.segment_bytes,
            "bytes_used": around.bytes_used,
            "worker_private_bytes": around.private_bytes,
        })
    }

    pub(crate) fn write(&self, out: &mut dyn Write) -> Result<(), CliError> {
        let around = &self.around;
        let shown = |ns| show_duration(Duration::from_nanos(ns));
        let times_cheaper = self.computation_ns / self.hit_ns.max(1);
        let private = around.private_bytes.iter().max().copied().unwrap_or(0);
        let groups = [
            Facts::new("Run")
                .row(
                    "trace",
                    format!(
                        "{}, {} objects",
                        around.trace,
                        show_count(around.distinct_objects)
                    ),
                )
                .row(
                    "workers",
                    format!(
                        "{} processes, {} of them killed and replaced on the way",
                        around.workers, self.replaced
                    ),
                )
                .row(
                    "requests",
                    format!(
                        "{} in {}",
                        show_count(self.requests),
                        show_duration(around.elapsed)
                    ),
                )
                .row(
                    "throughput",
                    format!("{} requests/s", show_count(self.requests_per_s() as u64)),
                ),
            Facts::new("Hits")
                .row(
                    "hit ratio",
                    format!(
                        "{} with room for {} objects",
                        show_share(self.hit_ratio),
                        show_count(around.entries)
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
                    format!(
                        "{}, {} times a hit",
                        shown(self.computation_ns),
                        show_count(times_cheaper)
                    ),
                ),
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
                .row("answered by another's", show_count(self.joined)),
            Facts::new("Coherence")
                .row(
                    "invalidations",
                    format!(
                        "{} of {} each",
                        show_count(self.invalidations),
                        shown(self.invalidation_ns)
                    ),
                )
                .row("stale reads", show_count(self.stale_reads))
                .row("wrong values", show_count(self.wrong_values))
                .row("faults in the segment", show_count(around.faults)),
            Facts::new("Memory")
                .row(
                    "segment, shared by all",
                    format!(
                        "{}, {} of it in use",
                        show_size(around.segment_bytes),
                        show_size(around.bytes_used)
                    ),
                )
                .row("each worker's own", show_size(private))
                .row(
                    "a cache in each worker",
                    format!(
                        "would be {} for the same objects",
                        show_size(around.bytes_used * around.workers)
                    ),
                ),
        ];
        write_facts(out, &groups)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(wrong_values: u64, stale_reads: u64) -> Report {
        let computation = Computation {
            object: 1,
            version: 0,
            missed_ns: 0,
            filled_ns: 9,
            work_ns: 5,
        };
        let mut tally = Tally::default();
        tally.add(Reply {
            hits: 5,
            joined: 1,
            computations: vec![computation, computation],
            wrong_values,
            stale_reads,
            ..Reply::default()
        });
        Report::new(tally, Surroundings::default())
    }

    #[test]
    fn the_figures_fit_each_other() {
        let json = report(0, 0).json();
        let figure = |name: &str| json[name].as_u64();
        assert_eq!(figure("requests"), Some(8));
        assert_eq!((figure("computations"), figure("ideal")), (Some(2), Some(1)));
        assert_eq!(json["hit_ratio"].as_f64(), Some(0.75));
    }

    #[test]
    fn a_wrong_or_stale_value_is_a_failure() {
        assert!(report(0, 0).verdict().is_ok());
        assert!(report(1, 0).verdict().is_err());
        assert!(report(0, 1).verdict().is_err());
    }
}
