//! What kills and stops of others cost an operation: the same work, calm and in a storm, in turns.
//!
//! Both halves of a round have the same seed, workers and keys; in one of them workers are killed
//! and stopped. Every operation of every kind is timed. An operation whose own process was stopped
//! meanwhile is left out; the time that a thread was ready but had no processor is deducted, for it
//! says something of the machine and nothing of the engine. There should be no more workers than
//! processors.

mod report;

use std::path::Path;

use crate::experiment::{ExperimentError, World};
use crate::scratch::directory_in;
use crate::storm::{self, Customs, StormPlan};

pub use report::{LatencyReport, Round};

/// A comparison.
#[derive(Clone, Debug)]
pub struct LatencyPlan {
    /// With whom, and how many kills and stops there are in each stormy half; its directory is one in
    /// which each half makes its own.
    pub world: World,
    /// Keys.
    pub keys: u64,
    /// Rounds of two halves.
    pub rounds: u64,
}

/// Runs all rounds with workers that are `program worker ..`, and judges them.
///
/// # Errors
/// The experiment could not be made; what it found is in the report.
pub fn run(program: &Path, plan: &LatencyPlan) -> Result<LatencyReport, ExperimentError> {
    let mut rounds = Vec::new();
    for number in 0..plan.rounds {
        let seed = plan.world.seed.wrapping_add(number);
        let half = |kills, stops| -> Result<_, ExperimentError> {
            let directory = directory_in(&plan.world.directory)?;
            let world = World {
                directory: directory.path().to_owned(),
                seed,
                kills,
                stops,
                ..plan.world.clone()
            };
            storm::run(
                program,
                &StormPlan {
                    world,
                    keys: plan.keys,
                    large_values: true,
                    customs: Customs::default(),
                    latency: true,
                },
            )
        };
        let storm = || half(plan.world.kills, plan.world.stops);
        // Which comes first changes, so that a drift of the machine favours neither.
        let (calm, storm) = if number % 2 == 0 {
            let calm = half(0, 0)?;
            (calm, storm()?)
        } else {
            let storm = storm()?;
            (half(0, 0)?, storm)
        };
        rounds.push(Round { calm, storm });
    }
    Ok(LatencyReport::new(plan, &rounds))
}
