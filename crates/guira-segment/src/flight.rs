//! Flights: one computation of a key among all processes of the host.
//!
//! A flight saves work; it confers no safety (a fill's token does that). A cell names its owner, the
//! key's hash, the owner's token and a deadline. Whoever misses a key claims a cell, or joins the
//! flight that is there, or, when both cells of the hash are busy with other keys, computes without
//! coordination.
//!
//! | event | what happens |
//! |---|---|
//! | the owner finishes or gives up | owner 0, sequence + 1, waiters woken; they look again |
//! | the owner dies | a waiter's next probe finds its byte lock free; exactly one wins the cell |
//! | the deadline passes although the owner lives (stopped, slow) | exactly one waiter wins the cell; the others wait for that one |
//! | the key was invalidated after the flight began | a later miss has a newer stamp: it does not join, it takes the cell over, and waiters look again |
//!
//! Long because: a cell, and everybody who touches it.

use std::time::Duration;

use guira_shm::futex::{self, WaitOutcome};
use guira_shm::mutant::Mutant;
use guira_shm::sync::{AtomicU64, Ordering, pairing_fence, yield_now};

use crate::attach::{Attachment, Counter};
use crate::key::Key;
use crate::layout::flight::{
    FLIGHT_BYTES, FLIGHT_CLOCK, FLIGHT_DEADLINE_MS, FLIGHT_DESCRIBED, FLIGHT_FUTEX, FLIGHT_HASH,
    FLIGHT_OWNER, FLIGHT_STAMP, FLIGHT_WAITERS,
};
use crate::layout::record::LineOwner;
use crate::ops::store::Token;
use crate::shared::Shared;

/// What a miss leads to.
#[derive(Debug)]
pub enum Flight<'s> {
    /// This caller computes; others wait for it. Look once more first (`contains`): an earlier flight may
    /// have landed between the miss and this one. Fill the value, then drop the guard.
    Lead(FlightLead<'s>),
    /// Somebody else computes: wait, then look again.
    Wait(FlightWait<'s>),
    /// No cell was free: compute without coordination.
    Alone,
}

/// The right to compute a key. Dropping it wakes the waiters, who look for the value again.
#[derive(Debug)]
pub struct FlightLead<'s> {
    shared: &'s Shared,
    cell: usize,
    owner: u64,
    attachment: u64,
}

/// A computation somewhere else.
#[derive(Debug)]
pub struct FlightWait<'s> {
    shared: &'s Shared,
    cell: usize,
    owner: u64,
    attachment: u64,
    hash: u64,
    sequence: u32,
}

/// How a wait ended.
#[derive(Debug)]
pub enum FlightEnd<'s> {
    /// The computation ended, in whatever way: look for the value again.
    Landed,
    /// The computing process died or overran its deadline: this caller computes now, after another look,
    /// for it may have filled the value before it died.
    TakenOver(FlightLead<'s>),
    /// The caller's patience ended first.
    TimedOut,
}

/// What a taker says of its flight.
struct Claim {
    hash: u64,
    token: Token,
    patience: Duration,
}

/// Slices of a wait, between which the owner's life is probed.
const FIRST_SLICE_MS: u64 = 5;
const LAST_SLICE_MS: u64 = 100;
/// Slices of the thread that looks out for all of its process.
const LOOKOUT_SLICE_MS: u64 = 3;
/// Where an owner's word tells the flights of one process apart.
const FLIGHT_BITS: u64 = 0xffff << 16;
/// Rounds of claiming a cell against others.
const CLAIM_ROUNDS: u32 = 64;
/// The round after which a taker that has not described its flight is asked whether it lives.
const PROBE_ROUND: u32 = 4;

/// What a cell holds.
enum Cell {
    Free,
    /// Taken, but not yet described.
    Undescribed,
    Of {
        owner: u64,
        hash: u64,
    },
}

impl Shared {
    fn flight_word(&self, cell: usize, field: usize) -> &AtomicU64 {
        self.word(self.geometry.flights + cell * FLIGHT_BYTES + field)
    }

    /// Leads or joins the flight of `key`, whose miss gave `token`; `patience` is how long an owner
    /// may take before it is replaced.
    pub(crate) fn flight(&self, key: &Key<'_>, token: &Token, patience: Duration) -> Flight<'_> {
        let Some(attachment) = self.current_attachment() else {
            return Flight::Alone;
        };
        let cells = self.geometry.counts.flights as usize;
        let first = key.hash as usize >> 20 & (cells - 1);
        let ways = [first, (first ^ 1) & (cells - 1)];
        let claim = Claim {
            hash: key.hash,
            token: *token,
            patience,
        };
        for round in 0..CLAIM_ROUNDS {
            let mut free = None;
            let mut is_undescribed = false;
            for cell in ways {
                match self.look_at_flight(cell) {
                    Cell::Free => free = free.or(Some(cell)),
                    Cell::Undescribed => is_undescribed = true,
                    Cell::Of { owner, hash } if hash == key.hash => {
                        return self.join(cell, owner, &attachment, key, token, patience);
                    }
                    Cell::Of { .. } => {}
                }
            }
            if is_undescribed {
                // Its taker is a few instructions from saying which key it computes, unless it died there.
                if round == PROBE_ROUND {
                    for cell in ways {
                        self.end_flight_of_nobody(cell, &attachment);
                    }
                }
                yield_now();
                continue;
            }
            let Some(cell) = free else { return Flight::Alone };
            let Some(lead) = self.take_flight(cell, 0, &attachment, &claim) else {
                continue;
            };
            // Somebody may have found this cell busy a moment ago and taken the other: of two that
            // claim one way each, at least one sees the other here, lets go and joins it.
            let is_twin = ways.into_iter().filter(|&other| other != cell).any(|other| {
                !matches!(self.look_at_flight(other), Cell::Free)
                    && !matches!(self.look_at_flight(other), Cell::Of { hash, .. } if hash != key.hash)
            });
            if !is_twin || Mutant::OtherFlightCellNotLookedAt.is_on() {
                return Flight::Lead(lead);
            }
        }
        // A taker was stopped before it described its flight: a second computation does no harm.
        Flight::Alone
    }

    fn look_at_flight(&self, cell: usize) -> Cell {
        // SeqCst: in one order with the claims, so that of two twins one sees the other.
        let owner = self.flight_word(cell, FLIGHT_OWNER).load(Ordering::SeqCst);
        if owner == 0 {
            Cell::Free
        } else if self.flight_word(cell, FLIGHT_DESCRIBED).load(Ordering::Acquire) == owner {
            Cell::Of {
                owner,
                hash: self.flight_word(cell, FLIGHT_HASH).load(Ordering::Relaxed),
            }
        } else {
            Cell::Undescribed
        }
    }

    /// The owner word of a flight of `process` that follows `from`'s in the cell: two flights of one
    /// process differ in sixteen bits between record and incarnation. They are the cell's sequence, which
    /// every end raises, or one more than those of the flight that is taken over: that raises the sequence
    /// only later.
    fn flight_owner(&self, cell: usize, from: u64, process: LineOwner) -> u64 {
        let sequence = if from == 0 {
            self.flight_word(cell, FLIGHT_FUTEX).load(Ordering::Relaxed)
        } else {
            (from >> 16).wrapping_add(1)
        };
        process.0 | (sequence & 0xffff) << 16
    }

    /// Whether the cell's owner has described it, and as a flight of the key with `hash`.
    fn is_flight_of(&self, cell: usize, owner: u64, hash: u64) -> bool {
        // Acquire: pairs with the Release in `take_flight`; the description is before it.
        self.flight_word(cell, FLIGHT_DESCRIBED).load(Ordering::Acquire) == owner
            && self.flight_word(cell, FLIGHT_HASH).load(Ordering::Relaxed) == hash
    }

    fn join<'s>(
        &'s self,
        cell: usize,
        owner: u64,
        attachment: &Attachment,
        key: &Key<'_>,
        token: &Token,
        patience: Duration,
    ) -> Flight<'s> {
        // Acquire: pairs with the SeqCst addition in `wake_flight`.
        let sequence = self.flight_word(cell, FLIGHT_FUTEX).load(Ordering::Acquire) as u32;
        let flight_stamp = self.flight_word(cell, FLIGHT_STAMP).load(Ordering::Relaxed);
        let flight_clock = self.flight_word(cell, FLIGHT_CLOCK).load(Ordering::Relaxed);
        if flight_stamp != token.stamp.0 && flight_clock <= token.clock {
            // What that flight computes may be older than this miss: begin another.
            let claim = Claim {
                hash: key.hash,
                token: *token,
                patience,
            };
            if let Some(lead) = self.take_flight(cell, owner, attachment, &claim) {
                return Flight::Lead(lead);
            }
        }
        // SeqCst: counted before the sequence is compared; pairs with `wake_flight`. A killed waiter
        // leaves the count too high, which costs a wake call now and then.
        self.flight_word(cell, FLIGHT_WAITERS)
            .fetch_add(1, Ordering::SeqCst);
        Flight::Wait(FlightWait {
            shared: self,
            cell,
            owner,
            attachment: attachment.id,
            hash: key.hash,
            sequence,
        })
    }

    /// Makes the cell this process's if its owner still is `from`; describes the flight before
    /// anybody is woken.
    fn take_flight<'s>(
        &'s self,
        cell: usize,
        from: u64,
        attachment: &Attachment,
        claim: &Claim,
    ) -> Option<FlightLead<'s>> {
        let process = LineOwner::new(attachment.record, attachment.incarnation);
        let own = self.flight_owner(cell, from, process);
        // SeqCst: the last owner's writes are before, this one's after it; in one order with the looks of
        // somebody who claims the other cell.
        let owner = self.flight_word(cell, FLIGHT_OWNER);
        if Mutant::FlightTakenBlindly.is_on() {
            owner.store(own, Ordering::SeqCst);
        } else {
            owner
                .compare_exchange(from, own, Ordering::SeqCst, Ordering::Relaxed)
                .ok()?;
        }
        pairing_fence();
        self.flight_word(cell, FLIGHT_DEADLINE_MS)
            .store(self.deadline_after(claim.patience), Ordering::Relaxed);
        self.flight_word(cell, FLIGHT_CLOCK)
            .store(claim.token.clock, Ordering::Relaxed);
        self.flight_word(cell, FLIGHT_STAMP)
            .store(claim.token.stamp.0, Ordering::Relaxed);
        self.flight_word(cell, FLIGHT_HASH)
            .store(claim.hash, Ordering::Relaxed);
        // Release: pairs with the Acquire of whoever looks at the description.
        self.flight_word(cell, FLIGHT_DESCRIBED)
            .store(own, Ordering::Release);
        if from != 0 {
            self.wake_flight(cell);
        }
        Some(FlightLead {
            shared: self,
            cell,
            owner: own,
            attachment: attachment.id,
        })
    }

    fn deadline_after(&self, patience: Duration) -> u64 {
        let patience_ms = u64::try_from(patience.as_millis()).unwrap_or(u64::MAX);
        self.clock.now_ms().saturating_add(patience_ms)
    }

    /// Frees the cell if it still is `from`'s, and wakes everyone who waits for it.
    fn end_flight(&self, cell: usize, from: u64) {
        // AcqRel: as in `take_flight`.
        if self
            .flight_word(cell, FLIGHT_OWNER)
            .compare_exchange(from, 0, Ordering::AcqRel, Ordering::Relaxed)
            .is_ok()
        {
            self.wake_flight(cell);
        }
    }

    fn wake_flight(&self, cell: usize) {
        let futex_word = self.flight_word(cell, FLIGHT_FUTEX);
        // SeqCst: the sequence changes before waiters are counted; pairs with a waiter that counts
        // itself before it compares the sequence.
        futex_word.fetch_add(1, Ordering::SeqCst);
        if self.flight_word(cell, FLIGHT_WAITERS).load(Ordering::SeqCst) != 0 {
            futex::wake(futex_word, u32::MAX >> 1);
        }
    }

    /// Ends a flight that was never described if its taker is dead, or is none that there could be.
    fn end_flight_of_nobody(&self, cell: usize, attachment: &Attachment) {
        let owner = self.flight_word(cell, FLIGHT_OWNER).load(Ordering::Relaxed);
        if owner == 0 || !matches!(self.look_at_flight(cell), Cell::Undescribed) {
            return;
        }
        let taker = LineOwner(owner);
        let is_nobody = match taker.record() {
            Some(record) if u64::from(record) < self.geometry.counts.records => {
                self.is_dead(attachment, record, taker.incarnation(), true)
            }
            _ => true,
        };
        if is_nobody {
            self.end_flight(cell, owner);
        }
    }

    /// Ends every flight of a dead owner.
    pub(crate) fn release_flights(&self, owner: LineOwner) {
        for cell in 0..self.geometry.counts.flights as usize {
            let word = self.flight_word(cell, FLIGHT_OWNER).load(Ordering::Relaxed);
            if word & !FLIGHT_BITS == owner.0 {
                self.end_flight(cell, word);
            }
        }
    }

    /// Computations that are under way.
    pub(crate) fn flights_under_way(&self) -> usize {
        (0..self.geometry.counts.flights as usize)
            .filter(|&cell| self.flight_word(cell, FLIGHT_OWNER).load(Ordering::Relaxed) != 0)
            .count()
    }
}

impl Drop for FlightLead<'_> {
    fn drop(&mut self) {
        // In a forked child the flight is the parent's and goes on there.
        if self.shared.attachment.id() == self.attachment {
            self.shared.end_flight(self.cell, self.owner);
        }
    }
}

impl FlightLead<'_> {
    /// Which flight this is: the same as [`FlightWait::number`] says to those who joined it. Flights of one
    /// key differ in it, until the same process has led 65,536 others in the same cell.
    #[must_use]
    pub const fn number(&self) -> u128 {
        flight_number(self.cell, self.owner)
    }

    /// Whether somebody joined a flight of this cell and has not let go of it: what only waiters want need
    /// not be done for nobody. One that was killed counts for ever.
    #[must_use]
    pub fn is_awaited(&self) -> bool {
        // SeqCst: pairs with the addition of a waiter, as in `wake_flight`.
        self.shared
            .flight_word(self.cell, FLIGHT_WAITERS)
            .load(Ordering::SeqCst)
            != 0
    }

    /// Grants this caller `patience` from now on before another replaces it; nothing happens if one has.
    pub fn extend(&self, patience: Duration) {
        let shared = self.shared;
        if shared
            .flight_word(self.cell, FLIGHT_OWNER)
            .load(Ordering::Relaxed)
            != self.owner
        {
            return;
        }
        // A flight that takes the cell over just now may get this deadline: it is replaced earlier or later
        // than it asked for, which costs a computation or a wait, and nothing else.
        shared
            .flight_word(self.cell, FLIGHT_DEADLINE_MS)
            .store(shared.deadline_after(patience), Ordering::Relaxed);
    }
}

/// The owner words of the two cells of a key may be equal.
const fn flight_number(cell: usize, owner: u64) -> u128 {
    (cell as u128) << 64 | owner as u128
}

impl<'s> FlightWait<'s> {
    /// Which flight is waited for: see [`FlightLead::number`].
    #[must_use]
    pub const fn number(&self) -> u128 {
        flight_number(self.cell, self.owner)
    }

    /// Waits until the computation ends, its owner dies or overruns its deadline, or `timeout`
    /// passes; then it may be waited for again. The owner's life is probed at least every 100 ms, and every 3 ms by
    /// one of the threads of this process that wait, which does so for all of them.
    #[must_use]
    pub fn wait(&self, timeout: Duration) -> FlightEnd<'s> {
        let shared = self.shared;
        if let Some(thread) = shared.thread() {
            thread.count(shared, Counter::FlightsWaited);
        }
        let futex_word = shared.flight_word(self.cell, FLIGHT_FUTEX);
        let timeout_ms = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
        let end_ms = shared.clock.boot_clock().now_ms().saturating_add(timeout_ms);
        let attachment = shared.current_attachment();
        let leader = self.leader();
        if let Some(attachment) = &attachment {
            attachment.lookout.add(leader);
        }
        let mut post = None;
        let mut slice_ms = FIRST_SLICE_MS;
        let mut thorough_ms = 0;
        let mut is_overslept = false;
        loop {
            if self.has_landed() {
                if is_overslept {
                    // Who ended it may have died before it woke anybody, and those who sleep look seldom.
                    futex::wake(futex_word, u32::MAX >> 1);
                }
                return FlightEnd::Landed;
            }
            let now_ms = shared.clock.boot_clock().now_ms();
            let is_thorough = now_ms >= thorough_ms;
            if let Some(lead) = self.take_over(is_thorough) {
                return FlightEnd::TakenOver(lead);
            }
            if now_ms >= end_ms {
                return FlightEnd::TimedOut;
            }
            if is_thorough {
                thorough_ms = now_ms + slice_ms;
                slice_ms = (slice_ms * 2).min(LAST_SLICE_MS);
            }
            let mut wait_ms = (thorough_ms - now_ms).min(end_ms - now_ms);
            if let Some(attachment) = &attachment {
                post = post.or_else(|| attachment.lookout.take());
                if let Some(post) = &post {
                    shared.look_out(attachment, post, leader);
                    wait_ms = wait_ms.min(LOOKOUT_SLICE_MS);
                }
            }
            let outcome = futex::wait(futex_word, self.sequence, Duration::from_millis(wait_ms));
            is_overslept = outcome == WaitOutcome::TimedOut;
        }
    }

    /// Sleeps until the computation ends or `timeout` passes; whether it ended. The owner's life and deadline are
    /// nothing to it: for those of a crowd, of which somebody else waits by [`FlightWait::wait`] all the while.
    #[must_use]
    pub fn sleep(&self, timeout: Duration) -> bool {
        let shared = self.shared;
        let futex_word = shared.flight_word(self.cell, FLIGHT_FUTEX);
        let timeout_ms = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
        let end_ms = shared.clock.boot_clock().now_ms().saturating_add(timeout_ms);
        loop {
            if self.has_landed() {
                return true;
            }
            let left_ms = end_ms.saturating_sub(shared.clock.boot_clock().now_ms());
            if left_ms == 0 {
                return false;
            }
            futex::wait(futex_word, self.sequence, Duration::from_millis(left_ms));
        }
    }

    fn has_landed(&self) -> bool {
        let word = |field| self.shared.flight_word(self.cell, field);
        // SeqCst: compared after this waiter was counted; pairs with `wake_flight`.
        let owner = word(FLIGHT_OWNER).load(Ordering::SeqCst);
        word(FLIGHT_FUTEX).load(Ordering::SeqCst) as u32 != self.sequence || owner != self.owner
    }

    /// The process that computes: the owner's word without what tells its flights apart.
    const fn leader(&self) -> LineOwner {
        LineOwner(self.owner & !FLIGHT_BITS)
    }

    /// Takes the flight over if its owner is dead or late and nobody was faster.
    fn take_over(&self, thoroughly: bool) -> Option<FlightLead<'s>> {
        let shared = self.shared;
        let attachment = shared.current_attachment()?;
        let record = self.leader().record()?;
        let deadline_ms = shared
            .flight_word(self.cell, FLIGHT_DEADLINE_MS)
            .load(Ordering::Relaxed);
        // Before it is described the deadline is the last flight's.
        let late =
            shared.is_flight_of(self.cell, self.owner, self.hash) && shared.clock.has_passed(deadline_ms);
        if !late && !shared.is_dead(&attachment, record, self.leader().incarnation(), thoroughly) {
            return None;
        }
        let stamp = shared.key_stamp(self.hash);
        let token = Token {
            clock: shared.clock_now(),
            stamp,
            refreshes: None,
        };
        let claim = Claim {
            hash: self.hash,
            token,
            patience: TAKE_OVER_PATIENCE,
        };
        shared.take_flight(self.cell, self.owner, &attachment, &claim)
    }
}

impl Drop for FlightWait<'_> {
    fn drop(&mut self) {
        // In a forked child the waiter is the parent's.
        if self.shared.attachment.id() == self.attachment {
            // SeqCst: as where it was counted.
            self.shared
                .flight_word(self.cell, FLIGHT_WAITERS)
                .fetch_sub(1, Ordering::SeqCst);
        }
    }
}

/// What a taker-over is granted before it may be replaced in turn.
const TAKE_OVER_PATIENCE: Duration = Duration::from_secs(60);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::segment::Segment;

    #[test]
    fn a_flight_whose_taker_died_before_describing_it_is_in_nobodys_way() {
        let segment = Segment::builder().size(8 << 20).private().expect("it is small");
        let shared = &*segment.shared;
        let token = segment.fill_token(b"k");
        let cells = shared.geometry.counts.flights as usize;
        let first = segment.key(b"k").hash as usize >> 20 & (cells - 1);
        let taker = || shared.flight_word(first, FLIGHT_OWNER);
        for nobody in [LineOwner::new(0, 99).0, LineOwner::new(u16::MAX - 1, 1).0] {
            taker().store(nobody, Ordering::Relaxed);
            let Flight::Lead(lead) = segment.flight(b"k", &token, Duration::from_secs(9)) else {
                panic!("nobody computes");
            };
            drop(lead);
            assert_eq!(segment.stats().flights, 0);
        }
        // One that lives is waited for, and in the end computed beside.
        let own = shared.thread().expect("attached").owner;
        taker().store(own.0, Ordering::Relaxed);
        let flight = segment.flight(b"k", &token, Duration::from_secs(9));
        assert!(matches!(flight, Flight::Alone));
    }
}
