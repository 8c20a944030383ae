//! Random sequences of operations against a plain map with a clock that the test moves.
//!
//! In a large world nothing is ever evicted, so every answer must be the map's. In a tiny world any
//! entry may have been dropped, so a miss is accepted (and the map forgets it too, so that it must
//! not come back), but an answer that the map does not give never is. Two or three bits of generation
//! make every wrap happen.
//!
//! A sequence is a list of numbers, each of which stands for one operation (`operation`); so a
//! property test shrinks it by leaving numbers out, and a long run tells it by its seed. The segment
//! draws its own hash seed: which keys share buckets and stamps is not told by the sequence's seed.

mod agreeing;
mod changing;
mod computing;
mod counters;
mod dropping;
mod episode;
mod flying;
mod lifetime;
mod looking;
mod model;
mod names;
mod operation;
mod reading;
mod refusals;
mod sizes;
mod tally;
mod telling;
mod watching;
mod world;
mod writing;

pub mod run;

use std::path::PathBuf;

pub use tally::Tally;
pub use world::World;

use episode::Episode;
use model::Model;
use operation::Operation;

/// Runs the operations that `numbers` stand for on a new segment, and compares every answer.
///
/// # Panics
///
/// When an answer is not the map's: that is what is looked for.
pub fn check(world: World, numbers: &[u64], tally: &mut Tally) {
    let directory = world
        .on_file
        .then(|| tempfile::tempdir_in("/dev/shm").expect("a directory in memory"));
    let path: Option<PathBuf> = directory
        .as_ref()
        .map(|directory| directory.path().join("oracle.guira"));
    let mut model = Model::new(world);
    let mut numbers = numbers.iter();
    let mut is_new = true;
    loop {
        let openings = world.open(path.as_deref(), &model.clock, is_new);
        let mut episode = Episode::new(&openings, path.as_deref(), &mut model, tally);
        if is_new {
            episode.look_at_stamps();
        }
        is_new = false;
        // Until the segment is to be detached and opened again, or nothing is left to do.
        if !episode.run(&mut numbers) {
            episode.conclude();
            return;
        }
    }
}

/// The operations that `numbers` stand for, as a person reads them.
#[must_use]
pub fn describe(numbers: &[u64]) -> String {
    use std::fmt::Write;
    numbers.iter().fold(String::new(), |mut text, number| {
        // Writing to a string does not fail.
        let _ = writeln!(text, "  {number:#018x} {:?}", Operation::of(*number));
        text
    })
}
