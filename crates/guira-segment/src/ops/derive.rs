//! Writes that are derived from the key's present entry: replace, compare-and-swap, increment,
//! append, touch.
//!
//! The new entry is written and linked as WRITING *conditional*; the one change that decides is the
//! compare-and-swap of the present entry's state, LIVE -> FWD(new), from exactly the word that was
//! read. Of two derivations from one entry the second loses, helps the first one's entry to LIVE if
//! need be, and begins again from it: no increment is lost to a race. A drain marks
//! what it lets go; damage may hide an entry from its walk, so after the change the block's generation is
//! looked at once more: only if it is the same was the entry still there. A put, a remove or an
//! invalidation may kill the new entry before it is LIVE; then the derivation counts as having
//! happened just before.

use guira_shm::mutant::Mutant;
use guira_shm::sync::fence_behind_change;

use crate::attach::{Counter, ThreadState};
use crate::entry::{Found, Validity};
use crate::error::StoreError;
use crate::index::scan::{Pass, Step};
use crate::key::Key;
use crate::layout::block::Pool;
use crate::layout::entry::Kind;
use crate::log::write::Draft;
use crate::ops::store::{Intent, StoreOutcome, Token, pause};
use crate::pin::EnginePin;
use crate::shared::Shared;
use crate::tags::Tags;
use crate::tuning::{STORE_ATTEMPTS, WRITE_HOPS, WRITE_PASSES};

/// The entry that is to take the present one's place.
#[derive(Clone, Debug)]
pub(crate) struct Replacement {
    pub(crate) value: Vec<u8>,
    pub(crate) tags: Tags,
    pub(crate) aligned: bool,
    /// Inherited from the present entry, or `None` for a value that is new.
    pub(crate) birth: Option<u64>,
    pub(crate) hard_ms: u64,
    pub(crate) soft_ms: u64,
}

/// What is to be done with the present entry, or without one.
#[derive(Debug)]
pub(crate) enum Plan {
    /// Leave everything as it is.
    Keep,
    /// Replace the present entry, or insert where there is none.
    Write(Replacement),
}

/// How a derivation ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Derived {
    Written,
    Kept,
    Superseded,
}

impl Shared {
    /// Asks `plan` what to make of the key's present entry, until it was done without another
    /// writer in between.
    pub(crate) fn derive(
        &self,
        thread: &ThreadState,
        key: &Key<'_>,
        token: &Token,
        mut plan: impl FnMut(Option<&Found<'_>>) -> Result<Plan, StoreError>,
    ) -> Result<Derived, StoreError> {
        let mut token = *token;
        for attempt in 0..STORE_ATTEMPTS {
            let base = match self.present(thread, key) {
                Pass::Stopped(base)
                    if !self.value_is_intact(base.value_offset(), base.value_bytes(), &base.header) =>
                {
                    // A copy of damaged bytes would get a check that fits them: the entry goes.
                    thread.count(self, Counter::Damaged);
                    drop(base);
                    self.kill(thread, key);
                    continue;
                }
                Pass::Stopped(base) => Some(base),
                Pass::Complete => None,
                Pass::Unverified => {
                    pause(attempt);
                    continue;
                }
            };
            let Plan::Write(replacement) = plan(base.as_ref())? else {
                return Ok(Derived::Kept);
            };
            let done = match base {
                // Once more: what was copied from it would get a check that fits.
                Some(base)
                    if !self.value_is_intact(base.value_offset(), base.value_bytes(), &base.header) =>
                {
                    None
                }
                Some(base) => {
                    if attempt == 0 {
                        // Not each time: a drain may move the base again before it is forwarded.
                        let draft = self.derived_draft(key, &replacement, &token, true);
                        self.reclaim_for(thread, &draft);
                    }
                    self.replace_entry(thread, key, &base, &replacement, &token)?
                }
                None => self.insert_derived(thread, key, &replacement, &mut token)?,
            };
            self.check_not_lost()?;
            if let Some(derived) = done {
                return Ok(derived);
            }
            pause(attempt);
        }
        Err(StoreError::Contended {
            attempts: STORE_ATTEMPTS,
        })
    }

    fn insert_derived(
        &self,
        thread: &ThreadState,
        key: &Key<'_>,
        replacement: &Replacement,
        token: &mut Token,
    ) -> Result<Option<Derived>, StoreError> {
        let mut draft = self.derived_draft(key, replacement, token, false);
        self.reclaim_for(thread, &draft);
        draft.pool = self.choose_pool(key);
        Ok(match self.store(thread, &draft, Intent::Add, token)? {
            StoreOutcome::Stored => Some(Derived::Written),
            StoreOutcome::Superseded => {
                // An insert that depends on nothing but absence begins anew after the invalidation.
                let again = self.token(key);
                if again.clock == token.clock && again.stamp.invalidations() == token.stamp.invalidations() {
                    // There was none: a stamp is damaged, and supersedes whatever begins.
                    return Err(StoreError::Contended { attempts: 1 });
                }
                *token = again;
                None
            }
            StoreOutcome::Occupied => None,
        })
    }

    fn derived_draft<'d>(
        &self,
        key: &Key<'d>,
        replacement: &'d Replacement,
        token: &Token,
        conditional: bool,
    ) -> Draft<'d> {
        Draft {
            key: *key,
            value: [&replacement.value, &[]],
            tags: &replacement.tags,
            aligned: replacement.aligned,
            birth: replacement
                .birth
                .filter(|_| !Mutant::RebornDerivation.is_on())
                .unwrap_or(token.clock),
            hard_ms: replacement.hard_ms,
            soft_ms: replacement.soft_ms,
            pool: Pool::Admission,
            conditional,
        }
    }

    fn replace_entry(
        &self,
        thread: &ThreadState,
        key: &Key<'_>,
        base: &Found<'_>,
        replacement: &Replacement,
        token: &Token,
    ) -> Result<Option<Derived>, StoreError> {
        let mut draft = self.derived_draft(key, replacement, token, true);
        draft.pool = self.choose_pool(key);
        let written = self.write(thread, &draft)?;
        let slot = written.slot(self, key.pair.tag);
        if !self.link(thread, &key.pair, slot) {
            self.abandon(key, &written, slot);
            return Ok(None);
        }
        self.stamp_write(key);
        // SeqCst: as in a put, between the link and the look at the stamps.
        fence_behind_change();
        if replacement.birth.is_none() && !self.is_current(&draft, token, Intent::Put) {
            self.abandon(key, &written, slot);
            return Ok(Some(Derived::Superseded));
        }
        // Killed by a writer that found nothing forwarded to it: forwarded to what is DEAD, the present entry would
        // be gone with it.
        if self.load_state(slot.location()) != written.state {
            self.abandon(key, &written, slot);
            return Ok(None);
        }
        // A scan that read the new entry's place before the link must not meet the present entry only
        // when its block is gone or its slot taken: it sees the counter, and looks again.
        if !Mutant::ForwardWithoutBump.is_on() {
            self.bump_moves(&key.pair);
        }
        let forwarded = base.state.forwarded(slot.location(), slot.generation());
        if !self.change_state(base.location, base.state, forwarded) && !Mutant::LostDerivation.is_on() {
            self.abandon(key, &written, slot);
            return Ok(None);
        }
        // The base's block may have been retired before: a drain marks what it lets go, but damage may
        // hide an entry from its walk, and what was done to the key since then must not be undone by a copy. Whoever
        // helped the new entry, though, reached it through the base, so the base stood.
        if !self.still_stands(&base.pinned)
            && self.change_state(slot.location(), written.state, written.state.dead())
        {
            self.unlink(&key.pair, slot, true);
            return Ok(None);
        }
        self.count_then_live(
            written.place.block,
            written.entry_bytes,
            slot.location(),
            written.state,
        );
        self.unlink(&key.pair, base.slot(self, key.pair.tag), false);
        // Only now: a block that counts no live entry is dropped without a walk.
        self.forget_live(base.pinned.block, base.location);
        Ok(Some(Derived::Written))
    }

    /// The LIVE and valid entry of the key, by a verified pass, pinned as `Base`. An entry that was
    /// forwarded to and is not LIVE yet is helped.
    pub(crate) fn present<'s>(&'s self, thread: &ThreadState, key: &Key<'_>) -> Pass<Found<'s>> {
        self.verified_pass(&key.pair, WRITE_PASSES, |_, _, slot| {
            let pin = thread.engine_pin(self, EnginePin::Base);
            let Some(found) = self.examine(thread, pin, slot, key) else {
                return Step::Continue;
            };
            match found.state.kind() {
                Kind::Live => self.present_if_valid(found, key),
                Kind::Forward => self.present_through(thread, found, key),
                Kind::Writing | Kind::Dead => Step::Continue,
            }
        })
    }

    fn present_if_valid<'s>(&'s self, found: Found<'s>, key: &Key<'_>) -> Step<Found<'s>> {
        if self.validity(found.location, &found.header, key.namespace) == Validity::Valid {
            Step::Stop(found)
        } else if self.is_live(&found) || Mutant::InvalidIsGone.is_on() {
            Step::Continue
        } else {
            // Replaced, perhaps before it was invalidated, by what this pass may have missed.
            Step::Again
        }
    }

    fn present_through<'s>(
        &'s self,
        thread: &ThreadState,
        found: Found<'s>,
        key: &Key<'_>,
    ) -> Step<Found<'s>> {
        let mut found = found;
        for _ in 0..WRITE_HOPS {
            let (location, generation) = (found.state.forward_location(), found.state.forward_generation());
            let hop = thread.engine_pin(self, EnginePin::Hop);
            let Some(next) = self.examine_at(thread, hop, location, generation, key) else {
                return Step::Continue;
            };
            if next.state.kind() == Kind::Writing {
                self.help(&next, next.state);
            }
            drop(found);
            let base = thread.engine_pin(self, EnginePin::Base);
            let Some(moved) = self.examine_at(thread, base, location, generation, key) else {
                return Step::Again;
            };
            drop(next);
            match moved.state.kind() {
                Kind::Live => return self.present_if_valid(moved, key),
                Kind::Forward => found = moved,
                Kind::Writing => return Step::Again,
                Kind::Dead => return Step::Continue,
            }
        }
        // A ring leads to nothing that is LIVE.
        Step::Continue
    }
}
