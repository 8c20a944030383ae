//! The process that dies or stops: forked from its worker, it gets ready, waits for the others to be
//! there, and does one operation with its points armed.

use std::fs::File;
use std::io::{BufRead, BufReader, PipeReader, PipeWriter, Read, Write};
use std::os::fd::OwnedFd;
use std::path::Path;

use guira_segment::{Segment, SegmentBuilder};
use guira_shm::point::{self, Action, Forked};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use serde::{Deserialize, Serialize};

use super::KillError;
use super::effect::Answer;
use super::scene::Scene;

/// What the points of the operation are for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
pub enum Task {
    /// They are counted.
    Count,
    /// At this one, from 0, the process kills itself.
    Kill(usize),
    /// At this one it stops itself.
    Stop(usize),
}

/// A point, as it is told to other processes.
#[derive(Clone, PartialEq, Eq, Hash, Debug, PartialOrd, Ord, Serialize, Deserialize)]
pub struct PointName {
    /// Source file.
    pub file: String,
    /// Line.
    pub line: u32,
    /// Column.
    pub column: u32,
    /// What was about to be called.
    pub what: String,
}

impl std::fmt::Display for PointName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}:{} {}", self.file, self.line, self.column, self.what)
    }
}

/// What a victim tells its worker, a line of JSON each; the line of a point comes as the plan
/// writes it.
#[derive(Debug, Serialize, Deserialize)]
enum Told {
    Ready,
    Ended(Answer, Vec<PointName>),
}

/// The inside: what a scene's operation may use.
pub struct Victim<'s> {
    path: &'s Path,
    builder: SegmentBuilder,
    inherited: Option<&'s Segment>,
    task: Task,
    up: PipeWriter,
    down: PipeReader,
    points: Vec<PointName>,
    is_ready: bool,
}

impl Victim<'_> {
    /// Where the segment is or shall be.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.path
    }

    /// How it is opened.
    #[must_use]
    pub const fn builder(&self) -> &SegmentBuilder {
        &self.builder
    }

    /// The segment: inherited, or opened now.
    #[must_use]
    pub fn segment(&self) -> Segment {
        match self.inherited {
            Some(segment) => segment.clone(),
            None => self.builder.open(self.path).expect("the segment opens"),
        }
    }

    /// Says that this process is ready, and waits until the others are.
    pub fn ready(&mut self) {
        if self.is_ready {
            return;
        }
        self.is_ready = true;
        self.tell(&Told::Ready);
        let mut go = [0];
        self.down.read_exact(&mut go).expect("the worker says when");
    }

    /// The operation begins: from here on this thread passes points.
    pub fn begin(&mut self) {
        self.ready();
        let report = self.up.try_clone().expect("a descriptor");
        let report = File::from(OwnedFd::from(report));
        match self.task {
            Task::Count => point::start_recording(),
            Task::Kill(at) => point::arm(point::Plan::new(Action::Kill, at, report)),
            Task::Stop(at) => point::arm(point::Plan::new(Action::Stop, at, report)),
        }
    }

    /// The operation has ended: one last point, and none after it.
    pub fn end(&mut self) {
        point::before("end");
        self.stop();
    }

    fn stop(&mut self) {
        let recorded = point::stop_recording();
        self.points.extend(recorded.into_iter().map(|point| PointName {
            file: point.location.file().to_owned(),
            line: point.location.line(),
            column: point.location.column(),
            what: point.what.to_owned(),
        }));
        point::disarm();
    }

    /// Does `operation` between `begin` and `end`.
    pub fn armed<T>(&mut self, operation: impl FnOnce() -> T) -> T {
        self.begin();
        let result = operation();
        self.end();
        result
    }

    /// Does `operation` in a thread of its own that is armed from its first to its very last moment.
    pub fn armed_thread(&mut self, operation: impl FnOnce() + Send) {
        self.ready();
        std::thread::scope(|scope| {
            let thread = scope.spawn(|| {
                self.begin();
                operation();
            });
            thread.join().expect("the operation does not panic");
        });
        self.stop();
    }

    fn tell(&mut self, told: &Told) {
        let mut line = serde_json::to_string(told).expect("it has no maps");
        line.push('\n');
        self.up.write_all(line.as_bytes()).expect("the worker listens");
    }
}

impl std::fmt::Debug for Victim<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Victim")
            .field("task", &self.task)
            .finish_non_exhaustive()
    }
}

/// The outside: the victim as its worker holds it.
#[derive(Debug)]
pub struct Held {
    child: Forked,
    told: BufReader<PipeReader>,
    go: Option<PipeWriter>,
    task: Task,
}

/// What became of a victim that was let go.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fate {
    /// It killed itself at this point.
    Killed(PointName),
    /// It stopped itself at this point.
    Stopped(PointName),
    /// It came to the end of its operation.
    Ended(Answer, Vec<PointName>),
    /// It ended in a way that no scene intends.
    Failed(String),
}

impl Held {
    /// Forks a victim and waits until it is ready.
    ///
    /// # Errors
    /// No process can be had, or it failed before it was ready.
    pub fn start(
        scene: &Scene,
        path: &Path,
        inherited: Option<&Segment>,
        task: Task,
    ) -> Result<Self, KillError> {
        let (told, up) = std::io::pipe()?;
        let (down, go) = std::io::pipe()?;
        let mut ends = Some((told, go));
        let child = point::fork(|| {
            // Copies of the worker's ends would keep the pipes open after its death.
            drop(ends.take());
            let dies_with_worker = nix::sys::prctl::set_pdeathsig(Signal::SIGKILL);
            dies_with_worker.expect("a signal that exists");
            let mut victim = Victim {
                path,
                builder: scene.builder(),
                inherited,
                task,
                up,
                down,
                points: Vec::new(),
                is_ready: false,
            };
            let answer = (scene.act)(&mut victim);
            let points = std::mem::take(&mut victim.points);
            victim.tell(&Told::Ended(answer, points));
            0
        })?;
        // The closure, and with it the victim's ends, is gone here.
        let (told, go) = ends.take().expect("only the child drops them");
        let mut held = Self {
            child,
            told: BufReader::new(told),
            go: Some(go),
            task,
        };
        let line = held.line()?;
        match serde_json::from_str(&line) {
            Ok(Told::Ready) => Ok(held),
            _ => Err(KillError::NotReady {
                scene: scene.name,
                told: line,
            }),
        }
    }

    /// Lets it do its operation; returns when it is dead, stopped or at its end.
    ///
    /// # Errors
    /// It cannot be waited for.
    pub fn go(&mut self) -> Result<Fate, KillError> {
        if let Some(mut go) = self.go.take() {
            go.write_all(b"g")?;
        }
        self.wait()
    }

    /// Continues a stopped victim; returns when it is dead or at its end.
    ///
    /// # Errors
    /// It cannot be waited for.
    pub fn go_on(&mut self) -> Result<Fate, KillError> {
        kill(self.child.pid(), Signal::SIGCONT).map_err(std::io::Error::from)?;
        self.wait()
    }

    fn wait(&mut self) -> Result<Fate, KillError> {
        // A list of points may be longer than a pipe holds: it is read before the end is awaited.
        let list = match self.task {
            Task::Count => Some(self.line()?),
            Task::Kill(_) | Task::Stop(_) => None,
        };
        let status = waitpid(self.child.pid(), Some(WaitPidFlag::WUNTRACED)).map_err(std::io::Error::from)?;
        if !matches!(status, WaitStatus::Stopped(..)) {
            self.child.was_reaped();
        }
        Ok(match status {
            WaitStatus::Signaled(_, Signal::SIGKILL, _) => Fate::Killed(self.point()?),
            WaitStatus::Stopped(..) => Fate::Stopped(self.point()?),
            WaitStatus::Exited(_, 0) => {
                let line = match list {
                    Some(list) => list,
                    None => self.line()?,
                };
                match serde_json::from_str(&line) {
                    Ok(Told::Ended(answer, points)) => Fate::Ended(answer, points),
                    _ => Fate::Failed(format!("it ended and said {line:?}")),
                }
            }
            other => Fate::Failed(format!("{other:?}")),
        })
    }

    fn line(&mut self) -> Result<String, KillError> {
        let mut line = String::new();
        self.told.read_line(&mut line)?;
        line.truncate(line.trim_end().len());
        Ok(line)
    }

    fn point(&mut self) -> Result<PointName, KillError> {
        let line = self.line()?;
        let mut words = line.splitn(4, ' ');
        let mut word = || words.next().unwrap_or_default();
        Ok(PointName {
            file: word().to_owned(),
            line: word().parse().unwrap_or(0),
            column: word().parse().unwrap_or(0),
            what: word().to_owned(),
        })
    }
}
