//! A shared word that the checker looks after while an exploration is under way.

use std::sync::atomic::{AtomicU64 as Memory, Ordering};

use super::{model, table};
use table::Counterpart;

/// As the standard type, and of the same layout.
#[derive(Debug, Default)]
#[repr(transparent)]
pub struct AtomicU64(Memory);

impl AtomicU64 {
    /// A word that holds `value`.
    pub const fn new(value: u64) -> Self {
        Self(Memory::new(value))
    }

    /// The word at `pointer`.
    ///
    /// # Safety
    ///
    /// As for the standard type.
    pub const unsafe fn from_ptr<'a>(pointer: *mut u64) -> &'a Self {
        // SAFETY: the layout is that of u64; the rest is the caller's contract.
        unsafe { &*pointer.cast::<Self>() }
    }

    /// Where the word is.
    pub const fn as_ptr(&self) -> *mut u64 {
        self.0.as_ptr()
    }

    /// Makes the memory hold what a load gives now.
    pub(crate) fn settle(&self) {
        let value = self.load(Ordering::Relaxed);
        self.0.store(value, Ordering::Relaxed);
    }

    fn modeled(&self) -> Option<table::Modeled> {
        table::is_explored().then(|| {
            let address = self.0.as_ptr().expose_provenance();
            table::counterpart(address, self.0.load(Ordering::Relaxed))
        })
    }

    /// Before a change: here a thread that is to die or to stop does so. A thread that unwinds
    /// changes nothing any more, as a killed one would not.
    fn changed(&self) -> Change {
        if table::is_explored() {
            model::before_change();
        }
        match self.modeled() {
            Some((counterpart, base)) => Change::Modeled(counterpart, base),
            None if model::is_killed() => Change::None,
            None => Change::Memory,
        }
    }

    /// As the standard type.
    pub fn load(&self, ordering: Ordering) -> u64 {
        match self.modeled() {
            Some((counterpart, base)) => counterpart.load(ordering).wrapping_add(base),
            None => self.0.load(ordering),
        }
    }

    /// What the word holds now: the checker gives a change, though of nothing, no old value.
    pub(super) fn load_latest(&self) -> u64 {
        match self.modeled() {
            Some((counterpart, base)) => counterpart.fetch_add(0, Ordering::Acquire).wrapping_add(base),
            None => self.0.load(Ordering::SeqCst),
        }
    }

    /// As the standard type.
    pub fn store(&self, value: u64, ordering: Ordering) {
        match self.changed() {
            Change::Modeled(counterpart, base) => counterpart.store(value.wrapping_sub(base), ordering),
            Change::Memory => self.0.store(value, ordering),
            Change::None => {}
        }
    }

    /// As the standard type.
    pub fn swap(&self, value: u64, ordering: Ordering) -> u64 {
        match self.changed() {
            Change::Modeled(counterpart, base) => {
                let before = counterpart.swap(value.wrapping_sub(base), ordering);
                before.wrapping_add(base)
            }
            Change::Memory => self.0.swap(value, ordering),
            Change::None => value,
        }
    }

    /// As the standard type.
    pub fn compare_exchange(
        &self,
        current: u64,
        new: u64,
        success: Ordering,
        failure: Ordering,
    ) -> Result<u64, u64> {
        match self.changed() {
            Change::Modeled(counterpart, base) => counterpart
                .compare_exchange(
                    current.wrapping_sub(base),
                    new.wrapping_sub(base),
                    success,
                    failure,
                )
                .map(|before| before.wrapping_add(base))
                .map_err(|now| now.wrapping_add(base)),
            Change::Memory => self.0.compare_exchange(current, new, success, failure),
            Change::None => Err(current),
        }
    }

    /// As the standard type; it never fails for no reason.
    pub fn compare_exchange_weak(
        &self,
        current: u64,
        new: u64,
        success: Ordering,
        failure: Ordering,
    ) -> Result<u64, u64> {
        self.compare_exchange(current, new, success, failure)
    }

    /// As the standard type.
    pub fn fetch_add(&self, value: u64, ordering: Ordering) -> u64 {
        match self.changed() {
            Change::Modeled(counterpart, base) => counterpart.fetch_add(value, ordering).wrapping_add(base),
            Change::Memory => self.0.fetch_add(value, ordering),
            Change::None => 0,
        }
    }

    /// As the standard type.
    pub fn fetch_sub(&self, value: u64, ordering: Ordering) -> u64 {
        self.fetch_add(value.wrapping_neg(), ordering)
    }

    /// As the standard type.
    pub fn fetch_max(&self, value: u64, ordering: Ordering) -> u64 {
        self.fetch_with(ordering, |now| now.max(value))
    }

    /// As the standard type.
    pub fn fetch_or(&self, value: u64, ordering: Ordering) -> u64 {
        self.fetch_with(ordering, |now| now | value)
    }

    /// A compare-and-swap from what was there, again until it holds.
    fn fetch_with(&self, ordering: Ordering, change: impl Fn(u64) -> u64) -> u64 {
        match self.changed() {
            Change::Modeled(counterpart, base) => {
                let mut now: u64 = 0;
                loop {
                    let new = change(now.wrapping_add(base)).wrapping_sub(base);
                    match counterpart.compare_exchange(now, new, ordering, Ordering::Relaxed) {
                        Ok(before) => return before.wrapping_add(base),
                        Err(other) => now = other,
                    }
                }
            }
            Change::Memory => self
                .0
                .fetch_update(ordering, Ordering::Relaxed, |now| Some(change(now)))
                .unwrap_or_else(|now| now),
            Change::None => 0,
        }
    }
}

/// Where a change goes.
enum Change {
    Modeled(std::rc::Rc<Counterpart>, u64),
    Memory,
    None,
}
