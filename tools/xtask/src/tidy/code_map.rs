//! The code map in the README names every crate; a map kept by hand goes stale.

use super::Violation;
use super::packages::Packages;

pub(crate) const README: &str = "README.md";
const RULE: &str = "code map";

pub(crate) fn violations(packages: &Packages, readme: Option<&str>) -> Vec<Violation> {
    let violation = |line, advice| Violation {
        path: README.to_owned(),
        line,
        rule: RULE,
        advice,
    };
    let Some((first_line, map)) = readme.and_then(section) else {
        let advice = "no section called \"Code map\": add one that names every crate".to_owned();
        return vec![violation(1, advice)];
    };
    packages
        .members
        .iter()
        .filter_map(|package| package.folder.strip_prefix("crates/"))
        .filter(|name| !names(&map, name))
        .map(|name| {
            let advice = format!("the code map does not name crates/{name}: say in a line what it is for");
            violation(first_line, advice)
        })
        .collect()
}

/// The section whose heading contains "code map": the heading's line, and the lines below it up to
/// the next heading of its level or above.
fn section(readme: &str) -> Option<(usize, String)> {
    let mut in_fence = false;
    let mut level = 0;
    let mut found: Option<(usize, String)> = None;
    for (index, line) in readme.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            in_fence = !in_fence;
        }
        let depth = line.bytes().take_while(|byte| *byte == b'#').count();
        let is_heading = !in_fence && depth > 0;
        if let Some((_, map)) = &mut found {
            if is_heading && depth <= level {
                break;
            }
            map.push_str(line);
            map.push('\n');
        } else if is_heading && line.to_lowercase().contains("code map") {
            level = depth;
            found = Some((index + 1, String::new()));
        }
    }
    found
}

/// Whether `map` has `name` as a whole: `guira` is not named by `guira-shm`.
fn names(map: &str, name: &str) -> bool {
    map.split(|character: char| !(character.is_ascii_alphanumeric() || "-_".contains(character)))
        .any(|word| word == name)
}

#[cfg(test)]
mod tests {
    use super::super::packages::Package;
    use super::*;

    fn packages(names: &[&str]) -> Packages {
        Packages {
            members: names
                .iter()
                .map(|name| Package {
                    name: (*name).into(),
                    folder: format!("crates/{name}"),
                    manifest: format!("crates/{name}/Cargo.toml"),
                    roots: Vec::new(),
                    path_dependencies: Vec::new(),
                })
                .collect(),
        }
    }

    #[test]
    fn a_crate_that_is_not_in_the_map_is_reported() {
        let readme = "# Guira\nguira-bus\n\n## Code map\n\n- `crates/guira-shm`: memory\n\n## Next\nguira\n";
        let found = violations(&packages(&["guira", "guira-shm", "guira-bus"]), Some(readme));
        let advice: Vec<_> = found.iter().map(|violation| violation.advice.as_str()).collect();
        assert_eq!(found.len(), 2, "{advice:?}");
        assert!(advice[0].contains("crates/guira:"), "{advice:?}");
        assert!(advice[1].contains("crates/guira-bus:"), "{advice:?}");
        assert_eq!(found[0].line, 4);
    }

    #[test]
    fn a_tree_in_a_fence_is_a_map_too() {
        let readme =
            "## The code map\n```\n# comment\ncrates/\n  guira-shm   mapped memory\n```\n### More\nguira\n";
        assert!(violations(&packages(&["guira", "guira-shm"]), Some(readme)).is_empty());
    }

    #[test]
    fn no_map_is_reported_once() {
        assert_eq!(violations(&packages(&["guira"]), None).len(), 1);
        assert_eq!(
            violations(&packages(&["guira"]), Some("# Guira\nguira\n")).len(),
            1
        );
    }
}
