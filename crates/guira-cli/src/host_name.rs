//! The name by which brokers and reports call a host.

use guira_bus::wire::MAX_HOST_BYTES;

/// A name of a host, as `--host-name` takes it.
pub(crate) fn parse_host_name(text: &str) -> Result<String, String> {
    if text.is_empty() || text.len() > MAX_HOST_BYTES {
        return Err(format!("a host's name has 1 to {MAX_HOST_BYTES} bytes"));
    }
    if text.chars().any(char::is_control) {
        return Err("a host's name has no control characters".to_owned());
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_short_and_can_be_printed() {
        assert_eq!(parse_host_name("web-1"), Ok("web-1".to_owned()));
        for text in ["", "a\nb", &"n".repeat(MAX_HOST_BYTES + 1)] {
            assert!(parse_host_name(text).is_err(), "{text:?}");
        }
    }
}
