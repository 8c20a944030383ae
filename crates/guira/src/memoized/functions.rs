//! Functions that are called by name, and memoized while the program runs.

use std::any::{Any, type_name};
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{MemoBuilder, MemoStats, Memoized};
use crate::handle::Guira;

/// Functions by name, each of which is a plain one until it is [wrapped](Functions::wrap), and again when it is
/// [cut off](Functions::cut_off). `Send` and `Sync`.
///
/// ```
/// use guira::memoized::Functions;
/// use std::time::Duration;
///
/// let functions = Functions::new();
/// functions.add("square", |n: u64| n * n);
/// functions.add("greeting", |name: String| format!("Dear {name}"));
/// assert_eq!(functions.call::<u64, u64>("square", 7)?, 49); // plain
///
/// # let guira = guira::Guira::builder().size(8 << 20).private()?;
/// functions.wrap_all(&guira, "app.");
/// assert_eq!(functions.call::<u64, u64>("square", 7)?, 49); // computed, and kept as "app.square"
/// assert_eq!(functions.call::<u64, u64>("square", 7)?, 49);
/// assert_eq!(functions.stats("square")?.map(|stats| stats.hits), Some(1));
/// assert!(functions.cut_off("square")?); // plain again
/// assert_eq!(functions.names(), ["greeting", "square"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Default)]
pub struct Functions {
    entries: RwLock<BTreeMap<Box<str>, Arc<dyn Wrap>>>,
}

/// What is wrong with a call by name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// Nobody added it.
    #[error("no function is called {name:?}; there are {known}")]
    Unknown {
        /// What was asked for.
        name: Box<str>,
        /// What there are.
        known: Box<str>,
    },
    /// It takes or returns something else.
    #[error("{name:?} is a function of {found}, and was called as one of {asked}")]
    OtherTypes {
        /// Its name.
        name: Box<str>,
        /// Its types.
        found: &'static str,
        /// Those of the call.
        asked: &'static str,
    },
}

/// A function of whatever types.
trait Wrap: Any + Send + Sync {
    fn wrap(&self, guira: &Guira, name: &str);
    fn cut_off(&self) -> bool;
    fn stats(&self) -> Option<MemoStats>;
    fn types(&self) -> &'static str;
}

struct Entry<A, V> {
    plain: Arc<dyn Fn(A) -> V + Send + Sync>,
    memoized: RwLock<Option<Memoized<A, V>>>,
}

impl<A, V> Entry<A, V> {
    fn memoized(&self) -> Option<Memoized<A, V>> {
        self.memoized
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn set(&self, memoized: Option<Memoized<A, V>>) -> bool {
        let mut present = self.memoized.write().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut *present, memoized).is_some()
    }
}

impl<A, V> Entry<A, V>
where
    A: Send + 'static,
    V: Serialize + DeserializeOwned + 'static,
{
    fn wrap_with(&self, builder: MemoBuilder<V>) {
        let plain = Arc::clone(&self.plain);
        self.set(Some(builder.function(move |arguments| plain(arguments))));
    }
}

impl<A, V> Wrap for Entry<A, V>
where
    A: Send + 'static,
    V: Serialize + DeserializeOwned + Send + 'static,
{
    fn wrap(&self, guira: &Guira, name: &str) {
        self.wrap_with(guira.memoize(name));
    }

    fn cut_off(&self) -> bool {
        self.set(None)
    }

    fn stats(&self) -> Option<MemoStats> {
        self.memoized().map(|memoized| memoized.stats())
    }

    fn types(&self) -> &'static str {
        type_name::<fn(A) -> V>()
    }
}

impl Functions {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a function, as a plain one; one of the same name is forgotten. Several arguments are a tuple.
    pub fn add<A, V>(&self, name: &str, function: impl Fn(A) -> V + Send + Sync + 'static)
    where
        A: Serialize + Send + 'static,
        V: Serialize + DeserializeOwned + Send + 'static,
    {
        let entry = Entry {
            plain: Arc::new(function),
            memoized: RwLock::new(None),
        };
        let mut entries = self.entries.write().unwrap_or_else(PoisonError::into_inner);
        entries.insert(name.into(), Arc::new(entry));
    }

    /// The names, in order.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.entries().keys().map(ToString::to_string).collect()
    }

    /// Calls the function called `name`, be it memoized or plain.
    ///
    /// # Errors
    /// [`CallError`]; then nothing was called.
    pub fn call<A, V>(&self, name: &str, arguments: A) -> Result<V, CallError>
    where
        A: Serialize + Send + 'static,
        V: Serialize + DeserializeOwned + Send + 'static,
    {
        let entry = self.entry_of::<A, V>(name)?;
        Ok(match entry.memoized() {
            Some(memoized) => memoized.get(arguments),
            None => (entry.plain)(arguments),
        })
    }

    /// Memoizes all, each under `prefix` and its name, with the settings that a [`MemoBuilder`] has by itself. What is
    /// wrapped already is wrapped anew.
    pub fn wrap_all(&self, guira: &Guira, prefix: &str) {
        for (name, entry) in &*self.entries() {
            entry.wrap(guira, &format!("{prefix}{name}"));
        }
    }

    /// Memoizes one of them under its name, with settings of its own; if it is wrapped already, anew.
    ///
    /// ```
    /// use guira::memoized::Functions;
    /// use std::time::Duration;
    ///
    /// let functions = Functions::new();
    /// functions.add("square", |n: u64| n * n);
    /// # let guira = guira::Guira::builder().size(8 << 20).private()?;
    /// functions.wrap::<u64, u64>("square", |memo| memo.cache(&guira).ttl(Duration::from_secs(60)))?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`CallError`].
    pub fn wrap<A, V>(
        &self,
        name: &str,
        set_up: impl FnOnce(MemoBuilder<V>) -> MemoBuilder<V>,
    ) -> Result<(), CallError>
    where
        A: Serialize + Send + 'static,
        V: Serialize + DeserializeOwned + Send + 'static,
    {
        self.entry_of::<A, V>(name)?
            .wrap_with(set_up(MemoBuilder::new(name)));
        Ok(())
    }

    /// Makes a plain function of it again; calls that are under way end as they began, and what is kept stays. Says
    /// whether it was wrapped.
    ///
    /// # Errors
    /// [`CallError::Unknown`].
    pub fn cut_off(&self, name: &str) -> Result<bool, CallError> {
        Ok(self.entry(name)?.cut_off())
    }

    /// Cuts off all of them.
    pub fn cut_off_all(&self) {
        for entry in self.entries().values() {
            entry.cut_off();
        }
    }

    /// What its calls came to since it was wrapped; `None` if it is not.
    ///
    /// # Errors
    /// [`CallError::Unknown`].
    pub fn stats(&self, name: &str) -> Result<Option<MemoStats>, CallError> {
        Ok(self.entry(name)?.stats())
    }

    fn entries(&self) -> RwLockReadGuard<'_, BTreeMap<Box<str>, Arc<dyn Wrap>>> {
        self.entries.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn entry(&self, name: &str) -> Result<Arc<dyn Wrap>, CallError> {
        self.entries()
            .get(name)
            .cloned()
            .ok_or_else(|| CallError::Unknown {
                name: name.into(),
                known: self.names().join(", ").into(),
            })
    }

    fn entry_of<A: 'static, V: 'static>(&self, name: &str) -> Result<Arc<Entry<A, V>>, CallError> {
        let entry = self.entry(name)?;
        let found = entry.types();
        let entry: Arc<dyn Any + Send + Sync> = entry;
        entry.downcast().map_err(|_| CallError::OtherTypes {
            name: name.into(),
            found,
            asked: type_name::<fn(A) -> V>(),
        })
    }
}

impl fmt::Debug for Functions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Functions").field("names", &self.names()).finish()
    }
}
