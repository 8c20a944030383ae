//! Any number of stores, the fastest first, that are one store.
//!
//! # What holds
//!
//! The first tier whose values are in a segment is the **arbiter**: whatever makes a value void comes to it, from
//! this host or from another over the bus. The tiers below it (a segment on disk, files, a remote cache) keep more and
//! for longer, and do not hear of everything. One rule makes the stack as fresh as its arbiter:
//!
//! > A value from below is stored in the arbiter by a token that was taken before the lower tier was read, and is as old
//! > as the token under which it was computed.
//!
//! For the second half each value of a lower tier carries its **birth**: the arbiter's life, its invalidation clock,
//! and how often the key's stamp had been invalidated, when the value's computation or put began.
//!
//! # States of one key
//!
//! | state | arbiter | below | a read gives | entered by |
//! |---|---|---|---|---|
//! | empty | - | - | a miss | `invalidate`, `remove`, eviction everywhere |
//! | below | - | value | the value, and goes to *whole* | eviction above |
//! | whole | value | value | the arbiter's | a put, a computation, a promotion |
//! | void | - | value born before an invalidation | a miss, and goes to *empty* | an invalidation that came to the arbiter alone; a writer that was killed or overtaken |
//! | ahead | older value | newer value | the arbiter's | a put that is under way, lowest tier first |
//! | above | value | -, or void | the arbiter's | an add that is under way, or whose tier below failed |
//!
//! *void* and *below* look alike to the lower tier: it is the birth that tells them apart.
//!
//! # Why an old value never comes up
//!
//! Let value `v` of key `k` be made void by an invalidation `i`: of the key, its namespace, one of its tags, or
//! everything. Let `r` be a read that promotes `v`. It (1) takes the arbiter's token `t`, (2) reads `v` and its birth
//! `b` below, (3) asks the arbiter whether what was born at `b` still stands, (4) stores it by `t`, as old as `b`.
//!
//! * `i` came before (1): it changed the key's stamp, which `b` is compared with as `t` saw it; or it raised a namespace's,
//!   tag's or the floor's stamp above `b`. (3) refuses, the value is missed, and removed below.
//! * `i` came between (1) and the end of (4): the stamp is not what `t` says, or a stamp is above `b`, or the invalidation's
//!   scan finds the entry: the engine's fill protocol, in which it does not matter where `v` came from.
//! * `i` came later: it kills the entry in the arbiter, and the value below is *void* from then on.
//!
//! It does not matter for this whether `i` reached the lower tiers, or in which order. They are served lowest first all
//! the same: what was removed below cannot come up between, in tiers that carry no births.
//!
//! # Why two writes agree
//!
//! A put (1) *supersedes*: it changes the key's stamp and keeps the token that this made, (2) writes the tiers below,
//! lowest first, with the token's birth, (3) stores in the arbiter by that token, in the place of what it sees there now.
//! If (3) is refused by another write, it begins anew; by an invalidation, it ends superseded, and what it wrote below is
//! void.
//!
//! Of two puts whose (3) succeed, that which stored later superseded after the other had stored: otherwise its own (1)
//! had refused the other, or the other's entry, which is not what it saw, had refused it. So it wrote the lower tiers
//! later too, and all tiers end with the same value. A put that is killed after (2) has changed the lower tiers only:
//! its value may come up later, as if it had been put then. That is *ahead*, and the only way into it.
//!
//! A computed value is kept by a token of each tier, taken before the function is called, so that an
//! invalidation of the stack refuses it in each. It is stored lowest first as well.
//!
//! # What a lower tier's value is worth
//!
//! | its birth | arbiter of no cluster | arbiter of a cluster |
//! |---|---|---|
//! | in this life of the arbiter | compared | compared |
//! | in another life: the segment was made anew, or the machine booted, or it is another host's | good if nothing that concerns it was ever invalidated in this life | refused: nobody knows what was missed |
//! | none: the tier carries none, or somebody else wrote it | good | refused, unless the tier [takes undated](Tiers::takes_undated) |
//!
//! While the arbiter is beyond trust, so is what is below, unless its cache [serves
//! stale](crate::coherence::WhenSuspect::ServeStale) values.
//!
//! Keys that share a stamp are refused together: there is one for each KiB of the segment, 2^20 from 1 GiB on. With ten
//! invalidations of keys in a second a value below one of 1 GiB is refused for nothing once in 29 hours on average, below
//! one of 64 MiB once in two. Puts and computations refuse nothing.
//!
//! # What does not hold
//!
//! * A tier *above* the arbiter that is not [`Decoded`](super::Decoded) cannot ask it: another process's invalidation shows
//!   there when the value's time is over. Give such a tier [`Tiers::at_most`].
//! * A lower tier without births is as fresh as those who write it: what reaches the arbiter alone is not known
//!   of it, nor which tags its values carry, and a process that is killed between two tiers leaves in it what it leaves.
//!   A put into it that an invalidation overtakes may come up, if a read meets it before the put has taken it away again.
//! * What only the arbiter was told, it knows as long as its segment lives. Where that is made anew (a reboot clears memory)
//!   and belongs to no cluster, what was invalidated past the stack, or in the stack while a [resilient](OnFailure::Resilient)
//!   tier below failed, is good below again. Invalidate through the stack, and make a tier that must hear of it
//!   [strict](OnFailure::Strict); or put what must not come back under another key or name at each start.
//! * A computed value that a tier below could not take (it failed) may be followed, once the arbiter has evicted it, by the
//!   older one that this tier has, whose time is not over and which nobody invalidated. A put makes that void.
//! * Writes past the stack, into one tier, are seen when that tier is asked. An expiry that came to the arbiter
//!   alone, over the bus, is forgotten with the arbiter's entry, if no read met it before that was evicted.
//! * A removal (not an invalidation) that races a put may lose against it, as in one cache.

mod add;
mod arbiter;
mod as_store;
mod compute;
mod drop;
mod many;
mod promote;
mod reading;
mod seam;
mod tier;
mod walk;
mod write;

use std::fmt;
use std::time::Duration;

pub use arbiter::Arbiter;
pub(crate) use arbiter::{Computed, Decide};
pub use promote::Promotion;
pub use reading::TiersReading;
pub(crate) use seam::{Held, Life, Lives};
pub use seam::{Keeping, Looked, Seat};
pub use tier::{OnFailure, TierCounts};

use super::Store;
use promote::OnPromotion;
use tier::Tier;

/// Any number of stores, the fastest first, that are one store: what is put goes to all of them, and a read asks one
/// after the other and keeps what it found in those above.
///
/// ```
/// use guira::store::{Store, Tiers};
/// use guira::{Guira, Lifetime};
/// use std::time::Duration;
///
/// # fn main() -> Result<(), guira::Error> {
/// let memory = Guira::builder().size(8 << 20).private()?; // of the host, in /dev/shm
/// let disk = Guira::builder().size(8 << 20).private()?; // larger, and still there after a restart
/// let pages = Tiers::new()
///     .then(memory.cache::<str, String>("pages"))
///     .fraction(0.1) // a tenth of the lifetime
///     .then(disk.cache::<str, String>("pages"));
///
/// pages.put("/", &"<html>".to_owned(), &Duration::from_secs(600).into())?;
/// memory.clear_all(); // it is void on disk, too: memory knows best
/// assert_eq!(pages.get("/")?, None);
///
/// let page = pages.get_or_compute("/", || "<html>".to_owned())?; // once among all processes
/// memory.cache::<str, String>("pages").remove("/")?; // as an eviction would
/// assert_eq!(pages.get("/")?, Some(page)); // comes up from the disk
/// assert_eq!(pages.counts()[1].hits, 1);
/// # Ok(())
/// # }
/// ```
///
/// # Which stores
///
/// Any [`Store`]. A [`Cache`](crate::Cache), and what is [`Layered`](super::Layered), [`Prefixed`](super::Prefixed) or
/// [`Decoded`](super::Decoded) around one, keeps births and gives tokens; of others
/// holds what is told at the end of the module, as of a stack within a stack. The first such one is the arbiter: what is
/// promised of freshness is promised by it, to all who share its segment. All processes that share the tiers put
/// them in the same order. Caches may share a segment only under different names.
///
/// # Lifetimes
///
/// Each tier has its [`fraction`](Tiers::fraction) of the lifetime that a put asks for; where it asks for none, each cache
/// has its own. What comes up lives no longer than below, to the millisecond, and keeps its soft deadline. A stale value is
/// passed over for a fresh one below it, and given if there is none.
pub struct Tiers<K: ?Sized, V> {
    tiers: Vec<Tier<K, V>>,
    /// Which tier is the first with a segment.
    arbiter: Option<usize>,
    ttl_skip: Duration,
    on_promote: Option<OnPromotion<K, V>>,
}

impl<K: ?Sized, V> Default for Tiers<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: ?Sized, V> Tiers<K, V> {
    /// No tier yet: it misses everything.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            tiers: Vec::new(),
            arbiter: None,
            ttl_skip: Duration::ZERO,
            on_promote: None,
        }
    }

    /// With `store` below those that there are. The settings of a tier follow it.
    #[must_use]
    pub fn then(mut self, store: impl Store<K, V> + 'static) -> Self {
        let tier = Tier::of(store);
        if tier.is_dated && self.arbiter.is_none() {
            self.arbiter = Some(self.tiers.len());
        }
        self.tiers.push(tier);
        self
    }

    fn last(mut self, set: impl FnOnce(&mut Tier<K, V>)) -> Self {
        if let Some(tier) = self.tiers.last_mut() {
            set(tier);
        }
        self
    }

    /// Which part of each lifetime the last tier keeps a value for: above 0, up to 1, by default 1.
    #[must_use]
    pub fn fraction(self, fraction: f64) -> Self {
        let is_part = fraction > 0.0 && fraction < 1.0;
        self.last(|tier| tier.fraction = if is_part { fraction } else { 1.0 })
    }

    /// The last tier keeps nothing for longer than `ttl`; by default it keeps it as long as was asked for.
    #[must_use]
    pub fn at_most(self, ttl: Duration) -> Self {
        self.last(|tier| tier.at_most = Some(ttl))
    }

    /// What becomes of the last tier's failures; by default the stack goes on without it.
    #[must_use]
    pub fn on_failure(self, on_failure: OnFailure) -> Self {
        self.last(|tier| tier.on_failure = on_failure)
    }

    /// Takes what has no birth in the last tier for good where the arbiter belongs to a cluster, too. By default it is
    /// missed then, for it may have been invalidated by another host.
    #[must_use]
    pub fn takes_undated(self) -> Self {
        self.last(|tier| tier.takes_undated = true)
    }

    /// Passes over a hit that does not stay fresh for longer than `margin`, for a fresher one below; it is given if there
    /// is none. By default only what is stale is passed over.
    #[must_use]
    pub fn ttl_skip(self, margin: Duration) -> Self {
        Self {
            ttl_skip: margin,
            ..self
        }
    }

    /// Calls `observer` with each value that came up from one tier to another. By default nobody is told.
    #[must_use]
    pub fn on_promote(self, observer: impl Fn(&Promotion<'_, K, V>) + Send + Sync + 'static) -> Self {
        Self {
            on_promote: Some(Box::new(observer)),
            ..self
        }
    }

    /// How many tiers there are.
    #[must_use]
    pub fn depth(&self) -> usize {
        self.tiers.len()
    }

    /// The store of a tier, counted from 0 at the top.
    #[must_use]
    pub fn tier(&self, number: usize) -> Option<&dyn Store<K, V>> {
        self.tiers.get(number).map(|tier| &*tier.store)
    }

    /// What each tier came to in this process, from the top.
    #[must_use]
    pub fn counts(&self) -> Vec<TierCounts> {
        self.tiers.iter().map(Tier::counts).collect()
    }

    /// The arbiter's number and its segment.
    fn decider(&self) -> Option<(usize, &dyn Decide<K, V>)> {
        let number = self.arbiter?;
        let Arbiter(decider) = self.tiers.get(number)?.store.arbiter()?;
        Some((number, decider))
    }
}

impl<K: ?Sized, V> fmt::Debug for Tiers<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tiers")
            .field("tiers", &self.tiers.len())
            .field("arbiter", &self.arbiter)
            .finish_non_exhaustive()
    }
}
