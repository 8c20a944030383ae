//! A small reading of Rust's tokens: enough to tell code, comments and literals apart.

use std::ops::Range;

use super::is_word_byte;

/// The code view and the comment view of `text`.
pub(super) fn views(text: &[u8]) -> (String, String) {
    let mut code = blank(text);
    let mut comments = code.clone();
    let mut at = 0;
    while at < text.len() {
        let end;
        if text[at..].starts_with(b"//") {
            end = line_end(text, at);
            comments[at..end].copy_from_slice(&text[at..end]);
        } else if text[at..].starts_with(b"/*") {
            end = block_comment_end(text, at);
            comments[at..end].copy_from_slice(&text[at..end]);
        } else if is_word_byte(text[at]) {
            end = word_end(text, at);
            code[at..end].copy_from_slice(&text[at..end]);
            // A raw string's hashes belong to it: `r#"` must not be read as `"`.
            if matches!(&text[at..end], b"r" | b"br" | b"cr")
                && let Some((open, close)) = raw_string(text, end)
            {
                code[open] = b'"';
                code[close.start] = b'"';
                at = close.end;
                continue;
            }
        } else if text[at] == b'"' {
            end = quoted_end(text, at, b'"');
            code[at] = b'"';
            code[end - 1] = b'"';
        } else if text[at] == b'\'' && is_char_literal(text, at) {
            end = quoted_end(text, at, b'\'');
            code[at] = b'\'';
            code[end - 1] = b'\'';
        } else {
            end = at + 1;
            code[at] = text[at];
        }
        at = end;
    }
    (ascii(code), ascii(comments))
}

/// Spaces of the same length, with the lines kept.
fn blank(text: &[u8]) -> Vec<u8> {
    text.iter()
        .map(|byte| if *byte == b'\n' { b'\n' } else { b' ' })
        .collect()
}

/// Bytes beyond ASCII become `?`, so that offsets stay valid; that they exist is another rule's matter.
fn ascii(bytes: Vec<u8>) -> String {
    bytes
        .into_iter()
        .map(|byte| if byte.is_ascii() { char::from(byte) } else { '?' })
        .collect()
}

fn line_end(text: &[u8], from: usize) -> usize {
    position(text, from, |byte| byte == b'\n')
}

fn word_end(text: &[u8], from: usize) -> usize {
    position(text, from, |byte| !is_word_byte(byte))
}

fn position(text: &[u8], from: usize, is_end: impl Fn(u8) -> bool) -> usize {
    text[from..]
        .iter()
        .position(|byte| is_end(*byte))
        .map_or(text.len(), |offset| from + offset)
}

fn block_comment_end(text: &[u8], from: usize) -> usize {
    let mut depth = 0_usize;
    let mut at = from;
    while at < text.len() {
        if text[at..].starts_with(b"/*") {
            depth += 1;
            at += 2;
        } else if text[at..].starts_with(b"*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += 1;
        }
    }
    text.len()
}

/// For what follows an `r`: the offset of the opening quote, and the closing quote with its hashes.
fn raw_string(text: &[u8], from: usize) -> Option<(usize, Range<usize>)> {
    let open = position(text, from, |byte| byte != b'#');
    if text.get(open) != Some(&b'"') {
        return None;
    }
    let hashes = open - from;
    let mut close = open + 1;
    loop {
        close = position(text, close, |byte| byte == b'"');
        let end = close + 1 + hashes;
        if end > text.len() {
            return None;
        }
        if text[close + 1..end].iter().all(|byte| *byte == b'#') {
            return Some((open, close..end));
        }
        close += 1;
    }
}

fn quoted_end(text: &[u8], open: usize, quote: u8) -> usize {
    let mut at = open + 1;
    while at < text.len() {
        match text[at] {
            b'\\' => at += 2,
            byte if byte == quote => return at + 1,
            _ => at += 1,
        }
    }
    text.len()
}

/// `'x'` and `'\n'` are literals, `'static` and `'a,` are not.
fn is_char_literal(text: &[u8], open: usize) -> bool {
    match text.get(open + 1) {
        None => false,
        Some(b'\\') => true,
        Some(first) => {
            let width = match first {
                0xf0.. => 4,
                0xe0.. => 3,
                0xc0.. => 2,
                _ => 1,
            };
            text.get(open + 1 + width) == Some(&b'\'')
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> String {
        views(text.as_bytes()).0
    }

    #[test]
    fn comments_and_literals_are_not_code() {
        assert_eq!(code("a // b\nc"), "a     \nc");
        assert_eq!(code("a /* b /* c */ d */ e"), "a                   e");
        assert_eq!(code(r#"f("x\"y", 'z', '\'')"#), r#"f("    ", ' ', '  ')"#);
        assert_eq!(code("b\"x\" c\"y\" b'z'"), "b\" \" c\" \" b' '");
    }

    #[test]
    fn raw_strings_end_at_their_own_hashes() {
        assert_eq!(code(r###"r#"a "b" // c"# d"###), r###"r "          "  d"###);
        assert_eq!(code("r\"\\\" e"), "r\" \" e");
        assert_eq!(code("r#type x"), "r#type x");
    }

    #[test]
    fn lifetimes_are_code() {
        assert_eq!(code("&'a str, 'static"), "&'a str, 'static");
        assert_eq!(code("'label: loop {}"), "'label: loop {}");
    }

    #[test]
    fn an_unfinished_literal_ends_with_the_file() {
        assert_eq!(code("x \"abc"), "x \"  \"");
        assert_eq!(code("x /* abc"), "x       ");
        assert_eq!(code("x r#\"abc"), "x r#\"  \"");
    }
}
