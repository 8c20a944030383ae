//! The process that dies or stops: a forked child that does the operation of a scene with its points armed.

use std::fs::File;
use std::io::{PipeReader, Read, Write};
use std::os::fd::OwnedFd;

use guira_shm::point::{self, Action, Forked, Plan};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};

use crate::catalogue::{Actor, Scene};
use crate::subject::Subject;
use crate::world::World;

/// What the points of the operation are for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Task {
    /// They are counted.
    Count,
    /// At one of them, from 0, something happens.
    Act(Action, usize),
}

/// A point, as it is told to other processes: file, line and column, and what was about to be called.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct PointName {
    pub(crate) file: String,
    pub(crate) line: u32,
    pub(crate) column: u32,
    pub(crate) what: String,
}

impl PointName {
    /// Reads what [`Plan`] writes.
    pub(crate) fn parse(line: &str) -> Option<Self> {
        let mut words = line.splitn(4, ' ');
        Some(Self {
            file: words.next()?.to_owned(),
            line: words.next()?.parse().ok()?,
            column: words.next()?.parse().ok()?,
            what: words.next()?.to_owned(),
        })
    }
}

impl std::fmt::Display for PointName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {} {} {}", self.file, self.line, self.column, self.what)
    }
}

/// What became of the victim.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Fate {
    Killed(PointName),
    Stopped(PointName),
    /// It came to its end: the points that it counted, and what went wrong.
    Ended(Vec<PointName>, Option<String>),
    /// It ended in a way that nobody intended.
    Failed(String),
}

/// A victim that is under way.
pub(crate) struct Victim {
    child: Forked,
    told: PipeReader,
    task: Task,
}

impl Victim {
    /// Forks one that does the scene's operation.
    pub(crate) fn start<S: Subject>(scene: &Scene<S>, world: &World<S>, task: Task) -> Self {
        let (told, up) = std::io::pipe().expect("a pipe");
        let child = point::fork(|| {
            // A stopped child must not outlive a run that is ended from outside.
            nix::sys::prctl::set_pdeathsig(Signal::SIGKILL).expect("a signal that exists");
            let report = File::from(OwnedFd::from(up));
            let mut up = report.try_clone().expect("a descriptor");
            let mut actor = Actor::new(world, || match task {
                Task::Count => point::start_recording(),
                Task::Act(action, at) => {
                    point::arm(Plan::new(action, at, report.try_clone().expect("a descriptor")));
                }
            });
            let outcome = (scene.act)(&mut actor);
            for point in point::stop_recording() {
                let at = point.location;
                writeln!(up, "{} {} {} {}", at.file(), at.line(), at.column(), point.what)
                    .expect("somebody reads");
            }
            point::disarm();
            match outcome {
                Ok(()) => 0,
                Err(problem) => {
                    writeln!(up, "! {problem}").expect("somebody reads");
                    0
                }
            }
        });
        Self {
            child: child.expect("a process can be made"),
            told,
            task,
        }
    }

    /// Waits until it is dead, stopped or at its end.
    pub(crate) fn wait(&mut self) -> Fate {
        let mut told = String::new();
        if self.task == Task::Count {
            // More than a pipe holds.
            self.told.read_to_string(&mut told).expect("text");
        }
        let status = waitpid(self.child.pid(), Some(WaitPidFlag::WUNTRACED)).expect("it is ours");
        if matches!(status, WaitStatus::Stopped(..)) {
            return match self.first_line().as_deref().and_then(PointName::parse) {
                Some(point) => Fate::Stopped(point),
                None => Fate::Failed("it stopped and did not say where".to_owned()),
            };
        }
        self.child.was_reaped();
        self.told.read_to_string(&mut told).expect("text");
        match status {
            WaitStatus::Signaled(_, Signal::SIGKILL, _) => {
                match told.lines().next().and_then(PointName::parse) {
                    Some(point) => Fate::Killed(point),
                    None => Fate::Failed("it died and did not say where".to_owned()),
                }
            }
            WaitStatus::Exited(_, 0) => {
                let problem = told
                    .lines()
                    .find_map(|line| line.strip_prefix("! "))
                    .map(str::to_owned);
                Fate::Ended(told.lines().filter_map(PointName::parse).collect(), problem)
            }
            other => Fate::Failed(format!("{other:?}: {told}")),
        }
    }

    /// Continues it, and waits for its end.
    pub(crate) fn go_on(&mut self) -> Fate {
        kill(self.child.pid(), Signal::SIGCONT).expect("it is ours");
        self.wait()
    }

    /// The line that a plan writes, while the writer is there still.
    fn first_line(&mut self) -> Option<String> {
        let mut line = Vec::new();
        let mut byte = [0];
        while self.told.read(&mut byte).ok()? == 1 && byte != *b"\n" {
            line.extend(byte);
        }
        String::from_utf8(line).ok()
    }
}
