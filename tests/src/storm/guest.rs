//! Children that a worker forks: they use the segment or not, by the handle they inherited or by one
//! of their own, are killed, run another program, fork again, and leave without detaching.

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use guira_shm::fork::fork_child;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::board::{Board, ROW_EXECS, ROW_FORKED_KILLS, ROW_FORKS};
use crate::experiment::{ExperimentError, Plan};
use crate::orphans::bad_end;
use crate::storm::SIDE;
use crate::storm::life::{join, leave};
use crate::storm::worker::{Hand, Post};

/// The program that runs, even if its file was replaced meanwhile.
const PROGRAM: &str = "/proc/self/exe";
/// The longest life of a child, ms.
const MAX_LIFE_MS: u64 = 300;
/// The longest life of one that is to be killed, ms.
const MAX_KILLED_LIFE_MS: u64 = 20;
/// Children of children of a worker fork no more.
const MAX_GENERATION: u32 = 2;
/// Children of one thread at a time.
const MAX_CHILDREN: usize = 3;
/// Opens and closes of a child's own handle.
const OWN_HANDLES: u64 = 4;

/// A child of this thread.
#[derive(Clone, Copy, Debug)]
pub(super) struct Forked {
    pid: Pid,
    kill_at: Option<Instant>,
}

/// What a child does.
#[derive(Clone, Copy, Debug)]
enum Errand {
    /// Nothing: it only keeps what it inherited, such as the descriptor of its parent's lock.
    Keep,
    /// Works with the handle that it inherited.
    Work,
    /// Opens and closes handles of its own.
    OwnHandles,
    /// Becomes another program at once.
    Exec,
    /// Works, then becomes another program.
    WorkAndExec,
}

const ERRANDS: [Errand; 6] = [
    Errand::Keep,
    Errand::Work,
    Errand::Work,
    Errand::OwnHandles,
    Errand::Exec,
    Errand::WorkAndExec,
];

impl Hand<'_> {
    /// Forks a child now and then, unless there are enough.
    pub(super) fn fork_maybe(&mut self) {
        if self.post.generation < MAX_GENERATION && self.children.len() < MAX_CHILDREN {
            self.fork();
        }
    }

    fn fork(&mut self) {
        let errand = ERRANDS
            .get(self.random.below(ERRANDS.len() as u64) as usize)
            .copied()
            .unwrap_or(Errand::Work);
        let kill_at = self
            .random
            .one_in(3)
            .then(|| Instant::now() + Duration::from_micros(self.random.below(MAX_KILLED_LIFE_MS * 1000)));
        let life = Duration::from_millis(self.random.below(MAX_LIFE_MS));
        match fork_child(|| self.run_child(errand, life)) {
            Ok(pid) => {
                self.board.add(self.row, ROW_FORKS, 1);
                let pid = Pid::from_raw(pid.cast_signed());
                self.children.push(Forked { pid, kill_at });
            }
            Err(error) => self.journal.note(&format!("cannot fork: {error}")),
        }
    }

    /// Kills the children whose time has come, and reaps those that ended.
    pub(super) fn look_after_children(&mut self) {
        if self.children.is_empty() {
            return;
        }
        let now = Instant::now();
        for mut child in std::mem::take(&mut self.children) {
            if child.kill_at.is_some_and(|at| at <= now) {
                child.kill_at = None;
                self.kill_child(child);
            }
            match waitpid(child.pid, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::StillAlive) => self.children.push(child),
                Ok(status) => self.judge_end(status),
                Err(error) => self.journal.wrong(&format!("a forked child is lost: {error}")),
            }
        }
    }

    /// Waits for the children, which end soon by themselves.
    pub(super) fn wait_for_children(&mut self) {
        for child in std::mem::take(&mut self.children) {
            if child.kill_at.is_some() {
                self.kill_child(child);
            }
            match waitpid(child.pid, None) {
                Ok(status) => self.judge_end(status),
                Err(error) => self.journal.wrong(&format!("a forked child is lost: {error}")),
            }
        }
    }

    fn kill_child(&self, child: Forked) {
        // It is not reaped yet, so the number is its own.
        if kill(child.pid, Signal::SIGKILL).is_ok() {
            self.board.add(self.row, ROW_FORKED_KILLS, 1);
        }
    }

    fn judge_end(&mut self, status: WaitStatus) {
        if let Some(what) = bad_end(status) {
            self.journal.wrong(&what);
        }
    }

    /// In the child: its exit code.
    fn run_child(&mut self, errand: Errand, life: Duration) -> i32 {
        let end = Instant::now() + life;
        let inherited = std::mem::take(&mut self.guards);
        if self.random.one_in(2) {
            // They are the parent's: dropping them here must leave its pins alone.
            drop(inherited);
        } else {
            std::mem::forget(inherited);
        }
        let post = Post {
            row: self.board.first_shared_row() + self.post.worker,
            worker_row: self.board.first_shared_row() + self.post.worker,
            generation: self.post.generation + 1,
            shifts: false,
            ..self.post
        };
        let done = match errand {
            Errand::Keep => {
                while Instant::now() < end {
                    std::thread::park_timeout(life);
                }
                Ok(())
            }
            Errand::Work => self.work_as_child(post, end),
            Errand::OwnHandles => own_handles(&post, 1 + self.random.below(OWN_HANDLES)),
            Errand::Exec => Err(exec_visitor(&post)),
            Errand::WorkAndExec => self
                .work_as_child(post, end)
                .and_then(|()| Err(exec_visitor(&post))),
        };
        match done {
            Ok(()) => 0,
            // The storm may be over, and its directory gone.
            Err(_) if self.board.is_ended() => 0,
            Err(error) => {
                self.journal
                    .note(&format!("the errand {errand:?} failed: {error}"));
                1
            }
        }
    }

    fn work_as_child(&self, post: Post<'_>, end: Instant) -> Result<(), ExperimentError> {
        let mut hand = Hand::new(post, self.segment, self.side)?;
        while Instant::now() < end && !post.board.is_ended() {
            hand.run(1);
        }
        hand.guards.clear();
        if hand.random.one_in(2) {
            hand.wait_for_children();
        }
        Ok(())
    }

    /// Becomes the same program anew: whatever is held stays held by nobody.
    pub(super) fn shift(&mut self) {
        let post = self.post;
        post.board.add(post.row, ROW_EXECS, 1);
        let error = Command::new(PROGRAM).args(std::env::args_os().skip(1)).exec();
        self.journal
            .wrong(&format!("cannot replace the program: {error}"));
    }
}

fn own_handles(post: &Post<'_>, count: u64) -> Result<(), ExperimentError> {
    for _ in 0..count {
        let Some(segment) = join(post.plan, post.board, post.row, 1)? else {
            break;
        };
        let side = segment.namespace(SIDE)?;
        Hand::new(*post, &segment, &side)?.run(2);
        leave(post.board, post.row, segment);
    }
    Ok(())
}

fn exec_visitor(post: &Post<'_>) -> ExperimentError {
    let told = match serde_json::to_string(post.told) {
        Ok(told) => told,
        Err(error) => return error.into(),
    };
    post.board.add(post.row, ROW_EXECS, 1);
    Command::new(PROGRAM)
        .arg("visit")
        .arg("--plan")
        .arg(told)
        .arg("--worker")
        .arg(post.worker.to_string())
        .stdin(Stdio::null())
        .exec()
        .into()
}

/// What a forked child does after its exec: it opens the segment, works a little and leaves, in
/// order or not.
///
/// # Errors
/// What could not be opened, unless the storm is over.
pub fn visit(told: &Plan, worker: usize) -> Result<(), ExperimentError> {
    let Plan::Storm(plan) = told else {
        return Ok(());
    };
    if !Path::exists(&plan.world.board_path()) {
        return Ok(());
    }
    let board = Board::open(&plan.world.board_path())?;
    let row = board.first_shared_row() + worker;
    let post = Post {
        told,
        plan,
        board: &board,
        worker,
        row,
        worker_row: row,
        generation: MAX_GENERATION,
        shifts: false,
    };
    match own_handles(&post, 1) {
        Err(_) if board.is_ended() => Ok(()),
        done => done,
    }
}
