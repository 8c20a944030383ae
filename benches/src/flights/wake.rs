//! The end of a computation for which many threads of several processes wait: when each has its answer.
//!
//! Beside it, in turn, the least that the kernel can do: the same threads wait for a word with nothing around it,
//! and one call of the kernel wakes them all.

use std::path::PathBuf;

use clap::Args;
use guira::Guira;
use guira_shm::futex;
use guira_shm::sync::Ordering;

use super::crowd::{Crowd, percentile_ms, settle};
use super::{Bare, cache_of, now_ns, word_path};
use crate::error::{BenchError, while_doing};
use crate::report::{print_goal, print_table};
use crate::rounds::{Spread, interleave};

/// The longest that the last of them may wait.
const GOAL_MS: f64 = 5.0;
const PERCENTS: [f64; 5] = [0.0, 50.0, 90.0, 99.0, 100.0];

/// How soon all have the answer.
#[derive(Debug, Args)]
pub(crate) struct WakeArguments {
    /// Rounds
    #[arg(long, default_value_t = 21)]
    rounds: usize,
    /// Threads that wait, of all processes
    #[arg(long, default_value_t = 1_000)]
    waiters: usize,
    /// Processes of such threads
    #[arg(long, default_value_t = 4)]
    processes: usize,
    /// Size of the segment; one has a line for a thread in each 64 KiB
    #[arg(long, default_value_t = 128)]
    mib: u64,
    /// Where the segment goes: a file system in memory
    #[arg(long, default_value = "/dev/shm", value_name = "FOLDER")]
    directory: PathBuf,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Subject {
    Flight,
    Bare,
}

/// Lets them wait, and measures.
pub(crate) fn run(arguments: &WakeArguments) -> Result<(), BenchError> {
    let directory = tempfile::tempdir_in(&arguments.directory).map_err(while_doing("make a folder"))?;
    let path = directory.path().join("wake.guira");
    let guira = Guira::builder().size(arguments.mib << 20).open(&path)?;
    let cache = cache_of(&guira);
    let bare = Bare::create(&word_path(&path))?;
    let mut crowd = Crowd::start(&path, arguments.processes.max(1), arguments.waiters.max(1))?;
    let (mut key, mut computed) = (0, 0);
    let order = [Subject::Flight, Subject::Bare];
    let laps = interleave(arguments.rounds.max(1), &order, 0, |subject| {
        key += 1;
        let mut ended_ns = Ok(0);
        match subject {
            Subject::Flight => {
                let mut told = Ok(());
                cache.get_or_compute(&key, || {
                    told = crowd
                        .tell(&format!("ask {key}"))
                        .and_then(|()| crowd.await_waits());
                    ended_ns = now_ns();
                    key
                })?;
                told?;
            }
            Subject::Bare => {
                let old = bare.word().load(Ordering::Relaxed);
                bare.waiting().store(0, Ordering::Relaxed);
                crowd.tell(&format!("bare {old}"))?;
                while bare.waiting().load(Ordering::Relaxed) < crowd.len() {
                    std::thread::yield_now();
                }
                settle();
                ended_ns = now_ns();
                // Release: pairs with the Acquire of those who wait.
                bare.word().store(old + 1, Ordering::Release);
                futex::wake(bare.word(), u32::MAX >> 1);
            }
        }
        let ended_ns = ended_ns?;
        let answered = crowd.answered()?;
        computed += answered.computed;
        Ok::<_, BenchError>(PERCENTS.map(|percent| percentile_ms(&answered.at_ns, ended_ns, percent)))
    })?;
    let column = |lap: &[[f64; 5]], index: usize| Spread::of(lap.iter().map(|times| times[index]));
    let rows: Vec<Vec<String>> = ["computed by another", "bare word and futex"]
        .iter()
        .zip(&laps)
        .map(|(name, lap)| {
            let mut row = vec![(*name).to_owned()];
            row.extend((0..PERCENTS.len()).map(|index| column(lap, index).to_string()));
            row
        })
        .collect();
    print_table(
        &format!(
            "From the end of the computation to the answer, {} threads in {} processes; ms, {} rounds",
            crowd.len(),
            arguments.processes,
            arguments.rounds
        ),
        &["what", "first", "p50", "p90", "p99", "last"],
        &rows,
    );
    let last = column(&laps[0], PERCENTS.len() - 1);
    print_goal(
        &format!("all answers within {GOAL_MS} ms of the end of the computation"),
        &format!("{last}"),
        last.median <= GOAL_MS,
    );
    print_goal("nobody else computes", &computed.to_string(), computed == 0);
    Ok(())
}
