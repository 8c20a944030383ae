//! The segment that knows of invalidations, and what it says of values that the tiers below have.

use std::time::Duration;

use guira_segment::{FillToken, PutOptions, Segment};

use super::seam::Held;
use crate::error::Error;
use crate::flight::Place;
use crate::key::KeyBytes;
use crate::lifetime::Lifetime;

/// A store's segment, for the stack of tiers that it is a part of.
#[expect(missing_debug_implementations, reason = "it is a reference to a store")]
pub struct Arbiter<'s, K: ?Sized, V>(pub(crate) &'s dyn Decide<K, V>);

/// A store whose keys are those of a segment.
pub(crate) trait Decide<K: ?Sized, V>: Send + Sync {
    /// What `key` is in the segment.
    fn bytes_of(&self, key: &K) -> Result<KeyBytes, Error>;

    /// The segment, with the flights of its keys.
    fn place_of<'c>(&'c self, key: &'c KeyBytes) -> Result<Place<'c>, Error>
    where
        K: 'c,
        V: 'c;

    /// In which life of the segment births are now.
    fn life(&self) -> u64;

    /// Invalidates what carries `tag` in the whole segment.
    fn invalidate_tag(&self, tag: &[u8]) -> Result<(), Error>;

    /// `None` for what the store cannot read.
    fn decode_stored(&self, key: &[u8], stored: &[u8]) -> Option<V>;

    /// Calls `store` with what `value` is stored as, and how, if it is to be. False if it cannot be encoded.
    fn encode_computed(
        &self,
        key: &[u8],
        value: &V,
        computed: Computed<'_>,
        store: &mut dyn FnMut(&[u8], Option<&PutOptions<'_>>),
    ) -> bool;
}

/// How a computed value is to be stored.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Computed<'c> {
    pub(crate) cost: Duration,
    pub(crate) tags: &'c [&'c [u8]],
    pub(crate) lifetime: Lifetime,
    pub(crate) at_most: Option<Duration>,
}

/// Of a value from below.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    /// It is as good as one that is computed now under this token.
    Good(FillToken),
    /// It was invalidated since.
    Void,
    /// Nobody can tell.
    Unknown,
}

/// Judges `held`, a value of a lower tier that was read after `now` was taken; see the table at
/// [`Tiers`](super::Tiers). `takes_undated` if one without a birth is good in a cluster too.
pub(super) fn judge<V>(
    segment: &Segment,
    life: u64,
    now: &FillToken,
    held: &Held<V>,
    takes_undated: bool,
) -> Verdict {
    let is_of_cluster = segment.cluster_id().is_some();
    let (clock, invalidations) = match held.birth {
        Some(birth) if birth.is_of(life) => (birth.clock(), birth.invalidations()),
        // Of an earlier life, or another host's: good if nothing that concerns it was ever invalidated in this one, and
        // nothing can have been missed.
        Some(_) if !is_of_cluster => (0, 0),
        None if !is_of_cluster || takes_undated => return Verdict::Good(*now),
        _ => return Verdict::Unknown,
    };
    match segment.token_born(now, clock, invalidations, &held.tags()) {
        Some(token) => Verdict::Good(token),
        None => Verdict::Void,
    }
}
