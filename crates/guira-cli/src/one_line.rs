//! Messages in one line: scripts read standard error line by line.

/// All lines of a message as one.
pub(crate) fn joined(message: &str) -> String {
    message.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// What clap says of a bad command line, without its usage lines and advice.
pub(crate) fn usage_error(rendered: &str) -> String {
    let body = rendered.split("\n\nUsage:").next().unwrap_or(rendered);
    let body = body.split("\n\nFor more information").next().unwrap_or(body);
    let what = joined(
        &body
            .strip_prefix("error: ")
            .unwrap_or(body)
            .replace("\n\n  tip: ", "; "),
    );
    let usage = rendered
        .lines()
        .find_map(|line| line.strip_prefix("Usage: guira "))
        .and_then(|usage| usage.split_whitespace().next())
        .filter(|word| word.starts_with(|first: char| first.is_ascii_lowercase()));
    match usage {
        Some(command) => format!("{what}; see `guira {command} --help`"),
        None => format!("{what}; see `guira --help`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse;

    fn message_of(arguments: &[&str]) -> String {
        usage_error(
            &parse(arguments)
                .expect_err("a bad command line")
                .render()
                .to_string(),
        )
    }

    #[test]
    fn a_usage_error_is_one_line_that_says_where_help_is() {
        let missing = message_of(&["guira", "get", "/x"]);
        assert_eq!(
            missing,
            "the following required arguments were not provided: <KEY>; see `guira get --help`"
        );
        let hinted = message_of(&["guira", "put", "x", "k", "-5"]);
        assert!(
            hinted.contains("found; to pass '-5' as a value, use '-- -5'; see"),
            "{hinted}"
        );
        let unknown = message_of(&["guira", "gets"]);
        assert!(unknown.starts_with("unrecognized subcommand 'gets'"), "{unknown}");
        assert!(!unknown.contains('\n'));
    }

    #[test]
    fn line_ends_within_a_message_become_spaces() {
        assert_eq!(joined("a\n  b\tc"), "a b c");
    }
}
