//! A run: stages of histories, each stage in a world of its own, judged as they come.

use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use guira_segment::{PutOptions, Segment, Stats};

use crate::experiment::ExperimentError;
use crate::linearize::crew::{Crew, Mishap, Scene};
use crate::linearize::judge::{History, Judged, Violation};
use crate::linearize::mix::MIX_COUNT;
use crate::linearize::mutants;
use crate::linearize::report::{Found, LinearizeReport};
use crate::linearize::tape::{ROW_RECORDS, Tape};
use crate::linearize::words::tag_name;
use crate::linearize::world::{ROOMS, Room, SIDE, World};
use crate::random::Random;
use crate::scratch::directory_in;

/// A run of histories.
#[derive(Clone, Debug)]
pub struct LinearizePlan {
    /// Where tapes and segments are made, in directories of their own.
    pub directory: PathBuf,
    /// Where histories with violations are saved.
    pub findings: PathBuf,
    /// Histories.
    pub histories: u64,
    /// Operations of each, at least.
    pub operations: u64,
    /// Histories in a hundred in which a worker is killed.
    pub kill_percent: u64,
    /// Histories in a hundred in which a worker is stopped.
    pub stop_percent: u64,
    /// Ends at the first violation.
    pub is_ended_by_violation: bool,
    /// Only worlds of this kind.
    pub room: Option<Room>,
    /// See [`World::mutant`].
    pub mutant: Option<String>,
    /// See [`World::delay_one_in`].
    pub delay_one_in: Option<u32>,
    /// Of every random choice.
    pub seed: u64,
}

/// Histories of a stage, at most.
const STAGE_HISTORIES: u64 = 100;
/// Violations after which a run ends.
const MAX_VIOLATIONS: usize = 10;
/// The longest stop.
const LONGEST_STOP_US: u64 = 4_000;

/// Makes histories whose workers are `program worker ..`, and judges them.
///
/// # Errors
/// The experiment could not be made; what it found is in the report.
pub fn run(program: &Path, plan: &LinearizePlan) -> Result<LinearizeReport, ExperimentError> {
    let began = Instant::now();
    let mut report = LinearizeReport {
        seed: plan.seed,
        ..LinearizeReport::default()
    };
    let mut stage = 0;
    while report.histories < plan.histories && !is_over(plan, &report) {
        stage += 1;
        let directory = directory_in(&plan.directory)?;
        let mut random = Random::new(plan.seed, stage);
        let world = chosen_world(plan, directory.path(), stage, &mut random);
        run_stage(program, plan, &world, &mut random, &mut report)?;
    }
    report.seconds = began.elapsed().as_secs_f64();
    Ok(report)
}

fn is_over(plan: &LinearizePlan, report: &LinearizeReport) -> bool {
    report.violations.len() >= MAX_VIOLATIONS
        || report.mishaps.len() >= MAX_VIOLATIONS
        || (plan.is_ended_by_violation && !report.violations.is_empty())
}

fn chosen_world(plan: &LinearizePlan, directory: &Path, stage: u64, random: &mut Random) -> World {
    let room = plan
        .room
        .or_else(|| ROOMS.get(stage as usize % ROOMS.len()).copied());
    World {
        directory: directory.to_owned(),
        room: room.unwrap_or(Room::Roomy),
        keys: 2 + random.below(7) as u8,
        workers: 2 + random.below(3) as usize,
        threads: 1 + random.below(2) as usize,
        seed: random.next(),
        mutant: plan.mutant.clone(),
        delay_one_in: plan.delay_one_in,
    }
}

fn run_stage(
    program: &Path,
    plan: &LinearizePlan,
    world: &World,
    random: &mut Random,
    report: &mut LinearizeReport,
) -> Result<(), ExperimentError> {
    mutants::switch_on(world)?;
    let tape = Tape::create(&world.tape_path())?;
    let told = serde_json::to_string(world)?;
    let mut ground = Ground::new(world)?;
    let mut crew = Crew::start(&tape, world.workers, world.threads, |row, after| {
        worker_command(program, &told, row, after)
    })?;
    for _ in 0..STAGE_HISTORIES {
        if report.histories >= plan.histories || is_over(plan, report) {
            break;
        }
        ground.renew_if_full(world)?;
        let before = ground.segment.stats();
        let scene = Scene {
            segment: ground.number,
            mix: random.below(MIX_COUNT),
            ..chosen_scene(plan, world, random)
        };
        let played = crew.play(&scene, random)?;
        ground.segment.clear_all();
        let after = ground.segment.stats();
        count_engine(&before, &after, report);
        let history = History {
            seed: plan.seed,
            number: report.histories,
            keys: world.keys,
            may_evict: world.room == Room::Tiny || has_reclaimed(&before, &after),
            events: played.events,
        };
        report.histories += 1;
        report.strict_histories += u64::from(!history.may_evict);
        report.operations += history.events.len() as u64;
        report.cut_off += history
            .events
            .iter()
            .filter(|event| event.ended_ns.is_none())
            .count() as u64;
        report.kills += u64::from(scene.mishap == Mishap::Kill);
        report.stops += u64::from(matches!(scene.mishap, Mishap::Stop(_)));
        report.mishaps.extend(played.mishaps);
        let judged = history.judge();
        take(plan, &history, judged, report)?;
    }
    Ok(())
}

/// A history without the number of its segment and its mix.
fn chosen_scene(plan: &LinearizePlan, world: &World, random: &mut Random) -> Scene {
    let lot = random.below(100);
    let mishap = if lot < plan.kill_percent {
        Mishap::Kill
    } else if lot < plan.kill_percent + plan.stop_percent {
        Mishap::Stop(Duration::from_micros(100 + random.below(LONGEST_STOP_US)))
    } else {
        Mishap::None
    };
    // Those that are left after a kill make the history whole.
    let clients = (world.workers * world.threads) as u64;
    let left = match mishap {
        Mishap::Kill => clients - world.threads as u64,
        _ => clients,
    };
    Scene {
        segment: 0,
        mix: 0,
        quota: (plan.operations.div_ceil(left)).min(ROW_RECORDS as u64 - 16),
        mishap,
    }
}

/// The segment of the moment.
struct Ground {
    number: u64,
    segment: Segment,
}

impl Ground {
    fn new(world: &World) -> Result<Self, ExperimentError> {
        Self::numbered(world, 1)
    }

    /// Tags are hashed with a segment's secret seed, and histories are judged as if no two shared a stamp: one
    /// segment in a thousand is made anew.
    fn numbered(world: &World, number: u64) -> Result<Self, ExperimentError> {
        loop {
            let segment = world.create(number)?;
            segment.namespace(SIDE)?;
            if tags_are_apart(&segment) {
                return Ok(Self { number, segment });
            }
            std::fs::remove_file(world.segment_path(number))?;
        }
    }

    /// A roomy world gets another segment before it has to reclaim anything.
    fn renew_if_full(&mut self, world: &World) -> Result<(), ExperimentError> {
        let blocks = self.segment.stats().blocks;
        if world.room == Room::Tiny || blocks.free * 2 > blocks.total {
            return Ok(());
        }
        std::fs::remove_file(world.segment_path(self.number))?;
        *self = Self::numbered(world, self.number + 1)?;
        Ok(())
    }
}

/// Whether neither tag's invalidation reaches what carries the other.
fn tags_are_apart(segment: &Segment) -> bool {
    [(1, 2), (2, 1)].into_iter().all(|(tag, other)| {
        let tags = [tag_name(other)];
        let is_stored = segment
            .put_with(b"tagged", b"", &PutOptions::default().tags(&tags))
            .is_ok();
        segment.invalidate_tag(tag_name(tag));
        let is_there = segment.remove(b"tagged");
        is_stored && is_there
    })
}

/// Whether anything was reclaimed or evicted meanwhile.
fn has_reclaimed(before: &Stats, after: &Stats) -> bool {
    (
        before.evictions,
        before.survivors,
        before.blocks_reclaimed,
        before.no_space,
    ) != (
        after.evictions,
        after.survivors,
        after.blocks_reclaimed,
        after.no_space,
    ) || after.blocks.draining > 0
        || after.is_evicting
}

fn count_engine(before: &Stats, after: &Stats, report: &mut LinearizeReport) {
    report.evictions += after.evictions.saturating_sub(before.evictions);
    report.survivors += after.survivors.saturating_sub(before.survivors);
    report.displaced += after.displaced.saturating_sub(before.displaced);
    report.retries += after.retries.saturating_sub(before.retries);
    report.recoveries += after.recoveries.saturating_sub(before.recoveries);
}

fn take(
    plan: &LinearizePlan,
    history: &History,
    judged: Judged,
    report: &mut LinearizeReport,
) -> Result<(), ExperimentError> {
    report.explored += judged.explored;
    report.momentary_misses += judged.momentary_misses;
    report.undecided += judged.undecided.len() as u64;
    if judged
        == (Judged {
            explored: judged.explored,
            ..Judged::default()
        })
    {
        return Ok(());
    }
    std::fs::create_dir_all(&plan.findings)?;
    let file = plan
        .findings
        .join(format!("history-{}-{}.json", history.seed, history.number));
    serde_json::to_writer(BufWriter::new(File::create(&file)?), history)?;
    report.violations.extend(found(judged.violations, history, &file));
    report.momentary.extend(found(judged.momentary, history, &file));
    Ok(())
}

fn found(violations: Vec<Violation>, history: &History, file: &Path) -> impl Iterator<Item = Found> {
    violations.into_iter().map(|violation| Found {
        history: history.number,
        violation,
        file: Some(file.to_owned()),
    })
}

/// Judges a history that was saved.
///
/// # Errors
/// It cannot be read.
pub fn check_file(path: &Path) -> Result<LinearizeReport, ExperimentError> {
    let began = Instant::now();
    let file = File::open(path)
        .map_err(|error| std::io::Error::new(error.kind(), format!("{}: {error}", path.display())))?;
    let history: History = serde_json::from_reader(BufReader::new(file))?;
    let judged = history.judge();
    Ok(LinearizeReport {
        seed: history.seed,
        histories: 1,
        strict_histories: u64::from(!history.may_evict),
        operations: history.events.len() as u64,
        momentary_misses: judged.momentary_misses,
        undecided: judged.undecided.len() as u64,
        explored: judged.explored,
        violations: found(judged.violations, &history, path).collect(),
        momentary: found(judged.momentary, &history, path).collect(),
        seconds: began.elapsed().as_secs_f64(),
        ..LinearizeReport::default()
    })
}

fn worker_command(program: &Path, world: &str, first_row: usize, after: u64) -> Command {
    let mut command = Command::new(program);
    command
        .arg("worker")
        .arg("--world")
        .arg(world)
        .arg("--first-row")
        .arg(first_row.to_string())
        .arg("--after")
        .arg(after.to_string())
        .stdin(Stdio::null());
    command
}
