//! A memoized call beside a read of the same bytes: informs what the typed layer may put on the path of a hit.
//!
//! All subjects read one and the same entries: a `u64` leads to a struct of four fields. The raw read has the
//! encoded key ready and copies the stored bytes out; the others encode the key and decode the value. quick_cache
//! and moka hold the structs themselves, as what the level of decoded objects is measured against; it is built on
//! quick_cache's table for all threads, in which values are shared by an `Arc`.

use std::hint::black_box;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use clap::Args;
use guira::key::KeyBytes;
use guira::store::Decoded;
use guira::{AsyncMemoized, Cache, Guira, Memoized};
use guira_segment::Segment;
use rand::RngExt;
use serde::{Deserialize, Serialize};

use crate::error::{BenchError, while_doing};
use crate::report::{print_table, say};
use crate::rounds::{Spread, interleave};
use crate::workload::random;

/// Calls between two looks at the clock.
const CALLS_PER_LOOK: usize = 256;
/// Calls before they come again.
const CALLS_OF_STREAM: usize = 1 << 18;
/// The longest a memoized hit of a small struct may take, in reads of its bytes.
const GOAL_RATIO: f64 = 1.5;
/// The longest a hit of the decoded level may take, in gets of the table that it is built on.
const GOAL_RATIO_OF_DECODED: f64 = 1.3;

/// What a memoized hit costs.
#[derive(Debug, Args)]
pub(crate) struct MemoizedArguments {
    /// Rounds
    #[arg(long, default_value_t = 11)]
    rounds: usize,
    /// How many keys there are
    #[arg(long, default_value_t = 20_000)]
    keys: u64,
    /// Milliseconds of a lap
    #[arg(long, default_value_t = 80)]
    lap_ms: u64,
    /// Where the segment goes: a file system in memory
    #[arg(long, default_value = "/dev/shm", value_name = "FOLDER")]
    directory: PathBuf,
}

/// What is kept: small, and of fields as programs have them.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Score {
    user: u64,
    value: f64,
    rank: u32,
    is_new: bool,
}

fn score(user: u64) -> Score {
    Score {
        user,
        value: user as f64 / 7.0,
        rank: user as u32 % 1000,
        is_new: user.is_multiple_of(2),
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Subject {
    Raw,
    Typed,
    Memoized,
    Awaited,
    Decoded,
    Shared,
    QuickCache,
    Moka,
}

const SUBJECTS: [(Subject, &str); 8] = [
    (Subject::Raw, "get_into, the key encoded before"),
    (Subject::Typed, "Cache::get"),
    (Subject::Memoized, "Memoized::get"),
    (Subject::Awaited, "AsyncMemoized::get, polled once"),
    (Subject::Decoded, "Decoded::get_shared"),
    (Subject::Shared, "quick_cache of all threads, an Arc"),
    (
        Subject::QuickCache,
        "quick_cache of one thread, the struct itself",
    ),
    (Subject::Moka, "moka, the struct itself"),
];

struct Subjects {
    segment: Segment,
    keys: Vec<KeyBytes>,
    typed: Cache<u64, Score>,
    memoized: Memoized<u64, Score>,
    awaited: AsyncMemoized<u64, Score>,
    decoded: Decoded<u64, Score>,
    shared: quick_cache::sync::Cache<u64, Arc<Score>>,
    quick: quick_cache::unsync::Cache<u64, Score>,
    moka: moka::sync::Cache<u64, Score>,
    stream: Vec<u64>,
    at: usize,
    buffer: Vec<u8>,
}

/// Fills, then measures all in turn.
pub(crate) fn run(arguments: &MemoizedArguments) -> Result<(), BenchError> {
    let directory = tempfile::tempdir_in(&arguments.directory).map_err(while_doing("make a folder"))?;
    let mut subjects = Subjects::new(&directory.path().join("memoized.guira"), arguments.keys.max(1))?;
    let order = SUBJECTS.map(|(subject, _)| subject);
    let lap = Duration::from_millis(arguments.lap_ms.max(1));
    let laps = interleave(arguments.rounds.max(1), &order, 0, |subject| {
        Ok::<_, BenchError>(subjects.lap(subject, lap))
    })?;
    let rows: Vec<Vec<String>> = SUBJECTS
        .iter()
        .zip(&laps)
        .map(|((_, name), costs)| {
            vec![
                (*name).to_owned(),
                format!("{:.0}", Spread::of(costs.iter().copied())),
                Spread::of(ratios(costs, &laps[0])).to_string(),
            ]
        })
        .collect();
    print_table(
        &format!(
            "A hit, {} keys in turn, uniform; nanoseconds of one thread",
            arguments.keys
        ),
        &["what", "ns", "x raw"],
        &rows,
    );
    let memoized = Spread::of(ratios(&laps[2], &laps[0]));
    let verdict = if memoized.median <= GOAL_RATIO {
        "MET"
    } else {
        "MISSED"
    };
    say(&format!(
        "\n{verdict}: a memoized call costs at most {GOAL_RATIO} reads of its bytes (measured {memoized})"
    ));
    let later = Spread::of(
        laps[3]
            .iter()
            .zip(&laps[2])
            .map(|(awaited, blocking)| awaited - blocking),
    );
    let decoded = Spread::of(ratios(&laps[4], &laps[5]));
    let verdict = if decoded.median <= GOAL_RATIO_OF_DECODED {
        "MET"
    } else {
        "MISSED"
    };
    say(&format!(
        "{verdict}: a decoded value costs at most {GOAL_RATIO_OF_DECODED} gets of quick_cache (measured {decoded})"
    ));
    let verdict = if later.median <= 60.0 { "MET" } else { "MISSED" };
    say(&format!(
        "{verdict}: an async hit costs at most 60 ns more (measured {later:.0})"
    ));
    Ok(())
}

fn ratios<'l>(costs: &'l [f64], raw: &'l [f64]) -> impl Iterator<Item = f64> + 'l {
    costs.iter().zip(raw).map(|(cost, raw)| cost / raw)
}

impl Subjects {
    fn new(path: &Path, keys: u64) -> Result<Self, BenchError> {
        let guira = Guira::builder().size((keys * 400).max(64 << 20)).open(path)?;
        let memoized = guira.memoize("scores").function(score);
        let awaited = guira
            .memoize("scores")
            .async_function(|user: u64| async move { score(user) });
        let shared = quick_cache::sync::Cache::new(keys as usize * 2);
        let mut quick = quick_cache::unsync::Cache::new(keys as usize * 2);
        let moka = moka::sync::Cache::new(keys * 2);
        for user in 0..keys {
            memoized.get(user);
            quick.insert(user, score(user));
            shared.insert(user, Arc::new(score(user)));
            moka.insert(user, score(user));
        }
        moka.run_pending_tasks();
        let segment = memoized.cache()?.segment()?.clone();
        let typed = guira.cache::<u64, Score>("typed");
        for user in 0..keys {
            typed.put(&user, &score(user), guira::Lifetime::never())?;
        }
        let mut random = random(7);
        let stream: Vec<u64> = (0..CALLS_OF_STREAM)
            .map(|_| random.random_range(0..keys))
            .collect();
        // In the order of asking, so that to fetch them costs nothing.
        let encoded: Result<Vec<_>, _> = stream.iter().map(|user| memoized.key(user)).collect();
        Ok(Self {
            segment,
            keys: encoded?,
            decoded: Decoded::new(typed.clone(), keys as usize * 2),
            typed,
            memoized,
            awaited,
            shared,
            quick,
            moka,
            stream,
            at: 0,
            buffer: Vec::new(),
        })
    }

    /// Nanoseconds of a call. The first half of a lap brings the subject's own memory near, which the one before
    /// has driven out, and is not counted.
    fn lap(&mut self, subject: Subject, lap: Duration) -> f64 {
        self.calls(subject, lap / 2);
        let began = Instant::now();
        let calls = self.calls(subject, lap / 2);
        began.elapsed().as_nanos() as f64 / calls as f64
    }

    fn calls(&mut self, subject: Subject, time: Duration) -> usize {
        let began = Instant::now();
        let mut calls = 0;
        while began.elapsed() < time {
            for _ in 0..CALLS_PER_LOOK {
                self.call(subject, self.at);
                self.at = (self.at + 1) % CALLS_OF_STREAM;
            }
            calls += CALLS_PER_LOOK;
        }
        calls
    }

    #[inline]
    fn call(&mut self, subject: Subject, at: usize) {
        let user = self.stream[at];
        let found = match subject {
            Subject::Raw => {
                let key = &self.keys[at];
                assert!(self.segment.get_into(key, &mut self.buffer), "it was put");
                black_box(&self.buffer);
                return;
            }
            Subject::Typed => self.typed.get(&user).ok().flatten(),
            Subject::Memoized => Some(self.memoized.get(user)),
            Subject::Awaited => at_once(self.awaited.get(user)),
            Subject::Decoded => {
                let score = self.decoded.get_shared(&user).ok().flatten();
                assert_eq!(black_box(score).map(|score| score.user), Some(user));
                return;
            }
            Subject::Shared => {
                assert_eq!(
                    black_box(self.shared.get(&user)).map(|score| score.user),
                    Some(user)
                );
                return;
            }
            Subject::QuickCache => self.quick.get(&user).copied(),
            Subject::Moka => self.moka.get(&user),
        };
        assert_eq!(black_box(found).map(|score| score.user), Some(user));
    }
}

/// What a future gives that does not wait.
fn at_once<T>(future: impl Future<Output = T>) -> Option<T> {
    let mut context = Context::from_waker(Waker::noop());
    match pin!(future).poll(&mut context) {
        Poll::Ready(value) => Some(value),
        Poll::Pending => None,
    }
}
