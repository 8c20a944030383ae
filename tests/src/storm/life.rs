//! What a worker process makes of its life: it stays, comes and goes, becomes another program, or
//! makes itself a daemon.

use std::time::Duration;

use guira_segment::{OpenError, Segment};

use crate::board::{Board, ROW_DAEMONS, ROW_JOINS, ROW_OPERATIONS, ROW_REFUSED_JOINS};
use crate::experiment::{Assignment, ExperimentError, Plan};
use crate::random::Random;
use crate::stopwatch::Stopwatch;
use crate::storm::kind::Kind;
use crate::storm::worker::{Hand, Post};
use crate::storm::{SIDE, StormPlan};

/// Between attempts to attach to a segment that is full.
const RETRY: Duration = Duration::from_millis(1);
/// Most rounds of operations of a visit.
const VISIT_ROUNDS: u64 = 3;

/// A way to live.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Role {
    /// Attaches once.
    Resident,
    /// Attaches, does little, detaches, again and again: most of its time goes into these, so most
    /// kills meet it there.
    Visitor,
    /// Replaces its program by the same now and then, without detaching.
    Shifter,
    /// Closes every descriptor once it is attached.
    Daemon,
}

impl Role {
    fn of(plan: &StormPlan, assignment: Assignment) -> Self {
        let customs = plan.customs;
        let stream = (assignment.worker as u64) << 32 | assignment.incarnation;
        let mut random = Random::new(plan.world.seed, stream ^ 1 << 50);
        match random.below(10) {
            0..=3 if customs.come_and_go => Self::Visitor,
            4 | 5 if customs.exec => Self::Shifter,
            6 | 7 if customs.daemons => Self::Daemon,
            _ => Self::Resident,
        }
    }
}

/// Lives until the board says that it is over.
pub(crate) fn live(
    told: &Plan,
    plan: &StormPlan,
    board: &Board,
    assignment: Assignment,
) -> Result<(), ExperimentError> {
    let role = Role::of(plan, assignment);
    let first_row = assignment.worker * plan.world.threads;
    let mut random = Random::new(plan.world.seed, board.ticket());
    while let Some(segment) = join(plan, board, first_row, plan.world.threads)? {
        if role == Role::Daemon {
            close_descriptors();
            board.add(first_row, ROW_DAEMONS, 1);
        }
        let rounds = if role == Role::Visitor {
            random.below(VISIT_ROUNDS + 1)
        } else {
            u64::MAX
        };
        plan.world.on_threads(|thread| {
            let post = Post {
                told,
                plan,
                board,
                worker: assignment.worker,
                row: first_row + thread,
                worker_row: first_row,
                generation: 0,
                shifts: role == Role::Shifter && thread == 0,
            };
            let side = segment.namespace(SIDE)?;
            let mut hand = Hand::new(post, &segment, &side)?;
            hand.run(rounds);
            if role == Role::Visitor {
                hand.recover();
            }
            Ok(())
        })?;
        leave(board, first_row, segment);
        if board.is_ended() {
            break;
        }
    }
    Ok(())
}

/// Attaches, timed; tries again while a segment that is meant to be too small for all is full. None
/// if the storm is over before.
pub(super) fn join(
    plan: &StormPlan,
    board: &Board,
    first_row: usize,
    threads: usize,
) -> Result<Option<Segment>, ExperimentError> {
    let mut stopwatch = Stopwatch::new(board, first_row, first_row);
    loop {
        let running = stopwatch.begin(Kind::Open as usize);
        let opened = plan.world.open_segment();
        stopwatch.end(running);
        match opened {
            Ok(segment) => {
                board.add(first_row, ROW_JOINS, 1);
                return Ok(Some(segment));
            }
            Err(OpenError::TooManyProcesses { .. } | OpenError::TooManyThreads { .. })
                if plan.world.room.is_some() =>
            {
                board.add(first_row, ROW_REFUSED_JOINS, 1);
            }
            Err(error) => return Err(error.into()),
        }
        if board.is_ended() {
            return Ok(None);
        }
        for row in first_row + 1..first_row + threads {
            // A thread that has nowhere to work yet does not stand still.
            board.add(row, ROW_OPERATIONS, 1);
        }
        std::thread::park_timeout(RETRY);
    }
}

/// Detaches, timed.
pub(super) fn leave(board: &Board, row: usize, segment: Segment) {
    let mut stopwatch = Stopwatch::new(board, row, row);
    let running = stopwatch.begin(Kind::Detach as usize);
    drop(segment);
    stopwatch.end(running);
}

/// What a process does that makes itself a daemon.
fn close_descriptors() {
    for descriptor in 3..1024 {
        // Most are not open.
        let _ = nix::unistd::close(descriptor);
    }
}
