//! The engine takes its atomics from `guira_shm::sync`, so that model builds can replace them.
//!
//! What never lies in shared memory may use the standard ones, on a line that says so:
//! `use std::sync::atomic::AtomicU64; // process-private`.

use super::Violation;
use super::source::{Source, bracketed, words};

const RULE: &str = "atomics";
const FOLDER: &str = "crates/guira-segment/";
const MARKER: &str = "// process-private";

pub(crate) fn violations(source: &Source) -> Vec<Violation> {
    if !source.path().starts_with(FOLDER) {
        return Vec::new();
    }
    standard_atomics(source.code())
        .into_iter()
        .map(|offset| source.line_of(offset))
        .filter(|line| !source.comments_on(*line).contains(MARKER))
        .map(|line| Violation {
            path: source.path().to_owned(),
            line,
            rule: RULE,
            advice: format!(
                "a standard atomic: take it from guira_shm::sync, or, if it never lies in shared memory, end the line with `{MARKER}`"
            ),
        })
        .collect()
}

/// Offsets of `atomic` as a part of `sync`: `sync::atomic`, or in braces, `sync::{Arc, atomic::X}`.
fn standard_atomics(code: &str) -> Vec<usize> {
    let mut found = Vec::new();
    for sync in words(code, "sync") {
        let after = sync + "sync".len();
        let Some(rest) = code[after..].strip_prefix("::") else {
            continue;
        };
        let start = after + "::".len();
        let range = if rest.starts_with('{') {
            bracketed(code, start).unwrap_or(start..start)
        } else {
            start..start + rest.bytes().take_while(u8::is_ascii_alphanumeric).count()
        };
        found.extend(words(&code[range.clone()], "atomic").map(|offset| range.start + offset));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<usize> {
        violations(&Source::new("crates/guira-segment/src/index.rs", text))
            .into_iter()
            .map(|violation| violation.line)
            .collect()
    }

    #[test]
    fn a_standard_atomic_is_reported_however_it_is_named() {
        assert_eq!(lines("use std::sync::atomic::AtomicU64;"), [1]);
        assert_eq!(lines("x;\nlet a = core::sync::atomic::AtomicU32::new(0);"), [2]);
        assert_eq!(
            lines("use std::sync::{\n    Arc,\n    atomic::{AtomicU64, fence},\n};"),
            [3]
        );
    }

    #[test]
    fn a_marked_line_is_exempt() {
        assert!(lines("use std::sync::atomic::AtomicU64; // process-private").is_empty());
        assert_eq!(
            lines("// process-private\nuse std::sync::atomic::AtomicU64;"),
            [2]
        );
    }

    #[test]
    fn other_uses_pass() {
        assert!(lines("use guira_shm::sync::{AtomicU64, Ordering};").is_empty());
        assert!(lines("use std::sync::Arc; // not std::sync::atomic").is_empty());
        let elsewhere = Source::new("crates/guira-bus/src/lib.rs", "use std::sync::atomic::fence;");
        assert!(violations(&elsewhere).is_empty());
    }
}
