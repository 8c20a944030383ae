//! A cache in a file: dump and load.

use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};

use serde_json::json;

use super::{Ended, Workplace, command, ended_with_input};
use crate::places::names_in;

fn filled() -> Workplace {
    let workplace = Workplace::new();
    workplace.run("put @ greeting hello --ttl 1h --tag demo").done();
    workplace.run("put @ 7 plum --ns users").done();
    workplace
}

#[test]
fn a_dump_is_loaded_into_another_segment() {
    let workplace = filled();
    for compress in ["", " --compress"] {
        let dumped = workplace
            .run(&format!("dump @ app.dump --json --force{compress}"))
            .done()
            .json();
        assert_eq!(
            (&dumped["entries"], &dumped["value_bytes"]),
            (&json!(2), &json!(9))
        );
        assert_eq!((&dumped["damaged"], &dumped["missing"]), (&json!(0), &json!(0)));
        let file = std::fs::metadata(workplace.file("app.dump")).expect("there");
        assert_eq!(dumped["dump_bytes"], file.len());
        assert_eq!(file.permissions().mode() & 0o777, 0o600);

        let loaded = workplace
            .run("load other.guira app.dump --create --size 8M --json")
            .done()
            .json();
        assert_eq!(loaded["entries"], 2);
        for nothing in [
            "kept",
            "expired",
            "superseded",
            "too_large",
            "void",
            "files",
            "evicted",
        ] {
            assert_eq!(loaded[nothing], 0, "{loaded}");
        }
        assert_eq!(loaded["dump_bytes"], file.len());
        assert_eq!(workplace.run("get other.guira 7 --ns users").done().out, b"plum");
        let meta = workplace
            .run("get other.guira greeting --meta --json")
            .done()
            .json();
        let ttl_ms = meta["ttl_ms"].as_u64().expect("a deadline");
        assert!((3_000_000..=3_600_000).contains(&ttl_ms), "{ttl_ms}");
        assert_eq!(meta["tags"], json!([{ "text": "demo" }]));
        std::fs::remove_file(workplace.file("other.guira")).expect("there");
    }
    assert_eq!(workplace.run("stat @ --json").done().json()["hits"], 0);
}

#[test]
fn people_are_told_in_one_line() {
    let workplace = filled();
    let dumped = workplace.run("dump @ app.dump").done();
    assert!(
        dumped
            .text()
            .starts_with("app.dump: 2 entries, 9 B of values, a file of "),
        "{dumped:?}"
    );
    let loaded = workplace.run("load @ app.dump").done();
    let expected = format!(
        "{}: 0 entries loaded, 0 B of values; 2 keys kept what they had\n",
        workplace.segment().display()
    );
    assert_eq!(loaded.text(), expected);
    let loaded = workplace.run("load @ app.dump --replace").done();
    assert!(
        loaded.text().ends_with(": 2 entries loaded, 9 B of values\n"),
        "{loaded:?}"
    );
}

#[test]
fn a_dump_goes_through_pipes() {
    let workplace = filled();
    let dump = workplace.run("dump @ -").done().out;
    assert!(dump.starts_with(b"\x89guira\r\n"));
    let loaded = ended_with_input(&workplace, "load other.guira - --create --size 8M --json", &dump);
    assert_eq!(loaded.done().json()["entries"], 2);
    assert_eq!(workplace.run("get other.guira greeting").done().out, b"hello");
    workplace
        .run("dump @ - --json")
        .refused(2, "mixed on standard output");

    let cut = ended_with_input(&workplace, "load @ - --replace", &dump[..dump.len() - 1]);
    cut.refused(4, "standard input: cut short at byte");
    let full = Ended::of(
        command(workplace.arguments("dump @ -"))
            .stdout(std::fs::File::create("/dev/full").expect("it is there")),
    );
    full.refused(4, "cannot write standard output");
}

#[test]
fn one_namespace_is_dumped_if_it_is_there() {
    let workplace = filled();
    let dumped = workplace.run("dump @ users.dump --ns users --json").done().json();
    assert_eq!(dumped["entries"], 1);
    workplace.run("dump @ none.dump --ns nobody").not_found();
    assert!(!workplace.file("none.dump").exists());
    workplace
        .run_with("dump @ none.dump --ns", [""])
        .refused(2, "1 to 104 bytes");
}

#[test]
fn what_is_there_is_not_overwritten_and_nothing_is_left_behind() {
    let workplace = filled();
    workplace.run("dump @ app.dump").with_status(0);
    let before = std::fs::metadata(workplace.file("app.dump"))
        .expect("there")
        .ino();
    workplace.run("dump @ app.dump").refused(4, "it exists already");
    let ino = || {
        std::fs::metadata(workplace.file("app.dump"))
            .expect("there")
            .ino()
    };
    assert_eq!(ino(), before);
    workplace.run("dump @ app.dump --force").with_status(0);
    assert_ne!(ino(), before, "another file took its place");

    symlink(workplace.file("app.dump"), workplace.file("link")).expect("a link");
    std::fs::create_dir(workplace.file("folder")).expect("a folder");
    for file in ["link", "folder", "/dev/null"] {
        workplace
            .run(&format!("dump @ {file} --force"))
            .refused(4, "something else than a file");
    }
    workplace.run("dump @ @ --force").refused(2, "the segment itself");
    workplace
        .run("dump @ nowhere/app.dump")
        .refused(4, "cannot write nowhere/app.dump");
    workplace
        .run("dump missing app.dump --force")
        .refused(3, "missing");
    workplace.run("verify @").with_status(0);
    let mut names = names_in(&workplace.file(""));
    names.sort();
    assert_eq!(names, ["app.dump", "folder", "link", "test.guira"]);
}

#[test]
fn what_is_no_dump_or_a_damaged_one_is_refused() {
    let workplace = filled();
    workplace.run("dump @ app.dump").with_status(0);
    let mut bytes = std::fs::read(workplace.file("app.dump")).expect("there");
    workplace
        .run("load @ @")
        .refused(4, "no dump (its first bytes are something else)");
    workplace.run("load @ nothing").refused(4, "cannot read nothing");
    workplace.run("load missing app.dump").refused(3, "missing");
    workplace.run("load @ app.dump --create").refused(2, "--size");
    workplace
        .run("load @ app.dump --create --size 8M")
        .refused(4, "exists");
    workplace
        .run("load @ app.dump --keep --replace")
        .refused(2, "cannot be used with");

    let last = bytes.len() - 1;
    bytes[last] ^= 1;
    std::fs::write(workplace.file("app.dump"), &bytes).expect("room");
    let half = workplace.run("load other.guira app.dump --create --size 8M");
    half.refused(4, "2 entries were loaded before that");
    assert_eq!(workplace.run("get other.guira greeting").done().out, b"hello");

    // Nothing is created for what cannot be read.
    workplace
        .run("load new.guira @ --create --size 8M")
        .refused(4, "no dump");
    assert!(!workplace.file("new.guira").exists());
}

#[test]
fn values_can_be_loaded_as_due_for_a_refresh() {
    let workplace = filled();
    workplace.run("dump @ app.dump").with_status(0);
    workplace
        .run("load other.guira app.dump --create --size 8M --stale")
        .with_status(0);
    // Stale by the next millisecond, which a new process does not begin within.
    let meta = workplace
        .run("get other.guira greeting --meta --json")
        .done()
        .json();
    assert_eq!(meta["is_stale"], true);
    assert_eq!(workplace.run("get other.guira greeting").done().out, b"hello");
}

#[test]
fn a_files_cache_is_dumped_and_loaded_with_its_files() {
    let workplace = Workplace::empty();
    let large: Vec<u8> = (0..3_000_000_u32).map(|n| (n / 7) as u8).collect();
    std::fs::write(workplace.file("large"), &large).expect("room");
    workplace.run("files create one --limit 64M").with_status(0);
    workplace.run("files put one large --file large --tag red").done();
    workplace.run("files put one small value").done();
    let dumped = workplace.run("dump one one.dump --json").done().json();
    assert_eq!(
        (&dumped["entries"], &dumped["value_bytes"]),
        (&json!(2), &json!(3_000_005))
    );

    workplace.run("files create two --limit 64M").with_status(0);
    let loaded = workplace.run("load two one.dump --json").done().json();
    assert_eq!((&loaded["entries"], &loaded["files"]), (&json!(2), &json!(1)));
    assert!(workplace.run("files get two large").done().out == large);
    assert_eq!(workplace.run("files get two small").done().out, b"value");

    // Into a segment, with files and without.
    let with_files = "load seg one.dump --create --size 8M --files big --files-limit 64M --json";
    let loaded = workplace.run(with_files).done().json();
    assert_eq!((&loaded["entries"], &loaded["files"]), (&json!(2), &json!(1)));
    let dumped = workplace
        .run("dump seg seg.dump --files big --json")
        .done()
        .json();
    assert_eq!(
        (&dumped["entries"], &dumped["value_bytes"]),
        (&json!(2), &json!(3_000_005))
    );
    let stubs = workplace.run("dump seg - --ns nobody").not_found();
    assert!(stubs.out.is_empty());
    workplace
        .run("load plain seg.dump --create --size 64M")
        .with_status(0);
    assert!(workplace.run("get plain large").done().out == large);

    workplace
        .run("dump one one/inside --force")
        .refused(2, "in the directory of the files");
    workplace
        .run("dump one one/index.guira --force")
        .refused(2, "in the directory of the files");
    workplace
        .run("dump one x --files big")
        .refused(2, "leave --files out");
    workplace.run("dump seg x --files nowhere").refused(3, "nowhere");
    workplace
        .run("load seg seg.dump --files-limit 1G")
        .refused(2, "--");
    workplace.run("files verify one").with_status(0);
}
