//! What a fork does to a process's hold on a segment: the child has its parent's memory, and must
//! have none of its parent's rights.

use std::io::{PipeReader, PipeWriter, Read, Write, pipe};
use std::os::fd::AsRawFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use guira_shm::sync::{AtomicBool, Ordering};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, Uid, close, fork, geteuid, setuid};
use tempfile::TempDir;

use crate::{Expiry, FileError, Flight, OpenError, Put, Segment, SegmentBuilder, StoreError, ValueRef};

/// A forked process; killed and reaped when dropped.
struct Forked(Pid);

impl Forked {
    /// Runs `part` in a child, which then exits: with 0 if it was true, 1 if not, 101 if it panicked.
    fn run(part: impl FnOnce() -> bool) -> Self {
        // SAFETY: the child uses this thread's memory only and leaves by `_exit`; the C library keeps
        // its allocator usable in a forked child.
        match unsafe { fork() }.expect("fork") {
            ForkResult::Parent { child } => Self(child),
            ForkResult::Child => {
                let code = catch_unwind(AssertUnwindSafe(part)).map_or(101, |passed| i32::from(!passed));
                // SAFETY: ends the child at once, running none of the parent's exit handlers.
                unsafe { libc::_exit(code) }
            }
        }
    }

    /// Whether `part` is true in a child; a child that hangs fails the test.
    fn passes(part: impl FnOnce() -> bool) -> bool {
        Self::run(part).end_well()
    }

    /// Waits for its end; whether it was true.
    fn end_well(self) -> bool {
        let deadline = Instant::now() + Duration::from_secs(60);
        loop {
            match waitpid(self.0, Some(WaitPidFlag::WNOHANG)).expect("our child") {
                WaitStatus::StillAlive => {
                    assert!(Instant::now() < deadline, "the child hangs");
                    std::thread::yield_now();
                }
                status => {
                    std::mem::forget(self);
                    return matches!(status, WaitStatus::Exited(_, 0));
                }
            }
        }
    }
}

impl Drop for Forked {
    fn drop(&mut self) {
        kill(self.0, Signal::SIGKILL).expect("not reaped yet");
        waitpid(self.0, None).expect("our child");
    }
}

/// Two ends that survive a fork: a child closes the one it does not use.
struct Wire {
    reader: PipeReader,
    writer: PipeWriter,
}

impl Wire {
    fn new() -> Self {
        let (reader, writer) = pipe().expect("a pipe");
        Self { reader, writer }
    }

    fn signal(&self) {
        (&self.writer).write_all(b"x").expect("somebody listens");
    }

    /// Waits for a signal, or for the end of all who could give one.
    fn wait(&self) {
        let mut byte = [0];
        let _ = (&self.reader).read(&mut byte);
    }

    /// In a child that only waits.
    fn close_writer(&self) {
        close(self.writer.as_raw_fd()).expect("open");
    }
}

fn made(builder: &SegmentBuilder) -> (TempDir, Segment) {
    let directory = tempfile::tempdir_in("/dev/shm").expect("a directory in memory");
    let segment = builder.create(directory.path().join("s")).expect("a segment");
    segment.put(b"k", b"v", Expiry::never()).expect("room");
    (directory, segment)
}

fn small() -> SegmentBuilder {
    Segment::builder().size(8 << 20)
}

fn has(segment: &Segment, key: &[u8], value: &[u8]) -> bool {
    segment.get(key).as_deref() == Some(value)
}

/// Drops a forked copy of what the parent goes on using.
fn drop_copy<T>(value: &T) {
    // SAFETY: called in a child, which owns a copy of all memory and ends by `_exit`, so this copy
    // is dropped once.
    drop(unsafe { std::ptr::read(value) });
}

/// Writes several times what fits.
fn churn(segment: &Segment) {
    for n in 0..60_000_u32 {
        segment
            .put(&n.to_le_bytes(), &[7; 400], Expiry::never())
            .expect("room");
    }
}

#[test]
fn a_forked_child_attaches_as_a_process_of_its_own_on_its_first_operation() {
    let (_directory, segment) = made(&small());
    let parents = segment.shared.attach().expect("attached");
    assert!(Forked::passes(|| {
        let before = segment.shared.attachment.id() == 0 && segment.stats().processes == 1;
        let works = has(&segment, b"k", b"v") && segment.put(b"c", b"w", Expiry::never()) == Ok(Put::Stored);
        let own = segment.shared.attach().expect("attached");
        before
            && works
            && segment.stats().processes == 2
            && (own.id, own.record) != (parents.id, parents.record)
            && segment.recover() == 0
    }));
    assert!(has(&segment, b"c", b"w"));
    assert_eq!(segment.recover(), 1, "the child ended without leaving");
    assert_eq!(segment.stats().processes, 1);
    let same = segment.shared.attach().expect("attached");
    assert_eq!(same.id, parents.id, "the parent's hold is what it was");
    assert!(segment.verify().is_clean());
}

#[test]
fn grandchildren_and_siblings_are_all_processes_of_their_own() {
    let (_directory, segment) = made(&small());
    assert!(Forked::passes(|| {
        segment.put(b"1", b"child", Expiry::never()).is_ok()
            && Forked::passes(|| {
                segment.put(b"2", b"grandchild", Expiry::never()).is_ok()
                    && Forked::passes(|| has(&segment, b"2", b"grandchild") && segment.stats().processes == 4)
            })
            && has(&segment, b"2", b"grandchild")
    }));
    // A grandchild of a child that never used the segment.
    assert!(Forked::passes(|| Forked::passes(|| has(
        &segment, b"1", b"child"
    ))));
    segment.recover();
    assert_eq!(segment.stats().processes, 1);
}

#[test]
fn the_parent_is_not_taken_for_dead_after_a_child_closed_its_lock() {
    let (directory, segment) = made(&small());
    let guard = segment.get(b"k").expect("there");
    for _ in 0..3 {
        assert!(Forked::passes(|| has(&segment, b"k", b"v")));
    }
    let other = Segment::builder().open(directory.path().join("s")).expect("open");
    other.recover();
    assert_eq!(other.stats().processes, 2, "the parent and the other handle");
    assert_eq!(other.stats().guards, 1);
    drop(guard);
    assert_eq!(other.stats().guards, 0);
}

#[test]
fn a_guard_is_the_parents_alone() {
    let (_directory, segment) = made(&small());
    let guard: ValueRef<'_> = segment.get(b"k").expect("there");
    assert!(guard.is_borrowed());
    let panics = || catch_unwind(AssertUnwindSafe(|| guard.len())).is_err();
    assert!(Forked::passes(panics), "used before the child's first operation");
    assert!(
        Forked::passes(|| has(&segment, b"k", b"v") && panics()),
        "used after it"
    );
    assert!(Forked::passes(|| {
        drop_copy(&guard);
        has(&segment, b"k", b"v")
    }));
    assert!(Forked::passes(|| {
        let own = segment.get(b"k").expect("there");
        drop_copy(&guard);
        own.is_borrowed() && &*own == b"v"
    }));
    segment.recover();
    assert_eq!(segment.stats().guards, 1, "no child touched the parent's pin");
    assert!(segment.remove(b"k"));
    churn(&segment);
    assert_eq!(&*guard, b"v");
    drop(guard);
    assert_eq!(segment.stats().guards, 0);
}

#[test]
fn a_child_that_never_uses_the_segment_leaves_no_trace() {
    let (directory, segment) = made(&small());
    assert!(Forked::passes(|| true));
    assert!(Forked::passes(|| {
        drop_copy(&segment);
        true
    }));
    let other = Segment::builder().open(directory.path().join("s")).expect("open");
    assert_eq!(other.recover(), 0);
    assert_eq!(other.stats().processes, 2);
    assert!(has(&segment, b"k", b"v"));
    assert!(other.put(b"k", b"w", Expiry::never()).is_ok());
    assert!(has(&segment, b"k", b"w"));
}

#[test]
fn a_child_that_used_the_segment_can_leave_in_order() {
    let (_directory, segment) = made(&small());
    assert!(Forked::passes(|| {
        let used = segment.put(b"c", b"w", Expiry::never()).is_ok();
        drop_copy(&segment);
        used
    }));
    assert_eq!(segment.stats().processes, 1, "the child detached");
    assert_eq!(segment.recover(), 0);
    assert!(has(&segment, b"c", b"w"));
}

#[test]
fn a_dead_parents_hold_is_given_back_although_its_child_keeps_the_lock() {
    let (directory, segment) = made(&small().max_processes(4));
    let path = directory.path().join("s");
    let (ready, end) = (Wire::new(), Wire::new());
    let parent = Forked::run(|| {
        let own = Segment::builder().open(&path).expect("open");
        let _guard = own.get(b"k").expect("there");
        let child = Forked::run(|| {
            // Keeps every descriptor, uses nothing.
            end.close_writer();
            ready.signal();
            end.wait();
            true
        });
        std::mem::forget(child);
        end.close_writer();
        end.wait();
        true
    });
    ready.wait();
    assert_eq!(segment.stats().guards, 1);
    assert_eq!(segment.recover(), 0, "the parent lives");
    drop(parent);
    assert_eq!(
        segment.recover(),
        1,
        "the lock is held, but by nobody who uses the segment"
    );
    assert_eq!(segment.recover(), 0);
    let stats = segment.stats();
    assert_eq!((stats.guards, stats.processes), (0, 1));
    let others: Vec<Segment> = (0..2)
        .map(|_| {
            Segment::builder()
                .open(&path)
                .expect("two records are free, one byte is not")
        })
        .collect();
    assert!(matches!(
        Segment::builder().open(&path),
        Err(OpenError::TooManyProcesses { .. })
    ));
    drop(others);
    churn(&segment);
    assert!(segment.verify().is_clean());
    end.signal();
}

#[test]
fn children_forked_in_the_middle_of_other_threads_work_neither_hang_nor_spoil_it() {
    let (_directory, segment) = made(&small());
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for thread in 0..3_u32 {
            let (segment, stop) = (&segment, &stop);
            scope.spawn(move || {
                for n in (0_u32..).map(|n| n % 5_000) {
                    if stop.load(Ordering::Relaxed) {
                        return;
                    }
                    let key = [thread.to_le_bytes(), n.to_le_bytes()].concat();
                    segment.put(&key, &key.repeat(10), Expiry::never()).expect("room");
                    assert!(segment.get(&key).is_none_or(|value| *value == key.repeat(10)));
                    if n % 64 == 0 {
                        segment.invalidate(&key);
                    }
                }
            });
        }
        let passed = (0..60_u32).all(|n| {
            Forked::passes(|| {
                let key = [9, n as u8];
                // While it is not running the others may take the room of what it has put.
                let works = (0..100).any(|_| {
                    segment.put(&key, b"child", Expiry::never()) == Ok(Put::Stored)
                        && has(&segment, &key, b"child")
                        && segment.invalidate(&key)
                });
                works && segment.get(b"k").is_none_or(|value| *value == *b"v")
            })
        });
        stop.store(true, Ordering::Relaxed);
        assert!(passed);
    });
    segment.recover();
    assert_eq!(segment.stats().processes, 1);
    let verified = segment.verify();
    assert!(verified.is_clean(), "{:?}", verified.faults);
}

#[test]
fn a_flight_stays_the_parents() {
    let (_directory, segment) = made(&small());
    let token = segment.fill_token(b"f");
    let patience = Duration::from_secs(60);
    let Flight::Lead(lead) = segment.flight(b"f", &token, patience) else {
        panic!("nobody else is there")
    };
    assert!(Forked::passes(|| {
        drop_copy(&lead);
        let joins = matches!(segment.flight(b"f", &token, patience), Flight::Wait(_));
        drop_copy(&lead);
        joins
    }));
    assert_eq!(segment.stats().flights, 1);
    drop(lead);
    assert_eq!(segment.stats().flights, 0);
}

#[test]
fn a_child_without_a_record_is_told_so_and_does_no_harm() {
    let (_directory, segment) = made(&small().max_processes(1));
    let guard = segment.get(b"k").expect("there");
    assert!(Forked::passes(|| {
        let attached = segment.attach();
        let refused = matches!(attached, Err(OpenError::TooManyProcesses { records: 1, .. }));
        refused
            && segment.get(b"k").is_none()
            && !segment.get_into(b"k", &mut Vec::new())
            && segment.put(b"k", b"w", Expiry::never()) == Err(StoreError::NotAttached)
            && !segment.remove(b"k")
    }));
    assert!(has(&segment, b"k", b"v"));
    assert_eq!(&*guard, b"v");
    // What cannot fail does not: it reaches further instead.
    assert!(Forked::passes(|| !segment.invalidate(b"k")));
    assert!(segment.get(b"k").is_none());
}

#[test]
fn a_child_that_gave_up_its_rights_is_told_what_to_do() {
    if !geteuid().is_root() {
        let _ = writeln!(std::io::stderr(), "skipped: a change of user (needs root)");
        return;
    }
    let (directory, segment) = made(&small());
    let path = directory.path().join("s").display().to_string();
    assert!(Forked::passes(|| {
        setuid(Uid::from_raw(65_534)).expect("root may");
        let Err(error) = segment.attach() else {
            return false;
        };
        let message = error.to_string();
        matches!(error, OpenError::File(FileError::Reopen { .. }))
            && message.contains(&path)
            && message.contains("attach before giving up rights")
            && segment.put(b"k", b"w", Expiry::never()) == Err(StoreError::NotAttached)
            && segment.get(b"k").is_none()
    }));
    // Attached first, it may go on.
    assert!(Forked::passes(|| {
        segment.attach().expect("root may");
        setuid(Uid::from_raw(65_534)).expect("root may");
        segment.put(b"k", b"w", Expiry::never()) == Ok(Put::Stored) && has(&segment, b"k", b"w")
    }));
    assert!(has(&segment, b"k", b"w"));
}

#[test]
fn a_segment_on_private_memory_is_copied_by_a_fork() {
    let segment = small().private().expect("a private segment");
    segment.put(b"k", b"v", Expiry::never()).expect("room");
    assert!(Forked::passes(|| {
        has(&segment, b"k", b"v")
            && segment.put(b"k", b"w", Expiry::never()) == Ok(Put::Stored)
            && has(&segment, b"k", b"w")
    }));
    assert!(has(&segment, b"k", b"v"), "the child's writes are its own");
}

#[test]
fn a_child_forked_while_attachments_were_listed_begins_a_list_of_its_own() {
    let (_directory, segment) = made(&small());
    let own = segment.shared.attach().expect("attached");
    let parents = segment.shared.held(own.record, own.incarnation);
    let listing = super::ours::HELD.lock();
    assert!(listing.contains(&parents));
    assert!(Forked::passes(|| {
        let works = has(&segment, b"k", b"v");
        let own = segment.shared.attach().expect("attached");
        let childs = segment.shared.held(own.record, own.incarnation);
        works && super::ours::holds(&childs) && !super::ours::holds(&parents)
    }));
    drop(listing);
    assert!(super::ours::holds(&parents));
}
