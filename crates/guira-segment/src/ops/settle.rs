//! Settling the twins of an entry that is about to go LIVE.
//!
//! The writer has linked its entry as WRITING and now makes whole verified passes over the pair
//! until one in which nothing moved and no compare-and-swap failed; only then may it go LIVE. Any
//! twin linked later finds this writer's entry in its own pass. Per twin:
//!
//! | twin is | a put | a careful writer (add, fill, insert of a counter) |
//! |---|---|---|
//! | WRITING | leaves it if anything is forwarded to the own entry; otherwise kills it after the pass, and looks again | the same |
//! | LIVE and valid | forwards it to its own | yields: the key exists (a refresh forwards the one it refreshes) |
//! | LIVE, expired or invalidated | forwards it | kills it: forwarded, it would let others help the own entry, which may have to give up |
//! | FWD to WRITING | helps the target to LIVE, and looks again | the same |
//! | FWD to another | treats the target the same | treats the target the same |
//! | DEAD | clears the slot | clears the slot |
//!
//! **What is forwarded to is never killed here**, for what forwards to it would be gone with it although
//! nobody removed it. So a WRITING twin may be killed only where nothing LIVE stands that it could be
//! given, and need only be killed there: call a writer *settled* once it has made its last pass. A
//! settled entry that nothing forwards to met no LIVE entry, and whoever is linked after it and goes
//! LIVE first met none either, and killed it. So where something is forwarded to the own entry, every
//! other WRITING one that nothing forwards to has its pass still before it: it will find the own entry,
//! help it, and come after it. (Two puts that killed what was forwarded to the other made one read in
//! ten million of a contended key a miss.)
//!
//! Helping is safe: an entry is forwarded to only after its writer had linked it and looked at the
//! stamps, so whoever invalidates later finds it by its slot or through the forward.

use crate::attach::ThreadState;
use crate::entry::{Found, Validity};
use crate::index::scan::{Pass, Step};
use crate::key::Key;
use crate::layout::entry::{Kind, State};
use crate::layout::slot::{Location, Slot};
use crate::ops::store::{Intent, Token};
use crate::pin::EnginePin;
use crate::shared::Shared;
use crate::tuning::{WRITE_HOPS, WRITE_PASSES};
use guira_shm::mutant::Mutant;

/// Rounds of looking again after others' entries were killed.
const SETTLE_ROUNDS: u32 = 16;

/// How a writer treats its twins.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Manner {
    /// A put: whatever is there gives way.
    Override,
    /// A look, changing nothing but what must be helped: is there a valid LIVE entry?
    Look,
    /// An add or fill: yields to a valid LIVE entry, but for the one it refreshes.
    Yield { refreshes: Option<(Location, u16)> },
}

/// What is left to do once the own entry is LIVE: slots to clear, and values that it took the place of, which
/// their blocks count as live until then. (A block that counts none is dropped without a walk, and with it
/// the way to what is not LIVE yet.)
#[derive(Debug, Default)]
pub(crate) struct Leftovers {
    slots: [Option<(Slot, bool)>; 4],
    count: usize,
    given: [Option<Given>; 2],
}

/// A value that was forwarded to the own entry.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Given {
    pub(crate) block: u32,
    pub(crate) generation: u32,
    pub(crate) entry_bytes: usize,
}

impl Leftovers {
    /// Of a single value that was replaced.
    pub(crate) fn of(slot: Slot, given: Given) -> Self {
        let mut leftovers = Self {
            given: [Some(given), None],
            ..Self::default()
        };
        leftovers.push(slot, false);
        leftovers
    }

    #[cfg(test)]
    pub(crate) fn given(&self) -> Option<Given> {
        self.given[0]
    }

    fn push(&mut self, slot: Slot, entry_is_dead: bool) {
        // More than four are left to the sweep: they are harmless hints.
        if let Some(place) = self.slots.get_mut(self.count) {
            *place = Some((slot, entry_is_dead));
            self.count += 1;
        }
    }
}

/// What settling came to. Unless the own entry may go LIVE it is to be withdrawn first, and what it took the
/// place of forgotten then: a writer that dies in between must leave it counted.
#[derive(Debug)]
pub(crate) enum Settled {
    /// Go LIVE, then clear these.
    Ready(Leftovers),
    /// A valid LIVE entry of the key stands.
    Occupied(Leftovers),
    /// The bound of passes was reached.
    Contended(Leftovers),
    /// Another writer killed the own entry; what is LIVE was left alone.
    Killed(Leftovers),
}

enum Twin {
    /// No longer in the way; its slot may go, with or without raising the move counter.
    Settled {
        entry_is_dead: bool,
    },
    /// In nobody's way, and not to be touched.
    Ignored,
    /// Forwards to the own entry, by this pass or since an earlier one.
    Given(Option<Given>),
    /// Another writer's, that nothing forwards to (yet).
    Orphan,
    /// Another writer was faster: look again.
    Raced,
    /// The own entry is not WRITING any more: going LIVE will tell what became of it.
    OwnDecided,
    /// The own entry was killed, and nothing is forwarded to it.
    OwnKilled,
    Occupied,
}

impl Shared {
    /// Settles as `intent` does.
    pub(crate) fn settle_for(
        &self,
        thread: &ThreadState,
        key: &Key<'_>,
        own: Slot,
        intent: Intent,
        token: &Token,
        given: Option<Given>,
    ) -> Settled {
        if intent == Intent::Put {
            if Mutant::UnsettledPut.is_on() {
                return Settled::Ready(Leftovers::default());
            }
            return self.settle_on(thread, key, own, Manner::Override, given);
        }
        let refreshes = token.refreshes;
        if refreshes.is_none() {
            // Nothing may be killed before it is certain that no LIVE entry stands.
            match self.settle(thread, key, own, Manner::Look) {
                Settled::Ready(_) => {}
                other => return other,
            }
        }
        self.settle(thread, key, own, Manner::Yield { refreshes })
    }

    /// Settles every twin of `own`.
    pub(crate) fn settle(&self, thread: &ThreadState, key: &Key<'_>, own: Slot, manner: Manner) -> Settled {
        self.settle_on(thread, key, own, manner, None)
    }

    /// As `settle`, of an entry that a value was forwarded to already.
    pub(crate) fn settle_on(
        &self,
        thread: &ThreadState,
        key: &Key<'_>,
        own: Slot,
        manner: Manner,
        given: Option<Given>,
    ) -> Settled {
        // Stays so: whoever saw the forward may have helped the own entry since.
        let mut is_given = given.is_some();
        let mut given = [given, None];
        for _ in 0..SETTLE_ROUNDS {
            let mut leftovers = Leftovers::default();
            let mut orphans = Leftovers::default();
            let pass = self.verified_pass(&key.pair, WRITE_PASSES, |_, _, slot| {
                if slot == own {
                    return Step::Continue;
                }
                let pin = thread.engine_pin(self, EnginePin::Twin);
                let Some(found) = self.examine(thread, pin, slot, key) else {
                    return Step::Continue;
                };
                match self.settle_twin(thread, found, key, own, manner) {
                    Twin::Settled { entry_is_dead } => {
                        if manner != Manner::Look {
                            leftovers.push(slot, entry_is_dead);
                        }
                        Step::Continue
                    }
                    Twin::Ignored => Step::Continue,
                    Twin::Given(now) => {
                        is_given = true;
                        // Two values may stand, for a moment. A third one stays counted while its block lasts.
                        if let Some(free) = given.iter_mut().find(|place| place.is_none()) {
                            *free = now;
                        }
                        leftovers.push(slot, false);
                        Step::Continue
                    }
                    Twin::Orphan => {
                        orphans.push(slot, true);
                        Step::Continue
                    }
                    Twin::Raced if Mutant::RacedTwinIsSettled.is_on() => Step::Continue,
                    Twin::Raced => Step::Again,
                    Twin::Occupied => Step::Stop(Settled::Occupied(Leftovers::default())),
                    Twin::OwnDecided => Step::Stop(Settled::Ready(Leftovers::default())),
                    Twin::OwnKilled => Step::Stop(Settled::Killed(Leftovers::default())),
                }
            });
            leftovers.given = given;
            match pass {
                Pass::Complete if orphans.count == 0 || is_given => return Settled::Ready(leftovers),
                Pass::Complete => {
                    if self.load_state(own.location()).kind() != Kind::Writing {
                        // Killed: going LIVE will fail, and its writer looks why.
                        return Settled::Ready(leftovers);
                    }
                    self.kill_orphans(thread, key, &orphans);
                    continue;
                }
                // The slots are whose who decided it.
                Pass::Stopped(Settled::Ready(nothing)) => {
                    return Settled::Ready(Leftovers { given, ..nothing });
                }
                Pass::Stopped(Settled::Occupied(_)) => return Settled::Occupied(leftovers),
                Pass::Stopped(Settled::Killed(_)) => return Settled::Killed(leftovers),
                Pass::Stopped(Settled::Contended(_)) | Pass::Unverified => break,
            }
        }
        Settled::Contended(Leftovers {
            given,
            ..Leftovers::default()
        })
    }

    /// What the own entry took the place of need not be counted any more: the own entry is LIVE or dead.
    pub(crate) fn forget_leftovers(&self, thread: &ThreadState, key: &Key<'_>, leftovers: &Leftovers) {
        if leftovers.given.iter().any(Option::is_some) && !Mutant::ClearWithoutBump.is_on() {
            // Its slot may stand, or have been cleared by another before the own entry was LIVE. A scan that met
            // the own entry then, and the old one when its block is gone, must look again.
            self.bump_moves(&key.pair);
        }
        for given in leftovers.given.iter().flatten() {
            self.forget_given(thread, given);
        }
    }

    fn forget_given(&self, thread: &ThreadState, given: &Given) {
        // Pinned: another generation's count must not suffer.
        let pinned = self.pin_block(thread, thread.engine_pin(self, EnginePin::Twin), given.block);
        if pinned.word.is_readable() && pinned.word.generation() == given.generation {
            self.uncount_live(given.block, given.entry_bytes);
        }
    }

    /// Kills entries of other writers after a whole pass that met no LIVE entry and nothing forwarded to
    /// them, while the own entry still was WRITING. What a conditional one was derived from is gone for
    /// good: an entry that went LIVE meanwhile would have killed the own one first.
    fn kill_orphans(&self, thread: &ThreadState, key: &Key<'_>, orphans: &Leftovers) {
        for (slot, _) in orphans.slots.iter().flatten() {
            let pin = thread.engine_pin(self, EnginePin::Twin);
            if let Some(found) = self.examine(thread, pin, *slot, key)
                && found.state.kind() == Kind::Writing
            {
                self.change_state(found.location, found.state, found.state.dead());
            }
        }
    }

    fn settle_twin(
        &self,
        thread: &ThreadState,
        first: Found<'_>,
        key: &Key<'_>,
        own: Slot,
        manner: Manner,
    ) -> Twin {
        let mut at = first;
        for hop in 0..WRITE_HOPS {
            let state = self.load_state(at.location);
            match state.kind() {
                Kind::Dead => {
                    return Twin::Settled {
                        entry_is_dead: hop == 0,
                    };
                }
                Kind::Writing => return self.settle_writing(&at, state, hop > 0, manner),
                Kind::Live => return self.settle_live(&at, state, key, own, manner),
                Kind::Forward => {}
            }
            let (location, generation) = (state.forward_location(), state.forward_generation());
            if location == own.location() {
                return if generation == own.generation() {
                    Twin::Given(None)
                } else {
                    // To what was there before.
                    Twin::Settled { entry_is_dead: false }
                };
            }
            // Alternate between two pins: the one in use must stand while the next is taken.
            let pin = if hop % 2 == 0 {
                EnginePin::Hop
            } else {
                EnginePin::Read
            };
            let pin = thread.engine_pin(self, pin);
            match self.examine_at(thread, pin, location, generation, key) {
                None => return Twin::Settled { entry_is_dead: false },
                Some(next) => at = next,
            }
        }
        // A ring leads to nothing that is LIVE.
        Twin::Settled { entry_is_dead: false }
    }

    fn settle_writing(&self, twin: &Found<'_>, state: State, is_forwarded_to: bool, manner: Manner) -> Twin {
        if is_forwarded_to {
            self.help(twin, state);
            // Whatever it is now is seen in the next pass.
            return Twin::Raced;
        }
        match manner {
            Manner::Look => Twin::Ignored,
            Manner::Override | Manner::Yield { .. } if Mutant::OrphansAreLeft.is_on() => Twin::Ignored,
            Manner::Override | Manner::Yield { .. } => Twin::Orphan,
        }
    }

    fn settle_live(&self, twin: &Found<'_>, state: State, key: &Key<'_>, own: Slot, manner: Manner) -> Twin {
        let is_valid = self.validity(twin.location, &twin.header, key.namespace) == Validity::Valid;
        match manner {
            Manner::Look => return if is_valid { Twin::Occupied } else { Twin::Ignored },
            Manner::Yield { refreshes } if is_valid => {
                if refreshes != Some((twin.location, state.self_generation())) {
                    return Twin::Occupied;
                }
            }
            Manner::Yield { .. } => return self.kill_invalid(twin, state),
            Manner::Override => {}
        }
        match self.load_state(own.location()).kind() {
            Kind::Writing => {}
            _ if Mutant::OwnEntryNotLookedAt.is_on() => {}
            // Helped to LIVE, and perhaps replaced since: the twin may be newer, and to forward it to the
            // own entry could make two entries forward to each other.
            Kind::Live | Kind::Forward => return Twin::OwnDecided,
            // Forwarded to a dead entry the twin would be gone, though its writer had done nothing yet.
            Kind::Dead => return Twin::OwnKilled,
        }
        if self.change_state(
            twin.location,
            state,
            state.forwarded(own.location(), own.generation()),
        ) {
            Twin::Given(Some(Given {
                block: twin.pinned.block,
                generation: twin.pinned.word.generation(),
                entry_bytes: twin.entry_bytes(),
            }))
        } else {
            Twin::Raced
        }
    }

    fn kill_invalid(&self, twin: &Found<'_>, state: State) -> Twin {
        if !self.change_state(twin.location, state, state.dead()) {
            return Twin::Raced;
        }
        self.forget_live(twin.pinned.block, twin.location);
        Twin::Settled { entry_is_dead: true }
    }

    /// Makes a WRITING entry that is forwarded to LIVE, on behalf of its writer.
    pub(crate) fn help(&self, entry: &Found<'_>, state: State) {
        self.count_then_live(entry.pinned.block, entry.entry_bytes(), entry.location, state);
    }

    /// Clears the slots of settled twins, now that the own entry is LIVE.
    pub(crate) fn clear_leftovers(&self, thread: &ThreadState, key: &Key<'_>, leftovers: &Leftovers) {
        for (slot, entry_is_dead) in leftovers.slots.iter().flatten() {
            self.unlink(&key.pair, *slot, *entry_is_dead);
        }
        // Only now: a block that counts nothing is dropped, and a scan that met the slot before must look again.
        self.forget_leftovers(thread, key, leftovers);
    }
}
