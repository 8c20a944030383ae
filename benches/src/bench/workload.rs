//! The list of workloads: sizes, popularity and room of each.

use clap::ValueEnum;
use serde::{Deserialize, Serialize};

use super::{get, latency, mix, multi_get, set};
use crate::peers::Holding;
use crate::workload::Popularity;

/// A workload by its name on the command line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ValueEnum)]
pub(crate) enum Workload {
    /// 100 B copied out, Zipf 0.99
    GetCopied,
    /// 100 B copied out
    GetUniform,
    /// The first and the last of 100 B, read in place
    GetBorrowed,
    /// 1 KiB copied out
    #[value(name = "get-1k")]
    Get1k,
    /// 64 KiB copied out
    #[value(name = "get-64k")]
    Get64k,
    /// 1 MiB copied out
    #[value(name = "get-1m")]
    Get1m,
    /// Batches of a hundred keys
    #[value(name = "multi-get-100")]
    MultiGet100,
    /// 100 B in place of 100 B, slack 25 %
    SetUniform,
    /// The same, slack 100 %
    SetUniformRoomy,
    /// 50 to 150 B in place of others
    SetOtherSize,
    /// Room for a tenth of the keys
    SetEvicting,
    /// 95 % gets
    #[value(name = "mix-95-5")]
    Mix95,
    /// Half gets, half sets
    #[value(name = "mix-50-50")]
    Mix50,
    /// Percentiles of single gets
    LatencyGet,
    /// Percentiles of single sets, slack 10 %
    LatencySet,
}

/// What one operation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    /// The value is copied out.
    Get,
    /// The first and the last byte are read in place.
    Ends,
    /// As many keys as `multi_get::KEYS` in one call.
    GetMany,
    /// A value as long as the one that it replaces.
    Put,
    /// A value of half to one and a half times the usual length.
    PutOtherSize,
    /// Gets and puts in a fixed proportion.
    Mix { reads_percent: usize },
    /// As `Get`, with the clock read around each.
    TimedGet,
    /// As `Put`, with the clock read around each.
    TimedPut,
}

impl Operation {
    pub(crate) fn writes(self) -> bool {
        matches!(
            self,
            Self::Put | Self::PutOtherSize | Self::Mix { .. } | Self::TimedPut
        )
    }

    pub(crate) fn is_timed(self) -> bool {
        matches!(self, Self::TimedGet | Self::TimedPut)
    }
}

/// How much room a cache has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Room {
    /// Every entry stays, without any effort.
    Ample,
    /// Every entry stays; beside the live bytes a log has this much more.
    Slack { percent: usize },
    /// A tenth of the entries stays.
    Tenth,
}

/// Threads of a crowd: many more than there are processors.
const CROWD: u32 = 64;

/// How many work at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ValueEnum)]
pub(crate) enum Workers {
    One,
    /// Two threads of one process.
    Threads,
    /// Two processes.
    Processes,
    /// Sixty-four threads of one process, against two.
    Crowd,
}

impl Workers {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::One => "one",
            Self::Threads => "two threads",
            Self::Processes => "two processes",
            Self::Crowd => "a crowd of threads",
        }
    }

    /// The threads of a process in its two laps: of few, and of all.
    pub(crate) const fn threads(self) -> (u32, u32) {
        match self {
            Self::One | Self::Processes => (1, 1),
            Self::Threads => (1, 2),
            Self::Crowd => (2, CROWD),
        }
    }
}

/// What a workload is made of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Spec {
    pub(crate) title: &'static str,
    pub(crate) popularity: Popularity,
    pub(crate) value_bytes: usize,
    pub(crate) operation: Operation,
    pub(crate) room: Room,
    /// Whether it is also measured with two workers.
    pub(crate) is_paired: bool,
}

/// Bytes of all values together, where they are large.
const LARGE_BYTES: usize = 128 << 20;

impl Workload {
    pub(crate) fn name(self) -> String {
        let value = self.to_possible_value().expect("no workload is hidden");
        value.get_name().to_owned()
    }

    pub(crate) fn spec(self) -> Spec {
        match self {
            Self::GetCopied => get::COPIED,
            Self::GetUniform => get::UNIFORM,
            Self::GetBorrowed => get::BORROWED,
            Self::Get1k => get::KIB,
            Self::Get64k => get::KIB_64,
            Self::Get1m => get::MIB,
            Self::MultiGet100 => multi_get::HUNDRED,
            Self::SetUniform => set::UNIFORM,
            Self::SetUniformRoomy => set::UNIFORM_ROOMY,
            Self::SetOtherSize => set::OTHER_SIZE,
            Self::SetEvicting => set::EVICTING,
            Self::Mix95 => mix::READS_95,
            Self::Mix50 => mix::READS_50,
            Self::LatencyGet => latency::GET,
            Self::LatencySet => latency::SET,
        }
    }

    /// What the caches hold, where `keys` keys were asked for.
    pub(crate) fn holding(self, keys: usize) -> Holding {
        let spec = self.spec();
        let keys = keys.min(LARGE_BYTES / spec.value_bytes).max(100);
        let longest_value_bytes = if spec.operation == Operation::PutOtherSize {
            spec.value_bytes * 3 / 2
        } else {
            spec.value_bytes
        };
        Holding {
            keys,
            value_bytes: spec.value_bytes,
            longest_value_bytes,
            capacity_entries: match spec.room {
                Room::Tenth => keys / 10,
                Room::Ample | Room::Slack { .. } => keys + keys / 2,
            },
        }
    }
}
