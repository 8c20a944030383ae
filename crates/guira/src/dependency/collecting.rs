//! What the computation that this thread runs depends on, as it says so.
//!
//! There is one set for each computation, which lies in the thread while the computation runs: one that begins
//! inside it puts its own in that place and gives the place back when it ends. A future's is put there for each poll.

use std::cell::{Cell, RefCell};

use guira_segment::{MAX_TAGS, ValueRef, fold_tags};

/// The names that a computation depends on.
#[derive(Debug, Default)]
pub(crate) struct Declared {
    names: Vec<Vec<u8>>,
    inherits: bool,
    /// It was given a value of which nobody knows what that depends on.
    is_unknown: bool,
}

thread_local! {
    static CURRENT: RefCell<Option<Declared>> = const { RefCell::new(None) };
    /// Whether the current one inherits: what reads look at.
    static INHERITS: Cell<bool> = const { Cell::new(false) };
}

fn set_current(declared: Option<Declared>) -> Option<Declared> {
    INHERITS.set(declared.as_ref().is_some_and(|declared| declared.inherits));
    CURRENT.replace(declared)
}

/// While it lives, what is declared on this thread goes to one computation.
#[derive(Debug)]
pub(crate) struct Collecting {
    outer: Option<Declared>,
}

impl Collecting {
    pub(crate) fn begin(declared: Declared) -> Self {
        Self {
            outer: set_current(Some(declared)),
        }
    }

    /// What was declared.
    pub(crate) fn end(mut self) -> Declared {
        let declared = set_current(self.outer.take()).unwrap_or_default();
        std::mem::forget(self);
        declared
    }
}

impl Drop for Collecting {
    fn drop(&mut self) {
        set_current(self.outer.take());
    }
}

fn with_current(change: impl FnOnce(&mut Declared)) -> bool {
    CURRENT.with_borrow_mut(|current| current.as_mut().map(change).is_some())
}

/// The current computation depends on `name`; false if there is none.
pub(super) fn declare(name: &[u8]) -> bool {
    with_current(|declared| declared.push(name))
}

/// The current computation inherits what the values that it is given from now on depend on; false if there is none.
pub(super) fn inherit() -> bool {
    let is_current = with_current(|declared| declared.inherits = true);
    INHERITS.set(is_current);
    is_current
}

/// Whether whoever gives a value is to say what it depends on.
#[inline]
pub(crate) fn is_inheriting() -> bool {
    INHERITS.get()
}

/// A stored value is given.
pub(crate) fn give(value: &ValueRef<'_>) {
    if is_inheriting() {
        give_names(&value.tags());
    }
}

/// A value that depends on `names` is given.
pub(crate) fn give_names(names: &[impl AsRef<[u8]>]) {
    if is_inheriting() {
        with_current(|declared| names.iter().for_each(|name| declared.push(name.as_ref())));
    }
}

/// A value is given of which nobody knows what it depends on.
pub(crate) fn give_unknown() {
    if is_inheriting() {
        with_current(|declared| declared.is_unknown = true);
    }
}

impl Declared {
    /// Of a value that was computed elsewhere.
    pub(crate) fn of_names(names: Vec<Vec<u8>>) -> Self {
        Self {
            names,
            ..Self::default()
        }
    }

    fn push(&mut self, name: &[u8]) {
        if !self.names.iter().any(|known| known == name) {
            self.names.push(name.to_vec());
        }
    }

    /// Whether a value must not be stored, for not everything that it depends on is known.
    pub(crate) const fn is_unknown(&self) -> bool {
        self.is_unknown
    }

    /// To the computation around this one, if that inherits.
    pub(crate) fn give(&self, names: &[impl AsRef<[u8]>]) {
        if is_inheriting() {
            give_names(names);
            give_names(&self.names);
            if self.is_unknown {
                give_unknown();
            }
        }
    }

    /// These and `names`, as tags: folded where an entry has no room for so many.
    pub(crate) fn tags(&self, names: &[impl AsRef<[u8]>]) -> Vec<Vec<u8>> {
        let names = names.iter().map(AsRef::as_ref);
        let all: Vec<&[u8]> = names.chain(self.names.iter().map(Vec::as_slice)).collect();
        if all.len() > MAX_TAGS {
            return fold_tags(&all);
        }
        all.into_iter().map(<[u8]>::to_vec).collect()
    }
}
