//! What is asked of a damaged segment once nobody damages it any more.

use std::collections::BTreeMap;
use std::path::Path;

use guira_segment::{Expiry, FaultKind, OpenError, Put, Segment};
use serde::{Deserialize, Serialize};

use super::Trust;
use super::base::SECOND;
use super::caller::{Caller, Verdict};

/// Keys that are put and read back after the repair.
const KEYS: u32 = 150;
/// Operations after that.
const OPERATIONS: u64 = 100;

/// What a repair came to.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Mended {
    /// Faults that were found, by kind.
    pub faults: BTreeMap<String, u64>,
    /// Entries that the repair says were lost.
    pub dropped_entries: u64,
    /// Blocks that it says were given back.
    pub freed_blocks: u64,
    /// The file is short, and nothing can be repaired.
    pub is_cut: bool,
    /// What the operations afterwards saw.
    pub verdict: Verdict,
    /// What did not work again.
    pub failures: Vec<String>,
}

/// Opens, repairs and uses the segment at `path`.
pub(super) fn mend(path: &Path, seed: u64, trust: Trust) -> Result<Mended, OpenError> {
    let segment = Segment::builder().verify_values(true).open(path)?;
    let repaired = segment.repair();
    let mut mended = Mended {
        dropped_entries: repaired.dropped_entries,
        freed_blocks: repaired.freed_blocks,
        ..Mended::default()
    };
    for fault in &repaired.found.faults {
        *mended.faults.entry(format!("{:?}", fault.kind)).or_default() += 1;
    }
    if repaired
        .left
        .faults
        .iter()
        .any(|fault| fault.kind == FaultKind::Truncated)
    {
        mended.is_cut = true;
        return Ok(mended);
    }
    if !repaired.left.is_clean() {
        let left: Vec<_> = repaired.left.faults.iter().take(4).collect();
        mended.failures.push(format!("left after the repair: {left:?}"));
    }
    for n in 0..KEYS {
        let key = (n | 0x0100_0000).to_le_bytes();
        let value = key.repeat(1 + n as usize % 60);
        match segment.put(&key, &value, Expiry::never()) {
            Ok(Put::Stored) => {}
            other => mended.failures.push(format!("put {n}: {other:?}")),
        }
        if segment.get(&key).as_deref() != Some(value.as_slice()) {
            mended.failures.push(format!("get {n} is not what was just put"));
        }
        if mended.failures.len() > 3 {
            let stats = segment.stats();
            mended.failures.push(format!("{:?}", stats.blocks));
            return Ok(mended);
        }
    }
    // All rows may carry damaged names by now.
    if let Ok(second) = segment.namespace(SECOND) {
        let mut caller = Caller::new([&segment, &second], seed, trust);
        caller.run(OPERATIONS);
        mended.verdict = caller.verdict();
    }
    let left = segment.verify().faults;
    if !left.is_empty() {
        let left: Vec<_> = left.iter().take(4).collect();
        mended.failures.push(format!("found after use: {left:?}"));
    }
    Ok(mended)
}
