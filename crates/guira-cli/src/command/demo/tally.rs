//! What all replies of the workers say together.

use super::hosts::HOSTS;
use super::message::{Computation, Reply};
use crate::histogram::Histogram;

/// What all replies together say.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) hits: u64,
    pub(crate) joined: u64,
    /// By host.
    pub(crate) computations: [Vec<Computation>; HOSTS],
    pub(crate) wrong_values: u64,
    pub(crate) stale_reads: u64,
    pub(crate) evidence: Vec<String>,
    pub(crate) hit: Histogram,
    pub(crate) invalidation: Histogram,
    /// From an invalidation's call to its acceptance by the broker.
    pub(crate) acceptance: Histogram,
    pub(crate) replaced: u64,
}

impl Tally {
    /// Adds what a worker of `host` says.
    pub(crate) fn add(&mut self, reply: Reply, host: usize) {
        self.hits += reply.hits;
        self.joined += reply.joined;
        if let Some(computations) = self.computations.get_mut(host) {
            computations.extend(reply.computations);
        }
        self.wrong_values += reply.wrong_values;
        self.stale_reads += reply.stale_reads;
        self.evidence.extend(reply.evidence);
        reply.hits_ns.into_iter().for_each(|ns| self.hit.record(ns));
        let invalidations = reply.invalidations_ns.into_iter();
        invalidations.for_each(|ns| self.invalidation.record(ns));
        let acceptances = reply.accepted_ns.into_iter();
        acceptances.for_each(|ns| self.acceptance.record(ns));
    }

    pub(crate) fn computed(&self) -> u64 {
        self.computations.iter().map(|of_host| of_host.len() as u64).sum()
    }

    pub(crate) fn requests(&self) -> u64 {
        self.hits + self.joined + self.computed()
    }

    /// Requests that were answered without computing.
    pub(crate) fn hit_ratio(&self) -> f64 {
        (self.hits + self.joined) as f64 / self.requests().max(1) as f64
    }
}
