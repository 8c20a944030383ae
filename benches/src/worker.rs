//! A process that is measured: it opens what another process filled, and runs laps when told to.
//!
//! It reads a line `run SUBJECT MILLISECONDS` from stdin and answers with a line of four numbers:
//! operations, hits, wall nanoseconds, nanoseconds of its thread. It ends with its stdin.

use std::hint::black_box;
use std::io::{self, BufRead, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::{Args, ValueEnum};
use guira_segment::Segment;
use nix::time::{ClockId, clock_gettime};

use crate::error::{BenchError, while_doing};
use crate::peers::Reader;
use crate::peers::memcached::Memcached;
use crate::peers::quick_cache::QuickCache;
use crate::raw::Raw;
use crate::rounds::Lap;
use crate::workload::{Stream, VALUE_BYTES, value};

/// Zipf's exponent, as cache benchmarks usually take it.
const ZIPF_EXPONENT: f64 = 0.99;
/// Look-ups before the stream begins anew.
const STREAM_OPERATIONS: usize = 1 << 20;
/// Look-ups whose values are compared before anything is measured.
const CHECKED_OPERATIONS: usize = 20_000;

/// What a worker opens.
#[derive(Debug, Args)]
pub(crate) struct WorkerArguments {
    #[arg(long)]
    pub(crate) segment: PathBuf,
    #[arg(long)]
    pub(crate) raw: PathBuf,
    #[arg(long)]
    pub(crate) memcached: Option<PathBuf>,
    #[arg(long)]
    pub(crate) keys: usize,
    #[arg(long)]
    pub(crate) seed: u64,
    #[arg(long)]
    pub(crate) huge_pages: bool,
}

/// What is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Subject {
    Raw,
    Guira,
    QuickCache,
    QuickCacheInline,
    Memcached,
}

impl Subject {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw loop",
            Self::Guira => "guira, another process",
            Self::QuickCache => "quick_cache, Arc<[u8]> values",
            Self::QuickCacheInline => "quick_cache, [u8; 100] values",
            Self::Memcached => "memcached, unix socket",
        }
    }
}

/// Runs laps until stdin ends.
pub(crate) fn run(arguments: &WorkerArguments) -> Result<(), BenchError> {
    let mut subjects = Subjects::open(arguments)?;
    answer("ready")?;
    for line in io::stdin().lock().lines() {
        let line = line.map_err(while_doing("read what to measure"))?;
        let words: Vec<&str> = line.split_whitespace().collect();
        let malformed = || BenchError::Worker {
            problem: format!("was told {line:?}"),
        };
        let ["run", subject, lap_ms] = words[..] else {
            return Err(malformed());
        };
        let subject = Subject::from_str(subject, false).map_err(|_| malformed())?;
        let lap_ms = lap_ms.parse().map_err(|_| malformed())?;
        let lap = subjects.lap(subject, Duration::from_millis(lap_ms))?;
        answer(&format!(
            "{} {} {} {}",
            lap.operations, lap.hits, lap.wall_ns, lap.cpu_ns
        ))?;
    }
    Ok(())
}

fn answer(line: &str) -> Result<(), BenchError> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "{line}")
        .and_then(|()| stdout.flush())
        .map_err(while_doing("answer"))
}

/// Everything a worker can read from; the peers are made when first asked for.
struct Subjects<'a> {
    arguments: &'a WorkerArguments,
    stream: Stream,
    raw: Course<Raw>,
    guira: Course<Segment>,
    quick_cache: Option<Course<QuickCache<Arc<[u8]>>>>,
    quick_cache_inline: Option<Course<QuickCache<[u8; VALUE_BYTES]>>>,
    memcached: Option<Course<Memcached>>,
}

impl<'a> Subjects<'a> {
    fn open(arguments: &'a WorkerArguments) -> Result<Self, BenchError> {
        let segment = Segment::builder()
            .populate(true)
            .huge_pages(arguments.huge_pages)
            .open(&arguments.segment)?;
        let raw = Raw::open(&arguments.raw, arguments.keys, arguments.huge_pages)?;
        let stream = Stream::zipf(arguments.keys, ZIPF_EXPONENT, STREAM_OPERATIONS, arguments.seed);
        let guira = Course::checked(segment, Subject::Guira, &stream)?;
        Ok(Self {
            arguments,
            stream,
            raw: Course::new(raw),
            guira,
            quick_cache: None,
            quick_cache_inline: None,
            memcached: None,
        })
    }

    fn lap(&mut self, subject: Subject, duration: Duration) -> Result<Lap, BenchError> {
        let (stream, keys) = (&self.stream, self.arguments.keys);
        match subject {
            Subject::Raw => self.raw.lap(stream, duration),
            Subject::Guira => self.guira.lap(stream, duration),
            Subject::QuickCache => {
                let course = match &mut self.quick_cache {
                    Some(course) => course,
                    none => none.insert(Course::checked(QuickCache::filled(keys), subject, stream)?),
                };
                course.lap(stream, duration)
            }
            Subject::QuickCacheInline => {
                let course = match &mut self.quick_cache_inline {
                    Some(course) => course,
                    none => none.insert(Course::checked(QuickCache::filled(keys), subject, stream)?),
                };
                course.lap(stream, duration)
            }
            Subject::Memcached => {
                let course = match &mut self.memcached {
                    Some(course) => course,
                    none => {
                        let socket = self.arguments.memcached.as_deref().ok_or(BenchError::Worker {
                            problem: "has no memcached socket".to_owned(),
                        })?;
                        none.insert(Course::checked(Memcached::connect(socket)?, subject, stream)?)
                    }
                };
                course.lap(stream, duration)
            }
        }
    }
}

/// A subject and how far it is in the stream.
struct Course<R> {
    reader: R,
    next: usize,
}

impl<R: Reader> Course<R> {
    fn new(reader: R) -> Self {
        Self { reader, next: 0 }
    }

    /// As `new`, after comparing the values of the stream's first keys.
    fn checked(mut reader: R, subject: Subject, stream: &Stream) -> Result<Self, BenchError> {
        let mut copy = Vec::new();
        for operation in 0..CHECKED_OPERATIONS.min(stream.len()) {
            let key = stream.index(operation);
            let is_hit = reader.read(stream.key(operation), &mut copy)?;
            if !is_hit || copy != value(key) {
                return Err(BenchError::WrongValue {
                    subject: subject.name(),
                    key,
                });
            }
        }
        Ok(Self::new(reader))
    }

    /// Looks up one key after another, for at least `duration`.
    fn lap(&mut self, stream: &Stream, duration: Duration) -> Result<Lap, BenchError> {
        let mut copy = Vec::with_capacity(2 * VALUE_BYTES);
        let (mut operations, mut hits) = (0, 0);
        let cpu_began = thread_time()?;
        let began = Instant::now();
        while began.elapsed() < duration {
            if self.next + R::LOOK_UPS_PER_CHECK > stream.len() {
                self.next = 0;
            }
            for operation in self.next..self.next + R::LOOK_UPS_PER_CHECK {
                hits += u64::from(self.reader.read(stream.key(operation), &mut copy)?);
                black_box(copy.as_slice());
            }
            self.next += R::LOOK_UPS_PER_CHECK;
            operations += R::LOOK_UPS_PER_CHECK as u64;
        }
        let wall = began.elapsed();
        let cpu = thread_time()?.saturating_sub(cpu_began);
        Ok(Lap {
            operations,
            hits,
            wall_ns: wall.as_nanos() as u64,
            cpu_ns: cpu.as_nanos() as u64,
        })
    }
}

fn thread_time() -> Result<Duration, BenchError> {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID)
        .map(Duration::from)
        .map_err(|errno| BenchError::System {
            doing: "read the thread's clock",
            source: errno.into(),
        })
}
