//! Locking out who fails too often, and quotas: so many events in a period, counted for all processes of the host.
//!
//! ```
//! use guira::key::KeyBytes;
//! use guira::lockout::{Attempt, Rule};
//! use std::time::Duration;
//!
//! struct Login<'l> {
//!     user: &'l str,
//!     address: &'l str,
//! }
//!
//! # let guira = guira::Guira::builder().size(8 << 20).private()?;
//! let minute = Duration::from_secs(60);
//! let logins = guira
//!     .lockout("logins")
//!     .rule(Rule::new("user", 3, 10 * minute, |login: &Login| KeyBytes::of(login.user)).lock_for(60 * minute))
//!     .rule(Rule::new("address", 100, minute, |login: &Login| KeyBytes::of(login.address)).kept_on_success())
//!     .on_lock(|login, lock| println!("{} is locked for {:?}", login.user, lock.time_left()))
//!     .build()?;
//!
//! let login = Login { user: "plum", address: "10.0.0.7" };
//! for password in ["a", "b", "c"] {
//!     match logins.attempt(&login)? {
//!         Attempt::Allowed(guard) if password == "right" => guard.success()?, // forgets failures of the user
//!         Attempt::Allowed(_guard) => {}                                      // dropped: a failure
//!         Attempt::Locked(lock) => panic!("locked by {}", lock.rule()),
//!         Attempt::Unavailable => unreachable!("the cache is there"),
//!     }
//! }
//! assert!(!logins.check(&login)?.is_allowed());
//! # Ok::<(), guira::Error>(())
//! ```
//!
//! A quota is the same thing, taken before the action:
//!
//! ```
//! use guira::lockout::Rule;
//! use std::time::Duration;
//!
//! # let guira = guira::Guira::builder().size(8 << 20).private()?;
//! let mails = guira
//!     .lockout::<u64>("mails")
//!     .rule(Rule::of_subject("sender", 2, Duration::from_secs(3600)))
//!     .build()?;
//! assert!(mails.take(&7)?.is_allowed());
//! assert!(mails.take(&7)?.is_allowed());
//! assert!(!mails.take(&7)?.is_allowed()); // until the hour that began with the first is over
//! assert!(mails.take(&8)?.is_allowed());
//! # Ok::<(), guira::Error>(())
//! ```
//!
//! # What is counted, and how
//!
//! Each rule keeps one entry for each of its keys, in the namespace `guira.lockouts`:
//!
//! | state | entry | lives |
//! |---|---|---|
//! | clear | none | |
//! | counting | a number below the limit | to the end of the window, which began with the first event |
//! | locked, not sealed | a number from the limit on | as above |
//! | locked | `locked` | as long as the lock; without one of its own, to the end of the window |
//!
//! *Counting* is one `Segment::increment`, exactly once in all processes, which keeps the window's end. It finds
//! no number where the key is locked: then nothing is counted. The event that reaches the limit **is** the lock,
//! for whoever looks: a number from the limit on forbids as well as a seal. *Sealing* replaces that very entry by
//! compare-and-swap, with the lock's lifetime. A process that is killed in between has not lost the lock: it holds
//! to the end of the window, and the next event of the key seals it. One that is killed before it counted has lost
//! its own event, and no other. Exactly one process seals, and calls [`LockoutBuilder::on_lock`]; if it is killed
//! before it does, nobody does.
//!
//! An action is allowed first and counted when it failed, so as many attempts as run at the same time may go
//! beyond the limit. Where that matters, [`Lockout::take`] counts before the action, and [`Lockout::reset`] forgets
//! after a success.
//!
//! # What may be lost
//!
//! Counters and locks are entries of a cache: a segment that is too small for what is put into it evicts them, and
//! who was locked out has a clean slate. A lockout that must stand a flood of other entries is given a segment of
//! its own. An error of the segment is answered as [`WhenUnavailable`] says.

mod builder;
mod entries;
mod guard;
mod ledger;
mod outcome;
mod policy;
mod rule;

pub use builder::LockoutBuilder;
pub use entries::LockoutEntry;
pub use guard::{Attempt, Guard};
pub use outcome::{Lock, RuleState, Verdict, WhenUnavailable};
pub use policy::Lockout;
pub use rule::Rule;
