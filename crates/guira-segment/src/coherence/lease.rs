//! Lease slots: a worker that is about to compute asks the cluster first, through its agent.
//!
//! | step | whose turn | becomes |
//! |---|---|---|
//! | free | a worker | claimed, by compare-and-swap |
//! | claimed | its worker describes the key | wanted |
//! | wanted | the agent asks a broker | busy, granted, ready, alone |
//! | busy: somebody else in the cluster computes | the agent | granted, ready, alone |
//! | granted: compute | the worker; the agent renews meanwhile | done, abandoned |
//! | ready: look for the value again | the worker | free |
//! | alone: no broker answers, compute without | the worker | free |
//! | done, abandoned, left (wants no more) | the agent tells the broker | free |
//!
//! A slot that is described is anybody's when its deadline has passed, so that workers without an agent do not use
//! them up. The agent gives back those of dead workers. A lease saves work and confers no safety: the fill's token
//! does that.
//!
//! The state word is `record + 1, 12 | low incarnation 20 | turn 24 | step 8`; its low half is the futex. A turn counts the
//! claims, so that nobody acts on a slot that has become another's.

use std::time::{Duration, Instant};

use guira_shm::futex;
use guira_shm::sync::{AtomicU64, Ordering};

use crate::attach::Attachment;
use crate::computing::FillToken;
use crate::layout::coherence::{
    LEASE_BYTES, LEASE_CLOCK, LEASE_DEADLINE_MS, LEASE_HASH, LEASE_NAMESPACE, LEASE_PAYLOAD, LEASE_STATE,
};
use crate::layout::control::CONTROL_LEASE_EVENTS;
use crate::layout::record::{LineOwner, PinWord};
use crate::layout::{bits, mask};
use crate::segment::Segment;
use crate::shared::Shared;

/// How far a lease has come; see the table of the module.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum LeaseStep {
    /// The agent is to ask for it.
    Wanted,
    /// Somebody else in the cluster computes.
    Busy,
    /// The worker computes, and the agent renews.
    Granted,
    /// The value may be there by now: look again.
    Ready,
    /// Compute without: no broker answers, or the lease's deadline has passed.
    Alone,
    /// The worker has the value in the segment.
    Done,
    /// The worker gave up, or died.
    Abandoned,
    /// The worker does not wait any more.
    Left,
}

/// What the agent makes of a lease.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum LeaseAnswer {
    /// Somebody else computes; from wanted.
    Busy,
    /// The worker is to compute; from wanted and busy.
    Granted,
    /// The worker is to look for the value; from wanted and busy.
    Ready,
    /// The worker is to compute without; from wanted and busy.
    Alone,
    /// The broker knows; from done, abandoned and left.
    Closed,
}

/// What a worker wishes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum LeaseWish {
    /// To compute.
    #[default]
    Compute,
    /// To compute if no other host gives the value within this time; up to an hour.
    FetchOrCompute(Duration),
    /// The value, if another host gives it within this time, up to an hour: ready, or alone if none does.
    Fetch(Duration),
}

const WISH_BITS: u32 = 40;
const LONGEST_FETCH: Duration = Duration::from_secs(3_600);

impl LeaseWish {
    fn word(self) -> u64 {
        let us = |wait: Duration| u64::try_from(wait.min(LONGEST_FETCH).as_micros()).unwrap_or(0);
        match self {
            Self::Compute => 0,
            Self::FetchOrCompute(wait) => 1 << WISH_BITS | us(wait),
            Self::Fetch(wait) => 2 << WISH_BITS | us(wait),
        }
    }

    const fn of_word(word: u64) -> Self {
        let wait = Duration::from_micros(word & mask(WISH_BITS));
        match word >> WISH_BITS {
            1 => Self::FetchOrCompute(wait),
            2 => Self::Fetch(wait),
            _ => Self::Compute,
        }
    }
}

/// A lease as the agent finds it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AskedLease {
    /// Number of its slot.
    pub slot: usize,
    /// How far it has come: never ready or alone, which are the worker's.
    pub step: LeaseStep,
    /// Hash of the name of the key's namespace.
    pub namespace_hash: u64,
    /// Hash of the key.
    pub hash: u64,
    /// The invalidation clock of the worker's token.
    pub clock: u64,
    /// When the worker gives up, in milliseconds of the boot clock.
    pub deadline_ms: u64,
    /// What the worker wishes; means nothing once it was granted.
    pub wish: LeaseWish,
    word: u64,
}

impl AskedLease {
    /// Distinguishes this lease from the others that had and will have its slot, for a very long time.
    #[must_use]
    pub const fn number(&self) -> u64 {
        bits(self.word, 8, 24) << 16 | self.slot as u64
    }
}

/// A worker's lease. Dropping one that was granted abandons it; one that is waited for is left.
#[derive(Debug)]
pub struct Lease<'s> {
    shared: &'s Shared,
    slot: usize,
    /// The state word without its step.
    claim: u64,
    attachment: u64,
}

const FREE: u64 = 0;
const CLAIMED: u64 = 1;
const STEP_BITS: u32 = 8;

const fn code(step: LeaseStep) -> u64 {
    match step {
        LeaseStep::Wanted => 2,
        LeaseStep::Busy => 3,
        LeaseStep::Granted => 4,
        LeaseStep::Ready => 5,
        LeaseStep::Alone => 6,
        LeaseStep::Done => 7,
        LeaseStep::Abandoned => 8,
        LeaseStep::Left => 9,
    }
}

const fn step_of(word: u64) -> Option<LeaseStep> {
    Some(match bits(word, 0, STEP_BITS) {
        2 => LeaseStep::Wanted,
        3 => LeaseStep::Busy,
        4 => LeaseStep::Granted,
        5 => LeaseStep::Ready,
        6 => LeaseStep::Alone,
        7 => LeaseStep::Done,
        8 => LeaseStep::Abandoned,
        9 => LeaseStep::Left,
        _ => return None,
    })
}

/// The word without its step.
const fn claim_of(word: u64) -> u64 {
    word & !mask(STEP_BITS)
}

impl Segment {
    /// Asks for the lease of `key`, whose miss gave `token`; `patience` is how long this worker may wait and compute
    /// in all. `None` in a segment of no cluster, and if all slots are taken: compute without.
    #[must_use]
    pub fn ask_lease(&self, key: &[u8], token: &FillToken, patience: Duration) -> Option<Lease<'_>> {
        self.ask_lease_for(key, token, patience, LeaseWish::Compute)
    }

    /// As [`Segment::ask_lease`], for a worker that would take the value of another host.
    #[must_use]
    pub fn ask_lease_for(
        &self,
        key: &[u8],
        token: &FillToken,
        patience: Duration,
        wish: LeaseWish,
    ) -> Option<Lease<'_>> {
        let shared = &*self.shared;
        let attachment = shared.current_attachment()?;
        let slots = shared.lease_slots();
        let hash = self.key(key).hash;
        let now_ms = shared.clock.boot_clock().now_ms();
        let patience_ms = u64::try_from(patience.as_millis()).unwrap_or(u64::MAX);
        (0..slots).find_map(|way| {
            let slot = (hash as usize).wrapping_add(way) & (slots - 1);
            let claim = shared.claim_lease(slot, &attachment, now_ms)?;
            for (field, value) in [
                (LEASE_NAMESPACE, self.namespace_hash()),
                (LEASE_HASH, hash),
                (LEASE_CLOCK, token.clock()),
                (LEASE_DEADLINE_MS, now_ms.saturating_add(patience_ms)),
                (LEASE_PAYLOAD, wish.word()),
            ] {
                shared.lease_word(slot, field).store(value, Ordering::Relaxed);
            }
            let lease = Lease {
                shared,
                slot,
                claim,
                attachment: attachment.id,
            };
            // Nobody takes a slot that is claimed from a living worker.
            lease.change(claim | CLAIMED, LeaseStep::Wanted);
            Some(lease)
        })
    }

    /// The leases that the agent has to do with, in no order. Gives back those of dead workers on the way.
    #[must_use]
    pub fn asked_leases(&self) -> Vec<AskedLease> {
        let shared = &*self.shared;
        let attachment = shared.current_attachment();
        (0..shared.lease_slots())
            .filter_map(|slot| shared.look_at_lease(slot, attachment.as_deref()))
            .collect()
    }

    /// As [`Lease::wait`] of the lease with this number, for a thread that waits for the worker.
    #[must_use]
    pub fn wait_for_lease(&self, number: u64, timeout: Duration) -> LeaseStep {
        let shared = &*self.shared;
        let (slot, turn) = ((number & mask(16)) as usize, number >> 16);
        if slot >= shared.lease_slots() {
            return LeaseStep::Alone;
        }
        shared.wait_for_step(slot, timeout, |word| bits(word, STEP_BITS, 24) == turn)
    }

    /// Answers a lease, if it still is as it was found and the answer fits its step. `payload` is for the worker: a
    /// hint, for an agent that lost its role may overwrite it.
    pub fn answer_lease(&self, asked: &AskedLease, answer: LeaseAnswer, payload: u64) -> bool {
        let shared = &*self.shared;
        let is_waited_for = matches!(asked.step, LeaseStep::Wanted | LeaseStep::Busy);
        let to = match answer {
            LeaseAnswer::Busy if asked.step == LeaseStep::Wanted => code(LeaseStep::Busy),
            LeaseAnswer::Granted if is_waited_for => code(LeaseStep::Granted),
            LeaseAnswer::Ready if is_waited_for => code(LeaseStep::Ready),
            LeaseAnswer::Alone if is_waited_for => code(LeaseStep::Alone),
            LeaseAnswer::Closed if !is_waited_for && asked.step != LeaseStep::Granted => FREE,
            _ => return false,
        };
        if asked.slot >= shared.lease_slots() {
            return false;
        }
        // While it is waited for the wish stays, for an agent that comes after this one.
        if is_waited_for && answer != LeaseAnswer::Busy {
            shared
                .lease_word(asked.slot, LEASE_PAYLOAD)
                .store(payload, Ordering::Relaxed);
        }
        let word = shared.lease_word(asked.slot, LEASE_STATE);
        let is_answered = change_word(word, asked.word, claim_of(asked.word) | to);
        if is_answered {
            futex::wake(word, u32::MAX);
        }
        is_answered
    }
}

impl Lease<'_> {
    /// Waits until the worker has something to do: compute (granted, alone) or look for the value (ready). Wanted or
    /// busy if `timeout` passes first.
    #[must_use]
    pub fn wait(&self, timeout: Duration) -> LeaseStep {
        self.shared
            .wait_for_step(self.slot, timeout, |word| claim_of(word) == self.claim)
    }

    /// Distinguishes this lease from the others that had and will have its slot: as [`AskedLease::number`].
    #[must_use]
    pub const fn number(&self) -> u64 {
        bits(self.claim, 8, 24) << 16 | self.slot as u64
    }

    /// What came with the agent's answer: granted, ready or alone.
    #[must_use]
    pub fn payload(&self) -> u64 {
        self.shared
            .lease_word(self.slot, LEASE_PAYLOAD)
            .load(Ordering::Relaxed)
    }

    /// Says that the computed value is in the segment; false if the lease was not granted or its deadline passed.
    pub fn done(self) -> bool {
        self.is_own() && self.change(self.claim | code(LeaseStep::Granted), LeaseStep::Done)
    }

    /// A forked child's copy is its parent's.
    fn is_own(&self) -> bool {
        self.shared.attachment.id() == self.attachment
    }

    /// Makes a step that the agent is to see.
    fn change(&self, from: u64, to: LeaseStep) -> bool {
        let word = self.shared.lease_word(self.slot, LEASE_STATE);
        let is_changed = change_word(word, from, self.claim | code(to));
        if is_changed {
            self.shared.tell_agent();
        }
        is_changed
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        if !self.is_own() {
            return;
        }
        let word = self.shared.lease_word(self.slot, LEASE_STATE);
        // Ends: the agent makes few steps, and all lead to one that is not the worker's.
        loop {
            let now = word.load(Ordering::Acquire);
            if claim_of(now) != self.claim {
                return;
            }
            let is_let_go = match step_of(now) {
                Some(LeaseStep::Wanted | LeaseStep::Busy) => self.change(now, LeaseStep::Left),
                Some(LeaseStep::Granted) => self.change(now, LeaseStep::Abandoned),
                Some(LeaseStep::Ready | LeaseStep::Alone) => change_word(word, now, self.claim | FREE),
                _ => return,
            };
            if is_let_go {
                return;
            }
        }
    }
}

fn change_word(word: &AtomicU64, from: u64, to: u64) -> bool {
    // Release: what describes the lease, or came with the answer, is before it; Acquire: that of others.
    word.compare_exchange(from, to, Ordering::AcqRel, Ordering::Relaxed)
        .is_ok()
}

impl Shared {
    const fn lease_slots(&self) -> usize {
        self.geometry.counts.lease_slots as usize
    }

    fn lease_word(&self, slot: usize, field: usize) -> &AtomicU64 {
        self.word(self.geometry.leases + slot * LEASE_BYTES + field)
    }

    /// How often a worker has made a step that its agent is to see.
    pub(crate) fn lease_events(&self) -> u64 {
        // SeqCst: as in `journal_tail`.
        self.word(CONTROL_LEASE_EVENTS).load(Ordering::SeqCst)
    }

    /// The step of the lease in a slot when its worker has something to do, or when `timeout` has passed; alone when
    /// it is another's.
    fn wait_for_step(&self, slot: usize, timeout: Duration, is_same: impl Fn(u64) -> bool) -> LeaseStep {
        let begin = Instant::now();
        let word = self.lease_word(slot, LEASE_STATE);
        loop {
            // Acquire: pairs with the Release of the agent's answer.
            let now = word.load(Ordering::Acquire);
            let step = match step_of(now) {
                Some(step) if is_same(now) => step,
                // Somebody else's since its deadline passed.
                _ => return LeaseStep::Alone,
            };
            let left = timeout.saturating_sub(begin.elapsed());
            if !matches!(step, LeaseStep::Wanted | LeaseStep::Busy) || left.is_zero() {
                return step;
            }
            futex::wait(word, now as u32, left);
        }
    }

    /// There is something for the agent to look at.
    pub(crate) fn tell_agent(&self) {
        // SeqCst: pairs with the agent's look behind its word that it sleeps.
        self.word(CONTROL_LEASE_EVENTS).fetch_add(1, Ordering::SeqCst);
        self.wake_sleeper();
    }

    /// The claim, if the slot could be had.
    fn claim_lease(&self, slot: usize, attachment: &Attachment, now_ms: u64) -> Option<u64> {
        let word = self.lease_word(slot, LEASE_STATE);
        // Acquire: pairs with the Release of who described it.
        let now = word.load(Ordering::Acquire);
        let is_over = || self.lease_word(slot, LEASE_DEADLINE_MS).load(Ordering::Relaxed) < now_ms;
        if bits(now, 0, STEP_BITS) != FREE && (step_of(now).is_none() || !is_over()) {
            return None;
        }
        let owner = owner_of(attachment.record, attachment.incarnation);
        let turn = bits(now, 8, 24).wrapping_add(1) & mask(24);
        let claim = owner << 32 | turn << STEP_BITS;
        change_word(word, now, claim | CLAIMED).then_some(claim)
    }

    fn look_at_lease(&self, slot: usize, attachment: Option<&Attachment>) -> Option<AskedLease> {
        let state = self.lease_word(slot, LEASE_STATE);
        let mut word = state.load(Ordering::Acquire);
        if bits(word, 0, STEP_BITS) == FREE {
            return None;
        }
        if attachment.is_some_and(|attachment| self.is_worker_dead(attachment, word)) {
            let to = match step_of(word) {
                Some(LeaseStep::Wanted | LeaseStep::Busy) => code(LeaseStep::Left),
                Some(LeaseStep::Granted) => code(LeaseStep::Abandoned),
                Some(step @ (LeaseStep::Done | LeaseStep::Abandoned | LeaseStep::Left)) => code(step),
                Some(LeaseStep::Ready | LeaseStep::Alone) | None => FREE,
            };
            if change_word(state, word, claim_of(word) | to) {
                word = claim_of(word) | to;
            }
        }
        let step = step_of(word).filter(|step| !matches!(step, LeaseStep::Ready | LeaseStep::Alone))?;
        let load = |field| self.lease_word(slot, field).load(Ordering::Relaxed);
        let asked = AskedLease {
            slot,
            step,
            namespace_hash: load(LEASE_NAMESPACE),
            hash: load(LEASE_HASH),
            clock: load(LEASE_CLOCK),
            deadline_ms: load(LEASE_DEADLINE_MS),
            wish: LeaseWish::of_word(load(LEASE_PAYLOAD)),
            word,
        };
        // Acquire fence by the load: described by the same claim from beginning to end.
        (claim_of(state.load(Ordering::Acquire)) == claim_of(word)).then_some(asked)
    }

    fn is_worker_dead(&self, attachment: &Attachment, word: u64) -> bool {
        let Some(record) = (word >> 52).checked_sub(1) else {
            return true;
        };
        if record >= self.geometry.counts.records {
            return true;
        }
        let record = record as u16;
        let holder = self.record_owner(record);
        if owner_of(record, holder.incarnation()) != word >> 32 {
            return true;
        }
        self.is_dead(attachment, record, holder.incarnation(), false)
    }
}

/// As a pin names its owner: record + 1 in 12, low incarnation in 20.
const fn owner_of(record: u16, incarnation: u32) -> u64 {
    PinWord::of(LineOwner::new(record, incarnation)).0 >> 32
}
