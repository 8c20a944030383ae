//! No test is switched off, and no lint is without a reason.

use super::Violation;
use super::source::{Attribute, Source, bracketed, words};

const RULE: &str = "attributes";

pub(crate) fn violations(source: &Source) -> Vec<Violation> {
    let mut found = Vec::new();
    for attribute in source.attributes() {
        if ignores_a_test(source, &attribute) {
            found.push(violation(
                source,
                attribute.content.start,
                "#[ignore] switches a test off: make it run everywhere, or remove it".to_owned(),
            ));
        }
        for level in ["allow", "expect"] {
            for offset in without_reason(source, &attribute, level) {
                found.push(violation(
                    source,
                    offset,
                    format!("{level}(..) has no reason: write #[expect(lint, reason = \"why\")]"),
                ));
            }
        }
    }
    found
}

fn violation(source: &Source, offset: usize, advice: String) -> Violation {
    Violation {
        path: source.path().to_owned(),
        line: source.line_of(offset),
        rule: RULE,
        advice,
    }
}

/// `ignore`, `ignore = ".."`, and the same inside `cfg_attr`.
fn ignores_a_test(source: &Source, attribute: &Attribute) -> bool {
    let content = &source.code()[attribute.content.clone()];
    let (condition_end, is_conditional) = match content.trim_start().strip_prefix("cfg_attr") {
        // The condition comes first: a feature called `ignore` is not an attribute.
        Some(_) => (content.find(',').unwrap_or(content.len()), true),
        None => (0, false),
    };
    words(content, "ignore").any(|offset| {
        if is_conditional {
            offset > condition_end
        } else {
            content[..offset].trim().is_empty()
        }
    })
}

/// Where `level(..)` stands in the attribute without `reason = ".."` in its parentheses.
fn without_reason(source: &Source, attribute: &Attribute, level: &str) -> Vec<usize> {
    let content = &source.code()[attribute.content.clone()];
    words(content, level)
        .filter_map(|offset| {
            let after = &content[offset + level.len()..];
            let open = attribute.content.start + offset + level.len() + spaces(after);
            source.code()[open..].starts_with('(').then_some(open)
        })
        .filter(|open| {
            let lints = bracketed(source.code(), *open).unwrap_or(*open..*open);
            let code = &source.code()[lints.clone()];
            !words(code, "reason")
                .any(|offset| has_text(&source.text()[lints.clone()][offset + "reason".len()..]))
        })
        .collect()
}

/// Whether ` = "text"` follows, and the text is not empty.
fn has_text(after_reason: &str) -> bool {
    after_reason
        .trim_start()
        .strip_prefix('=')
        .map(str::trim_start)
        .and_then(|value| value.strip_prefix('"'))
        .is_some_and(|text| !text.trim_start().starts_with('"'))
}

fn spaces(text: &str) -> usize {
    text.len() - text.trim_start().len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(text: &str) -> usize {
        violations(&Source::new("a.rs", text)).len()
    }

    #[test]
    fn an_ignored_test_is_reported() {
        assert_eq!(count("#[ignore]\nfn t() {}"), 1);
        assert_eq!(count("#[ignore = \"slow\"]\nfn t() {}"), 1);
        assert_eq!(count("#[cfg_attr(miri, ignore)]\nfn t() {}"), 1);
        assert_eq!(count("#[cfg_attr(miri, ignore = \"slow\")]\nfn t() {}"), 1);
    }

    #[test]
    fn ignore_elsewhere_is_another_word() {
        assert_eq!(count("#[cfg(ignore)] fn ignore() {} // #[ignore]"), 0);
        assert_eq!(count("#[cfg_attr(ignore, test)] fn f() {}"), 0);
    }

    #[test]
    fn an_exception_needs_a_reason() {
        assert_eq!(count("#[allow(dead_code)] fn f() {}"), 1);
        assert_eq!(count("#![allow(dead_code, reason = \"\")]"), 1);
        assert_eq!(count("#[expect(dead_code)] fn f() {}"), 1);
        assert_eq!(count("#[cfg_attr(miri, allow(dead_code))] fn f() {}"), 1);
        assert_eq!(
            count("#[allow(\n    dead_code,\n    reason = \"why\"\n)] fn f() {}"),
            0
        );
        assert_eq!(count("#[expect(dead_code, reason = \"why\")] fn f() {}"), 0);
    }

    #[test]
    fn a_reason_inside_another_string_does_not_count() {
        assert_eq!(count("#[allow(a)] #[doc = \"reason = \"] fn f() {}"), 1);
    }

    #[test]
    fn functions_called_expect_are_not_lints() {
        assert_eq!(count("fn f() { x.expect(\"y\"); allow(1); }"), 0);
    }
}
