//! How fast another process reads: a million keys, values of 100 bytes copied out, Zipf 0.99.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use clap::{Args, ValueEnum};
use guira_segment::{Expiry, Segment};

use crate::error::{BenchError, while_doing};
use crate::peers::memcached::{Memcached, Server};
use crate::raw::Raw;
use crate::report::{print_goal, print_table, say};
use crate::rounds::{Lap, Spread, interleave};
use crate::worker::Subject;
use crate::workload::{value, write_key};

const SEGMENT_BYTES: u64 = 256 << 20;
/// Goal: throughput beside memcached's.
const TIMES_MEMCACHED: f64 = 25.0;
/// Goal: what two processes gain over one, of what the raw loop gains.
const SHARE_OF_RAW_GAIN: f64 = 0.85;

/// How fast another process reads.
#[derive(Debug, Args)]
pub(crate) struct GetArguments {
    /// Rounds of each comparison, after one that warms up
    #[arg(long, default_value_t = 15)]
    rounds: usize,
    /// Milliseconds of each lap
    #[arg(long, default_value_t = 40)]
    lap_ms: u64,
    /// How many keys there are
    #[arg(long, default_value_t = 1_000_000)]
    keys: usize,
    /// Where the mapped files go: a file system in memory
    #[arg(long, default_value = "/dev/shm", value_name = "FOLDER")]
    directory: PathBuf,
    /// 100,000 keys, 9 rounds of 15 milliseconds
    #[arg(long)]
    quick: bool,
}

/// Measures on small pages, then on huge ones.
pub(crate) fn run(arguments: &GetArguments) -> Result<(), BenchError> {
    let plan = Plan {
        rounds: if arguments.quick {
            9
        } else {
            arguments.rounds.max(1)
        },
        lap_ms: if arguments.quick { 15 } else { arguments.lap_ms },
        keys: if arguments.quick { 100_000 } else { arguments.keys },
    };
    let directory = tempfile::tempdir_in(&arguments.directory).map_err(while_doing("make a folder"))?;
    let server = Server::start(directory.path())?;
    match &server {
        Some(server) => Memcached::connect(server.socket())?.fill(plan.keys)?,
        None => say("memcached is not installed: it is left out of the comparison."),
    }
    for huge_pages in [false, true] {
        let files = Files::create(directory.path(), plan.keys, huge_pages)?;
        let socket = server.as_ref().map(Server::socket);
        plan.measure(&files, socket)?;
    }
    Ok(())
}

/// The segment and the raw loop's file, filled by this process and removed at the end.
struct Files {
    segment: PathBuf,
    raw: PathBuf,
    huge_pages: bool,
}

impl Files {
    fn create(directory: &Path, keys: usize, huge_pages: bool) -> Result<Self, BenchError> {
        let files = Self {
            segment: directory.join("get.guira"),
            raw: directory.join("get.raw"),
            huge_pages,
        };
        Raw::create(&files.raw, keys)?;
        let segment = Segment::builder()
            .size(SEGMENT_BYTES)
            .huge_pages(huge_pages)
            .create(&files.segment)?;
        let mut key = Vec::new();
        for index in 0..keys {
            write_key(index, &mut key);
            segment.put(&key, &value(index), Expiry::never())?;
        }
        Ok(files)
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        // The folder goes at the end anyway; memory is wanted back sooner.
        let _ = std::fs::remove_file(&self.segment);
        let _ = std::fs::remove_file(&self.raw);
    }
}

/// How long, and how much.
#[derive(Clone, Copy, Debug)]
struct Plan {
    rounds: usize,
    lap_ms: u64,
    keys: usize,
}

impl Plan {
    fn measure(self, files: &Files, memcached: Option<&Path>) -> Result<(), BenchError> {
        let pages = if files.huge_pages {
            "huge pages"
        } else {
            "4 KiB pages"
        };
        let mut worker = Worker::start(files, memcached, self.keys, 1)?;
        let mut peers = vec![Subject::QuickCache, Subject::QuickCacheInline];
        if memcached.is_some() {
            peers.push(Subject::Memcached);
        }
        for peer in peers {
            let order = [Subject::Raw, Subject::Guira, Subject::Raw, peer];
            let laps = interleave(self.rounds, &order, |subject| worker.lap(subject, self.lap_ms))?;
            report_beside(peer, pages, self.keys, &laps);
        }
        let mut second = Worker::start(files, None, self.keys, 2)?;
        self.measure_two([&mut worker, &mut second], pages)
    }

    /// One process, then two at once, of the raw loop and of Guira, in turn.
    fn measure_two(self, [first, second]: [&mut Worker; 2], pages: &str) -> Result<(), BenchError> {
        let order = [
            (Subject::Raw, false),
            (Subject::Raw, true),
            (Subject::Guira, false),
            (Subject::Guira, true),
        ];
        let laps = interleave(self.rounds, &order, |(subject, both)| {
            if !both {
                return first.lap(subject, self.lap_ms);
            }
            first.begin(subject, self.lap_ms)?;
            second.begin(subject, self.lap_ms)?;
            let (one, other) = (first.finish()?, second.finish()?);
            Ok::<_, BenchError>(Lap {
                operations: one.operations + other.operations,
                hits: one.hits + other.hits,
                wall_ns: u64::midpoint(one.wall_ns, other.wall_ns),
                cpu_ns: u64::midpoint(one.cpu_ns, other.cpu_ns),
            })
        })?;
        report_two(pages, &laps);
        Ok(())
    }
}

fn report_beside(peer: Subject, pages: &str, keys: usize, laps: &[Vec<Lap>]) {
    let [raw_before_guira, guira, raw_before_peer, theirs] = laps else {
        unreachable!("four laps a round were asked for");
    };
    // A server works in a process of its own: only the wall clock sees all of it.
    let is_wall = peer == Subject::Memcached;
    let ns: fn(&Lap) -> f64 = if is_wall {
        Lap::wall_ns_per_operation
    } else {
        Lap::cpu_ns_per_operation
    };
    let row = |subject: Subject, laps: &[Lap], raw: &[Lap]| {
        let (hits, operations) = laps.iter().fold((0, 0), |(hits, operations), lap| {
            (hits + lap.hits, operations + lap.operations)
        });
        vec![
            subject.name().to_owned(),
            format!("{:.0}", Spread::of(laps.iter().map(ns))),
            format!("{:.2}", Spread::of_ratios(laps, raw, ns)),
            format!("{:.4}", hits as f64 / operations.max(1) as f64),
        ]
    };
    print_table(
        &format!("GET of {keys} keys, Zipf 0.99, values of 100 bytes copied out, {pages}"),
        &[
            "subject",
            if is_wall { "wall ns a get" } else { "cpu ns a get" },
            "x raw loop",
            "hits",
        ],
        &[
            row(Subject::Raw, raw_before_guira, raw_before_peer),
            row(Subject::Guira, guira, raw_before_guira),
            row(peer, theirs, raw_before_peer),
        ],
    );
    let speed = Spread::of_ratios(theirs, guira, ns);
    let times = if is_wall { TIMES_MEMCACHED } else { 1.0 };
    print_goal(
        &format!("at least {times} times the speed of {}, {pages}", peer.name()),
        &format!("{speed:.2} times"),
        speed.median >= times,
    );
}

fn report_two(pages: &str, laps: &[Vec<Lap>]) {
    let [raw_one, raw_two, guira_one, guira_two] = laps else {
        unreachable!("four laps a round were asked for");
    };
    let wall: fn(&Lap) -> f64 = Lap::operations_per_second;
    let cpu: fn(&Lap) -> f64 = Lap::operations_per_cpu_second;
    let row = |subject: Subject, one: &[Lap], two: &[Lap]| {
        let millions = |lap: &Lap| wall(lap) / 1e6;
        vec![
            subject.name().to_owned(),
            format!("{:.2}", Spread::of(one.iter().map(millions))),
            format!("{:.2}", Spread::of(two.iter().map(millions))),
            format!("{:.2}", Spread::of_ratios(two, one, wall)),
            format!("{:.2}", Spread::of_ratios(two, one, cpu)),
        ]
    };
    print_table(
        &format!("GET by one and by two processes, {pages}"),
        &[
            "subject",
            "one, million/s",
            "two, million/s",
            "gain, wall",
            "gain, thread time",
        ],
        &[
            row(Subject::Raw, raw_one, raw_two),
            row(Subject::Guira, guira_one, guira_two),
        ],
    );
    let share = |measure: fn(&Lap) -> f64| {
        let [guira, raw] = [(guira_two, guira_one), (raw_two, raw_one)];
        Spread::of_ratios(guira.0, guira.1, measure).median / Spread::of_ratios(raw.0, raw.1, measure).median
    };
    // On a busy machine the wall clock says how other programs share two processors.
    let (by_cpu, by_wall) = (share(cpu), share(wall));
    print_goal(
        &format!("two processes gain at least {SHARE_OF_RAW_GAIN} of what the raw loop gains, {pages}"),
        &format!("{by_cpu:.2} by thread time, {by_wall:.2} by the wall clock"),
        by_cpu >= SHARE_OF_RAW_GAIN,
    );
}

/// A worker process and the pipes to it.
struct Worker {
    process: Child,
    commands: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
}

impl Worker {
    fn start(files: &Files, memcached: Option<&Path>, keys: usize, seed: u64) -> Result<Self, BenchError> {
        let program = std::env::current_exe().map_err(while_doing("find this program"))?;
        let mut command = Command::new(program);
        command.arg("worker").arg("--segment").arg(&files.segment);
        command.arg("--raw").arg(&files.raw);
        command.args(["--keys", &keys.to_string(), "--seed", &seed.to_string()]);
        if files.huge_pages {
            command.arg("--huge-pages");
        }
        if let Some(socket) = memcached {
            command.arg("--memcached").arg(socket);
        }
        let mut process = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(while_doing("start a worker"))?;
        let commands = process.stdin.take();
        let answers = process.stdout.take().expect("a pipe was asked for");
        let mut worker = Self {
            process,
            commands,
            answers: BufReader::new(answers),
        };
        let line = worker.read_line()?;
        if line == "ready" {
            Ok(worker)
        } else {
            Err(unexpected(&line))
        }
    }

    fn lap(&mut self, subject: Subject, lap_ms: u64) -> Result<Lap, BenchError> {
        self.begin(subject, lap_ms)?;
        self.finish()
    }

    fn begin(&mut self, subject: Subject, lap_ms: u64) -> Result<(), BenchError> {
        let subject = subject
            .to_possible_value()
            .expect("no subject is hidden from the command line");
        let commands = self.commands.as_mut().expect("open until the drop");
        writeln!(commands, "run {} {lap_ms}", subject.get_name()).map_err(while_doing("tell a worker"))
    }

    fn finish(&mut self) -> Result<Lap, BenchError> {
        let line = self.read_line()?;
        let numbers: Vec<u64> = line.split(' ').filter_map(|word| word.parse().ok()).collect();
        let [operations, hits, wall_ns, cpu_ns] = numbers[..] else {
            return Err(unexpected(&line));
        };
        Ok(Lap {
            operations,
            hits,
            wall_ns,
            cpu_ns,
        })
    }

    fn read_line(&mut self) -> Result<String, BenchError> {
        let mut line = String::new();
        self.answers
            .read_line(&mut line)
            .map_err(while_doing("hear from a worker"))?;
        Ok(line.trim_end().to_owned())
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // It ends with its stdin.
        drop(self.commands.take());
        let _ = self.process.wait();
    }
}

fn unexpected(line: &str) -> BenchError {
    BenchError::Worker {
        problem: format!("answered {line:?}; what it printed above tells why"),
    }
}
