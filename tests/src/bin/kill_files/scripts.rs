//! What the survivor does while somebody is dead and not yet met, or stopped in the middle of an operation.

use guira_files::FilesError;
use guira_segment::{Add, Expiry, Put};

use crate::belief::read;
use crate::world::{ACTED, Key, LARGE_BYTES, MEANWHILE, SMALL_BYTES, World, name, value};

/// A survivor's work.
pub(crate) type Script = fn(&mut Survivor<'_>);

/// All of them, with names.
pub(crate) const SCRIPTS: [(&str, Script); 9] = [
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
];

/// The survivor, and what it has seen go wrong.
pub(crate) struct Survivor<'w> {
    pub(crate) world: &'w World,
    /// The keys that the operation is about.
    pub(crate) touched: &'w [Key],
    /// Whether the operation may still go on.
    pub(crate) is_stopped: bool,
    pub(crate) has_strangers: bool,
    pub(crate) turn: usize,
    pub(crate) wrong: Vec<String>,
}

impl Survivor<'_> {
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

    fn put(&mut self, bytes: usize) {
        for key in self.touched {
            let put = self
                .world
                .prepared()
                .put(&name(*key), &value(*key, MEANWHILE, bytes), Expiry::never());
            let mut beliefs = self.world.beliefs.borrow_mut();
            match put {
                Ok(Put::Stored) if self.is_stopped => beliefs.admit(*key, Some(MEANWHILE)),
                Ok(Put::Stored) => beliefs.set(*key, MEANWHILE),
                Err(FilesError::Crowded) if self.is_stopped => {}
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
        match read(self.world.prepared(), key, self.turn) {
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
            self.world.prepared().invalidate(&name(*key));
            self.world.beliefs.borrow_mut().lose(*key);
            self.misses(*key);
        }
    }

    fn remove(&mut self) {
        for key in self.touched {
            self.world.prepared().remove(&name(*key));
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
        if let Ok(Some(seen)) = read(self.world.prepared(), key, self.turn) {
            self.wrong
                .push(format!("key {key} is of version {seen} after it was removed"));
        }
    }

    fn add(&mut self) {
        for key in self.touched {
            let added =
                self.world
                    .prepared()
                    .add(&name(*key), &value(*key, MEANWHILE, LARGE_BYTES), Expiry::never());
            match added {
                Ok(Add::Stored) => self.world.beliefs.borrow_mut().admit(*key, Some(MEANWHILE)),
                Ok(Add::Exists) => {}
                Err(FilesError::Crowded) if self.is_stopped => {}
                other => self.wrong.push(format!("an add of key {key} gave {other:?}")),
            }
        }
        self.world.beliefs.borrow_mut().admit_misses();
    }

    /// More than there is room for: what can go, goes.
    fn crowd(&mut self) {
        self.world.beliefs.borrow_mut().admit_misses();
        for key in 100..112 {
            let put = self.world.prepared().put(
                &name(key),
                &value(key, MEANWHILE, 2 * LARGE_BYTES),
                Expiry::never(),
            );
            match put {
                Ok(Put::Stored) => self.world.beliefs.borrow_mut().admit(key, Some(MEANWHILE)),
                Err(FilesError::Crowded) if self.is_stopped => {}
                other => self.wrong.push(format!("a put of key {key} gave {other:?}")),
            }
            self.wrong.extend(crate::audit::at_any_time(
                self.world.prepared(),
                self.has_strangers,
            ));
        }
    }

    fn clear(&mut self) {
        self.world.prepared().clear();
        self.world.beliefs.borrow_mut().lose_all();
        for key in self.touched {
            self.misses(*key);
        }
    }

    fn sweep(&mut self) {
        if let Err(error) = self.world.prepared().sweep() {
            self.wrong.push(format!("a sweep failed: {error}"));
        }
    }
}
