//! Command lines.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// Reads the bytes as the arguments of `guira`, one a line; runs nothing.
pub fn command(bytes: &[u8]) {
    let arguments = bytes.split(|&byte| byte == b'\n').take(16).map(OsStr::from_bytes);
    let line = std::iter::once(OsStr::new("guira")).chain(arguments);
    if let Err(error) = guira_cli::parse(line) {
        // What a user would see.
        let _ = error.render().to_string();
    }
}
