//! What the survivor does while somebody is dead and not yet met, or stopped in the middle of an operation.

use crate::subject::{Kept, Subject};
use crate::world::{ACTED, ANEW, Key, LARGE_BYTES, MEANWHILE, SMALL_BYTES, World, value};

/// A survivor's work.
pub(crate) type Script<S> = fn(&mut Survivor<'_, S>);

/// How many there are.
pub(crate) const SCRIPTS: usize = 9;

/// All of them, with names.
pub(crate) fn scripts<S: Subject>() -> [(&'static str, Script<S>); SCRIPTS] {
    [
        ("looks", |_| {}),
        ("sweeps", |it| it.sweep()),
        ("puts files", |it| it.put(LARGE_BYTES)),
        ("puts small values", |it| it.put(SMALL_BYTES)),
        ("invalidates", |it| it.invalidate()),
        ("removes", |it| it.remove()),
        ("adds", |it| it.add()),
        ("needs room", |it| it.crowd()),
        ("clears and sweeps", |it| {
            it.clear();
            it.sweep();
        }),
    ]
}

/// The survivor, and what it has seen go wrong.
pub(crate) struct Survivor<'w, S> {
    pub(crate) world: &'w World<S>,
    /// The keys that the operation is about.
    pub(crate) touched: &'w [Key],
    /// Whether the operation may still go on.
    pub(crate) is_stopped: bool,
    pub(crate) has_strangers: bool,
    pub(crate) turn: usize,
    pub(crate) wrong: Vec<String>,
}

impl<S: Subject> Survivor<'_, S> {
    /// An add that found a value would find none now, if it may be missed and nothing was invalidated.
    pub(crate) fn admit_adding(&self) {
        let mut beliefs = self.world.beliefs.borrow_mut();
        for key in self.touched {
            let may_be = beliefs.of(*key);
            if may_be.len() > 1 && may_be.contains(&None) {
                beliefs.admit(*key, Some(ACTED));
            }
        }
    }

    /// A computation may have begun after whatever the survivor did.
    pub(crate) fn admit_computing(&self) {
        let mut beliefs = self.world.beliefs.borrow_mut();
        for key in self.touched {
            beliefs.admit(*key, Some(ANEW));
        }
    }

    fn put(&mut self, bytes: usize) {
        for key in self.touched {
            let put = self.world.prepared().put(*key, &value(*key, MEANWHILE, bytes));
            let mut beliefs = self.world.beliefs.borrow_mut();
            match put {
                Ok(Kept::Stored) if self.is_stopped => beliefs.admit(*key, Some(MEANWHILE)),
                Ok(Kept::Stored) => beliefs.set(*key, MEANWHILE),
                Ok(Kept::Crowded) if self.is_stopped => {}
                other => self.wrong.push(format!("a put of key {key} gave {other:?}")),
            }
            drop(beliefs);
            self.sees(*key, MEANWHILE);
        }
        // Room may have been made for it.
        self.world.beliefs.borrow_mut().admit_misses();
    }

    /// Nobody else is at work: what was put is there, or was evicted.
    fn sees(&mut self, key: Key, version: u32) {
        match self.world.prepared().read(key, self.turn) {
            Ok(Some(seen))
                if seen != version && self.world.beliefs.borrow().of(key).contains(&Some(version)) =>
            {
                self.wrong
                    .push(format!("key {key} is of version {seen} after {version} was put"));
            }
            Ok(_) => {}
            Err(problem) => self.wrong.push(problem),
        }
    }

    fn invalidate(&mut self) {
        for key in self.touched {
            self.did("an invalidation", self.world.prepared().invalidate(*key));
            self.world.beliefs.borrow_mut().lose(*key);
            self.misses(*key);
        }
        self.world.make_void();
    }

    fn remove(&mut self) {
        for key in self.touched {
            self.did("a removal", self.world.prepared().remove(*key));
            let mut beliefs = self.world.beliefs.borrow_mut();
            if self.is_stopped {
                beliefs.admit(*key, None);
            } else {
                beliefs.lose(*key);
            }
            drop(beliefs);
            self.misses(*key);
        }
    }

    fn misses(&mut self, key: Key) {
        if let Ok(Some(seen)) = self.world.prepared().read(key, self.turn) {
            self.wrong
                .push(format!("key {key} is of version {seen} after it was removed"));
        }
    }

    fn add(&mut self) {
        for key in self.touched {
            let value = value(*key, MEANWHILE, LARGE_BYTES);
            match self.world.prepared().add(*key, &value) {
                Ok(Kept::Stored) => self.world.beliefs.borrow_mut().admit(*key, Some(MEANWHILE)),
                Ok(Kept::Exists) => {}
                Ok(Kept::Crowded) if self.is_stopped => {}
                other => self.wrong.push(format!("an add of key {key} gave {other:?}")),
            }
        }
        self.world.beliefs.borrow_mut().admit_misses();
    }

    /// More than there is room for: what can go, goes.
    fn crowd(&mut self) {
        self.world.beliefs.borrow_mut().admit_misses();
        for key in 100..112 {
            let value = value(key, MEANWHILE, 2 * LARGE_BYTES);
            match self.world.prepared().put(key, &value) {
                Ok(Kept::Stored) => self.world.beliefs.borrow_mut().admit(key, Some(MEANWHILE)),
                Ok(Kept::Crowded) if self.is_stopped => {}
                other => self.wrong.push(format!("a put of key {key} gave {other:?}")),
            }
            let wrong = self.world.prepared().at_any_time(self.has_strangers);
            self.wrong.extend(wrong);
        }
    }

    fn clear(&mut self) {
        self.did("a clear", self.world.prepared().clear());
        self.world.beliefs.borrow_mut().lose_all();
        for key in self.touched {
            self.misses(*key);
        }
        self.world.make_void();
    }

    fn sweep(&mut self) {
        self.did("a sweep", self.world.prepared().sweep());
    }

    fn did<T>(&mut self, what: &str, outcome: Result<T, String>) {
        if let Err(problem) = outcome {
            self.wrong.push(format!("{what} failed: {problem}"));
        }
    }
}
