//! The table of proof runs is what the ledger says; figures kept by hand flatter.

use std::path::Path;

use super::Violation;
use crate::proof::ledger::{LEDGER, parse_runs};
use crate::proof::table::{DOCUMENT, refreshed};

const RULE: &str = "proof table";

pub(crate) fn violations(ledger: Option<&str>, document: Option<&str>) -> Vec<Violation> {
    let violation = |path: &str, line, advice: String| {
        vec![Violation {
            path: path.to_owned(),
            line,
            rule: RULE,
            advice,
        }]
    };
    let (ledger, document) = match (ledger, document) {
        (None, None) => return Vec::new(),
        (ledger, document) => (ledger.unwrap_or_default(), document.unwrap_or_default()),
    };
    let runs = match parse_runs(ledger, Path::new(LEDGER)) {
        Ok(runs) => runs,
        Err(error) => return violation(LEDGER, 1, error.to_string()),
    };
    match refreshed(document, &runs, None) {
        None => violation(
            DOCUMENT,
            1,
            "no markers of the proof table: put them back, then `cargo xtask proof table`".to_owned(),
        ),
        Some(refreshed) if refreshed != document => {
            let same = document
                .lines()
                .zip(refreshed.lines())
                .take_while(|(one, other)| one == other);
            let advice = format!("not what {LEDGER} says: run `cargo xtask proof table`");
            violation(DOCUMENT, same.count() + 1, advice)
        }
        Some(_) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUN: &str = r#"{"date":"1","engine":"a","command":"c","proof":"storm","seed":1,"seconds":2.0,"counts":{"kills":3}}"#;
    const EMPTY: &str = "# Proof\n<!-- proof table, since engine a -->\nold\n<!-- end of proof table -->\n";

    #[test]
    fn a_table_that_is_not_the_ledgers_is_reported_and_a_fresh_one_is_not() {
        let found = violations(Some(RUN), Some(EMPTY));
        assert_eq!(found.len(), 1);
        assert_eq!((found[0].path.as_str(), found[0].line), (DOCUMENT, 3));
        let runs = parse_runs(RUN, Path::new(LEDGER)).unwrap();
        let fresh = refreshed(EMPTY, &runs, None).unwrap();
        assert!(violations(Some(RUN), Some(&fresh)).is_empty());
        let edited = fresh.replace("3 kills", "30 kills");
        assert_eq!(violations(Some(RUN), Some(&edited)).len(), 1);
    }

    #[test]
    fn a_broken_ledger_and_lost_markers_are_reported() {
        assert_eq!(violations(Some("{"), Some(EMPTY))[0].path, LEDGER);
        assert_eq!(violations(Some(RUN), Some("# Proof\n"))[0].path, DOCUMENT);
        assert_eq!(violations(Some(RUN), None)[0].path, DOCUMENT);
        assert!(violations(None, None).is_empty());
    }
}
