//! How long after the end of a fault everything is as before: every host is trusted, and everything that it had
//! invalidated by then is accepted.

use std::time::{Duration, Instant};

use guira::coherence::CoherenceStatus;
use guira_segment::{Segment, Trust};
use serde::Serialize;

use super::fault::Kind;
use super::{CACHE, NetworkError, NetworkPlan};

/// It must be over by then.
pub(super) const LIMIT: Duration = Duration::from_secs(2);
/// It is not waited for any longer.
const GIVEN_UP: Duration = Duration::from_secs(15);
/// Between looks: many processes do their part, there is nothing else to wait on.
const LOOK_PERIOD: Duration = Duration::from_millis(2);

/// One fault, and how long it took to get over it.
#[derive(Clone, Debug, Serialize)]
pub struct Healing {
    /// What it was.
    pub kind: Kind,
    /// Packets that were lost meanwhile, of a hundred.
    pub loss_percent: u64,
    /// How long it was, ms.
    pub fault_ms: u64,
    /// From its end until all was well, ms; `None` if that never was.
    pub healed_ms: Option<u64>,
    /// Until the last host was trusted, ms.
    pub trusted_ms: Option<u64>,
    /// What was missing at the limit, if anything.
    pub missing: String,
}

impl Healing {
    pub(super) fn is_late(&self) -> bool {
        self.healed_ms.is_none_or(|ms| u128::from(ms) > LIMIT.as_millis())
    }
}

/// What its agents have counted.
fn told_counts(segment: &Segment) -> String {
    let counts = CoherenceStatus::of_segment(segment).map(|status| status.counts);
    let counts = counts.unwrap_or_default();
    format!(
        "{} take-overs, {} floors raised, {} gaps, {} reconnects, {} overruns, {} applied",
        counts.take_overs,
        counts.floors_raised,
        counts.gaps,
        counts.reconnects,
        counts.overflows,
        counts.applied
    )
}

/// The hosts' segments, as anybody sees them who opens them.
pub(super) struct Hosts(Vec<Segment>);

impl Hosts {
    pub(super) fn of(plan: &NetworkPlan, segments: &[Segment]) -> Result<Self, NetworkError> {
        debug_assert_eq!(plan.hosts, segments.len(), "one each");
        let namespaces: Result<Vec<Segment>, _> =
            segments.iter().map(|segment| segment.namespace(CACHE)).collect();
        Ok(Self(namespaces?))
    }

    pub(super) fn segments(&self) -> &[Segment] {
        &self.0
    }

    pub(super) fn trusted(&self) -> usize {
        let is_trusted = |segment: &&Segment| matches!(segment.trust(), Trust::Trusted { .. });
        self.0.iter().filter(is_trusted).count()
    }

    fn are_trusted(&self) -> bool {
        self.trusted() == self.0.len()
    }

    pub(super) fn tails(&self) -> Vec<u64> {
        let tail = |segment: &Segment| segment.journal().map_or(0, |journal| journal.tail());
        self.0.iter().map(tail).collect()
    }

    fn have_accepted(&self, tails: &[u64]) -> bool {
        let accepted = |segment: &Segment| segment.journal().map_or(0, |journal| journal.accepted());
        self.0
            .iter()
            .map(accepted)
            .zip(tails)
            .all(|(accepted, tail)| accepted >= *tail)
    }

    /// What keeps them from being well, for people.
    pub(super) fn missing(&self, tails: &[u64]) -> String {
        let of_host = |(host, (segment, tail)): (usize, (&Segment, &u64))| {
            let accepted = segment.journal().map_or(0, |journal| journal.accepted());
            let is_trusted = matches!(segment.trust(), Trust::Trusted { .. });
            let has_agent = segment.has_agent(Duration::from_millis(250));
            (!is_trusted || accepted < *tail).then(|| {
                format!(
                    "host {host} is {}trusted, has {} agent, and {} records to be accepted; in its life {}",
                    if is_trusted { "" } else { "not " },
                    if has_agent { "an" } else { "no" },
                    tail.saturating_sub(accepted),
                    told_counts(segment)
                )
            })
        };
        let told: Vec<String> = self.0.iter().zip(tails).enumerate().filter_map(of_host).collect();
        told.join("; ")
    }

    /// Waits until all is well as far as `tails`; when the last host was trusted, when all was well, and what was
    /// missing at the limit.
    pub(super) fn heal(&self, tails: &[u64]) -> (Option<Duration>, Option<Duration>, String) {
        let began = Instant::now();
        let (mut trusted, mut missing) = (None, String::new());
        loop {
            let (are_trusted, elapsed) = (self.are_trusted(), began.elapsed());
            trusted = trusted.or_else(|| are_trusted.then_some(elapsed));
            if are_trusted && self.have_accepted(tails) {
                return (trusted, Some(elapsed), missing);
            }
            if missing.is_empty() && elapsed > LIMIT {
                missing = self.missing(tails);
            }
            if elapsed > GIVEN_UP {
                let still = self.missing(tails);
                return (trusted, None, format!("{missing}; when it was given up {still}"));
            }
            std::thread::park_timeout(LOOK_PERIOD);
        }
    }
}
