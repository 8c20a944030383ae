//! A files cache from the shell.

use std::ffi::OsString;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use guira_files::Files;
use guira_segment::Expiry;
use serde_json::json;

use super::{Ended, Workplace, command, ended_with_input, until};
use crate::places::names_in;

const LIMIT: &str = "64M";

/// A files cache called `cache`.
fn with_cache() -> Workplace {
    let workplace = Workplace::empty();
    let made = workplace
        .run("files create cache --limit 64M --json")
        .done()
        .json();
    assert_eq!(made["limit_bytes"], 64 << 20);
    assert!(
        made["room_bytes"].as_u64().is_some_and(|room| room > 20 << 20),
        "{made}"
    );
    workplace
}

fn content(bytes: usize) -> Vec<u8> {
    (0..bytes).map(|n| (n * 31 / 7) as u8).collect()
}

/// Every value file of the cache.
fn value_files(workplace: &Workplace) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![workplace.file("cache")];
    while let Some(folder) = folders.pop() {
        for name in names_in(&folder) {
            let path = folder.join(name);
            if path.is_dir() {
                folders.push(path);
            } else if folder != workplace.file("cache") {
                found.push(path);
            }
        }
    }
    found
}

fn overwrite(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = std::fs::read(path).expect("readable");
    change(&mut bytes);
    // Value files are read-only: another one takes the place.
    std::fs::remove_file(path).expect("there");
    std::fs::write(path, bytes).expect("room");
}

#[test]
fn values_of_every_size_come_back() {
    let workplace = with_cache();
    let large = content(3_000_000);
    std::fs::write(workplace.file("large"), &large).expect("room");
    std::fs::write(workplace.file("small"), b"few").expect("room");
    workplace.run("files put cache argument value").done();
    workplace.run("files put cache small --file small").done();
    workplace.run("files put cache large --file large").done();
    let put = workplace
        .run("files put cache shared --file large --take share --json")
        .done()
        .json();
    assert_eq!(put, json!({ "stored": true, "value_bytes": 3_000_000 }));
    workplace
        .run("files put cache linked --file large --take link")
        .done();
    for (key, bytes) in [("stdin-small", &content(60_000)), ("stdin-large", &large)] {
        let line = format!("files put cache {key}");
        ended_with_input(&workplace, &line, bytes).done();
    }

    assert_eq!(workplace.run("files get cache argument").done().out, b"value");
    assert_eq!(workplace.run("files get cache small").done().out, b"few");
    assert_eq!(
        workplace.run("files get cache stdin-small").done().out,
        content(60_000)
    );
    for key in ["large", "shared", "linked", "stdin-large"] {
        assert!(
            workplace.run(&format!("files get cache {key}")).done().out == large,
            "{key}"
        );
    }
    let linked = std::fs::metadata(workplace.file("large")).expect("there");
    assert_eq!(linked.nlink(), 2, "one more name, in the cache");
    workplace.run("files get cache nothing").not_found();

    let stat = workplace.run("files stat cache --json").done().json();
    // What is no longer than 4 KiB is in the index.
    assert_eq!(
        (&stat["files"], &stat["index"]["entries"]),
        (&json!(5), &json!(7))
    );
    assert_eq!(stat["used_bytes"], stat["recorded_bytes"]);
    assert!(
        stat["used_bytes"].as_u64().is_some_and(|used| used >= 12_000_000),
        "{stat}"
    );
}

#[test]
fn a_value_is_written_to_a_file_that_appears_when_it_is_complete() {
    let workplace = with_cache();
    let large = content(1_000_000);
    std::fs::write(workplace.file("large"), &large).expect("room");
    workplace.run("files put cache k --file large").done();
    let got = workplace
        .run("files get cache k --output copy --json")
        .done()
        .json();
    assert_eq!(
        got,
        json!({ "key": { "text": "k" }, "found": true, "value_bytes": 1_000_000 })
    );
    assert!(std::fs::read(workplace.file("copy")).expect("there") == large);
    let mode = std::fs::metadata(workplace.file("copy"))
        .expect("there")
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o600);
    workplace
        .run("files get cache k --output copy")
        .refused(4, "it exists already");
    workplace.run("files get cache k --output copy --force").done();
    workplace
        .run("files get cache nothing --output other")
        .not_found();
    workplace.run("files get cache k --json").refused(2, "--output");
    let mut names = names_in(&workplace.file(""));
    names.sort();
    assert_eq!(names, ["cache", "copy", "large"]);
}

#[test]
fn a_value_that_cannot_be_written_out_is_an_error() {
    let workplace = with_cache();
    std::fs::write(workplace.file("large"), content(1_000_000)).expect("room");
    workplace.run("files put cache k --file large").done();
    let full = Ended::of(
        command(workplace.arguments("files get cache k"))
            .current_dir(workplace.file(""))
            .stdout(std::fs::File::create("/dev/full").expect("it is there")),
    );
    full.refused(4, "standard output");
}

#[test]
fn metadata_keys_and_removal() {
    let workplace = with_cache();
    std::fs::write(workplace.file("large"), content(100_000)).expect("room");
    workplace
        .run("files put cache page:1 --file large --ttl 1h --tag red")
        .done();
    workplace.run("files put cache page:2 short").done();
    workplace.run("files put cache other value --ns users").done();
    let meta = workplace
        .run("files get cache page:1 --meta --json")
        .done()
        .json();
    assert_eq!(
        (&meta["value_bytes"], &meta["tags"]),
        (&json!(100_000), &json!([{ "text": "red" }]))
    );
    assert!(
        meta["ttl_ms"]
            .as_u64()
            .is_some_and(|ms| (3_000_000..=3_600_000).contains(&ms)),
        "{meta}"
    );
    let shown = workplace.run("files get cache page:1 --meta").done();
    assert!(
        shown.text().contains("100000 bytes") && shown.text().contains("red"),
        "{shown:?}"
    );

    let keys = workplace.run("files keys cache --json").done().json();
    let mut listed = keys["keys"].as_array().expect("a list").clone();
    listed.sort_by_key(|key| key["text"].to_string());
    assert_eq!(
        listed,
        [
            json!({ "text": "page:1", "value_bytes": 100_000, "is_file": true }),
            json!({ "text": "page:2", "value_bytes": 5, "is_file": false }),
        ]
    );
    assert_eq!(
        workplace.run("files keys cache --ns users").done().text(),
        "other\n"
    );
    assert_eq!(
        workplace.run("files keys cache --prefix page:1").done().text(),
        "page:1\n"
    );
    assert_eq!(
        workplace
            .run("files keys cache --limit 1")
            .done()
            .text()
            .lines()
            .count(),
        1
    );
    workplace.run("files keys cache --ns nobody").not_found();

    assert_eq!(value_files(&workplace).len(), 1);
    let removed = workplace.run("files rm cache page:1 --json").done().json();
    assert_eq!(removed, json!({ "removed": true }));
    assert!(value_files(&workplace).is_empty());
    workplace.run("files rm cache page:1").not_found();
    workplace.run("files rm cache other --ns nobody").not_found();
    workplace.run("files rm cache other --ns users").done();
}

#[test]
fn verify_finds_what_is_damaged_or_gone_and_names_strangers() {
    let workplace = with_cache();
    std::fs::write(workplace.file("large"), content(100_000)).expect("room");
    for key in ["a", "b", "c"] {
        workplace
            .run(&format!("files put cache {key} --file large"))
            .done();
    }
    workplace.run("files put cache tiny value").done();
    std::fs::write(workplace.file("cache/README"), b"somebody's").expect("room");
    let sound = workplace.run("files verify cache --json").done().json();
    let foreign = workplace.file("cache/README").canonicalize().expect("there");
    let expected = json!({
        "intact": 3, "damaged": 0, "inline": 1, "bytes": 300_000, "index_faults": 0, "foreign": [foreign],
    });
    assert_eq!(sound, expected);

    let values = value_files(&workplace);
    overwrite(&values[0], |bytes| *bytes.last_mut().expect("a value") ^= 1);
    std::fs::remove_file(&values[1]).expect("there");
    let damaged = workplace.run("files verify cache");
    assert!(
        damaged
            .text()
            .contains("3 files of 293.0 KiB: 1 intact, 2 damaged; 1 value in the index"),
        "{damaged:?}"
    );
    assert!(
        damaged.text().contains("README: not of this cache"),
        "{damaged:?}"
    );
    damaged.refused(3, "2 values were damaged or gone");
    let after = workplace.run("files verify cache --json").done().json();
    assert_eq!((&after["intact"], &after["damaged"]), (&json!(1), &json!(0)));
    assert_eq!(workplace.run("files keys cache").done().text().lines().count(), 2);
    assert!(foreign.exists());
}

#[test]
fn purge_removes_what_nobody_needs() {
    let workplace = with_cache();
    let files = Files::builder().open(workplace.file("cache")).expect("just made");
    let users = files.namespace("users").expect("a row");
    let large = content(100_000);
    files.put(b"cleared", &large, Expiry::never()).expect("room");
    files.clear();
    files.put(b"fresh", &large, Expiry::never()).expect("room");
    for handle in [&files, &users] {
        handle.put(b"stale", &large, Expiry::never()).expect("room");
        assert!(handle.expire(b"stale"));
    }
    let before = files.stats().orphaned;
    let purged = workplace.run("files purge cache --json").done().json();
    // The puts after the clearing may have found it already.
    assert_eq!(
        purged["orphaned"].as_u64().expect("a count") + before,
        1,
        "{purged}"
    );
    assert_eq!((&purged["stale"], &purged["foreign"]), (&json!(0), &json!([])));
    let purged = workplace.run("files purge cache --stale-for 1d").done();
    assert!(purged.text().ends_with(", 0 stale values\n"), "{purged:?}");
    let age = |handle: &Files| handle.metadata(b"stale").map_or(Duration::MAX, |it| it.age);
    let least = Duration::from_millis(100);
    until("both have been stale for a while", || {
        age(&files) >= least && age(&users) >= least
    });
    let purged = workplace
        .run("files purge cache --stale-for 100ms --json")
        .done()
        .json();
    assert_eq!(purged["stale"], 2);
    assert_eq!(value_files(&workplace).len(), 1);
}

#[test]
fn what_is_no_files_cache_is_refused() {
    let workplace = with_cache();
    workplace
        .run(&format!("files create cache --limit {LIMIT}"))
        .refused(4, "already");
    workplace
        .run("files create tiny --limit 1M")
        .refused(2, "too small");
    assert!(!workplace.file("tiny/index.guira").exists());
    workplace.run("files create other").refused(2, "--limit");
    std::fs::create_dir(workplace.file("full")).expect("new");
    std::fs::write(workplace.file("full/thing"), b"x").expect("room");
    workplace
        .run(&format!("files create full --limit {LIMIT}"))
        .refused(3, "no files cache");
    let commands = [
        "put @ k v",
        "get @ k",
        "rm @ k",
        "keys @",
        "stat @",
        "verify @",
        "purge @",
    ];
    for words in commands {
        for place in ["missing", "full"] {
            let line = format!("files {}", words.replace('@', place));
            workplace
                .run(&line)
                .refused(3, &format!("guira files create {place}"));
        }
        let line = format!("files {}", words.replace('@', "full/thing"));
        workplace.run(&line).refused(3, "no directory");
    }
    assert!(!workplace.file("missing").exists());
    workplace.run("files").with_status(2);
    workplace
        .run_with("files put cache", ["", "v"])
        .refused(2, "the key is empty");
    workplace
        .run("files put cache k v --ttl 0s")
        .refused(2, "lifetime");
    workplace
        .run("files put cache k --file missing")
        .refused(4, "cannot read missing");
    workplace
        .run("files put cache k v --take link")
        .refused(2, "--file");
    workplace
        .run("files put cache k --file full")
        .refused(4, "cannot read full");
    std::fs::set_permissions(workplace.file("cache"), std::fs::Permissions::from_mode(0o777)).expect("ours");
    workplace.run("files stat cache").refused(3, "chmod 0700");
}

#[test]
fn a_value_that_never_fits_is_wrong_usage() {
    let workplace = with_cache();
    let huge = std::fs::File::create(workplace.file("huge")).expect("room");
    huge.set_len(80 << 20).expect("a hole");
    workplace
        .run("files put cache k --file huge")
        .refused(2, "does not fit a limit");
    let name = OsString::from("n".repeat(105));
    workplace
        .run_with("files get cache k --ns", [name])
        .refused(2, "105");
}
