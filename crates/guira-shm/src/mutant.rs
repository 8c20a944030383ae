//! Mutants: the protocols with one check or one ordering taken away.
//!
//! A proof that never fails proves nothing. Where a check or an ordering carries
//! a promise, the code asks here whether it is to be left out, and the proofs
//! show that they notice. In an ordinary build every answer is a constant "no"
//! and nothing of this is left in the binary.

use crate::sync::Ordering;

macro_rules! mutants {
    ($($(#[$doc:meta])* $name:ident = $text:literal,)*) => {
        /// One thing that a protocol does without.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Mutant {
            $($(#[$doc])* $name,)*
        }

        impl Mutant {
            /// Every mutant.
            pub const ALL: &'static [Mutant] = &[$(Mutant::$name,)*];

            /// The name that the command line and the environment use.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Mutant::$name => $text,)* }
            }
        }
    };
}

mutants! {
    /// The second looks at the move counter and at a base's block are in no common order.
    UnorderedSecondLooks = "unordered-second-looks",
    /// The slot of an entry that is forwarded is cleared without raising the move counter.
    ClearWithoutBump = "clear-without-bump",
    /// A slot is moved to the partner bucket without raising the move counter.
    MoveWithoutBump = "move-without-bump",
    /// A derivation forwards its base without raising the move counter first.
    ForwardWithoutBump = "forward-without-bump",
    /// A drainer swings a slot to its copy without raising the move counter.
    SwingWithoutBump = "swing-without-bump",
    /// Whoever takes over a drain does not swing slots for entries that are forwarded already.
    NoSecondSwing = "no-second-swing",
    /// A put or fill looks at the stamps without a fence behind its link.
    StoreWithoutFence = "store-without-fence",
    /// A put or fill does not look at the stamps before it settles its twins.
    NoFirstLookAtStamps = "no-first-look-at-stamps",
    /// A twin whose state changed while it was settled counts as settled.
    RacedTwinIsSettled = "raced-twin-is-settled",
    /// A put forwards a LIVE twin without asking whether its own entry was helped or killed.
    OwnEntryNotLookedAt = "own-entry-not-looked-at",
    /// An invalidation scans without a fence behind its stamp.
    InvalidateWithoutFence = "invalidate-without-fence",
    /// A kill does not follow forwards.
    KillStopsAtForward = "kill-stops-at-forward",
    /// A pin is a store that nothing orders before the look at the block.
    UnorderedPin = "unordered-pin",
    /// A pinned block's generation is not compared.
    PinWithoutGeneration = "pin-without-generation",
    /// A block is drained although a writer is about to go on in it.
    WritersAreDrained = "writers-are-drained",
    /// A block is drained and freed whoever pins it.
    PinsNotLookedAt = "pins-not-looked-at",
    /// Pins are looked at without a fence behind the retirement.
    ReclaimWithoutFence = "reclaim-without-fence",
    /// A shared lane's block is appended to without asking, once it is pinned, whether it is open, nor the
    /// tail whether it is of the lane's generation. (Each of the two suffices.)
    UnguardedLane = "unguarded-lane",
    /// A writer goes LIVE beside entries that are on their way.
    OrphansAreLeft = "orphans-are-left",
    /// A recovery erases pins whatever incarnation of the record they are of.
    RecoveryOfAnyIncarnation = "recovery-of-any-incarnation",
    /// A range of the index is marked as swept before it is.
    SweepMarkedFirst = "sweep-marked-first",
    /// A flight is taken over without comparing its owner.
    FlightTakenBlindly = "flight-taken-blindly",
    /// A guard that a forked child inherited lets go of its parent's pin.
    InheritedGuardUnpins = "inherited-guard-unpins",
    /// Who claimed a flight does not look whether the other cell has one of the same key.
    OtherFlightCellNotLookedAt = "other-flight-cell-not-looked-at",
    /// A write that was helped to LIVE and removed is written again.
    WrittenTwice = "written-twice",
    /// A fill's second look at the stamps is for invalidations only, whatever it has forwarded.
    FillLooksOnce = "fill-looks-once",
    /// A scan that found nothing is believed without a second look at the move counter.
    UnverifiedScan = "unverified-scan",
    /// An entry that is not valid is believed to be the key's, whatever became of it since it was met.
    InvalidIsGone = "invalid-is-gone",
    /// A fill does not look at the key's stamp: what was written since its token does not matter to it.
    StampBlindFill = "stamp-blind-fill",
    /// A compare-and-swap does not compare.
    VersionBlindSwap = "version-blind-swap",
    /// What kills a key's entries looks for them in the first of its buckets only.
    HalfKillScan = "half-kill-scan",
    /// A put goes LIVE beside what is there.
    UnsettledPut = "unsettled-put",
    /// A derivation that lost the race for its base goes on as if it had won.
    LostDerivation = "lost-derivation",
    /// An entry is as young as its present look: clearing and tags do not reach what was made of it.
    RebornDerivation = "reborn-derivation",
    /// What was read once is believed to be its key's value, whatever became of the entry and of the key's stamp.
    WatchNotLookedAt = "watch-not-looked-at",
    /// An appender writes its record's words without looking at what is there.
    JournalByStores = "journal-by-stores",
    /// An appender replaces whatever word is in its slot, of a later lap or voided.
    JournalLapsUnchecked = "journal-laps-unchecked",
    /// An invalidation changes the stamp and kills before its record is committed.
    StampBeforeRecord = "stamp-before-record",
    /// A value that was superseded while it was computed is given to whoever waited, however late the waiter came.
    LandingForAll = "landing-for-all",
    /// A change of a files cache's record is not written down before it is made.
    IntentNotWritten = "intent-not-written",
    /// The space of a file is counted before its record says so.
    CountedFirst = "counted-first",
    /// The record of a removed file is free before the file's name is gone.
    FreedBeforeUnlinked = "freed-before-unlinked",
    /// Whoever takes over a dead process's row gives up every file it held, whether a stub names it or not.
    NamedFileGivenUp = "named-file-given-up",
    /// The file of a spilled value is removed before the new value's stub is stored.
    RetiredBeforeStored = "retired-before-stored",
    /// A put into a stack of tiers stores in the arbiter before it writes the tiers below.
    ArbiterFirst = "arbiter-first",
}

impl Mutant {
    /// The mutant of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Mutant> {
        Mutant::ALL.iter().copied().find(|mutant| mutant.name() == name)
    }

    /// Whether this is to be left out. Constant in an ordinary build.
    #[cfg(not(any(guira_points, guira_model)))]
    #[inline(always)]
    #[must_use]
    pub const fn is_on(self) -> bool {
        false
    }

    /// Whether this is to be left out.
    #[cfg(any(guira_points, guira_model))]
    #[must_use]
    pub fn is_on(self) -> bool {
        switch::current() == Some(self)
    }

    /// `right`, or `wrong` if this ordering is to be left out.
    #[cfg_attr(not(any(guira_points, guira_model)), inline(always))]
    #[must_use]
    pub fn ordering(self, right: Ordering, wrong: Ordering) -> Ordering {
        if self.is_on() { wrong } else { right }
    }
}

#[cfg(any(guira_points, guira_model))]
pub use switch::switch_on;

#[cfg(any(guira_points, guira_model))]
mod switch {
    use super::Mutant;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// One more than the index in `Mutant::ALL`; 0 for none.
    static ON: AtomicUsize = AtomicUsize::new(0); // process-private

    /// Makes this process run with one mutant, or with none.
    pub fn switch_on(mutant: Option<Mutant>) {
        let index = mutant.and_then(|wanted| Mutant::ALL.iter().position(|other| *other == wanted));
        ON.store(index.map_or(0, |index| index + 1), Ordering::Relaxed);
    }

    pub(super) fn current() -> Option<Mutant> {
        ON.load(Ordering::Relaxed)
            .checked_sub(1)
            .map(|index| Mutant::ALL[index])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mutant_is_found_by_its_name_and_off_at_first() {
        for mutant in Mutant::ALL {
            assert_eq!(Mutant::from_name(mutant.name()), Some(*mutant));
            assert!(!mutant.is_on());
        }
        assert_eq!(Mutant::from_name("no-such-mutant"), None);
    }
}
