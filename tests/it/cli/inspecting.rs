//! What is told of a segment and of the machine: create, stat, verify, doctor, help.

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;

use serde_json::Value;

use super::{Ended, Workplace, command};

#[track_caller]
fn has_numbers(object: &Value, fields: &[&str]) {
    for field in fields {
        assert!(object[field].is_number(), "no number {field} in {object}");
    }
}

#[test]
fn create_makes_what_was_asked_for() {
    let workplace = Workplace::empty();
    let made = workplace
        .run("create @ --size 16M --index-entries 100000 --mode 0640 --json")
        .done()
        .json();
    assert_eq!(made["size_bytes"], 16 << 20);
    assert!(
        made["index_slots"].as_u64().is_some_and(|slots| slots >= 100_000),
        "{made}"
    );
    let metadata = fs::metadata(workplace.segment()).expect("it is there");
    assert_eq!(metadata.len(), 16 << 20);
    assert_eq!(
        std::os::unix::fs::PermissionsExt::mode(&metadata.permissions()) & 0o777,
        0o640
    );
}

#[test]
fn stat_counts_what_was_done() {
    let workplace = Workplace::new();
    for key in ["a", "b", "c"] {
        workplace.run(&format!("put @ {key} v")).done();
    }
    workplace.run("get @ a").done();
    workplace.run("get @ nothing").not_found();
    workplace.run("rm @ c").done();
    workplace.run("get @ a --meta").done();
    let stat = workplace.run("stat @ --json").done().json();
    let fields = [
        "size_bytes",
        "bytes_used",
        "entries",
        "hits",
        "misses",
        "evictions",
        "damaged",
    ];
    has_numbers(&stat, &fields);
    assert_eq!(stat["size_bytes"], 8 << 20);
    assert_eq!(
        (stat["entries"].as_u64(), stat["stores"].as_u64()),
        (Some(2), Some(3))
    );
    assert_eq!(
        (stat["hits"].as_u64(), stat["misses"].as_u64()),
        (Some(1), Some(1))
    );
    assert_eq!(
        (stat["damaged"].as_u64(), stat["evictions"].as_u64()),
        (Some(0), Some(0))
    );
    let text = workplace.run("stat @").done();
    for part in [
        "entries",
        "load of the index",
        "hit ratio",
        "50.0 %",
        "sealed, main",
        "attached",
        "pins",
        "flights",
    ] {
        assert!(text.text().contains(part), "no {part:?} in {text:?}");
    }
}

#[test]
fn verify_finds_damage_and_repair_removes_it() {
    let workplace = Workplace::new();
    workplace.run("put @ sound v").done();
    workplace.run("put @ damaged-key v").done();
    let clean = workplace.run("verify @ --json").done().json();
    assert_eq!(
        (
            clean["entries"].as_u64(),
            clean["faults"].as_array().map(Vec::len)
        ),
        (Some(2), Some(0))
    );

    let bytes = fs::read(workplace.segment()).expect("it is there");
    let key = b"damaged-key";
    let place = bytes
        .windows(key.len())
        .position(|window| window == key)
        .expect("the key is in the log");
    let file = OpenOptions::new()
        .write(true)
        .open(workplace.segment())
        .expect("it is ours");
    file.write_all_at(b"DAMAGED", place as u64)
        .expect("within the file");

    let found = workplace.run("verify @ --json").refused(3, "--repair").json();
    let faults = found["faults"].as_array().expect("a list");
    assert!(!faults.is_empty(), "{found}");
    for fault in faults {
        assert!(fault["kind"].is_string() && fault["offset"].is_u64(), "{fault}");
    }
    let text = workplace.run("verify @").refused(3, "test.guira");
    assert!(text.text().contains("0x"), "{text:?}");
    workplace.run("get @ damaged-key").not_found();

    let repaired = workplace.run("verify @ --repair --json").done().json();
    assert_eq!(repaired["faults"].as_array().map(Vec::len), Some(0));
    assert_eq!(
        repaired["repair"]["found"].as_array().map(Vec::len),
        Some(faults.len())
    );
    workplace.run("verify @").done();
    assert_eq!(workplace.run("get @ sound").done().out, b"v");
}

#[test]
fn doctor_says_of_each_check_what_to_do() {
    let workplace = Workplace::new();
    let checkup = workplace.run("doctor . --json").with_status(0).json();
    let checks = checkup["checks"].as_array().expect("a list");
    for name in [
        "file system",
        "room",
        "locks",
        "huge pages",
        "kernel",
        "fork",
        "proc",
        "memory",
        "open files",
        "locked memory",
        "clock",
        "bus library",
        "broker",
    ] {
        let check = checks
            .iter()
            .find(|check| check["name"] == name)
            .unwrap_or_else(|| panic!("no {name} in {checkup}"));
        let status = check["status"].as_str().expect("a status");
        assert!(["ok", "warn"].contains(&status), "{check}");
        assert_eq!(check["advice"].is_string(), status != "ok", "{check}");
    }
    let of_segment = workplace.run("doctor @").with_status(0);
    assert!(of_segment.text().contains("opens"), "{of_segment:?}");
    // Nothing is left of its probes.
    assert_eq!(
        crate::places::names_in(workplace.directory.path()),
        ["test.guira"]
    );
}

#[test]
fn doctor_fails_where_no_segment_can_be() {
    let workplace = Workplace::empty();
    let checkup = workplace.run("doctor /proc --json").refused(4, "/proc").json();
    assert_eq!(checkup["status"], "bad");
    fs::write(workplace.segment(), b"no segment").expect("room");
    let of_file = workplace.run("doctor @").refused(4, "test.guira");
    assert!(of_file.text().contains("BAD"), "{of_file:?}");
}

#[test]
fn every_command_explains_itself() {
    let commands = [
        "create",
        "put",
        "get",
        "rm",
        "invalidate",
        "keys",
        "stat",
        "verify",
        "bench",
        "bus",
        "doctor",
        "demo",
        "completions",
        "man",
    ];
    let help = Ended::of(&mut command(["--help"])).done();
    for name in commands {
        assert!(help.text().contains(name), "no {name} in {help:?}");
        assert!(
            Ended::of(&mut command([name, "--help"]))
                .done()
                .text()
                .contains("Usage: guira")
        );
    }
    assert!(!help.text().contains("-worker"), "{help:?}");
    assert!(
        Ended::of(&mut command(["--version"]))
            .done()
            .text()
            .starts_with("guira ")
    );
    let bare = Ended::of(&mut command([""; 0])).with_status(2);
    assert!(bare.err.contains("Usage: guira"), "{bare:?}");
}

#[test]
fn completions_and_manual_pages_know_the_commands() {
    let workplace = Workplace::empty();
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let script = workplace.run(&format!("completions {shell}")).done();
        assert!(script.text().contains("invalidate"), "{shell}");
        assert!(!script.text().contains("demo-worker"), "{shell}");
    }
    workplace.run("man pages/new").done();
    let pages = crate::places::names_in(&workplace.file("pages/new"));
    for page in ["guira.1", "guira-get.1", "guira-demo.1"] {
        assert!(pages.iter().any(|name| name == page), "no {page} in {pages:?}");
    }
    assert!(!pages.iter().any(|name| name.contains("-worker")), "{pages:?}");
    fs::write(workplace.file("file"), b"").expect("room");
    workplace.run("man file").refused(4, "file");
}
