//! What is asked for: keys, values and their order, all from a seed and the same in every process.

mod keys;
mod stream;
mod values;

pub(crate) use keys::{key_bytes, random, write_key};
pub(crate) use stream::{Popularity, Stream};
pub(crate) use values::{Values, ends_of, fold};

/// Bytes of a value where nothing else is said.
pub(crate) const VALUE_BYTES: usize = 100;
