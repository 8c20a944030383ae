//! Namespaces, each with a store of its own.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::Store;
use crate::error::Error;

/// Namespaces, each with a store: a program asks by namespace, and where its values are is set up in one place. Two
/// namespaces may have one store; they then see each other's keys unless each is [`Prefixed`](super::Prefixed).
///
/// ```
/// use guira::store::{Null, Router, Store};
/// use std::sync::Arc;
///
/// # let guira = guira::Guira::builder().size(8 << 20).private()?;
/// let router = Router::<u64, String>::new(Arc::new(guira.cache("pages")))
///     .route("sessions", Arc::new(guira.cache("sessions")))
///     .route("previews", Arc::new(Null)); // switched off
/// router.of("sessions")?.put(&7, &"plum".to_owned(), &Default::default())?;
/// assert!(router.of("nowhere").is_err());
/// # Ok::<(), guira::Error>(())
/// ```
pub struct Router<K: ?Sized, V> {
    default: Arc<dyn Store<K, V>>,
    routes: BTreeMap<Box<str>, Arc<dyn Store<K, V>>>,
}

impl<K: ?Sized, V> Router<K, V> {
    /// With a store for those who name no namespace.
    #[must_use]
    pub fn new(default: Arc<dyn Store<K, V>>) -> Self {
        Self {
            default,
            routes: BTreeMap::new(),
        }
    }

    /// With `store` for `namespace`, instead of what it had.
    #[must_use]
    pub fn route(mut self, namespace: &str, store: Arc<dyn Store<K, V>>) -> Self {
        self.routes.insert(namespace.into(), store);
        self
    }

    /// The store of those who name no namespace.
    #[must_use]
    pub fn default_store(&self) -> &dyn Store<K, V> {
        &*self.default
    }

    /// The store of `namespace`.
    ///
    /// # Errors
    /// [`Error::UnknownNamespace`], which says which there are.
    pub fn of(&self, namespace: &str) -> Result<&dyn Store<K, V>, Error> {
        match self.routes.get(namespace) {
            Some(store) => Ok(&**store),
            None => Err(Error::UnknownNamespace {
                namespace: namespace.into(),
                known: self
                    .routes
                    .keys()
                    .map(|name| &**name)
                    .collect::<Vec<_>>()
                    .join(", ")
                    .into(),
            }),
        }
    }
}

impl<K: ?Sized, V> Clone for Router<K, V> {
    fn clone(&self) -> Self {
        Self {
            default: Arc::clone(&self.default),
            routes: self.routes.clone(),
        }
    }
}

impl<K: ?Sized, V> fmt::Debug for Router<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.routes.keys()).finish()
    }
}
