//! Lockouts and quotas, in one process on a clock that the test moves, and in several.

use std::io::BufRead;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use guira::key::{KeyBytes, KeyItem};
use guira::lockout::{Attempt, Lockout, LockoutBuilder, Rule, RuleState, Verdict, WhenUnavailable};
use guira::{Error, Guira};
use guira_segment::Segment;
use nix::sys::signal::Signal;

use crate::children::{Host, SEGMENT, Worker};
use crate::kinds::{SECOND, guira_with_clock};
use crate::worker::say;

struct Login {
    user: &'static str,
    address: &'static str,
}

const PLUM: Login = Login {
    user: "plum",
    address: "10.0.0.7",
};
const SLOE: Login = Login {
    user: "sloe",
    address: "10.0.0.7",
};

/// Three failures of a user in 10 s lock for 60 s; five of an address in 100 s, for what is left of these.
fn logins(guira: &Guira) -> Lockout<Login> {
    guira
        .lockout("logins")
        .rule(
            Rule::new("user", 3, 10 * SECOND, |login: &Login| KeyBytes::of(login.user)).lock_for(60 * SECOND),
        )
        .rule(
            Rule::new("address", 5, 100 * SECOND, |login: &Login| {
                KeyBytes::of(login.address)
            })
            .kept_on_success(),
        )
        .build()
        .expect("the rules are good")
}

fn fail(lockout: &Lockout<Login>, login: &Login) {
    match lockout.attempt(login).expect("no error") {
        Attempt::Allowed(guard) => drop(guard),
        refused => panic!("{refused:?}"),
    }
}

fn rule_that_locks(verdict: &Verdict) -> Option<&str> {
    match verdict {
        Verdict::Locked(lock) => Some(lock.rule()),
        Verdict::Allowed => None,
        verdict => panic!("{verdict:?}"),
    }
}

fn pass(clock_ms: &AtomicU64, time: Duration) {
    let ms = u64::try_from(time.as_millis()).expect("short");
    clock_ms.fetch_add(ms, Ordering::Relaxed);
}

#[test]
fn rules_lock_in_the_order_of_their_limits_for_as_long_as_they_say() {
    let (guira, clock_ms) = guira_with_clock();
    let logins = logins(&guira);
    for _ in 0..2 {
        fail(&logins, &PLUM);
        assert_eq!(logins.check(&PLUM).expect("no error"), Verdict::Allowed);
    }
    fail(&logins, &PLUM);
    let locked = logins.check(&PLUM).expect("no error");
    assert!(
        matches!(&locked, Verdict::Locked(lock) if lock.rule() == "user" && lock.time_left() == 60 * SECOND)
    );
    // Of another user from there two failures are left.
    fail(&logins, &SLOE);
    fail(&logins, &SLOE);
    let locked = logins.check(&SLOE).expect("no error");
    assert!(
        matches!(&locked, Verdict::Locked(lock) if lock.rule() == "address"),
        "{locked:?}"
    );
    assert!(matches!(
        logins.attempt(&SLOE).expect("no error"),
        Attempt::Locked(_)
    ));
    // The longer one is told.
    let verdict = logins.check(&PLUM).expect("no error");
    assert_eq!(rule_that_locks(&verdict), Some("address"));

    pass(&clock_ms, 59 * SECOND);
    assert!(!logins.check(&PLUM).expect("no error").is_allowed());
    pass(&clock_ms, 41 * SECOND);
    assert!(logins.check(&PLUM).expect("no error").is_allowed());
}

#[test]
fn a_window_begins_with_its_first_event_and_does_not_move() {
    let (guira, clock_ms) = guira_with_clock();
    let logins = logins(&guira);
    fail(&logins, &PLUM);
    pass(&clock_ms, 9 * SECOND);
    fail(&logins, &PLUM);
    let states = logins.states(&PLUM).expect("no error");
    let user = states.first().expect("the first rule");
    assert_eq!((user.rule(), user.count(), user.limit()), ("user", 2, 3));
    assert_eq!((user.is_locked(), user.time_left()), (false, Some(SECOND)));
    pass(&clock_ms, SECOND);
    fail(&logins, &PLUM);
    fail(&logins, &PLUM);
    assert!(logins.check(&PLUM).expect("no error").is_allowed());
    fail(&logins, &PLUM);
    assert!(!logins.check(&PLUM).expect("no error").is_allowed());
}

#[test]
fn while_a_key_is_locked_its_events_are_not_counted_and_do_not_prolong_the_lock() {
    let (guira, clock_ms) = guira_with_clock();
    let logins = logins(&guira);
    for _ in 0..3 {
        fail(&logins, &PLUM);
    }
    for _ in 0..20 {
        let verdict = logins.count(&PLUM).expect("no error");
        assert!(!verdict.is_allowed());
    }
    pass(&clock_ms, 60 * SECOND);
    let states = logins.states(&PLUM).expect("no error");
    assert_eq!(states.first().map(RuleState::count), Some(0));
}

#[test]
fn a_success_resets_what_is_not_kept_and_a_forced_reset_all() {
    let (guira, _clock) = guira_with_clock();
    let logins = logins(&guira);
    fail(&logins, &PLUM);
    fail(&logins, &PLUM);
    let Attempt::Allowed(guard) = logins.attempt(&PLUM).expect("no error") else {
        panic!("nothing is locked");
    };
    guard.success().expect("no error");
    let counts = || -> Vec<u32> {
        let states = logins.states(&PLUM).expect("no error");
        states.iter().map(RuleState::count).collect()
    };
    assert_eq!(counts(), [0, 2]);
    for _ in 0..3 {
        fail(&logins, &PLUM);
    }
    // Both are locked now.
    assert_eq!(counts(), [3, 5]);
    assert!(logins.reset(&PLUM).expect("no error"));
    assert_eq!(counts(), [0, 5]);
    assert!(!logins.check(&PLUM).expect("no error").is_allowed());
    assert!(logins.force_reset(&PLUM).expect("no error"));
    assert!(logins.check(&PLUM).expect("no error").is_allowed());
    assert!(!logins.force_reset(&PLUM).expect("no error"));
}

#[test]
fn a_guard_counts_what_is_not_said_to_be_a_success_or_nobodys_fault() {
    let (guira, _clock) = guira_with_clock();
    let logins = logins(&guira);
    let guard = || match logins.attempt(&PLUM).expect("no error") {
        Attempt::Allowed(guard) => guard,
        refused => panic!("{refused:?}"),
    };
    let count = || logins.states(&PLUM).expect("no error")[0].count();
    guard().cancel();
    assert_eq!(count(), 0);
    assert!(guard().failure().expect("no error").is_allowed());
    assert_eq!(count(), 1);
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        let _guard = guard();
        panic!("in the action");
    }));
    assert!(panicked.is_err());
    assert_eq!(count(), 2);
    assert_eq!(
        rule_that_locks(&guard().failure().expect("no error")),
        Some("user")
    );
}

#[test]
fn the_alert_is_called_once_for_each_lock() {
    let (guira, clock_ms) = guira_with_clock();
    let alerts = Arc::new(AtomicU64::new(0));
    let told = Arc::clone(&alerts);
    let lockout = guira
        .lockout::<str>("alerts")
        .rule(Rule::of_subject("name", 2, SECOND).lock_for(5 * SECOND))
        .on_lock(move |subject, lock| {
            assert_eq!(
                (subject, lock.rule(), lock.time_left()),
                ("plum", "name", 5 * SECOND)
            );
            told.fetch_add(1, Ordering::Relaxed);
        })
        .build()
        .expect("good");
    for _ in 0..5 {
        let _ = lockout.count("plum").expect("no error");
    }
    assert_eq!(alerts.load(Ordering::Relaxed), 1);
    pass(&clock_ms, 5 * SECOND);
    for _ in 0..5 {
        let _ = lockout.count("plum").expect("no error");
    }
    assert_eq!(alerts.load(Ordering::Relaxed), 2);
}

#[test]
fn a_quota_allows_its_number_however_many_ask_at_once() {
    let (guira, clock_ms) = guira_with_clock();
    let quota = guira
        .lockout::<u64>("mails")
        .rule(Rule::of_subject("sender", 100, 10 * SECOND))
        .build()
        .expect("good");
    for _ in 0..2 {
        let taken = AtomicU64::new(0);
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for _ in 0..50 {
                        if quota.take(&7).expect("no error").is_allowed() {
                            taken.fetch_add(1, Ordering::Relaxed);
                        }
                    }
                });
            }
        });
        assert_eq!(taken.load(Ordering::Relaxed), 100);
        assert!(quota.take(&8).expect("no error").is_allowed());
        pass(&clock_ms, 10 * SECOND);
    }
}

#[test]
fn a_lock_that_its_process_did_not_live_to_seal_holds_and_is_sealed_by_the_next_event() {
    let (guira, clock_ms) = guira_with_clock();
    let logins = logins(&guira);
    // What is there when the third failure was counted, and its process died at once.
    let segment = guira.segment().namespace("guira.lockouts").expect("a row");
    let key = KeyBytes::of(&("logins", "user", "plum")).expect("text");
    let window = guira_segment::Expiry::after(10 * SECOND);
    segment.increment(&key, 3, Some(3), window).expect("room");
    let Verdict::Locked(lock) = logins.check(&PLUM).expect("no error") else {
        panic!("the limit is reached");
    };
    assert_eq!(lock.time_left(), 10 * SECOND);
    assert!(!logins.count(&PLUM).expect("no error").is_allowed());
    pass(&clock_ms, 59 * SECOND);
    assert!(!logins.check(&PLUM).expect("no error").is_allowed());
}

#[test]
fn long_and_odd_keys_are_told_apart_and_listed() {
    let (guira, _clock) = guira_with_clock();
    let lockout = guira
        .lockout::<String>("long")
        .rule(Rule::of_subject("text", 1, SECOND))
        .build()
        .expect("good");
    for bytes in [0, 1_000, 2_000, 5_000] {
        let key = "x".repeat(bytes);
        assert!(lockout.take(&key).expect("no error").is_allowed());
        assert!(!lockout.take(&key).expect("no error").is_allowed());
    }
    let entries = guira.lockout_entries();
    assert_eq!(entries.len(), 4);
    assert!(
        entries
            .iter()
            .all(|entry| entry.lockout == "long" && entry.is_locked())
    );
    let hashed = |subject: &KeyItem| matches!(subject, KeyItem::Bytes(hash) if hash.len() == 16);
    assert_eq!(entries.iter().filter(|entry| hashed(&entry.subject)).count(), 2);
}

#[test]
fn a_disabled_lockout_allows_everything() {
    let (guira, _clock) = guira_with_clock();
    let lockout = guira
        .lockout::<str>("off")
        .rule(Rule::of_subject("name", 1, SECOND))
        .disabled();
    for _ in 0..3 {
        assert_eq!(lockout.count("plum").expect("no error"), Verdict::Allowed);
        assert!(lockout.take("plum").expect("no error").is_allowed());
    }
    assert!(!lockout.reset("plum").expect("no error"));
    assert!(guira.lockout_entries().is_empty());
}

#[test]
fn rules_that_make_no_sense_are_refused() {
    let (guira, _clock) = guira_with_clock();
    let rule = |limit, window| Rule::<str>::of_subject("name", limit, window);
    for (rules, part) in [
        (vec![], "needs a rule"),
        (vec![rule(0, SECOND)], "limit is zero"),
        (vec![rule(1, Duration::ZERO)], "no time"),
        (vec![rule(1, SECOND).lock_for(Duration::ZERO)], "no time"),
        (vec![rule(1, SECOND), rule(2, SECOND)], "one name"),
    ] {
        let builder = rules
            .into_iter()
            .fold(guira.lockout::<str>("odd"), LockoutBuilder::rule);
        let error = builder.build().expect_err("it makes no sense");
        assert!(error.to_string().contains(part), "{error}");
    }
}

#[test]
fn a_segment_that_is_lost_is_an_error_or_open_or_closed_by_choice() {
    let host = Host::new();
    let lockout = |answer| {
        // A handle of its own, that meets the cut.
        let segment = Segment::builder().open(&host.path).expect("just made");
        Guira::of_segment(segment)
            .lockout::<str>("lost")
            .rule(Rule::of_subject("name", 1, SECOND))
            .when_unavailable(answer)
            .build()
            .expect("good")
    };
    let choices = [
        WhenUnavailable::Fail,
        WhenUnavailable::Allow,
        WhenUnavailable::Forbid,
    ];
    let [failing, open, closed] = choices.map(lockout);
    for lockout in [&failing, &open, &closed] {
        assert!(lockout.check("plum").expect("all is well").is_allowed());
    }
    std::fs::File::options()
        .write(true)
        .open(&host.path)
        .and_then(|file| file.set_len(0))
        .expect("it is ours");
    assert!(matches!(failing.check("plum"), Err(Error::Store(_))));
    assert!(matches!(failing.count("plum"), Err(Error::Store(_))));
    assert!(failing.attempt("plum").is_err() && failing.reset("plum").is_err());
    for _ in 0..3 {
        assert_eq!(open.take("plum").expect("open"), Verdict::Allowed);
        assert_eq!(closed.check("plum").expect("closed"), Verdict::Unavailable);
    }
    assert!(matches!(closed.attempt("plum"), Ok(Attempt::Unavailable)));
    assert!(!open.reset("plum").expect("open"));
    assert!(open.unavailable() >= 3 && closed.unavailable() >= 3);
}

// ---- several processes

fn shared(guira: &Guira) -> Lockout<u64> {
    guira
        .lockout("shared")
        .rule(Rule::of_subject("key", 1_000_000, Duration::from_secs(3_600)))
        .rule(Rule::of_subject("few", 500, Duration::from_secs(3_600)).lock_for(Duration::from_secs(7_200)))
        .on_lock(|_, lock| say(&format!("locked {}", lock.rule())))
        .build()
        .expect("good")
}

#[test]
fn child() {
    let Ok(path) = std::env::var(SEGMENT) else {
        return;
    };
    let guira = Guira::builder().open_existing(path).expect("the test made it");
    let lockout = shared(&guira);
    say("open");
    for line in std::io::stdin().lock().lines().map_while(Result::ok) {
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["count", key, times] => {
                let (key, times) = (key.parse().expect("a number"), times.parse().expect("a number"));
                for _ in 0..times {
                    let _ = lockout.count(&key).expect("no error");
                }
                say("counted");
            }
            // Says before each that it is about to count, until it is killed.
            ["count-on", key] => {
                let key = key.parse().expect("a number");
                for number in 1_u64.. {
                    say(&format!("counting {number}"));
                    let _ = lockout.count(&key).expect("no error");
                }
            }
            _ => panic!("no command: {line}"),
        }
    }
}

#[test]
fn processes_lose_no_count_and_one_of_them_locks() {
    const TIMES: u32 = 400;
    let host = Host::new();
    let mut workers: Vec<Worker> = (0..4)
        .map(|_| Worker::start_as("lockouts::child", &host.path))
        .collect();
    workers
        .iter_mut()
        .for_each(|worker| worker.tell(&format!("count 1 {TIMES}")));
    let mut locks = 0;
    for worker in &mut workers {
        loop {
            match &*worker.answer() {
                "counted" => break,
                "locked few" => locks += 1,
                answer => panic!("{answer}"),
            }
        }
    }
    let states = shared(&Guira::of_segment(host.segment.clone()))
        .states(&1)
        .expect("no error");
    assert_eq!(states[0].count(), 4 * TIMES);
    assert!(states[1].is_locked());
    assert!(
        states[1]
            .time_left()
            .is_some_and(|left| left > Duration::from_secs(3_600))
    );
    assert_eq!(locks, 1);
}

#[test]
fn a_process_that_is_killed_loses_at_most_the_event_that_it_was_about_to_count() {
    let host = Host::new();
    let lockout = shared(&Guira::of_segment(host.segment.clone()));
    for round in 0..10 {
        let mut worker = Worker::start_as("lockouts::child", &host.path);
        worker.tell(&format!("count-on {round}"));
        for _ in 0..50 + round {
            worker.answer();
        }
        worker.signal(Signal::SIGKILL);
        let mut begun = 50 + round;
        while let Some(answer) = worker.last_answer() {
            if answer == "locked few" {
                continue;
            }
            let number = answer
                .strip_prefix("counting ")
                .unwrap_or_else(|| panic!("{answer}"));
            begun = number.parse().expect("a number");
        }
        let counted = u64::from(lockout.states(&round).expect("no error")[0].count());
        assert!(counted == begun || counted + 1 == begun, "{counted} of {begun}");
        // And nobody is held up.
        assert!(lockout.take(&round).is_ok());
    }
}
