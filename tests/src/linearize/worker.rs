//! A worker process: its threads play their parts of one history after another.

use std::time::Duration;

use guira_segment::Segment;
use guira_shm::futex;
use guira_shm::sync::Ordering;

use crate::experiment::ExperimentError;
use crate::linearize::client::Client;
use crate::linearize::mix::Mix;
use crate::linearize::mutants;
use crate::linearize::tape::{
    HEAD_CLIENTS, HEAD_DONE, HEAD_END, HEAD_HISTORY, HEAD_MIX, HEAD_READY, HEAD_SEGMENT, ROW_DONE, Tape,
};
use crate::linearize::world::{SIDE, World};
use crate::random::Random;

/// Between looks whether all is over.
const SLICE: Duration = Duration::from_millis(100);

/// Works on `first_row` and the rows behind it until all is over; joins histories after `after`.
///
/// # Errors
/// What could not be opened.
pub fn work(world: &World, first_row: usize, after: u64) -> Result<(), ExperimentError> {
    mutants::switch_on(world)?;
    let tape = Tape::open(&world.tape_path())?;
    let mut segments = 0;
    while wait_for_history(&tape, first_row) {
        let number = tape.head(HEAD_SEGMENT).load(Ordering::Relaxed);
        let segment = world.open(&world.segment_path(number))?;
        let side = segment.namespace(SIDE)?;
        segments += 1;
        std::thread::scope(|scope| {
            for row in first_row..first_row + world.threads {
                let (tape, segment, side) = (&tape, &segment, &side);
                scope.spawn(move || play_all(world, tape, segment, side, number, row, (after, segments)));
            }
        });
    }
    Ok(())
}

/// Waits for a history that the row's thread did not play yet; false when all is over.
fn wait_for_history(tape: &Tape, row: usize) -> bool {
    let done = tape.row(row, ROW_DONE).load(Ordering::Relaxed);
    let history = tape.head(HEAD_HISTORY);
    loop {
        if tape.head(HEAD_END).load(Ordering::Relaxed) != 0 {
            return false;
        }
        // Acquire: pairs with the Release of the conductor; what the history is like is there.
        if history.load(Ordering::Acquire) != done {
            return true;
        }
        futex::wait(history, done as u32, SLICE);
    }
}

/// The histories on one segment.
fn play_all(
    world: &World,
    tape: &Tape,
    segment: &Segment,
    side: &Segment,
    number: u64,
    row: usize,
    (after, segments): (u64, u64),
) {
    let stream = (after << 16 | segments) << 8 | row as u64;
    // Chunks are unique on a segment: rows are taken by one process after another, each after another
    // history.
    let first_chunk = (row as u64 + 1) << 56 | (after & 0xff_ffff) << 32;
    let random = Random::new(world.seed, stream);
    let mut client = Client::new(world, tape, segment, side, row, random, first_chunk);
    while wait_for_history(tape, row) && tape.head(HEAD_SEGMENT).load(Ordering::Relaxed) == number {
        let history = tape.head(HEAD_HISTORY).load(Ordering::Relaxed);
        let mix = Mix::numbered(tape.head(HEAD_MIX).load(Ordering::Relaxed));
        tape.head(HEAD_READY).fetch_add(1, Ordering::Relaxed);
        while tape.head(HEAD_READY).load(Ordering::Relaxed) < tape.head(HEAD_CLIENTS).load(Ordering::Relaxed)
        {
            std::thread::yield_now();
        }
        client.play(&mix);
        // Release: all records are before it; pairs with the Acquire of the conductor.
        tape.row(row, ROW_DONE).store(history, Ordering::Release);
        tape.head(HEAD_DONE).fetch_add(1, Ordering::Release);
        futex::wake(tape.head(HEAD_DONE), 1);
    }
}
