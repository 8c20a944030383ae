//! Killing a key's entries: remove, invalidate, and what a failed put leaves behind.

use guira_shm::mutant::Mutant;
use guira_shm::sync::{Ordering, fence};

use crate::attach::{Counter, ThreadState};
use crate::entry::{Found, Validity};
use crate::index::scan::{Pass, Step};
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

impl Shared {
    /// Removes `key`; a put that began before may still complete after it.
    pub(crate) fn remove(&self, thread: &ThreadState, key: &Key<'_>) -> bool {
        self.stamp_write(key);
        // SeqCst: the stamp changed before it, the entries are read after it; pairs with the fence
        // of a fill between its link and its look at the stamp.
        fence(Ordering::SeqCst);
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
        self.next_clock();
        // SeqCst: in one order with the loads of fills and puts.
        self.key_stamp_word(key.hash)
            .fetch_add(INVALIDATION, Ordering::SeqCst);
        // SeqCst: pairs with the fence of a put or fill between its link and its look at the stamp:
        // either it sees the stamp, or this scan sees its entry.
        if !Mutant::InvalidateWithoutFence.is_on() {
            fence(Ordering::SeqCst);
        }
        let killed = self.kill(thread, key);
        if !killed.is_certain {
            self.raise_namespace(key.namespace);
        }
        if self.is_lost() {
            self.invalidate_for_others();
        }
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

    /// Invalidates a namespace: everything born before now.
    pub(crate) fn raise_namespace(&self, namespace: u16) {
        let now = self.next_clock();
        // SeqCst: a maximum, so that of two clears the later one stands whatever their order.
        self.namespace_stamp(namespace).fetch_max(now, Ordering::SeqCst);
        if self.is_lost() {
            self.invalidate_for_others();
        }
    }

    /// Changes the key's stamp as every write does that is not an invalidation.
    pub(crate) fn stamp_write(&self, key: &Key<'_>) {
        let word = self.key_stamp_word(key.hash);
        let mut stamp = KeyStamp(word.load(Ordering::Relaxed));
        // SeqCst: in one order with the links and looks of fills.
        while let Err(now) = word.compare_exchange_weak(
            stamp.0,
            stamp.written(key.hash).0,
            Ordering::SeqCst,
            Ordering::Relaxed,
        ) {
            stamp = KeyStamp(now);
        }
    }

    /// Kills every entry of the key that is linked, WRITING ones and whole forward chains too.
    pub(crate) fn kill(&self, thread: &ThreadState, key: &Key<'_>) -> Killed {
        let mut was_present = false;
        let pass = self.verified_pass::<()>(&key.pair, WRITE_PASSES, |_, _, slot| {
            let pin = thread.engine_pin(self, EnginePin::Twin as usize);
            let Some(found) = self.examine(thread, pin, slot, key) else {
                return Step::Continue;
            };
            let end = self.kill_chain(thread, found, key);
            was_present |= end.was_present;
            if !end.is_certain {
                return Step::Again;
            }
            self.unlink(&key.pair, slot, true);
            Step::Continue
        });
        Killed {
            was_present,
            is_certain: pass == Pass::Complete,
        }
    }

    /// Kills an entry and whatever it forwards to.
    fn kill_chain(&self, thread: &ThreadState, first: Found<'_>, key: &Key<'_>) -> Killed {
        let validity = self.validity(first.location, &first.header, key.namespace);
        let mut was_present = false;
        let mut at = first;
        for hop in 0..WRITE_HOPS {
            let (state, was_live) = self.kill_one(at.pinned.block, at.location);
            // A forward to a put in progress: readers still got the old value.
            let hid_old_value = hop > 0 && state.kind() == Kind::Writing;
            was_present |= (was_live || hid_old_value) && validity == Validity::Valid;
            if state.kind() != Kind::Forward || Mutant::KillStopsAtForward.is_on() {
                return Killed {
                    was_present,
                    is_certain: true,
                };
            }
            // Alternate between two pins: the one in use must stand while the next is taken.
            let pin = if hop % 2 == 0 {
                EnginePin::Hop
            } else {
                EnginePin::Base
            };
            let pin = thread.engine_pin(self, pin as usize);
            let (location, generation) = (state.forward_location(), state.forward_generation());
            match self.examine_at(thread, pin, location, generation, key) {
                None => {
                    return Killed {
                        was_present,
                        is_certain: true,
                    };
                }
                Some(next) => at = next,
            }
        }
        // A ring: nothing LIVE is on it, and breaking it here keeps others from going round.
        let state = self.load_state(at.location);
        self.change_state(at.location, state, state.to_kind(Kind::Dead));
        Killed {
            was_present,
            is_certain: true,
        }
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
            if self.change_state(location, state, state.to_kind(Kind::Dead)) {
                let was_live = state.kind() == Kind::Live;
                if was_live {
                    self.forget_live(block, location);
                }
                return (state, was_live);
            }
        }
    }

    /// Makes an own entry that was not to go LIVE dead, even if somebody helped it there, and takes its
    /// slot away.
    pub(crate) fn abandon(&self, key: &Key<'_>, written: &Written<'_>, slot: Slot) {
        self.kill_one(written.place.block, slot.location());
        self.unlink(&key.pair, slot, true);
    }
}
