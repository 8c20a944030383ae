//! `unsafe` lives in the two crates that touch mapped memory; every other crate forbids it, but
//! for one whose declarations of a C library are generated.

use super::Violation;
use super::packages::Packages;
use super::source::{Source, words};

const RULE: &str = "unsafe";
const UNSAFE_CRATES: &[&str] = &["crates/guira-shm", "crates/guira-segment"];
/// Declarations of C functions, which are `unsafe` to call, and what generated code needs beside
/// them. Nobody edits it, and the crate has no other.
const GENERATED: &str = "crates/zmq-sys/src/bindings.rs";
const GENERATED_ROOT: &str = "crates/zmq-sys/src/lib.rs";
const FORBID: &str = "#![forbid(unsafe_code)]";

/// The word `unsafe` in any file outside its crates, workspace member or not.
pub(crate) fn outside_its_crates(source: &Source) -> Vec<Violation> {
    if may_be_unsafe(source.path()) || source.path() == GENERATED {
        return Vec::new();
    }
    words(source.code(), "unsafe")
        .map(|offset| Violation {
            path: source.path().to_owned(),
            line: source.line_of(offset),
            rule: RULE,
            advice: format!(
                "unsafe outside {}: use a safe function of theirs, or add one there",
                UNSAFE_CRATES.join(" and ")
            ),
        })
        .collect()
}

/// Crate roots (of libraries, binaries, tests, ..) that do not forbid `unsafe`.
pub(crate) fn roots_without_forbid(packages: &Packages, sources: &[Source]) -> Vec<Violation> {
    packages
        .members
        .iter()
        .flat_map(|package| &package.roots)
        .filter(|root| !may_be_unsafe(root) && *root != GENERATED_ROOT)
        .filter_map(|root| sources.iter().find(|source| source.path() == root))
        .filter(|source| !forbids_unsafe(source))
        .map(|source| Violation {
            path: source.path().to_owned(),
            line: 1,
            rule: RULE,
            advice: format!("a crate root without {FORBID}: add it below the module docs"),
        })
        .collect()
}

fn may_be_unsafe(path: &str) -> bool {
    UNSAFE_CRATES.iter().any(|folder| {
        path.strip_prefix(folder)
            .is_some_and(|rest| rest.starts_with('/'))
    })
}

fn forbids_unsafe(source: &Source) -> bool {
    // Inside a module's braces it would cover that module only.
    let first_brace = source.code().find('{').unwrap_or(source.code().len());
    source.attributes().into_iter().any(|attribute| {
        let content = &source.code()[attribute.content.clone()];
        attribute.inner
            && attribute.content.start < first_brace
            && content.trim_start().starts_with("forbid")
            && words(content, "unsafe_code").next().is_some()
    })
}

#[cfg(test)]
mod tests {
    use super::super::packages::Package;
    use super::*;

    fn packages(root: &str) -> Packages {
        Packages {
            members: vec![Package {
                name: "x".into(),
                folder: "crates/x".into(),
                manifest: "crates/x/Cargo.toml".into(),
                roots: vec![root.into()],
                path_dependencies: Vec::new(),
            }],
        }
    }

    fn missing_forbid(path: &str, text: &str) -> usize {
        roots_without_forbid(&packages(path), &[Source::new(path, text)]).len()
    }

    #[test]
    fn unsafe_is_reported_outside_its_crates_only() {
        let text = "fn f() {\n    unsafe { g() }\n}";
        let found = outside_its_crates(&Source::new("crates/guira/src/lib.rs", text));
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].line, 2);
        assert!(outside_its_crates(&Source::new("crates/guira-shm/src/lib.rs", text)).is_empty());
        let like = Source::new("crates/guira-shm-more/src/lib.rs", text);
        assert_eq!(outside_its_crates(&like).len(), 1);
    }

    #[test]
    fn generated_declarations_may_be_unsafe_and_what_is_beside_them_may_not() {
        let text = "unsafe extern \"C\" {}";
        assert!(outside_its_crates(&Source::new(GENERATED, text)).is_empty());
        for path in [
            GENERATED_ROOT,
            "crates/zmq-sys/src/errno.rs",
            "crates/zmq-sys/build.rs",
        ] {
            assert_eq!(outside_its_crates(&Source::new(path, text)).len(), 1);
        }
        assert_eq!(missing_forbid(GENERATED_ROOT, "mod bindings;"), 0);
        assert_eq!(missing_forbid("crates/zmq-sys/build.rs", "fn main() {}"), 1);
    }

    #[test]
    fn the_lint_and_the_prose_are_not_unsafe_code() {
        let text = "#![forbid(unsafe_code)] // no unsafe here\nconst S: &str = \"unsafe\";";
        assert!(outside_its_crates(&Source::new("a.rs", text)).is_empty());
    }

    #[test]
    fn every_other_root_forbids_it() {
        assert_eq!(missing_forbid("crates/x/src/lib.rs", "//! Docs.\nfn f() {}"), 1);
        assert_eq!(missing_forbid("crates/x/src/lib.rs", "#![deny(unsafe_code)]"), 1);
        assert_eq!(
            missing_forbid("crates/x/src/lib.rs", "// #![forbid(unsafe_code)]"),
            1
        );
        assert_eq!(
            missing_forbid("crates/x/src/lib.rs", "mod m { #![forbid(unsafe_code)] }"),
            1
        );
        assert_eq!(
            missing_forbid("crates/x/src/lib.rs", "//! Docs.\n#![forbid(unsafe_code)]\n"),
            0
        );
        assert_eq!(missing_forbid("crates/guira-segment/src/lib.rs", "fn f() {}"), 0);
    }
}
