//! Mappings whose files are cut, in forked children, which a signal may end.

use super::Mark;
use crate::file::{MappedFile, OpenRules, open_checked};
use crate::sync::Ordering;
use crate::testing::{Child, spawn_child};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, raise, sigaction};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

const MARK: Mark = Mark {
    offset_bytes: 8192,
    value: 0x5eed,
};
const PAGE_BYTES: usize = 4096;

/// A file of non-zero bytes.
struct Sample {
    _directory: TempDir,
    path: PathBuf,
}

impl Sample {
    fn new(pages: usize) -> Sample {
        let directory = tempfile::tempdir_in("/dev/shm").expect("a directory in memory");
        let path = directory.path().join("sample");
        std::fs::write(&path, vec![7; pages * PAGE_BYTES]).expect("room");
        Sample {
            _directory: directory,
            path,
        }
    }

    fn map(&self) -> MappedFile {
        map(&self.path)
    }

    fn watched(&self) -> MappedFile {
        let mut file = self.map();
        file.outlive_truncation(MARK).expect("a free row");
        file
    }

    fn cut(&self, pages: usize) {
        let file = File::options().write(true).open(&self.path).expect("there");
        file.set_len((pages * PAGE_BYTES) as u64).expect("cut");
    }
}

fn map(path: &Path) -> MappedFile {
    let rules = OpenRules {
        allow_group_write: true,
        writable: true,
    };
    let file = open_checked(path, &rules).expect("ours");
    let len_bytes = file.len_bytes().expect("there");
    file.map(len_bytes).expect("mapped")
}

fn passes(part: impl FnOnce()) {
    assert_eq!(spawn_child(part).wait(), Some(0));
}

fn ends_by_sigbus(part: impl FnOnce()) {
    let child: Child = spawn_child(part);
    assert_eq!(child.wait_for_signal(), Some(Signal::SIGBUS));
}

#[test]
fn a_cut_mapping_becomes_marked_zeroes_as_a_whole() {
    // Below and above the size from which mappings are aligned.
    for pages in [8, 1024] {
        let sample = Sample::new(pages);
        passes(|| {
            let file = sample.watched();
            let region = file.region();
            assert_eq!(region.read_u64(PAGE_BYTES), 0x0707_0707_0707_0707);
            sample.cut(5);
            assert!(!file.is_lost());
            assert_eq!(region.read_u64(6 * PAGE_BYTES), 0);
            assert!(file.is_lost());
            for page in 0..pages {
                let expected = if page == 2 { MARK.value } else { 0 };
                assert_eq!(region.read_u64(page * PAGE_BYTES), expected, "page {page}");
            }
            region.write_u64(0, 9);
            assert_eq!(region.read_u64(0), 9);
        });
        let kept = File::open(&sample.path).expect("there");
        let mut first = [0; 8];
        kept.read_exact_at(&mut first, 0).expect("five pages are left");
        assert_eq!(first, [7; 8], "nothing reaches the file any more");
    }
}

#[test]
fn a_store_a_copy_and_an_exchange_of_lost_bytes_survive_too() {
    let uses: [fn(&MappedFile); 4] = [
        |file| file.region().write_u64(6 * PAGE_BYTES, 1),
        |file| file.region().copy_in(5 * PAGE_BYTES + 3, &[1; PAGE_BYTES]),
        |file| {
            let mut bytes = Vec::new();
            file.region().append_to(0, 8 * PAGE_BYTES, &mut bytes);
        },
        |file| {
            let word = file.region().word(7 * PAGE_BYTES);
            let _ = word.compare_exchange(7, 8, Ordering::SeqCst, Ordering::SeqCst); // alone
        },
    ];
    for used in uses {
        let sample = Sample::new(8);
        passes(|| {
            let file = sample.watched();
            sample.cut(2);
            used(&file);
            assert!(file.is_lost());
            assert_eq!(file.region().read_u64(MARK.offset_bytes), MARK.value);
        });
    }
}

#[test]
fn a_file_that_grows_again_is_not_come_back_to() {
    let sample = Sample::new(8);
    passes(|| {
        let file = sample.watched();
        sample.cut(0);
        assert_eq!(file.region().read_u64(0), 0);
        std::fs::write(&sample.path, vec![8; 8 * PAGE_BYTES]).expect("room");
        assert!(file.is_lost());
        assert_eq!(file.region().read_u64(3 * PAGE_BYTES), 0);
        // Who maps it anew has the new bytes.
        assert_eq!(sample.watched().region().read_u64(0), 0x0808_0808_0808_0808);
    });
}

#[test]
fn a_forked_child_is_out_as_its_parent_is_and_survives_a_cut_on_its_own() {
    for cut_before_fork in [true, false] {
        let sample = Sample::new(8);
        passes(|| {
            let file = sample.watched();
            let read_lost = || file.region().read_u64(7 * PAGE_BYTES);
            if cut_before_fork {
                sample.cut(1);
                read_lost();
            }
            let child = spawn_child(|| {
                sample.cut(1);
                assert_eq!(read_lost(), 0);
                assert!(file.is_lost());
            });
            assert_eq!(child.wait(), Some(0));
            assert_eq!(file.is_lost(), cut_before_fork);
            assert_eq!(read_lost(), 0);
            assert!(file.is_lost());
        });
    }
}

#[test]
fn threads_that_meet_the_cut_at_once_all_survive() {
    for _ in 0..50 {
        let sample = Sample::new(64);
        passes(|| {
            let file = sample.watched();
            let region = file.region();
            let barrier = std::sync::Barrier::new(5);
            std::thread::scope(|scope| {
                for thread in 0..4 {
                    let barrier = &barrier;
                    scope.spawn(move || {
                        barrier.wait();
                        // Until this thread has seen that the bytes are gone.
                        let mut page = thread * 16;
                        while region.read_u64(page * PAGE_BYTES) == 0x0707_0707_0707_0707 {
                            page = (page + 1) % 64;
                        }
                        assert_eq!(region.read_u64(MARK.offset_bytes), MARK.value);
                    });
                }
                barrier.wait();
                sample.cut(3);
            });
        });
    }
}

#[test]
fn without_a_watch_a_cut_file_ends_the_process() {
    let (watched, other) = (Sample::new(8), Sample::new(8));
    ends_by_sigbus(|| {
        let file = other.map();
        other.cut(1);
        file.region().read_u64(4 * PAGE_BYTES);
    });
    // The handler is there, but not for this mapping; nor for one whose watch has ended.
    ends_by_sigbus(|| {
        drop(watched.watched());
        let file = watched.map();
        watched.cut(1);
        file.region().read_u64(4 * PAGE_BYTES);
    });
}

#[test]
fn a_signal_that_somebody_sends_ends_the_process() {
    let sample = Sample::new(8);
    ends_by_sigbus(|| {
        // The standard library's own handler, which looks for stack overflows, would only step aside.
        let default = SigAction::new(SigHandler::SigDfl, SaFlags::empty(), SigSet::empty());
        // SAFETY: no handler runs.
        unsafe { sigaction(Signal::SIGBUS, &default) }.expect("set");
        let _file = sample.watched();
        raise(Signal::SIGBUS).expect("sent");
        panic!("the signal was swallowed");
    });
}

extern "C" fn leave_with_42(_signal: libc::c_int) {
    // SAFETY: ends this process, at once.
    unsafe { libc::_exit(42) }
}

extern "C" fn leave_with_code(_signal: libc::c_int, info: *mut libc::siginfo_t, _context: *mut libc::c_void) {
    // SAFETY: the kernel hands over a whole siginfo.
    let code = unsafe { (*info).si_code };
    // SAFETY: ends this process, at once.
    unsafe { libc::_exit(100 + code) }
}

#[test]
fn the_handler_that_was_there_before_gets_what_is_not_ours() {
    let handlers = [
        (SigHandler::Handler(leave_with_42), SaFlags::empty(), 42),
        (
            SigHandler::SigAction(leave_with_code),
            SaFlags::SA_SIGINFO,
            102, // 100 and BUS_ADRERR
        ),
    ];
    for (handler, flags, code) in handlers {
        let (ours, other) = (Sample::new(8), Sample::new(8));
        let child = spawn_child(|| {
            let action = SigAction::new(handler, flags, SigSet::empty());
            // SAFETY: the handler only leaves the process.
            unsafe { sigaction(Signal::SIGBUS, &action) }.expect("installed");
            let file = ours.watched();
            ours.cut(1);
            assert_eq!(file.region().read_u64(4 * PAGE_BYTES), 0);
            let foreign = other.map();
            other.cut(1);
            foreign.region().read_u64(4 * PAGE_BYTES);
        });
        assert_eq!(child.wait(), Some(code));
    }
}

#[test]
fn a_signal_that_was_ignored_stays_ignored() {
    let sample = Sample::new(8);
    passes(|| {
        let ignored = SigAction::new(SigHandler::SigIgn, SaFlags::empty(), SigSet::empty());
        // SAFETY: no handler runs.
        unsafe { sigaction(Signal::SIGBUS, &ignored) }.expect("ignored");
        let _file = sample.watched();
        raise(Signal::SIGBUS).expect("sent");
    });
}

#[test]
fn rows_are_used_again_and_more_mappings_than_rows_are_an_error() {
    let sample = Sample::new(4);
    passes(|| {
        for _ in 0..3_000 {
            sample.watched();
        }
        let mut held = Vec::new();
        let refused = loop {
            let mut file = sample.map();
            match file.outlive_truncation(MARK) {
                Ok(()) => held.push(file),
                Err(error) => break error.to_string(),
            }
            assert!(held.len() < 5_000);
        };
        assert!(refused.contains("too many mappings"), "{refused}");
        held.truncate(held.len() / 2);
        let file = sample.watched();
        sample.cut(0);
        assert_eq!(file.region().read_u64(0), 0);
        assert!(file.is_lost());
        assert!(!held[0].is_lost());
    });
}
