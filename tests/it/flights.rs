//! One computation of a key among many processes, whatever becomes of the one that computes.

use std::time::Duration;

use guira_segment::{Expiry, Fill, Flight, FlightEnd, Lookup, PutOptions, Segment};
use tempfile::TempDir;

use crate::children::Child;
use crate::places::{SMALL_BYTES, file_in, in_memory};
use crate::watchdog::in_time;

const LONG_MS: u64 = 50_000;
const LONG: Duration = Duration::from_millis(LONG_MS);

/// A segment and some processes that have it open.
struct Host {
    _directory: TempDir,
    segment: Segment,
    children: Vec<Child>,
}

impl Host {
    fn new(children: usize) -> Self {
        let directory = in_memory();
        let path = file_in(&directory);
        let segment = Segment::builder()
            .size(SMALL_BYTES)
            .create(&path)
            .expect("a segment");
        let children = (0..children).map(|_| Child::with_segment(&path)).collect();
        Self {
            _directory: directory,
            segment,
            children,
        }
    }

    fn waiters(&self) -> u64 {
        self.segment.stats().flights_waited
    }

    /// Returns when `count` waits have begun.
    fn await_waiters(&self, count: u64) {
        let segment = self.segment.clone();
        in_time("the waiters' arrival", move || {
            while segment.stats().flights_waited < count {
                std::thread::yield_now();
            }
        });
    }
}

/// Misses `key` in a child and leads its computation.
fn lead(child: &mut Child, key: &str, patience_ms: u64) {
    assert_eq!(child.ask(&format!("miss {key}")), "miss");
    assert_eq!(child.ask(&format!("fly {key} {patience_ms}")), "lead");
}

fn computed(answers: &[String]) -> usize {
    answers
        .iter()
        .filter(|answer| *answer == "computed Stored")
        .count()
}

#[test]
fn of_many_processes_that_miss_at_once_one_computes_and_all_have_the_value() {
    const CHILDREN: usize = 6;
    let mut host = Host::new(CHILDREN);
    for round in 0..20 {
        let command = format!("compute k{round} v {LONG_MS}");
        // A child leads first, so that the others meet a flight, not a race for it.
        lead(&mut host.children[0], &format!("k{round}"), LONG_MS);
        let before = host.waiters();
        for child in &mut host.children[1..] {
            child.tell(&command);
        }
        host.await_waiters(before + CHILDREN as u64 - 1);
        assert_eq!(host.children[0].ask(&format!("fill k{round} first")), "Stored");
        assert_eq!(host.children[0].ask("land"), "ok");
        for child in &mut host.children[1..] {
            assert_eq!(child.answer_to(&command), "found first");
        }
    }
    assert_eq!(host.segment.stats().flights, 0);

    // And with the race.
    for round in 0..50 {
        let command = format!("compute r{round} v {LONG_MS}");
        host.children.iter_mut().for_each(|child| child.tell(&command));
        let answers: Vec<String> = host
            .children
            .iter_mut()
            .map(|child| child.answer_to(&command))
            .collect();
        assert_eq!(computed(&answers), 1, "{answers:?}");
        assert_eq!(
            answers.iter().filter(|answer| *answer == "found v").count(),
            CHILDREN - 1,
            "{answers:?}"
        );
    }
}

#[test]
fn a_leader_that_gives_up_wakes_the_waiters_and_one_of_them_computes() {
    let mut host = Host::new(4);
    lead(&mut host.children[0], "k", LONG_MS);
    let command = format!("compute k v {LONG_MS}");
    host.children[1..]
        .iter_mut()
        .for_each(|child| child.tell(&command));
    host.await_waiters(3);
    assert_eq!(host.children[0].ask("land"), "ok");
    let answers: Vec<String> = host.children[1..]
        .iter_mut()
        .map(|child| child.answer_to(&command))
        .collect();
    assert_eq!(computed(&answers), 1, "{answers:?}");
}

#[test]
fn a_killed_leader_is_replaced_by_exactly_one_waiter_long_before_its_deadline() {
    let mut host = Host::new(5);
    lead(&mut host.children[0], "k", 10 * LONG_MS);
    let command = format!("compute k v {}", 10 * LONG_MS);
    host.children[1..]
        .iter_mut()
        .for_each(|child| child.tell(&command));
    host.await_waiters(4);
    host.children.remove(0).kill();
    // The watchdog of the answers is far below the leader's patience.
    let answers: Vec<String> = host
        .children
        .iter_mut()
        .map(|child| child.answer_to(&command))
        .collect();
    assert_eq!(computed(&answers), 1, "{answers:?}");
    assert_eq!(answers.iter().filter(|answer| *answer == "found v").count(), 3);
    assert_eq!(host.segment.stats().flights, 0);
    host.segment.recover();
    assert_eq!(host.segment.stats().processes, 5);
    assert!(host.segment.verify().is_clean());
}

#[test]
fn a_stopped_leader_is_replaced_by_exactly_one_waiter_at_its_deadline_and_does_no_harm_later() {
    let mut host = Host::new(5);
    lead(&mut host.children[0], "k", 300);
    host.children[0].stop();
    // The waiters grant more than the leader asked for itself: its word counts.
    let command = format!("compute k v {LONG_MS}");
    host.children[1..]
        .iter_mut()
        .for_each(|child| child.tell(&command));
    let answers: Vec<String> = host.children[1..]
        .iter_mut()
        .map(|child| child.answer_to(&command))
        .collect();
    assert_eq!(computed(&answers), 1, "{answers:?}");
    assert_eq!(answers.iter().filter(|answer| *answer == "found v").count(), 3);

    host.children[0].resume();
    assert_eq!(host.children[0].ask("fill k late"), "Superseded");
    assert_eq!(host.segment.get(b"k").as_deref(), Some(b"v".as_slice()));
    // Its end must not end the flight of whoever leads now.
    assert!(host.segment.invalidate(b"k"));
    lead(&mut host.children[1], "k", LONG_MS);
    assert_eq!(host.children[0].ask("land"), "ok");
    assert_eq!(host.children[2].ask("miss k"), "miss");
    assert_eq!(host.children[2].ask(&format!("fly k {LONG_MS}")), "wait");
    assert_eq!(host.segment.stats().flights, 1);
}

#[test]
fn nobody_takes_a_leader_over_that_lives_and_is_in_time() {
    let mut host = Host::new(2);
    lead(&mut host.children[0], "k", LONG_MS);
    assert_eq!(host.children[1].ask("miss k"), "miss");
    assert_eq!(host.children[1].ask(&format!("fly k {LONG_MS}")), "wait");
    // Several probes long.
    assert_eq!(host.children[1].ask("wait 400"), "timed-out");
    // Nor a stopped one.
    host.children[0].stop();
    assert_eq!(host.children[1].ask(&format!("fly k {LONG_MS}")), "wait");
    assert_eq!(host.children[1].ask("wait 400"), "timed-out");
    host.children[0].resume();
    assert_eq!(host.children[0].ask("fill k v"), "Stored");
    assert_eq!(host.children[0].ask("land"), "ok");
}

#[test]
fn an_invalidation_detaches_a_flight_from_later_misses() {
    let mut host = Host::new(3);
    lead(&mut host.children[0], "k", LONG_MS);
    host.children[1].tell(&format!("compute k second {LONG_MS}"));
    host.await_waiters(1);
    assert!(!host.segment.invalidate(b"k"));

    // Whoever misses now must not wait for a value from before the invalidation.
    lead(&mut host.children[2], "k", LONG_MS);
    assert_eq!(host.children[2].ask("fill k new"), "Stored");
    assert_eq!(host.children[2].ask("land"), "ok");
    assert_eq!(host.children[0].ask("fill k old"), "Superseded");
    assert_eq!(host.children[0].ask("land"), "ok");
    assert_eq!(host.children[1].answer_to("compute"), "found new");
    assert_eq!(host.segment.get(b"k").as_deref(), Some(b"new".as_slice()));
    assert_eq!(host.segment.stats().flights, 0);
}

#[test]
fn a_token_from_before_an_invalidation_joins_what_began_after_it() {
    let host = Host::new(0);
    let segment = &host.segment;
    let early = segment.fill_token(b"k");
    segment.invalidate(b"k");
    let late = segment.fill_token(b"k");
    let lead = segment.flight(b"k", &late, LONG);
    assert!(matches!(lead, Flight::Lead(_)));
    // The older miss does not take the newer computation's place.
    assert!(matches!(segment.flight(b"k", &early, LONG), Flight::Wait(_)));
    assert_eq!(
        segment.fill(b"k", b"v", &late, &PutOptions::default()),
        Ok(Fill::Stored)
    );
    drop(lead);
    assert_eq!(
        segment.fill(b"k", b"old", &early, &PutOptions::default()),
        Ok(Fill::Superseded)
    );
}

#[test]
fn threads_of_one_process_share_a_flight_too() {
    let host = Host::new(0);
    let segment = host.segment.clone();
    let Lookup::Miss(token) = segment.lookup(b"k") else {
        panic!("a value from nowhere")
    };
    let Flight::Lead(lead) = segment.flight(b"k", &token, LONG) else {
        panic!("nobody else is there")
    };
    let waiting = segment.clone();
    let waiter = std::thread::spawn(move || {
        let token = waiting.fill_token(b"k");
        match waiting.flight(b"k", &token, LONG) {
            Flight::Wait(wait) => matches!(wait.wait(LONG), FlightEnd::Landed),
            flight => panic!("{flight:?}"),
        }
    });
    host.await_waiters(1);
    assert_eq!(
        segment.fill(b"k", b"v", &token, &PutOptions::default()),
        Ok(Fill::Stored)
    );
    drop(lead);
    assert!(in_time("the waiter", move || waiter.join().expect("no panic")));
}

#[test]
fn when_no_cell_is_free_a_caller_computes_alone() {
    let host = Host::new(0);
    let segment = &host.segment;
    let mut leads = Vec::new();
    let mut alone = 0;
    for n in 0..10_000_u32 {
        let key = n.to_le_bytes();
        match segment.flight(&key, &segment.fill_token(&key), LONG) {
            Flight::Lead(lead) => leads.push(lead),
            Flight::Alone => alone += 1,
            Flight::Wait(wait) => panic!("another key's flight: {wait:?}"),
        }
    }
    assert!(
        alone > 0 && leads.len() > 100,
        "{} lead, {alone} alone",
        leads.len()
    );
    assert_eq!(segment.stats().flights, leads.len() as u64);
    segment.put(b"k", b"v", Expiry::never()).expect("room");
    drop(leads);
    assert_eq!(segment.stats().flights, 0);
}

#[test]
fn whoever_was_replaced_does_not_end_the_flight_of_the_one_who_took_over_in_its_own_process() {
    let segment = Segment::builder()
        .size(SMALL_BYTES)
        .private()
        .expect("a private segment");
    let token = segment.fill_token(b"k");
    let join = |patience| segment.flight(b"k", &token, patience);
    let Flight::Lead(late) = join(Duration::ZERO) else {
        panic!("nobody else computes")
    };
    let wait = || match join(LONG) {
        Flight::Wait(wait) => wait,
        other => panic!("{other:?}"),
    };
    let (first, second) = (wait(), wait());
    let FlightEnd::TakenOver(lead) = first.wait(LONG) else {
        panic!("a late flight is taken over")
    };
    // Of two who wait exactly one takes over.
    assert!(matches!(second.wait(Duration::ZERO), FlightEnd::Landed));
    drop(late);
    assert_eq!(segment.stats().flights, 1, "the flight was ended by another");
    assert!(matches!(wait().wait(Duration::ZERO), FlightEnd::TimedOut));
    drop(lead);
    assert_eq!(segment.stats().flights, 0);
}

#[test]
fn a_waiter_knows_the_number_of_the_flight_it_joined_and_the_leader_that_somebody_waits() {
    let host = Host::new(0);
    let segment = &host.segment;
    let token = segment.fill_token(b"k");
    let Flight::Lead(lead) = segment.flight(b"k", &token, LONG) else {
        panic!("nobody else computes")
    };
    let Flight::Wait(wait) = segment.flight(b"k", &token, LONG) else {
        panic!("it is under way")
    };
    assert_eq!(wait.number(), lead.number());
    assert!(lead.is_awaited());
    assert!(matches!(wait.wait(Duration::ZERO), FlightEnd::TimedOut));
    assert!(lead.is_awaited());
    let first = lead.number();
    drop(lead);
    assert!(matches!(wait.wait(LONG), FlightEnd::Landed));
    drop(wait);
    let Flight::Lead(second) = segment.flight(b"k", &token, LONG) else {
        panic!("the first has landed")
    };
    assert_ne!(second.number(), first);
    assert!(!second.is_awaited());
}

#[test]
fn a_leader_that_asks_for_more_time_is_not_replaced_at_its_first_deadline() {
    let host = Host::new(0);
    let segment = &host.segment;
    let token = segment.fill_token(b"k");
    let Flight::Lead(lead) = segment.flight(b"k", &token, Duration::ZERO) else {
        panic!("nobody else computes")
    };
    lead.extend(LONG);
    let Flight::Wait(wait) = segment.flight(b"k", &token, LONG) else {
        panic!("it is under way")
    };
    assert!(matches!(
        wait.wait(Duration::from_millis(20)),
        FlightEnd::TimedOut
    ));
    lead.extend(Duration::ZERO);
    let Flight::Wait(wait) = segment.flight(b"k", &token, LONG) else {
        panic!("it is under way")
    };
    assert!(matches!(wait.wait(LONG), FlightEnd::TakenOver(_)));
}
