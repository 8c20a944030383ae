//! A file is named for the idea in it; these names have none.

use super::Violation;
use super::source::Source;

const RULE: &str = "file names";
const EMPTY_NAMES: &[&str] = &[
    "utils", "util", "helpers", "helper", "manager", "managers", "common",
];

pub(crate) fn violations(source: &Source) -> Vec<Violation> {
    let parts = source.path().split('/').skip_while(|part| *part != "src");
    // Folders count as much as files: utils/mod.rs is utils.rs.
    let Some(name) = parts
        .map(|part| part.strip_suffix(".rs").unwrap_or(part))
        .find(|part| EMPTY_NAMES.contains(part))
    else {
        return Vec::new();
    };
    vec![Violation {
        path: source.path().to_owned(),
        line: 1,
        rule: RULE,
        advice: format!("`{name}` says nothing: name the module for the one idea it holds"),
    }]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(path: &str) -> usize {
        violations(&Source::new(path, "")).len()
    }

    #[test]
    fn a_name_without_an_idea_is_reported() {
        for name in EMPTY_NAMES {
            assert_eq!(count(&format!("crates/x/src/{name}.rs")), 1, "{name}");
        }
        assert_eq!(count("crates/x/src/deep/utils/mod.rs"), 1);
    }

    #[test]
    fn other_names_and_other_folders_are_fine() {
        assert_eq!(count("crates/x/src/eviction.rs"), 0);
        assert_eq!(count("crates/x/src/common_prefix.rs"), 0);
        assert_eq!(count("crates/x/tests/common.rs"), 0);
    }
}
