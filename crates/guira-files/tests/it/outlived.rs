//! Tables that are not to be believed: after a power failure, restored, copied, of another index.

use std::fs::File;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::Path;
use std::process::Command;
use std::sync::Barrier;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use guira_files::{Depot, DepotBuilder, Files, FilesError, Label, Source, Stub};
use guira_segment::{Expiry, Segment};

use crate::place::{MIB, Place, bytes, du_bytes, in_child};

const NEVER: Expiry = Expiry::never();
/// Words of the control page: another boot's id, then whether the table was in use or closed.
const BOOT_AT: u64 = 4096;
const STATE_AT: u64 = 4096 + 16;
const IN_USE: u64 = 1;
const CLOSED: u64 = 2;

/// Leaves the table as another boot had it.
fn outlive(directory: &Path, state: u64) {
    let table = directory.join("table.guira-files");
    let file = File::options().write(true).open(table).expect("a table");
    file.write_all_at(&[0x55; 16], BOOT_AT).expect("written");
    file.write_all_at(&state.to_le_bytes(), STATE_AT)
        .expect("written");
}

fn segment() -> Segment {
    Segment::builder().size(8 << 20).private().expect("made")
}

fn small() -> DepotBuilder {
    Depot::builder().limit_bytes(32 * MIB).max_files(64)
}

/// Copies as an administrator does.
fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").arg(from).arg(to).status();
    assert!(copied.expect("cp is there").success());
}

/// Writes a value and keeps its file; nobody names it yet.
fn write(depot: &Depot, segment: &Segment, key: &[u8], value: &[u8]) -> Stub {
    let held = depot
        .write(&Label::new(segment, key), Source::Bytes(value))
        .expect("written");
    let stub = held.stub();
    segment.put(key, &stub, NEVER).expect("stored");
    held.keep();
    Stub::parse(&stub).expect("a stub")
}

fn open_together(state: u64) {
    let segment = segment();
    for _ in 0..20 {
        let place = Place::new();
        drop(small().open_or_create(&place.path(), &segment).expect("made"));
        outlive(&place.path(), state);
        let barrier = Barrier::new(6);
        let depots: Vec<Depot> = std::thread::scope(|scope| {
            let open = || {
                barrier.wait();
                small().open_or_create(&place.path(), &segment).expect("open")
            };
            let workers: Vec<_> = (0..6).map(|_| scope.spawn(open)).collect();
            workers
                .into_iter()
                .map(|worker| worker.join().expect("it ends"))
                .collect()
        });
        write(&depots[0], &segment, b"key", &[1; 100_000]);
        let used: Vec<u64> = depots.iter().map(Depot::used_bytes).collect();
        assert!(
            used[0] > 0 && used.iter().all(|it| *it == used[0]),
            "one table for all: {used:?}"
        );
    }
}

#[test]
fn workers_that_start_together_after_a_power_failure_share_one_table() {
    open_together(IN_USE);
}

#[test]
fn workers_that_start_together_after_a_clean_stop_share_one_table() {
    open_together(CLOSED);
}

#[test]
fn a_look_after_a_power_failure_keeps_the_limit() {
    let place = Place::new();
    drop(place.files_of(&Files::builder().limit_bytes(64 * MIB).max_files(256)));
    outlive(&place.path(), IN_USE);
    let files = Files::builder().open(place.path()).expect("open");
    assert_eq!(files.stats().limit_bytes, 64 * MIB);
    assert_eq!(files.stats().max_files, 256);
}

/// A depot over what fifty files of an earlier index have left.
fn over_leftovers(place: &Place, segment: &Segment) -> Depot {
    let builder = Depot::builder().limit_bytes(64 * MIB).max_files(256);
    let old = self::segment();
    let depot = builder.open_or_create(&place.path(), &old).expect("made");
    for n in 0..50_u64 {
        write(&depot, &old, &n.to_le_bytes(), &vec![1; 1 << 20]);
    }
    drop(depot);
    builder.open_or_create(&place.path(), segment).expect("made anew")
}

#[test]
fn a_stream_over_leftovers_stays_within_the_limit() {
    let place = Place::new();
    let segment = segment();
    let depot = over_leftovers(&place, &segment);
    let mut from = std::io::Read::take(std::io::repeat(7), 50 << 20);
    let source = Source::Stream {
        from: &mut from,
        bytes_about: 0,
    };
    let held = depot
        .write(&Label::new(&segment, b"key"), source)
        .expect("written");
    held.keep();
    let du = du_bytes(&place.path());
    assert!((50 * MIB..=64 * MIB).contains(&du), "{du}");
}

#[test]
fn who_cannot_list_does_not_take_leftovers_for_gone() {
    let place = Place::new();
    let segment = segment();
    let depot = over_leftovers(&place, &segment);
    let child = in_child(|| {
        use nix::sys::resource::{Resource, setrlimit};
        setrlimit(Resource::RLIMIT_NOFILE, 256, 256).expect("lowered");
        let mut taken = Vec::new();
        while let Ok(file) = File::open("/dev/null") {
            taken.push(file);
        }
        let label = Label::new(&segment, b"key");
        let written = depot.write(&label, Source::Bytes(&[1; 100]));
        assert!(written.is_err(), "it has no descriptor");
    });
    let ended = nix::sys::wait::waitpid(child, None);
    assert_eq!(ended, Ok(nix::sys::wait::WaitStatus::Exited(child, 0)));
    for n in 0..50_u64 {
        write(&depot, &segment, &n.to_le_bytes(), &vec![1; 1 << 20]);
    }
    let du = du_bytes(&place.path());
    assert!((50 * MIB..=64 * MIB).contains(&du), "{du}");
}

#[test]
fn a_restored_directory_gives_no_other_keys_value() {
    let place = Place::new();
    let backup = place.outside("backup");
    let segment = segment();
    let get = |depot: &Depot, stub: &Stub| depot.bytes(stub).expect("readable");
    drop(small().open_or_create(&place.path(), &segment).expect("made"));
    copy(&place.path(), &backup);
    let restored = || {
        std::fs::remove_dir_all(place.path()).expect("removed");
        copy(&backup, &place.path());
        small().open_or_create(&place.path(), &segment).expect("open")
    };
    let depot = small().open_or_create(&place.path(), &segment).expect("open");
    let anna = write(&depot, &segment, b"account of anna", &[b'A'; 50_000]);
    drop(depot);
    // The segment in memory goes on. Values are as long, and numbered alike.
    let depot = restored();
    let cora = write(&depot, &segment, b"account of cora", &[b'C'; 50_000]);
    let changed = std::fs::metadata(place.path().join("table.guira-files"))
        .and_then(|it| it.modified())
        .expect("a time");
    // Once its time has passed for certain, a look settles for later ones.
    while changed.elapsed().is_ok_and(|it| it < Duration::from_millis(120)) {
        std::thread::yield_now();
    }
    for _ in 0..2 {
        assert!(get(&depot, &anna).is_none(), "of another life of the directory");
        assert!(get(&depot, &cora).is_some_and(|it| it == vec![b'C'; 50_000]));
    }
}

#[test]
fn a_table_copied_while_it_is_in_use_is_not_believed() {
    let place = Place::new();
    let files = place.files_of(&Files::builder().limit_bytes(200 * MIB).max_files(4096));
    let is_over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for seed in 0..2_u64 {
            let (is_over, files) = (&is_over, &files);
            scope.spawn(move || {
                for n in (seed << 40).. {
                    if is_over.load(Ordering::Relaxed) {
                        break;
                    }
                    let value = bytes(n, 5_000 + (n as usize * 7919) % 60_000);
                    files
                        .put(&(n % 3000).to_le_bytes(), &value, NEVER)
                        .expect("stored");
                }
            });
        }
        for round in 0..10 {
            let other = place.outside(&format!("copy {round}"));
            std::fs::create_dir(&other).expect("made");
            std::fs::set_permissions(&other, PermissionsExt::from_mode(0o700)).expect("ours");
            for name in ["index.guira", "table.guira-files"] {
                copy(&place.path().join(name), &other);
            }
            // What is in the middle of a change may be refused.
            if let Ok(other) = Files::builder().open(&other) {
                let stats = other.stats();
                assert_eq!((stats.used_bytes, stats.recorded_bytes), (0, 0), "it begins anew");
            }
        }
        is_over.store(true, Ordering::Relaxed);
    });
}

#[test]
fn who_looks_takes_no_directory_from_another_segment_and_nobody_takes_a_files_cache() {
    let place = Place::new();
    let (own, other) = (segment(), segment());
    let depot = small().open_or_create(&place.path(), &own).expect("made");
    let stub = write(&depot, &own, b"key", &[1; 50_000]);
    drop(depot);
    let looked = small().open(&place.path(), &other);
    assert!(
        matches!(looked, Err(FilesError::OtherSegment { .. })),
        "{looked:?}"
    );
    let depot = small().open(&place.path(), &own).expect("its own");
    assert!(depot.bytes(&stub).expect("readable").is_some());
    drop(depot);
    // Who makes it says that it is theirs from now on.
    let depot = small().open_or_create(&place.path(), &other).expect("taken");
    assert!(depot.bytes(&stub).expect("looked").is_none());
    drop(depot);

    let place = Place::new();
    let files = place.files();
    files.put(b"key", &bytes(1, 50_000), NEVER).expect("put");
    drop(files);
    let taken = small().open_or_create(&place.path(), &other);
    assert!(matches!(taken, Err(FilesError::NotOurs { .. })), "{taken:?}");
    assert!(place.files().get_bytes(b"key").expect("readable").is_some());
}
