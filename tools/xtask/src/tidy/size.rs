//! Small rooms: a file that grew too long is split, or says why it is long.

use super::Violation;
use super::source::Source;

const RULE: &str = "size";
/// Above this a file says why.
const LONG_LINES: usize = 500;
/// Above this no reason helps.
const MAX_LINES: usize = 900;
const REASON: &str = "//! Long because: ";

pub(crate) fn violations(source: &Source) -> Vec<Violation> {
    let lines = source.text().lines().count();
    let advice = if lines > MAX_LINES {
        format!("{lines} lines, more than {MAX_LINES}: split it into modules of one idea each")
    } else if lines > LONG_LINES && !says_why(source) {
        format!("{lines} lines, more than {LONG_LINES}: split it, or say in its module docs `{REASON}...`")
    } else {
        return Vec::new();
    };
    vec![Violation {
        path: source.path().to_owned(),
        line: lines,
        rule: RULE,
        advice,
    }]
}

fn says_why(source: &Source) -> bool {
    source.comments().lines().any(|line| {
        line.strip_prefix(REASON)
            .is_some_and(|why| !why.trim().is_empty())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn advice(text: &str) -> Vec<String> {
        violations(&Source::new("a.rs", text))
            .into_iter()
            .map(|violation| violation.advice)
            .collect()
    }

    #[test]
    fn up_to_500_lines_need_no_reason() {
        assert!(advice(&"x\n".repeat(500)).is_empty());
        assert!(advice(&"x\n".repeat(501))[0].contains("more than 500"));
    }

    #[test]
    fn a_reason_helps_up_to_900_lines() {
        let reason = "//! Long because: one table\n";
        assert!(advice(&format!("{reason}{}", "x\n".repeat(899))).is_empty());
        assert!(advice(&format!("{reason}{}", "x\n".repeat(900)))[0].contains("more than 900"));
    }

    #[test]
    fn an_empty_reason_is_none() {
        let text = format!("//! Long because: \n{}", "x\n".repeat(600));
        assert_eq!(advice(&text).len(), 1);
    }
}
