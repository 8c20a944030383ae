//! What lockouts locked: listed and released.

use std::time::Duration;

use guira::Guira;
use guira::lockout::{Lockout, Rule};
use serde_json::json;

use super::Workplace;

fn logins(workplace: &Workplace) -> Lockout<str> {
    let hour = Duration::from_secs(3_600);
    Guira::builder()
        .open_existing(workplace.segment())
        .expect("the command made it")
        .lockout("logins")
        .rule(Rule::of_subject("user", 2, hour).lock_for(2 * hour))
        .rule(Rule::of_subject("often", 10, hour))
        .build()
        .expect("good")
}

#[test]
fn what_is_locked_is_listed_with_the_time_left_and_released() {
    let workplace = Workplace::new();
    workplace.run("lockouts @").not_found();
    let logins = logins(&workplace);
    for user in ["plum", "plum", "sloe"] {
        let _ = logins.count(user).expect("no error");
    }
    let listed = workplace.run("lockouts @").done();
    let rows: Vec<&str> = listed.text().lines().collect();
    assert_eq!(rows.len(), 2, "{listed:?}");
    for part in ["logins", "user", "\"plum\"", "locked", " min "] {
        assert!(rows[1].contains(part), "no {part:?} in {listed:?}");
    }

    let object = workplace.run("lockouts @ --json").done().json();
    let [lock] = object["lockouts"].as_array().expect("a list").as_slice() else {
        panic!("{object}");
    };
    assert_eq!(
        [
            &lock["lockout"],
            &lock["rule"],
            &lock["subject"],
            &lock["is_locked"],
            &lock["count"]
        ],
        [
            &json!("logins"),
            &json!("user"),
            &json!("plum"),
            &json!(true),
            &json!(null)
        ]
    );
    let left_ms = lock["time_left_ms"].as_u64().expect("a number");
    assert!((3_600_000..=7_200_000).contains(&left_ms), "{left_ms}");
    let all = workplace.run("lockouts @ --all --json").done().json();
    assert_eq!(all["lockouts"].as_array().map(Vec::len), Some(4));
    let counters = workplace.run("lockouts @ --all --rule often").done();
    assert!(
        counters.text().contains("2 events") && counters.text().contains("1 event "),
        "{counters:?}"
    );

    workplace.run("lockouts @ --name others --release").not_found();
    workplace
        .run_with("lockouts @ --release --subject", [r#""sloe""#])
        .not_found();
    assert!(!logins.check("plum").expect("no error").is_allowed());
    let released = workplace
        .run_with("lockouts @ --release --name logins --subject", [r#""plum""#])
        .done();
    assert!(released.text().ends_with("released 1 key\n"), "{released:?}");
    assert!(logins.check("plum").expect("no error").is_allowed());
    workplace.run("lockouts @").not_found();
    workplace
        .run("lockouts @ --subject plum")
        .refused(2, "quotes included");
}
