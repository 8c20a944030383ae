//! Compact traces.

use guira_trace::{Trace, compact};

/// Reads the bytes as a compact trace: compressed if the first one is even, else to be compressed first.
///
/// # Panics
/// When a trace that was read is not read again from what it is written as.
pub fn trace(bytes: &[u8]) {
    let Some((&choice, content)) = bytes.split_first() else {
        return;
    };
    let read = if choice & 1 == 0 {
        compact::decode(content)
    } else {
        let Ok(compressed) = zstd::encode_all(content, 1) else {
            return;
        };
        compact::decode(&compressed)
    };
    if let Ok(trace) = read
        && trace.accesses().len() < 64
    {
        let again = compact::encode(&trace).expect("memory for 64 accesses");
        let again: Trace = compact::decode(&again).expect("just written");
        assert_eq!(again.accesses(), trace.accesses());
    }
}
