//! Logging what repeats once for all processes of the host: a layer of `tracing-subscriber`.
//!
//! A worker pool whose database is away says so once for each worker and request. With this layer it says so once
//! for each period, and then how often it was not said.
//!
//! ```
//! use guira::repeats::SwallowRepeats;
//! use std::time::Duration;
//! use tracing_subscriber::layer::SubscriberExt;
//!
//! # let guira = guira::Guira::builder().size(8 << 20).private()?;
//! let subscriber = tracing_subscriber::registry()
//!     .with(tracing_subscriber::fmt::layer())
//!     .with(SwallowRepeats::new(&guira, Duration::from_secs(60))?.also_by(&["host"])); // the last, outermost one
//! # tracing::subscriber::with_default(subscriber, || {
//! for _ in 0..1_000 {
//!     tracing::warn!(host = "db1", took_ms = 5, "no answer"); // logged once
//! }
//! # });
//! # Ok::<(), guira::Error>(())
//! ```
//!
//! Events are the same if target, level, message and the fields that were named are; a number that is part of the
//! message makes another one of it. What was swallowed is told after the next one that is logged, to the layers
//! beneath, by an event of the same level and the target `guira::repeats`, with the fields `swallowed` (how many),
//! `of` (the target) and a message.
//!
//! # How
//!
//! Each event has an entry in the namespace `guira.repeats`, by its hash of 128 bits: the number of those that were
//! swallowed, stale after the period. Whoever finds none adds it, and logs. Whoever finds a fresh one counts, by an
//! exact increment. Whoever finds a stale one replaces it by compare-and-swap, and logs with the number it
//! replaced: a count that comes between makes the swap fail, so each swallowed event is told of once. The number is
//! remembered for ten periods, and at least for an hour, after the first of them was logged; then it is forgotten.
//!
//! A process that is killed between the swap and its output takes one event of the period with it. When the segment
//! fails, or evicts the entry, events are logged: nothing is lost because of the cache.

use std::cell::Cell;
use std::fmt::{self, Debug, Write};
use std::time::Duration;

use guira_segment::{Add, Expiry, PutOptions, Segment, StoreError, Swap};
use tracing_core::callsite::{Callsite, DefaultCallsite};
use tracing_core::field::{Field, FieldSet, Value, Visit};
use tracing_core::metadata::Kind;
use tracing_core::{Event, Level, Metadata, Subscriber, identify_callsite};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use xxhash_rust::xxh3::Xxh3;

use crate::error::Error;
use crate::handle::Guira;

/// Not to be used by anybody else.
const NAMESPACE: &str = "guira.repeats";
const LEAST_MEMORY: Duration = Duration::from_secs(3_600);
/// Rounds against others who log the same; then the event is logged.
const ROUNDS: u32 = 100;

/// A layer that lets an event through once in a period, on the whole host. See [the module](self).
#[derive(Clone, Debug)]
pub struct SwallowRepeats {
    segment: Segment,
    period: Duration,
    fields: &'static [&'static str],
}

thread_local! {
    /// How many were swallowed of the event that this thread is about to log.
    static SWALLOWED: Cell<u64> = const { Cell::new(0) };
}

impl SwallowRepeats {
    /// Lets an event through once in `period`, counted in `guira`.
    ///
    /// # Errors
    /// [`Error::Namespace`], and [`Error::Setup`] if the period is no time.
    pub fn new(guira: &Guira, period: Duration) -> Result<Self, Error> {
        if period.is_zero() {
            return Err(Error::Setup {
                name: NAMESPACE.into(),
                problem: "the period in which repeats are swallowed is no time; give it some",
            });
        }
        let segment = guira.segment().namespace(NAMESPACE);
        let segment = segment.map_err(|source| Error::Namespace {
            name: NAMESPACE.into(),
            source,
        })?;
        Ok(Self {
            segment,
            period,
            fields: &[],
        })
    }

    /// Events that differ in one of these fields are not the same.
    #[must_use]
    pub fn also_by(self, fields: &'static [&'static str]) -> Self {
        Self { fields, ..self }
    }

    /// How many of this event were swallowed before it, if it is to be logged.
    fn admit(&self, event: &Event<'_>) -> Option<u64> {
        let key = self.key_of(event);
        for _ in 0..ROUNDS {
            // What the segment cannot count is logged.
            match self.admit_once(&key) {
                Ok(Some(admitted)) => return admitted,
                Ok(None) | Err(StoreError::Contended { .. }) => {}
                Err(_) => return Some(0),
            }
        }
        Some(0)
    }

    /// The answer, or `None` if others came between.
    fn admit_once(&self, key: &[u8]) -> Result<Option<Option<u64>>, StoreError> {
        let memory = (self.period * 10).max(LEAST_MEMORY);
        let begun = PutOptions::from(Expiry::after(memory).soft(self.period));
        let Some(value) = self.segment.get(key) else {
            let is_first = self.segment.add(key, b"0", &begun)? == Add::Stored;
            return Ok(is_first.then_some(Some(0)));
        };
        if !value.is_stale() {
            drop(value);
            let counted = self.segment.increment(key, 1, None, Expiry::never())?;
            return Ok(counted.map(|_| None));
        }
        let swallowed = str::from_utf8(&value).ok().and_then(|number| number.parse().ok());
        let version = value.version();
        drop(value);
        let is_ours = self.segment.compare_and_swap(key, version, b"0", &begun)? == Swap::Stored;
        Ok(is_ours.then_some(Some(swallowed.unwrap_or(0))))
    }

    fn key_of(&self, event: &Event<'_>) -> [u8; 16] {
        let mut hasher = Xxh3::new();
        let metadata = event.metadata();
        hasher.update(metadata.level().as_str().as_bytes());
        hasher.update(metadata.target().as_bytes());
        event.record(&mut Hashing {
            hasher: &mut hasher,
            fields: self.fields,
        });
        hasher.digest128().to_le_bytes()
    }
}

impl<S: Subscriber> Layer<S> for SwallowRepeats {
    fn event_enabled(&self, event: &Event<'_>, _context: Context<'_, S>) -> bool {
        let admitted = self.admit(event);
        SWALLOWED.set(admitted.unwrap_or(0));
        admitted.is_some()
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let swallowed = SWALLOWED.take();
        if swallowed > 0 {
            tell(swallowed, event.metadata(), &context);
        }
    }
}

/// Hashes the message and the fields that count.
struct Hashing<'h> {
    hasher: &'h mut Xxh3,
    fields: &'static [&'static str],
}

impl Visit for Hashing<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        if field.name() == "message" || self.fields.contains(&field.name()) {
            // No byte of UTF-8: names and values do not run into each other.
            self.hasher.update(&[0xff]);
            self.hasher.update(field.name().as_bytes());
            self.hasher.update(&[0xfe]);
            // A value that refuses to be shown counts as far as it was.
            let _ = write!(self, "{value:?}");
        }
    }
}

impl Write for Hashing<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.hasher.update(text.as_bytes());
        Ok(())
    }
}

const TOLD_FIELDS: &[&str] = &["message", "swallowed", "of"];

/// An event is of a static place with a static level.
macro_rules! teller {
    ($callsite:ident, $metadata:ident, $level:expr) => {
        static $callsite: DefaultCallsite = DefaultCallsite::new(&$metadata);
        static $metadata: Metadata<'static> = Metadata::new(
            "swallowed",
            "guira::repeats",
            $level,
            Some(file!()),
            Some(line!()),
            Some(module_path!()),
            FieldSet::new(TOLD_FIELDS, identify_callsite!(&$callsite)),
            Kind::EVENT,
        );
    };
}

teller!(ERROR_CALLSITE, ERROR_METADATA, Level::ERROR);
teller!(WARN_CALLSITE, WARN_METADATA, Level::WARN);
teller!(INFO_CALLSITE, INFO_METADATA, Level::INFO);
teller!(DEBUG_CALLSITE, DEBUG_METADATA, Level::DEBUG);
teller!(TRACE_CALLSITE, TRACE_METADATA, Level::TRACE);

fn teller_of(level: Level) -> &'static DefaultCallsite {
    match level {
        Level::ERROR => &ERROR_CALLSITE,
        Level::WARN => &WARN_CALLSITE,
        Level::INFO => &INFO_CALLSITE,
        Level::DEBUG => &DEBUG_CALLSITE,
        Level::TRACE => &TRACE_CALLSITE,
    }
}

/// Tells the layers beneath, each of which may have filters of its own.
fn tell<S: Subscriber>(swallowed: u64, of: &Metadata<'_>, context: &Context<'_, S>) {
    let teller = teller_of(*of.level());
    // Layers expect that a place was registered before it is heard from; registering again does nothing.
    teller.register();
    let metadata = teller.metadata();
    if !context.enabled(metadata) {
        return;
    }
    let fields = metadata.fields();
    let (Some(message), Some(count), Some(target)) = (
        fields.field("message"),
        fields.field("swallowed"),
        fields.field("of"),
    ) else {
        return;
    };
    let text = format_args!("the event above was swallowed {swallowed} times since it was last logged");
    let values = [
        (&message, Some(&text as &dyn Value)),
        (&count, Some(&swallowed as &dyn Value)),
        (&target, Some(&of.target() as &dyn Value)),
    ];
    context.event(&Event::new(metadata, &fields.value_set(&values)));
}
