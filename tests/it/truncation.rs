//! Files that are cut while processes use them: nobody is ended by a signal, everybody is told, and
//! nobody sees what others invalidated.

use std::fs::File;
use std::path::Path;

use guira_segment::{Expiry, FaultKind, OpenError, Put, PutOptions, Segment, StoreError};

use crate::children::Child;
use crate::places::{SMALL_BYTES, file_in, in_memory, on_disk};

const PAGE_BYTES: u64 = 4096;

fn cut(path: &Path, bytes: u64) {
    let file = File::options().write(true).open(path).expect("writable");
    file.set_len(bytes).expect("cut");
}

fn lengths() -> impl Iterator<Item = u64> {
    let pages = SMALL_BYTES / PAGE_BYTES;
    [0, 1, 2, 3, 20, pages / 4, pages / 2, pages * 7 / 8]
        .into_iter()
        .map(|pages| pages * PAGE_BYTES)
}

fn new_segment(path: &Path) -> Segment {
    Segment::builder()
        .size(SMALL_BYTES)
        .create(path)
        .expect("a segment")
}

/// Uses the segment until this process notices that the file was cut; every answer must be right.
fn use_until_lost(segment: &Segment) {
    for n in 0..1_000_000_u32 {
        let key = n.to_le_bytes();
        match segment.put(&key, &key.repeat(50), Expiry::never()) {
            Ok(Put::Stored) => {}
            Err(StoreError::Truncated { size_bytes }) => {
                assert_eq!(size_bytes, SMALL_BYTES);
                return;
            }
            other => panic!("{other:?}"),
        }
    }
    panic!("a million puts did not touch what is lost");
}

#[test]
fn processes_that_are_at_work_when_the_file_is_cut_go_on_without_it() {
    let directories = [Some(in_memory()), on_disk()];
    for directory in directories.iter().flatten() {
        for bytes in lengths() {
            let path = file_in(directory);
            drop(new_segment(&path));
            let mut children: Vec<Child> = (0..2).map(|_| Child::with_segment(&path)).collect();
            let command = "exercise 5 60000";
            children.iter_mut().for_each(|child| child.tell(command));
            cut(&path, bytes);
            for child in &mut children {
                assert_eq!(child.answer_to(command), "right", "cut to {bytes}");
            }
            for child in &mut children {
                let put = child.ask("put-many 50000 200");
                assert!(put.contains("was truncated while it was open"), "{put}");
                assert_eq!(child.ask("get k"), "miss");
                assert_ne!(child.ask("damaged"), "0");
                assert_eq!(
                    child.ask("faults"),
                    format!("[Fault {{ kind: Truncated, offset: {bytes} }}]")
                );
                assert_eq!(child.ask("threads 20"), "0");
                assert_eq!(child.ask("close"), "closed");
            }
            std::fs::remove_file(&path).expect("there");
        }
    }
}

#[test]
fn without_the_handler_the_kernel_ends_the_process() {
    let directory = in_memory();
    let path = file_in(&directory);
    drop(new_segment(&path));
    let mut child = Child::start();
    assert_eq!(
        child.ask(&format!("open {} die-of-truncation", path.display())),
        "ok"
    );
    cut(&path, 0);
    child.tell("get k");
    assert_eq!(child.wait_for_signal(), Some(nix::sys::signal::Signal::SIGBUS));
}

#[test]
fn a_listing_of_values_that_meets_the_cut_is_not_taken_for_the_whole() {
    let directory = in_memory();
    for bytes in lengths() {
        let path = file_in(&directory);
        let segment = new_segment(&path);
        // More than there is room for: there are entries wherever it is cut.
        for key in 0..40_000_u32 {
            let key = key.to_le_bytes();
            segment.put(&key, &key.repeat(50), Expiry::never()).expect("room");
        }
        let mut entries = segment.all_entries().with_values();
        let first = entries.next().expect("many").expect("whole");
        cut(&path, bytes);
        let mut rest: Vec<_> = entries.collect();
        let end = rest.pop().expect("an error at least");
        assert!(matches!(end, Err(StoreError::Truncated { .. })), "{end:?}");
        for entry in rest.into_iter().map(|entry| entry.expect("one error is enough")) {
            assert_eq!(entry.value, entry.info.key.repeat(50));
            assert_ne!(entry.info.key, first.info.key);
        }
        std::fs::remove_file(&path).expect("there");
    }
}

#[test]
fn a_cut_that_a_look_finds_first_is_named_and_nothing_is_repaired() {
    let directory = in_memory();
    for bytes in lengths() {
        let path = file_in(&directory);
        let segment = new_segment(&path);
        segment.put(b"k", b"v", Expiry::never()).expect("room");
        cut(&path, bytes);
        let repaired = segment.repair();
        assert_eq!(repaired.found, repaired.left);
        let faults: Vec<_> = repaired.left.faults.iter().map(|fault| fault.kind).collect();
        assert_eq!(faults, [FaultKind::Truncated]);
        assert_eq!(repaired.left.faults[0].offset, bytes);
        drop(segment);
        let error = Segment::builder().open(&path).expect_err("it is short");
        let is_named = matches!(error, OpenError::Truncated { found_bytes, .. } if found_bytes == bytes)
            || matches!(error, OpenError::Foreign { .. } if bytes == 0);
        assert!(is_named, "{error}");
        std::fs::remove_file(&path).expect("there");
    }
}

#[test]
fn who_lost_the_file_stays_out_when_it_grows_again_and_opens_it_anew() {
    let directory = in_memory();
    let path = file_in(&directory);
    let segment = new_segment(&path);
    segment.put(b"k", b"old", Expiry::never()).expect("room");
    let content = std::fs::read(&path).expect("readable");
    let guard = segment.get(b"k").expect("just put");
    cut(&path, 0);
    assert_eq!(&*guard, [0; 3], "borrowed bytes that are gone are zeroes");
    assert!(segment.get(b"k").is_none());
    drop(guard);
    // What was there before: the same segment, with a value that may be old by now.
    let file = File::options().write(true).open(&path).expect("writable");
    std::os::unix::fs::FileExt::write_all_at(&file, &content, 0).expect("room");
    assert!(segment.get(b"k").is_none());
    assert!(matches!(
        segment.put(b"k", b"new", Expiry::never()),
        Err(StoreError::Truncated { .. })
    ));
    assert!(segment.namespace("names").is_err());
    assert_eq!(segment.verify().faults[0].kind, FaultKind::Truncated);
    let opened = Segment::builder().open(&path).expect("whole again");
    assert_eq!(opened.get(b"k").as_deref(), Some(b"old".as_slice()));
    opened.put(b"k", b"new", Expiry::never()).expect("room");
    assert_eq!(opened.get(b"k").as_deref(), Some(b"new".as_slice()));
}

#[test]
fn what_a_process_invalidates_after_it_lost_the_file_is_invalid_for_those_who_did_not() {
    let directory = in_memory();
    let invalidations: [fn(&Segment); 5] = [
        |segment| {
            segment.invalidate(b"k");
        },
        |segment| {
            segment.remove(b"k");
        },
        |segment| segment.invalidate_tag(b"t"),
        Segment::clear,
        Segment::clear_all,
    ];
    for invalidate in invalidations {
        let path = file_in(&directory);
        let lost = new_segment(&path);
        // Another mapping of the same file stands for another process.
        let other = Segment::builder().open(&path).expect("there");
        let tagged = PutOptions::default().tags(&[b"t"]);
        other.put_with(b"k", b"v", &tagged).expect("room");
        // The second half of the log is lost, and only one of the two touches it.
        cut(&path, SMALL_BYTES / 2);
        use_until_lost(&lost);
        // The put that met the cut was to replace something.
        assert!(other.get(b"k").is_none());
        other.put_with(b"k", b"v", &tagged).expect("room");
        assert_eq!(other.get(b"k").as_deref(), Some(b"v".as_slice()));
        invalidate(&lost);
        assert!(other.get(b"k").is_none());
        // And they go on.
        other.put(b"k", b"new", Expiry::never()).expect("room");
        assert_eq!(other.get(b"k").as_deref(), Some(b"new".as_slice()));
        std::fs::remove_file(&path).expect("there");
    }
}
