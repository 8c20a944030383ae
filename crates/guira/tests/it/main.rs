//! Integration tests of typed caches: one binary, a module for each subject.

#![forbid(unsafe_code)]

mod conformance;
mod counters;
mod kinds;
mod settings_of_caches;
