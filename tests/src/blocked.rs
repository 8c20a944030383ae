//! Which operations the kernel itself keeps waiting, mostly for a disk: a thread that faults a page of a
//! file in, or makes it writable, sleeps until the file system lets it.
//!
//! That is told from a wait for another process by the kind of sleep: whoever waits for a disk cannot
//! be interrupted, whoever waits for a process can. The kernel's own account of it is mostly switched
//! off, so the conductor looks every few milliseconds at those that take long.

use std::path::Path;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use guira_shm::sync::{AtomicU64, Ordering};

use crate::board::{Board, ROW_BEGAN_NS, ROW_BLOCKED_NS, ROW_CURRENT};
use crate::stopwatch::now_ns;

const LOOK_PERIOD: Duration = Duration::from_millis(5);
/// Operations that take less are not looked at.
const LONG_NS: u64 = 15_000_000;

/// The workers' processes, by number of the worker.
pub(crate) type WorkerPids = [AtomicU64];

/// Looks until `is_over` is closed.
pub(crate) fn watch(board: &Board, pids: &WorkerPids, threads: usize, is_over: &Receiver<()>) {
    let mut last_ns = now_ns();
    while is_over.recv_timeout(LOOK_PERIOD) == Err(RecvTimeoutError::Timeout) {
        let at_ns = now_ns();
        for row in 0..board.rows() {
            if !is_long(board, row, at_ns) {
                continue;
            }
            let own_rows = board.first_shared_row();
            let is_shared = row >= own_rows;
            let worker = if is_shared { row - own_rows } else { row / threads };
            let pid = pids.get(worker).map_or(0, |pid| pid.load(Ordering::Relaxed));
            let is_blocked = if is_shared {
                is_one_of_group_blocked(pid)
            } else {
                is_one_of_threads_blocked(pid)
            };
            if is_blocked {
                // Only this thread writes it.
                let blocked_ns = board.row_word(row, ROW_BLOCKED_NS);
                let sum_ns = blocked_ns.load(Ordering::Relaxed) + (at_ns - last_ns);
                blocked_ns.store(sum_ns, Ordering::Relaxed);
            }
        }
        last_ns = at_ns;
    }
}

fn is_long(board: &Board, row: usize, at_ns: u64) -> bool {
    board.row_word(row, ROW_CURRENT).load(Ordering::Relaxed) != 0
        && at_ns.saturating_sub(board.row_word(row, ROW_BEGAN_NS).load(Ordering::Relaxed)) > LONG_NS
}

/// Whether a thread of a process sleeps without being interruptible.
fn is_one_of_threads_blocked(pid: u64) -> bool {
    entries(Path::new(&format!("/proc/{pid}/task")))
        .filter_map(|task| Stat::read(&task))
        .any(|stat| stat.state == 'D')
}

/// The same of the processes that belong to a worker: those in its process group.
fn is_one_of_group_blocked(group: u64) -> bool {
    entries(Path::new("/proc"))
        .filter(|process| {
            let name = process.file_name().unwrap_or_default();
            name.as_encoded_bytes().iter().all(u8::is_ascii_digit)
        })
        .filter_map(|process| Stat::read(&process))
        .any(|stat| stat.state == 'D' && stat.group == group)
}

fn entries(directory: &Path) -> impl Iterator<Item = std::path::PathBuf> + use<> {
    // A process that is gone has none.
    let entries = std::fs::read_dir(directory).into_iter().flatten();
    entries.map_while(Result::ok).map(|entry| entry.path())
}

struct Stat {
    state: char,
    group: u64,
}

impl Stat {
    fn read(process: &Path) -> Option<Self> {
        Self::parse(&std::fs::read_to_string(process.join("stat")).ok()?)
    }

    /// State, parent and process group follow the name, which may hold anything.
    fn parse(text: &str) -> Option<Self> {
        let (_, rest) = text.rsplit_once(')')?;
        let mut fields = rest.split_ascii_whitespace();
        Some(Self {
            state: fields.next()?.chars().next()?,
            group: fields.nth(1)?.parse().ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn state_and_group_are_read_behind_any_name() {
        let stat = Stat::parse("12 (a ) R 7) D 3 41 5 0").expect("a line");
        assert_eq!((stat.state, stat.group), ('D', 41));
        assert!(Stat::parse("12 (a").is_none());
        let own = Stat::read(Path::new("/proc/self")).expect("this process");
        assert_eq!(own.group, nix::unistd::getpgrp().as_raw() as u64);
        assert!(!is_one_of_threads_blocked(0), "no such process");
    }
}
