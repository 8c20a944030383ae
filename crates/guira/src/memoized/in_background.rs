//! Computations in the background whose function is given with the call, such as a method with a clone of what its
//! `self` borrows. What is memoized lives for ever, as the statics of `#[cached]` do.

use super::counts::count;
use super::key::Key;
use super::memo::{Memo, Quick, place_in};
use crate::background::{Computing, Unclaimed, claim, hand_over, in_pool, run_soon};
use crate::codec::Codec;
use crate::dependency;
use crate::flight::entangled::carry;
use crate::flight::{KeyId, Manner, Purpose};

#[doc(hidden)]
impl<V: Send + 'static, C: Codec<V>> Memo<V, C> {
    /// What is kept, be it stale; what is missing or stale is computed in the background. `how` gives the tags, and
    /// what computes.
    pub fn lazy_in_background<E: 'static, Compute>(
        &'static self,
        key: &Key,
        manner: Manner<E>,
        how: impl FnOnce() -> (Vec<String>, Compute),
    ) -> Option<V>
    where
        Compute: FnOnce() -> Result<V, E> + Send + 'static,
    {
        match self.quick_of(key) {
            Quick::Hit(value) => Some(value),
            Quick::Stale(value) => {
                self.refresh_soon(key, manner, how());
                Some(value)
            }
            Quick::Miss | Quick::Unclear => {
                self.refresh_soon(key, manner, how());
                None
            }
            Quick::Off => None,
        }
    }

    /// What is kept, be it stale, or what `how` computes in the background; what is stale is refreshed there, too.
    pub fn future_in_background<E: Send + 'static, Compute>(
        &'static self,
        key: &Key,
        manner: Manner<E>,
        how: impl FnOnce() -> (Vec<String>, Compute),
    ) -> Computing<Result<V, E>>
    where
        Compute: FnOnce() -> Result<V, E> + Send + 'static,
    {
        let (handover, computing) = hand_over();
        match self.quick_of(key) {
            Quick::Hit(value) => handover.give(|| Ok(value)),
            Quick::Stale(value) => {
                self.refresh_soon(key, manner, how());
                handover.give(|| Ok(value));
            }
            quick @ (Quick::Miss | Quick::Unclear | Quick::Off) => {
                dependency::give_unknown();
                let (key, how) = (key.bytes.clone(), how());
                run_or_hand_over(move || {
                    handover.give(|| self.answer_in_place(&key, manner, &quick, Purpose::Value, how));
                });
            }
        }
        computing
    }

    fn refresh_soon<E: 'static>(
        &'static self,
        key: &Key,
        manner: Manner<E>,
        (tags, compute): (Vec<String>, impl FnOnce() -> Result<V, E> + Send + 'static),
    ) {
        let held = self.hold();
        let Some((place, _)) = place_in(held.as_deref(), &key.bytes) else {
            return;
        };
        if place.is_backing_off() {
            return;
        }
        match claim(KeyId::of(place.segment, &key.bytes).number()) {
            Ok(claim) => {
                let key = key.bytes.clone();
                run_soon(Box::new(move || {
                    self.refresh_now(&key, manner, &tags, compute);
                    drop(claim);
                }));
            }
            Err(Unclaimed::Known) => {}
            Err(Unclaimed::TooMany) => count(&self.counts.mine().refreshes_left_out),
        }
    }
}

/// On a thread of the pool at once: it would wait for others that wait like itself.
pub(super) fn run_or_hand_over(work: impl FnOnce() + Send + 'static) {
    if in_pool() {
        work();
    } else {
        run_soon(Box::new(carry(work)));
    }
}
