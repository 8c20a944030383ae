//! Evicting one entry that was found: nothing else of its key is touched, and stamps stay as they are.
//!
//! | the entry | done | then |
//! |---|---|---|
//! | LIVE | DEAD | there is none |
//! | FWD to a WRITING one: readers still get it, until the put over it is complete | that one is DEAD | there is none; the put begins anew, if its writer lives |
//! | FWD to anything else | nothing | what it leads to is the key's value, and is looked at anew |

use crate::attach::{Counter, ThreadState};
use crate::entry::Found;
use crate::index::scan::Step;
use crate::key::Key;
use crate::layout::entry::Kind;
use crate::layout::slot::Location;
use crate::pin::EnginePin;
use crate::shared::Shared;

impl Shared {
    /// Evicts what was found of `key`. False if it is not there any more as it was found.
    pub(crate) fn evict_found(&self, thread: &ThreadState, found: &Found<'_>, key: &Key<'_>) -> bool {
        let is_evicted = match found.state.kind() {
            Kind::Live => {
                let is_evicted = self.change_state(found.location, found.state, found.state.dead());
                if is_evicted {
                    self.forget_live(found.pinned.block, found.location);
                    self.unlink_entry(key, found.location, found.state.self_generation());
                }
                is_evicted
            }
            Kind::Forward => self.cut_off(thread, found, key),
            Kind::Writing | Kind::Dead => false,
        };
        if is_evicted {
            thread.count(self, Counter::Evicted);
        }
        is_evicted
    }

    /// Kills the put in progress through which readers get `base`.
    fn cut_off(&self, thread: &ThreadState, base: &Found<'_>, key: &Key<'_>) -> bool {
        let (location, generation) = (base.state.forward_location(), base.state.forward_generation());
        let pin = thread.engine_pin(self, EnginePin::Hop);
        let Some(ahead) = self.examine_at(thread, pin, location, generation, key) else {
            return false;
        };
        let is_cut_off = ahead.state.kind() == Kind::Writing
            && self.change_state(ahead.location, ahead.state, ahead.state.dead());
        if is_cut_off {
            self.unlink_entry(key, ahead.location, generation);
            self.unlink_entry(key, base.location, base.state.self_generation());
        }
        is_cut_off
    }

    /// Takes away the slots of a dead entry. One that is passed over leads to nothing, as many do.
    fn unlink_entry(&self, key: &Key<'_>, location: Location, generation: u16) {
        self.verified_pass::<()>(&key.pair, 1, |_, _, slot| {
            if slot.location() == location && slot.generation() == generation {
                self.unlink(&key.pair, slot, true);
            }
            Step::Continue
        });
    }
}

#[cfg(test)]
mod tests {
    use crate::expiry::Expiry;
    use crate::log::write::Draft;
    use crate::ops::settle::{Manner, Settled};
    use crate::options::PutOptions;
    use crate::segment::Segment;
    use crate::tags::Tags;

    static NO_TAGS: Tags = Tags::NONE;

    /// A put that dies before it goes LIVE, when readers get the old value through it.
    fn put_and_die(segment: &Segment, name: &[u8]) {
        let shared = &*segment.shared;
        let thread = shared.thread().expect("this process is attached");
        let key = segment.key(name);
        let draft = Draft::for_ever(key, b"new", &NO_TAGS, shared.token(&key).clock);
        let written = shared.write(&thread, &draft).expect("there is room");
        let slot = written.slot(shared, key.pair.tag);
        assert!(shared.link(&thread, &key.pair, slot));
        let settled = shared.settle(&thread, &key, slot, Manner::Override);
        assert!(matches!(settled, Settled::Ready(_)));
    }

    #[test]
    fn an_eviction_of_a_value_that_a_put_in_progress_replaces_cuts_that_put_off() {
        let segment = Segment::builder().size(8 << 20).private().expect("it is small");
        segment
            .put(b"key", b"old", Expiry::never())
            .expect("there is room");
        put_and_die(&segment, b"key");
        let (name, hash) = (segment.namespace_hash(), segment.hash_of(b"key"));
        assert!(!segment.evict_by_hash(name, hash, 9, |value| value == b"new"));
        assert!(segment.evict_by_hash(name, hash, 9, |value| value == b"old"));
        assert!(segment.get(b"key").is_none());
        assert!(segment.verify().is_clean());
        // Whoever adds does not complete what was cut off.
        let added = segment.add(b"key", b"added", &PutOptions::default());
        assert_eq!(added, Ok(crate::Add::Stored));
        assert_eq!(segment.get(b"key").as_deref(), Some(&b"added"[..]));
    }
}
