//! What a flight needs to know of the values and errors it carries.

use std::time::Duration;

use guira_segment::{Expiry, FillToken, PutOptions};

use crate::dependency::Declared;
use crate::failure::Failure;
use crate::lifetime::Ttl;

/// How values become what is stored, and back.
pub(crate) trait Values<V> {
    /// None for what this cache cannot read, which is as a miss.
    fn decode(&self, key: &[u8], stored: &[u8]) -> Option<V>;

    /// What all of them depend on.
    fn names(&self) -> &[impl AsRef<[u8]>];

    /// Calls `store` with what `value`, which took `cost` to compute, is to be stored as, and how: none if it
    /// is not to be cached, only to be told to those who wait for it. It depends on what was `declared`, too. None if
    /// it cannot be encoded.
    fn encode<R>(
        &self,
        key: &[u8],
        value: &V,
        cost: Duration,
        declared: &Declared,
        store: impl FnOnce(&[u8], Option<&PutOptions<'_>>) -> R,
    ) -> Option<R>;

    /// What the tiers below the segment have of the key that was missed here; `token` was taken before they are asked.
    fn below(&self, _token: &FillToken) -> Option<FromBelow<V>> {
        None
    }

    /// What is computed is not for the tiers below.
    fn leave_below(&self) {}

    /// A computed value is about to be stored in the segment.
    fn before_store(&self, _value: &V, _declared: &Declared, _token: &FillToken) {}

    /// It was; or it was not stored, because it is superseded.
    fn after_store(&self, _value: &V, _declared: &Declared, _token: &FillToken, _is_stored: bool) {}

    /// What was found below is in the segment now.
    fn came_up(&self, _found: &FromBelow<V>) {}
}

/// A value of a tier below the segment.
#[derive(Debug)]
pub(crate) struct FromBelow<V> {
    pub(crate) value: V,
    /// As old as the value.
    pub(crate) token: FillToken,
    /// What is left of its life.
    pub(crate) expiry: Expiry,
    pub(crate) tags: Vec<Vec<u8>>,
    /// Which tier had it, and for how long.
    pub(crate) from: usize,
    pub(crate) ttl: Ttl,
}

/// How errors travel.
#[derive(Debug)]
pub struct Manner<E> {
    /// The error that a failure of somebody else's computation becomes; none if the caller is to compute.
    pub(crate) adopt: fn(Failure) -> Option<E>,
    /// What is told of an error.
    pub(crate) describe: fn(&E) -> Failure,
}

impl<E> Clone for Manner<E> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<E> Copy for Manner<E> {}

/// What a call wants.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Purpose {
    /// A value: a stale one will do where a fresh one is not to be had soon.
    Value,
    /// A fresh value; it is computed if there is a stale one only.
    Fresh,
    /// A value that was computed after the call began, whatever is there.
    New,
}
