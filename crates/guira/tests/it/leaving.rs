//! How a process with memoized functions leaves a file on disk: in order, however it ends in order.

use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::Command;

use guira::{Guira, cached};

/// Where the control page says whether the file was left in order.
const STATE: u64 = 4096;
const IN_USE: u64 = 1;
const CLEAN: u64 = 2;

const PATH: &str = "GUIRA_TEST_LEAVING";
const MANNER: &str = "GUIRA_TEST_LEAVING_BY";

#[cached(name = "square")]
fn square(n: u64) -> u64 {
    n * n
}

/// The process that leaves.
#[test]
fn child() {
    let Ok(path) = std::env::var(PATH) else {
        return;
    };
    let guira = Guira::builder()
        .size(8 << 20)
        .open(Path::new(&path))
        .expect("a file");
    guira.set_default();
    assert_eq!((square(7), square(7), square::bg(8)), (49, 49, 64));
    let named = Guira::clone(&guira);
    let cubes = named.memoize("cubes").cache(&named).function(|n: u64| n * n * n);
    assert_eq!(cubes.get(3), 27);
    drop(named);
    match std::env::var(MANNER).as_deref() {
        Ok("exit") => {
            drop(guira);
            std::mem::forget(cubes); // as a static is
            std::process::exit(0);
        }
        Ok("shutdown") => {
            drop(guira);
            guira::shutdown();
            assert_eq!(state(Path::new(&path)), CLEAN);
            assert_eq!((square(7), cubes.get(3)), (49, 27));
            assert_eq!(square::stats().unmemoized, 1);
            assert!(matches!(square::peek(7), Err(guira::Error::NoCache { .. })));
            assert_eq!(state(Path::new(&path)), CLEAN);
        }
        Ok("held") => std::mem::forget(guira),
        Ok("abort") => {
            drop(guira);
            std::process::abort();
        }
        _ => {}
    }
}

fn state(path: &Path) -> u64 {
    let mut bytes = [0; 8];
    let file = std::fs::File::open(path).expect("readable");
    file.read_exact_at(&mut bytes, STATE).expect("a control page");
    u64::from_le_bytes(bytes)
}

/// What a process leaves that ended in this manner.
fn left_by(manner: &str, path: &Path) -> u64 {
    let output = Command::new(std::env::current_exe().expect("a path"))
        .args(["--exact", "leaving::child", "--nocapture"])
        .env(PATH, path)
        .env(MANNER, manner)
        .output()
        .expect("it starts");
    assert_eq!(output.status.success(), manner != "abort", "{manner}: {output:?}");
    state(path)
}

#[test]
fn a_process_with_memoized_functions_leaves_its_file_in_order() {
    for manner in ["return", "exit", "shutdown"] {
        let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory on disk");
        let path = directory.path().join("app.guira");
        assert_eq!(left_by(manner, &path), CLEAN, "{manner}");
        // And again, over what is there.
        assert_eq!(left_by(manner, &path), CLEAN, "{manner}");
    }
}

#[test]
fn what_somebody_holds_to_the_end_is_put_in_order_by_the_next_process() {
    for manner in ["held", "abort"] {
        let directory = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory on disk");
        let path = directory.path().join("app.guira");
        assert_eq!(left_by(manner, &path), IN_USE, "{manner}");
        let guira = Guira::open(&path).expect("a file");
        assert_eq!(
            guira
                .cache::<u64, u64>("square")
                .metadata(&7)
                .expect("a key")
                .map(|_| ()),
            Some(())
        );
        drop(guira);
        assert_eq!(state(&path), CLEAN, "{manner}");
    }
}
