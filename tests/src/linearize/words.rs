//! Between the words of the engine's interface and those of a history.

use std::hash::{Hash, Hasher};
use std::time::Duration;

use guira_segment::{Expiry, PutOptions, Replace, StoreError, ValueRef, Version};

use crate::linearize::event::{Life, New, Outcome};
use crate::linearize::value::{counter_of, number_of};
use crate::linearize::world::World;

/// In the place of a key: all of them, those of the default namespace, those of the other.
pub(crate) const ALL_KEYS: u8 = 255;
pub(crate) const MAIN_KEYS: u8 = 254;
pub(crate) const SIDE_KEYS: u8 = 253;

/// The number that the bytes of a value of `key` stand for.
pub(super) fn number(key: u8, bytes: &[u8]) -> u64 {
    if World::is_counter(key) {
        counter_of(bytes)
    } else {
        number_of(bytes)
    }
}

/// What was seen of a value.
pub(super) struct Look {
    pub(super) value: u64,
    pub(super) version: Option<Version>,
    stale: bool,
}

impl Look {
    pub(super) fn at(value: &ValueRef<'_>, key: u8, with_version: bool) -> Self {
        Self {
            value: number(key, value),
            version: with_version.then(|| value.version()),
            stale: value.is_stale(),
        }
    }

    pub(super) fn outcome(&self) -> Outcome {
        Outcome::Hit {
            value: Some(self.value),
            version: self.version.map(digest),
            stale: Some(self.stale),
        }
    }
}

pub(super) const fn hit(value: u64) -> Outcome {
    Outcome::Hit {
        value: Some(value),
        version: None,
        stale: None,
    }
}

pub(super) fn replaced(result: &Result<Replace, StoreError>) -> Outcome {
    match result {
        Ok(Replace::Stored) => Outcome::Stored,
        Ok(Replace::NotFound) => Outcome::NotFound,
        Ok(Replace::Superseded) => Outcome::Superseded,
        Err(_) => Outcome::Failed,
    }
}

pub(super) fn with_options<R>(new: &New, operation: impl FnOnce(&PutOptions<'_>) -> R) -> R {
    let tags: &[&[u8]] = match new.tag {
        0 => &[],
        1 => &[b"tag 1"],
        _ => &[b"tag 2"],
    };
    operation(&PutOptions::from(expiry(new.life)).tags(tags))
}

pub(super) const fn tag_name(tag: u8) -> &'static [u8] {
    if tag == 1 { b"tag 1" } else { b"tag 2" }
}

pub(super) fn expiry(life: Life) -> Expiry {
    let ms = |ms: u32| Duration::from_millis(ms.into());
    let hard = if life.hard_ms == 0 {
        Expiry::never()
    } else {
        Expiry::after(ms(life.hard_ms))
    };
    if life.soft_ms == 0 {
        hard
    } else {
        hard.soft(ms(life.soft_ms))
    }
}

pub(super) const fn key_name(key: u8) -> [u8; 2] {
    [b'k', key]
}

/// A version as a number: what it would give to a hash.
pub(super) fn digest(version: Version) -> u64 {
    struct Taken(u64);
    impl Hasher for Taken {
        fn write(&mut self, bytes: &[u8]) {
            for byte in bytes {
                self.0 = self.0.rotate_left(8) ^ u64::from(*byte);
            }
        }
        fn finish(&self) -> u64 {
            self.0
        }
    }
    let mut taken = Taken(0);
    version.hash(&mut taken);
    // 0 stands for a version that nobody has seen.
    taken.finish().max(1)
}

/// Runs an operation of the engine; in builds with points, with delays inside if the world has them.
#[cfg(guira_points)]
pub(super) fn delayed<R>(world: &World, seed: u64, operation: impl FnOnce() -> R) -> R {
    match world.delay_one_in {
        Some(one_in) => guira_shm::point::with_delays(one_in, seed, operation),
        None => operation(),
    }
}

#[cfg(not(guira_points))]
pub(super) fn delayed<R>(_: &World, _: u64, operation: impl FnOnce() -> R) -> R {
    operation()
}
