//! The entries of counters and locks, and the three things that are done to one: look, count, clear.

use std::time::Duration;

use guira_segment::{Expiry, PutOptions, Segment, StoreError, Swap};
use sha2::{Digest, Sha256};

use crate::error::{Error, KeyError};
use crate::handle::Guira;
use crate::key::{Bytes, KeyBytes};

/// Not to be used by anybody else.
pub(super) const NAMESPACE: &str = "guira.lockouts";
pub(super) const MAX_NAME_BYTES: usize = 200;
/// A subject's key that is longer is replaced by its hash.
const MAX_SUBJECT_BYTES: usize = 1_024;
const HASH_BYTES: usize = 16;
/// What an entry holds that is no number any more.
const LOCKED: &[u8] = b"locked";
/// Rounds against others who write the same entry; each of theirs that comes between has counted or locked.
const ROUNDS: u32 = 1_000;

/// What an entry says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Standing {
    Clear,
    Counting { count: u32, time_left: Duration },
    Locked { time_left: Duration },
}

/// What became of an event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Counted {
    /// Which event of the window this was; `None` if the key was locked before.
    pub(super) number: Option<u32>,
    /// How long the key is locked now.
    pub(super) locked: Option<Duration>,
    /// This event sealed the lock.
    pub(super) has_sealed: bool,
}

/// What a rule says of its entries.
#[derive(Clone, Copy, Debug)]
pub(super) struct Terms {
    pub(super) limit: u32,
    pub(super) window: Duration,
    pub(super) lock: Option<Duration>,
}

/// All counters and locks of a segment.
#[derive(Clone, Debug)]
pub(super) struct Ledger {
    segment: Segment,
}

/// The key of an entry: the list of the lockout's name, the rule's, and the subject's key.
pub(super) fn entry_key(lockout: &str, rule: &str, subject: KeyBytes) -> Result<KeyBytes, KeyError> {
    let subject = if subject.len() > MAX_SUBJECT_BYTES || subject.is_hashed() {
        let hash = Sha256::digest(&subject);
        KeyBytes::of(&Bytes(hash.get(..HASH_BYTES).unwrap_or(&hash)))?
    } else {
        subject
    };
    Ok(KeyBytes::list_of([&text(lockout)?, &text(rule)?, &subject]))
}

fn text(name: &str) -> Result<KeyBytes, KeyError> {
    KeyBytes::of(name)
}

impl Ledger {
    pub(super) fn of(guira: &Guira) -> Result<Self, Error> {
        let segment = guira.segment().namespace(NAMESPACE);
        let segment = segment.map_err(|source| Error::Namespace {
            name: NAMESPACE.into(),
            source,
        })?;
        Ok(Self { segment })
    }

    pub(super) fn look(&self, key: &[u8], terms: Terms) -> Result<Standing, StoreError> {
        for _ in 0..ROUNDS {
            if let Some(value) = self.segment.get(key) {
                let time_left = value.metadata().ttl.unwrap_or(Duration::MAX);
                return Ok(match number(&value) {
                    Some(count) if count < terms.limit => Standing::Counting { count, time_left },
                    _ => Standing::Locked { time_left },
                });
            }
            // A segment that is lost misses everything. Adding nothing to what is not there writes nothing, but
            // fails if it could not have; to what came meanwhile it does no harm.
            match self.segment.increment(key, 0, None, Expiry::after(terms.window)) {
                Ok(None) => return Ok(Standing::Clear),
                Ok(Some(_)) | Err(StoreError::NotANumber | StoreError::Contended { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Err(StoreError::Contended { attempts: ROUNDS })
    }

    pub(super) fn count(&self, key: &[u8], terms: Terms) -> Result<Counted, StoreError> {
        for _ in 0..ROUNDS {
            let begun = Expiry::after(terms.window);
            match self.segment.increment(key, 1, Some(1), begun) {
                Ok(number) => {
                    let number = number.and_then(|number| u32::try_from(number).ok());
                    return match number {
                        Some(number) if number < terms.limit => Ok(Counted {
                            number: Some(number),
                            locked: None,
                            has_sealed: false,
                        }),
                        _ => self.seal(key, terms, number),
                    };
                }
                Err(StoreError::NotANumber) => {
                    if let Standing::Locked { time_left } = self.look(key, terms)? {
                        return Ok(Counted {
                            number: None,
                            locked: Some(time_left),
                            has_sealed: false,
                        });
                    }
                    // The lock has ended since.
                }
                Err(StoreError::Contended { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Err(StoreError::Contended { attempts: ROUNDS })
    }

    /// Gives a lock its lifetime, unless another did, or it has ended or was cleared since.
    fn seal(&self, key: &[u8], terms: Terms, number: Option<u32>) -> Result<Counted, StoreError> {
        let counted = |locked, has_sealed| Counted {
            number,
            locked,
            has_sealed,
        };
        for _ in 0..ROUNDS {
            let Some(value) = self.segment.get(key) else {
                return Ok(counted(None, false));
            };
            let metadata = value.metadata();
            let window_left = metadata.ttl.unwrap_or(terms.window);
            match self::number(&value) {
                None => return Ok(counted(Some(window_left), false)),
                // Another window.
                Some(count) if count < terms.limit => return Ok(counted(None, false)),
                Some(_) => {}
            }
            drop(value);
            let lock = terms.lock.unwrap_or(window_left);
            if lock.is_zero() {
                return Ok(counted(None, false));
            }
            let options = PutOptions::from(Expiry::after(lock));
            match self
                .segment
                .compare_and_swap(key, metadata.version, LOCKED, &options)
            {
                Ok(Swap::Stored) => return Ok(counted(Some(lock), true)),
                Ok(Swap::Conflict(_) | Swap::Superseded) | Err(StoreError::Contended { .. }) => {}
                Ok(Swap::NotFound) => return Ok(counted(None, false)),
                Err(error) => return Err(error),
            }
        }
        Err(StoreError::Contended { attempts: ROUNDS })
    }

    /// Forgets counts and locks; says whether there were any.
    pub(super) fn clear(&self, key: &[u8]) -> Result<bool, StoreError> {
        if self.segment.remove(key) {
            return Ok(true);
        }
        // Nothing there, or nothing that can be reached: as in `look`.
        match self.segment.increment(key, 0, None, Expiry::never()) {
            Ok(_) | Err(StoreError::NotANumber | StoreError::Contended { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }
}

/// What an entry counts; `None` if it is a lock.
pub(super) fn number(value: &[u8]) -> Option<u32> {
    str::from_utf8(value).ok()?.parse().ok()
}
