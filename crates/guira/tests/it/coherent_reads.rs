//! Reads that ask for more, or for less, than plain ones.

use std::time::Duration;

use guira::coherence::{CoherenceError, Consistency, Reach, SessionToken, WhenSuspect};
use guira::{Error, Guira};

use super::coherence::{LONG, WAIT, announce, broker, broker_at, cache, followed, host, until};

const SOON: Duration = Duration::from_millis(300);

#[test]
fn a_session_read_does_not_give_what_the_other_host_had_invalidated() {
    let (_broker, address) = broker();
    let (here, there) = (host(&address), host(&address));
    let (ours, theirs) = (cache(&here), cache(&there));
    followed(&theirs);
    for round in 0..100 {
        theirs.put("k", &round, LONG).expect("put");
        ours.invalidate("k").expect("invalidate");
        let token = here
            .announced()
            .expect("coherent")
            .session(WAIT)
            .expect("accepted");
        let text = token.to_string();
        let token: SessionToken = text.parse().expect("a token");
        let reading = theirs.reading(Consistency::Session(token.clone())).within(WAIT);
        assert_eq!(reading.get("k").expect("get"), None, "{text}");
        theirs.put("k", &round, LONG).expect("put");
        // Whoever was told once knows it.
        let again = theirs
            .reading(Consistency::Session(token.clone()))
            .within(Duration::ZERO);
        assert_eq!(again.get("k").expect("get"), Some(round));
        let own = ours.reading(Consistency::Session(token)).within(Duration::ZERO);
        assert_eq!(own.get("k").expect("get"), None);
    }
}

#[test]
fn a_session_that_is_not_applied_is_a_miss_whatever_the_cache_does_with_suspect_hits() {
    let (broker, address) = broker();
    let (here, there) = (host(&address), host(&address));
    let serving = there
        .cache_builder::<str, u64>("values")
        .when_suspect(WhenSuspect::ServeStale)
        .build()
        .expect("a cache");
    followed(&serving);
    serving.put("k", &1, LONG).expect("put");
    cache(&here).invalidate("other").expect("invalidate");
    let token = here
        .announced()
        .expect("coherent")
        .session(WAIT)
        .expect("accepted");
    announce(&here);
    broker.stop().expect("it stops");
    cache(&here).invalidate("other").expect("invalidate");
    let unaccepted = here
        .announced()
        .expect("coherent")
        .session(Duration::from_millis(50));
    assert!(
        matches!(unaccepted, Err(CoherenceError::Unannounced { .. })),
        "{unaccepted:?}"
    );

    // A life of a broker that this host does not know, and nobody to ask.
    let unknown = "AQ".to_owned() + &"A".repeat(21) + &"B".repeat(21);
    let unknown: SessionToken = unknown.parse().expect("a token");
    let reading = serving
        .reading(Consistency::Session(unknown.clone()))
        .within(SOON);
    assert_eq!(reading.get("k").expect("get"), None);
    let computed = reading.get_or_compute_with("k", LONG, || 2);
    assert_eq!(computed.expect("computed"), 2);
    assert_eq!(serving.get("k").expect("get"), Some(1), "what is there stays");
    // What is applied stays applied.
    let known = serving
        .reading(Consistency::Session(token.clone()))
        .within(Duration::ZERO);
    assert_eq!(known.get("k").expect("get"), Some(1));

    // A new life of the broker: the old tokens are good still. What was there may be void by then, where the first life
    // was short.
    let _broker = broker_at(&address);
    for token in [unknown, token] {
        let reading = serving.reading(Consistency::Session(token)).within(WAIT);
        until("a session read gives what is there", || {
            serving.put("k", &3, LONG).expect("put");
            reading.get("k").expect("get") == Some(3)
        });
    }
}

#[test]
fn a_strict_read_gives_nothing_that_was_accepted_as_void_before_it_began() {
    let (_broker, address) = broker();
    let (here, there) = (host(&address), host(&address));
    let (ours, theirs) = (cache(&here), cache(&there));
    followed(&theirs);
    for round in 0..100 {
        theirs.put("k", &round, LONG).expect("put");
        theirs.put("kept", &round, LONG).expect("put");
        ours.invalidate("k").expect("invalidate");
        let announced = here.announced().expect("coherent");
        announced.wait(Reach::Accepted, WAIT).expect("accepted");
        let reading = theirs.reading(Consistency::Strict).within(WAIT);
        assert_eq!(reading.get("k").expect("get"), None);
        assert_eq!(reading.get("kept").expect("get"), Some(round));
        let computed = reading.get_or_compute_with("k", LONG, || round + 1);
        assert_eq!(computed.expect("computed"), round + 1);
    }
    ours.invalidate("kept").expect("invalidate");
    let announced = here.announced().expect("coherent");
    announced.wait(Reach::Accepted, WAIT).expect("accepted");
    there.catch_up(WAIT).expect("brokers answer");
    assert_eq!(theirs.get("kept").expect("get"), None);
}

#[test]
fn many_strict_reads_at_once_share_the_questions() {
    let (_broker, address) = broker();
    let there = host(&address);
    let theirs = cache(&there);
    followed(&theirs);
    theirs.put("k", &1, LONG).expect("put");
    let before = there.coherence_status().expect("coherent").counts.frames_sent;
    std::thread::scope(|scope| {
        for _ in 0..32 {
            scope.spawn(|| {
                for _ in 0..50 {
                    let reading = theirs.reading(Consistency::Strict).within(WAIT);
                    assert_eq!(reading.get("k").expect("get"), Some(1));
                }
            });
        }
    });
    let sent = there.coherence_status().expect("coherent").counts.frames_sent - before;
    assert!(sent < 1_600, "{sent} frames for 1,600 reads");
}

#[test]
fn a_strict_read_that_nobody_answers_is_an_error_that_says_so() {
    let (broker, address) = broker();
    let there = host(&address);
    let theirs = cache(&there);
    followed(&theirs);
    theirs.put("k", &1, LONG).expect("put");
    broker.stop().expect("it stops");
    let error = theirs
        .reading(Consistency::Strict)
        .within(SOON)
        .get("k")
        .expect_err("nobody answers");
    let is_said =
        matches!(&error, Error::Coherence(inner) if matches!(**inner, CoherenceError::Unconfirmed { .. }));
    assert!(is_said && error.to_string().contains(&address), "{error}");
    there.catch_up(SOON).expect_err("nobody answers");
    until("trust runs out", || {
        !there.coherence_status().expect("coherent").is_trusted
    });
    assert_eq!(theirs.get("k").expect("get"), None);
    let bounded = theirs.reading(Consistency::Bounded);
    assert_eq!(bounded.get("k").expect("get"), None);
    let any = theirs.reading(Consistency::Any);
    assert_eq!(any.get("k").expect("get"), Some(1));
    assert_eq!(any.get_or_compute_with("k", LONG, || 2).expect("a value"), 1);
}

#[test]
fn what_only_a_cluster_can_answer_is_an_error_without_one() {
    let alone = Guira::builder().size(8 << 20).private().expect("room");
    let values = cache(&alone);
    values.put("k", &1, LONG).expect("put");
    let error = values
        .reading(Consistency::Strict)
        .get("k")
        .expect_err("no cluster");
    assert!(error.to_string().contains("without coherence"), "{error}");
    alone.catch_up(SOON).expect_err("no cluster");
    assert_eq!(values.reading(Consistency::Any).get("k").expect("get"), Some(1));
    assert_eq!(
        values.reading(Consistency::Bounded).get("k").expect("get"),
        Some(1)
    );
}
