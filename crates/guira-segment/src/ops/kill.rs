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
mod tests {
    use crate::expiry::Expiry;
    use crate::layout::entry::Kind;
    use crate::log::write::Draft;
    use crate::ops::settle::{Manner, Settled};
    use crate::options::PutOptions;
    use crate::segment::Segment;
    use crate::tags::Tags;

    /// A put that dies before it goes LIVE, or after that but before it clears the slot of what it replaced.
    fn put_and_die(segment: &Segment, name: &[u8], tags: &Tags, goes_live: bool) {
        put_value_and_die(segment, name, b"new", tags, goes_live);
    }

    /// Gives the block of the new entry.
    fn put_value_and_die(segment: &Segment, name: &[u8], value: &[u8], tags: &Tags, goes_live: bool) -> u32 {
        let shared = &*segment.shared;
        let thread = shared.thread().expect("this process is attached");
        let key = segment.key(name);
        let draft = Draft::for_ever(key, value, tags, shared.token(&key).clock);
        let written = shared.write(&thread, &draft).expect("there is room");
        let slot = written.slot(shared, key.pair.tag);
        assert!(shared.link(&thread, &key.pair, slot));
        let settled = shared.settle(&thread, &key, slot, Manner::Override);
        assert!(matches!(settled, Settled::Ready(_)));
        let live = written.state.to_kind(Kind::Live);
        assert!(!goes_live || shared.change_state(written.place.location, written.state, live));
        written.place.block
    }

    fn segment() -> Segment {
        Segment::builder().size(8 << 20).private().expect("it is small")
    }

    /// A name whose primary bucket is that of `key`.
    fn filler_beside_key(segment: &Segment) -> [u8; 4] {
        let bucket = segment.key(b"key").pair.primary;
        (0_u32..)
            .map(u32::to_le_bytes)
            .find(|name| segment.key(name).pair.primary == bucket)
            .expect("there are few buckets")
    }

    #[test]
    fn a_remove_that_comes_by_an_invalidated_entry_finds_the_value_behind_it() {
        let segment = segment();
        let options = PutOptions::default().tags(&[b"tag"]);
        segment.put_with(b"key", b"old", &options).expect("there is room");
        segment.invalidate_tag(b"tag");
        put_and_die(&segment, b"key", &Tags::NONE, true);
        assert_eq!(segment.get(b"key").as_deref(), Some(&b"new"[..]));
        assert!(segment.remove(b"key"), "it had a value");
        assert!(segment.get(b"key").is_none());
    }

    #[test]
    fn a_remove_that_comes_by_a_valid_entry_does_not_find_an_invalidated_value_behind_it() {
        let segment = segment();
        segment
            .put_with(b"key", b"old", &PutOptions::default())
            .expect("there is room");
        let tags = Tags::new(segment.shared.superblock.hash_seed, &[b"tag"]).expect("one short tag");
        put_and_die(&segment, b"key", &tags, true);
        segment.invalidate_tag(b"tag");
        assert!(segment.get(b"key").is_none());
        assert!(!segment.remove(b"key"), "it had none");
    }

    #[test]
    fn a_remove_that_meets_a_put_in_progress_before_what_it_replaces_finds_the_old_value() {
        let segment = segment();
        let filler = filler_beside_key(&segment);
        for name in [&filler[..], b"key"] {
            segment.put(name, b"old", Expiry::never()).expect("there is room");
        }
        // The put is linked where the filler was, before the old value.
        assert!(segment.remove(&filler));
        put_and_die(&segment, b"key", &Tags::NONE, false);
        assert_eq!(segment.get(b"key").as_deref(), Some(&b"old"[..]));
        assert!(segment.remove(b"key"), "it had a value");
        assert!(segment.get(b"key").is_none());
    }

    #[test]
    fn what_was_made_stale_stays_stale_while_a_put_of_its_key_is_in_progress() {
        let segment = segment();
        segment
            .put(b"key", b"old", Expiry::never())
            .expect("there is room");
        assert!(segment.expire(b"key"));
        put_and_die(&segment, b"key", &Tags::NONE, false);
        let value = segment
            .get(b"key")
            .expect("the old one, until the new one is LIVE");
        assert_eq!(&value[..], b"old");
        assert!(value.is_stale());
    }

    #[test]
    fn expire_finds_no_value_in_a_put_that_was_invalidated_on_its_way() {
        let segment = segment();
        segment
            .put(b"key", b"old", Expiry::never())
            .expect("there is room");
        put_and_die(&segment, b"key", &Tags::NONE, false);
        segment.clear();
        assert!(!segment.expire(b"key"));
    }

    /// It was linked before, but did nothing yet; when it goes on it finds the other's value, and could be
    /// given it, with the other helped, at any moment: killed it would take that value along.
    #[test]
    fn a_put_that_replaces_a_value_leaves_another_on_its_way_alone() {
        let segment = segment();
        segment
            .put(b"key", b"old", Expiry::never())
            .expect("there is room");
        let shared = &*segment.shared;
        let thread = shared.thread().expect("this process is attached");
        let key = segment.key(b"key");
        let none = Tags::NONE;
        let draft = Draft::for_ever(key, b"new", &none, shared.token(&key).clock);
        let first = shared.write(&thread, &draft).expect("there is room");
        let slot = first.slot(shared, key.pair.tag);
        assert!(shared.link(&thread, &key.pair, slot));
        segment
            .put(b"key", b"second", Expiry::never())
            .expect("there is room");
        assert_eq!(shared.load_state(slot.location()).kind(), Kind::Writing);
        let settled = shared.settle(&thread, &key, slot, Manner::Override);
        assert!(matches!(settled, Settled::Ready(_)));
        assert_eq!(segment.get(b"key").as_deref(), Some(&b"second"[..]));
        let live = first.state.to_kind(Kind::Live);
        assert!(shared.change_state(first.place.location, first.state, live));
        assert_eq!(segment.get(b"key").as_deref(), Some(&b"new"[..]));
    }

    #[test]
    fn a_value_stays_while_two_puts_are_on_their_way_wherever_they_are_linked() {
        for is_linked_before in [false, true] {
            let segment = segment();
            let filler = filler_beside_key(&segment);
            for name in [&filler[..], b"key"] {
                segment.put(name, b"old", Expiry::never()).expect("there is room");
            }
            if is_linked_before {
                assert!(segment.remove(&filler));
            }
            put_and_die(&segment, b"key", &Tags::NONE, false);
            assert_eq!(segment.get(b"key").as_deref(), Some(&b"old"[..]));
            put_and_die(&segment, b"key", &Tags::NONE, false);
            assert_eq!(
                segment.get(b"key").as_deref(),
                Some(&b"new"[..]),
                "that of the first, which the second had to help"
            );
        }
    }

    /// The bytes of the dead put stay after its blocks were given up, and its state word says WRITING.
    #[test]
    fn a_key_whose_put_died_and_was_given_up_is_neither_found_nor_listed() {
        let segment = segment();
        segment
            .put(b"key", b"old", Expiry::never())
            .expect("there is room");
        let long = vec![7; 2 * segment.shared.geometry.block_bytes];
        let block = put_value_and_die(&segment, b"key", &long, &Tags::NONE, false);
        let is_listed = || segment.entries().any(|entry| entry.key == b"key");
        assert!(is_listed() && segment.contains(b"key"), "until it is given up");
        let shared = &*segment.shared;
        let thread = shared.thread().expect("this process is attached");
        shared.evict_block(&thread, block, shared.block(block));
        assert!(!segment.contains(b"key") && !is_listed());
    }

    #[test]
    fn a_value_whose_put_is_on_its_way_does_not_make_room_in_the_index() {
        let segment = Segment::builder()
            .size(8 << 20)
            .index_entries(16)
            .private()
            .expect("it is small");
        segment
            .put(b"key", b"old", Expiry::never())
            .expect("there is room");
        put_and_die(&segment, b"key", &Tags::NONE, false);
        let evicted_before = segment.stats().evictions;
        for other in 0_u32..2000 {
            segment
                .put(&other.to_le_bytes(), b"other", Expiry::never())
                .expect("there is room");
            assert_eq!(segment.get(b"key").as_deref(), Some(&b"old"[..]), "{other}");
        }
        assert!(segment.stats().evictions > evicted_before, "the index was full");
    }
}
