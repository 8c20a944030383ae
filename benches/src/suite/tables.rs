//! A workload's tables: each figure beside the raw loop of the same round.

use super::records::{Measure, Records};
use crate::bench::{Workers, Workload};
use crate::peers::Subject;
use crate::report::chart::{Bar, Chart};
use crate::report::{print_table, say};
use crate::rounds::{Lap, Spread};

const RAW: Subject = Subject::Raw { huge_pages: false };
/// Bytes and nanoseconds give gigabytes a second; asked for only where values are large.
const LARGE_BYTES: usize = 64 << 10;

/// Prints the table and gives its ratios as a chart.
pub(super) fn print(workload: Workload, workers: Workers, records: &Records) -> Chart {
    let title = title(workload, workers);
    let (unit, bars) = if workload.spec().operation.is_timed() {
        ("p99.9 in nanoseconds", latencies(&title, records))
    } else if workers == Workers::One {
        ("times the raw loop", one(&title, workload, records))
    } else {
        (
            "times as many raw loops, by the wall clock",
            two(&title, workers, records),
        )
    };
    for note in &records.notes {
        say(note);
    }
    Chart { title, unit, bars }
}

fn one(title: &str, workload: Workload, records: &Records) -> Vec<Bar> {
    let mut bars = Vec::new();
    let mut rows = Vec::new();
    for subject in records.subjects() {
        let measure = clock_of(subject);
        let own = records.ratio((subject, false), (RAW, false), measure);
        let beside = records.beside(subject);
        let guira = guira_in(&beside).filter(|_| matches!(subject, Subject::Peer(_)));
        let ns = records.spread(subject, false, measure);
        rows.push(vec![
            name_with_clock(subject),
            ns.map_or_else(String::new, |ns| format!("{ns:.0}")),
            gigabytes(workload, ns),
            shown(own),
            shown(same_pages(records, subject)),
            shown(guira.and_then(|guira| beside.ratio((guira, false), (RAW, false), measure))),
            shown(guira.and_then(|guira| beside.ratio((subject, false), (guira, false), measure))),
            hits(records, subject),
        ]);
        bars.extend(own.map(|ratio| Bar::new(subject.name(), ratio)));
    }
    print_table(
        title,
        &[
            "subject",
            "ns",
            "GB/s",
            "x raw",
            "x raw, huge pages",
            "guira beside it, x raw",
            "times guira",
            "hits",
        ],
        &rows,
    );
    bars
}

fn two(title: &str, workers: Workers, records: &Records) -> Vec<Bar> {
    let wall: Measure = Lap::wall_ns_per_operation;
    let cpu: Measure = Lap::cpu_ns_per_operation;
    let (few, all) = if workers == Workers::Crowd {
        ("two, million/s", "sixty-four, million/s")
    } else {
        ("one, million/s", "two, million/s")
    };
    let mut bars = Vec::new();
    let mut rows = Vec::new();
    for subject in records.subjects() {
        let own = records.ratio((subject, true), (RAW, true), wall);
        let gain = |measure| records.ratio((subject, false), (subject, true), measure);
        let millions = |is_pair| records.spread(subject, is_pair, |lap| lap.operations_per_second() / 1e6);
        rows.push(vec![
            subject.name().to_owned(),
            shown(millions(false)),
            shown(millions(true)),
            shown(own),
            shown(
                records
                    .ratio((subject, true), (RAW, true), cpu)
                    .filter(|_| !subject.is_server()),
            ),
            shown(gain(wall)),
            shown(gain(cpu).filter(|_| !subject.is_server())),
            hits(records, subject),
        ]);
        bars.extend(own.map(|ratio| Bar::new(subject.name(), ratio)));
    }
    print_table(
        title,
        &[
            "subject",
            few,
            all,
            "x raw, wall",
            "x raw, threads' time",
            "gain, wall",
            "gain, threads' time",
            "hits",
        ],
        &rows,
    );
    bars
}

fn latencies(title: &str, records: &Records) -> Vec<Bar> {
    let mut bars = Vec::new();
    let mut rows = Vec::new();
    for subject in records.subjects() {
        let at = |quantile| {
            let spread = records.quantile_ns(subject, quantile);
            spread.map_or_else(String::new, |ns| format!("{ns:.0}"))
        };
        rows.push(vec![
            subject.name().to_owned(),
            at(0.5),
            at(0.99),
            at(0.999),
            records.pooled_quantile_ns(subject, 0.9999).to_string(),
            hits(records, subject),
        ]);
        bars.extend(
            records
                .quantile_ns(subject, 0.999)
                .map(|ns| Bar::new(subject.name(), ns)),
        );
    }
    print_table(
        &format!("{title}, ns"),
        &["subject", "p50", "p99", "p99.9", "p99.99 of all rounds", "hits"],
        &rows,
    );
    bars
}

fn title(workload: Workload, workers: Workers) -> String {
    format!(
        "{}: {}, {}",
        workload.name(),
        workload.spec().title,
        workers.name()
    )
}

/// Time of the thread where it does all the work, so that other programs cost nothing.
fn clock_of(subject: Subject) -> Measure {
    if subject.is_server() {
        Lap::wall_ns_per_operation
    } else {
        Lap::cpu_ns_per_operation
    }
}

fn name_with_clock(subject: Subject) -> String {
    let clock = if subject.is_server() { " (wall)" } else { "" };
    format!("{}{clock}", subject.name())
}

fn guira_in(records: &Records) -> Option<Subject> {
    let mut subjects = records.subjects().into_iter();
    subjects.find(|subject| matches!(subject, Subject::Guira { .. }))
}

/// What is on huge pages, beside the raw loop on huge pages.
fn same_pages(records: &Records, subject: Subject) -> Option<Spread> {
    if subject != (Subject::Guira { huge_pages: true }) {
        return None;
    }
    let raw = Subject::Raw { huge_pages: true };
    records.ratio((subject, false), (raw, false), clock_of(subject))
}

fn gigabytes(workload: Workload, ns: Option<Spread>) -> String {
    let bytes = workload.spec().value_bytes;
    match ns {
        Some(ns) if bytes >= LARGE_BYTES => format!("{:.1}", bytes as f64 / ns.median),
        _ => String::new(),
    }
}

fn shown(spread: Option<Spread>) -> String {
    spread.map_or_else(String::new, |spread| format!("{spread:.2}"))
}

fn hits(records: &Records, subject: Subject) -> String {
    let ratio = records.hit_ratio(subject);
    ratio.map_or_else(String::new, |ratio| format!("{ratio:.4}"))
}
