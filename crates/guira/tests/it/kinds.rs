//! Every kind of cache that keeps values, with a clock that the test moves.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use guira::codec::Json;
use guira::store::{Counting, Decoded, FailOpen, Layered, Prefixed, Tracing, TwoLevel};
use guira::transform::KeyRing;
use guira::{Guira, Lifetime, PutOptions, Store};
use guira_segment::Clock;

pub(crate) type Value = Option<String>;

/// A cache, and the time it lives by.
pub(crate) struct World {
    pub(crate) kind: &'static str,
    pub(crate) guira: Guira,
    pub(crate) store: Box<dyn Store<String, Value>>,
    /// Another of the same kind beside it.
    pub(crate) other: Box<dyn Store<String, Value>>,
    clock_ms: Arc<AtomicU64>,
}

type MakeStore = fn(&Guira, &str) -> Box<dyn Store<String, Value>>;

const KINDS: &[(&str, MakeStore)] = &[
    ("cache", |guira, name| {
        Box::new(guira.cache::<String, Value>(name))
    }),
    ("shared cache", |guira, name| {
        Box::new(Arc::new(guira.cache::<String, Value>(name)))
    }),
    ("JSON, compressed and encrypted", |guira, name| {
        let builder = guira.cache_builder::<String, Value>(name).codec(Json);
        let builder = builder.compress_lz4(100).encrypt(KeyRing::new(1, [7; 32]));
        Box::new(builder.build().expect("the name is good"))
    }),
    ("layers", |guira, name| {
        let counted = Layered::new(guira.cache::<String, Value>(name), Counting::default());
        let told = Layered::new(counted, Tracing::new(name));
        Box::new(Layered::new(told, FailOpen::default()))
    }),
    ("prefixed", |guira, name| {
        let whole = guira.cache::<(u8, String), Value>(name);
        Box::new(Prefixed::new(whole, 7))
    }),
    ("decoded", |guira, name| {
        Box::new(Decoded::new(guira.cache::<String, Value>(name), 100))
    }),
    ("two levels", |guira, name| {
        let near = guira.cache::<String, Value>(&format!("near {name}"));
        Box::new(TwoLevel::new(near, guira.cache::<String, Value>(name)))
    }),
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

/// A segment whose time stands still until it is moved.
pub(crate) fn guira_with_clock() -> (Guira, Arc<AtomicU64>) {
    let clock_ms = Arc::new(AtomicU64::new(1_000_000));
    let clock = Clock::manual(Arc::clone(&clock_ms));
    let guira = Guira::builder()
        .size(8 << 20)
        .segment_settings(|segment| segment.clock(clock))
        .private()
        .expect("it is small");
    (guira, clock_ms)
}

impl World {
    fn new(kind: &'static str, make: MakeStore) -> Self {
        let (guira, clock_ms) = guira_with_clock();
        Self {
            kind,
            store: make(&guira, "one"),
            other: make(&guira, "other"),
            guira,
            clock_ms,
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
