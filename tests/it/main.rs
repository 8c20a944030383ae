//! Integration tests, one binary: a module for each subject.
#![forbid(unsafe_code)]

/// Every operation, from one thread, on files and on private memory.
mod operations;
/// Random sequences against a plain map.
mod oracle;
/// Threads of one process against each other.
mod threads;
