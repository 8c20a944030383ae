//! How old a value is, and which invalidations of tags reach it.

use super::{got, illegal, judged, legal, missed, new, of, put, token};
use crate::linearize::event::{Action, Event, New, Outcome};

#[test]
fn a_tag_takes_what_carries_it_and_nothing_else() {
    let tagged = New { tag: 1, ..new(1) };
    let put = of(0, (0, 10), Action::Put(tagged), Outcome::Stored);
    let invalidated = |tag| of(1, (20, 30), Action::InvalidateTag(tag), Outcome::Done);
    illegal(&[put, invalidated(1), got(2, (40, 50), 1)]);
    legal(&[put, invalidated(2), got(2, (40, 50), 1)]);
}

fn tag_invalidated(client: u32, times: (u64, u64), tag: u8) -> Event {
    of(client, times, Action::InvalidateTag(tag), Outcome::Done)
}

fn swapped(client: u32, times: (u64, u64), expected: u64, new: New) -> Event {
    let action = Action::Swap {
        expected,
        version: expected,
        new,
    };
    of(client, times, action, Outcome::Stored)
}

#[test]
fn a_swapped_value_is_as_old_as_what_it_replaced() {
    let tagged = New { tag: 1, ..new(2) };
    let missed_after = |invalidated| {
        [
            put(0, (10, 20), 1),
            tag_invalidated(1, invalidated, 1),
            swapped(0, (30, 40), 1, tagged),
            missed(0, (50, 60)),
        ]
    };
    legal(&missed_after((15, 16)));
    assert_eq!(judged(&missed_after((5, 6)), false).momentary_misses, 1);
}

/// A computed value is as old as its token, and nobody knows on which side of an invalidation that overlaps the
/// taking of the token that was.
#[test]
fn a_swapped_value_may_be_as_old_as_the_token_of_what_it_replaced() {
    let tagged = New { tag: 1, ..new(2) };
    let fill = Action::Fill {
        token_began_ns: 10,
        refreshes: None,
        new: new(1),
    };
    let missed_after = |invalidated| {
        [
            of(0, (10, 20), Action::Token, Outcome::Done),
            tag_invalidated(1, invalidated, 1),
            of(0, (30, 40), fill, Outcome::Stored),
            swapped(0, (50, 60), 1, tagged),
            missed(0, (70, 80)),
        ]
    };
    legal(&missed_after((15, 16)));
    legal(&missed_after((25, 26)));
    assert_eq!(judged(&missed_after((5, 6)), false).momentary_misses, 1);
}

#[test]
fn a_swap_may_replace_what_is_invalidated_meanwhile_and_not_what_was_before() {
    let tagged = New { tag: 1, ..new(1) };
    let refused = Outcome::NotFound;
    let stored_after = |invalidated| {
        [
            of(0, (0, 5), Action::Put(tagged), Outcome::Stored),
            tag_invalidated(1, invalidated, 1),
            of(1, (40, 50), Action::Append { suffix: 9 }, refused),
            swapped(0, (30, 60), 1, new(2)),
            got(0, (70, 80), 2),
        ]
    };
    legal(&stored_after((35, 36)));
    illegal(&stored_after((10, 20)));
}

#[test]
fn a_fill_may_take_what_it_refreshes_along_if_its_tag_is_invalidated_meanwhile() {
    let refresh = Action::Fill {
        token_began_ns: 15,
        refreshes: Some(1),
        new: New { tag: 1, ..new(2) },
    };
    let read_after = |invalidated| {
        [
            put(0, (0, 10), 1),
            token(0, (15, 16)),
            tag_invalidated(1, invalidated, 1),
            got(1, (50, 55), 1),
            of(0, (30, 60), refresh, Outcome::Stored),
            missed(1, (70, 80)),
        ]
    };
    legal(&read_after((40, 45)));
    illegal(&read_after((20, 25)));
}
