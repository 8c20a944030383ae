//! Expiring a key: its value stays, marked as due for a refresh.
//!
//! The mark is a bit of the state word, so that whoever replaces or moves the entry loses the race or
//! takes the mark along. A fill that began before must not appear without it: one that links its entry
//! after the stamp was changed sees the stamp; one whose entry is linked and still WRITING has it marked
//! there, and goes LIVE with the mark.

use guira_shm::sync::fence_behind_change;

use crate::attach::ThreadState;
use crate::entry::Validity;
use crate::index::scan::{Pass, Step};
use crate::key::Key;
use crate::layout::entry::Kind;
use crate::layout::slot::Slot;
use crate::pin::EnginePin;
use crate::shared::Shared;
use crate::tuning::{STORE_ATTEMPTS, WRITE_PASSES};

impl Shared {
    /// Marks the key's value as stale; says whether there was one.
    pub(crate) fn expire(&self, thread: &ThreadState, key: &Key<'_>) -> bool {
        self.stamp_write(key);
        // SeqCst: the stamp changed before it, the entries are read after it; pairs with the fence of a
        // fill between its link and its look at the stamps.
        fence_behind_change();
        let mut marked = None;
        for _ in 0..STORE_ATTEMPTS {
            if self.mark_writing(thread, key, &mut marked) == Pass::Unverified {
                continue;
            }
            // An entry that is forwarded to and not LIVE yet is helped there, or its mark would be lost.
            let present = self.present(thread, key);
            if marked.is_some_and(|slot| self.has_lived(thread, key, slot)) {
                // Its mark may have been seen: what was made of it since is not to be marked again.
                return true;
            }
            match present {
                Pass::Stopped(found) => {
                    if found.state.is_soft()
                        || self.change_state(found.location, found.state, found.state.with_soft())
                    {
                        return true;
                    }
                }
                Pass::Complete => return false,
                Pass::Unverified => {}
            }
        }
        false
    }

    /// Whether the entry that `slot` named has been LIVE, or is.
    fn has_lived(&self, thread: &ThreadState, key: &Key<'_>, slot: Slot) -> bool {
        let pin = thread.engine_pin(self, EnginePin::Twin);
        self.examine(thread, pin, slot, key)
            .is_some_and(|found| match found.state.kind() {
                Kind::Live | Kind::Forward => true,
                Kind::Dead => found.state.was_live(),
                Kind::Writing => false,
            })
    }

    /// Marks every entry of the key that is on its way. (Not a conditional one: what is derived from a
    /// stale value is not stale.)
    fn mark_writing(&self, thread: &ThreadState, key: &Key<'_>, marked: &mut Option<Slot>) -> Pass<()> {
        self.verified_pass(&key.pair, WRITE_PASSES, |_, _, slot| {
            let pin = thread.engine_pin(self, EnginePin::Twin);
            let Some(found) = self.examine(thread, pin, slot, key) else {
                return Step::Continue;
            };
            let state = found.state;
            if state.kind() != Kind::Writing || state.is_conditional() || state.is_soft() {
                return Step::Continue;
            }
            // What was invalidated or expired before can be helped to LIVE, and has no value all the same.
            let is_valid = self.validity(found.location, &found.header, key.namespace) == Validity::Valid;
            if self.change_state(found.location, state, state.with_soft()) {
                if is_valid {
                    *marked = Some(slot);
                }
                Step::Continue
            } else {
                Step::Again
            }
        })
    }
}
