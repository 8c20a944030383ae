//! Who of all processes is the agent.
//!
//! ```text
//! nobody --compare-and-swap--> an agent --drops the role------------------------------> nobody
//!                                       --its record is free or its process dead------> whoever asks next
//!                                       --no progress for two intervals (stopped)-----> whoever asks next
//! ```
//!
//! The word has an epoch that every change raises, so who lost the role finds out before it does anything more. What
//! it does all the same is harmless: stamps, trust and positions are maxima.

use std::sync::Arc;
use std::time::Duration;

use guira_shm::sync::Ordering;

use crate::attach::Liveness;
use crate::layout::control::{CONTROL_AGENT, CONTROL_AGENT_PROGRESS_MS};
use crate::segment::Segment;
use crate::shared::Shared;

/// The agent's role, for as long as [`AgentRole::is_mine`]. Dropping it gives it back.
#[derive(Debug)]
pub struct AgentRole {
    shared: Arc<Shared>,
    word: u64,
    /// A forked child's copy is none.
    attachment: u64,
}

impl Segment {
    /// Whether an agent has made progress within two `interval`s.
    #[must_use]
    pub fn has_agent(&self, interval: Duration) -> bool {
        let shared = &*self.shared;
        let is_taken = holder(shared.word(CONTROL_AGENT).load(Ordering::Acquire)).is_some();
        is_taken && shared.is_of_this_life() && !shared.is_agent_stopped(interval)
    }

    /// The process that has the agent's role, at work or not, by its number in its own PID namespace; `None` if
    /// nobody has it.
    #[must_use]
    pub fn agent_process(&self) -> Option<u32> {
        let shared = &*self.shared;
        let record = holder(shared.word(CONTROL_AGENT).load(Ordering::Acquire))?;
        let is_one = shared.has_journal()
            && shared.is_of_this_life()
            && u64::from(record) < shared.geometry.counts.records;
        let process = is_one.then(|| shared.record_owner(record).pid())?;
        (process != 0).then_some(process)
    }

    /// How often the agent's role has changed hands.
    #[must_use]
    pub fn agent_epoch(&self) -> u64 {
        // Acquire: pairs with the AcqRel of who takes the role: what that one did comes after.
        self.shared.word(CONTROL_AGENT).load(Ordering::Acquire) >> 32
    }

    /// Takes the agent's role if nobody has it, or its holder is dead, or made no progress for two `interval`s.
    #[must_use]
    pub fn try_take_agent_role(&self, interval: Duration) -> Option<AgentRole> {
        let shared = &self.shared;
        if !shared.has_journal() {
            return None;
        }
        let attachment = shared.current_attachment()?;
        shared.begin_life();
        // Acquire: pairs with the AcqRel of who changed it.
        let before = shared.word(CONTROL_AGENT).load(Ordering::Acquire);
        let now_ms = shared.clock.boot_clock().now_ms();
        if let Some(record) = holder(before) {
            let is_dead = || {
                // Never asked of the own record: another thread of this process has it.
                u64::from(record) < shared.geometry.counts.records
                    && record != attachment.record
                    && shared.liveness(&attachment, record, shared.record_owner(record), true)
                        != Liveness::Alive
            };
            if !shared.is_agent_stopped(interval) && !is_dead() {
                return None;
            }
        }
        // Before the role, or the next who asks would find it without progress.
        shared
            .word(CONTROL_AGENT_PROGRESS_MS)
            .store(now_ms, Ordering::Release);
        let (epoch, record) = ((before >> 32).wrapping_add(1), u64::from(attachment.record) + 1);
        let word = epoch << 32 | record;
        shared
            .word(CONTROL_AGENT)
            .compare_exchange(before, word, Ordering::AcqRel, Ordering::Relaxed)
            .is_ok()
            .then(|| AgentRole {
                shared: Arc::clone(shared),
                word,
                attachment: attachment.id,
            })
    }
}

impl Shared {
    fn is_agent_stopped(&self, interval: Duration) -> bool {
        // Acquire: pairs with the Release of its progress.
        let progress_ms = self.word(CONTROL_AGENT_PROGRESS_MS).load(Ordering::Acquire);
        let now_ms = self.clock.boot_clock().now_ms();
        let interval_ms = u64::try_from(interval.as_millis()).unwrap_or(u64::MAX);
        // (Progress in the future is damage, or was made between the two looks.)
        now_ms.abs_diff(progress_ms) > interval_ms.saturating_mul(2)
    }
}

/// The record of the process that has the role.
fn holder(word: u64) -> Option<u16> {
    (word as u32).checked_sub(1).map(|record| record as u16)
}

impl AgentRole {
    /// Whether nobody else has taken it since, and this is no forked child.
    #[must_use]
    pub fn is_mine(&self) -> bool {
        self.shared.attachment.id() == self.attachment
            && self.shared.word(CONTROL_AGENT).load(Ordering::Acquire) == self.word
    }

    /// Says that the agent is at work; false if the role is another's by now. To be called once an interval.
    #[must_use]
    pub fn progress(&self) -> bool {
        let is_mine = self.is_mine();
        if is_mine {
            let now_ms = self.shared.clock.boot_clock().now_ms();
            // Release: pairs with the Acquire of who asks for the role.
            self.shared
                .word(CONTROL_AGENT_PROGRESS_MS)
                .fetch_max(now_ms, Ordering::Release);
        }
        is_mine
    }

    /// How often the role has changed hands.
    #[must_use]
    pub const fn epoch(&self) -> u64 {
        self.word >> 32
    }
}

impl Drop for AgentRole {
    fn drop(&mut self) {
        if self.shared.attachment.id() == self.attachment {
            let nobody = self.word >> 32 << 32;
            // Lost: somebody else has it.
            let _ = self.shared.word(CONTROL_AGENT).compare_exchange(
                self.word,
                nobody,
                Ordering::AcqRel,
                Ordering::Relaxed,
            );
        }
    }
}
