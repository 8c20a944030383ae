//! What the agents of a segment have counted; it is kept in the segment, for any process to read.

use std::time::{SystemTime, UNIX_EPOCH};

use guira_segment::Segment;

/// What is counted, by its place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(usize)]
pub(crate) enum Counted {
    Applied,
    FloorsRaised,
    Gaps,
    Overflows,
    FramesSent,
    BytesSent,
    FramesReceived,
    BytesReceived,
    BadFrames,
    Reconnects,
    Refusals,
    TakeOvers,
    SuspectServed,
    SuspectRefused,
    /// Not told: workers that wait until the brokers are asked again.
    Questions,
}

/// The first of the places of a histogram of the age of records when they are applied: bucket `n` is for ages
/// below `2^n` milliseconds.
const AGES: usize = 64;
const AGE_BUCKETS: u64 = 20;

#[derive(Debug)]
pub(super) struct Counters {
    segment: Segment,
}

impl Counters {
    pub(super) fn of(segment: &Segment) -> Self {
        Self {
            segment: segment.clone(),
        }
    }

    pub(super) fn applied(&self, wall_ms: u64) {
        count(&self.segment, Counted::Applied, 1);
        let now_ms = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| u64::try_from(since.as_millis()).unwrap_or(0));
        // Between hosts whose wall clocks differ it shows that, too.
        let age_ms = now_ms.saturating_sub(wall_ms);
        let bucket = u64::from(u64::BITS - age_ms.leading_zeros()).min(AGE_BUCKETS);
        self.segment.count_coherence(AGES + bucket as usize, 1);
    }

    pub(super) fn floor_raised(&self) {
        count(&self.segment, Counted::FloorsRaised, 1);
    }
}

pub(super) fn counted(segment: &Segment, what: Counted) -> u64 {
    segment.coherence_count(what as usize)
}

pub(crate) fn count(segment: &Segment, what: Counted, by: u64) {
    segment.count_coherence(what as usize, by);
}

/// What was counted in this segment since it was made.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CoherenceCounts {
    /// Records of other hosts that were applied.
    pub applied: u64,
    /// How often everything that was filled before, or a part of it, was made a miss.
    pub floors_raised: u64,
    /// How often records were missing in a broker's stream, and were asked for.
    pub gaps: u64,
    /// How often the journal overran what was not sent.
    pub overflows: u64,
    /// Frames to brokers, and their bytes.
    pub frames_sent: u64,
    /// Bytes of them.
    pub bytes_sent: u64,
    /// Frames from brokers.
    pub frames_received: u64,
    /// Bytes of them.
    pub bytes_received: u64,
    /// Frames that were not ours or not well formed.
    pub bad_frames: u64,
    /// How often a broker or its connection began anew.
    pub reconnects: u64,
    /// How often a broker did not take this host.
    pub refusals: u64,
    /// How often the agent's role changed hands.
    pub take_overs: u64,
    /// Hits beyond trust that were given out all the same.
    pub suspect_served: u64,
    /// Hits beyond trust that counted as misses.
    pub suspect_refused: u64,
    /// The age of records when they were applied, by the wall clocks of the two hosts: how many were younger than
    /// `2^n` milliseconds and no younger than half of that.
    pub applied_age_ms: Vec<u64>,
}

impl CoherenceCounts {
    pub(super) fn of(segment: &Segment) -> Self {
        let counted = |what: Counted| counted(segment, what);
        Self {
            applied: counted(Counted::Applied),
            floors_raised: counted(Counted::FloorsRaised),
            gaps: counted(Counted::Gaps),
            overflows: counted(Counted::Overflows),
            frames_sent: counted(Counted::FramesSent),
            bytes_sent: counted(Counted::BytesSent),
            frames_received: counted(Counted::FramesReceived),
            bytes_received: counted(Counted::BytesReceived),
            bad_frames: counted(Counted::BadFrames),
            reconnects: counted(Counted::Reconnects),
            refusals: counted(Counted::Refusals),
            take_overs: counted(Counted::TakeOvers),
            suspect_served: counted(Counted::SuspectServed),
            suspect_refused: counted(Counted::SuspectRefused),
            applied_age_ms: (0..=AGE_BUCKETS as usize)
                .map(|bucket| segment.coherence_count(AGES + bucket))
                .collect(),
        }
    }
}
