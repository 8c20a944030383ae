//! What the file system allows: the same files by bare calls, without a key, a limit, a checksum or a look at anything.

use std::fs::File;
use std::hint::black_box;
use std::io::Read;
use std::path::Path;

use guira_shm::directory::{ReadMap, new_file, remove_file, write_whole};

use crate::Outcome;
use crate::compare::{Lap, Load, Step};
use crate::ours::{Random, ends};
use crate::stopwatch::Stopwatch;

/// As a value file's.
const MODE: u32 = 0o400;

pub(crate) fn laps(place: &Path, load: &Load) -> Outcome<Vec<Lap>> {
    let mut random = Random::new();
    let [first, second] = [(); 2].map(|()| random.values(load));
    let mut laps = Vec::new();
    let write = |name: &str, value: &[u8]| -> Outcome<()> {
        let file = new_file(&place.join(name), MODE)?;
        Ok(write_whole(&file, &[], value)?)
    };

    let begin = Stopwatch::start()?;
    for (n, value) in first.iter().enumerate() {
        write(&format!("old {n}"), value)?;
    }
    laps.push(Lap::of(Step::PutNew, load.entries, &begin.took()?));
    let begin = Stopwatch::start()?;
    for (n, value) in second.iter().enumerate() {
        write(&format!("new {n}"), value)?;
        remove_file(&place.join(format!("old {n}")))?;
    }
    laps.push(Lap::of(Step::PutOver, load.entries, &begin.took()?));

    for (step, passes) in [(Step::MapOpened, 1), (Step::MapAgain, load.passes)] {
        let begin = Stopwatch::start()?;
        for n in (0..passes).flat_map(|_| 0..load.entries) {
            let file = File::open(place.join(format!("new {n}")))?;
            let map = ReadMap::of(&file, load.value_bytes as u64)?;
            black_box(ends(&map));
        }
        laps.push(Lap::of(step, passes * load.entries, &begin.took()?));
    }
    for (step, passes) in [(Step::CopyOpened, 1), (Step::CopyAgain, load.passes)] {
        let begin = Stopwatch::start()?;
        for n in (0..passes).flat_map(|_| 0..load.entries) {
            let mut value = Vec::with_capacity(load.value_bytes);
            let file = File::open(place.join(format!("new {n}")))?;
            file.take(load.value_bytes as u64).read_to_end(&mut value)?;
            black_box(ends(&value));
        }
        laps.push(Lap::of(step, passes * load.entries, &begin.took()?));
    }
    Ok(laps)
}
