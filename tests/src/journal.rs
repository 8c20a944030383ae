//! Where workers write down what was wrong: a line each, kept if the worker is killed afterwards.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use guira_shm::sync::Ordering;

use crate::board::{Board, ROW_WRONG};

/// Lines that one worker writes; further ones are only counted.
const MAX_LINES: u64 = 40;

/// The journal of one thread of a worker.
#[derive(Debug)]
pub struct Journal<'b> {
    file: File,
    board: &'b Board,
    row: usize,
    writer: u64,
    lines: u64,
}

impl<'b> Journal<'b> {
    /// Opens the journal, making it if need be.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn open(path: &Path, board: &'b Board, row: usize, writer: u64) -> io::Result<Self> {
        Ok(Self {
            file: OpenOptions::new().append(true).create(true).open(path)?,
            board,
            row,
            writer,
            lines: 0,
        })
    }

    /// Something is wrong that must not be.
    pub fn wrong(&mut self, what: &str) {
        self.board
            .row_word(self.row, ROW_WRONG)
            .fetch_add(1, Ordering::Relaxed);
        self.note(what);
    }

    /// Something worth reading that is counted elsewhere.
    pub fn note(&mut self, what: &str) {
        self.lines += 1;
        if self.lines <= MAX_LINES {
            let line = format!("[{:x}] {what}\n", self.writer);
            // A journal that cannot be written does not change the count.
            let _ = self.file.write_all(line.as_bytes());
        }
    }
}

/// The first `count` lines of all workers.
#[must_use]
pub fn first_lines(path: &Path, count: usize) -> Vec<String> {
    std::fs::read_to_string(path)
        .unwrap_or_default()
        .lines()
        .take(count)
        .map(str::to_owned)
        .collect()
}
