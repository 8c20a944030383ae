//! The cache that a process uses where none is named.

use std::sync::{PoisonError, RwLock};

use crate::handle::Guira;

static DEFAULT: RwLock<Option<Guira>> = RwLock::new(None);

impl Guira {
    /// Makes this the cache that the process uses where none is named: what `#[cached]` without `cache` does. A
    /// memoized function that has been called before keeps the one it had.
    ///
    /// ```
    /// let guira = guira::Guira::builder().size(8 << 20).private()?;
    /// guira.set_default();
    /// assert!(guira::Guira::process_default().is_some());
    /// # Ok::<(), guira::Error>(())
    /// ```
    pub fn set_default(&self) {
        *DEFAULT.write().unwrap_or_else(PoisonError::into_inner) = Some(self.clone());
    }

    /// What [`Guira::set_default`] was last called on.
    #[must_use]
    pub fn process_default() -> Option<Self> {
        DEFAULT.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}
