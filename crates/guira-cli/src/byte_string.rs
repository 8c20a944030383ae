//! Keys, values and tags are bytes: how they are shown to people and to programs.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;

/// Bytes for programs: `{"text": ..}` where they are UTF-8, else `{"base64": ..}`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ByteString {
    Text(String),
    Base64(String),
}

impl ByteString {
    pub(crate) fn new(bytes: &[u8]) -> Self {
        match std::str::from_utf8(bytes) {
            Ok(text) => Self::Text(text.to_owned()),
            Err(_) => Self::Base64(STANDARD.encode(bytes)),
        }
    }
}

/// Bytes for people, in one line: text as it is, line ends, other control characters, backslashes
/// and what is no UTF-8 as escapes.
pub(crate) fn show_bytes(bytes: &[u8]) -> String {
    let mut shown = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        for character in chunk.valid().chars() {
            if character.is_control() || character == '\\' {
                shown.extend(character.escape_default());
            } else {
                shown.push(character);
            }
        }
        for byte in chunk.invalid() {
            shown.push_str(&format!("\\x{byte:02x}"));
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_text_and_the_rest_is_base64() {
        let json = |bytes: &[u8]| serde_json::to_string(&ByteString::new(bytes)).expect("serializes");
        assert_eq!(json(b"key"), r#"{"text":"key"}"#);
        assert_eq!(json(b""), r#"{"text":""}"#);
        assert_eq!(json(b"\xff\x00"), r#"{"base64":"/wA="}"#);
        assert_eq!(json(b"a\nb"), r#"{"text":"a\nb"}"#);
    }

    #[test]
    fn bytes_are_shown_in_one_line() {
        assert_eq!(show_bytes(b"user:7"), "user:7");
        assert_eq!(show_bytes("gr\u{fc}n".as_bytes()), "gr\u{fc}n");
        assert_eq!(show_bytes(b"a\nb\\c\xff"), "a\\nb\\\\c\\xff");
        assert_eq!(show_bytes(b"\x00"), "\\u{0}");
    }
}
