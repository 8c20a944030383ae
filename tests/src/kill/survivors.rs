//! The processes that live on: what they do while a victim is stopped or after it is dead, and what
//! they may see.
//!
//! Two of them take turns, each with a mapping and a record of its own. Everything they see of a key
//! goes into the key's [`Worlds`].

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use guira_segment::{Add, Expiry, Fill, Lookup, Put, PutOptions, Replace, Segment, StoreError};

use super::KillError;
use super::effect::{Answer, Effect, Value};
use super::scene::Scene;
use super::worlds::{Observed, Worlds};

/// A key with its namespace.
pub type FullKey = (Option<String>, Vec<u8>);

/// Longer than this nobody may wait for another process.
pub const TOO_LONG: Duration = Duration::from_millis(100);

/// One thing that a survivor does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Act {
    /// Reads the keys concerned, in every way there is.
    Read,
    /// Reads every key.
    ReadAll,
    /// `put`
    Put,
    /// `add`
    Add,
    /// Looks up, and fills on a miss.
    Fill,
    /// `remove`
    Remove,
    /// `invalidate`
    Invalidate,
    /// `increment`
    Increment,
    /// `append`
    Append,
    /// `touch`
    Touch,
    /// `touch` with a deadline that has passed before anything else is done
    TouchBriefly,
    /// `expire`
    Expire,
    /// `clear_all`
    ClearAll,
    /// Turns the log over: everything is evicted or moved.
    Churn,
    /// `recover`
    Recover,
    /// `verify`
    Verify,
}

/// What survivors do, in order; between the acts everything concerned is read.
pub const SCRIPTS: &[(&str, &[Act])] = &[
    ("look", &[Act::Read, Act::ReadAll]),
    ("put", &[Act::Read, Act::Put, Act::Read]),
    ("write blindly", &[Act::Put, Act::Read, Act::Recover, Act::Read]),
    ("remove, put", &[Act::Remove, Act::Read, Act::Put, Act::Read]),
    (
        "invalidate, put",
        &[Act::Invalidate, Act::Read, Act::Put, Act::Read],
    ),
    ("invalidate, fill", &[Act::Invalidate, Act::Fill, Act::Read]),
    ("add, remove", &[Act::Add, Act::Read, Act::Remove, Act::Read]),
    (
        "increment, expire",
        &[Act::Increment, Act::Read, Act::Expire, Act::Read],
    ),
    ("append, touch", &[Act::Append, Act::Read, Act::Touch, Act::Read]),
    ("touch briefly", &[Act::Read, Act::TouchBriefly, Act::Read]),
    (
        "fill",
        &[Act::Fill, Act::Read, Act::Recover, Act::Fill, Act::Read],
    ),
    ("clear, put", &[Act::ClearAll, Act::Read, Act::Put, Act::Read]),
    ("turn over, put", &[Act::Churn, Act::Read, Act::Put, Act::Read]),
    (
        "put, turn over",
        &[
            Act::Put,
            Act::Churn,
            Act::Read,
            Act::Recover,
            Act::Churn,
            Act::Read,
        ],
    ),
    (
        "recover, verify",
        &[Act::Recover, Act::Verify, Act::Read, Act::Increment, Act::Read],
    ),
];

/// What is known of every key.
#[derive(Clone, Debug)]
pub struct Knowledge {
    scene: &'static str,
    worlds: BTreeMap<FullKey, Worlds>,
    /// Keys that are read after every act.
    concerned: Vec<FullKey>,
    /// Keys that the operation in flight changes.
    in_flight: Vec<FullKey>,
    anomalies: Vec<String>,
    /// Numbers the values that are put, so that each is another.
    count: i64,
    longest: Duration,
    operations: u64,
    queued: Duration,
}

impl Knowledge {
    /// What a segment holds before the scene, seen through a handle that lists it. A process that
    /// died in `earlier` has an operation in flight too.
    ///
    /// # Errors
    /// A namespace that cannot be had.
    pub fn of(scene: &Scene, earlier: Option<&Scene>, segment: Option<&Segment>) -> Result<Self, KillError> {
        let effect = (scene.effect)();
        let mut in_flight = Vec::new();
        let mut worlds = BTreeMap::new();
        let mut concerned = Vec::new();
        if let Some(segment) = segment {
            for entry in segment.all_entries() {
                let handle = in_namespace(segment, entry.namespace.as_deref())?;
                let covered = scene
                    .reach
                    .covers(entry.namespace.as_deref(), &entry.key, &entry.tags);
                let of_the_dead = earlier.filter(|earlier| {
                    earlier
                        .reach
                        .covers(entry.namespace.as_deref(), &entry.key, &entry.tags)
                });
                let value = look(&handle, &entry.key);
                let key = (entry.namespace, entry.key);
                let effect = if covered {
                    in_flight.push(key.clone());
                    effect.clone()
                } else {
                    Effect::Nothing
                };
                let of_the_dead = of_the_dead.map_or(Effect::Nothing, |earlier| (earlier.effect)());
                worlds.insert(key, Worlds::new(value, effect).after_death_in(of_the_dead));
            }
        }
        if let Some(key) = scene.reach.key() {
            let key = (None, key.to_vec());
            if !worlds.contains_key(&key) {
                worlds.insert(key.clone(), Worlds::new(None, effect));
                in_flight.push(key.clone());
            }
            concerned.push(key);
        } else {
            // One key that is concerned if any is, and one that is not there.
            let absent = (None, super::image::keys::ABSENT.to_vec());
            let covered = scene.reach.covers(None, &absent.1, &[]);
            let of_the_dead = earlier.filter(|earlier| earlier.reach.covers(None, &absent.1, &[]));
            worlds.entry(absent.clone()).or_insert_with(|| {
                let of_the_dead = of_the_dead.map_or(Effect::Nothing, |earlier| (earlier.effect)());
                let effect = if covered { effect } else { Effect::Nothing };
                Worlds::new(None, effect).after_death_in(of_the_dead)
            });
            concerned.push(absent);
            concerned.push((None, super::image::keys::NUMBER.to_vec()));
            let number = Worlds::new(None, Effect::Nothing);
            worlds.entry(concerned[1].clone()).or_insert(number);
        }
        let mut knowledge = Self {
            scene: scene.name,
            worlds,
            concerned,
            in_flight,
            anomalies: Vec::new(),
            count: 0,
            longest: Duration::ZERO,
            operations: 0,
            queued: queued(),
        };
        if scene.image.is_lossy() || scene.evicts {
            knowledge.become_lossy();
        }
        Ok(knowledge)
    }

    /// From here on entries may be evicted.
    pub fn become_lossy(&mut self) {
        self.worlds.values_mut().for_each(Worlds::become_lossy);
    }

    /// Notes something that must not be.
    pub fn anomaly(&mut self, what: impl Into<String>) {
        let what = what.into();
        self.anomalies.push(format!("{}: {what}", self.scene));
    }

    /// Everything that must not be and was.
    #[must_use]
    pub fn anomalies(&self) -> &[String] {
        &self.anomalies
    }

    /// The longest time that an operation took which was not spent in the run queue, and how many
    /// operations there were.
    #[must_use]
    pub const fn longest_and_operations(&self) -> (Duration, u64) {
        (self.longest, self.operations)
    }

    /// The victim's operation came to its end.
    pub fn finished(&mut self, answer: Answer) {
        for key in self.in_flight.clone() {
            self.observe(&key, &Observed::Finished(answer));
        }
    }

    fn observe(&mut self, key: &FullKey, observed: &Observed) {
        let Some(worlds) = self.worlds.get_mut(key) else {
            return;
        };
        if let Err(why) = worlds.observe(observed) {
            let name = String::from_utf8_lossy(&key.1).into_owned();
            self.anomaly(format!("{name}: {why}"));
        }
    }

    /// Times `operation`; longer than [`TOO_LONG`] without an excuse is an anomaly.
    pub fn timed<T>(&mut self, what: &str, operation: impl FnOnce() -> T) -> T {
        if self.operations.is_multiple_of(QUEUE_READING_PERIOD) {
            self.queued = queued();
        }
        let began = Instant::now();
        let result = operation();
        let mut took = began.elapsed();
        self.operations += 1;
        if took > TOO_LONG / 10 {
            let queued = queued();
            took = took.saturating_sub(queued.saturating_sub(self.queued));
            self.queued = queued;
        }
        self.longest = self.longest.max(took);
        if took > TOO_LONG {
            self.anomaly(format!("{what} took {} ms", took.as_millis()));
        }
        result
    }

    /// Reads the keys concerned through `segment`.
    pub fn read(&mut self, segment: &Segment) {
        for key in self.concerned.clone() {
            self.read_one(segment, &key);
        }
    }

    /// Reads every key through `segment`.
    pub fn read_all(&mut self, segment: &Segment) {
        let keys: Vec<FullKey> = self.worlds.keys().cloned().collect();
        for key in keys {
            self.read_one(segment, &key);
        }
    }

    fn read_one(&mut self, segment: &Segment, key: &FullKey) {
        let Ok(handle) = in_namespace(segment, key.0.as_deref()) else {
            return self.anomaly(format!("the namespace of {key:?} cannot be had"));
        };
        let value = self.timed("get", || look(&handle, &key.1));
        let bytes = value.as_ref().map(|value| value.bytes.clone());
        let mut copied = Vec::new();
        let was_copied = self.timed("get_into", || handle.get_into(&key.1, &mut copied));
        let mut many = None;
        self.timed("get_many", || {
            handle.get_many(&[&key.1], |_, found| many = found.map(<[u8]>::to_vec));
        });
        // Nobody else is at work: three reads see the same, unless the first moved something.
        if was_copied.then_some(copied) != bytes || many != bytes {
            self.anomaly(format!("get, get_into and get_many differ for {key:?}"));
        }
        self.observe(key, &Observed::Read(value));
    }

    /// Does one act through `segment`.
    pub fn act(&mut self, act: Act, segment: &Segment) {
        match act {
            Act::Read => return self.read(segment),
            Act::ReadAll => return self.read_all(segment),
            Act::Churn => return self.churn(segment),
            Act::ClearAll => {
                self.timed("clear_all", || segment.clear_all());
                let keys: Vec<FullKey> = self.worlds.keys().cloned().collect();
                return keys.iter().for_each(|key| self.observe(key, &Observed::Swept));
            }
            Act::Recover => {
                self.timed("recover", || segment.recover());
                return;
            }
            Act::Verify => {
                let verified = segment.verify();
                if !verified.is_clean() {
                    self.anomaly(format!("verify found {:?}", verified.faults));
                }
                return;
            }
            _ => {}
        }
        for key in self.concerned.clone() {
            self.count += 1;
            self.act_on(act, segment, &key);
        }
    }

    fn act_on(&mut self, act: Act, segment: &Segment, key: &FullKey) {
        let Ok(segment) = in_namespace(segment, key.0.as_deref()) else {
            return self.anomaly(format!("the namespace of {key:?} cannot be had"));
        };
        let name = key.1.as_slice();
        // Numbers, so that increments can follow.
        let bytes = (7_000 + self.count).to_string().into_bytes();
        let value = Value::of(&bytes);
        let options = PutOptions::default();
        let observed = match act {
            Act::Put => self
                .timed("put", || segment.put(name, &bytes, Expiry::never()))
                .map(|put| Observed::Put(value, put_answer(put))),
            Act::Add => self
                .timed("add", || segment.add(name, &bytes, &options))
                .map(|add| Observed::Added(value, add_answer(add))),
            Act::Fill => match self.timed("lookup", || miss(&segment, name)) {
                None => return self.read_one(&segment, key),
                Some(token) => self
                    .timed("fill", || segment.fill(name, &bytes, &token, &options))
                    .map(|fill| Observed::Filled(value, fill_answer(fill))),
            },
            Act::Remove => Ok(Observed::Removed(self.timed("remove", || segment.remove(name)))),
            Act::Invalidate => Ok(Observed::Invalidated(
                self.timed("invalidate", || segment.invalidate(name)),
            )),
            Act::Increment => {
                match self.timed("increment", || segment.increment(name, 3, None, Expiry::never())) {
                    Err(StoreError::NotANumber) => Ok(Observed::NotANumber),
                    other => other.map(|sum| Observed::Incremented(3, sum)),
                }
            }
            Act::Append => self
                .timed("append", || segment.append(name, b"5"))
                .map(|done| Observed::Appended(b"5".to_vec(), replace_answer(done))),
            Act::Touch => self
                .timed("touch", || {
                    segment.touch(name, Expiry::after(Duration::from_secs(3_600)))
                })
                .map(|done| Observed::Touched(replace_answer(done))),
            Act::TouchBriefly => return self.touch_briefly(&segment, key),
            Act::Expire => Ok(Observed::Expired(self.timed("expire", || segment.expire(name)))),
            _ => return,
        };
        match observed {
            Ok(observed) => self.observe(key, &observed),
            Err(error) => self.anomaly(format!("{act:?}: {error}, {:?}", segment.stats().blocks)),
        }
    }

    fn touch_briefly(&mut self, segment: &Segment, key: &FullKey) {
        let soon = Expiry::after(Duration::from_millis(1));
        let touched = match self.timed("touch", || segment.touch(&key.1, soon)) {
            Ok(touched) => touched,
            Err(error) => return self.anomaly(format!("a brief touch: {error}")),
        };
        self.observe(key, &Observed::Touched(replace_answer(touched)));
        if let Some(worlds) = self.worlds.get_mut(key) {
            worlds.become_lossy();
        }
        let began = Instant::now();
        while touched == Replace::Stored && segment.contains(&key.1) {
            if began.elapsed() > TOO_LONG {
                return self.anomaly(format!("{key:?} outlives its deadline"));
            }
            std::thread::yield_now();
        }
    }

    /// Puts enough other keys to evict everything.
    fn churn(&mut self, segment: &Segment) {
        self.become_lossy();
        for n in 0..CHURN_PUTS {
            self.count += 1;
            // Other keys each time: what is overwritten would make room by itself.
            let key = format!("churn{}", self.count);
            let value: Vec<u8> = key.bytes().cycle().take(400 + n % 40).collect();
            if let Err(error) = self.timed("put", || segment.put(key.as_bytes(), &value, Expiry::never())) {
                return self.anomaly(format!(
                    "put {n} of a turnover: {error}, {:?}",
                    segment.stats().blocks
                ));
            }
            if n % 4 > 0 {
                continue;
            }
            let found = segment.get(key.as_bytes());
            if found.as_deref().is_some_and(|found| *found != *value) {
                self.anomaly(format!("{key} has another value than was put"));
            }
        }
    }
}

/// Operations between readings of the time that was spent waiting for a processor.
const QUEUE_READING_PERIOD: u64 = 64;
/// Half as much again as the log of a small image holds.
const CHURN_PUTS: usize = 640;

/// A handle for a namespace, the default one for none.
///
/// # Errors
/// The namespace cannot be had.
pub fn in_namespace(segment: &Segment, namespace: Option<&str>) -> Result<Segment, KillError> {
    Ok(match namespace {
        None => segment.clone(),
        Some(name) => segment.namespace(name)?,
    })
}

fn look(segment: &Segment, key: &[u8]) -> Option<Value> {
    segment.get(key).map(|found| Value {
        bytes: found.to_vec(),
        is_stale: found.is_stale(),
        is_limited: found.metadata().ttl.is_some(),
    })
}

fn miss(segment: &Segment, key: &[u8]) -> Option<guira_segment::FillToken> {
    match segment.lookup(key) {
        Lookup::Miss(token) => Some(token),
        Lookup::Hit(_) | Lookup::Stale(..) => None,
    }
}

/// The time that this thread waited for a processor so far.
fn queued() -> Duration {
    // "ran, waited, slices", in ns.
    std::fs::read_to_string("/proc/thread-self/schedstat")
        .ok()
        .and_then(|text| text.split_ascii_whitespace().nth(1)?.parse().ok())
        .map_or(Duration::ZERO, Duration::from_nanos)
}

/// A put's answer.
#[must_use]
pub const fn put_answer(put: Put) -> Answer {
    match put {
        Put::Stored => Answer::Done,
        Put::Superseded => Answer::Superseded,
    }
}

/// An add's answer.
#[must_use]
pub const fn add_answer(add: Add) -> Answer {
    match add {
        Add::Stored => Answer::Done,
        Add::Exists => Answer::Refused,
        Add::Superseded => Answer::Superseded,
    }
}

/// The answer of a replace, append or touch.
#[must_use]
pub const fn replace_answer(done: Replace) -> Answer {
    match done {
        Replace::Stored => Answer::Done,
        Replace::NotFound => Answer::Refused,
        Replace::Superseded => Answer::Superseded,
    }
}

/// A fill's answer.
#[must_use]
pub const fn fill_answer(fill: Fill) -> Answer {
    match fill {
        Fill::Stored => Answer::Done,
        Fill::Superseded => Answer::Superseded,
    }
}
