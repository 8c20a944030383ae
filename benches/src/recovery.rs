//! After a kill: informs when the dead are looked for, and how much work a death may leave.
//!
//! A process is killed amid gets and puts. Then, in a survivor: the first get and the first put, and a
//! recovery asked for at once; and where nobody survives, opening anew. Waits of others beside many
//! kills are `cargo xtask latency`; the kernel's own delay in telling of a death, `lock-release`.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use clap::Args;
use guira_segment::{Expiry, Segment};
use rand::RngExt;

use crate::bench::Workload;
use crate::error::{BenchError, while_doing};
use crate::peers::{Cache, Holding};
use crate::report::{print_table, say};
use crate::rounds::Spread;
use crate::suite::segment_for;
use crate::workload::{VALUE_BYTES, Values, random, write_key};

/// A victim that nobody kills ends by itself.
const LONGEST_LIFE: Duration = Duration::from_secs(60);
/// Operations between two looks at the clock.
const OPERATIONS_PER_LOOK: usize = 1000;
/// How long a victim works before it is killed, in milliseconds, at most.
const LONGEST_WORK_MS: u64 = 30;

/// How a segment is after a kill.
#[derive(Debug, Args)]
pub(crate) struct RecoveryArguments {
    /// Kills of each kind
    #[arg(long, default_value_t = 50)]
    kills: usize,
    /// How many keys there are
    #[arg(long, default_value_t = 1_000_000)]
    keys: usize,
    /// 10 kills, 100,000 keys
    #[arg(long)]
    quick: bool,
    /// Where the segment goes: a file system in memory
    #[arg(long, default_value = "/dev/shm", value_name = "FOLDER")]
    directory: PathBuf,
    /// Works on a segment until it is killed
    #[arg(long, hide = true)]
    victim_of: Option<PathBuf>,
}

/// Kills, and measures what the survivor does next.
pub(crate) fn run(arguments: &RecoveryArguments) -> Result<(), BenchError> {
    let (kills, keys) = if arguments.quick {
        (10, 100_000)
    } else {
        (arguments.kills.max(1), arguments.keys)
    };
    let holding = Workload::Mix50.holding(keys);
    if let Some(path) = &arguments.victim_of {
        return work_until_killed(path, holding);
    }
    let directory = tempfile::tempdir_in(&arguments.directory).map_err(while_doing("make a folder"))?;
    let path = directory.path().join("recovery.guira");
    let segment = segment_for(Workload::Mix50, holding).create(&path)?;
    holding.fill(&mut segment.clone())?;

    let mut rows = Rows::default();
    let calm = rows.measure("the other one lives", kills, |round| {
        let victim = Victim::start(&path, holding)?;
        let steps = Steps::of_survivor(&segment, holding, round)?;
        victim.kill()?;
        segment.recover();
        Ok(steps)
    })?;
    let recoveries = segment.stats().recoveries;
    let killed = rows.measure("the other one was killed", kills, |round| {
        Victim::start(&path, holding)?.kill()?;
        Steps::of_survivor(&segment, holding, round)
    })?;
    let recovered = segment.stats().recoveries - recoveries;
    drop(segment);
    rows.measure("nobody survived: opened anew", kills, |round| {
        Victim::start(&path, holding)?.kill()?;
        let began = Instant::now();
        let segment = Segment::builder().open(&path)?;
        let opened = began.elapsed();
        let mut steps = Steps::of_survivor(&segment, holding, round)?;
        steps.open = Some(opened);
        Ok(steps)
    })?;
    print_table(
        &format!("After a kill amid gets and puts, {keys} keys; microseconds, {kills} kills each"),
        &["who", "open", "first get", "first put", "recover"],
        &rows.0,
    );
    say(&format!(
        "\n{recovered} recoveries were found to do; a kill costs the survivor's first put {:.1} times a calm one's.",
        killed.put / calm.put.max(f64::MIN_POSITIVE)
    ));
    Ok(())
}

/// What a process did after a kill.
#[derive(Clone, Copy, Debug)]
struct Steps {
    open: Option<Duration>,
    get: Duration,
    put: Duration,
    recover: Duration,
}

impl Steps {
    /// One get and one put of a random key, then one recovery.
    fn of_survivor(segment: &Segment, holding: Holding, round: usize) -> Result<Self, BenchError> {
        let mut random = random(round as u64);
        let (mut key, mut copy) = (Vec::new(), Vec::new());
        let values = Values::new(VALUE_BYTES);
        let index = random.random_range(0..holding.keys);
        write_key(index, &mut key);
        let began = Instant::now();
        segment.get_into(&key, &mut copy);
        let get = began.elapsed();
        let value = values.value(index, VALUE_BYTES);
        let began = Instant::now();
        segment.put(&key, value, Expiry::never())?;
        let put = began.elapsed();
        let began = Instant::now();
        segment.recover();
        let recover = began.elapsed();
        Ok(Self {
            open: None,
            get,
            put,
            recover,
        })
    }
}

/// Medians in microseconds.
#[derive(Clone, Copy, Debug)]
struct Medians {
    put: f64,
}

#[derive(Debug, Default)]
struct Rows(Vec<Vec<String>>);

impl Rows {
    fn measure(
        &mut self,
        who: &str,
        times: usize,
        once: impl FnMut(usize) -> Result<Steps, BenchError>,
    ) -> Result<Medians, BenchError> {
        let steps = (0..times).map(once).collect::<Result<Vec<_>, _>>()?;
        let spread = |of: fn(&Steps) -> Option<Duration>| {
            Spread::of_some(steps.iter().filter_map(of).map(|took| took.as_secs_f64() * 1e6))
        };
        let shown = |spread: Option<Spread>| spread.map_or_else(String::new, |spread| format!("{spread:.1}"));
        let put = spread(|steps| Some(steps.put));
        self.0.push(vec![
            who.to_owned(),
            shown(spread(|steps| steps.open)),
            shown(spread(|steps| Some(steps.get))),
            shown(put),
            shown(spread(|steps| Some(steps.recover))),
        ]);
        Ok(Medians {
            put: put.map_or(0.0, |put| put.median),
        })
    }
}

/// A process that works until it is killed.
struct Victim(Child);

impl Victim {
    /// Starts one, and lets it work for some milliseconds.
    fn start(path: &Path, holding: Holding) -> Result<Self, BenchError> {
        let program = std::env::current_exe().map_err(while_doing("find this program"))?;
        let mut process = Command::new(program)
            .arg("recovery")
            .arg("--victim-of")
            .arg(path)
            .args(["--keys", &holding.keys.to_string()])
            .stdout(Stdio::piped())
            .spawn()
            .map_err(while_doing("start a victim"))?;
        let stdout = process.stdout.take().expect("a pipe was asked for");
        let mut line = String::new();
        let read = BufReader::new(stdout).read_line(&mut line);
        let work_ms = 1 + u64::from(process.id()) % LONGEST_WORK_MS;
        let victim = Self(process);
        read.map_err(while_doing("hear from a victim"))?;
        let began = Instant::now();
        while began.elapsed() < Duration::from_millis(work_ms) {
            std::thread::park_timeout(Duration::from_millis(1));
        }
        Ok(victim)
    }

    /// Gone when this returns.
    fn kill(mut self) -> Result<(), BenchError> {
        self.0.kill().map_err(while_doing("kill a victim"))?;
        self.0.wait().map_err(while_doing("wait for a victim"))?;
        Ok(())
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        // Nothing to do where it was killed already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn work_until_killed(path: &Path, holding: Holding) -> Result<(), BenchError> {
    let mut segment = Segment::builder().open(path)?;
    let values = Values::new(VALUE_BYTES);
    let mut random = random(u64::from(std::process::id()));
    let (mut key, mut copy) = (Vec::new(), Vec::new());
    let mut stdout = std::io::stdout();
    writeln!(stdout, "ready")
        .and_then(|()| stdout.flush())
        .map_err(while_doing("say that the work begins"))?;
    let began = Instant::now();
    while began.elapsed() < LONGEST_LIFE {
        for _ in 0..OPERATIONS_PER_LOOK {
            let index = random.random_range(0..holding.keys);
            write_key(index, &mut key);
            if random.random() {
                Cache::get(&mut segment, &key, &mut copy)?;
            } else {
                Cache::put(&mut segment, &key, values.value(index, VALUE_BYTES))?;
            }
        }
    }
    Ok(())
}
