//! A segment with every kind of fault that a check finds.
//!
//! Words of the file are changed at random, one at a time, while the segment is open; a change that
//! the check reports as a kind of fault that was not there is kept, any other is taken back. Then the lanes are
//! made to name what is yet to come, which a check does not report and a repair mends.

use std::os::unix::fs::FileExt;
use std::path::Path;

use guira_segment::{FaultKind, SegmentBuilder};

use super::KillError;
use crate::random::Random;

const TRIALS: u32 = 60_000;
const SEED: u64 = 11;
/// The superblock is checked before anything is mapped.
const FIRST_OFFSET: u64 = 4096;

/// Damages the segment at `path`.
///
/// # Errors
/// The file cannot be written, or too few kinds of faults were found.
pub fn add_every_fault(path: &Path, builder: &SegmentBuilder) -> Result<(), KillError> {
    let file = std::fs::File::options().read(true).write(true).open(path)?;
    let words = (file.metadata()?.len() - FIRST_OFFSET) / 8;
    let segment = builder.open(path)?;
    let mut random = Random::new(SEED, 0);
    let mut kinds: Vec<FaultKind> = Vec::new();
    let mut kept = Vec::new();
    for _ in 0..TRIALS {
        let at = FIRST_OFFSET + random.below(words) * 8;
        let old = word_at(&file, at)?;
        let new = match random.below(4) {
            0 => old ^ 1 << random.below(64),
            1 => word_at(&file, FIRST_OFFSET + random.below(words) * 8)?,
            2 => random.next(),
            _ => old | 1 << 52,
        };
        file.write_all_at(&new.to_le_bytes(), at)?;
        let found = segment.verify().faults;
        let fresh: Vec<FaultKind> = found
            .iter()
            .map(|fault| fault.kind)
            .filter(|kind| !kinds.contains(kind))
            .collect();
        file.write_all_at(&old.to_le_bytes(), at)?;
        if !fresh.is_empty() {
            kinds.extend(fresh);
            kept.push((at, new));
        }
    }
    let lanes = segment.parts().into_iter().find(|part| part.name == "lanes");
    drop(segment);
    if kinds.len() < LEAST_KINDS {
        return Err(KillError::NoDamage {
            found: format!("{kinds:?}"),
        });
    }
    for (at, word) in kept {
        file.write_all_at(&word.to_le_bytes(), at)?;
    }
    if let Some(lanes) = lanes {
        for at in (lanes.offset_bytes..).step_by(lanes.item_bytes).take(lanes.items) {
            file.write_all_at(&AHEAD.to_le_bytes(), at as u64)?;
        }
    }
    Ok(())
}

/// A lane's word: the first block, in an incarnation that it has not come to.
const AHEAD: u64 = 1_000 << 32 | 1;

/// Two keys that are twins cannot be made by a change of one word.
const LEAST_KINDS: usize = 7;

fn word_at(file: &std::fs::File, at: u64) -> Result<u64, KillError> {
    let mut bytes = [0; 8];
    file.read_exact_at(&mut bytes, at)?;
    Ok(u64::from_le_bytes(bytes))
}
