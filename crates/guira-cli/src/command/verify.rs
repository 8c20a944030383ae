//! `guira verify`: checks a whole segment, and mends it if asked.

use std::io::Write;

use clap::Args;
use guira_segment::{Fault, FaultKind, Verified};
use serde_json::{Value, json};

use crate::error::CliError;
use crate::exit::Exit;
use crate::output::{show_counted, table, write_json};
use crate::target::Target;

/// Check a whole segment, and mend it if asked
///
/// Looks at every slot, entry, block and pin, and says each fault; exit status 3 if any is left.
#[derive(Clone, Debug, Args)]
pub struct VerifyArgs {
    #[command(flatten)]
    pub target: Target,
    /// Drop what is damaged, give back what is lost, and check again
    #[arg(long)]
    pub repair: bool,
    /// Print JSON: {"entries": .., "faults": [{"kind": .., "offset": ..}]}
    #[arg(long)]
    pub json: bool,
}

/// The outcome of a check, and of the repair after it.
struct Outcome {
    left: Verified,
    recovered: usize,
    repair: Option<Repair>,
}

struct Repair {
    found: Vec<Fault>,
    dropped_entries: u64,
    freed_blocks: u64,
}

pub(crate) fn run(args: &VerifyArgs, out: &mut dyn Write) -> Result<Exit, CliError> {
    let segment = args.target.open()?;
    let outcome = if args.repair {
        let repaired = segment.repair();
        Outcome {
            recovered: repaired.found.recovered + repaired.left.recovered,
            left: repaired.left,
            repair: Some(Repair {
                found: repaired.found.faults,
                dropped_entries: repaired.dropped_entries,
                freed_blocks: repaired.freed_blocks,
            }),
        }
    } else {
        let left = segment.verify();
        Outcome {
            recovered: left.recovered,
            left,
            repair: None,
        }
    };
    if args.json {
        write_json(out, &outcome_json(&outcome))?;
    } else {
        write_text(out, &outcome)?;
    }
    if outcome.left.is_clean() {
        return Ok(Exit::Done);
    }
    Err(CliError::Faults {
        path: args.target.path.clone(),
        count: outcome.left.faults.len(),
        advice: if args.repair {
            "stop the processes that use it and repair again, or remove it and create it anew"
        } else {
            "run verify with --repair, or remove it and create it anew"
        },
    })
}

fn write_text(out: &mut dyn Write, outcome: &Outcome) -> Result<(), CliError> {
    let mut text = String::new();
    if outcome.recovered > 0 {
        text += &format!(
            "recovered from {}\n",
            show_counted(outcome.recovered as u64, "dead process", "dead processes")
        );
    }
    if let Some(repair) = &outcome.repair {
        text += &format!(
            "{} found; {} dropped, {} given back\n",
            show_counted(repair.found.len() as u64, "fault", "faults"),
            show_counted(repair.dropped_entries, "entry", "entries"),
            show_counted(repair.freed_blocks, "block", "blocks")
        );
    }
    text += &format!(
        "{} checked, {}{}\n",
        show_counted(outcome.left.entries, "entry", "entries"),
        show_counted(outcome.left.faults.len() as u64, "fault", "faults"),
        if outcome.repair.is_some() { " left" } else { "" }
    );
    if !outcome.left.is_clean() {
        let mut rows = table(&["offset", "fault", "what it means"], &[0]);
        for fault in &outcome.left.faults {
            rows.add_row([
                format!("{:#x}", fault.offset),
                kind_name(fault.kind),
                meaning(fault.kind).to_owned(),
            ]);
        }
        text += &format!("{rows}\n");
    }
    out.write_all(text.as_bytes()).map_err(CliError::Output)
}

fn outcome_json(outcome: &Outcome) -> Value {
    let mut object = json!({
        "entries": outcome.left.entries,
        "faults": faults_json(&outcome.left.faults),
        "recovered": outcome.recovered,
    });
    if let Some(repair) = &outcome.repair {
        object["repair"] = json!({
            "found": faults_json(&repair.found),
            "dropped_entries": repair.dropped_entries,
            "freed_blocks": repair.freed_blocks,
        });
    }
    object
}

fn faults_json(faults: &[Fault]) -> Vec<Value> {
    faults
        .iter()
        .map(|fault| json!({ "kind": kind_name(fault.kind), "offset": fault.offset }))
        .collect()
}

/// The kind's name in the engine, in snake case.
fn kind_name(kind: FaultKind) -> String {
    let mut name = String::new();
    for character in format!("{kind:?}").chars() {
        if character.is_ascii_uppercase() && !name.is_empty() {
            name.push('_');
        }
        name.push(character.to_ascii_lowercase());
    }
    name
}

const fn meaning(kind: FaultKind) -> &'static str {
    match kind {
        FaultKind::SlotOutOfBounds => "a slot names a place outside the log",
        FaultKind::SlotDangling => "a slot names a place where no entry begins",
        FaultKind::SlotMisplaced => "a slot names an entry whose key belongs elsewhere",
        FaultKind::DuplicateKey => "two live entries of one key",
        FaultKind::ValueDamaged => "the value does not fit its check",
        FaultKind::TagsDamaged => "the hashes of the tags do not fit their check",
        FaultKind::BlockState => "the block is in a state that no version writes",
        FaultKind::BlockTail => "the block is filled beyond its end",
        FaultKind::BlockLeaked => "the block belongs to nobody",
        FaultKind::EntriesOverlap => "two live entries share bytes",
        FaultKind::RunBroken => "a large entry has lost a part of its space",
        FaultKind::StampAhead => "the invalidation clock, or a stamp, is ahead of what it can be",
        FaultKind::PinLeaked => "a pin that nobody holds",
        FaultKind::Truncated => "the file ends before the segment does",
        _ => "a fault this command has no words for",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_named_in_snake_case() {
        assert_eq!(kind_name(FaultKind::SlotOutOfBounds), "slot_out_of_bounds");
        assert_eq!(kind_name(FaultKind::DuplicateKey), "duplicate_key");
    }
}
