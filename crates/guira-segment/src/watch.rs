//! Telling, without reading it, that what was read of a key still is its value: for those who keep values in a
//! form of their own.
//!
//! A read's [`Watch`] names the entry and the stamps. The value is still the key's if, at one moment of the call,
//! the entry's state word is what it was, LIVE and as stale as it was: whoever replaces, removes, moves
//! or evicts an entry changes that word before anything of it shows. No pin is needed, for nothing but
//! words is loaded: the block's control word, loaded last, still has its generation and is OPEN or SEALED. So
//! everything before was loaded from that entry, and its block was not being drained, which is when entries may be
//! left behind with the block. The key's stamp is compared too, so that an entry which lost its place in the
//! index (and so is found by no writer) is not believed after a put or an invalidation.

use guira_shm::mutant::Mutant;
use guira_shm::sync::{Ordering, fence};

use crate::layout::block::{BlockState, BlockWord};
use crate::layout::entry::{FLAG_TAGS, Kind, NEVER_MS, State};
use crate::layout::slot::Location;
use crate::layout::stamp::KeyStamp;
use crate::segment::Segment;
use crate::value::ValueRef;

/// Which entry a value was read from, for [`Segment::is_current`]. Belongs to the segment and namespace
/// that gave it.
#[derive(Clone, Debug)]
pub struct Watch {
    location: Location,
    block: u32,
    generation: u32,
    state: State,
    birth: u64,
    hard_ms: u64,
    stamp: KeyStamp,
    stamp_offset: usize,
    tag_hashes: Box<[u64]>,
}

impl Segment {
    /// The value of `key`, and how to tell later that it still is. There is no [`Watch`] of a value that was
    /// copied because guards are scarce, or that is being replaced.
    ///
    /// ```
    /// use guira_segment::{Expiry, Segment};
    ///
    /// let segment = Segment::builder().size(8 << 20).private()?;
    /// segment.put(b"key", b"value", Expiry::never())?;
    /// let (value, watch) = segment.get_watched(b"key").expect("just put");
    /// assert_eq!(&*value, b"value");
    /// let watch = watch.expect("few guards are held");
    /// assert!(segment.is_current(&watch));
    /// segment.put(b"key", b"other", Expiry::never())?;
    /// assert!(!segment.is_current(&watch));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn get_watched(&self, key: &[u8]) -> Option<(ValueRef<'_>, Option<Watch>)> {
        let key = self.key(key);
        // The stamp first: what is written after it must show.
        let stamp = self.shared.key_stamp(key.hash);
        let thread = self.shared.thread()?;
        let value = self.get_with(&thread, &key)?;
        let entry = value.found().filter(|found| found.state.kind() == Kind::Live);
        let watch = entry.map(|found| Watch {
            location: found.location,
            block: found.pinned.block,
            generation: found.pinned.word.generation(),
            state: found.state,
            birth: found.header.birth(),
            hard_ms: found.header.hard_ms(),
            stamp,
            stamp_offset: self.shared.key_stamp_offset(key.hash),
            tag_hashes: if found.header.has(FLAG_TAGS) {
                self.shared.tag_hashes(found.location).collect()
            } else {
                Box::default()
            },
        });
        Some((value, watch))
    }

    /// Whether a read of the key would give the value that `watch` came with, no more stale than it was. False
    /// at times although it would (it was moved, or is about to be): then read it again. Counts as no read.
    #[inline]
    #[must_use]
    pub fn is_current(&self, watch: &Watch) -> bool {
        let shared = &*self.shared;
        let birth = watch.birth;
        // Acquire, in `load_state` and here: what follows is loaded after; pairs with the SeqCst maximum that
        // raised a stamp.
        let is_touched = shared.load_state(watch.location) != watch.state
            || KeyStamp(shared.word(watch.stamp_offset).load(Ordering::Acquire)) != watch.stamp;
        if (is_touched && !Mutant::WatchNotLookedAt.is_on())
            || birth < shared.floor()
            || birth < shared.namespace_stamp(self.namespace).load(Ordering::Acquire)
            || watch
                .tag_hashes
                .iter()
                .any(|hash| birth < shared.tag_stamp(*hash).load(Ordering::Acquire))
            || watch.hard_ms != NEVER_MS && shared.clock.has_passed(watch.hard_ms)
        {
            return false;
        }
        // Acquire: the block's word is loaded after all that lies in the block.
        fence(Ordering::Acquire);
        let word = BlockWord(shared.block_word(watch.block).load(Ordering::Relaxed));
        word.generation() == watch.generation && matches!(word.state(), BlockState::Open | BlockState::Sealed)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU64; // process-private
    use std::time::Duration;

    use super::*;
    use crate::expiry::Expiry;
    use crate::options::PutOptions;
    use guira_shm::clock::Clock;

    fn watched(segment: &Segment, key: &[u8]) -> Watch {
        let (_, watch) = segment.get_watched(key).expect("it was put");
        watch.expect("few guards are held")
    }

    #[test]
    fn whatever_changes_a_value_ends_its_watch() {
        let clock_ms = std::sync::Arc::new(AtomicU64::new(1_000));
        let clock = Clock::manual(std::sync::Arc::clone(&clock_ms));
        let whole = Segment::builder()
            .size(8 << 20)
            .clock(clock)
            .private()
            .expect("small");
        let segment = whole.namespace("n").expect("a good name");
        let second = Expiry::after(Duration::from_secs(1));
        let options = PutOptions::from(second).tags(&[b"tag"]);
        type Change<'c> = &'c dyn Fn(&Segment);
        let changes: [(&str, Change<'_>); 13] = [
            ("put", &|segment| {
                segment.put(b"k", b"2", second).expect("room");
            }),
            ("same put", &|segment| {
                segment.put(b"k", b"1", second).expect("room");
            }),
            ("replace", &|segment| {
                segment.replace(b"k", b"2", &options).expect("room");
            }),
            ("increment", &|segment| {
                segment.increment(b"k", 1, None, second).expect("room");
            }),
            ("append", &|segment| {
                segment.append(b"k", b"2").expect("room");
            }),
            ("touch", &|segment| {
                segment.touch(b"k", second).expect("room");
            }),
            ("remove", &|segment| assert!(segment.remove(b"k"))),
            ("invalidate", &|segment| assert!(segment.invalidate(b"k"))),
            ("expire", &|segment| assert!(segment.expire(b"k"))),
            ("tag", &|segment| segment.invalidate_tag(b"tag")),
            ("clear", &Segment::clear),
            ("clear all", &Segment::clear_all),
            ("time", &|_| {
                clock_ms.fetch_add(1_000, Ordering::Relaxed);
            }),
        ];
        for (name, change) in changes {
            segment.put_with(b"k", b"1", &options).expect("room");
            segment.put(b"other", b"1", Expiry::never()).expect("room");
            let (watch, other) = (watched(&segment, b"k"), watched(&segment, b"other"));
            assert!(segment.is_current(&watch), "{name}");
            change(&segment);
            assert!(!segment.is_current(&watch), "{name}");
            let stays = !name.starts_with("clear");
            assert_eq!(segment.is_current(&other), stays, "{name}");
        }
        whole.put(b"k", b"1", Expiry::never()).expect("room");
        segment.put(b"k", b"1", Expiry::never()).expect("room");
        let watch = watched(&segment, b"k");
        whole.put(b"k", b"2", Expiry::never()).expect("room");
        assert!(segment.is_current(&watch), "another namespace's key");
    }

    #[test]
    fn a_watch_never_outlives_its_value_in_a_segment_that_is_turned_over() {
        let segment = Segment::builder().size(8 << 20).private().expect("small");
        let filler = vec![7; 9_000];
        let mut kept: Vec<(u64, Watch)> = Vec::new();
        let mut gone = 0;
        for round in 0..4_000_u64 {
            segment
                .put(&round.to_le_bytes(), &filler, Expiry::never())
                .expect("room");
            kept.push((round, watched(&segment, &round.to_le_bytes())));
            if round % 500 == 499 {
                kept.retain(|(key, watch)| {
                    let is_current = segment.is_current(watch);
                    // What is current is there; what was moved may be there too.
                    assert!(!is_current || segment.contains(&key.to_le_bytes()), "{key}");
                    gone += u32::from(!is_current);
                    is_current
                });
            }
        }
        assert!(gone > 3_000, "{gone}");
    }

    #[test]
    fn what_was_put_before_a_check_began_is_never_hidden_by_it() {
        use std::sync::atomic::AtomicBool; // process-private

        let segment = Segment::builder().size(8 << 20).private().expect("small");
        let number = |value: &[u8]| u64::from_le_bytes(*value.first_chunk().expect("eight bytes"));
        segment
            .put(b"k", &0_u64.to_le_bytes(), Expiry::never())
            .expect("room");
        let (published, done) = (AtomicU64::new(0), AtomicBool::new(false));
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for value in 1..60_000_u64 {
                    segment
                        .put(b"k", &value.to_le_bytes(), Expiry::never())
                        .expect("room");
                    published.store(value, Ordering::SeqCst);
                    if value % 16 == 0 {
                        // Turns the segment over beside it.
                        let key = (value % 512).to_le_bytes();
                        segment.put(&key, &[7; 3_000], Expiry::never()).expect("room");
                    }
                }
                done.store(true, Ordering::SeqCst);
            });
            let mut kept: Option<(u64, Watch)> = None;
            let mut believed = 0;
            while !done.load(Ordering::SeqCst) {
                let at_least = published.load(Ordering::SeqCst);
                match &kept {
                    Some((value, watch)) if segment.is_current(watch) => {
                        assert!(*value >= at_least, "{value} was current, {at_least} had been put");
                        believed += 1;
                    }
                    _ => {
                        kept = segment
                            .get_watched(b"k")
                            .and_then(|(value, watch)| Some((number(&value), watch?)));
                    }
                }
            }
            assert!(believed > 0, "nothing was ever current");
        });
    }
}
