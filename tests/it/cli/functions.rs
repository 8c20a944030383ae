//! What memoized functions kept: listed and invalidated by function, and by function and arguments.

use std::collections::BTreeSet;

use guira::Guira;
use serde_json::json;

use super::Workplace;

fn guira_of(workplace: &Workplace) -> Guira {
    Guira::builder()
        .open_existing(workplace.segment())
        .expect("the command made it")
}

#[guira::cached(cache = guira_of_tests(), name = "weigh")]
fn weigh(sort: &str, count: i64) -> i64 {
    count * i64::try_from(sort.len()).expect("short")
}

static GUIRA: std::sync::OnceLock<Guira> = std::sync::OnceLock::new();

fn guira_of_tests() -> Guira {
    GUIRA.get().expect("set at the test's begin").clone()
}

#[test]
fn results_of_a_function_are_listed_and_invalidated_by_their_arguments() {
    let workplace = Workplace::new();
    GUIRA.set(guira_of(&workplace)).expect("set once");
    for (sort, count) in [("plum", 2), ("plum", -3), ("sloe", 2)] {
        weigh(sort, count);
    }
    let listed = || -> BTreeSet<String> {
        let ended = workplace.run("keys @ --fn weigh");
        ended.text().lines().map(str::to_owned).collect()
    };
    let all = [r#"["plum",-3]"#, r#"["plum",2]"#, r#"["sloe",2]"#];
    assert_eq!(listed(), all.map(str::to_owned).into());

    // By the arguments, and by a line of the listing.
    workplace
        .run_with("invalidate @ --fn weigh", [r#""plum""#, "-3"])
        .done();
    assert_eq!(weigh::peek("plum", -3).expect("no error"), None);
    let gone = workplace
        .run_with("invalidate @ --fn weigh --json", [r#"["plum",2]"#])
        .done()
        .json();
    assert_eq!(
        gone,
        json!({ "keys": 1, "found_keys": 1, "tags": 0, "namespace": null, "all": false })
    );
    assert_eq!(weigh::peek("plum", 2).expect("no error"), None);
    assert_eq!(listed(), [r#"["sloe",2]"#.to_owned()].into());
    let found = workplace
        .run_with("invalidate @ --fn weigh --json", [r#""nothing""#, "1"])
        .done()
        .json();
    assert_eq!(found["found_keys"], 0);

    workplace.run("invalidate @ --fn weigh").done();
    assert_eq!(weigh::peek("sloe", 2).expect("no error"), None);
    workplace.run("keys @ --fn weigh").not_found();
}

#[test]
fn typed_keys_are_listed_as_what_they_stand_for_and_others_as_bytes() {
    let workplace = Workplace::new();
    let plums = guira_of(&workplace).cache::<u64, String>("plums");
    plums
        .put(&7, &"ripe".to_owned(), guira::Lifetime::never())
        .expect("room");
    assert_eq!(workplace.run("keys @ --ns plums --typed").done().text(), "7\n");
    assert_eq!(workplace.run("keys @ --ns plums").done().text(), "A\\u{7}\n");
    assert_eq!(
        workplace.run("keys @ --fn plums --json").done().json(),
        json!({ "keys": [{ "text": "A\u{7}", "key": 7 }], "count": 1 })
    );
    workplace.run("put @ user:7 v").done();
    assert_eq!(workplace.run("keys @ --typed").done().text(), "user:7\n");
    assert_eq!(
        workplace.run("keys @ --typed --json").done().json(),
        json!({ "keys": [{ "text": "user:7" }], "count": 1 })
    );
}

#[test]
fn arguments_that_are_no_json_or_of_no_function_are_refused() {
    let workplace = Workplace::new();
    workplace
        .run("invalidate @ --fn weigh plum")
        .refused(2, "quotes included");
    workplace.run("invalidate @ 7").refused(2, "--fn");
    workplace
        .run("invalidate @ 7 --fn weigh --key k")
        .refused(2, "cannot be used with");
}
