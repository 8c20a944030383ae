//! The byte-level contract, `shm-layout.md`, says what the code says: constants and their values.
//!
//! A constant of the layout carries a doc line that begins `/// layout:`; the document has a table
//! row `| NAME | value |` (further columns are free) for each, with the same number, in the order
//! in which the constants of a file stand there; and no such row is without its constant.

mod constants;
mod document;
mod expression;

use super::Violation;
use super::source::Source;
use constants::{Constant, Constants};
use document::Row;

pub(crate) const DOCUMENT: &str = "shm-layout.md";
const FOLDER: &str = "crates/guira-segment/src/layout/";
const RULE: &str = "layout";

/// Differences between the layout modules among `sources` and the document.
pub(crate) fn violations(sources: &[Source], document: Option<&str>) -> Vec<Violation> {
    let constants = Constants::read(sources.iter().filter(|source| {
        source
            .path()
            .strip_prefix(FOLDER)
            .is_some_and(|file| !file.contains('/'))
    }));
    let mut found = constants.stray_markers();
    if !constants.iter().any(|constant| constant.marked) {
        found.push(violation(
            DOCUMENT,
            1,
            format!("no constant in {FOLDER} is marked `/// layout:`, so nothing ties this document to the code: mark them"),
        ));
    }
    let Some(document) = document else {
        found.push(violation(
            DOCUMENT,
            1,
            "missing: it is the byte-level contract of a segment".to_owned(),
        ));
        return found;
    };
    let rows = document::rows(document);
    found.extend(constants_against_rows(&constants, &rows));
    found.extend(rows_against_constants(&constants, &rows));
    found
}

fn violation(path: &str, line: usize, advice: String) -> Violation {
    Violation {
        path: path.to_owned(),
        line,
        rule: RULE,
        advice,
    }
}

/// Every marked constant has one row, with its value.
fn constants_against_rows(constants: &Constants, rows: &[Row]) -> Vec<Violation> {
    let mut found = Vec::new();
    for constant in constants.iter().filter(|constant| constant.marked) {
        let name = &constant.name;
        let at_constant = |advice| violation(&constant.path, constant.line, advice);
        let value = match constants.value(constant) {
            Ok(value) => value,
            Err(reason) => {
                found.push(at_constant(format!(
                    "cannot evaluate {name}: {reason}; use integers, constants of the layout, + - * / << >> and parentheses"
                )));
                continue;
            }
        };
        match rows.iter().find(|row| row.name == *name) {
            None => found.push(at_constant(format!(
                "{DOCUMENT} has no row for {name}: add `| {name} | {value} |`"
            ))),
            Some(row) if row.value != Some(value) => found.push(violation(
                DOCUMENT,
                row.line,
                format!(
                    "{name} is {value} in {}:{}, here it is `{}`: change the one that is wrong",
                    constant.path, constant.line, row.written
                ),
            )),
            Some(_) => {}
        }
    }
    found
}

/// Every row names one marked constant, and those of one file stand in the file's order.
fn rows_against_constants(constants: &Constants, rows: &[Row]) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut passed: Vec<&Constant> = Vec::new();
    for row in rows {
        let mut named = constants
            .iter()
            .filter(|constant| constant.marked && constant.name == row.name);
        let Some(constant) = named.next() else {
            // Without a number it is a table of something else.
            if row.value.is_some() {
                found.push(violation(
                    DOCUMENT,
                    row.line,
                    format!("no constant {} is marked `/// layout:` in {FOLDER}: mark it there, or remove the row", row.name),
                ));
            }
            continue;
        };
        if let Some(second) = named.next() {
            found.push(violation(
                &second.path,
                second.line,
                format!(
                    "{} is marked in {} too: the document cannot tell them apart, rename one",
                    second.name, constant.path
                ),
            ));
        }
        let earlier = passed.iter().filter(|other| other.path == constant.path);
        if let Some(other) = earlier.max_by_key(|other| other.line) {
            if other.line == constant.line {
                found.push(violation(
                    DOCUMENT,
                    row.line,
                    format!("a second row for {}: keep one", row.name),
                ));
            } else if other.line > constant.line {
                found.push(violation(
                    DOCUMENT,
                    row.line,
                    format!(
                        "{} comes before {} in {}: give the rows that order",
                        row.name, other.name, constant.path
                    ),
                ));
            }
        }
        passed.push(constant);
    }
    found
}

#[cfg(test)]
mod tests;
