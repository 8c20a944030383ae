//! The key of a call, or why there is none.

use serde::Serialize;

use crate::error::KeyError;
use crate::key::KeyBytes;

/// The arguments of a call, encoded.
#[derive(Debug)]
pub struct Key {
    pub(super) bytes: KeyBytes,
    pub(super) failure: Option<KeyError>,
}

impl Key {
    /// Of what stands for the arguments.
    #[inline]
    pub fn of<Q: Serialize + ?Sized>(arguments: &Q) -> Self {
        let mut key = Self {
            bytes: KeyBytes::new(),
            failure: None,
        };
        if let Err(failure) = key.bytes.encode(arguments) {
            key.failure = Some(failure);
        }
        key
    }
}
