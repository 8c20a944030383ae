//! The scenes: what is there, and the operation that is to die or to stop at each of its points.

mod deaths;
mod evicting;
mod opening;
mod putting;
mod reading;
mod removing;
mod spilling;
mod stacking;
mod taking;

pub(crate) use deaths::{DEADLY, after_death};
pub(crate) use spilling::scenes as scenes_of_spilling;
pub(crate) use stacking::scenes as scenes_of_tiers;

use guira_files::{Files, FilesError};
use guira_segment::Put;

use crate::subject::{Subject, Unopened};
use crate::world::{ACTED, Ground, Key, World, value};

/// Makes what is there when the scene begins.
type Prepare<S> = Box<dyn Fn(&mut World<S>)>;
/// What the victim does. Its points count from [`Actor::begin`] on.
type Act<S> = Box<dyn Fn(&mut Actor<'_, S>) -> Result<(), String>>;

/// A key that is never written.
const NOBODYS: Key = 999;

/// A situation and an operation in it.
pub(crate) struct Scene<S = Files> {
    pub(crate) name: String,
    pub(crate) ground: Ground,
    pub(crate) prepare: Prepare<S>,
    pub(crate) act: Act<S>,
    /// The keys that the operation is about, beside those that it changes.
    pub(crate) keys: Vec<Key>,
    /// Whether it may evict what it is not about.
    pub(crate) evicts: bool,
    /// Whether it stores only what is missing.
    pub(crate) adds: bool,
    /// Whether it asks for [`World::computed`].
    pub(crate) computes: bool,
    /// Whether there are files that are not counted: an earlier table's, or somebody else's.
    pub(crate) has_strangers: bool,
}

/// The victim, from inside.
pub(crate) struct Actor<'w, S = Files> {
    pub(crate) world: &'w World<S>,
    arm: Box<dyn FnOnce() + 'w>,
}

impl<'w, S: Subject> Actor<'w, S> {
    pub(crate) fn new(world: &'w World<S>, arm: impl FnOnce() + 'w) -> Self {
        Self {
            world,
            arm: Box::new(arm),
        }
    }

    /// From here on the points count.
    pub(crate) fn begin(&mut self) {
        std::mem::replace(&mut self.arm, Box::new(|| {}))();
    }

    /// A handle of its own, opened and used before the points count.
    fn handle(&mut self) -> S {
        let subject = self.world.open().expect("the directory opens");
        // This thread is known to the segment, too.
        assert_eq!(subject.read(NOBODYS, 0), Ok(None));
        self.begin();
        subject
    }
}

/// Of a files cache.
fn scene(
    name: impl Into<String>,
    keys: &[Key],
    prepare: impl Fn(&mut World) + 'static,
    act: impl Fn(&mut Actor<'_>) -> Result<(), String> + 'static,
) -> Scene {
    scene_of(name, keys, prepare, act)
}

fn scene_of<S>(
    name: impl Into<String>,
    keys: &[Key],
    prepare: impl Fn(&mut World<S>) + 'static,
    act: impl Fn(&mut Actor<'_, S>) -> Result<(), String> + 'static,
) -> Scene<S> {
    Scene {
        name: name.into(),
        ground: Ground::Memory,
        prepare: Box::new(prepare),
        act: Box::new(act),
        keys: keys.to_vec(),
        evicts: false,
        adds: false,
        computes: false,
        has_strangers: false,
    }
}

impl<S> Scene<S> {
    fn evicting(self) -> Self {
        Self { evicts: true, ..self }
    }

    fn computing(self) -> Self {
        Self {
            computes: true,
            ..self.adding()
        }
    }

    fn adding(self) -> Self {
        Self { adds: true, ..self }
    }

    fn beside_strangers(self) -> Self {
        Self {
            has_strangers: true,
            ..self
        }
    }

    fn on_disk(self) -> Self {
        Self {
            ground: Ground::Disk,
            ..self
        }
    }
}

/// A put that is stored, or whose value something came between, or that found no room for others hold it.
fn is_put(put: Result<Put, FilesError>) -> Result<(), String> {
    match put {
        Ok(_) | Err(FilesError::Crowded) => Ok(()),
        Err(error) => Err(format!("a put failed: {error}")),
    }
}

fn puts<S: Subject>(key: Key, bytes: usize) -> impl Fn(&mut Actor<'_, S>) -> Result<(), String> {
    move |actor| {
        let put = actor.handle().put(key, &value(key, ACTED, bytes));
        put.map(drop).map_err(|error| format!("a put failed: {error}"))
    }
}

fn adds<S: Subject>(key: Key, bytes: usize) -> impl Fn(&mut Actor<'_, S>) -> Result<(), String> {
    move |actor| {
        let added = actor.handle().add(key, &value(key, ACTED, bytes));
        added.map(drop).map_err(|error| format!("an add failed: {error}"))
    }
}

fn does<T>(work: impl Fn(&Files) -> T) -> impl Fn(&mut Actor<'_>) -> Result<(), String> {
    move |actor| {
        work(&actor.handle());
        Ok(())
    }
}

fn sweeps<S: Subject>(actor: &mut Actor<'_, S>) -> Result<(), String> {
    let swept = actor.handle().sweep();
    swept
        .map(drop)
        .map_err(|error| format!("a sweep failed: {error}"))
}

fn opens<S: Subject>(actor: &mut Actor<'_, S>) -> Result<(), String> {
    actor.begin();
    match actor.world.open() {
        Ok(_) => Ok(()),
        Err(Unopened::Busy) => Err("it did not open: somebody else is at it".to_owned()),
        Err(Unopened::Failed(error)) => Err(format!("it did not open: {error}")),
    }
}

/// Every scene of a files cache in which nobody died before.
pub(crate) fn scenes() -> Vec<Scene> {
    let mut scenes = putting::scenes();
    scenes.extend(evicting::scenes());
    scenes.extend(taking::scenes());
    scenes.extend(removing::scenes());
    scenes.extend(reading::scenes());
    scenes.extend(opening::scenes());
    scenes.push(deaths::held_by_the_dead());
    scenes
}
