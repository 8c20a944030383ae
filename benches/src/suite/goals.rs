//! What the project wants to reach: how many times the raw loop on 4 KiB pages each workload may take.

use super::records::{Measure, Records};
use crate::bench::{Workers, Workload};
use crate::peers::{Peer, Subject};
use crate::report::print_goal;
use crate::rounds::{Lap, Spread};

/// Fewer keys fit the processor's cache, and say nothing about the goals.
const FEWEST_KEYS: usize = 1_000_000;
const RAW: Subject = Subject::Raw { huge_pages: false };

/// Times the raw loop, by whether the segment is on huge pages.
fn most_times_raw(workload: Workload, huge_pages: bool) -> Option<f64> {
    let (huge, small) = match workload {
        Workload::GetCopied => (1.45, Some(1.85)),
        Workload::GetUniform => (1.6, Some(1.85)),
        Workload::GetBorrowed => (1.5, Some(1.9)),
        Workload::Get1k => (1.1, Some(1.4)),
        Workload::Get64k => (1.1, None),
        Workload::MultiGet100 => (1.1, Some(1.3)),
        Workload::SetUniform => (10.0, None),
        Workload::SetUniformRoomy => (8.5, None),
        Workload::SetEvicting => (4.0, None),
        Workload::Mix95 => (1.75, None),
        Workload::Mix50 => (3.9, None),
        Workload::Get1m | Workload::SetOtherSize | Workload::LatencyGet | Workload::LatencySet => {
            return None;
        }
    };
    if huge_pages { Some(huge) } else { small }
}

/// Prints what was wanted and what came out, where `keys` are enough to tell.
pub(super) fn print(workload: Workload, workers: Workers, keys: usize, records: &Records) {
    if keys < FEWEST_KEYS {
        return;
    }
    for huge_pages in [false, true] {
        let guira = Subject::Guira { huge_pages };
        match workers {
            Workers::One => print_times_raw(workload, guira, huge_pages, records),
            Workers::Threads => {}
            Workers::Processes => print_gain(workload, guira, records),
            Workers::Crowd => print_crowd(guira, records),
        }
    }
    match workload {
        Workload::LatencyGet => print_tail(Peer::HashMap, records),
        Workload::LatencySet => print_tail(Peer::QuickCache, records),
        _ => {}
    }
}

fn print_times_raw(workload: Workload, guira: Subject, huge_pages: bool, records: &Records) {
    let Some(most) = most_times_raw(workload, huge_pages) else {
        return;
    };
    let ratio = records.ratio((guira, false), (RAW, false), Lap::cpu_ns_per_operation);
    if let Some(ratio) = ratio {
        print_goal(
            &format!("{}, {}: at most {most} x raw", workload.name(), guira.name()),
            &format!("{ratio:.2}"),
            ratio.median <= most,
        );
    }
}

/// Two processes against one. Time of threads: the wall clock tells how others share the cores.
fn print_gain(workload: Workload, guira: Subject, records: &Records) {
    let cpu: Measure = Lap::cpu_ns_per_operation;
    let gain = |subject| records.ratio((subject, false), (subject, true), cpu);
    let (Some(own), Some(raw)) = (gain(guira), gain(RAW)) else {
        return;
    };
    let (goal, least) = match workload {
        Workload::Mix50 => ("a gain of 1.75", 1.75),
        Workload::GetCopied | Workload::GetUniform => ("0.95 of what the raw loop gains", 0.95 * raw.median),
        _ => return,
    };
    print_goal(
        &format!("{}, {}, two processes: {goal}", workload.name(), guira.name()),
        &format!("{own:.2}, raw {raw:.2}"),
        own.median >= least,
    );
}

/// A crowd of threads does not fall behind two of them.
fn print_crowd(guira: Subject, records: &Records) {
    let kept = records.ratio((guira, false), (guira, true), Lap::wall_ns_per_operation);
    if let Some(kept) = kept {
        print_goal(
            &format!("{}: 64 threads do at least 0.8 of what two do", guira.name()),
            &format!("{kept:.2}"),
            kept.median >= 0.8,
        );
    }
}

/// p99.9 of single operations, no worse than a peer's in the same run.
fn print_tail(peer: Peer, records: &Records) {
    let theirs = records.quantile_ns(Subject::Peer(peer), 0.999);
    for huge_pages in [false, true] {
        let guira = Subject::Guira { huge_pages };
        let ours = records.quantile_ns(guira, 0.999);
        if let (Some(ours), Some(theirs)) = (ours, theirs) {
            let shown = |spread: Spread| format!("{spread:.0} ns");
            print_goal(
                &format!("{}: p99.9 no worse than that of {}", guira.name(), peer.name()),
                &format!("{} against {}", shown(ours), shown(theirs)),
                ours.median <= theirs.median,
            );
        }
    }
}
