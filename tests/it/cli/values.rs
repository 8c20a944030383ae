//! Values and keys: put, get, rm, invalidate, keys.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::json;

use super::{Workplace, command};

#[test]
fn what_is_put_is_got_byte_for_byte() {
    let workplace = Workplace::new();
    workplace.run("put @ key value").done();
    assert_eq!(workplace.run("get @ key").done().out, b"value");
    workplace.run("put @ key other").done();
    assert_eq!(workplace.run("get @ key").done().out, b"other");
    assert_eq!(workplace.run("get @ nothing").not_found().out, b"");
}

#[test]
fn keys_and_values_are_bytes() {
    let workplace = Workplace::new();
    let key = OsStr::from_bytes(b"\xff\x01key");
    let value = OsStr::from_bytes(b"\xfe\n\x80");
    workplace.run_with("put @", [key, value]).done();
    assert_eq!(workplace.run_with("get @", [key]).done().out, b"\xfe\n\x80");
    let got = workplace.run_with("get @ --json", [key]).done().json();
    assert_eq!(got["key"], json!({ "base64": "/wFrZXk=" }));
    assert_eq!(got["value"], json!({ "base64": "/gqA" }));
    assert_eq!(workplace.run("keys @").done().text(), "\\xff\\u{1}key\n");
    workplace
        .run_with("put @", ["", ""])
        .refused(2, "the key is empty");
    workplace.run_with("put @ empty", [""]).done();
    assert_eq!(workplace.run("get @ empty").done().out, b"");
}

#[test]
fn a_value_comes_from_a_file_or_from_standard_input() {
    let workplace = Workplace::new();
    let content: Vec<u8> = (0..=255).cycle().take(100_000).collect();
    std::fs::write(workplace.file("value"), &content).expect("room");
    workplace.run("put @ from-file --file value").done();
    assert_eq!(workplace.run("get @ from-file").done().out, content);

    let mut put = command(workplace.arguments("put @ from-stdin"))
        .stdin(Stdio::piped())
        .spawn()
        .expect("it runs");
    put.stdin
        .take()
        .expect("piped")
        .write_all(&content)
        .expect("it reads");
    assert!(put.wait().expect("it ends").success());
    assert_eq!(workplace.run("get @ from-stdin").done().out, content);

    workplace.run("put @ k --file missing").refused(4, "missing");
    workplace
        .run("put @ k v --file value")
        .refused(2, "cannot be used with");
}

#[test]
fn metadata_says_lifetime_age_size_tags_and_block() {
    let workplace = Workplace::new();
    workplace
        .run("put @ k value --ttl 5m --tag red --tag blue")
        .done();
    let meta = workplace.run("get @ k --meta --json").done().json();
    let ttl_ms = meta["ttl_ms"].as_u64().expect("a deadline");
    assert!((240_000..=300_000).contains(&ttl_ms), "{ttl_ms}");
    assert_eq!(meta["size_bytes"], 5);
    assert_eq!(meta["tags"], json!([{ "text": "red" }, { "text": "blue" }]));
    assert!(
        meta["age_ms"].as_u64().is_some_and(|age_ms| age_ms < 60_000),
        "{meta}"
    );
    assert!(meta["block"].is_u64(), "{meta}");
    assert_eq!(meta["is_stale"], false);
    let text = workplace.run("get @ k --meta").done();
    for part in ["ttl ", "4 min 59 s", "age ", "5 bytes", "red, blue", "block "] {
        assert!(text.text().contains(part), "no {part:?} in {text:?}");
    }

    workplace.run("put @ forever v").done();
    assert_eq!(
        workplace.run("get @ forever --meta --json").done().json()["ttl_ms"],
        json!(null)
    );
    assert_eq!(
        workplace.run("get @ nothing --meta --json").not_found().json()["found"],
        false
    );
    workplace.run("get @ nothing --meta").not_found();
}

#[test]
fn a_value_is_gone_after_its_lifetime() {
    let workplace = Workplace::new();
    workplace.run("put @ k v --ttl 1h").done();
    workplace.run("get @ k").done();
    workplace.run("put @ k v --ttl 30ms").done();
    let begin = Instant::now();
    while workplace.run("get @ k").status == 0 {
        assert!(begin.elapsed() < Duration::from_secs(30), "it lives on");
    }
    workplace.run("get @ k").not_found();
}

#[test]
fn rm_says_whether_there_was_something() {
    let workplace = Workplace::new();
    workplace.run("put @ k v").done();
    workplace.run("rm @ k").done();
    workplace.run("rm @ k").not_found();
    workplace.run("put @ k v --ns users").done();
    workplace.run("rm @ k").not_found();
    assert_eq!(
        workplace.run("rm @ k --ns users --json").done().json(),
        json!({ "removed": true })
    );
    assert_eq!(
        workplace.run("rm @ k --ns others --json").not_found().json(),
        json!({ "removed": false })
    );
}

#[test]
fn invalidation_reaches_what_it_names_and_nothing_else() {
    let workplace = Workplace::new();
    let present = |key: &str| match workplace.run(&format!("get @ {key}")).status {
        0 => true,
        1 => false,
        status => panic!("status {status}"),
    };
    for key in ["a", "b", "c", "d"] {
        workplace.run(&format!("put @ {key} v --tag tag-{key}")).done();
    }
    workplace.run("put @ a v --ns users").done();
    workplace.run("put @ a v --ns score").done();

    let gone = workplace
        .run("invalidate @ --key a --key nothing --json")
        .done()
        .json();
    assert_eq!(
        (gone["keys"].as_u64(), gone["found_keys"].as_u64()),
        (Some(2), Some(1))
    );
    workplace.run("invalidate @ --tag tag-b --tag tag-c").done();
    assert_eq!(
        [present("a"), present("b"), present("c"), present("d")],
        [false, false, false, true]
    );
    assert!(present("a --ns users"));

    workplace.run("invalidate @ --key b --ns users").done();
    assert!(present("a --ns users"));
    workplace.run("invalidate @ --ns users").done();
    assert!(!present("a --ns users") && present("a --ns score") && present("d"));
    workplace.run("invalidate @ --fn score").done();
    assert!(!present("a --ns score") && present("d"));
    workplace.run("invalidate @ --all").done();
    assert!(!present("d"));
}

#[test]
fn invalidating_nothing_is_done_too() {
    let workplace = Workplace::new();
    for what in [
        "--key k",
        "--tag t",
        "--ns nobody",
        "--fn nobody",
        "--key k --ns nobody",
        "--all",
    ] {
        workplace.run(&format!("invalidate @ {what}")).done();
    }
    workplace.run("invalidate @").refused(2, "nothing to invalidate");
    workplace
        .run("invalidate @ --ns users --tag t")
        .refused(2, "tags reach all namespaces");
    workplace
        .run("invalidate @ --ns users --fn f")
        .refused(2, "cannot be used with");
}

#[test]
fn keys_are_listed_by_namespace_prefix_and_limit() {
    let workplace = Workplace::new();
    workplace.run("keys @").not_found();
    for key in ["user:1", "user:2", "post:1"] {
        workplace.run(&format!("put @ {key} v")).done();
    }
    workplace.run("put @ 7 v --ns score").done();
    let listed = |line: &str| -> BTreeSet<String> {
        workplace
            .run(line)
            .done()
            .text()
            .lines()
            .map(str::to_owned)
            .collect()
    };
    let set = |keys: &[&str]| keys.iter().map(|&key| key.to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(listed("keys @"), set(&["user:1", "user:2", "post:1"]));
    assert_eq!(listed("keys @ --prefix user:"), set(&["user:1", "user:2"]));
    assert_eq!(listed("keys @ --fn score"), set(&["7"]));
    assert_eq!(listed("keys @ --ns score"), set(&["7"]));
    assert_eq!(listed("keys @ --prefix user: --limit 1").len(), 1);
    workplace.run("keys @ --prefix nobody").not_found();
    workplace.run("keys @ --ns nobody").not_found();
    workplace.run("keys @ --limit 0").not_found();

    let json = workplace.run("keys @ --prefix post --json").done().json();
    assert_eq!(json, json!({ "keys": [{ "text": "post:1" }], "count": 1 }));
    assert_eq!(
        workplace.run("keys @ --ns nobody --json").not_found().json(),
        json!({ "keys": [], "count": 0 })
    );
}

#[test]
fn a_reader_may_have_seen_enough() {
    let workplace = Workplace::new();
    std::fs::write(workplace.file("value"), vec![b'x'; 1 << 20]).expect("room");
    workplace.run("put @ k --file value").done();
    let mut get = command(workplace.arguments("get @ k"))
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("it runs");
    drop(get.stdout.take());
    let ended = get.wait_with_output().expect("it ends");
    assert_eq!(
        (ended.status.code(), ended.stderr.as_slice()),
        (Some(0), b"".as_slice())
    );
}
