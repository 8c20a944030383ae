//! The standard atomics, with a point before every change.
//!
//! Loads (and whatever else only looks) are those of the standard atomic behind
//! each, reached by `Deref`: to be stopped before a load or after the change
//! before it makes no difference to anybody else.

use crate::point::before;
use std::ops::Deref;
use std::sync::atomic::{self, Ordering};

macro_rules! with_points {
    ($(#[$doc:meta])* $name:ident: $value:ty) => {
        $(#[$doc])*
        #[derive(Debug, Default)]
        #[repr(transparent)]
        pub struct $name(atomic::$name);

        impl Deref for $name {
            type Target = atomic::$name;

            #[inline]
            fn deref(&self) -> &atomic::$name {
                &self.0
            }
        }

        impl From<$value> for $name {
            fn from(value: $value) -> $name {
                $name::new(value)
            }
        }

        impl $name {
            /// An atomic that holds `value`.
            #[must_use]
            pub const fn new(value: $value) -> $name {
                $name(atomic::$name::new(value))
            }

            /// The atomic that lies at `at`.
            ///
            /// # Safety
            ///
            /// As for the standard atomic: `at` is aligned, valid for reads and writes for all of
            /// `'a`, and reached by atomic accesses only.
            #[must_use]
            pub const unsafe fn from_ptr<'a>(at: *mut $value) -> &'a $name {
                // SAFETY: valid and aligned by this function's contract; the layout is that of the value.
                unsafe { &*at.cast::<$name>() }
            }

            /// As the standard one, after a point.
            #[track_caller]
            pub fn store(&self, value: $value, order: Ordering) {
                before("store");
                self.0.store(value, order);
            }

            /// As the standard one, after a point.
            #[track_caller]
            pub fn swap(&self, value: $value, order: Ordering) -> $value {
                before("swap");
                self.0.swap(value, order)
            }

            /// As the standard one, after a point.
            ///
            /// # Errors
            ///
            /// What is there, when that is not `current`.
            #[track_caller]
            pub fn compare_exchange(
                &self,
                current: $value,
                new: $value,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$value, $value> {
                before("compare_exchange");
                self.0.compare_exchange(current, new, success, failure)
            }

            /// As the standard one, after a point; never fails without a reason, so that the same
            /// work passes the same points each time.
            ///
            /// # Errors
            ///
            /// What is there, when that is not `current`.
            #[track_caller]
            pub fn compare_exchange_weak(
                &self,
                current: $value,
                new: $value,
                success: Ordering,
                failure: Ordering,
            ) -> Result<$value, $value> {
                before("compare_exchange_weak");
                self.0.compare_exchange(current, new, success, failure)
            }

            /// As the standard one, after a point for each attempt.
            ///
            /// # Errors
            ///
            /// What was there when `change` gave none.
            #[track_caller]
            pub fn fetch_update(
                &self,
                set_order: Ordering,
                fetch_order: Ordering,
                mut change: impl FnMut($value) -> Option<$value>,
            ) -> Result<$value, $value> {
                let mut old = self.0.load(fetch_order);
                while let Some(new) = change(old) {
                    before("fetch_update");
                    match self.0.compare_exchange(old, new, set_order, fetch_order) {
                        Ok(_) => return Ok(old),
                        Err(other) => old = other,
                    }
                }
                Err(old)
            }

            with_points!(@change $value: fetch_and, fetch_nand, fetch_or, fetch_xor);
        }
    };
    (@change $value:ty: $($method:ident),*) => {
        $(
            /// As the standard one, after a point.
            #[track_caller]
            pub fn $method(&self, value: $value, order: Ordering) -> $value {
                before(stringify!($method));
                self.0.$method(value, order)
            }
        )*
    };
}

with_points! {
    /// A shared truth value with a point before every change.
    AtomicBool: bool
}
with_points! {
    /// A shared 4-byte number with a point before every change.
    AtomicU32: u32
}
with_points! {
    /// A shared word with a point before every change.
    AtomicU64: u64
}

impl AtomicU32 {
    with_points!(@change u32: fetch_add, fetch_sub, fetch_max, fetch_min);
}

impl AtomicU64 {
    with_points!(@change u64: fetch_add, fetch_sub, fetch_max, fetch_min);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::point::{record, turn};

    #[test]
    fn every_change_has_a_point_before_it_and_a_load_has_none() {
        let _turn = turn();
        let word = AtomicU64::new(1);
        let ((), points) = record(|| {
            word.store(2, Ordering::Relaxed);
            word.load(Ordering::Relaxed);
            word.swap(3, Ordering::Relaxed);
            word.fetch_add(4, Ordering::Relaxed);
            word.fetch_max(9, Ordering::Relaxed);
            let exchanged = word.compare_exchange(9, 10, Ordering::Relaxed, Ordering::Relaxed);
            assert_eq!(exchanged, Ok(9));
            let refused = word.compare_exchange_weak(9, 11, Ordering::Relaxed, Ordering::Relaxed);
            assert_eq!(refused, Err(10));
            let updated = word.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |old| Some(old + 1));
            assert_eq!(updated, Ok(10));
        });
        let kinds: Vec<&str> = points.iter().map(|point| point.what).collect();
        let expected = [
            "store",
            "swap",
            "fetch_add",
            "fetch_max",
            "compare_exchange",
            "compare_exchange_weak",
            "fetch_update",
        ];
        assert_eq!(kinds, expected);
        assert_eq!(word.load(Ordering::Relaxed), 11);
    }

    #[test]
    fn a_point_is_where_the_change_is_written() {
        let _turn = turn();
        let word = AtomicU64::new(0);
        let line = line!() + 1;
        let ((), points) = record(|| word.store(1, Ordering::Relaxed));
        assert_eq!(points.len(), 1);
        assert_eq!(points[0].location.line(), line);
        assert!(points[0].location.file().ends_with("points.rs"));
    }

    #[test]
    fn an_atomic_over_memory_is_the_memory() {
        let mut value = 7u64;
        // SAFETY: `value` is aligned and reached through this atomic alone while it is borrowed.
        let word = unsafe { AtomicU64::from_ptr(&raw mut value) };
        word.fetch_or(8, Ordering::Relaxed);
        assert_eq!(word.load(Ordering::Relaxed), 15);
        let half = AtomicU32::new(1);
        half.fetch_sub(1, Ordering::Relaxed);
        assert_eq!(half.load(Ordering::Relaxed), 0);
        let flag = AtomicBool::new(false);
        assert!(!flag.swap(true, Ordering::Relaxed));
    }
}
