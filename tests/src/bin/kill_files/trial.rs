//! One run: a world, a victim that dies or stops at one of its points, what the survivors see, and what is left.

use std::path::Path;

use guira_shm::point::Action;

use crate::belief::Beliefs;
use crate::catalogue::Scene;
use crate::scripts::{SCRIPTS, Survivor, scripts};
use crate::subject::{Kept, Subject, Unopened};
use crate::victim::{Fate, PointName, Task, Victim};
use crate::world::{ACTED, Key, LARGE_BYTES, LATER, World, value};

/// The key of the value that takes all the room there is.
const WHOLE: Key = 200;

/// What the operation does when nothing happens to it.
#[derive(Clone, Debug)]
pub(crate) struct Course {
    pub(crate) points: Vec<PointName>,
    before: Beliefs,
    after: Beliefs,
    touched: Vec<Key>,
}

/// What a run came to.
#[derive(Debug, Default)]
pub(crate) struct Verdict {
    pub(crate) killed: Option<PointName>,
    pub(crate) stopped: Option<PointName>,
    pub(crate) wrong: Vec<String>,
}

/// Lets the operation happen undisturbed.
pub(crate) fn course<S: Subject>(scene: &Scene<S>, root: &Path) -> Result<Course, String> {
    let mut world = World::new(root);
    (scene.prepare)(&mut world);
    let before = world.beliefs.borrow().clone();
    let points = match Victim::start(scene, &world, Task::Count).wait() {
        Fate::Ended(points, None) => points,
        Fate::Ended(_, Some(problem)) => return Err(format!("undisturbed: {problem}")),
        other => return Err(format!("undisturbed, it came to {other:?}")),
    };
    let mut keys = before.keys();
    keys.extend(scene.keys.iter().copied());
    let mut after = Beliefs::default();
    let subject = world
        .survivor()
        .map_err(|error| format!("{}: {error:?}", scene.name))?;
    for key in keys {
        match subject.read(key, 0)? {
            Some(version) => after.set(key, version),
            None => after.lose(key),
        }
    }
    let mut touched = before.difference(&after);
    touched.retain(|key| !scene.evicts || scene.keys.contains(key));
    touched.extend(
        scene
            .keys
            .iter()
            .filter(|key| !touched.contains(key))
            .copied()
            .collect::<Vec<_>>(),
    );
    Ok(Course {
        points,
        before,
        after,
        touched,
    })
}

/// Lets it die or stop at point number `at`; `script` is what the survivor does then.
pub(crate) fn trial<S: Subject>(
    scene: &Scene<S>,
    course: &Course,
    action: Action,
    at: usize,
    script: usize,
    root: &Path,
) -> Verdict {
    let mut world = World::new(root);
    (scene.prepare)(&mut world);
    let mut verdict = Verdict::default();
    if *world.beliefs.borrow() != course.before {
        verdict
            .wrong
            .push("the scene is not what it was the first time".to_owned());
        return verdict;
    }
    let mut victim = Victim::start(scene, &world, Task::Act(action, at));
    let is_stopped = match victim.wait() {
        Fate::Killed(point) => {
            verdict.killed = Some(point);
            false
        }
        Fate::Stopped(point) => {
            verdict.stopped = Some(point);
            true
        }
        // Fewer points than the first time: the operation is done.
        Fate::Ended(_, None) => false,
        Fate::Ended(_, Some(problem)) | Fate::Failed(problem) => {
            verdict.wrong.push(problem);
            return verdict;
        }
    };
    world.beliefs.borrow_mut().or(&course.after);
    if scene.evicts {
        world.beliefs.borrow_mut().admit_misses();
    }
    let mut is_stopped = is_stopped;
    match world.survivor() {
        Ok(_) => {}
        // It is renewing the table, and nobody can tell that it does not go on.
        Err(Unopened::Busy) if is_stopped => {
            go_on(&mut victim, &mut verdict.wrong);
            is_stopped = false;
        }
        Err(error) => verdict
            .wrong
            .push(format!("the survivor cannot open the directory: {error:?}")),
    }
    if let Err(error) = world.survivor() {
        verdict
            .wrong
            .push(format!("the survivor cannot open the directory: {error:?}"));
        return verdict;
    }
    survive(&world, scene, course, is_stopped, at, script, &mut verdict.wrong);
    if is_stopped {
        go_on(&mut victim, &mut verdict.wrong);
    }
    drop(victim);
    conclude(&mut world, course, at, &mut verdict.wrong);
    verdict
}

/// Continues who is stopped, up to its end.
fn go_on(victim: &mut Victim, wrong: &mut Vec<String>) {
    match victim.go_on() {
        Fate::Ended(_, None) => {}
        Fate::Ended(_, Some(problem)) | Fate::Failed(problem) => wrong.push(format!("continued: {problem}")),
        other => wrong.push(format!("continued, it came to {other:?}")),
    }
}

/// The survivor looks, works and looks again, while nobody has been met that died, or somebody is stopped.
fn survive<S: Subject>(
    world: &World<S>,
    scene: &Scene<S>,
    course: &Course,
    is_stopped: bool,
    at: usize,
    script: usize,
    wrong: &mut Vec<String>,
) {
    let subject = world.prepared();
    wrong.extend(subject.at_any_time(scene.has_strangers));
    wrong.extend(world.beliefs.borrow_mut().compare(subject, at, !is_stopped));
    let mut survivor = Survivor {
        world,
        touched: &course.touched,
        is_stopped,
        has_strangers: scene.has_strangers,
        turn: at,
        wrong: Vec::new(),
    };
    let (name, work) = scripts()[script % SCRIPTS];
    work(&mut survivor);
    if is_stopped && scene.adds {
        survivor.admit_adding();
    }
    if is_stopped && scene.computes {
        survivor.admit_computing();
    }
    wrong.extend(
        survivor
            .wrong
            .into_iter()
            .map(|problem| format!("who {name}: {problem}")),
    );
    wrong.extend(subject.at_any_time(scene.has_strangers));
    wrong.extend(world.beliefs.borrow_mut().compare(subject, at + 1, !is_stopped));
}

/// Everybody is dead or done: one sweep, and all is as if nothing had happened.
fn conclude<S: Subject>(world: &mut World<S>, course: &Course, at: usize, wrong: &mut Vec<String>) {
    // Who opens the directory meets the dead, and so does who sweeps.
    if at % 2 == 1 {
        match world.open() {
            Ok(subject) => world.survivor = Some(subject),
            Err(error) => wrong.push(format!("nobody can open the directory: {error:?}")),
        }
    }
    let subject = world.prepared().clone();
    let mut told = match subject.sweep() {
        Ok(foreign) => foreign,
        Err(error) => {
            wrong.push(format!("a sweep failed: {error}"));
            return;
        }
    };
    let mut foreign = world.foreign.borrow().clone();
    told.sort();
    foreign.sort();
    if told != foreign {
        wrong.push(format!("of others are {foreign:?}, and the sweep told {told:?}"));
    }
    wrong.extend(subject.at_rest(&told));
    wrong.extend(world.beliefs.borrow_mut().compare(&subject, at + 2, true));
    for key in &course.touched {
        put(&subject, *key, &value(*key, LATER, LARGE_BYTES), wrong);
        world.beliefs.borrow_mut().set(*key, LATER);
        let found = subject.read(*key, at);
        if found != Ok(Some(LATER)) {
            wrong.push(format!("key {key} is {found:?} after it was put at last"));
        }
        wrong.extend(subject.whole(*key, LATER));
    }
    wrong.extend(subject.at_rest(&told));
    if let Some(depot) = subject.depot() {
        let room_bytes = depot.room_bytes();
        turn_over(&subject, world, room_bytes, at, wrong);
        wrong.extend(subject.at_rest(&told));
    }
}

/// One value that needs all the room there is: every other file goes, whatever queue it is in or has fallen out of.
fn turn_over<S: Subject>(subject: &S, world: &World<S>, room_bytes: u64, at: usize, wrong: &mut Vec<String>) {
    let whole = room_bytes - (16 << 10);
    put(subject, WHOLE, &value(WHOLE, ACTED, whole as usize), wrong);
    let left = subject.depot().map_or(0, |depot| depot.stats().files);
    if left != 1 {
        wrong.push(format!("{left} files beside one that needs all the room"));
    }
    if subject.read(WHOLE, at) != Ok(Some(ACTED)) {
        wrong.push("what needs all the room is not there".to_owned());
    }
    world.beliefs.borrow_mut().admit_misses();
    wrong.extend(world.beliefs.borrow_mut().compare(subject, at, true));
}

fn put<S: Subject>(subject: &S, key: Key, bytes: &[u8], wrong: &mut Vec<String>) {
    let put = subject.put(key, bytes);
    if put != Ok(Kept::Stored) {
        wrong.push(format!("a put of key {key} when all was over gave {put:?}"));
    }
}
