//! Corruption: segments whose bytes somebody else changes, at rest and while processes use them.
//!
//! The driver copies a segment full of everything, and damages the copy: bits, words, items and pages,
//! in every part, with random values and with ones made up to mislead; or it cuts the file. Two processes
//! do all operations on it meanwhile. Then a third one checks and repairs what is left and uses it.
//!
//! What is demanded of every image, whatever was done to it:
//!
//! * no process is ended, by a signal or a panic;
//! * no operation takes longer than [`LONGEST_OPERATION`];
//! * no read gives another key's value, or one that was never written under its key. Where values are not
//!   verified, bytes that were damaged in place may be returned as they are (they are counted): see
//!   [`Trust`];
//! * the segment can be opened, or the error names the file;
//! * `repair` leaves nothing that `verify` finds, and everything works again.

mod base;
mod caller;
mod crew;
mod damage;
mod driver;
mod mender;
mod report;

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

pub use caller::{Caller, Verdict};
pub use crew::serve;
pub use damage::{Damage, Reach, Theme};
pub use driver::{CorruptError, CorruptPlan, run};
pub use report::Report;

/// What one operation may take of a processor's time, far more than any needs. (How long it takes by the
/// clock is the machine's business, too: an operation that gives way to others is long where they are many.)
pub const LONGEST_OPERATION: Duration = Duration::from_secs(1);
/// What a process may take for one image before it counts as hanging.
pub const LONGEST_IMAGE: Duration = Duration::from_secs(120);

/// How a read is judged.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Trust {
    /// Every value must be one that was written under its key.
    Full,
    /// The same, but for values that are borrowed: the damage reached bytes of entries, or the words that say
    /// which space is free, so bytes may change after they were verified.
    Copies,
    /// Values are not verified, and the damage reached what they are made of: their bytes, the headers
    /// beside them, or the words that say which space is free. They may be torn, but a whole value of
    /// another key is still wrong.
    Torn,
    /// Values are not verified, and whole pages of them changed places: nothing in them tells.
    None,
}

/// What a process is asked to do with one image.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Task {
    /// Open it and do operations.
    Use {
        path: PathBuf,
        seed: u64,
        operations: u64,
        verify_values: bool,
        trust: Trust,
    },
    /// Open, check and repair it, and use it afterwards.
    Mend { path: PathBuf, seed: u64, trust: Trust },
}

/// What came of it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) enum Answer {
    /// It could not be opened; the message.
    Refused(String),
    Used(Verdict),
    Mended(mender::Mended),
}
