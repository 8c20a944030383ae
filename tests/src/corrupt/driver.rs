//! The driver: makes images, damages them, and judges what the processes say.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use guira_segment::OpenError;

use super::base::{self, Base};
use super::crew::{Hand, Silence};
use super::damage::{Damage, THEMES, Theme};
use super::report::Report;
use super::{Answer, Task, Trust};
use crate::random::Random;

/// What a run is to do.
#[derive(Clone, Debug)]
pub struct CorruptPlan {
    /// How many images.
    pub images: u64,
    /// Image `n` has the seed `seed + n`.
    pub seed: u64,
    /// Images that are worked on at once.
    pub lanes: usize,
    /// One theme instead of all.
    pub theme: Option<Theme>,
    /// Where the segments lie.
    pub directory: PathBuf,
    /// Where images are kept that something was wrong with.
    pub keep_in: PathBuf,
    /// The program that calls [`super::serve`] when its one argument is `hand`.
    pub program: PathBuf,
}

/// Why a run could not be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CorruptError {
    /// A base could not be made.
    #[error("cannot make a segment to damage: {0}")]
    Base(#[from] OpenError),
    /// A file or process could not be had.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// A task could not be written.
    #[error("cannot write a task: {0}")]
    Task(#[from] serde_json::Error),
}

/// Makes and judges every image.
///
/// # Errors
/// See [`CorruptError`]; what is wrong with an image is no error but in the report.
pub fn run(plan: &CorruptPlan) -> Result<Report, CorruptError> {
    let bases = base::make_all(&plan.directory)?;
    let began = Instant::now();
    let next = AtomicU64::new(0);
    let lanes: Vec<_> = std::thread::scope(|scope| {
        let spawned: Vec<_> = (0..plan.lanes.max(1))
            .map(|lane| {
                let (bases, next) = (&bases, &next);
                scope.spawn(move || Lane::new(plan, bases, lane)?.work(next))
            })
            .collect();
        spawned
            .into_iter()
            .map(|lane| {
                lane.join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })
            .collect()
    });
    let mut report = Report {
        seed: plan.seed,
        ..Report::default()
    };
    for lane in lanes {
        report.merge(lane?);
    }
    report.seconds = began.elapsed().as_secs_f64();
    Ok(report)
}

/// One image at a time, two processes that use it and one that mends it.
struct Lane<'p> {
    plan: &'p CorruptPlan,
    bases: &'p [Base],
    path: PathBuf,
    users: [Hand; 2],
    mender: Hand,
    report: Report,
}

/// What is done with one image; everything follows from its seed.
struct Image {
    seed: u64,
    theme: Theme,
    at_rest: u64,
    live: u64,
    operations: u64,
    verify_values: bool,
    trust: Trust,
}

impl Image {
    fn new(seed: u64, base: &Base, theme: Option<Theme>, random: &mut Random) -> Self {
        let drawn = THEMES[random.below(THEMES.len() as u64) as usize];
        let theme = theme.unwrap_or(drawn);
        let (at_rest, live) = match (theme, random.below(3)) {
            (Theme::Superblock, _) => (1 + random.below(2), 0),
            (Theme::Truncation, 0) => (1, 0),
            (Theme::Truncation, _) => (0, 1),
            (_, 0) => (1 + random.below(60), 0),
            (_, 1) => (0, 1 + random.below(60)),
            _ => (random.below(30), random.below(30)),
        };
        let verify_values = base.is_checked && random.one_in(2);
        Self {
            seed,
            theme,
            at_rest,
            live,
            operations: 100 + random.below(300),
            verify_values,
            trust: if verify_values {
                theme.verified_trust()
            } else {
                theme.unverified_trust()
            },
        }
    }
}

impl<'p> Lane<'p> {
    fn new(plan: &'p CorruptPlan, bases: &'p [Base], lane: usize) -> Result<Self, CorruptError> {
        let start = || Hand::start(&plan.program);
        Ok(Self {
            plan,
            bases,
            path: plan.directory.join(format!("image-{lane}.guira")),
            users: [start()?, start()?],
            mender: start()?,
            report: Report::default(),
        })
    }

    fn work(mut self, next: &AtomicU64) -> Result<Report, CorruptError> {
        loop {
            let n = next.fetch_add(1, Ordering::Relaxed);
            if n >= self.plan.images {
                return Ok(self.report);
            }
            self.one_image(self.plan.seed.wrapping_add(n))?;
        }
    }

    fn one_image(&mut self, seed: u64) -> Result<(), CorruptError> {
        let mut random = Random::new(seed, 1);
        let base = &self.bases[random.below(self.bases.len() as u64) as usize];
        let image = Image::new(seed, base, self.plan.theme, &mut random);
        let mut damage = Damage::new(&base.parts, base.bytes.len() as u64, random.clone());
        let mut bytes = base.bytes.clone();
        for _ in 0..image.at_rest {
            damage.apply(image.theme, &mut bytes)?;
        }
        let _ = fs::remove_file(&self.path);
        fs::write(&self.path, &bytes)?;
        self.report.images += 1;
        self.report.changes += image.at_rest + image.live;
        *self.report.themes.entry(image.theme).or_default() += 1;

        for (user, number) in self.users.iter_mut().zip(0..) {
            user.give(&Task::Use {
                path: self.path.clone(),
                seed: seed.wrapping_mul(2) + number,
                operations: image.operations,
                verify_values: image.verify_values,
                trust: image.trust,
            })?;
        }
        let mut file = File::options().read(true).write(true).open(&self.path)?;
        for _ in 0..image.live {
            damage.apply(image.theme, &mut file)?;
            std::thread::park_timeout(Duration::from_micros(random.below(60)));
        }
        let mut findings = Vec::new();
        for index in 0..self.users.len() {
            let answer = self.users[index].answer();
            self.judge_use(&image, index, answer, &mut findings)?;
        }
        // As it is before the repair changes it, to be kept if something is wrong.
        let damaged = fs::read(&self.path)?;
        self.mender.give(&Task::Mend {
            path: self.path.clone(),
            seed,
            // After the repair there is no damage left, where values can be checked.
            trust: if base.is_checked { Trust::Full } else { image.trust },
        })?;
        let answer = self.mender.answer();
        self.judge_mend(&image, answer, &mut findings)?;
        if !findings.is_empty() {
            self.keep(&image, &damaged, findings)?;
        }
        Ok(())
    }

    fn judge_use(
        &mut self,
        image: &Image,
        index: usize,
        answer: Result<Answer, Silence>,
        findings: &mut Vec<String>,
    ) -> Result<(), CorruptError> {
        match answer {
            Ok(Answer::Used(verdict)) => {
                self.report.add(&verdict);
                self.report.wrong += verdict.wrong.len() as u64;
                findings.extend(verdict.wrong);
            }
            Ok(Answer::Refused(message)) => self.judge_refusal(image, &message, findings),
            Ok(Answer::Mended(_)) => findings.push("an answer to another question".to_owned()),
            Err(silence) => {
                self.count_silence(&silence, findings);
                self.users[index] = Hand::start(&self.plan.program)?;
            }
        }
        Ok(())
    }

    fn judge_mend(
        &mut self,
        image: &Image,
        answer: Result<Answer, Silence>,
        findings: &mut Vec<String>,
    ) -> Result<(), CorruptError> {
        match answer {
            Ok(Answer::Mended(mended)) => {
                self.report.add_mended(&mended);
                self.report.wrong += mended.verdict.wrong.len() as u64;
                self.report.unmended += u64::from(!mended.failures.is_empty());
                findings.extend(
                    mended
                        .verdict
                        .wrong
                        .iter()
                        .map(|wrong| format!("after repair: {wrong}")),
                );
                findings.extend(mended.failures);
                if mended.is_cut && image.theme != Theme::Truncation {
                    self.report.unmended += 1;
                    findings.push("said to be cut, which it is not".to_owned());
                }
            }
            Ok(Answer::Refused(message)) => self.judge_refusal(image, &message, findings),
            Ok(Answer::Used(_)) => findings.push("an answer to another question".to_owned()),
            Err(silence) => {
                findings.push("in the repair:".to_owned());
                self.count_silence(&silence, findings);
                self.mender = Hand::start(&self.plan.program)?;
            }
        }
        Ok(())
    }

    fn judge_refusal(&mut self, image: &Image, message: &str, findings: &mut Vec<String>) {
        self.report.refused += 1;
        let is_named = message.contains(&self.path.display().to_string());
        if !is_named || !image.theme.may_be_refused() {
            self.report.unopened += 1;
            findings.push(format!("refused: {message}"));
        }
    }

    fn count_silence(&mut self, silence: &Silence, findings: &mut Vec<String>) {
        match silence {
            Silence::Ended(how) => {
                self.report.deaths += 1;
                findings.push(format!("a process ended: {how}"));
            }
            Silence::Hangs => {
                self.report.hangs += 1;
                findings.push("a process hangs".to_owned());
            }
        }
    }

    /// Keeps the image and says what is wrong with it.
    fn keep(&mut self, image: &Image, bytes: &[u8], findings: Vec<String>) -> io::Result<()> {
        fs::create_dir_all(&self.plan.keep_in)?;
        let kept = self.kept_path(image.seed);
        fs::write(&kept, bytes)?;
        let head = format!(
            "image {} ({:?}, {} changes at rest, {} under load, values {}verified; kept in {}):",
            image.seed,
            image.theme,
            image.at_rest,
            image.live,
            if image.verify_values { "" } else { "not " },
            kept.display()
        );
        self.report.findings.push(head);
        let lines = findings.into_iter().map(|finding| format!("    {finding}"));
        self.report.findings.extend(lines);
        Ok(())
    }

    fn kept_path(&self, seed: u64) -> PathBuf {
        Path::new(&self.plan.keep_in).join(format!("{seed}.guira"))
    }
}
