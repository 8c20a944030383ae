//! See `guira_tests::fuzzed::command`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| guira_tests::fuzzed::command(bytes));
