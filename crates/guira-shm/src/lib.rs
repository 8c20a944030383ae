//! Memory that processes share, as a safe value.
//!
//! This crate knows nothing of what a segment holds. It gives the engine the
//! facts it builds on: a checked view of mapped memory ([`region`]), files that
//! appear complete or not at all ([`mod@file`]), locks that the kernel drops at a
//! process's death ([`lock`]), who a process is and whether it still runs
//! ([`process`]), what a fork must forget ([`fork`]), waiting across processes
//! ([`futex`]), a clock on which all processes of one boot agree ([`clock`]),
//! files of values ([`directory`]),
//! what to do when a mapped file is cut ([`truncation`]) and when the process ends ([`exit`]).
//!
//! Everything here is Linux, 64-bit and little-endian: the lock, futex and
//! memory-advice calls have no portable equal, and shared words are read by
//! their bytes.
//!
//! ```
//! use guira_shm::region::Region;
//! use guira_shm::sync::Ordering;
//!
//! let region = Region::heap(4096);
//! region.copy_in(64, b"seven plums");
//! region.word(0).store(11, Ordering::Release);
//!
//! let mut fruit = Vec::new();
//! let len_bytes = region.word(0).load(Ordering::Acquire) as usize; // Acquire pairs with the Release above
//! region.append_to(64, len_bytes, &mut fruit);
//! assert_eq!(fruit, b"seven plums");
//! ```

#[cfg(not(target_os = "linux"))]
compile_error!("guira-shm needs Linux: open-file-description locks, futexes and O_TMPFILE");
#[cfg(not(target_endian = "little"))]
compile_error!("guira-shm needs a little-endian machine: shared words are read by their bytes");
#[cfg(not(target_pointer_width = "64"))]
compile_error!("guira-shm needs a 64-bit machine: shared words are 8 bytes wide");

pub mod clock;
pub mod directory;
pub mod exit;
pub mod file;
pub mod fork;
pub mod futex;
#[cfg(not(guira_model))]
pub mod lock;
#[cfg(guira_model)]
#[path = "lock_by_model.rs"]
pub mod lock;
pub mod mutant;
#[cfg(guira_points)]
pub mod point;
pub mod process;
pub mod region;
pub mod sync;
pub mod truncation;

#[cfg(test)]
mod testing;
