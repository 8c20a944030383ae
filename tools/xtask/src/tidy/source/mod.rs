//! One Rust file in three views of equal length: the text, its code, its comments.
//!
//! The code view has spaces for comments and for what is inside literals (their quotes stay); the
//! comment view has spaces for everything else. Offsets and lines are the same in all three.

mod views;

use std::ops::Range;

use views::views;

/// A Rust file and its views.
#[derive(Debug)]
pub(crate) struct Source {
    path: String,
    text: String,
    code: String,
    comments: String,
}

/// An attribute, outer or inner.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Attribute {
    /// `#![..]` rather than `#[..]`.
    pub(crate) inner: bool,
    /// What is between the square brackets.
    pub(crate) content: Range<usize>,
}

impl Source {
    /// Reads `text` as the file at `path` (relative to the root, with `/`).
    pub(crate) fn new(path: impl Into<String>, text: impl Into<String>) -> Self {
        let text = text.into();
        let (code, comments) = views(text.as_bytes());
        Self {
            path: path.into(),
            text,
            code,
            comments,
        }
    }

    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    pub(crate) fn code(&self) -> &str {
        &self.code
    }

    pub(crate) fn comments(&self) -> &str {
        &self.comments
    }

    /// The line of `offset`, from 1.
    pub(crate) fn line_of(&self, offset: usize) -> usize {
        1 + self.text.as_bytes()[..offset]
            .iter()
            .filter(|byte| **byte == b'\n')
            .count()
    }

    /// The comments on `line` (from 1), as they stand in the text.
    pub(crate) fn comments_on(&self, line: usize) -> &str {
        self.comments.split('\n').nth(line - 1).unwrap_or("")
    }

    /// All attributes, in order.
    pub(crate) fn attributes(&self) -> Vec<Attribute> {
        let mut found = Vec::new();
        for (hash, _) in self.code.match_indices('#') {
            let after = &self.code[hash + 1..];
            let inner = after.starts_with('!');
            let open = hash + 1 + usize::from(inner);
            if self.code[open..].starts_with('[')
                && let Some(content) = bracketed(&self.code, open)
            {
                found.push(Attribute { inner, content });
            }
        }
        found
    }
}

/// Offsets at which `word` stands alone in `text`, not as a part of a longer identifier.
pub(crate) fn words<'a>(text: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let bytes = text.as_bytes();
    text.match_indices(word).filter_map(move |(start, _)| {
        let end = start + word.len();
        let continues = bytes.get(end).copied().is_some_and(is_word_byte);
        let continued = start > 0 && is_word_byte(bytes[start - 1]);
        (!continues && !continued).then_some(start)
    })
}

/// What is inside the bracket at `open` (one of `([{`), up to the one that closes it.
pub(crate) fn bracketed(code: &str, open: usize) -> Option<Range<usize>> {
    let mut depth = 0_usize;
    for (offset, byte) in code.bytes().enumerate().skip(open) {
        match byte {
            b'(' | b'[' | b'{' => depth += 1,
            b')' | b']' | b'}' => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return Some(open + 1..offset);
                }
            }
            _ => {}
        }
    }
    None
}

/// Whether `byte` can be part of an identifier.
pub(crate) fn is_word_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || !byte.is_ascii()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_views_keep_length_and_lines() {
        let text = "let x = \"\u{e9}\n\"; // \u{fc}\n/* a\nb */ y\n";
        let source = Source::new("a.rs", text);
        assert_eq!(source.code().len(), text.len());
        assert_eq!(source.comments().len(), text.len());
        let y = source.code().find('y').unwrap();
        assert_eq!(source.line_of(y), 4);
        assert_eq!(source.comments_on(3).trim(), "/* a");
    }

    #[test]
    fn attributes_are_found_with_their_content() {
        let source = Source::new("a.rs", "#![forbid(x)]\n#[a(b[1])] fn f() { x[0] }");
        let found: Vec<_> = source
            .attributes()
            .into_iter()
            .map(|a| (a.inner, &source.text()[a.content]))
            .collect();
        assert_eq!(found, [(true, "forbid(x)"), (false, "a(b[1])")]);
    }

    #[test]
    fn words_stand_alone() {
        assert_eq!(words("ab a_b b.b xb", "b").collect::<Vec<_>>(), [7, 9]);
    }
}
