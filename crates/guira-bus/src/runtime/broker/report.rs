//! What a broker tells of itself to its own process.

use crate::transport::BrokerCounters;
use crate::wire::{BrokerStatus, FrameError, ToBroker};

/// A broker's state, and what it counted.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct BrokerReport {
    /// What it would tell anybody who asks.
    pub status: BrokerStatus,
    /// Its frames.
    pub tally: BrokerTally,
    /// Its sockets.
    pub sockets: BrokerCounters,
}

/// The frames that came to a broker, since it began.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct BrokerTally {
    /// Frames that were understood.
    pub frames: u64,
    /// Frames of records.
    pub publications: u64,
    /// What they stood for, records and voids, repeated ones included.
    pub published_items: u64,
    /// Questions for trust.
    pub asks: u64,
    /// Frames of leases.
    pub lease_frames: u64,
    /// Frames from another version.
    pub other_version: u64,
    /// Frames from another cluster.
    pub other_cluster: u64,
    /// Frames that are none, are malformed, or hold more than they may.
    pub malformed: u64,
    /// Frames from connections that name themselves, which an agent's do not.
    pub strangers: u64,
}

impl BrokerTally {
    /// Frames that were dropped.
    #[must_use]
    pub const fn dropped(&self) -> u64 {
        self.other_version + self.other_cluster + self.malformed + self.strangers
    }

    pub(super) const fn count(&mut self, frame: &ToBroker) {
        self.frames += 1;
        match frame {
            ToBroker::Publish { items, .. } => {
                self.publications += 1;
                self.published_items += items.len() as u64;
            }
            ToBroker::Ask(_) => self.asks += 1,
            ToBroker::Lease(_) => self.lease_frames += 1,
            _ => {}
        }
    }

    pub(super) const fn refuse(&mut self, error: &FrameError) {
        match error {
            FrameError::OtherVersion { .. } => self.other_version += 1,
            FrameError::OtherCluster => self.other_cluster += 1,
            _ => self.malformed += 1,
        }
    }
}
