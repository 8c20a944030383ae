//! The one path of every write that does not depend on the key's present value: put, add, fill.
//!
//! 1. take a token: the invalidation clock and the key's stamp (a fill brings its own);
//! 2. write the entry, state WRITING, and link it;
//! 3. change the key's stamp (a fill does not), full fence;
//! 4. look at the stamps: what was invalidated after the token supersedes this write;
//! 5. settle the twins, look at the stamps again. A fill that has forwarded the value it refreshes looks
//!    for invalidations only: to give up would take that value along, and who writes the key finds it.
//!    Any other fill looks for writes too: one derived from a value that stood in 4 kills no twins, and
//!    what it made may be evicted or past its deadline by now;
//! 6. WRITING -> LIVE, then clear the slots of what was replaced.
//!
//! Either the writer sees an invalidation's stamp in 4 or 5, or the invalidation's scan, which comes
//! after its stamp, sees the linked entry: a value older than an `invalidate` never becomes visible
//! after it returned.
//!
//! A write that finds itself killed while it settles leaves what is LIVE alone and begins anew, after
//! a pause that grows: what it had forwarded to its dead entry would be a miss for readers although
//! nobody had removed the key. (Two puts that killed each other and went on settling made one read in
//! ten thousand of a contended key a miss.) One that is killed after its last look at the stamps looks
//! once: a raised stamp means superseded; otherwise a put tries again (an add may have killed it, which
//! found no value, so the put cannot count as overwritten), and an add or fill yields to what is LIVE.
//! One that somebody helped to LIVE has happened, whatever became of it since: a DEAD word tells
//! whether its entry had been LIVE.

use guira_shm::mutant::Mutant;
use guira_shm::sync::{Ordering, fence_behind_change, yield_now};

use crate::attach::{Counter, ThreadState};
use crate::error::StoreError;
use crate::key::Key;
use crate::layout::entry::Kind;
use crate::layout::slot::{Location, Slot};
use crate::layout::stamp::{KeyStamp, MAX_CLOCK_DISTANCE};
use crate::log::write::{Draft, Written};
use crate::ops::only_twin::{OnlyTwin, Replaced};
use crate::ops::settle::{Leftovers, Settled};
use crate::pin::EnginePin;
use crate::shared::Shared;
use crate::tuning::STORE_ATTEMPTS;

/// What a computation must not be older than.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Token {
    pub(crate) clock: u64,
    pub(crate) stamp: KeyStamp,
    /// The stale entry that the computation is to replace.
    pub(crate) refreshes: Option<(Location, u16)>,
}

/// Why a value is stored.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Intent {
    Put,
    Add,
    Fill,
}

/// How it went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum StoreOutcome {
    Stored,
    Superseded,
    Occupied,
}

impl Shared {
    /// The token of a computation that begins now.
    pub(crate) fn token(&self, key: &Key<'_>) -> Token {
        // The clock first: whatever is invalidated between the two loads only makes it older.
        let clock = self.clock_now();
        Token {
            clock,
            stamp: self.key_stamp(key.hash),
            refreshes: None,
        }
    }

    /// Whether nothing that touches the key was invalidated (for a fill: or written) since `token`.
    pub(crate) fn is_current(&self, draft: &Draft<'_>, token: &Token, intent: Intent) -> bool {
        let stamp = self.key_stamp(draft.key.hash);
        let stamp_allows = match intent {
            Intent::Fill => token.stamp.allows_fill(stamp, draft.key.hash) || Mutant::StampBlindFill.is_on(),
            Intent::Put | Intent::Add => token.stamp.invalidations() == stamp.invalidations(),
        };
        // Acquire: pairs with the SeqCst maximum that raised a stamp; the caller's fence is before it.
        stamp_allows
            && self.clock_now().wrapping_sub(token.clock) < MAX_CLOCK_DISTANCE
            && draft.birth >= self.floor()
            && draft.birth >= self.namespace_stamp(draft.key.namespace).load(Ordering::Acquire)
            && draft
                .tags
                .hashes()
                .all(|hash| draft.birth >= self.tag_stamp(hash).load(Ordering::Acquire))
    }

    /// Stores `draft`. A put that fails, or is superseded, has removed what it was to replace.
    pub(crate) fn store(
        &self,
        thread: &ThreadState,
        draft: &Draft<'_>,
        intent: Intent,
        token: &Token,
    ) -> Result<StoreOutcome, StoreError> {
        let result = self.try_store(thread, draft, intent, token);
        if result == Err(StoreError::NoSpace) {
            thread.count(self, Counter::NoSpace);
        }
        let is_stored = matches!(result, Ok(StoreOutcome::Stored | StoreOutcome::Occupied));
        if !is_stored && intent == Intent::Put {
            // Superseded too: the stamp may have moved for another key that shares it, and then the
            // old value is still there.
            self.remove(thread, &draft.key);
        }
        if self.is_lost() {
            // What was stored is nobody's.
            return Err(self.truncated());
        }
        result
    }

    fn try_store(
        &self,
        thread: &ThreadState,
        draft: &Draft<'_>,
        intent: Intent,
        token: &Token,
    ) -> Result<StoreOutcome, StoreError> {
        let key = &draft.key;
        let mut stamped = intent == Intent::Fill;
        for attempt in 0..STORE_ATTEMPTS {
            let written = self.write(thread, draft)?;
            let slot = written.slot(self, key.pair.tag);
            if !self.link(thread, &key.pair, slot) {
                self.abandon(key, &written, slot);
                pause(attempt);
                continue;
            }
            if !stamped {
                self.stamp_write(key);
                stamped = true;
            }
            // SeqCst: the link is before it, the stamps are read after it; pairs with the fence of
            // `invalidate` between its stamp and its scan.
            if !Mutant::StoreWithoutFence.is_on() {
                fence_behind_change();
            }
            match self.go_live(thread, draft, token, intent, &written, slot) {
                Step::Done(outcome) => return Ok(outcome),
                Step::Retry => {
                    thread.count(self, Counter::Retries);
                    pause(attempt);
                }
            }
        }
        Err(StoreError::Contended {
            attempts: STORE_ATTEMPTS,
        })
    }

    fn go_live(
        &self,
        thread: &ThreadState,
        draft: &Draft<'_>,
        token: &Token,
        intent: Intent,
        written: &Written<'_>,
        slot: Slot,
    ) -> Step {
        let key = &draft.key;
        if !Mutant::NoFirstLookAtStamps.is_on() && !self.is_current(draft, token, intent) {
            self.abandon(key, written, slot);
            return Step::Done(StoreOutcome::Superseded);
        }
        self.settle_and_go_live(thread, draft, token, intent, written, slot)
    }

    fn settle_and_go_live(
        &self,
        thread: &ThreadState,
        draft: &Draft<'_>,
        token: &Token,
        intent: Intent,
        written: &Written<'_>,
        slot: Slot,
    ) -> Step {
        let key = &draft.key;
        let mut given = None;
        if intent == Intent::Put && !Mutant::UnsettledPut.is_on() {
            match self.settle_only_twin(thread, key, slot) {
                OnlyTwin::Other(already) => given = already,
                OnlyTwin::Settled(replaced) => {
                    if self.is_current(draft, token, intent)
                        && self.count_then_live(
                            written.place.block,
                            written.entry_bytes,
                            written.place.location,
                            written.state,
                        )
                    {
                        if let Some(replaced) = replaced {
                            self.clear_replaced(key, &replaced);
                        }
                        return Step::Done(StoreOutcome::Stored);
                    }
                    let leftovers = replaced.map_or_else(Leftovers::default, Replaced::into_leftovers);
                    return self.finish(thread, draft, token, intent, written, slot, &leftovers);
                }
            }
        }
        let leftovers = match self.settle_for(thread, key, slot, intent, token, given) {
            Settled::Ready(leftovers) => leftovers,
            Settled::Occupied(leftovers) => {
                return self.give_up(thread, key, slot, &leftovers, Step::Done(StoreOutcome::Occupied));
            }
            // Killed: what is LIVE may be older than this put: it says nothing of who the killer was.
            Settled::Contended(leftovers) | Settled::Killed(leftovers) => {
                return self.give_up(thread, key, slot, &leftovers, Step::Retry);
            }
        };
        self.finish(thread, draft, token, intent, written, slot, &leftovers)
    }

    /// Withdraws the own entry, and says what that means: `withdrawn`, unless somebody had helped it. What was
    /// helped to LIVE has been stored, and what stands now came after it: to do it again, or to derive from
    /// it, would be to do it twice.
    fn give_up(
        &self,
        thread: &ThreadState,
        key: &Key<'_>,
        slot: Slot,
        leftovers: &Leftovers,
        withdrawn: Step,
    ) -> Step {
        let is_withdrawn = self.withdraw(key, slot);
        self.forget_leftovers(thread, key, leftovers);
        if is_withdrawn {
            withdrawn
        } else {
            Step::Done(StoreOutcome::Stored)
        }
    }

    /// Looks at the stamps once more, goes LIVE, and clears what was replaced.
    #[expect(clippy::too_many_arguments, reason = "the second half of one function")]
    fn finish(
        &self,
        thread: &ThreadState,
        draft: &Draft<'_>,
        token: &Token,
        intent: Intent,
        written: &Written<'_>,
        slot: Slot,
        leftovers: &Leftovers,
    ) -> Step {
        let key = &draft.key;
        let again = match intent {
            Intent::Fill if !self.stands_for(thread, key, slot, token) => intent,
            Intent::Fill | Intent::Put => Intent::Put,
            Intent::Add => Intent::Add,
        };
        if !self.is_current(draft, token, again) {
            // A put that was helped to LIVE has happened, and was invalidated after: to remove the key now
            // would be to do something twice. (Of the others nothing follows, and they may have been helped
            // only after they were invalidated.)
            let has_happened = self.abandon(key, written, slot) && intent == Intent::Put;
            self.forget_leftovers(thread, key, leftovers);
            return Step::Done(if has_happened {
                StoreOutcome::Stored
            } else {
                StoreOutcome::Superseded
            });
        }
        let location = written.place.location;
        let mut state = written.state;
        loop {
            if self.count_then_live(written.place.block, written.entry_bytes, location, state) {
                break;
            }
            state = self.load_state(location);
            match state.kind() {
                // Marked as stale on its way: it goes LIVE with the mark.
                Kind::Writing => {}
                Kind::Dead => {
                    self.unlink(&key.pair, slot, true);
                    if state.was_live() && !Mutant::WrittenTwice.is_on() {
                        // Helped to LIVE and removed since: a write happens once.
                        break;
                    }
                    self.forget_leftovers(thread, key, leftovers);
                    return self.after_kill(thread, key, token, intent);
                }
                // A helper was faster, and has counted the entry.
                Kind::Live | Kind::Forward => break,
            }
        }
        self.clear_leftovers(thread, key, leftovers);
        // Whatever became of it since, it is not put again: it may have been read, replaced and removed by now.
        Step::Done(StoreOutcome::Stored)
    }

    /// Whether a fill has taken the place of the value that it refreshes, or was helped or killed. If so no
    /// write that was complete before is in its way, and to give up would take that value along.
    fn stands_for(&self, thread: &ThreadState, key: &Key<'_>, own: Slot, token: &Token) -> bool {
        if Mutant::FillLooksOnce.is_on() || self.load_state(own.location()).kind() != Kind::Writing {
            return true;
        }
        let Some((location, generation)) = token.refreshes else {
            return false;
        };
        let pin = thread.engine_pin(self, EnginePin::Twin);
        self.examine_at(thread, pin, location, generation, key)
            .is_some_and(|refreshed| {
                let state = refreshed.state;
                state.kind() == Kind::Forward
                    && state.forward_location() == own.location()
                    && state.forward_generation() == own.generation()
            })
    }

    fn after_kill(&self, thread: &ThreadState, key: &Key<'_>, token: &Token, intent: Intent) -> Step {
        if self.key_stamp(key.hash).invalidations() != token.stamp.invalidations() {
            return Step::Done(StoreOutcome::Superseded);
        }
        let pin = thread.engine_pin(self, EnginePin::Read);
        match (self.find(thread, pin, key), intent) {
            // Whoever killed it may have been an add or a fill, which found no value: the put comes after it.
            (Some(_), Intent::Put) => Step::Retry,
            (Some(_), Intent::Add | Intent::Fill) => Step::Done(StoreOutcome::Occupied),
            (None, _) => Step::Retry,
        }
    }
}

enum Step {
    Done(StoreOutcome),
    Retry,
}

/// Waits a little longer with each attempt, so that of two writers that kill each other one gets
/// through. Never for another process: there is nothing to wait for.
pub(crate) fn pause(attempt: u32) {
    if attempt < 6 {
        for _ in 0..(1_u32 << attempt) * (1 + std::process::id() % 3) {
            std::hint::spin_loop();
        }
    } else {
        yield_now();
    }
}

#[cfg(test)]
mod tests {
    use super::{Intent, Step, StoreOutcome};
    use crate::computing::{FillToken, Lookup};
    use crate::expiry::Expiry;
    use crate::log::write::Draft;
    use crate::modify::Replace;
    use crate::ops::settle::{Manner, Settled};
    use crate::options::PutOptions;
    use crate::pin::EnginePin;
    use crate::segment::Segment;
    use crate::tags::Tags;

    static NO_TAGS: Tags = Tags::NONE;

    /// The key has a value, and a computation of it begins. The fill is linked and has looked at the stamps
    /// once; then `write` happens, and what it made is evicted.
    fn fill_around(
        write: impl FnOnce(&Segment) + Send,
        token: impl FnOnce(&Segment) -> FillToken,
    ) -> StoreOutcome {
        let segment = Segment::builder().size(8 << 20).private().expect("it is small");
        segment.put(b"key", b"1", Expiry::never()).expect("there is room");
        let shared = &*segment.shared;
        let thread = shared.thread().expect("this process is attached");
        let key = segment.key(b"key");
        let token = token(&segment).token;
        let draft = Draft::for_ever(key, b"computed", &NO_TAGS, token.clock);
        let intent = Intent::Fill;
        let written = shared.write(&thread, &draft).expect("there is room");
        let slot = written.slot(shared, key.pair.tag);
        assert!(shared.link(&thread, &key.pair, slot));
        assert!(shared.is_current(&draft, &token, intent));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                write(&segment);
                let thread = shared.thread().expect("this process is attached");
                let pin = thread.engine_pin(shared, EnginePin::Read);
                let made = shared.find(&thread, pin, &key).expect("it was written");
                assert!(shared.change_state(made.location, made.state, made.state.dead()));
            });
        });
        let step = shared.settle_and_go_live(&thread, &draft, &token, intent, &written, slot);
        let Step::Done(outcome) = step else {
            panic!("it can be told");
        };
        assert_eq!(segment.contains(b"key"), outcome == StoreOutcome::Stored);
        outcome
    }

    #[test]
    fn a_fill_yields_to_a_value_that_was_derived_and_evicted_between_its_looks() {
        let replace = |segment: &Segment| {
            let replaced = segment.replace(b"key", b"2", &PutOptions::default());
            assert_eq!(replaced, Ok(Replace::Stored));
        };
        let append = |segment: &Segment| {
            assert_eq!(segment.append(b"key", b"2"), Ok(Replace::Stored));
        };
        let begun = |segment: &Segment| segment.fill_token(b"key");
        let stale = |segment: &Segment| {
            assert!(segment.expire(b"key"));
            match segment.lookup(b"key") {
                Lookup::Stale(_, token) => token,
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(fill_around(replace, begun), StoreOutcome::Superseded);
        assert_eq!(fill_around(append, begun), StoreOutcome::Superseded);
        assert_eq!(fill_around(replace, stale), StoreOutcome::Superseded);
        assert_eq!(fill_around(append, stale), StoreOutcome::Superseded);
    }

    /// A fill takes the place of a stale entry. Before it goes LIVE a touch comes that way, helps it, and
    /// derives from it. The fill has been stored then, whatever stands there now.
    #[test]
    fn a_fill_that_was_helped_and_derived_from_has_been_stored() {
        let segment = Segment::builder().size(8 << 20).private().expect("it is small");
        segment.put(b"key", b"5", Expiry::never()).expect("there is room");
        assert!(segment.expire(b"key"));
        let Lookup::Stale(stale, token) = segment.lookup(b"key") else {
            panic!("it was made stale");
        };
        drop(stale);
        let token = token.token;
        let shared = &*segment.shared;
        let thread = shared.thread().expect("this process is attached");
        let key = segment.key(b"key");
        let draft = Draft::for_ever(key, b"10", &NO_TAGS, token.clock);
        let written = shared.write(&thread, &draft).expect("there is room");
        let slot = written.slot(shared, key.pair.tag);
        assert!(shared.link(&thread, &key.pair, slot));
        let refreshes = token.refreshes;
        let settled = shared.settle(&thread, &key, slot, Manner::Yield { refreshes });
        assert!(matches!(settled, Settled::Ready(_)));
        std::thread::scope(|scope| {
            scope.spawn(|| assert_eq!(segment.touch(b"key", Expiry::never()), Ok(Replace::Stored)));
        });
        let intent = Intent::Fill;
        let step = shared.settle_and_go_live(&thread, &draft, &token, intent, &written, slot);
        assert!(matches!(step, Step::Done(StoreOutcome::Stored)));
        assert_eq!(segment.get(b"key").as_deref(), Some(&b"10"[..]));
    }

    /// An add finds an invalidated entry in its place. Until it is LIVE nobody is led to it.
    #[test]
    fn an_add_is_helped_by_nobody() {
        let segment = Segment::builder().size(8 << 20).private().expect("it is small");
        let options = PutOptions::default().tags(&[b"tag"]);
        segment.put_with(b"key", b"5", &options).expect("there is room");
        segment.invalidate_tag(b"tag");
        let shared = &*segment.shared;
        let thread = shared.thread().expect("this process is attached");
        let key = segment.key(b"key");
        let token = shared.token(&key);
        let draft = Draft::for_ever(key, b"10", &NO_TAGS, token.clock);
        let written = shared.write(&thread, &draft).expect("there is room");
        let slot = written.slot(shared, key.pair.tag);
        assert!(shared.link(&thread, &key.pair, slot));
        let settled = shared.settle(&thread, &key, slot, Manner::Yield { refreshes: None });
        assert!(matches!(settled, Settled::Ready(_)));
        std::thread::scope(|scope| {
            scope.spawn(|| assert_eq!(segment.touch(b"key", Expiry::never()), Ok(Replace::NotFound)));
        });
        let step = shared.go_live(&thread, &draft, &token, Intent::Add, &written, slot);
        assert!(matches!(step, Step::Done(StoreOutcome::Stored)));
        assert_eq!(segment.get(b"key").as_deref(), Some(&b"10"[..]));
    }
}
