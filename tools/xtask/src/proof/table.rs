//! The table of the ledger's sums, between two markers in the document.
//!
//! It is a function of the ledger and of the engine that the first marker names, so whoever has the
//! files can tell whether it is up to date.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::ledger::Run;

/// The document that shows the table, from the root.
pub(crate) const DOCUMENT: &str = "docs/proof.md";
const BEGIN: &str = "<!-- proof table, since engine ";
const BEGIN_END: &str = " -->\n";
const END: &str = "<!-- end of proof table -->";

/// The parts of a document around its table.
struct Parts<'d> {
    before: &'d str,
    since: &'d str,
    table: &'d str,
    after: &'d str,
}

fn parts(document: &str) -> Option<Parts<'_>> {
    let (before, rest) = document.split_once(BEGIN)?;
    let (since, rest) = rest.split_once(BEGIN_END)?;
    let (table, after) = rest.split_once(END)?;
    Some(Parts {
        before,
        since,
        table,
        after,
    })
}

/// The document with the table that `runs` give; `None` if it has no markers.
pub(crate) fn refreshed(document: &str, runs: &[Run], since: Option<&str>) -> Option<String> {
    let parts = parts(document)?;
    let since = since.unwrap_or(parts.since);
    let table = rendered(runs, since);
    Some(format!(
        "{}{BEGIN}{since}{BEGIN_END}{table}{END}{}",
        parts.before, parts.after
    ))
}

/// The table that a document shows.
pub(crate) fn shown_in(document: &str) -> Option<&str> {
    parts(document).map(|parts| parts.table)
}

fn rendered(runs: &[Run], since: &str) -> String {
    let mut runs: Vec<&Run> = runs.iter().collect();
    runs.sort_by(|one, other| one.date.cmp(&other.date));
    let Some(last) = runs.last() else {
        return "No run is in the ledger.\n".to_owned();
    };
    let first = runs.iter().position(|run| run.engine == since).unwrap_or(0);
    let recent = runs.get(first..).unwrap_or_default();
    let of_last: Vec<&Run> = runs
        .iter()
        .copied()
        .filter(|run| run.engine == last.engine)
        .collect();
    let since = recent.first().map_or(since, |run| run.engine.as_str());
    format!(
        "Engine `{}`, the latest in the ledger:\n\n{}\nAll engines since `{since}`:\n\n{}",
        last.engine,
        sums(&of_last),
        sums(recent)
    )
}

#[derive(Default)]
struct Sum<'r> {
    runs: u64,
    seconds: f64,
    counts: BTreeMap<&'r str, u64>,
}

fn sums(runs: &[&Run]) -> String {
    let mut by_proof: BTreeMap<&str, Sum<'_>> = BTreeMap::new();
    for run in runs {
        let sum = by_proof.entry(&run.summary.proof).or_default();
        sum.runs += 1;
        sum.seconds += run.summary.seconds;
        for (name, &count) in &run.summary.counts {
            let so_far = sum.counts.entry(name).or_default();
            *so_far = if name.starts_with("max_") {
                count.max(*so_far)
            } else {
                *so_far + count
            };
        }
    }
    let mut table = "| Proof | Runs | Time | What | Anomalies |\n|---|--:|--:|---|--:|\n".to_owned();
    for (proof, sum) in by_proof {
        let counts: Vec<String> = sum
            .counts
            .iter()
            .filter(|(name, _)| **name != "anomalies")
            .map(|(name, count)| format!("{} {}", grouped(*count), name.replace('_', " ")))
            .collect();
        let anomalies = sum.counts.get("anomalies").copied().unwrap_or(0);
        // Writing to a string cannot fail.
        let _ = writeln!(
            table,
            "| {proof} | {} | {} | {} | {} |",
            grouped(sum.runs),
            duration(sum.seconds),
            counts.join(", "),
            grouped(anomalies)
        );
    }
    table
}

/// Thousands apart.
fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn duration(seconds: f64) -> String {
    match seconds.round() as u64 {
        total @ 0..=119 => format!("{total} s"),
        total @ 120..=7199 => format!("{} min", (total + 30) / 60),
        total => format!("{} h {:02} min", total / 3600, total / 60 % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::super::ledger::Summary;
    use super::*;

    fn run(date: &str, engine: &str, proof: &str, counts: &[(&str, u64)]) -> Run {
        Run {
            date: date.into(),
            engine: engine.into(),
            command: String::new(),
            summary: Summary {
                proof: proof.into(),
                seed: 1,
                seconds: 100.0,
                counts: counts
                    .iter()
                    .map(|(name, count)| ((*name).to_owned(), *count))
                    .collect(),
            },
        }
    }

    fn document(since: &str) -> String {
        format!("before\n{BEGIN}{since}{BEGIN_END}old\n{END}\nafter\n")
    }

    #[test]
    fn runs_add_up_for_the_latest_engine_and_since_the_named_one() {
        let runs = [
            run("4", "new", "storm", &[("kills", 1_500), ("max_us", 8)]),
            run("1", "old", "storm", &[("kills", 7_000_000)]),
            run(
                "2",
                "named",
                "storm",
                &[("kills", 20), ("max_us", 9), ("anomalies", 1)],
            ),
            run("3", "new", "stale", &[("reads", 4)]),
        ];
        let refreshed = refreshed(&document("named"), &runs, None).unwrap();
        assert!(refreshed.starts_with("before\n") && refreshed.ends_with("\nafter\n"));
        let table = shown_in(&refreshed).unwrap();
        let rows: Vec<&str> = table.lines().filter(|line| line.starts_with("| st")).collect();
        assert_eq!(
            rows,
            [
                "| stale | 1 | 100 s | 4 reads | 0 |",
                "| storm | 1 | 100 s | 1,500 kills, 8 max us | 0 |",
                "| stale | 1 | 100 s | 4 reads | 0 |",
                "| storm | 2 | 3 min | 1,520 kills, 9 max us | 1 |",
            ]
        );
        let again = super::refreshed(&refreshed, &runs, None).unwrap();
        assert_eq!(again, refreshed, "what is up to date stays as it is");
    }

    #[test]
    fn another_engine_can_be_named_and_a_document_without_markers_is_refused() {
        let runs = [
            run("1", "old", "storm", &[("kills", 5)]),
            run("2", "new", "storm", &[("kills", 2)]),
        ];
        let refreshed = refreshed(&document("new"), &runs, Some("old")).unwrap();
        assert!(refreshed.contains("since engine old -->"), "{refreshed}");
        assert!(refreshed.contains("7 kills"), "{refreshed}");
        assert_eq!(super::refreshed("no table", &runs, None), None);
    }

    #[test]
    fn numbers_and_times_are_easy_to_read() {
        assert_eq!(
            [grouped(7), grouped(1_000), grouped(12_345_678)],
            ["7", "1,000", "12,345,678"]
        );
        assert_eq!(
            [duration(61.2), duration(600.0), duration(7_260.0)],
            ["61 s", "10 min", "2 h 01 min"]
        );
    }
}
