//! The checker on histories written by hand: what is legal passes, what is not does not.

mod ages;

use crate::linearize::event::{Action, Event, Life, New, Outcome};
use crate::linearize::judge::{History, Judged};
use crate::linearize::value::folded;

const MS: u64 = 1_000_000;

fn of(client: u32, times: (u64, u64), action: Action, outcome: Outcome) -> Event {
    Event {
        client,
        seat: client as u8,
        key: 0,
        began_ns: times.0,
        ended_ns: Some(times.1),
        gone_ns: None,
        action,
        outcome: Some(outcome),
    }
}

fn cut_off(client: u32, began_ns: u64, action: Action) -> Event {
    Event {
        ended_ns: None,
        gone_ns: Some(began_ns + 5),
        outcome: None,
        ..of(client, (began_ns, began_ns), action, Outcome::Done)
    }
}

fn new(value: u64) -> New {
    let life = Life::default();
    New { value, tag: 0, life }
}

fn living(value: u64, hard_ms: u32, soft_ms: u32) -> New {
    New {
        life: Life { hard_ms, soft_ms },
        ..new(value)
    }
}

fn put(client: u32, times: (u64, u64), value: u64) -> Event {
    of(client, times, Action::Put(new(value)), Outcome::Stored)
}

fn got(client: u32, times: (u64, u64), value: u64) -> Event {
    seen(client, times, Some(value), None, None)
}

fn seen(
    client: u32,
    times: (u64, u64),
    value: Option<u64>,
    version: Option<u64>,
    stale: Option<bool>,
) -> Event {
    let outcome = Outcome::Hit {
        value,
        version,
        stale,
    };
    of(client, times, Action::Read, outcome)
}

fn missed(client: u32, times: (u64, u64)) -> Event {
    of(client, times, Action::Read, Outcome::Miss)
}

fn judged(events: &[Event], may_evict: bool) -> Judged {
    let history = History {
        seed: 0,
        number: 0,
        keys: 1,
        may_evict,
        events: events.to_vec(),
    };
    history.judge()
}

#[track_caller]
fn legal(events: &[Event]) {
    let judged = judged(events, false);
    assert!(
        judged.violations.is_empty() && judged.undecided.is_empty(),
        "{judged:?}"
    );
    assert_eq!(judged.momentary_misses, 0);
}

/// No order, whether entries may be evicted or not.
#[track_caller]
fn illegal(events: &[Event]) {
    for may_evict in [false, true] {
        let judged = judged(events, may_evict);
        assert_eq!(judged.violations.len(), 1, "may evict: {may_evict}, {judged:?}");
    }
}

#[test]
fn overlapping_operations_may_take_effect_in_either_order() {
    let race = [put(0, (0, 10), 1), put(1, (5, 15), 2)];
    for last in [1, 2] {
        let mut events = race.to_vec();
        events.push(got(2, (20, 30), last));
        legal(&events);
    }
    legal(&[
        put(0, (0, 10), 1),
        put(1, (20, 40), 2),
        got(2, (25, 26), 1),
        got(2, (27, 28), 2),
    ]);
}

#[test]
fn a_stale_read_has_no_order() {
    illegal(&[put(0, (0, 10), 1), put(0, (20, 30), 2), got(1, (40, 50), 1)]);
    // The second value was seen: the first cannot come back.
    illegal(&[
        put(0, (0, 10), 1),
        put(1, (20, 60), 2),
        got(2, (25, 26), 2),
        got(3, (27, 28), 1),
    ]);
}

#[test]
fn bytes_that_nobody_wrote_have_no_order() {
    illegal(&[put(0, (0, 10), 1), got(1, (20, 30), super::value::NOBODYS)]);
}

#[test]
fn a_value_that_comes_back_after_a_remove_has_no_order() {
    let removed = of(0, (20, 30), Action::Remove, Outcome::Was(true));
    illegal(&[put(0, (0, 10), 1), removed, got(1, (40, 50), 1)]);
    legal(&[put(0, (0, 10), 1), removed, missed(1, (40, 50))]);
    // A put that overlaps the remove may come after it.
    legal(&[
        put(1, (15, 35), 1),
        of(0, (20, 30), Action::Remove, Outcome::Was(false)),
        got(1, (40, 50), 1),
    ]);
    illegal(&[
        put(0, (0, 10), 1),
        of(0, (20, 30), Action::Clear, Outcome::Done),
        got(1, (40, 50), 1),
    ]);
}

#[test]
fn a_put_that_was_seen_removed_and_seen_again_has_no_order() {
    illegal(&[
        put(0, (0, 100), 1),
        got(1, (10, 20), 1),
        of(1, (30, 40), Action::Remove, Outcome::Was(true)),
        got(1, (50, 60), 1),
    ]);
}

#[test]
fn a_removal_may_take_what_was_put_while_it_ran_but_nothing_later() {
    let removed = of(0, (20, 60), Action::Remove, Outcome::Was(true));
    let events = [
        put(1, (0, 10), 1),
        removed,
        missed(2, (25, 26)),
        put(1, (30, 40), 2),
        got(2, (45, 46), 2),
    ];
    legal(&[&events[..], &[missed(2, (70, 80))]].concat());
    illegal(&[&events[..], &[got(2, (70, 80), 1)]].concat());
    let later = [put(1, (70, 80), 3), missed(2, (90, 95)), got(2, (96, 99), 3)];
    assert_eq!(judged(&[&events[..], &later].concat(), false).momentary_misses, 1);
}

#[test]
fn a_lost_update_has_no_order() {
    let swap = |client, times, value| {
        let action = Action::Swap {
            expected: 1,
            version: 9,
            new: new(value),
        };
        of(client, times, action, Outcome::Stored)
    };
    let read = seen(0, (20, 30), Some(1), Some(9), None);
    illegal(&[
        put(0, (0, 10), 1),
        read,
        swap(0, (40, 60), 2),
        swap(1, (45, 65), 3),
    ]);
    legal(&[put(0, (0, 10), 1), read, swap(0, (40, 60), 2)]);
    // A version belongs to one value, and one value without a touch has one version.
    illegal(&[
        put(0, (0, 10), 1),
        read,
        seen(1, (40, 50), Some(1), Some(8), None),
    ]);
    let conflict = Outcome::Conflict(9);
    let action = Action::Swap {
        expected: 1,
        version: 9,
        new: new(4),
    };
    illegal(&[put(0, (0, 10), 1), read, of(0, (40, 50), action, conflict)]);
}

fn increment(client: u32, times: (u64, u64), sum: i64) -> Event {
    let action = Action::Increment {
        delta: 1,
        initial: Some(10),
        life: Life::default(),
    };
    of(client, times, action, Outcome::Sum(sum))
}

#[test]
fn increments_that_are_lost_or_made_twice_have_no_order() {
    legal(&[
        increment(0, (0, 10), 10),
        increment(1, (20, 40), 12),
        increment(2, (21, 41), 11),
    ]);
    illegal(&[
        increment(0, (0, 10), 10),
        increment(1, (20, 40), 11),
        increment(2, (21, 41), 11),
    ]);
    illegal(&[
        increment(0, (0, 10), 10),
        increment(1, (20, 30), 11),
        got(2, (40, 50), 12),
    ]);
}

#[test]
fn an_append_that_is_lost_has_no_order() {
    let append = |client, times, suffix| of(client, times, Action::Append { suffix }, Outcome::Stored);
    let both = folded(folded(1, 7), 8);
    let events = [put(0, (0, 10), 1), append(1, (20, 30), 7), append(2, (21, 31), 8)];
    legal(&[events[0], events[1], events[2], got(0, (40, 50), both)]);
    illegal(&[events[0], events[1], events[2], got(0, (40, 50), folded(1, 8))]);
}

#[test]
fn of_two_adds_one_finds_the_other() {
    let add = |client, times, value, outcome| of(client, times, Action::Add(new(value)), outcome);
    legal(&[
        add(0, (0, 10), 1, Outcome::Stored),
        add(1, (5, 15), 2, Outcome::Exists),
    ]);
    let both = [
        add(0, (0, 10), 1, Outcome::Stored),
        add(1, (5, 15), 2, Outcome::Stored),
    ];
    assert_eq!(judged(&both, false).violations.len(), 1);
    // The first may have been evicted, but not read after it.
    assert!(judged(&both, true).violations.is_empty());
    illegal(&[
        both[0],
        got(2, (20, 21), 1),
        both[1],
        got(2, (22, 23), 2),
        got(2, (24, 25), 1),
    ]);
}

#[test]
fn a_value_that_expires_early_is_a_violation_and_one_that_lives_too_long_too() {
    let put = of(0, (MS, MS + 10), Action::Put(living(1, 3, 0)), Outcome::Stored);
    legal(&[
        put,
        got(1, (2 * MS, 2 * MS + 5), 1),
        missed(1, (4 * MS, 4 * MS + 5)),
    ]);
    illegal(&[put, got(1, (4 * MS, 4 * MS + 5), 1)]);
    let early = judged(
        &[
            put,
            missed(1, (2 * MS, 2 * MS + 5)),
            missed(1, (2 * MS + 6, 2 * MS + 9)),
        ],
        false,
    );
    // It may be a momentary miss, which is no pass either.
    assert!(early.momentary_misses > 0, "{early:?}");
    let gone = of(1, (2 * MS, 2 * MS + 5), Action::Remove, Outcome::Was(false));
    assert_eq!(judged(&[put, gone], false).violations.len(), 1);
    // Expired at the latest when it was first met expired.
    let slow = of(0, (MS, 3 * MS), Action::Put(living(1, 3, 0)), Outcome::Stored);
    let (first, then) = (4 * MS + 1, 5 * MS + 1);
    legal(&[slow, got(1, (first, first + 5), 1), missed(1, (then, then + 5))]);
    let back = judged(
        &[slow, missed(1, (first, first + 5)), got(1, (then, then + 5), 1)],
        false,
    );
    assert_eq!(back.momentary_misses, 1);
    let found = of(1, (first, first + 5), Action::Remove, Outcome::Was(true));
    illegal(&[
        slow,
        missed(1, (then, then + 5)),
        found,
        got(1, (then + 10, then + 15), 1),
    ]);
}

#[test]
fn staleness_is_seen_after_the_soft_deadline_or_the_mark_and_not_before() {
    let put = of(0, (MS, MS + 10), Action::Put(living(1, 100, 2)), Outcome::Stored);
    let look = |at: u64, stale| seen(1, (at, at + 5), Some(1), None, Some(stale));
    legal(&[put, look(2 * MS, false), look(3 * MS, true)]);
    illegal(&[put, look(2 * MS, true)]);
    illegal(&[put, look(3 * MS, false)]);
    let expired = of(0, (MS + 20, MS + 30), Action::Expire, Outcome::Was(true));
    legal(&[put, expired, look(2 * MS, true)]);
    illegal(&[put, expired, look(2 * MS, false)]);
}

fn token(client: u32, times: (u64, u64)) -> Event {
    of(client, times, Action::Token, Outcome::Done)
}

fn fill(client: u32, times: (u64, u64), token_began_ns: u64, value: u64) -> Event {
    let action = Action::Fill {
        token_began_ns,
        refreshes: None,
        new: new(value),
    };
    of(client, times, action, Outcome::Stored)
}

#[test]
fn a_fill_from_before_an_invalidation_has_no_order() {
    let invalidated = of(1, (20, 30), Action::Invalidate, Outcome::Was(false));
    legal(&[token(0, (0, 10)), fill(0, (40, 50), 0, 1), got(1, (60, 70), 1)]);
    illegal(&[token(0, (0, 10)), invalidated, fill(0, (40, 50), 0, 1)]);
    // A token that was taken while it ran may count as new.
    legal(&[token(0, (25, 35)), invalidated, fill(0, (40, 50), 25, 1)]);
    illegal(&[token(0, (0, 10)), put(1, (20, 30), 2), fill(0, (40, 50), 0, 1)]);
}

#[test]
fn a_fill_that_overlaps_an_expiry_may_be_stored_but_not_as_fresh() {
    let expired = of(1, (20, 30), Action::Expire, Outcome::Was(false));
    let look = |stale| seen(2, (60, 70), Some(1), None, Some(stale));
    illegal(&[token(0, (0, 10)), expired, fill(0, (40, 50), 0, 1)]);
    legal(&[token(0, (0, 10)), expired, fill(0, (15, 50), 0, 1), look(true)]);
    illegal(&[
        token(0, (0, 10)),
        of(1, (20, 30), Action::Expire, Outcome::Was(false)),
        fill(0, (35, 50), 0, 1),
    ]);
}

#[test]
fn a_removal_may_take_what_was_put_while_it_ran_twice() {
    let taken = |times: u64| {
        let mut events = vec![
            put(0, (0, 5), 100),
            of(1, (10, 1000), Action::Remove, Outcome::Was(true)),
        ];
        for time in 0..times {
            let at = 20 + 100 * time;
            events.push(put(0, (at, at + 10), time));
            events.push(missed(0, (at + 20, at + 30)));
        }
        events
    };
    legal(&taken(2));
    assert_eq!(judged(&taken(5), false).momentary_misses, 2);
}

#[test]
fn a_killed_operation_took_effect_later_or_never_but_once() {
    let put = put(0, (0, 10), 1);
    let killed = cut_off(1, 20, Action::Put(new(2)));
    legal(&[put, killed, got(2, (30, 40), 1), got(2, (50, 60), 2)]);
    legal(&[put, killed, got(2, (30, 40), 1), got(2, (50, 60), 1)]);
    illegal(&[put, killed, got(2, (30, 40), 2), got(2, (50, 60), 1)]);
    let before = cut_off(1, 45, Action::Put(new(2)));
    illegal(&[put, before, got(2, (30, 40), 2)]);
}

#[test]
fn a_miss_without_reason_is_counted_and_eviction_is_a_reason() {
    let events = [put(0, (0, 10), 1), missed(1, (20, 30)), got(1, (40, 50), 1)];
    assert_eq!(judged(&events, false).momentary_misses, 1);
    assert_eq!(
        judged(&events, true).momentary_misses,
        1,
        "it came back: not evicted"
    );
    let gone = [put(0, (0, 10), 1), missed(1, (20, 30)), missed(1, (40, 50))];
    assert_eq!(judged(&gone, true).momentary_misses, 0);
}

#[test]
fn a_violation_is_cut_down_to_what_shows_it() {
    let mut events = Vec::new();
    for step in 0..50 {
        events.push(put(0, (step * 100, step * 100 + 10), step + 1));
        events.push(got(1, (step * 100 + 20, step * 100 + 30), step + 1));
    }
    events.push(got(1, (5_000, 5_010), 7));
    let judged = judged(&events, false);
    let [violation] = &judged.violations[..] else {
        panic!("one violation expected: {judged:?}");
    };
    assert!(violation.shown.len() <= 8, "{:#?}", violation.lines());
    let needed = |event: &Event| {
        violation
            .shown
            .iter()
            .any(|shown| shown.is_needed && shown.event == *event)
    };
    assert!(needed(&events[100]), "{:#?}", violation.lines());
}
