//! Which crate may use which: the arrows of the workspace, held against the manifests.

use super::Violation;
use super::packages::{Package, Packages, PathDependency};

const RULE: &str = "arrows";

/// A crate and the crates of ours that it may use, for whatever purpose (tests included).
const ARROWS: &[(&str, &[&str])] = &[
    ("guira-shm", &[]),
    ("guira-segment", &["guira-shm"]),
    ("guira-files", &["guira-segment", "guira-shm"]),
    ("guira-bus", &["guira-shm"]),
    ("zmq-sys", &[]),
    ("guira-remote", &[]),
    ("guira-macros", &[]),
    ("guira-trace", &[]),
    (
        "guira",
        &[
            "guira-segment",
            "guira-files",
            "guira-bus",
            "guira-remote",
            "guira-macros",
        ],
    ),
    (
        "guira-cli",
        &[
            "guira",
            "guira-segment",
            "guira-bus",
            "guira-files",
            "guira-trace",
            "guira-shm",
        ],
    ),
    ("xtask", &[]),
    ("guira-simulate", &["guira-bus"]),
];
/// The crate of integration tests may use anything.
const UNBOUND_FOLDER: &str = "tests";
const THIS_FILE: &str = "tools/xtask/src/tidy/arrows.rs";

/// Dependencies that no arrow allows; `manifest_text` gives a manifest by its path.
pub(crate) fn violations<'a>(
    packages: &Packages,
    manifest_text: impl Fn(&str) -> Option<&'a str>,
) -> Vec<Violation> {
    let mut found = Vec::new();
    for package in &packages.members {
        if package.folder == UNBOUND_FOLDER {
            continue;
        }
        let text = manifest_text(&package.manifest).unwrap_or("");
        let Some((_, allowed)) = ARROWS.iter().find(|(from, _)| *from == package.name) else {
            found.push(violation(
                package,
                1,
                format!(
                    "{} has no arrows: say in {THIS_FILE} which crates it may use",
                    package.name
                ),
            ));
            continue;
        };
        for dependency in &package.path_dependencies {
            // A crate may name itself, to run its tests with all its features.
            if dependency.name != package.name && !allowed.contains(&dependency.name.as_str()) {
                found.push(violation(
                    package,
                    dependency_line(text, dependency),
                    format!(
                        "{} may not use {} (it may use: {}): move the code to the crate where it belongs",
                        package.name,
                        dependency.name,
                        if allowed.is_empty() {
                            "none of ours".to_owned()
                        } else {
                            allowed.join(", ")
                        }
                    ),
                ));
            }
        }
    }
    found
}

fn violation(package: &Package, line: usize, advice: String) -> Violation {
    Violation {
        path: package.manifest.clone(),
        line,
        rule: RULE,
        advice,
    }
}

/// The line of the manifest that declares `dependency`, or the first.
fn dependency_line(manifest: &str, dependency: &PathDependency) -> usize {
    let key = dependency.rename.as_ref().unwrap_or(&dependency.name);
    manifest
        .lines()
        .position(|line| {
            let line = line.trim_start();
            let in_header = line.starts_with('[') && line.ends_with(&format!("dependencies.{key}]"));
            let as_key = line
                .strip_prefix(key.as_str())
                .is_some_and(|rest| rest.starts_with(['.', ' ', '=']));
            in_header || as_key
        })
        .map_or(1, |index| index + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(name: &str, folder: &str, uses: &[&str]) -> Packages {
        Packages {
            members: vec![Package {
                name: name.into(),
                folder: folder.into(),
                manifest: format!("{folder}/Cargo.toml"),
                roots: Vec::new(),
                path_dependencies: uses
                    .iter()
                    .map(|name| PathDependency {
                        name: (*name).into(),
                        rename: None,
                    })
                    .collect(),
            }],
        }
    }

    fn found(name: &str, folder: &str, uses: &[&str], manifest: &str) -> Vec<Violation> {
        violations(&package(name, folder, uses), |_| Some(manifest))
    }

    #[test]
    fn an_arrow_that_is_not_drawn_is_reported_at_its_line() {
        let manifest = "[package]\nname = \"guira-bus\"\n[dependencies]\nguira-segment-x = \"1\"\nguira-segment.workspace = true\n";
        let found = found("guira-bus", "crates/guira-bus", &["guira-segment"], manifest);
        assert_eq!(found.len(), 1);
        assert_eq!(
            (found[0].path.as_str(), found[0].line),
            ("crates/guira-bus/Cargo.toml", 5)
        );
        assert!(found[0].advice.contains("guira-bus may not use guira-segment"));
    }

    #[test]
    fn drawn_arrows_pass() {
        assert!(found("guira-segment", "crates/guira-segment", &["guira-shm"], "").is_empty());
        assert!(found("guira-cli", "crates/guira-cli", &["guira", "guira-trace"], "").is_empty());
        assert!(found("guira-tests", "tests", &["guira", "guira-shm", "xtask"], "").is_empty());
    }

    #[test]
    fn an_arrow_has_one_direction() {
        assert_eq!(
            found("guira-shm", "crates/guira-shm", &["guira-segment"], "").len(),
            1
        );
        assert_eq!(found("xtask", "tools/xtask", &["guira-shm"], "").len(), 1);
    }

    #[test]
    fn a_new_crate_must_draw_its_arrows() {
        let found = found("guira-new", "crates/guira-new", &[], "");
        assert!(found[0].advice.contains("has no arrows"));
    }

    #[test]
    fn a_dependency_in_a_table_of_its_own_is_found() {
        let dependency = PathDependency {
            name: "guira-shm".into(),
            rename: Some("shm".into()),
        };
        let manifest = "[package]\n\n[target.'cfg(unix)'.dependencies.shm]\npackage = \"guira-shm\"";
        assert_eq!(dependency_line(manifest, &dependency), 3);
    }
}
