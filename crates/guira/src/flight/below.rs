//! What the tiers below the segment have of a missed key: it comes up before anything is computed, and within the
//! flight, so that the lower tiers are asked once for all who wait.

use guira_segment::MAX_TAGS;

use super::asking::Place;
use super::computation::{Basis, Computation};
use super::manner::{FromBelow, Values};
use super::tally::count;
use crate::dependency::{self, Declared};

/// How often what is below is asked for again because it was superseded.
const ROUNDS: u32 = 16;

/// What became of a value from below.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Taken {
    /// It is the answer.
    Up,
    Superseded,
    /// It cannot be kept here as it is: a new one is computed.
    No,
}

/// What came of asking the tiers below.
#[derive(Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "the large one is the usual one, and lives on the stack"
)]
pub(super) enum Below<'c, V> {
    /// Go on.
    Compute(Computation<'c>),
    /// Their value.
    Found(V),
}

impl<'c> Computation<'c> {
    /// The value of a tier below, which is in the segment now if that takes it. One that is superseded is asked for again.
    pub(super) fn ask_below<V>(mut self, values: &impl Values<V>) -> Below<'c, V> {
        for _ in 0..ROUNDS {
            if matches!(self.basis, Basis::Present(..)) {
                // What is here and beyond trust; the tiers below know no more.
                return Below::Compute(self);
            }
            let Some(found) = values.below(self.basis.token()) else {
                return Below::Compute(self);
            };
            match self.take_up(&found, values) {
                Taken::Up => return Below::Found(found.value),
                Taken::No => return Below::Compute(self),
                Taken::Superseded => {}
            }
            // Invalidated since the lower tier was asked, or somebody stored a value. To compute under the old token would
            // be in vain.
            self.renew_basis();
            if let Basis::Present(..) = self.basis
                && let Some(stored) = self.place.segment.get(self.place.key)
                && let Some(value) = values.decode(self.place.key, &stored)
            {
                dependency::give(&stored);
                return Below::Found(value);
            }
        }
        // Others write all the time: they have the last word in all tiers.
        values.leave_below();
        Below::Compute(self)
    }

    /// Stores what was found.
    fn take_up<V>(&self, found: &FromBelow<V>, values: &impl Values<V>) -> Taken {
        let names: Vec<&[u8]> = values.names().iter().map(AsRef::as_ref).collect();
        let is_new = |tag: &&Vec<u8>| !names.contains(&tag.as_slice());
        let tags: Vec<Vec<u8>> = found.tags.iter().filter(is_new).cloned().collect();
        if names.len() + tags.len() > MAX_TAGS {
            // They would be folded, and some of them may be already.
            return Taken::No;
        }
        let Place {
            segment,
            key,
            flights,
        } = self.place;
        let declared = Declared::of_names(tags);
        let basis = Basis::Absent(found.token);
        let taken = values.encode(
            key,
            &found.value,
            self.began.elapsed(),
            &declared,
            |encoded, options| {
                let options = options.filter(|_| !self.is_guarded)?.within(found.expiry);
                match basis.store(segment, key, encoded, &options) {
                    Ok(true) => values.came_up(found),
                    Ok(false) => return Some(Taken::Superseded),
                    // No room for it here: it is given from below each time.
                    Err(error) => {
                        count(&flights.tally.not_stored);
                        tracing::debug!(%error, "a value stays in a lower tier");
                        self.tell_value(found.token.clock(), encoded);
                    }
                }
                Some(Taken::Up)
            },
        );
        let taken = taken.flatten().unwrap_or(Taken::No);
        if taken == Taken::Up {
            declared.give(values.names());
        }
        taken
    }
}
