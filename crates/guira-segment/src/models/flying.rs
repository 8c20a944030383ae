//! Flights: of those who wait for a dead one exactly one takes over, and two claims of one key do not both
//! lead.

use std::time::Duration;

use guira_shm::mutant::Mutant;
use guira_shm::sync::model::{Body, explore};

use super::run::{catches, holds};
use super::world::{ONE_BUCKET, Said, World, thread};
use crate::flight::{Flight, FlightEnd};
use crate::layout::record::LineOwner;
use crate::segment::Segment;

const PATIENCE: Duration = Duration::from_secs(3600);

/// A thread that waits for the flight of `k`; says what it came to.
fn waiting(segment: &Segment) -> Body<Said> {
    thread(segment, |segment| {
        let token = segment.fill_token(b"k");
        match segment.flight(b"k", &token, PATIENCE) {
            Flight::Wait(wait) => match wait.wait(PATIENCE) {
                FlightEnd::TakenOver(_lead) => Some(b"taken over".to_vec()),
                FlightEnd::Landed | FlightEnd::TimedOut => None,
            },
            // The other has taken over and ended already.
            Flight::Lead(_) => Some(b"led".to_vec()),
            Flight::Alone => None,
        }
    })
}

fn take_over() {
    let world = World::new(ONE_BUCKET);
    let dead = world.process();
    let (one, two) = (world.process(), world.process());
    let token = dead.fill_token(b"k");
    let Flight::Lead(lead) = dead.flight(b"k", &token, PATIENCE) else {
        panic!("a free cell")
    };
    std::mem::forget(lead);
    world.undertaker(&dead)();
    let [first, second] = explore([waiting(&one), waiting(&two)]);
    let took_over = |said: &Said| said.as_deref() == Some(b"taken over");
    assert!(first.is_some() || second.is_some(), "nobody took over");
    assert!(!took_over(&first) || !took_over(&second), "both took over");
}

/// A thread that claims the flight of `k`; says something if it leads.
fn claiming(segment: &Segment, first: impl FnOnce() + Send + 'static) -> Body<Said> {
    thread(segment, move |segment| {
        first();
        let token = segment.fill_token(b"k");
        match segment.flight(b"k", &token, PATIENCE) {
            Flight::Lead(lead) => {
                std::mem::forget(lead);
                Some(Vec::new())
            }
            Flight::Wait(_) | Flight::Alone => None,
        }
    })
}

/// The first cell of `k` is busy with another key, whose flight ends meanwhile.
fn two_claims() {
    let world = World::new(ONE_BUCKET);
    let (segment, leaving) = (world.process(), world.process());
    let cell = |key: &[u8]| segment.hash_of(key) >> 20 & 1;
    let other = (0_u8..)
        .map(|number| vec![b'o', number])
        .find(|other| cell(other) == cell(b"k"))
        .expect("another key of the cell");
    let token = leaving.fill_token(&other);
    let Flight::Lead(lead) = leaving.flight(&other, &token, PATIENCE) else {
        panic!("a free cell")
    };
    std::mem::forget(lead);
    let attachment = leaving.shared.current_attachment();
    let attachment = attachment.expect("an attached process");
    let owner = LineOwner::new(attachment.record, attachment.incarnation);
    let end = move || leaving.shared.release_flights(owner);
    let [first, second] = explore([claiming(&segment, || ()), claiming(&segment, end)]);
    assert!(first.is_none() || second.is_none(), "both lead");
}

#[test]
fn of_two_waiters_for_a_dead_flight_one_takes_over() {
    holds("flight-takeover", 2, take_over);
}

#[test]
fn of_two_claims_in_two_cells_one_leads() {
    holds("flight-claims", 2, two_claims);
}

#[test]
fn a_flight_that_is_taken_blindly_is_caught() {
    catches("flight-takeover", Mutant::FlightTakenBlindly, 2, take_over);
}

#[test]
fn a_claim_that_looks_at_one_cell_only_is_caught() {
    catches("flight-claims", Mutant::OtherFlightCellNotLookedAt, 2, two_claims);
}
