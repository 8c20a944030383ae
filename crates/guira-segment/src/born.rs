//! Values that are kept elsewhere, judged by what this segment knows of invalidations.
//!
//! A value that another tier keeps, a file or another segment, was computed under a token of this one. Whoever keeps
//! it notes its birth beside it: in which life of the segment that was, what the invalidation clock said, and
//! how often the key's stamp had been invalidated. When the value comes back, [`Segment::token_born`] compares. Each
//! invalidation of the key has changed its stamp or raised the namespace's, so none is missed, however long ago it
//! was and whether it came from this host or another; keys that share a stamp have some values refused for nothing.
//!
//! Puts and removals are not compared: whoever writes a key in one tier writes it in all of them, and
//! a comparison would refuse most of what is kept, for keys that share a stamp write all the time.

use crate::coherence::number_of_life;
use crate::computing::FillToken;
use crate::layout::stamp::MAX_CLOCK_DISTANCE;
use crate::ops::store::Token;
use crate::segment::Segment;
use crate::tags::hash_tag;
use guira_shm::sync::Ordering;

impl FillToken {
    /// How often the key's stamp had been invalidated when it was taken, modulo 2^24.
    #[must_use]
    pub const fn invalidations(&self) -> u32 {
        self.token.stamp.invalidations() as u32
    }
}

impl Segment {
    /// The number of this life of the segment as this handle's namespace sees it: another after the machine was
    /// booted, and in another file. Births of another life say nothing. Costs calls into the kernel: ask once.
    #[must_use]
    pub fn life(&self) -> u64 {
        let salt = self.namespace_hash();
        number_of_life(&self.shared.superblock, &self.shared.memory, salt) as u64
    }

    /// Refuses every computation of `key` that is under way, and every other call of this that has not stored yet;
    /// what is there stays. Gives the token of a value that is newer than theirs: so a write begins that
    /// concerns other tiers too, of which only the last one is to stand.
    ///
    /// ```
    /// use guira_segment::{Fill, PutOptions, Segment};
    ///
    /// let segment = Segment::builder().size(8 << 20).private()?;
    /// let options = PutOptions::default();
    /// let (begun, first) = (segment.fill_token(b"key"), segment.supersede(b"key"));
    /// let second = segment.supersede(b"key");
    /// for older in [begun, first] {
    ///     assert_eq!(segment.fill(b"key", b"old", &older, &options)?, Fill::Superseded);
    /// }
    /// assert_eq!(segment.fill(b"key", b"new", &second, &options)?, Fill::Stored);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn supersede(&self, key: &[u8]) -> FillToken {
        let key = self.key(key);
        // The clock first, as in every token; the stamp as this call left it, so that the next call refuses this one.
        let clock = self.shared.clock_now();
        FillToken {
            token: Token {
                clock,
                stamp: self.shared.stamp_write(&key),
                refreshes: None,
            },
            hash: key.hash,
        }
    }

    /// The token by which a value is stored that carries `tags`, was kept elsewhere, and had been computed under a
    /// token with this reading of [`FillToken::clock`] and of [`FillToken::invalidations`] in this
    /// [life](Segment::life). `None` if the key or what else the value depends on was invalidated since then, as far as
    /// can be told. `now` is a token of the key that was taken before the value was read: what happens from
    /// then on is for [`Segment::fill`] to find.
    ///
    /// ```
    /// use guira_segment::Segment;
    ///
    /// let segment = Segment::builder().size(8 << 20).private()?;
    /// let born = segment.fill_token(b"key");
    /// let is_good = |tags: &[&[u8]]| {
    ///     let now = segment.fill_token(b"key");
    ///     segment.token_born(&now, born.clock(), born.invalidations(), tags).is_some()
    /// };
    /// assert!(is_good(&[b"tag"]));
    /// segment.invalidate_tag(b"tag");
    /// assert!(is_good(&[]) && !is_good(&[b"tag"]));
    /// segment.invalidate(b"key");
    /// assert!(!is_good(&[]));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn token_born(
        &self,
        now: &FillToken,
        clock: u64,
        invalidations: u32,
        tags: &[&[u8]],
    ) -> Option<FillToken> {
        let shared = &*self.shared;
        let seed = shared.superblock.hash_seed;
        // Acquire: pairs with the SeqCst maximum that raised a stamp.
        let is_good = invalidations == now.invalidations()
            // Further back the count of invalidations may have come round. A clock ahead of ours is none of ours.
            && now.clock().wrapping_sub(clock) < MAX_CLOCK_DISTANCE
            && clock >= shared.floor()
            && clock >= shared.namespace_stamp(self.namespace).load(Ordering::Acquire)
            && tags
                .iter()
                .all(|tag| clock >= shared.tag_stamp(hash_tag(seed, tag)).load(Ordering::Acquire));
        is_good.then(|| now.born_at(clock))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::computing::Fill;
    use crate::expiry::Expiry;
    use crate::options::PutOptions;

    fn segment() -> Segment {
        let builder = Segment::builder().size(8 << 20).cluster("shop");
        builder.private().expect("it is small")
    }

    fn is_good(segment: &Segment, born: &FillToken) -> bool {
        let now = segment.fill_token(b"key");
        let token = segment.token_born(&now, born.clock(), born.invalidations(), &[b"tag"]);
        token.is_some_and(|token| {
            let options = PutOptions::default().tags(&[b"tag"]);
            let filled = segment.fill(b"key", b"kept", &token, &options);
            segment.remove(b"key");
            filled == Ok(Fill::Stored)
        })
    }

    #[test]
    fn whatever_invalidates_a_key_refuses_what_is_kept_of_it_elsewhere() {
        type Change<'c> = &'c dyn Fn(&Segment);
        let other = segment();
        other.invalidate(b"key");
        let mut entries = Vec::new();
        other.journal().expect("of a cluster").read(0, 10, &mut entries);
        let record = entries.first().and_then(|entry| entry.record).expect("no void");
        let changes: [(&str, Change<'_>, bool); 9] = [
            ("nothing", &|_| (), true),
            (
                "put",
                &|segment| {
                    segment.put(b"key", b"1", Expiry::never()).expect("room");
                    segment.remove(b"key");
                },
                true,
            ),
            ("another tag", &|segment| segment.invalidate_tag(b"gat"), true),
            (
                "invalidate",
                &|segment| {
                    segment.invalidate(b"key");
                },
                false,
            ),
            (
                "another host",
                &|segment| {
                    segment.apply(&record);
                },
                false,
            ),
            ("tag", &|segment| segment.invalidate_tag(b"tag"), false),
            ("clear", &Segment::clear, false),
            ("clear all", &Segment::clear_all, false),
            ("floor", &|segment| segment.raise_floor(1), false),
        ];
        for (name, change, is_kept) in changes {
            let segment = segment();
            let born = segment.fill_token(b"key");
            change(&segment);
            assert_eq!(is_good(&segment, &born), is_kept, "{name}");
            // What is computed from now on is good.
            assert!(is_good(&segment, &segment.fill_token(b"key")), "{name}");
        }
    }

    #[test]
    fn a_birth_ahead_of_the_clock_is_refused() {
        let segment = segment();
        let now = segment.fill_token(b"key");
        let ahead = segment.token_born(&now, now.clock() + 1, now.invalidations(), &[]);
        assert_eq!(ahead, None);
    }

    #[test]
    fn what_is_invalidated_behind_the_token_is_found_when_it_is_stored() {
        let segment = segment();
        let born = segment.fill_token(b"key");
        let now = segment.fill_token(b"key");
        let token = segment
            .token_born(&now, born.clock(), born.invalidations(), &[])
            .expect("nothing happened");
        segment.invalidate(b"key");
        let filled = segment.fill(b"key", b"kept", &token, &PutOptions::default());
        assert_eq!(filled, Ok(Fill::Superseded));
    }

    #[test]
    fn a_life_is_of_one_segment_and_one_namespace() {
        let (one, other) = (segment(), segment());
        let users = one.namespace("users").expect("a row");
        assert_eq!(one.life(), one.clone().life());
        assert_eq!(users.life(), one.namespace("users").expect("a row").life());
        assert_ne!(one.life(), other.life());
        assert_ne!(one.life(), users.life());
    }
}
