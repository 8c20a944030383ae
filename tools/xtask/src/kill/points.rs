//! Reads the points off the source: every place that changes shared memory, or what the kernel shows
//! to other processes, with the function around it.
//!
//! | in the source | |
//! |---|---|
//! | `.store(`, `.swap(`, `.compare_exchange(`, `.fetch_add(`, .. with an `Ordering` | an atomic |
//! | `.copy_in(`, `.copy_within(`, `.zero(`, `.write_u32(`, `.write_u64(` | bytes of a region |
//! | `futex::wait(`, `futex::wake(`, `point(` | calls of the kernel |
//! | a call of a function marked `#[cfg_attr(guira_points, track_caller)]` | the caller's line is the point |
//!
//! It reads words, not types: it may name a place that is none, which then has to be explained, but
//! misses none that is written like the others; and the runs fail when they pass a place that is not
//! listed.

use std::collections::BTreeSet;
use std::path::Path;

use serde::Serialize;

use crate::error::XtaskError;
use crate::tidy::source::{Source, bracketed, is_word_byte, words};
use crate::tidy::tree::Tree;

/// A place where shared memory is changed.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub(crate) struct SourcePoint {
    file: String,
    line: usize,
    column: usize,
    function: String,
    what: String,
}

/// The engine.
pub(crate) const ENGINE: &[&str] = &["crates/guira-segment/src/", "crates/guira-shm/src/"];
/// The files cache above it, with the calls of the kernel that only it makes.
pub(crate) const FILES: &[&str] = &["crates/guira-files/src/", FILES_OF_VALUES];
const FILES_OF_VALUES: &str = "crates/guira-shm/src/directory/";
/// What makes points, changes no shared memory, or is a test.
const OTHERS: [&str; 15] = [
    "/point/",
    "/sync/",
    "/region/",
    "/truncation/",
    "/fork/",
    "/models/",
    "/lock_by_model.rs",
    "/mutant.rs",
    "/futex.rs",
    "/process.rs",
    "/clock.rs",
    "/tests.rs",
    "/tests/",
    "/testing.rs",
    "/golden.rs",
];
const ATOMIC_CHANGES: [&str; 14] = [
    "store",
    "swap",
    "compare_exchange",
    "compare_exchange_weak",
    "fetch_update",
    "fetch_add",
    "fetch_sub",
    "fetch_and",
    "fetch_nand",
    "fetch_or",
    "fetch_xor",
    "fetch_max",
    "fetch_min",
    "fetch_ptr_add",
];
const REGION_CHANGES: [&str; 5] = ["copy_in", "copy_within", "zero", "write_u32", "write_u64"];
const MARK: &str = "#[cfg_attr(guira_points, track_caller)]";

/// A line for each: file, line, column, what is called, and the function around it.
pub(crate) fn told(points: &[SourcePoint]) -> String {
    let line = |point: &SourcePoint| {
        let SourcePoint {
            file,
            line,
            column,
            function,
            what,
        } = point;
        format!("{file} {line} {column} {what} {function}\n")
    };
    points.iter().map(line).collect()
}

/// Every point in these folders ([`ENGINE`] or [`FILES`]) of the workspace at `root`.
pub(crate) fn of_workspace(root: &Path, folders: &[&str]) -> Result<Vec<SourcePoint>, XtaskError> {
    let is_of_values = |source: &&Source| source.path().starts_with(FILES_OF_VALUES);
    let takes_values = folders.contains(&FILES_OF_VALUES);
    let tree = Tree::read(root)?;
    let sources: Vec<&Source> = tree
        .sources
        .iter()
        .filter(|source| folders.iter().any(|folder| source.path().starts_with(folder)))
        .filter(|source| takes_values || !is_of_values(source))
        .filter(|source| !OTHERS.iter().any(|other| source.path().contains(other)))
        .collect();
    let marked = sources.iter().flat_map(|source| marked(source)).collect();
    let mut points: Vec<SourcePoint> = sources
        .iter()
        .flat_map(|source| points(source, &marked))
        .collect();
    points.sort();
    Ok(points)
}

/// The names of the functions whose callers are the points.
fn marked(source: &Source) -> BTreeSet<String> {
    let code = source.code();
    code.match_indices(MARK)
        .filter_map(|(at, _)| {
            let name = words(&code[at..], "fn").next()? + at + "fn ".len();
            Some(word_at(code, name).to_owned())
        })
        .collect()
}

fn points(source: &Source, marked: &BTreeSet<String>) -> Vec<SourcePoint> {
    let code = without_tests(source.code());
    let mut found = Vec::new();
    let mut at = 0;
    while at < code.len() {
        if !is_word_byte(code.as_bytes()[at]) {
            at += 1;
            continue;
        }
        let word = word_at(code, at);
        if code[at + word.len()..].starts_with('(') && is_point(code, at, word, marked) {
            found.push(SourcePoint {
                file: source.path().to_owned(),
                line: source.line_of(at),
                column: column_of(code, point_column(code, at, word)),
                function: function_around(code, at),
                what: word.to_owned(),
            });
        }
        at += word.len();
    }
    found.retain(|point| !marked.contains(&point.function));
    found
}

/// A path's call is where its first word stands, a method's where its name does.
fn point_column(code: &str, at: usize, word: &str) -> usize {
    let before = &code[..at];
    if matches!(word, "wait" | "wake") && before.ends_with("futex::") {
        at - "futex::".len()
    } else {
        at
    }
}

fn is_point(code: &str, at: usize, word: &str, marked: &BTreeSet<String>) -> bool {
    let before = &code[..at];
    let is_method = before.ends_with('.');
    let open = at + word.len();
    if before.trim_end().ends_with("fn") {
        return false;
    }
    if ATOMIC_CHANGES.contains(&word) {
        let arguments = bracketed(code, open).map_or("", |range| &code[range]);
        return is_method && (arguments.contains("Ordering::") || arguments.contains(".ordering("));
    }
    match word {
        "wait" | "wake" => before.ends_with("futex::"),
        "point" => !is_method && !before.ends_with("::"),
        _ => is_method && (REGION_CHANGES.contains(&word) || marked.contains(word)),
    }
}

fn word_at(code: &str, at: usize) -> &str {
    let end = code.as_bytes()[at..]
        .iter()
        .position(|byte| !is_word_byte(*byte))
        .map_or(code.len(), |length| at + length);
    &code[at..end]
}

/// Tests stand at a file's end.
fn without_tests(code: &str) -> &str {
    code.find("#[cfg(test)]\nmod tests {")
        .map_or(code, |at| &code[..at])
}

fn column_of(code: &str, at: usize) -> usize {
    at - code[..at].rfind('\n').map_or(0, |line_end| line_end + 1) + 1
}

fn function_around(code: &str, at: usize) -> String {
    let last = words(&code[..at], "fn").last();
    last.map_or(String::new(), |found| {
        word_at(code, found + "fn ".len()).to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str, marked: &[&str]) -> Vec<(String, usize, usize)> {
        let source = Source::new("crates/guira-segment/src/a.rs", text);
        let marked = marked.iter().map(|name| (*name).to_owned()).collect();
        points(&source, &marked)
            .into_iter()
            .map(|point| {
                (
                    format!("{} {}", point.function, point.what),
                    point.line,
                    point.column,
                )
            })
            .collect()
    }

    #[test]
    fn an_atomic_is_told_from_another_store_by_its_ordering() {
        let text =
            "fn a() {\n    self.word(1).store(2, Ordering::Relaxed);\n    self.store(key, value);\n}\n";
        assert_eq!(found(text, &[]), [("a store".to_owned(), 2, 18)]);
        let chained = "fn b() {\n    word\n        .fetch_add(f(1), Ordering::SeqCst)\n}\n";
        assert_eq!(found(chained, &[]), [("b fetch_add".to_owned(), 3, 10)]);
    }

    #[test]
    fn calls_of_the_kernel_and_of_marked_functions_are_points() {
        let text =
            "fn a() {\n    point(\"lock\");\n    futex::wake(word, 1);\n    self.change_state(x);\n}\n";
        let expected = [("a point", 2, 5), ("a wake", 3, 5), ("a change_state", 4, 10)];
        let expected = expected.map(|(name, line, column)| (name.to_owned(), line, column));
        assert_eq!(found(text, &["change_state"]), expected);
    }

    #[test]
    fn a_marked_function_passes_its_own_points_on_to_its_callers() {
        let text = format!(
            "    {MARK}\n    pub fn change(&self) {{\n        w.store(1, Ordering::Relaxed);\n    }}\n"
        );
        let source = Source::new("crates/guira-segment/src/a.rs", text.as_str());
        assert_eq!(marked(&source), BTreeSet::from(["change".to_owned()]));
        assert_eq!(found(&text, &["change"]), []);
    }

    #[test]
    fn tests_and_comments_have_no_points() {
        let text = "// a.store(1, Ordering::Relaxed)\n#[cfg(test)]\nmod tests {\n    fn t() { a.store(1, Ordering::Relaxed) }\n}\n";
        assert_eq!(found(text, &[]), []);
    }
}
