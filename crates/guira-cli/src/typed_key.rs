//! Typed keys, as people write and read them: JSON.

use guira::key::KeyItem;
use serde_json::Value;

use crate::error::CliError;

/// What a key stands for; `None` if it is no typed key.
pub(crate) fn show(key: &[u8]) -> Option<String> {
    KeyItem::of_bytes(key).ok().map(|item| item.to_string())
}

/// As [`show`], for programs.
pub(crate) fn to_json(key: &[u8]) -> Option<Value> {
    serde_json::from_str(&show(key)?).ok()
}

/// The key of a call with `arguments`: one argument as it is, several as a list; `None` without any.
pub(crate) fn of_arguments(arguments: &[String]) -> Result<Option<Vec<u8>>, CliError> {
    let mut items = arguments
        .iter()
        .map(|argument| item_of(argument))
        .collect::<Result<Vec<_>, _>>()?;
    let item = match items.len() {
        0 => return Ok(None),
        1 => items.remove(0),
        _ => KeyItem::List(items),
    };
    key_of(&item).map(Some)
}

fn item_of(json: &str) -> Result<KeyItem, CliError> {
    parse(json).map_err(CliError::Usage)
}

/// What `json` stands for.
pub(crate) fn parse(json: &str) -> Result<KeyItem, String> {
    serde_json::from_str(json).map_err(|error| {
        format!("{json:?} is no key in JSON: {error}; text is written '\"plum\"', quotes included")
    })
}

fn key_of(item: &KeyItem) -> Result<Vec<u8>, CliError> {
    match item.to_bytes() {
        Ok(bytes) => Ok(bytes.to_vec()),
        Err(error) => Err(CliError::Usage(format!("{item} is no key: {error}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use guira::key::KeyBytes;

    fn key_of_arguments(arguments: &[&str]) -> Vec<u8> {
        let arguments: Vec<String> = arguments.iter().map(|&argument| argument.to_owned()).collect();
        of_arguments(&arguments)
            .expect("they are JSON")
            .expect("there are some")
    }

    #[test]
    fn arguments_have_the_key_that_a_call_with_them_has() {
        let key = |bytes: Result<KeyBytes, guira::KeyError>| bytes.expect("it has an encoding").to_vec();
        assert_eq!(key_of_arguments(&["7"]), key(KeyBytes::of(&7_u64)));
        assert_eq!(
            key_of_arguments(&["7", "\"plum\""]),
            key(KeyBytes::of(&(7, "plum")))
        );
        assert_eq!(key_of_arguments(&["[7, -2]"]), key(KeyBytes::of(&[7, -2])));
        assert_eq!(key_of_arguments(&["[]"]), key(KeyBytes::of(&())));
        assert!(matches!(of_arguments(&[]), Ok(None)));
    }

    #[test]
    fn what_is_no_json_is_refused_with_a_word_on_quotes() {
        let error = of_arguments(&["plum".to_owned()]).expect_err("it has no quotes");
        assert!(error.to_string().contains("quotes included"), "{error}");
    }

    #[test]
    fn bytes_that_are_no_typed_key_are_not_shown_as_one() {
        assert_eq!(show(b"user:7"), None);
        assert_eq!(to_json(&[0x41, 7]), Some(Value::from(7)));
    }
}
