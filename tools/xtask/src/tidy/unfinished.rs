//! Nothing unfinished is merged: no placeholder macro, no debugging macro, no note to oneself.
//!
//! A note that names an issue may stay: its word, then the number in parentheses, `(#12)`.

use super::Violation;
use super::source::{Source, words};

const RULE: &str = "unfinished";
const MACROS: &[(&str, &str)] = &[
    ("todo", "write it, or return an error that says what is missing"),
    (
        "unimplemented",
        "write it, or return an error that says what is missing",
    ),
    ("dbg", "remove it"),
];
const NOTES: &[&str] = &["FIXME", "TODO", "XXX"];

pub(crate) fn violations(source: &Source) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut report = |offset: usize, advice: String| {
        found.push(Violation {
            path: source.path().to_owned(),
            line: source.line_of(offset),
            rule: RULE,
            advice,
        });
    };
    for (name, what_to_do) in MACROS {
        for offset in words(source.code(), name) {
            if is_macro_call(&source.code()[offset + name.len()..]) {
                report(offset, format!("{name}! is not finished code: {what_to_do}"));
            }
        }
    }
    for note in NOTES {
        for offset in words(source.comments(), note) {
            if !names_an_issue(&source.comments()[offset + note.len()..]) {
                report(
                    offset,
                    format!("{note} in a comment: do it, or open an issue and write {note}(#number)"),
                );
            }
        }
    }
    found
}

fn is_macro_call(after_name: &str) -> bool {
    after_name
        .trim_start()
        .strip_prefix('!')
        .is_some_and(|rest| rest.trim_start().starts_with(['(', '[', '{']))
}

fn names_an_issue(after_note: &str) -> bool {
    after_note
        .strip_prefix("(#")
        .and_then(|rest| rest.split_once(')'))
        .is_some_and(|(number, _)| number.parse::<u32>().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(text: &str) -> usize {
        violations(&Source::new("a.rs", text)).len()
    }

    #[test]
    fn each_unfinished_macro_is_reported() {
        assert_eq!(count("fn f() { todo!() }"), 1);
        assert_eq!(count("fn f() { unimplemented! {} }"), 1);
        assert_eq!(count("fn f() { dbg![1]; std::todo!(\"x\") }"), 2);
    }

    #[test]
    fn names_and_strings_are_no_macros() {
        assert_eq!(count("let todo = 1; if todo != (2) {} my_todo!()"), 0);
        assert_eq!(count("let s = \"todo!() FIXME\"; // calls todo!() never"), 0);
    }

    #[test]
    fn a_note_needs_an_issue() {
        assert_eq!(count("// FIXME: later"), 1);
        assert_eq!(count("/* TODO(me) */ /// XXX"), 2);
        assert_eq!(count("// TODO(#12): later"), 0);
        assert_eq!(count("// a FIXMEUP is a word"), 0);
    }

    #[test]
    fn the_line_is_that_of_the_macro() {
        let found = violations(&Source::new("a.rs", "fn f() {\n    todo!()\n}"));
        assert_eq!(found[0].line, 2);
    }
}
