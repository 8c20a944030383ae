//! What can be wrong with keys.

use std::io;
use std::path::PathBuf;

/// Why keys could not be made, written or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// There are keys already.
    #[error("{} exists: keys are never overwritten, name another folder or move it away", path.display())]
    Exists {
        /// The file that is there.
        path: PathBuf,
    },
    /// Others than its owner may read or change the secret key.
    #[error("{} may be used by others (mode {mode:o}): run chmod 600 on it, and make new keys if somebody may have read it", path.display())]
    Loose {
        /// The secret key.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// A file that should hold a key does not.
    #[error("{} holds no key: a key is a line of 40 characters, as `guira keygen` writes it", path.display())]
    Malformed {
        /// The file.
        path: PathBuf,
    },
    /// A text that should be a key is none.
    #[error("not a key: a key is 40 characters, as `guira keygen` writes it")]
    NoKey,
    /// The file or folder cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// libzmq has no CURVE.
    #[error(
        "no keys can be used: libzmq was built without CURVE ({reason}). A program that builds guira from its \
         sources has to name guira's `crates/zmq-sys` in `[patch.crates-io]` of its own Cargo.toml"
    )]
    NoCurve {
        /// What it said.
        reason: String,
    },
}

impl KeyError {
    pub(in super::super) fn no_curve(reason: &str) -> Self {
        Self::NoCurve {
            reason: reason.to_owned(),
        }
    }
}
