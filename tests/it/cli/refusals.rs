//! What is refused, with which status and message.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{FileExt, PermissionsExt, symlink};

use super::Workplace;

/// The commands that need a segment.
const ON_A_SEGMENT: &[&str] = &[
    "put @ k v",
    "get @ k",
    "get @ k --meta",
    "rm @ k",
    "invalidate @ --key k",
    "keys @",
    "stat @",
    "verify @",
    "dump @ out.dump",
    "bench @ --seconds 0.01",
];

#[test]
fn wrong_usage_is_status_2_in_one_line() {
    let workplace = Workplace::new();
    let long_key = format!("put @ {} v", "k".repeat(4094));
    let long_tag = format!("put @ k v --tag {}", "t".repeat(256));
    let long_namespace = format!("get @ k --ns {}", "n".repeat(105));
    let many_tags = format!("put @ k v{}", " --tag t".repeat(17));
    for (line, part) in [
        ("nonsense", "nonsense"),
        ("get", "<PATH>"),
        ("get @", "<KEY>"),
        ("get @ k --nonsense", "--nonsense"),
        ("create other", "--size"),
        ("create other --size 8X", "8X"),
        ("create other --size -1", "-1"),
        ("create other --size 99999999999999999999", "99999999999999999999"),
        ("create other --size 1M", "8388608"),
        ("create other --size 8M --mode 0606", "mode"),
        ("create other --size 8M --mode rw", "rw"),
        ("create other --size 8M --index-entries x", "x"),
        ("put @ k v --ttl 0s", "lifetime"),
        ("put @ k v --ttl 5", "unit"),
        ("put @ k v --ttl 5x", "unit"),
        ("bench @ --mix 95", "95"),
        ("bench @ --mix 0:0", "0:0"),
        ("bench @ --seconds 0", "seconds"),
        ("bench @ --threads 0", "0"),
        ("bench @ --zipf 0", "exponent"),
        ("bench @ --keys 5 --trace t.keys", "cannot be used with"),
        ("demo --workers 0", "0"),
        ("demo --workers 1", "2..=256"),
        ("demo --trace t.unknown", "t.unknown"),
        ("completions nonsense", "nonsense"),
        (&long_key, "4094 bytes"),
        (&long_tag, "tag"),
        (&long_namespace, "105"),
        (&many_tags, "16"),
    ] {
        workplace.run(line).refused(2, part);
    }
    assert!(!workplace.file("other").exists());
    // Without any argument there is help, not a riddle.
    assert!(
        workplace
            .run_with("help", [""; 0])
            .done()
            .text()
            .contains("Usage: guira")
    );
}

#[test]
fn bad_requests_are_refused_before_the_segment_is_looked_at() {
    let workplace = Workplace::empty();
    for command in ["get @", "put @ --file /dev/null", "rm @", "invalidate @ --key"] {
        workplace.run_with(command, [""]).refused(2, "the key is empty");
    }
    workplace.run_with("keys @ --ns", [""]).refused(2, "namespace");
    workplace.run_with("invalidate @ --tag", [""]).refused(2, "tag");
}

#[test]
fn an_oversized_value_is_wrong_usage() {
    let workplace = Workplace::new();
    let file = File::create(workplace.file("huge")).expect("room");
    file.set_len(1 << 30).expect("a sparse file");
    workplace
        .run("put @ k --file huge")
        .refused(2, "values of at most");
    workplace
        .run("put @ k --file /dev/zero")
        .refused(2, "values of at most");
    workplace.run("get @ k").not_found();
}

#[test]
fn a_missing_segment_is_status_3() {
    let workplace = Workplace::empty();
    for line in ON_A_SEGMENT {
        workplace.run(line).refused(3, "test.guira");
    }
    workplace.run("doctor nowhere/at/all").refused(3, "nowhere");
    workplace.run("create nowhere/x --size 8M").refused(3, "nowhere");
}

#[test]
fn what_is_no_segment_or_may_not_be_one_is_status_3() {
    let workplace = Workplace::new();
    let copy = workplace.file("kept");
    fs::rename(workplace.segment(), &copy).expect("both in one directory");
    type Make<'w> = Box<dyn Fn() + 'w>;
    let cases: Vec<(&str, Make<'_>)> = vec![
        (
            "symbolic link",
            Box::new(|| symlink(&copy, workplace.segment()).expect("a link")),
        ),
        (
            "directory",
            Box::new(|| fs::create_dir(workplace.segment()).expect("a directory")),
        ),
        (
            "not a guira segment",
            Box::new(|| fs::write(workplace.segment(), [b'x'; 9000]).expect("room")),
        ),
        (
            "test.guira",
            Box::new(|| fs::write(workplace.segment(), b"").expect("room")),
        ),
        (
            "mode",
            Box::new(|| {
                fs::copy(&copy, workplace.segment()).expect("room");
                fs::set_permissions(workplace.segment(), fs::Permissions::from_mode(0o666))
                    .expect("it is ours");
            }),
        ),
        (
            "truncated",
            Box::new(|| {
                fs::copy(&copy, workplace.segment()).expect("room");
                OpenOptions::new()
                    .write(true)
                    .open(workplace.segment())
                    .and_then(|file| file.set_len(1 << 20))
                    .expect("it is ours");
            }),
        ),
        (
            "version",
            Box::new(|| {
                fs::copy(&copy, workplace.segment()).expect("room");
                let file = OpenOptions::new()
                    .write(true)
                    .open(workplace.segment())
                    .expect("it is ours");
                file.write_all_at(&[99], 8).expect("the version's place");
            }),
        ),
    ];
    for (part, make) in cases {
        make();
        for line in ON_A_SEGMENT {
            workplace.run(line).refused(3, part);
        }
        if workplace.segment().is_dir() {
            fs::remove_dir(workplace.segment()).expect("it is empty");
        } else {
            fs::remove_file(workplace.segment()).expect("it is there");
        }
    }
    workplace
        .run("create /proc/guira --size 8M")
        .refused(3, "/proc/guira");
}

#[test]
fn a_segment_of_a_group_is_opened_only_if_asked() {
    let workplace = Workplace::empty();
    workplace.run("create @ --size 8M --mode 0660").with_status(0);
    workplace.run("get @ k").refused(3, "chmod");
    workplace.run("get @ k --allow-group").not_found();
    workplace
        .run("bench @ --allow-group --seconds 0.01 --keys 10")
        .done();
}

#[test]
fn what_exists_is_never_overwritten() {
    let workplace = Workplace::new();
    workplace.run("put @ k v").done();
    workplace.run("create @ --size 8M").refused(4, "exists already");
    assert_eq!(workplace.run("get @ k").done().out, b"v");
    fs::write(workplace.file("file"), b"mine").expect("room");
    workplace
        .run("create file --size 8M")
        .refused(4, "exists already");
    assert_eq!(fs::read(workplace.file("file")).expect("still there"), b"mine");
}

#[test]
fn no_space_is_another_failure() {
    let workplace = Workplace::empty();
    // More than any machine of these days has in memory, less than the largest segment.
    workplace.run("create @ --size 1000G").refused(4, "test.guira");
    assert!(!workplace.segment().exists());
}
