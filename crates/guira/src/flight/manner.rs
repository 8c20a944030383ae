//! What a flight needs to know of the values and errors it carries.

use std::time::Duration;

use guira_segment::PutOptions;

use crate::dependency::Declared;
use crate::failure::Failure;

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
