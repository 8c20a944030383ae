//! One run: a victim dies or stops at one point, survivors act, everything is checked.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use guira_segment::{Expiry, OpenError, Segment};
use serde::{Deserialize, Serialize};

use super::KillError;
use super::catalogue::scene_named;
use super::image::Image;
use super::scene::{Death, Scene};
use super::survivors::{Act, Knowledge, SCRIPTS};
use super::victim::{Fate, Held, PointName, Task};

/// Where prepared images lie and runs take place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Places {
    /// In memory.
    pub memory: PathBuf,
    /// On a disk.
    pub disk: PathBuf,
}

/// One run, as a worker is told of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// The scene's name.
    pub scene: String,
    /// What the victim does.
    pub task: Task,
    /// What the survivors do: a place in [`SCRIPTS`].
    pub script: usize,
}

/// What came of a run.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// It was made and came to its end.
    pub is_made: bool,
    /// Where the victim died or stopped; none if it came to its end before.
    pub at: Option<PointName>,
    /// Everything that must not be and was.
    pub anomalies: Vec<String>,
    /// Operations of the survivors.
    pub operations: u64,
    /// The longest of them, us.
    pub longest_us: u64,
    /// The points of the whole operation, if they were counted.
    pub points: Vec<PointName>,
}

/// Makes runs, one after the other, in this process.
#[derive(Debug)]
pub struct Runner {
    places: Places,
    number: usize,
    templates: HashMap<&'static str, Knowledge>,
}

impl Places {
    /// The directory for an image.
    #[must_use]
    pub fn of(&self, image: Image) -> &Path {
        if image.is_on_disk() {
            &self.disk
        } else {
            &self.memory
        }
    }

    fn prepared(&self, scene: &Scene) -> PathBuf {
        match scene.after_death_in {
            None => scene.image.path_in(self.of(scene.image)),
            Some(Death {
                scene: first,
                file,
                was_alone,
            }) => self
                .of(scene.image)
                .join(format!("{first} in {file} {was_alone}.image").replace('/', "-")),
        }
    }

    /// Makes the images of `scenes` and the leavings of those who died before them.
    ///
    /// # Errors
    /// An image cannot be made, or a scene has no point in the file where its process is to die.
    pub fn prepare(&self, scenes: &[&Scene]) -> Result<(), KillError> {
        for image in Image::FILES {
            image.prepare(self.of(image))?;
        }
        for scene in scenes {
            let Some(Death {
                scene: first,
                file,
                was_alone,
            }) = scene.after_death_in
            else {
                continue;
            };
            let leavings = self.prepared(scene);
            if leavings.exists() {
                continue;
            }
            let first = scene_named(first)?;
            let image = first.image.path_in(self.of(first.image));
            let path = leavings.with_extension("dying");
            let fate = |task| -> Result<Fate, KillError> {
                std::fs::copy(&image, &path)?;
                let beside = if was_alone { None } else { Some(first.open(&path)?) };
                let fate = Held::start(first, &path, None, task)?.go();
                drop(beside);
                fate
            };
            let no_death = |how| {
                Err(KillError::NoDeath {
                    scene: scene.name,
                    how,
                })
            };
            let points = match fate(Task::Count)? {
                Fate::Ended(_, points) => points,
                other => return no_death(format!("{other:?}")),
            };
            let in_file: Vec<usize> = (0..points.len())
                .filter(|&at| points[at].file.ends_with(file))
                .collect();
            let Some(&at) = in_file.get(in_file.len().saturating_sub(1) / 2) else {
                return no_death(format!("{} points elsewhere", points.len()));
            };
            match fate(Task::Kill(at))? {
                Fate::Killed(_) => {}
                other => return no_death(format!("{other:?}")),
            }
            std::fs::rename(&path, &leavings)?;
        }
        Ok(())
    }
}

impl Runner {
    /// A runner whose files carry `number`.
    #[must_use]
    pub fn new(places: Places, number: usize) -> Self {
        Self {
            places,
            number,
            templates: HashMap::new(),
        }
    }

    /// Makes one run.
    ///
    /// # Errors
    /// The run could not be made at all.
    pub fn run(&mut self, job: &Job) -> Result<Outcome, KillError> {
        let scene = scene_named(&job.scene)?;
        let knowledge = self.knowledge(scene)?;
        let directory = self.places.of(scene.image).join(format!("run{}", self.number));
        std::fs::create_dir_all(&directory)?;
        let path = directory.join("kill.guira");
        let mut run = Run {
            scene,
            path,
            directory,
            knowledge,
            at: None,
            points: Vec::new(),
        };
        let prepared = self.places.prepared(scene);
        let done = catch_unwind(AssertUnwindSafe(|| run.run(&prepared, job)));
        match done {
            Ok(result) => result?,
            Err(panic) => {
                let text = panic
                    .downcast_ref::<String>()
                    .cloned()
                    .or_else(|| panic.downcast_ref::<&str>().map(|&text| text.to_owned()));
                run.knowledge
                    .anomaly(format!("a survivor panicked: {}", text.unwrap_or_default()));
            }
        }
        std::fs::remove_dir_all(&run.directory)?;
        let (longest, operations) = run.knowledge.longest_and_operations();
        Ok(Outcome {
            is_made: true,
            at: run.at,
            anomalies: run.knowledge.anomalies().to_vec(),
            operations,
            longest_us: u64::try_from(longest.as_micros()).unwrap_or(u64::MAX),
            points: run.points,
        })
    }

    /// What is known of the scene's keys before it: read once from a copy of its image.
    fn knowledge(&mut self, scene: &'static Scene) -> Result<Knowledge, KillError> {
        if let Some(known) = self.templates.get(scene.name) {
            return Ok(known.clone());
        }
        let earlier = match scene.after_death_in {
            None => None,
            Some(death) => Some(scene_named(death.scene)?),
        };
        let knowledge = if scene.image == Image::Absent {
            Knowledge::of(scene, earlier, None)?
        } else {
            let directory = self.places.of(scene.image);
            let path = directory.join(format!("known{}.guira", self.number));
            std::fs::copy(self.places.prepared(scene), &path)?;
            let segment = scene.open(&path)?;
            let knowledge = Knowledge::of(scene, earlier, Some(&segment))?;
            drop(segment);
            std::fs::remove_file(&path)?;
            knowledge
        };
        self.templates.insert(scene.name, knowledge.clone());
        Ok(knowledge)
    }
}

/// Turnovers of the log after which no block is where it was.
const TURNOVERS: u32 = 12;

/// A run under way.
struct Run {
    scene: &'static Scene,
    path: PathBuf,
    directory: PathBuf,
    knowledge: Knowledge,
    at: Option<PointName>,
    points: Vec<PointName>,
}

impl Run {
    fn run(&mut self, prepared: &Path, job: &Job) -> Result<(), KillError> {
        if self.scene.image != Image::Absent {
            std::fs::copy(prepared, &self.path)?;
        }
        let parent = if self.scene.is_forked {
            Some(self.open()?)
        } else {
            None
        };
        let mut victim = Held::start(self.scene, &self.path, parent.as_ref(), job.task)?;
        let first = match parent {
            Some(parent) => Some(parent),
            None if self.scene.is_alone => None,
            None => Some(self.open()?),
        };
        if let Some(first) = &first {
            // It is at work: it holds a line and a lane.
            first.put(b"survivor", b"here", Expiry::never())?;
        }
        let fate = victim.go()?;
        let mut is_stopped = matches!(fate, Fate::Stopped(_));
        self.note(fate);
        let first = match first {
            Some(first) => first,
            None => match self.open() {
                // The one wait there is: for who prepares the file for this boot of the machine.
                Err(KillError::Open(OpenError::Busy { .. }))
                    if is_stopped && self.scene.image.is_of_another_boot() =>
                {
                    let fate = victim.go_on()?;
                    self.note(fate);
                    is_stopped = false;
                    self.open()?
                }
                other => other?,
            },
        };
        let second = if self.scene.image == Image::Scarce {
            first.clone()
        } else {
            self.open()?
        };
        if self.scene.image == Image::Damaged {
            self.repair(&first);
        }
        let (_, acts) = SCRIPTS.get(job.script).copied().unwrap_or(("", &[]));
        for (turn, &act) in acts.iter().enumerate() {
            let segment = if turn % 2 == 0 { &first } else { &second };
            self.knowledge.act(act, segment);
        }
        if is_stopped {
            let fate = victim.go_on()?;
            self.note(fate);
        }
        drop(victim);
        self.knowledge.read(&second);
        self.knowledge.read_all(&first);
        self.knowledge.act(Act::Recover, &second);
        self.knowledge.read(&first);
        drop(first);
        drop(second);
        self.take_stock()
    }

    /// Somebody may be in the middle of the same repair.
    fn repair(&mut self, segment: &Segment) {
        let repaired = self.knowledge.timed("repair", || segment.repair());
        if !repaired.left.is_clean() {
            self.knowledge
                .anomaly(format!("a repair left {:?}", repaired.left.faults));
        }
    }

    fn note(&mut self, fate: Fate) {
        match fate {
            Fate::Killed(at) | Fate::Stopped(at) => self.at = Some(at),
            Fate::Ended(answer, points) => {
                self.points = points;
                self.knowledge.finished(answer);
            }
            Fate::Failed(how) => self.knowledge.anomaly(format!("the victim failed: {how}")),
        }
    }

    /// As every survivor opens the segment: quickly, whatever somebody is in the middle of.
    fn open(&mut self) -> Result<Segment, KillError> {
        let (scene, path) = (self.scene, &self.path);
        let opened = self.knowledge.timed("open", || {
            if scene.image == Image::Absent {
                scene.builder().open_or_create(path)
            } else {
                scene.builder().open(path)
            }
        });
        Ok(opened?)
    }

    /// Everybody is gone: what is left must be whole, nobody's, and all of it usable.
    fn take_stock(&mut self) -> Result<(), KillError> {
        let segment = self.open()?;
        segment.recover();
        if self.scene.image == Image::Damaged {
            self.repair(&segment);
        }
        let verified = segment.verify();
        if !verified.is_clean() {
            self.knowledge
                .anomaly(format!("verify found {:?} at the end", verified.faults));
        }
        let stats = segment.stats();
        for (what, count, expected) in [
            ("pins", stats.pins, 0),
            ("flights", stats.flights, 0),
            ("attached processes", stats.processes, 1),
            ("thread lines", stats.threads, 2),
            ("draining blocks", u64::from(stats.blocks.draining), 0),
            ("times damage was met", stats.damaged, 0),
        ] {
            let is_damage = self.scene.image == Image::Damaged && what == "times damage was met";
            if count != expected && !is_damage {
                self.knowledge
                    .anomaly(format!("{count} {what} at the end, not {expected}"));
            }
        }
        self.knowledge.read_all(&segment);
        self.knowledge.act(Act::ClearAll, &segment);
        // Blocks of the main pool take their turn late.
        for _ in 0..TURNOVERS {
            self.knowledge.act(Act::Churn, &segment);
            if segment.stats().blocks.run == 0 {
                break;
            }
        }
        self.knowledge.read(&segment);
        let blocks = segment.stats().blocks;
        if blocks.draining > 1 || blocks.run > 0 || blocks.damaged > 0 {
            self.knowledge
                .anomaly(format!("after a turnover there still are {blocks:?}"));
        }
        drop(segment);
        let names: Vec<_> = std::fs::read_dir(&self.directory)?
            .map(|entry| entry.map(|entry| entry.file_name()))
            .collect::<Result<_, _>>()?;
        if names.len() != 1 {
            self.knowledge.anomaly(format!("files were left: {names:?}"));
        }
        Ok(())
    }
}
