//! Guira's part of a round, and random bytes.

use std::hint::black_box;
use std::path::Path;
use std::time::{Duration, Instant};

use guira_files::Files;
use guira_segment::Expiry;

use crate::Outcome;
use crate::compare::{Lap, Load, Step};
use crate::stopwatch::Stopwatch;

/// How long after a write a file counts as settled, so that its verification is noted: more than the cache asks for.
const SETTLING: Duration = Duration::from_millis(100);

pub(crate) fn laps(place: &Path, load: &Load) -> Outcome<Vec<Lap>> {
    let keys: Vec<String> = (0..load.entries).map(|n| format!("entry {n}")).collect();
    let mut random = Random::new();
    let [first, second] = [(); 2].map(|()| random.values(load));
    let files = Files::builder().open_or_create(place)?;
    let lifetime = Expiry::after(Duration::from_secs(3600));
    let mut laps = Vec::new();

    for (step, values) in [(Step::PutNew, &first), (Step::PutOver, &second)] {
        let begin = Stopwatch::start()?;
        for (key, value) in keys.iter().zip(values) {
            files.put(key.as_bytes(), value, lifetime)?;
        }
        laps.push(Lap::of(step, keys.len(), &begin.took()?));
    }
    settle();

    let map = |files: &Files, step: Step, passes: usize| -> Outcome<Lap> {
        let begin = Stopwatch::start()?;
        for _ in 0..passes {
            for key in &keys {
                let value = files.get(key.as_bytes())?.ok_or("a value was evicted")?;
                black_box(ends(&value));
            }
        }
        Ok(Lap::of(step, passes * keys.len(), &begin.took()?))
    };
    // A handle that is opened anew has no maps, as that of a new process.
    let reopened = || Files::builder().open(place);
    let files = reopened()?;
    laps.push(map(&files, Step::MapUnread, 1)?);
    let files = reopened()?;
    laps.push(map(&files, Step::MapOpened, 1)?);
    laps.push(map(&files, Step::MapAgain, load.passes)?);

    let copy = |files: &Files, step: Step, passes: usize| -> Outcome<Lap> {
        let begin = Stopwatch::start()?;
        for _ in 0..passes {
            for key in &keys {
                let value = files.get_bytes(key.as_bytes())?.ok_or("a value was evicted")?;
                black_box(ends(&value));
            }
        }
        Ok(Lap::of(step, passes * keys.len(), &begin.took()?))
    };
    let files = reopened()?;
    laps.push(copy(&files, Step::CopyOpened, 1)?);
    laps.push(copy(&files, Step::CopyAgain, load.passes)?);
    for (key, value) in keys.iter().zip(&second) {
        if files.get_bytes(key.as_bytes())?.as_ref() != Some(value) {
            return Err("a wrong value".into());
        }
    }
    Ok(laps)
}

pub(crate) fn ends(value: &[u8]) -> u32 {
    let end = |byte: Option<&u8>| byte.copied().map_or(0, u32::from);
    end(value.first()) + end(value.last())
}

fn settle() {
    let begin = Instant::now();
    while let Some(left) = SETTLING.checked_sub(begin.elapsed()) {
        std::thread::park_timeout(left);
    }
}

/// Bytes that do not repeat and that nobody can compress.
#[derive(Debug)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) const fn new() -> Self {
        Self(0x9e37_79b9_7f4a_7c15)
    }

    pub(crate) fn fill(&mut self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            self.0 ^= self.0 << 13;
            self.0 ^= self.0 >> 7;
            self.0 ^= self.0 << 17;
            let word = self.0.to_le_bytes();
            chunk.copy_from_slice(word.get(..chunk.len()).unwrap_or(&word));
        }
    }

    pub(crate) fn values(&mut self, load: &Load) -> Vec<Vec<u8>> {
        let value = || {
            let mut bytes = vec![0; load.value_bytes];
            self.fill(&mut bytes);
            bytes
        };
        std::iter::repeat_with(value).take(load.entries).collect()
    }
}
