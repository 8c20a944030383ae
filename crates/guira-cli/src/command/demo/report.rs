//! What the demo found, as figures.

use std::time::Duration;

use guira::coherence::CoherenceCounts;
use serde_json::{Value, json};

use super::hosts::BOUND;
use super::probe::Probes;
use super::stampede;
use super::tally::Tally;
use super::verdict::Healing;
use crate::histogram::Histogram;

/// The run and what was around it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Surroundings {
    pub(crate) trace: String,
    pub(crate) distinct_objects: u64,
    pub(crate) workers: u64,
    pub(crate) elapsed: Duration,
    pub(crate) value_bytes: u64,
    pub(crate) hosts: Vec<HostFacts>,
    pub(crate) kills: Vec<Kill>,
    pub(crate) healing: Healing,
    pub(crate) probes: Probes,
    /// Of each worker at the end.
    pub(crate) private_bytes: Vec<u64>,
    pub(crate) lru_hit_ratio: f64,
    pub(crate) opt_hit_ratio: f64,
}

/// One host at the end.
#[derive(Clone, Debug, Default)]
pub(crate) struct HostFacts {
    pub(crate) name: &'static str,
    pub(crate) segment_bytes: u64,
    pub(crate) bytes_used: u64,
    /// The most entries that were there at once.
    pub(crate) entries: u64,
    pub(crate) evictions: u64,
    pub(crate) faults: u64,
    pub(crate) recoveries: u64,
    pub(crate) coherence: CoherenceCounts,
}

/// A process that was killed on the way, other than by chance, and what came of it until the next one was.
#[derive(Clone, Debug)]
pub(crate) struct Kill {
    pub(crate) what: String,
    /// Since the run began.
    pub(crate) at: Duration,
    /// The longest that a host was not trusted after it.
    pub(crate) without_trust: Duration,
    /// The longest that an invalidation took from one host to the other after it.
    pub(crate) held_up: Duration,
    /// How long until another process was the agent.
    pub(crate) taken_over: Option<Duration>,
}

/// Everything that is reported.
#[derive(Clone, Debug)]
pub(crate) struct Report {
    pub(crate) around: Surroundings,
    pub(crate) requests: u64,
    pub(crate) hits: u64,
    pub(crate) joined: u64,
    pub(crate) computations: u64,
    pub(crate) ideal: u64,
    /// Computations of hosts that were not trusted.
    pub(crate) untrusted_computations: u64,
    pub(crate) hit_ratio: f64,
    pub(crate) wrong_values: u64,
    pub(crate) stale_reads: u64,
    pub(crate) evidence: Vec<String>,
    pub(crate) invalidations: u64,
    pub(crate) replaced: u64,
    pub(crate) hit_ns: u64,
    pub(crate) hit_p99_ns: u64,
    pub(crate) computation_ns: u64,
    pub(crate) invalidation_ns: u64,
    pub(crate) accepted_ns: u64,
    pub(crate) accepted_p99_ns: u64,
}

impl Report {
    pub(crate) fn new(mut tally: Tally, around: Surroundings) -> Self {
        let mut work = Histogram::default();
        let all = tally.computations.iter().flatten();
        all.for_each(|done| work.record(done.work_ns));
        let untrusted = tally
            .computations
            .iter()
            .flatten()
            .filter(|done| !done.is_trusted);
        let computations = tally.computed();
        Self {
            around,
            requests: tally.requests(),
            hits: tally.hits,
            joined: tally.joined,
            hit_ratio: tally.hit_ratio(),
            computations,
            untrusted_computations: untrusted.count() as u64,
            ideal: computations
                - tally
                    .computations
                    .iter_mut()
                    .map(|of_host| stampede::needless(of_host))
                    .sum::<u64>(),
            wrong_values: tally.wrong_values,
            stale_reads: tally.stale_reads,
            evidence: tally.evidence,
            invalidations: tally.invalidation.count(),
            replaced: tally.replaced,
            hit_ns: tally.hit.percentile_ns(0.5),
            hit_p99_ns: tally.hit.percentile_ns(0.99),
            computation_ns: work.percentile_ns(0.5),
            invalidation_ns: tally.invalidation.percentile_ns(0.5),
            accepted_ns: tally.acceptance.percentile_ns(0.5),
            accepted_p99_ns: tally.acceptance.percentile_ns(0.99),
        }
    }

    pub(crate) fn requests_per_s(&self) -> f64 {
        self.requests as f64 / self.around.elapsed.as_secs_f64().max(f64::EPSILON)
    }

    /// A figure of all hosts together.
    pub(crate) fn sum(&self, of_host: impl Fn(&HostFacts) -> u64) -> u64 {
        self.around.hosts.iter().map(of_host).sum()
    }

    pub(crate) fn json(&self) -> Value {
        let around = &self.around;
        let probes = &around.probes;
        let verdict = self.verdict();
        let mut object = json!({
            "requests": self.requests,
            "hits": self.hits,
            "joined": self.joined,
            "computations": self.computations,
            "ideal": self.ideal,
            "untrusted_computations": self.untrusted_computations,
            "wrong_values": self.wrong_values,
            "stale_reads": self.stale_reads,
            "evidence": self.evidence,
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
            "accepted_p50_ns": self.accepted_ns,
            "accepted_p99_ns": self.accepted_p99_ns,
            "bound_ms": BOUND.as_millis() as u64,
            "probes": probes.latency.count(),
            "host_to_host_p50_ns": probes.latency.percentile_ns(0.5),
            "host_to_host_p99_ns": probes.latency.percentile_ns(0.99),
            "host_to_host_worst_ns": probes.worst_ns,
            "suspect_reads": self.sum(|host| host.coherence.suspect_refused),
            "kills": around.kills.iter().map(Kill::json).collect::<Vec<_>>(),
            "hosts": around.hosts.iter().map(HostFacts::json).collect::<Vec<_>>(),
            "trace": around.trace,
            "distinct_objects": around.distinct_objects,
            "value_bytes": around.value_bytes,
            "workers": around.workers,
            "workers_replaced": self.replaced,
            "entries": self.sum(|host| host.entries),
            "evictions": self.sum(|host| host.evictions),
            "faults": self.sum(|host| host.faults),
            "recoveries": self.sum(|host| host.recoveries),
            "segment_bytes": self.sum(|host| host.segment_bytes),
            "bytes_used": self.sum(|host| host.bytes_used),
            "worker_private_bytes": around.private_bytes,
        });
        object["is_good"] = verdict.is_good.into();
        object["verdict"] = verdict.sentence.into();
        object
    }
}

impl Kill {
    fn json(&self) -> Value {
        json!({
            "what": self.what,
            "at_s": self.at.as_secs_f64(),
            "without_trust_ms": self.without_trust.as_secs_f64() * 1e3,
            "held_up_ms": self.held_up.as_secs_f64() * 1e3,
            "taken_over_ms": self.taken_over.map(|time| time.as_secs_f64() * 1e3),
        })
    }
}

impl HostFacts {
    fn json(&self) -> Value {
        let counts = &self.coherence;
        json!({
            "name": self.name,
            "entries": self.entries,
            "applied": counts.applied,
            "floors_raised": counts.floors_raised,
            "gaps": counts.gaps,
            "overflows": counts.overflows,
            "reconnects": counts.reconnects,
            "take_overs": counts.take_overs,
            "suspect_reads": counts.suspect_refused,
            "refusals": counts.refusals,
            "bad_frames": counts.bad_frames,
            "sent_bytes": counts.bytes_sent,
            "received_bytes": counts.bytes_received,
        })
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::super::message::{Computation, Reply};
    use super::*;

    pub(crate) fn report(wrong_values: u64, stale_reads: u64) -> Report {
        let computation = Computation {
            object: 1,
            version: 0,
            missed_ns: 0,
            filled_ns: 9,
            is_trusted: true,
            work_ns: 5,
        };
        let mut tally = Tally::default();
        let reply = |computations| Reply {
            hits: 5,
            joined: 1,
            computations,
            ..Reply::default()
        };
        let wrong = Reply {
            wrong_values,
            stale_reads,
            ..reply(vec![computation, computation])
        };
        tally.add(wrong, 0);
        tally.add(reply(vec![computation]), 1);
        Report::new(tally, Surroundings::default())
    }

    #[test]
    fn the_figures_fit_each_other() {
        let json = report(0, 0).json();
        let figure = |name: &str| json[name].as_u64();
        assert_eq!(figure("requests"), Some(15));
        // Each host needs its own.
        assert_eq!((figure("computations"), figure("ideal")), (Some(3), Some(2)));
        assert_eq!(json["hit_ratio"].as_f64(), Some(0.8));
    }
}
