//! Keys that values are sealed with.

use std::fmt;

/// Keys of 32 bytes, each with a number: new values are sealed with the first, and those sealed with any of
/// them are read. The bytes are to come from a random source: a password is no key.
///
/// To change the key, give all programs the ring with the new one retired, then put it first, and take the
/// old one away when the last value sealed with it has gone.
///
/// ```
/// use guira::transform::KeyRing;
///
/// let ring = KeyRing::new(2, [7; 32]).retired(1, [6; 32])?;
/// assert!(ring.clone().retired(2, [5; 32]).is_err());
/// assert_eq!(format!("{ring:?}"), "KeyRing(2, 1)"); // the keys are not shown
/// # Ok::<(), guira::transform::KeyRingError>(())
/// ```
#[derive(Clone)]
pub struct KeyRing {
    /// The first is the one in use.
    keys: Vec<(u32, [u8; 32])>,
}

/// Why a ring does not take a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyRingError {
    /// It has a key of that number.
    #[error("the ring has a key {number} already; give each key a number of its own")]
    NumberTaken {
        /// The number.
        number: u32,
    },
}

impl KeyRing {
    /// A ring of one key, which is called `number`.
    #[must_use]
    pub fn new(number: u32, key: [u8; 32]) -> Self {
        Self {
            keys: vec![(number, key)],
        }
    }

    /// With another key, which is only read with.
    ///
    /// # Errors
    /// [`KeyRingError::NumberTaken`].
    pub fn retired(mut self, number: u32, key: [u8; 32]) -> Result<Self, KeyRingError> {
        if self.key(number).is_some() {
            return Err(KeyRingError::NumberTaken { number });
        }
        self.keys.push((number, key));
        Ok(self)
    }

    pub(super) fn current(&self) -> Option<(u32, &[u8; 32])> {
        self.keys.first().map(|(number, key)| (*number, key))
    }

    pub(super) fn key(&self, wanted: u32) -> Option<&[u8; 32]> {
        let found = self.keys.iter().find(|(number, _)| *number == wanted)?;
        Some(&found.1)
    }
}

impl fmt::Debug for KeyRing {
    /// The numbers only.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut numbers = f.debug_tuple("KeyRing");
        for (number, _) in &self.keys {
            numbers.field(number);
        }
        numbers.finish()
    }
}
