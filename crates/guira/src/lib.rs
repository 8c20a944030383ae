//! One cache for all worker processes of a machine: typed keys and values over a shared segment.
//!
//! ```
//! use guira::Guira;
//! use serde::{Deserialize, Serialize};
//! use std::time::Duration;
//!
//! #[derive(Serialize, Deserialize, PartialEq, Debug)]
//! struct User {
//!     name: String,
//! }
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let directory = tempfile::tempdir_in("/dev/shm")?;
//! # let path = directory.path().join("app.guira");
//! let guira = Guira::builder().size(16 << 20).open(&path)?;
//! let users = guira.cache::<u64, User>("users");
//!
//! assert_eq!(users.get(&7)?, None);
//! let plum = User { name: "Plum".to_owned() };
//! users.put(&7, &plum, Duration::from_secs(300))?;
//! assert_eq!(users.get(&7)?, Some(plum));
//! assert!(users.remove(&7)?);
//! # Ok(())
//! # }
//! ```
//!
//! # Where to find what
//!
//! | wanted | is |
//! |---|---|
//! | values by key | [`Cache`]: `get`, `put`, `add`, `replace`, `remove`, `invalidate`, `get_many`, .. |
//! | a value that is computed once | [`Cache::get_or_compute`], [`cached`], [`Memoized`] |
//! | how long a value lives | [`Lifetime`]; of all values of a cache [`CacheBuilder::lifetime`], by the value [`CacheBuilder::lifetime_of`] |
//! | what is left of its life | [`Cache::get_ttl`], [`Ttl`] |
//! | counters | [`Guira::counters`] and [`Cache::increment`] |
//! | changing a value by what it was | [`Cache::get_versioned`] and [`Cache::compare_and_swap`] |
//! | dropping many values at once | [`PutOptions::tags`] and [`Cache::invalidate_tag`], [`Cache::clear`] |
//! | what a value depends on, said while it is computed | [`depends_on`], [`dependency`] |
//! | changing what a value is computed from | [`write_guard`] |
//! | who fails too often, or takes too much | [`lockout`] |
//! | the same line of every worker's log, once | `repeats` |
//! | how keys become bytes | [`key`] |
//! | how values do | [`codec`], and [`transform`] for compression, encryption, signatures |
//! | leaving a file in order | [`shutdown`] |
//! | values that are too large for memory | [`GuiraBuilder::files`], [`files`] |
//! | settings from outside the program | [`settings`], [`Guira::from_env`] |
//! | caches made of caches | [`store`] |
//! | memory over disk over files, as one | [`store::Tiers`] |
//! | moving a cache, or keeping it in a file | [`dump`] |
//!
//! What holds of invalidations, of killed processes and of damaged files is promised by the engine and told at
//! [`guira_segment`]; a typed cache adds nothing to it and takes nothing from it. A miss is never an error, and is
//! always possible: what needs room takes it from what is used least.
//!
//! # Features
//!
//! None is on by default. No feature changes the bytes of another.
//!
//! | feature | gives |
//! |---|---|
//! | `json` | values as JSON: `codec::Json` |
//! | `messagepack` | values as MessagePack: `codec::MessagePack` |
//! | `rkyv` | archives that are read where they lie: `codec::Rkyv`, `Cache::get_archived` |
//! | `ndarray` | arrays that are read where they lie: `codec::NdArray`, `Cache::get_array` |
//! | `lz4`, `zstd` | compression: `CacheBuilder::compress_lz4`, `compress_zstd`; with `zstd` of dumps, too |
//! | `encryption` | authenticated encryption: `CacheBuilder::encrypt` |
//! | `mac` | signatures: `CacheBuilder::sign` |
//! | `decoded` | decoded values kept by each process: `store::Decoded` |
//! | `tracing-layer` | a layer of `tracing-subscriber` that logs what repeats once: `repeats` |

#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod background;
mod builder;
pub mod cache;
pub mod codec;
pub mod coherence;
pub mod dependency;
pub mod dump;
mod envelope;
mod error;
mod failure;
mod flight;
mod handle;
pub mod key;
mod lifetime;
pub mod lockout;
#[doc(hidden)]
pub mod macro_support;
pub mod memoized;
mod options;
mod per_process;
mod process_default;
#[cfg(feature = "tracing-layer")]
pub mod repeats;
pub mod settings;
pub mod store;
pub mod transform;
pub mod units;
pub mod write_guard;

/// Large values in files: [`GuiraBuilder::files`].
pub use guira_files as files;

pub use builder::GuiraBuilder;
pub use cache::{Cache, CacheBuilder, CacheStats, Mismatch, Reading, Renew, Usage};
pub use dependency::{Dependency, depends_on};
pub use error::{CodecError, Error, KeyDecodeError, KeyError};
pub use failure::{Failure, FailureKind};
pub use flight::{FlightOptions, FlightStats, Timing};
/// Keeps the results of a function for all processes of the host: on `fn`, `async fn` and methods.
///
/// ```
/// use guira::cached;
/// # use guira::Failure;
/// # #[derive(Debug)]
/// # pub enum DbError { NoSuchUser, Elsewhere(Failure) }
/// # impl From<Failure> for DbError {
/// #     fn from(failure: Failure) -> Self { Self::Elsewhere(failure) }
/// # }
///
/// #[cached(ttl = "5m", refresh_after = "1m", tags = ["scores", format!("user:{user}")])]
/// fn score(user: u64) -> Result<f64, DbError> {
///     if user == 0 { Err(DbError::NoSuchUser) } else { Ok(user as f64 / 2.0) }
/// }
///
/// # fn main() -> Result<(), guira::Error> {
/// # let guira = guira::Guira::builder().size(8 << 20).private()?;
/// guira.set_default(); // or: #[cached(cache = EXPRESSION, ..)]
/// assert_eq!(score(7).unwrap(), 3.5);
/// assert_eq!(score::peek(7)?, Some(3.5));
/// score::put(8, 100.0)?;
/// assert_eq!(score(8).unwrap(), 100.0);
/// assert!(score::invalidate(8)?);
/// assert_eq!(score::future(8).wait().unwrap(), 4.0);
/// assert_eq!(score::stats().flights.computations, 2);
/// assert!(score(0).is_err()); // errors are not kept
/// # Ok(())
/// # }
/// ```
///
/// # Attributes
///
/// | attribute | is | by default |
/// |---|---|---|
/// | `cache = E` | an expression of a [`Guira`] or a reference to one, evaluated at the first call; it sees no arguments. Or a closure that sets up the [`MemoBuilder`] after the other attributes: `cache = \|memo\| memo.flights(..)` | [`Guira::set_default`]'s; without one the function is called uncached, and that is said once in the log |
/// | `name = ".."` | the name under which all processes share the results | the path of the function with its crate, such as `app::pages::score` |
/// | `key = E` | an expression of what the key is made of, of the arguments | one argument as it is, several as a tuple |
/// | `skip(a, b)` | arguments that the result does not depend on | none; of `self` something must be said: `skip(self)`, or `key = (self.id, ..)`; `skip(Self)` says that the function is an associated one |
/// | `ttl = E` | how long a value lives: a text such as `"5m"`, a [`Duration`](std::time::Duration), a [`Lifetime`], or a closure of the value | until it is evicted |
/// | `refresh_after = E` | the age at which it is due for a refresh, as a text or a `Duration` | never |
/// | `tags = [..]` | expressions of tags, of the arguments; or one of something that can be iterated | none |
/// | `cluster = E` | whether one computation is enough for all hosts that are connected to a broker | no |
///
/// # Companions
///
/// Of a function `score` they are `score::peek(..)` and so on, of a method `score_peek(..)` and so on. All take
/// the arguments of the function; `V` and `E` are those of its `Result<V, E>`, or `V` is what it returns. Those of an
/// `async fn` that are marked are async.
///
/// | companion | returns | async | of methods |
/// |---|---|---|---|
/// | `peek(..)` | `Result<Option<V>, Error>` | | yes |
/// | `get_ttl(..)` | `Result<Option<(V, Ttl)>, Error>` | | yes |
/// | `contains(..)` | `Result<bool, Error>` | | yes |
/// | `key(..)` | `Result<KeyBytes, Error>` | | yes |
/// | `lazy(..)` | `Option<V>` | | blocking ones |
/// | `refresh(..)` | what the function returns | yes | yes |
/// | `bg(..)` | what the function returns | yes | blocking ones |
/// | `future(..)` | `Computing<Result<V, E>>`, which can be awaited or waited for | | blocking ones |
/// | `uncached(..)` | what the function returns | yes | yes |
/// | `put(.., value)` | `Result<Put, Error>` | | yes |
/// | `replace(.., value)` | `Result<Replace, Error>` | | yes |
/// | `invalidate(..)` | `Result<bool, Error>` | | yes |
/// | `expire(..)` | `Result<bool, Error>` | | yes |
/// | `clear()` | `Result<(), Error>` | | yes |
/// | `stats()` | [`MemoStats`] | | yes |
/// | `on_value(observer)` | | | yes |
/// | `memo()` | `&'static` [`Memo<V>`](Memo) | | yes |
///
/// What they do is told in [`memoized`]. A call of a method computes nothing in the background, for it borrows `self`: a
/// stale value is refreshed by the one caller that leads, while the others have it. `lazy`, `bg` and `future` take a
/// clone of what `self` refers to along, and can be called where that is `Clone + Send + 'static` (a handle, or
/// `self: &Arc<Self>`). An async method has none of them: its future can be spawned as it is.
///
/// # What can be memoized
///
/// Functions of definite types that return by value: `V` is `Serialize + DeserializeOwned + Send`, arguments are
/// `Send + 'static`, or references to what can be made owned ([`ToOwned`]), and what of them is in the key is
/// `Serialize`. A `Result` is told by its name, aliases such as `io::Result<V>` too. An associated function without
/// `self` is told from a free one by the word `Self`, in it or in an attribute; one that has no use for it says
/// `skip(Self)`. Methods of traits cannot be memoized by the macro.
///
/// Nor can functions with parameters of types: what is kept is found by the function's name, and a type has no name
/// that is sure to be the same in every process. Memoize one of definite types that calls it, or give each a name by
/// [`Guira::memoize`]. Methods of a generic `impl` are memoized, for each type under the name that the compiler of this
/// program has for it; say `name` only if all of them share their results.
///
/// What is wrong is said by the compiler where it stands:
///
/// ```compile_fail
/// #[guira::cached(ttl = "5 minutes")] // "5 minutes" is no duration: write whole numbers with their units
/// fn square(n: u64) -> u64 {
///     n * n
/// }
/// ```
///
/// ```compile_fail
/// # struct Shop { id: u64 }
/// impl Shop {
///     #[guira::cached] // say what of `self` the result depends on
///     fn price(&self, article: u64) -> u64 {
///         article * self.id
///     }
/// }
/// ```
///
/// Whoever waits for the computation of another, and that fails, gets `E::from(`[`Failure`]`)`; where `E` has no such
/// conversion, it computes itself.
pub use guira_macros::cached;
pub use guira_segment::{Add, Metadata, Put, Replace, Stats, Swap, Version};
pub use handle::Guira;
pub use lifetime::{Lifetime, Ttl};
#[doc(hidden)]
pub use macro_support as __private;
pub use memoized::{AsyncMemoized, Memo, MemoBuilder, MemoStats, Memoized};
pub use options::PutOptions;
pub use process_default::shutdown;
pub use settings::Settings;
pub use store::Store;
pub use write_guard::WriteGuard;

#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct ReadmeDoctests;

#[cfg(doctest)]
#[doc = include_str!("../../../docs/memoize.md")]
struct MemoizeChapterDoctests;

#[cfg(doctest)]
#[doc = include_str!("../../../docs/guide.md")]
struct GuideDoctests;

#[cfg(doctest)]
#[doc = include_str!("../../../docs/files.md")]
struct FilesChapterDoctests;

#[cfg(doctest)]
#[doc = include_str!("../../../docs/cookbook.md")]
struct CookbookDoctests;

#[cfg(doctest)]
#[doc = include_str!("../../../docs/coherence.md")]
struct CoherenceChapterDoctests;
