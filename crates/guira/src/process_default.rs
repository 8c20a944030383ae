//! The cache that a process uses where none is named.

use std::sync::{PoisonError, RwLock};

use crate::error::Error;
use crate::handle::Guira;
use crate::settings::Settings;

static DEFAULT: RwLock<Default> = RwLock::new(Default {
    guira: None,
    has_looked: false,
});

struct Default {
    guira: Option<Guira>,
    /// The environment was asked; it is not asked again.
    has_looked: bool,
}

impl Guira {
    /// Makes this the cache that the process uses where none is named, as `#[cached]` without `cache` does. A memoized
    /// function that has been called before keeps the one it had.
    ///
    /// ```
    /// let guira = guira::Guira::builder().size(8 << 20).private()?;
    /// guira.set_default();
    /// assert!(guira::Guira::process_default().is_some());
    /// # Ok::<(), guira::Error>(())
    /// ```
    pub fn set_default(&self) {
        DEFAULT.write().unwrap_or_else(PoisonError::into_inner).guira = Some(self.clone());
    }

    /// What [`Guira::set_default`] was last called on; before that, what [`Guira::from_env`] finds, if the environment or
    /// `guira.toml` names a segment. What is wrong with those is said once in the log.
    #[must_use]
    pub fn process_default() -> Option<Self> {
        {
            let default = DEFAULT.read().unwrap_or_else(PoisonError::into_inner);
            if default.guira.is_some() || default.has_looked {
                return default.guira.clone();
            }
        }
        let mut default = DEFAULT.write().unwrap_or_else(PoisonError::into_inner);
        if default.guira.is_none() && !default.has_looked {
            default.has_looked = true;
            default.guira = of_environment().unwrap_or_else(|error| {
                tracing::error!(%error, "the settings name no cache for this process");
                None
            });
        }
        default.guira.clone()
    }
}

fn of_environment() -> Result<Option<Guira>, Error> {
    let settings = Settings::from_env()?;
    settings.path().map(|_| settings.open()).transpose()
}
