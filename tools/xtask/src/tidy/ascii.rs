//! Sources are ASCII: what a reader sees is what the compiler reads, in every terminal.

use super::Violation;

const RULE: &str = "ascii";

pub(crate) fn violations(path: &str, text: &str) -> Vec<Violation> {
    text.lines()
        .enumerate()
        .filter_map(|(index, line)| {
            let stranger = line.chars().find(|character| !character.is_ascii())?;
            Some(Violation {
                path: path.to_owned(),
                line: index + 1,
                rule: RULE,
                advice: format!(
                    "U+{:04X} is not ASCII: write it in ASCII, in a literal as \\u{{{:x}}}",
                    u32::from(stranger),
                    u32::from(stranger)
                ),
            })
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_beyond_ascii_is_reported_with_its_character() {
        let found = violations("a.rs", "fine\n\u{2014} dash\n");
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].line, 2);
        assert!(found[0].advice.contains("U+2014"));
        assert!(violations("a.rs", "fine\n").is_empty());
    }
}
