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

#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod background;
mod builder;
pub mod cache;
pub mod codec;
mod envelope;
mod error;
mod failure;
mod flight;
mod handle;
pub mod key;
mod lifetime;
pub mod memoized;
mod options;
mod process_default;
pub mod settings;
pub mod store;
pub mod transform;
pub mod units;

pub use builder::GuiraBuilder;
pub use cache::{Cache, CacheBuilder, CacheStats, Mismatch, Renew, Usage};
pub use error::{CodecError, Error, KeyError};
pub use failure::{Failure, FailureKind};
pub use flight::{FlightOptions, FlightStats, Timing};
pub use guira_segment::{Add, Metadata, Put, Replace, Stats, Swap, Version};
pub use handle::Guira;
pub use lifetime::{Lifetime, Ttl};
pub use memoized::{AsyncMemoized, Memo, MemoBuilder, MemoStats, Memoized};
pub use options::PutOptions;
pub use settings::Settings;
pub use store::Store;
