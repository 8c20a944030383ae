//! Every kind of cache that keeps values, with a clock that the test moves.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use guira::codec::{Codec, CodecError, Form, Json};
use guira::files::DepotBuilder;
use guira::store::{Counting, Decoded, FailOpen, Layered, Null, Prefixed, Tiers, Tracing, TwoLevel};
use guira::transform::KeyRing;
use guira::{Cache, Guira, Lifetime, PutOptions, Store};
use guira_segment::Clock;
use tempfile::TempDir;

pub(crate) type Value = Option<String>;

/// A cache, and the time it lives by.
pub(crate) struct World {
    pub(crate) kind: &'static str,
    pub(crate) guira: Guira,
    pub(crate) store: Box<dyn Store<String, Value>>,
    /// Another of the same kind beside it.
    pub(crate) other: Box<dyn Store<String, Value>>,
    clock_ms: Arc<AtomicU64>,
    _directory: TempDir,
}

/// What stores are made of.
pub(crate) struct Ground {
    pub(crate) guira: Guira,
    clock_ms: Arc<AtomicU64>,
    directory: TempDir,
}

type MakeStore = fn(&Ground, &str) -> Box<dyn Store<String, Value>>;

/// Every kind that keeps values: one line, and all suites run on it.
const KINDS: &[(&str, MakeStore)] = &[
    ("cache", |ground, name| {
        Box::new(ground.guira.cache::<String, Value>(name))
    }),
    ("shared cache", |ground, name| {
        Box::new(Arc::new(ground.guira.cache::<String, Value>(name)))
    }),
    ("JSON, compressed and encrypted", |ground, name| {
        let builder = ground.guira.cache_builder::<String, Value>(name).codec(Json);
        let builder = builder.compress_lz4(100).encrypt(KeyRing::new(1, [7; 32]));
        Box::new(builder.build().expect("the name is good"))
    }),
    ("layers", |ground, name| {
        let counted = Layered::new(ground.guira.cache::<String, Value>(name), Counting::default());
        let told = Layered::new(counted, Tracing::new(name));
        Box::new(Layered::new(told, FailOpen::default()))
    }),
    ("prefixed", |ground, name| {
        let whole = ground.guira.cache::<(u8, String), Value>(name);
        Box::new(Prefixed::new(whole, 7))
    }),
    ("decoded", |ground, name| {
        Box::new(Decoded::new(ground.guira.cache::<String, Value>(name), 100))
    }),
    ("in files", |ground, name| Box::new(ground.in_files(name))),
    ("a cache over one in files", |ground, name| {
        Box::new(
            Tiers::new()
                .then(ground.cache(name))
                .then(ground.in_files(&format!("far {name}"))),
        )
    }),
    ("two levels", |ground, name| {
        let near = ground.cache(&format!("near {name}"));
        Box::new(TwoLevel::new(near, ground.cache(name)))
    }),
    ("one tier", |ground, name| {
        Box::new(Tiers::new().then(ground.cache(name)))
    }),
    ("two tiers of one segment", |ground, name| {
        let near = ground.cache(&format!("near {name}"));
        Box::new(Tiers::new().then(near).then(ground.cache(name)))
    }),
    ("two tiers", |ground, name| {
        let far = ground.another_segment().cache::<String, Value>(name);
        Box::new(Tiers::new().then(ground.cache(name)).then(far))
    }),
    ("three tiers", |ground, name| {
        let middle = ground.another_segment().cache::<(u8, String), Value>(name);
        let far = ground.another_segment().cache_builder(name).codec(Json);
        let tiers = Tiers::new().then(Decoded::new(ground.cache(name), 100));
        let tiers = tiers.then(Layered::new(Prefixed::new(middle, 7), Counting::default()));
        Box::new(tiers.then(far.build().expect("the name is good")))
    }),
    (
        "a tier that keeps nothing, over and under others",
        |ground, name| {
            let far = ground.another_segment().cache::<String, Value>(name);
            let tiers = Tiers::new().then(Null).then(ground.cache(name));
            Box::new(tiers.then(Null).then(far).then(Null))
        },
    ),
];

/// Runs `check` on a fresh world of each kind; a failure says which.
#[expect(clippy::print_stderr, reason = "a failure does not name its kind otherwise")]
pub(crate) fn each_kind(check: impl Fn(&World)) {
    for (kind, make) in KINDS {
        let world = World::new(kind, *make);
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| check(&world))) {
            eprintln!("the kind is {:?}", world.kind);
            resume_unwind(panic);
        }
    }
}

/// JSON that is too long for memory: spaces follow it.
struct Padded;

impl Codec<Value> for Padded {
    fn form(&self) -> Form {
        Codec::<Value>::form(&Json)
    }

    fn encode(&self, value: &Value, out: &mut Vec<u8>) -> Result<(), CodecError> {
        Json.encode(value, out)?;
        out.resize(out.len() + 2_000, b' ');
        Ok(())
    }

    fn decode(&self, bytes: &[u8]) -> Result<Value, CodecError> {
        Json.decode(bytes)
    }
}

impl Ground {
    /// A cache of the segment whose values are all in files.
    fn in_files(&self, name: &str) -> Cache<String, Value, Padded> {
        let settings = DepotBuilder::default().limit_bytes(10 << 20);
        let depot = settings.open_or_create(self.directory.path(), self.guira.segment());
        let guira = self
            .guira
            .clone()
            .with_files(depot.expect("a directory of its own"));
        let builder = guira.cache_builder(name).codec(Padded).spill_above(1_024);
        builder.build().expect("the name is good")
    }

    fn cache(&self, name: &str) -> Cache<String, Value> {
        self.guira.cache(name)
    }

    /// A segment beside the first, of the same time.
    fn another_segment(&self) -> Guira {
        guira_of_clock(&self.clock_ms)
    }
}

/// A segment whose time stands still until it is moved.
pub(crate) fn guira_with_clock() -> (Guira, Arc<AtomicU64>) {
    let clock_ms = Arc::new(AtomicU64::new(1_000_000));
    (guira_of_clock(&clock_ms), clock_ms)
}

/// One that lives by a clock that others have, too.
pub(crate) fn guira_of_clock(clock_ms: &Arc<AtomicU64>) -> Guira {
    let clock = Clock::manual(Arc::clone(clock_ms));
    Guira::builder()
        .size(8 << 20)
        .segment_settings(|segment| segment.clock(clock))
        .private()
        .expect("it is small")
}

impl World {
    fn new(kind: &'static str, make: MakeStore) -> Self {
        let (guira, clock_ms) = guira_with_clock();
        let directory = tempfile::tempdir().expect("a directory");
        let ground = Ground {
            guira,
            clock_ms,
            directory,
        };
        Self {
            kind,
            store: make(&ground, "one"),
            other: make(&ground, "other"),
            guira: ground.guira,
            clock_ms: ground.clock_ms,
            _directory: ground.directory,
        }
    }

    pub(crate) fn pass(&self, time: Duration) {
        let ms = u64::try_from(time.as_millis()).expect("short");
        self.clock_ms.fetch_add(ms, Ordering::Relaxed);
    }

    pub(crate) fn put(&self, key: &str, value: &str, lifetime: impl Into<Lifetime>) {
        self.store
            .put(&key.to_owned(), &some(value), &lifetime.into().into())
            .expect("there is room");
    }

    pub(crate) fn get(&self, key: &str) -> Option<Value> {
        self.store.get(&key.to_owned()).expect("no error")
    }
}

pub(crate) fn some(text: &str) -> Value {
    Some(text.to_owned())
}

pub(crate) fn options(lifetime: impl Into<Lifetime>) -> PutOptions<'static> {
    PutOptions::from(lifetime.into())
}

pub(crate) const SECOND: Duration = Duration::from_secs(1);
