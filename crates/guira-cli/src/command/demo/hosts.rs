//! The two hosts: a segment each, which the demo itself only watches.

use std::path::PathBuf;
use std::time::Duration;

use guira::cache::Cache;
use guira::codec::Raw;
use guira::coherence::{Coherence, CoherenceCounts, WhenSuspect};
use guira::{FlightOptions, Guira};
use guira_segment::Trust;

use crate::error::{CliError, of_guira};

/// How many there are.
pub(crate) const HOSTS: usize = 2;
/// What they are called.
pub(crate) const NAMES: [&str; HOSTS] = ["A", "B"];
/// How old a trusted hit may be.
pub(crate) const BOUND: Duration = Duration::from_millis(500);
/// How long a computation may take before another worker begins it anew.
const PATIENCE: Duration = Duration::from_secs(2);

/// The values of the function, by object.
pub(crate) type Objects = Cache<u32, Vec<u8>, Raw>;

pub(crate) fn coherence(cluster: &str, broker: &str, host: usize) -> Coherence {
    let name = NAMES.get(host).copied().unwrap_or("?");
    Coherence::of_cluster(cluster)
        .broker(broker)
        .bound(BOUND)
        .host_name(name)
}

/// The cache that workers memoize in.
pub(crate) fn objects(guira: &Guira) -> Result<Objects, CliError> {
    guira
        .cache_builder("objects")
        .codec(Raw)
        .flights(FlightOptions::default().patience(PATIENCE))
        .build()
        .map_err(of_guira)
}

/// A host as seen from outside: no agent, no worker.
#[derive(Debug)]
pub(crate) struct Host {
    pub(crate) name: &'static str,
    pub(crate) guira: Guira,
    pub(crate) objects: Objects,
    /// Shows what is in the segment, trusted or not.
    pub(crate) probes: Cache<u64, u64>,
}

impl Host {
    /// Makes the segment.
    pub(crate) fn create(
        path: &PathBuf,
        size_bytes: u64,
        cluster: &str,
        broker: &str,
        host: usize,
    ) -> Result<Self, CliError> {
        let coherence = coherence(cluster, broker, host)
            .agent_elsewhere()
            .start_within(Duration::ZERO);
        let guira = Guira::builder()
            .size(size_bytes)
            .coherence(coherence)
            .create(path)
            .map_err(of_guira)?;
        Ok(Self {
            name: NAMES.get(host).copied().unwrap_or("?"),
            objects: objects(&guira)?,
            probes: guira
                .cache_builder("probes")
                .when_suspect(WhenSuspect::ServeStale)
                .build()
                .map_err(of_guira)?,
            guira,
        })
    }

    /// Whether hits of the workers' cache are trusted now.
    pub(crate) fn is_trusted(&self) -> bool {
        self.objects
            .segment()
            .is_ok_and(|segment| matches!(segment.trust(), Trust::Trusted { .. }))
    }

    pub(crate) fn counts(&self) -> CoherenceCounts {
        self.guira
            .coherence_status()
            .map(|status| status.counts)
            .unwrap_or_default()
    }
}
