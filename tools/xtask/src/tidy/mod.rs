//! Tidy: the rules of the house that neither the compiler nor clippy checks.
//!
//! A rule is a function from text to violations, so that each is tested on small fixtures; only
//! `tree` and `packages` look at the machine. Rules read Rust through [`source::Source`], which
//! knows code from comments and literals: a forbidden word in a string is no violation.

mod arrows;
mod ascii;
mod atomics;
mod attributes;
mod code_map;
mod file_names;
mod layout;
mod packages;
mod proof_table;
mod size;
pub(crate) mod source;
pub(crate) mod tree;
mod unfinished;
mod unsafe_code;

use std::fmt;
use std::path::Path;

use crate::error::XtaskError;
use crate::proof::ledger::LEDGER;
use crate::proof::table::DOCUMENT;
use packages::Packages;
use source::Source;
use tree::Tree;

/// One breach of one rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Violation {
    /// Relative to the workspace root.
    path: String,
    /// From 1.
    line: usize,
    rule: &'static str,
    /// What is wrong and what to do.
    advice: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: [{}] {}", self.path, self.line, self.rule, self.advice)
    }
}

/// A rule that needs to see one Rust file.
type SourceRule = fn(&Source) -> Vec<Violation>;

const SOURCE_RULES: &[SourceRule] = &[
    size::violations,
    unfinished::violations,
    attributes::violations,
    unsafe_code::outside_its_crates,
    file_names::violations,
    atomics::violations,
];

/// Every violation in the workspace at `root`, by file and line.
pub(crate) fn violations(root: &Path) -> Result<Vec<Violation>, XtaskError> {
    let tree = Tree::read(root)?;
    let packages = Packages::read(root)?;
    let mut found = Vec::new();

    for source in &tree.sources {
        for rule in SOURCE_RULES {
            found.extend(rule(source));
        }
        found.extend(ascii::violations(source.path(), source.text()));
    }
    for text in tree.texts.iter().filter(|text| !text.is_prose()) {
        found.extend(ascii::violations(&text.path, &text.content));
    }
    found.extend(unsafe_code::roots_without_forbid(&packages, &tree.sources));
    found.extend(arrows::violations(&packages, |manifest| tree.text(manifest)));
    found.extend(code_map::violations(&packages, tree.text(code_map::README)));
    found.extend(proof_table::violations(tree.text(LEDGER), tree.text(DOCUMENT)));
    found.extend(layout::violations(&tree.sources, tree.text(layout::DOCUMENT)));

    found.sort();
    found.dedup();
    Ok(found)
}
