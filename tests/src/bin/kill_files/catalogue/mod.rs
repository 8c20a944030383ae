//! The scenes: what is there, and the operation that is to die or to stop at each of its points.

mod deaths;
mod evicting;
mod opening;
mod putting;
mod reading;
mod removing;
mod taking;

pub(crate) use deaths::{DEADLY, after_death};

use guira_files::{Files, FilesError};
use guira_segment::{Expiry, Put};

use crate::world::{ACTED, Ground, Key, World, name, value};

/// Makes what is there when the scene begins.
type Prepare = Box<dyn Fn(&mut World)>;
/// What the victim does. Its points count from [`Actor::begin`] on.
type Act = Box<dyn Fn(&mut Actor<'_>) -> Result<(), String>>;

/// A situation and an operation in it.
pub(crate) struct Scene {
    pub(crate) name: String,
    pub(crate) ground: Ground,
    pub(crate) prepare: Prepare,
    pub(crate) act: Act,
    /// The keys that the operation is about, beside those that it changes.
    pub(crate) keys: Vec<Key>,
    /// Whether it may evict what it is not about.
    pub(crate) evicts: bool,
    /// Whether there are files that are not counted: an earlier table's, or somebody else's.
    pub(crate) has_strangers: bool,
}

/// The victim, from inside.
pub(crate) struct Actor<'w> {
    pub(crate) world: &'w World,
    arm: Box<dyn FnOnce() + 'w>,
}

impl<'w> Actor<'w> {
    pub(crate) fn new(world: &'w World, arm: impl FnOnce() + 'w) -> Self {
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
    fn handle(&mut self) -> Files {
        let files = self.world.open().expect("the directory opens");
        // This thread is known to the index, too.
        assert!(!files.contains(b"nobody's"));
        self.begin();
        files
    }
}

fn scene(
    name: impl Into<String>,
    keys: &[Key],
    prepare: impl Fn(&mut World) + 'static,
    act: impl Fn(&mut Actor<'_>) -> Result<(), String> + 'static,
) -> Scene {
    Scene {
        name: name.into(),
        ground: Ground::Memory,
        prepare: Box::new(prepare),
        act: Box::new(act),
        keys: keys.to_vec(),
        evicts: false,
        has_strangers: false,
    }
}

impl Scene {
    fn evicting(self) -> Self {
        Self { evicts: true, ..self }
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

fn puts(key: Key, bytes: usize) -> impl Fn(&mut Actor<'_>) -> Result<(), String> {
    move |actor| {
        let value = value(key, ACTED, bytes);
        is_put(actor.handle().put(&name(key), &value, Expiry::never()))
    }
}

fn does<T>(work: impl Fn(&Files) -> T) -> impl Fn(&mut Actor<'_>) -> Result<(), String> {
    move |actor| {
        work(&actor.handle());
        Ok(())
    }
}

fn sweeps(actor: &mut Actor<'_>) -> Result<(), String> {
    actor
        .handle()
        .sweep()
        .map(drop)
        .map_err(|error| format!("a sweep failed: {error}"))
}

fn opens(actor: &mut Actor<'_>) -> Result<(), String> {
    actor.begin();
    let files = actor
        .world
        .open()
        .map_err(|error| format!("it did not open: {error}"))?;
    drop(files);
    Ok(())
}

/// Every scene in which nobody died before.
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
