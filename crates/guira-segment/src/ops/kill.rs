//! Killing a key's entries: remove, invalidate, and what a failed put leaves behind.

use guira_shm::mutant::Mutant;
use guira_shm::sync::{Ordering, fence_behind_change};

use crate::attach::{Counter, ThreadState};
use crate::entry::{Found, Validity};
use crate::index::scan::{Pass, Step};
use crate::journal::RecordKind;
use crate::key::Key;
use crate::layout::control::CONTROL_CLOCK;
use crate::layout::entry::{Kind, State};
use crate::layout::slot::{Location, Slot};
use crate::layout::stamp::{INVALIDATION, KeyStamp};
use crate::log::write::Written;
use crate::pin::EnginePin;
use crate::shared::Shared;
use crate::tuning::{WRITE_HOPS, WRITE_PASSES};

/// What a kill scan did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Killed {
    /// A LIVE entry that readers could get is gone through this call.
    pub(crate) was_present: bool,
    /// The scan was verified: nothing that was there when it began is left.
    pub(crate) is_certain: bool,
}

/// What a chain came to that was followed to its end.
const fn ended(was_present: bool) -> Killed {
    Killed {
        was_present,
        is_certain: true,
    }
}

/// WRITING entries that one scan killed by their own slots; four at most, which is more than there are.
#[derive(Debug, Default)]
struct CutOff {
    locations: [Option<Location>; 4],
}

impl CutOff {
    fn push(&mut self, location: Location) {
        if let Some(place) = self.locations.iter_mut().find(|place| place.is_none()) {
            *place = Some(location);
        }
    }

    fn has(&self, location: Location) -> bool {
        self.locations.contains(&Some(location))
    }
}

impl Shared {
    /// Removes `key`; a put that began before may still complete after it.
    pub(crate) fn remove(&self, thread: &ThreadState, key: &Key<'_>) -> bool {
        self.stamp_write(key);
        // SeqCst: the stamp changed before it, the entries are read after it; pairs with the fence
        // of a fill between its link and its look at the stamp.
        fence_behind_change();
        let killed = self.kill(thread, key);
        if !killed.is_certain {
            self.raise_namespace(key.namespace);
        }
        if self.is_lost() {
            self.invalidate_for_others();
        }
        thread.count(self, Counter::Removes);
        killed.was_present
    }

    /// After it returns, no read gives a value whose put or fill began before. It cannot fail: when
    /// its scan does not verify within its bound, the whole namespace is invalidated instead.
    pub(crate) fn invalidate(&self, thread: &ThreadState, key: &Key<'_>) -> bool {
        let announce = || {
            self.announce(RecordKind::Invalidate, key.namespace, key.hash, 0)
                .1
        };
        let announced = if Mutant::StampBeforeRecord.is_on() {
            None
        } else {
            announce()
        };
        // SeqCst: in one order with the loads of fills and puts.
        self.key_stamp_word(key.hash)
            .fetch_add(INVALIDATION, Ordering::SeqCst);
        // SeqCst: pairs with the fence of a put or fill between its link and its look at the stamp:
        // either it sees the stamp, or this scan sees its entry.
        if !Mutant::InvalidateWithoutFence.is_on() {
            fence_behind_change();
        }
        let killed = self.kill(thread, key);
        if !killed.is_certain {
            self.raise_namespace(key.namespace);
        }
        if self.is_lost() {
            self.invalidate_for_others();
        }
        self.conclude(if Mutant::StampBeforeRecord.is_on() {
            announce()
        } else {
            announced
        });
        thread.count(self, Counter::Invalidations);
        killed.was_present
    }

    /// Advances the invalidation clock; returns its new value, which everything born before is below.
    pub(crate) fn next_clock(&self) -> u64 {
        // SeqCst: in one order with the stamps. Only a damaged clock wraps.
        self.word(CONTROL_CLOCK)
            .fetch_add(1, Ordering::SeqCst)
            .wrapping_add(1)
    }

    /// Invalidates a namespace: everything born before now. On this host alone.
    pub(crate) fn raise_namespace(&self, namespace: u16) {
        let now = self.next_clock();
        self.raise_namespace_to(namespace, now);
    }

    /// Invalidates everything in a namespace that was born before `now`.
    pub(crate) fn raise_namespace_to(&self, namespace: u16, now: u64) {
        // SeqCst: a maximum, so that of two clears the later one stands whatever their order.
        self.namespace_stamp(namespace).fetch_max(now, Ordering::SeqCst);
        if self.is_lost() {
            self.invalidate_for_others();
        }
    }

    /// Changes the key's stamp as every write does that is not an invalidation; gives what it made of it.
    pub(crate) fn stamp_write(&self, key: &Key<'_>) -> KeyStamp {
        let word = self.key_stamp_word(key.hash);
        let mut stamp = KeyStamp(word.load(Ordering::Relaxed));
        loop {
            let written = stamp.written(key.hash);
            // SeqCst: in one order with the links and looks of fills.
            match word.compare_exchange_weak(stamp.0, written.0, Ordering::SeqCst, Ordering::Relaxed) {
                Ok(_) => return written,
                Err(now) => stamp = KeyStamp(now),
            }
        }
    }

    /// Kills every entry of the key that is linked, WRITING ones and whole forward chains too.
    pub(crate) fn kill(&self, thread: &ThreadState, key: &Key<'_>) -> Killed {
        self.kill_born_before(thread, key, u64::MAX)
    }

    /// As `kill`, but of what was born before `limit` only, and of puts in progress through which readers get such a
    /// value.
    #[inline]
    pub(crate) fn kill_born_before(&self, thread: &ThreadState, key: &Key<'_>, limit: u64) -> Killed {
        let mut was_present = false;
        let mut cut_off = CutOff::default();
        let pass = self.verified_pass::<()>(&key.pair, WRITE_PASSES, |bucket, _, slot| {
            if Mutant::HalfKillScan.is_on() && bucket != key.pair.primary {
                return Step::Continue;
            }
            let pin = thread.engine_pin(self, EnginePin::Twin);
            let Some(found) = self.examine(thread, pin, slot, key) else {
                return Step::Continue;
            };
            let (end, is_spared) = self.kill_chain(thread, found, key, limit, &mut cut_off);
            was_present |= end.was_present;
            if !end.is_certain {
                return Step::Again;
            }
            if !is_spared {
                self.unlink(&key.pair, slot, true);
            }
            Step::Continue
        });
        Killed {
            was_present,
            is_certain: pass == Pass::Complete,
        }
    }

    /// Kills an entry and whatever it forwards to, until one that is to be spared; says whether there was one.
    fn kill_chain(
        &self,
        thread: &ThreadState,
        first: Found<'_>,
        key: &Key<'_>,
        limit: u64,
        cut_off: &mut CutOff,
    ) -> (Killed, bool) {
        let mut was_present = false;
        let mut is_base_valid = false;
        let mut is_base_old = false;
        let mut at = first;
        for hop in 0..WRITE_HOPS {
            // Of each entry its own: the first may have been cleared, or have expired, long before.
            let is_valid = self.validity(at.location, &at.header, key.namespace) == Validity::Valid;
            let is_old = at.header.birth() < limit;
            let is_spared = |kind| match kind {
                Kind::Live => !is_old,
                Kind::Writing => !is_old && !is_base_old,
                Kind::Forward | Kind::Dead => false,
            };
            if limit != u64::MAX && is_spared(self.load_state(at.location).kind()) {
                return (ended(was_present), true);
            }
            is_base_old = is_old;
            let (state, was_live) = self.kill_one(at.pinned.block, at.location);
            // A forward to a put in progress: readers still got the old value, until that put was killed
            // here or by its own slot.
            let is_put_in_progress = match state.kind() {
                Kind::Writing => true,
                Kind::Dead => cut_off.has(at.location),
                Kind::Live | Kind::Forward => false,
            };
            if hop == 0 && state.kind() == Kind::Writing {
                cut_off.push(at.location);
            }
            let hid_old_value = is_put_in_progress && is_base_valid;
            was_present |= (was_live && is_valid) || hid_old_value;
            is_base_valid = is_valid;
            if state.kind() != Kind::Forward || Mutant::KillStopsAtForward.is_on() {
                return (ended(was_present), false);
            }
            // Alternate between two pins: the one in use must stand while the next is taken.
            let pin = if hop % 2 == 0 {
                EnginePin::Hop
            } else {
                EnginePin::Base
            };
            let pin = thread.engine_pin(self, pin);
            let (location, generation) = (state.forward_location(), state.forward_generation());
            match self.examine_at(thread, pin, location, generation, key) {
                None => {
                    return (ended(was_present), false);
                }
                Some(next) => at = next,
            }
        }
        // A ring: nothing LIVE is on it, and breaking it here keeps others from going round.
        let state = self.load_state(at.location);
        self.change_state(at.location, state, state.dead());
        (ended(was_present), false)
    }

    /// Makes an entry DEAD unless it forwards to another; returns what it was, and whether it was LIVE.
    ///
    /// A FWD word stays: it may be the only way to a drainer's copy that is not linked yet, and whoever
    /// kills the same key next must be able to go it, too. With its end dead it leads to nothing.
    fn kill_one(&self, block: u32, location: Location) -> (State, bool) {
        loop {
            let state = self.load_state(location);
            if matches!(state.kind(), Kind::Dead | Kind::Forward) {
                return (state, false);
            }
            if self.change_state(location, state, state.dead()) {
                let was_live = state.kind() == Kind::Live;
                if was_live {
                    self.forget_live(block, location);
                }
                return (state, was_live);
            }
        }
    }

    /// Makes an own entry that still is WRITING dead, and takes its slot away. False if somebody helped it
    /// to LIVE: then it was stored, whatever became of it since.
    pub(crate) fn withdraw(&self, key: &Key<'_>, slot: Slot) -> bool {
        loop {
            let state = self.load_state(slot.location());
            match state.kind() {
                Kind::Live | Kind::Forward => return false,
                Kind::Dead if state.was_live() => {
                    self.unlink(&key.pair, slot, true);
                    return false;
                }
                Kind::Dead => break,
                Kind::Writing => {
                    if self.change_state(slot.location(), state, state.dead()) {
                        break;
                    }
                }
            }
        }
        self.unlink(&key.pair, slot, true);
        true
    }

    /// Makes an own entry that was not to go LIVE dead, even if somebody helped it there, and takes its
    /// slot away. Says whether it had been LIVE: then it may have been read, and the write has happened.
    pub(crate) fn abandon(&self, key: &Key<'_>, written: &Written<'_>, slot: Slot) -> bool {
        let (state, was_live) = self.kill_one(written.place.block, slot.location());
        self.unlink(&key.pair, slot, true);
        was_live || state.was_live() || state.kind() == Kind::Forward
    }
}

#[cfg(test)]
mod tests;
