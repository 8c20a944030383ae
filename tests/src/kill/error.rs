//! Why runs could not be made.

/// Why runs could not be made, apart from a run finding something.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KillError {
    /// A file or a process was refused.
    #[error(transparent)]
    Io(#[from] std::io::Error),
    /// A segment could not be made or opened.
    #[error(transparent)]
    Open(#[from] guira_segment::OpenError),
    /// A segment did not take a value.
    #[error(transparent)]
    Store(#[from] guira_segment::StoreError),
    /// A namespace could not be had.
    #[error(transparent)]
    Namespace(#[from] guira_segment::NamespaceError),
    /// What one process told another was not understood.
    #[error("a worker and its crew do not understand each other: {0}")]
    Protocol(#[from] serde_json::Error),
    /// The victim failed while it got ready.
    #[error("the victim of `{scene}` failed before it was ready; it said {told:?}")]
    NotReady {
        /// The scene.
        scene: &'static str,
        /// What it said instead.
        told: String,
    },
    /// The catalogue has no such scene.
    #[error("no scene's name has `{name}` in it; --list names them all")]
    NoScene {
        /// The name, or the part of one.
        name: String,
    },
    /// No scene has a point of this number.
    #[error("none of these scenes has a point {at}; --list tells how many each passes, from 0")]
    NoPoint {
        /// The number.
        at: usize,
    },
    /// The list of the source's points cannot be read.
    #[error("{path}: {source}; `cargo xtask kill` makes the list", path = path.display())]
    NoList {
        /// The file.
        path: std::path::PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// There is no such mutant.
    #[error("there is no mutant `{name}`; there are {known}")]
    NoMutant {
        /// The name.
        name: String,
        /// The names that there are.
        known: String,
    },
    /// The process that a scene begins with did not die where it was to.
    #[error(
        "nobody died in the way that `{scene}` begins with ({how}); does that scene still pass that file?"
    )]
    NoDeath {
        /// The scene.
        scene: &'static str,
        /// What happened instead.
        how: String,
    },
    /// The damaged image lacks kinds of damage.
    #[error("changes at random made only {found}; another seed in tests/src/kill/damage.rs makes more")]
    NoDamage {
        /// The kinds that were found.
        found: String,
    },
    /// A directory is of the wrong kind.
    #[error("{path} is not on a disk; name a directory that is by --disk", path = path.display())]
    NotOnDisk {
        /// The directory.
        path: std::path::PathBuf,
    },
}
