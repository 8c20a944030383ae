//! Functions whose results are kept, for all processes of the host.
//!
//! [`Memoized`] is a function or closure with a cache; [`AsyncMemoized`] is the same for async ones; `#[cached]` makes
//! one of either and hides it behind the function it is written on. Both are a [`Memo`], which is what is kept.
//!
//! | method | answers | does |
//! |---|---|---|
//! | `call(arguments)` | `Result<V, E>` (`get(..)`: `V`, where there are no errors) | what is kept, else computes, once for all who ask; a stale value is returned and refreshed in the background |
//! | `peek(&key)` | `Result<Option<V>, Error>` | what is kept |
//! | `get_ttl(&key)` | `Result<Option<(V, Ttl)>, Error>` | what is kept, and what is left of its life |
//! | `contains(&key)` | `Result<bool, Error>` | whether something is kept |
//! | `lazy(arguments)` | `Option<V>` | what is kept; computes in the background what is missing or stale |
//! | `refresh(arguments)` | `Result<V, E>` | computes now, and keeps it |
//! | `refresh_if_older(arguments, age)` | `Result<V, E>` | the same, unless what is kept is fresh and younger |
//! | `bg(arguments)` | `Result<V, E>` | as `call`, computing on the background pool |
//! | `future(arguments)` | [`Computing<Result<V, E>>`](crate::background::Computing) | as `bg`, without waiting |
//! | `uncached(arguments)` | `Result<V, E>` | the function itself |
//! | `put(&key, value)`, `put_with` | `Result<Put, Error>` | keeps a value that was not computed here |
//! | `replace(&key, value)`, `replace_with` | `Result<Replace, Error>` | the same, if something is kept already |
//! | `invalidate(&key)` | `Result<bool, Error>` | forgets it, and all computations that began before |
//! | `expire(&key)` | `Result<bool, Error>` | makes it stale |
//! | `clear()` | `Result<(), Error>` | forgets everything |
//! | `key(&key)` | `Result<KeyBytes, Error>` | what the arguments are in the segment |
//! | `stats()` | [`MemoStats`] | hits, misses, computations, failures, and how long they took |
//! | `on_value(observer)` | | is called with each value that this process computes |
//! | `set_enabled(bool)` | | the switch of this function; [`set_enabled`] is that of all |
//!
//! Values are encoded by [`Postcard`](crate::codec::Postcard), or as [`MemoBuilder::codec`] says. [`Functions`] are called
//! by name, and memoized while the program runs.
//!
//! Errors are never kept. A `None` is a value like others; [`MemoBuilder::ttl_of`] lets it live shorter, and
//! [`MemoBuilder::keep_if`] leaves it out. Arguments that have no key (a NaN among them) are logged, counted, and the
//! function is called.
//!
//! ```
//! use guira::Failure;
//! use std::time::Duration;
//!
//! #[derive(Debug)]
//! enum DbError {
//!     NoSuchUser,
//!     Elsewhere(Failure), // what a waiter gets of another's error
//! }
//! # impl std::fmt::Display for DbError {
//! #     fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result { write!(f, "{self:?}") }
//! # }
//! impl From<Failure> for DbError {
//!     fn from(failure: Failure) -> Self {
//!         Self::Elsewhere(failure)
//!     }
//! }
//!
//! # let guira = guira::Guira::builder().size(8 << 20).private()?;
//! let names = guira
//!     .memoize("names")
//!     .ttl(Duration::from_secs(300))
//!     .fallible(|user: u64| match user {
//!         7 => Ok("Plum".to_owned()),
//!         _ => Err(DbError::NoSuchUser),
//!     });
//! assert_eq!(names.call(7).unwrap(), "Plum");
//! assert!(names.call(8).is_err());
//! assert_eq!(names.peek(&7)?.as_deref(), Some("Plum"));
//! names.put(&8, "Pear".to_owned())?;
//! assert_eq!(names.call(8).unwrap(), "Pear");
//! assert!(names.invalidate(&8)?);
//! assert_eq!(names.stats().flights.failures, 1);
//! # Ok::<(), guira::Error>(())
//! ```

mod awaiting;
mod blocking;
mod builder;
mod counts;
mod functions;
mod in_background;
mod in_place;
mod key;
mod memo;
mod source;
mod stats;
mod switch;
mod values;

pub use awaiting::AsyncMemoized;
pub use blocking::Memoized;
pub use builder::MemoBuilder;
pub use functions::{CallError, Functions};
#[doc(hidden)]
pub use key::Key;
pub use memo::Memo;
pub(crate) use source::close_all;
pub use source::names;
pub use stats::MemoStats;
pub use switch::{is_enabled, set_enabled};
