//! The death of a process that computes, while many threads of other processes wait for it: when the kernel frees the
//! dead one's lock, which is the earliest that anybody can be sure, and from then on when each has its answer.
//!
//! The kernel frees the lock after it has unmapped the dead one's memory, which takes the longer the more of it was
//! resident. So the dead one has read a stated part of the segment.

use std::path::{Path, PathBuf};

use clap::Args;
use guira::{Guira, Lifetime};
use guira_shm::file::{OpenRules, open_checked};
use guira_shm::lock::{ByteLocks, Probe, RECORD_LOCK_BASE};

use super::crowd::{Crowd, Process, percentile_ms, settle};
use super::{Bare, now_ns, word_path};
use crate::error::{BenchError, while_doing};
use crate::report::{print_goal, print_table};
use crate::rounds::Spread;

/// The longest that the last of them may wait after the lock is free.
const GOAL_MS: f64 = 5.0;
/// Bytes of a value that makes pages resident.
const FILLING_BYTES: usize = 60_000;
/// Records that are looked at for the dead one's.
const RECORDS: u64 = 64;

/// What a death costs those who wait.
#[derive(Debug, Args)]
pub(crate) struct TakeoverArguments {
    /// Sizes of the segment, and after a colon how much of it the dead one has read, in MiB
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "64:0,64:32,1024:0,1024:512,8192:0,8192:1024",
        value_parser = parse_world
    )]
    mib: Vec<(u64, u64)>,
    /// Deaths for each
    #[arg(long, default_value_t = 15)]
    kills: usize,
    /// Threads that wait, of all processes
    #[arg(long, default_value_t = 100)]
    waiters: usize,
    /// Processes of such threads
    #[arg(long, default_value_t = 4)]
    processes: usize,
    /// Where the segment goes: a file system in memory
    #[arg(long, default_value = "/dev/shm", value_name = "FOLDER")]
    directory: PathBuf,
}

fn parse_world(text: &str) -> Result<(u64, u64), String> {
    let (size, read) = text.split_once(':').unwrap_or((text, "0"));
    match (size.parse(), read.parse()) {
        (Ok(size @ 8..), Ok(read)) if read <= size => Ok((size, read)),
        _ => Err("must be SIZE or SIZE:READ, in MiB, at least 8, and no more read than there is".to_owned()),
    }
}

/// One death, in milliseconds.
struct Death {
    /// From the signal to the free lock.
    free: f64,
    /// From there to answers: half of them, and the last.
    half: f64,
    last: f64,
    resident_mib: f64,
    computed: u64,
}

/// Kills, and measures.
pub(crate) fn run(arguments: &TakeoverArguments) -> Result<(), BenchError> {
    let mut rows = Vec::new();
    let (mut longest, mut most_computed): (f64, u64) = (0.0, 1);
    for &(size_mib, read_mib) in &arguments.mib {
        let deaths = kill_in(arguments, size_mib, read_mib)?;
        let spread = |of: fn(&Death) -> f64| Spread::of(deaths.iter().map(of));
        let last = spread(|death| death.last);
        longest = longest.max(last.median);
        let computed = deaths.iter().map(|death| death.computed).max().unwrap_or(0);
        most_computed = most_computed.max(computed);
        rows.push(vec![
            format!("{size_mib} MiB"),
            format!("{:.0} MiB", spread(|death| death.resident_mib).median),
            spread(|death| death.free).to_string(),
            spread(|death| death.half).to_string(),
            last.to_string(),
            computed.to_string(),
        ]);
    }
    print_table(
        &format!(
            "After SIGKILL of the one that computes, {} threads in {} processes wait; ms, {} kills each",
            arguments.waiters, arguments.processes, arguments.kills
        ),
        &[
            "segment",
            "resident",
            "kill to free lock",
            "free lock to half of the answers",
            "to the last",
            "computed",
        ],
        &rows,
    );
    print_goal(
        &format!("all answers within {GOAL_MS} ms of the free lock, whatever the size"),
        &format!("{longest:.2}"),
        longest <= GOAL_MS,
    );
    print_goal("one computes", &most_computed.to_string(), most_computed == 1);
    Ok(())
}

fn kill_in(arguments: &TakeoverArguments, size_mib: u64, read_mib: u64) -> Result<Vec<Death>, BenchError> {
    let directory = tempfile::tempdir_in(&arguments.directory).map_err(while_doing("make a folder"))?;
    let path = directory.path().join("takeover.guira");
    let guira = Guira::builder().size(size_mib << 20).open(&path)?;
    let _bare = Bare::create(&word_path(&path))?;
    let filling = guira.cache::<u64, Vec<u8>>("filling");
    let values = (read_mib << 20) / FILLING_BYTES as u64;
    for key in 0..values {
        filling.put(&key, &vec![7; FILLING_BYTES], Lifetime::never())?;
    }
    let mut crowd = Crowd::start(&path, arguments.processes.max(1), arguments.waiters.max(1))?;
    let rules = OpenRules {
        allow_group_write: false,
        writable: true,
    };
    let locks = ByteLocks::new(open_checked(&path, &rules)?.map(4096)?.reopen()?);
    // The first death warms up.
    (0..=arguments.kills.max(1) as u64)
        .map(|key| kill_one(&path, &mut crowd, &locks, values, key))
        .skip(1)
        .collect()
}

fn kill_one(
    path: &Path,
    crowd: &mut Crowd,
    locks: &ByteLocks,
    values: u64,
    key: u64,
) -> Result<Death, BenchError> {
    let held_before = held(locks)?;
    let mut leader = Process::start(path, 0, values)?;
    let record = held(locks)?
        .into_iter()
        .find(|record| !held_before.contains(record))
        .ok_or_else(|| BenchError::Worker {
            problem: "holds no lock".to_owned(),
        })?;
    leader.tell(&format!("hold {key}"))?;
    leader.expect("computing")?;
    crowd.tell(&format!("ask {key}"))?;
    crowd.await_waits()?;
    settle();
    let resident_mib = resident_mib(leader.pid())?;
    let killed_ns = now_ns()?;
    leader.kill()?;
    while locks
        .probe(RECORD_LOCK_BASE + record)
        .map_err(while_doing("look at a lock"))?
        == Probe::Held
    {
        std::thread::yield_now();
    }
    let free_ns = now_ns()?;
    let answered = crowd.answered()?;
    Ok(Death {
        free: (free_ns - killed_ns) as f64 / 1e6,
        half: percentile_ms(&answered.at_ns, free_ns, 50.0),
        last: percentile_ms(&answered.at_ns, free_ns, 100.0),
        resident_mib,
        computed: answered.computed,
    })
}

fn held(locks: &ByteLocks) -> Result<Vec<u64>, BenchError> {
    let mut held = Vec::new();
    for record in 0..RECORDS {
        let probe = locks.probe(RECORD_LOCK_BASE + record);
        if probe.map_err(while_doing("look at a lock"))? == Probe::Held {
            held.push(record);
        }
    }
    Ok(held)
}

/// Shared pages of the process: what it has touched of the segment, and a little more.
fn resident_mib(pid: u32) -> Result<f64, BenchError> {
    let statm = std::fs::read_to_string(format!("/proc/{pid}/statm")).map_err(while_doing("read statm"))?;
    let pages = statm.split(' ').nth(2).and_then(|word| word.parse::<f64>().ok());
    Ok(pages.unwrap_or(0.0) * 4096.0 / f64::from(1 << 20))
}
