//! What a worker process does: commands by lines, answers by lines.
//!
//! | command | does |
//! |---|---|
//! | `time MS` | sets the segment's clock, which is a manual one from then on |
//! | `invalidate-name NAME` | invalidates what depends on the name, and answers `invalidated` |
//! | `waits` | answers `waits N`: how many of its callers have begun to wait |
//! | `ask KEY THREADS LIKE PATIENCE_MS` | asks for the key on threads; when all have it, each answers `value V at_us` or `error KIND TEXT` |
//!
//! A computation answers `computing KEY`, is counted, and goes on as LIKE says: `now`; `held` until the test releases
//! the key; `failing` and `panicking` when released; `needing-N` asks for key N inside, once both compute.

use std::io::BufRead;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Barrier};
use std::time::{Duration, SystemTime};

use guira::{Cache, Error, FlightOptions, Guira, Lifetime};
use guira_segment::{Clock, Expiry, Segment};

use crate::children::{ANSWER, SEGMENT, await_that};

const LIFE: Duration = Duration::from_millis(200);

#[test]
fn run() {
    let Ok(path) = std::env::var(SEGMENT) else {
        return;
    };
    let mut worker = Worker::open(Path::new(&path));
    say("open");
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["waits"] => say(&format!("waits {}", worker.waits())),
            ["invalidate-name", name] => {
                worker.guira.dependency(name).invalidate();
                say("invalidated");
            }
            ["time", ms] => worker.set_time(ms.parse().expect("a number")),
            ["ask", key, threads, like, patience_ms] => worker.ask(
                key.parse().expect("a number"),
                threads.parse().expect("a number"),
                like,
                patience_ms.parse().expect("a number"),
            ),
            _ => panic!("no command: {line}"),
        }
    }
}

pub(crate) fn now_us() -> u128 {
    SystemTime::UNIX_EPOCH.elapsed().expect("after 1970").as_micros()
}

pub(crate) fn say(answer: &str) {
    use std::io::Write;
    let mut output = std::io::stdout().lock();
    writeln!(output, "{ANSWER}{answer}").expect("the test listens");
    output.flush().expect("the test listens");
}

struct Worker {
    path: std::path::PathBuf,
    guira: Guira,
    time: Option<Arc<AtomicU64>>,
    asked: Vec<Cache<u64, String>>,
}

impl Worker {
    fn open(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            guira: Guira::builder().open_existing(path).expect("the test made it"),
            time: None,
            asked: Vec::new(),
        }
    }

    fn waits(&self) -> u64 {
        self.asked.iter().map(|cache| cache.flight_stats().waits).sum()
    }

    fn set_time(&mut self, ms: u64) {
        if let Some(time) = &self.time {
            time.store(ms, Ordering::Relaxed);
        } else {
            let time = Arc::new(AtomicU64::new(ms));
            let clock = Clock::manual(Arc::clone(&time));
            let segment = Segment::builder()
                .clock(clock)
                .open(&self.path)
                .expect("the test made it");
            self.guira = Guira::of_segment(segment);
            self.time = Some(time);
        }
        say("set");
    }

    fn ask(&mut self, key: u64, threads: usize, like: &str, patience_ms: u64) {
        let cache = self
            .guira
            .cache_builder::<u64, String>("values")
            .lifetime(if self.time.is_some() {
                Lifetime::after(LIFE)
            } else {
                Lifetime::never()
            })
            .flights(FlightOptions::default().patience(Duration::from_millis(patience_ms)))
            .open();
        self.asked.push(cache.clone());
        let like = like.to_owned();
        std::thread::spawn(move || {
            // Said at the end, so that nobody's answer is late because others speak.
            // No thread ends before all have their answers either: that takes longer than an answer.
            let all_answered = Barrier::new(threads);
            let answers: Vec<String> = std::thread::scope(|scope| {
                let callers: Vec<_> = (0..threads)
                    .map(|_| {
                        std::thread::Builder::new()
                            .stack_size(256 << 10)
                            .spawn_scoped(scope, || {
                                let answer = answer(&cache, key, &like);
                                all_answered.wait();
                                answer
                            })
                            .expect("a thread")
                    })
                    .collect();
                callers
                    .into_iter()
                    .map(|caller| caller.join().expect("panics are caught"))
                    .collect()
            });
            answers.iter().for_each(|answer| say(answer));
        });
    }
}

fn answer(cache: &Cache<u64, String>, key: u64, like: &str) -> String {
    let asked = catch_unwind(AssertUnwindSafe(|| {
        cache.try_get_or_compute(&key, || compute(cache, key, like))
    }));
    match asked {
        Ok(Ok(value)) => format!("value {value} {}", now_us()),
        Ok(Err(Error::Failure(failure))) => format!("error {:?} {}", failure.kind(), failure.text()),
        Ok(Err(error)) => format!("error own {error}"),
        Err(_) => "panicked".to_owned(),
    }
}

fn compute(cache: &Cache<u64, String>, key: u64, like: &str) -> Result<String, Error> {
    let segment = cache.guira().segment();
    let calls = segment.namespace("calls").expect("a row");
    calls
        .increment(b"computations", 1, Some(1), Expiry::never())
        .expect("room");
    say(&format!("computing {key}"));
    if like != "now" {
        let gates = segment.namespace("gates").expect("a row");
        await_that("the release", || gates.contains(&key.to_le_bytes()));
    }
    match like {
        "failing" => Err(guira::CodecError::encode("plums", "none are ripe").into()),
        "panicking" => panic!("out of plums"),
        "now" | "held" => Ok(format!("{}", std::process::id())),
        _ => {
            let needed: u64 = like
                .strip_prefix("needing-")
                .expect("no such computation")
                .parse()
                .expect("a number");
            let part = cache.try_get_or_compute(&needed, || compute(cache, needed, "now"))?;
            Ok(format!("{}+{part}", std::process::id()))
        }
    }
}
