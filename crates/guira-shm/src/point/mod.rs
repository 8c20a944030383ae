//! Points: the places at which a process can die with something changed and
//! something not yet. Only in builds with `--cfg guira_points`.
//!
//! There is a point before every change of shared memory (an atomic's, a bulk
//! write's, and one in the middle of a bulk write) and before every call that
//! changes what the kernel shows to others (a lock, a name, a file's length, a
//! wake). A point is named by the source line that makes the change. The list of
//! them is nowhere written: a thread [records](record) those that it passes, and
//! a second run of the same work [acts](Plan) at one of them.

mod delay;
mod forked;
mod plan;

pub use delay::with_delays;
pub use forked::{Forked, fork};
pub use plan::{Action, Plan};

use std::cell::Cell;
use std::panic::Location;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A point that was passed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Point {
    /// Where the change is written in the source.
    pub location: &'static Location<'static>,
    /// What is about to be called.
    pub what: &'static str,
}

/// What the armed thread of this process does at points. One thread at a time is armed.
enum Mode {
    Record(Vec<Point>),
    Act(Plan),
}

thread_local! {
    // Without a destructor: the last work of a thread passes points too.
    static ARMED: Cell<bool> = const { Cell::new(false) };
}

static MODE: Mutex<Option<Mode>> = Mutex::new(None);

fn mode() -> MutexGuard<'static, Option<Mode>> {
    MODE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Calls `work` and says which points this thread passed in it.
pub fn record<T>(work: impl FnOnce() -> T) -> (T, Vec<Point>) {
    start_recording();
    let result = work();
    (result, stop_recording())
}

/// From here on the points that this thread passes are recorded.
pub fn start_recording() {
    *mode() = Some(Mode::Record(Vec::new()));
    ARMED.set(true);
}

/// The points that the recording thread (this one, or one that has ended) passed.
pub fn stop_recording() -> Vec<Point> {
    ARMED.set(false);
    match mode().take() {
        Some(Mode::Record(points)) => points,
        _ => Vec::new(),
    }
}

/// From here on this thread follows `plan`.
pub fn arm(plan: Plan) {
    *mode() = Some(Mode::Act(plan));
    ARMED.set(true);
}

/// Points mean nothing to this thread any more. Gives back a plan that was not carried out.
pub fn disarm() -> Option<Plan> {
    ARMED.set(false);
    match mode().take() {
        Some(Mode::Act(plan)) => Some(plan),
        _ => None,
    }
}

/// A point: `what` is about to be called where this is called.
#[inline]
#[track_caller]
pub fn before(what: &'static str) {
    delay::pause();
    if ARMED.get() {
        pass(Point {
            location: Location::caller(),
            what,
        });
    }
}

/// Tests of points take turns: one thread of a process is armed at a time.
#[cfg(test)]
pub(crate) fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cold]
#[inline(never)]
fn pass(point: Point) {
    let mut mode = mode();
    match &mut *mode {
        Some(Mode::Record(points)) => points.push(point),
        Some(Mode::Act(plan)) => {
            if !plan.is_due() {
                return;
            }
            let Some(Mode::Act(plan)) = mode.take() else {
                return;
            };
            drop(mode);
            ARMED.set(false);
            plan.carry_out(point);
        }
        None => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::region::Region;

    fn whats(points: &[Point]) -> Vec<&str> {
        points.iter().map(|point| point.what).collect()
    }

    #[test]
    fn a_bulk_write_has_a_point_before_it_and_one_in_its_middle() {
        let _turn = turn();
        let region = Region::heap(256);
        let ((), points) = record(|| {
            region.copy_in(3, b"plum");
            region.copy_in(0, b"p");
            region.zero(0, 100);
            region.copy_within(0, 128, 8);
            region.write_u32(4, 1);
        });
        let expected = [
            "copy_in",
            "copy_in, half done",
            "copy_in",
            "zero",
            "zero, half done",
            "copy_in",
            "copy_in, half done",
            "store",
        ];
        assert_eq!(whats(&points), expected);
        assert!(points.iter().all(|point| point.location.file() == file!()));
    }

    #[test]
    fn only_the_recording_thread_passes_points_and_after_its_end_too() {
        let _turn = turn();
        let region = Region::heap(64);
        std::thread::scope(|scope| {
            let recorder = scope.spawn(|| {
                start_recording();
                region.write_u64(0, 1);
            });
            recorder.join().expect("it only writes");
            region.write_u64(8, 1);
        });
        assert_eq!(stop_recording().len(), 1);
        region.write_u64(0, 2);
        assert_eq!(stop_recording(), []);
    }
}
