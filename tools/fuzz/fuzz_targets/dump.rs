//! See `guira_tests::fuzzed::dump`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| guira_tests::fuzzed::dump(bytes));
