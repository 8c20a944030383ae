//! How long opening takes, and whether creating a large segment holds anyone else up.

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use clap::Args;
use guira_segment::{Expiry, OpenError, Segment};
use guira_shm::file::FileError;
use rand::RngExt;

use crate::error::{BenchError, while_doing};
use crate::report::{print_goal, print_table};
use crate::rounds::Spread;
use crate::workload::{VALUE_BYTES, random, write_key};

/// Goal for opening.
const MOST_OPEN_MS: f64 = 10.0;
/// Goal while a segment is created: nothing takes a tenth of that time (who waited for the creator
/// would take all of it; the scheduler of a busy machine alone takes tens of milliseconds), and 999
/// look-ups or puts of 1,000 take at most this much longer than beside a process that takes a processor
/// and writes memory without creating anything.
const MOST_TIMES_LONGER: f64 = 2.0;
const MOST_OF_CREATION: f64 = 0.1;
const SMALL_BYTES: u64 = 64 << 20;
const SMALL_KEYS: usize = 100_000;
const OPENS: usize = 21;
/// Look-ups and puts between two opens.
const OPERATIONS_PER_OPEN: usize = 2_000;

/// Opening, and creating beside others.
#[derive(Debug, Args)]
pub(crate) struct OpenArguments {
    /// GiB of the segment that is created; it is memory while the measurement runs
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..=64))]
    gib: u64,
    /// Where the segments go: a file system in memory
    #[arg(long, default_value = "/dev/shm", value_name = "FOLDER")]
    directory: PathBuf,
    /// 1 GiB
    #[arg(long)]
    quick: bool,
    /// Create this one file of the size and leave; started by the measurement
    #[arg(long, hide = true, value_name = "FILE")]
    create_only: Option<PathBuf>,
    /// Write as much private memory and leave; started by the measurement
    #[arg(long, hide = true)]
    write_only: bool,
}

/// Works on a small segment while another process writes memory, then while it creates a large segment;
/// then opens the large one.
pub(crate) fn run(arguments: &OpenArguments) -> Result<(), BenchError> {
    let gib = if arguments.quick { 1 } else { arguments.gib };
    if let Some(path) = &arguments.create_only {
        Segment::builder().size(gib << 30).create(path)?;
        return Ok(());
    }
    if arguments.write_only {
        for _ in 0..gib * 4 {
            black_box(vec![1_u8; 256 << 20]);
        }
        return Ok(());
    }
    let directory = tempfile::tempdir_in(&arguments.directory).map_err(while_doing("make a folder"))?;
    let small = Small::fill(directory.path())?;
    let large = directory.path().join("large.guira");

    let gib_text = gib.to_string();
    let (beside_writer, _) = small.work_beside(&large, &["--gib", &gib_text, "--write-only"])?;
    let path = large.to_string_lossy();
    let (meanwhile, took) = small.work_beside(&large, &["--gib", &gib_text, "--create-only", &path])?;
    report_waits(gib, took, &beside_writer, &meanwhile);
    report_opens(gib, &large)
}

/// A segment that others work on.
struct Small {
    path: PathBuf,
    segment: Segment,
}

impl Small {
    fn fill(directory: &Path) -> Result<Self, BenchError> {
        let path = directory.join("small.guira");
        let segment = Segment::builder().size(SMALL_BYTES).create(&path)?;
        let small = Self { path, segment };
        let mut key = Vec::new();
        for index in 0..SMALL_KEYS {
            write_key(index, &mut key);
            small.segment.put(&key, &[1; VALUE_BYTES], Expiry::never())?;
        }
        Ok(small)
    }

    /// Works while another process of this program does what `arguments` say; and how long that took.
    fn work_beside(&self, large: &Path, arguments: &[&str]) -> Result<(Waits, Duration), BenchError> {
        let program = std::env::current_exe().map_err(while_doing("find this program"))?;
        let mut other = Command::new(program)
            .arg("open")
            .args(arguments)
            .spawn()
            .map_err(while_doing("start the other process"))?;
        let began = Instant::now();
        let mut outcome = None;
        let waits = self.work_while(large, || {
            outcome = other
                .try_wait()
                .map_err(while_doing("wait for the other process"))?;
            Ok(outcome.is_none())
        })?;
        if outcome.is_some_and(|status| status.success()) {
            Ok((waits, began.elapsed()))
        } else {
            Err(BenchError::Worker {
                problem: "failed; what it printed above tells why".to_owned(),
            })
        }
    }

    /// Looks up, puts and opens, and asks for the large segment, while `goes_on`.
    fn work_while(
        &self,
        large: &Path,
        mut goes_on: impl FnMut() -> Result<bool, BenchError>,
    ) -> Result<Waits, BenchError> {
        let mut waits = Waits::default();
        let mut random = random(1);
        let (mut key, mut copy) = (Vec::new(), Vec::new());
        while goes_on()? {
            for operation in 0..OPERATIONS_PER_OPEN {
                write_key(random.random_range(0..SMALL_KEYS), &mut key);
                if operation % 10 == 0 {
                    let began = Instant::now();
                    self.segment.put(&key, &[2; VALUE_BYTES], Expiry::never())?;
                    waits.puts.push(began.elapsed());
                } else {
                    let began = Instant::now();
                    self.segment.get_into(&key, &mut copy);
                    waits.gets.push(began.elapsed());
                }
            }
            let began = Instant::now();
            drop(Segment::builder().open(&self.path)?);
            waits.opens.push(began.elapsed());
            let began = Instant::now();
            match Segment::builder().open(large) {
                Ok(_) | Err(OpenError::File(FileError::NotFound { .. })) => {}
                Err(error) => return Err(error.into()),
            }
            waits.looks.push(began.elapsed());
        }
        Ok(waits)
    }
}

/// How long each operation took.
#[derive(Default)]
struct Waits {
    gets: Vec<Duration>,
    puts: Vec<Duration>,
    opens: Vec<Duration>,
    /// Opens of the path that is being created.
    looks: Vec<Duration>,
}

impl Waits {
    fn kinds(&self) -> [(&'static str, &[Duration]); 4] {
        [
            ("get", &self.gets),
            ("put", &self.puts),
            ("open of another segment", &self.opens),
            ("open of the path being created", &self.looks),
        ]
    }

    fn longest(&self) -> Duration {
        let longest = self.kinds().iter().flat_map(|(_, waits)| *waits).max();
        longest.copied().unwrap_or_default()
    }
}

fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e3
}

fn report_waits(gib: u64, took: Duration, beside_writer: &Waits, meanwhile: &Waits) {
    let mut rows = Vec::new();
    for ((name, quiet), (_, busy)) in beside_writer.kinds().into_iter().zip(meanwhile.kinds()) {
        for (when, waits) in [("beside a writer", quiet), ("while creating", busy)] {
            let at = |share| format!("{:.2}", quantile(waits, share).as_secs_f64() * 1e6);
            rows.push(vec![
                name.to_owned(),
                when.to_owned(),
                waits.len().to_string(),
                at(0.5),
                at(0.99),
                at(0.999),
                at(1.0),
            ]);
        }
    }
    print_table(
        &format!(
            "What others wait for while {gib} GiB are created ({:.0} ms), microseconds",
            milliseconds(took)
        ),
        &["operation", "when", "times", "p50", "p99", "p99.9", "longest"],
        &rows,
    );
    let longest = meanwhile.longest();
    print_goal(
        "creating holds nobody up: nothing takes a tenth of its time",
        &format!(
            "{:.2} ms at most; {:.2} ms beside a writer",
            milliseconds(longest),
            milliseconds(beside_writer.longest())
        ),
        longest.as_secs_f64() < took.as_secs_f64() * MOST_OF_CREATION,
    );
    let times_longer = |quiet: &[Duration], busy: &[Duration]| {
        quantile(busy, 0.999).as_secs_f64() / quantile(quiet, 0.999).as_secs_f64()
    };
    let times = [
        times_longer(&beside_writer.gets, &meanwhile.gets),
        times_longer(&beside_writer.puts, &meanwhile.puts),
    ];
    print_goal(
        "p99.9 of look-ups and puts at most doubles, against a process that only writes as much memory",
        &format!("{:.2} and {:.2} times", times[0], times[1]),
        times.iter().all(|&times| times <= MOST_TIMES_LONGER),
    );
}

/// The wait that `share` of all are not longer than.
fn quantile(waits: &[Duration], share: f64) -> Duration {
    let mut sorted = waits.to_vec();
    sorted.sort_unstable();
    let place = (sorted.len() as f64 * share) as usize;
    let wait = sorted.get(place.min(sorted.len().saturating_sub(1)));
    wait.copied().unwrap_or_default()
}

fn report_opens(gib: u64, large: &Path) -> Result<(), BenchError> {
    let mut took = Vec::new();
    for _ in 0..OPENS {
        let began = Instant::now();
        let segment = Segment::builder().open(large)?;
        let opened = began.elapsed();
        let _ = segment.get(b"any");
        took.push((opened, began.elapsed()));
        drop(segment);
    }
    let first_ms = milliseconds(took[0].0);
    let opens = Spread::of(took.iter().map(|(opened, _)| milliseconds(*opened)));
    let with_get = Spread::of(took.iter().map(|(_, with_get)| milliseconds(*with_get)));
    print_table(
        &format!("Opening {gib} GiB, milliseconds"),
        &["what", "first", "median [shortest..longest]"],
        &[
            vec!["open".to_owned(), format!("{first_ms:.3}"), format!("{opens:.3}")],
            vec![
                "open and a look-up".to_owned(),
                format!("{:.3}", milliseconds(took[0].1)),
                format!("{with_get:.3}"),
            ],
        ],
    );
    print_goal(
        &format!("opening takes less than {MOST_OPEN_MS} ms"),
        &format!("{:.3} ms at most", opens.highest),
        opens.highest < MOST_OPEN_MS,
    );
    Ok(())
}
