//! The segment's clock: milliseconds since it was made, the same for every process of the host.
//!
//! It is the boot-time clock (which counts while the machine sleeps and never steps) plus an offset
//! in the control page. After a reboot the offset is renewed from the wall clock, so deadlines of a
//! cleanly detached file hold across it.

use guira_shm::clock::Clock;

/// Boot-time clock plus this boot's offset.
#[derive(Debug)]
pub(crate) struct SegmentClock {
    clock: Clock,
    offset_ms: i64,
}

/// The coarse clock may lag by a timer tick, at most 10 ms at 100 Hz.
const COARSE_LAG_MS: u64 = 11;

impl SegmentClock {
    pub(crate) const fn new(clock: Clock, offset_ms: i64) -> Self {
        Self { clock, offset_ms }
    }

    pub(crate) const fn boot_clock(&self) -> &Clock {
        &self.clock
    }

    /// Exact, at the cost of a call into the kernel's shared page.
    pub(crate) fn now_ms(&self) -> u64 {
        self.clock.now_ms().saturating_add_signed(self.offset_ms)
    }

    /// Never ahead of `now_ms`, behind it by a tick at most; a few nanoseconds.
    #[inline]
    pub(crate) fn coarse_ms(&self) -> u64 {
        self.clock.coarse_ms().saturating_add_signed(self.offset_ms)
    }

    /// Whether a deadline passed: decided by the coarse clock unless it is close.
    #[inline]
    pub(crate) fn has_passed(&self, deadline_ms: u64) -> bool {
        let coarse_ms = self.coarse_ms();
        if coarse_ms >= deadline_ms {
            true
        } else if coarse_ms + COARSE_LAG_MS < deadline_ms {
            false
        } else {
            self.now_ms() >= deadline_ms
        }
    }
}
