//! See `guira_tests::fuzzed::wire`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| guira_tests::fuzzed::wire(bytes));
