//! Tests of the files cache, one binary: a module for each subject.

#![forbid(unsafe_code)]

mod contract;
mod copies;
mod disks;
mod limits;
mod outlived;
mod place;
mod processes;
mod removed;
mod taking;
