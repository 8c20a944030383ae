//! Flights: leading, waiting, taking over.

use std::time::Duration;

use guira_segment::{Fill, FillToken, Flight, FlightEnd, FlightLead, Lookup, PutOptions, Segment};

use crate::kill::effect::{Answer, Effect, Value};
use crate::kill::image::{Image, keys};
use crate::kill::scene::Scene;
use crate::kill::victim::Victim;

const NEW: &[u8] = b"123456";
const PATIENCE: Duration = Duration::from_secs(30);

pub(super) const SCENES: &[Scene] = &[
    Scene::on_key(
        "flight: lead, fill, land",
        Image::Roomy,
        keys::ABSENT,
        fill_new,
        lead,
    ),
    Scene::quiet("flight: lead and give up", Image::Roomy, give_up),
    Scene::quiet(
        "flight: land where somebody waits",
        Image::Roomy,
        land_with_waiter,
    ),
    Scene::quiet("flight: lead and ask for more time", Image::Roomy, ask_for_time),
    Scene::quiet("flight: join and let go", Image::Roomy, join),
    Scene::quiet("flight: wait until it lands", Image::Roomy, wait_until_landed),
    Scene::quiet("flight: wait until the timeout", Image::Roomy, |victim| {
        wait(victim, PATIENCE, Duration::from_millis(6))
    }),
    Scene::quiet("flight: take over a late one", Image::Roomy, |victim| {
        wait(victim, Duration::from_millis(1), Duration::from_secs(20))
    }),
    Scene::quiet(
        "flight: begin anew after an invalidation",
        Image::Roomy,
        begin_anew,
    ),
    Scene::quiet("flight: every cell is taken", Image::Roomy, every_cell),
    Scene::quiet("flight: after its leader died", Image::Roomy, after_death)
        .after("flight: lead, fill, land", "flight.rs"),
];

fn fill_new() -> Effect {
    Effect::Fill(Value::of(NEW))
}

fn token(segment: &Segment, key: &[u8]) -> FillToken {
    match segment.lookup(key) {
        Lookup::Miss(token) => token,
        Lookup::Stale(..) | Lookup::Hit(_) => panic!("the key is not there"),
    }
}

fn take_off<'s>(segment: &'s Segment, key: &[u8], patience: Duration) -> FlightLead<'s> {
    match segment.flight(key, &token(segment, key), patience) {
        Flight::Lead(lead) => lead,
        other => panic!("nobody else computes it: {other:?}"),
    }
}

fn lead(victim: &mut Victim<'_>) -> Answer {
    let segment = victim.segment();
    let token = token(&segment, keys::ABSENT);
    victim.armed(|| {
        let flight = segment.flight(keys::ABSENT, &token, PATIENCE);
        let fill = segment.fill(keys::ABSENT, NEW, &token, &PutOptions::default());
        drop(flight);
        match fill {
            Ok(Fill::Stored) => Answer::Done,
            Ok(Fill::Superseded) => Answer::Superseded,
            Err(error) => panic!("{error}"),
        }
    })
}

fn give_up(victim: &mut Victim<'_>) -> Answer {
    let segment = victim.segment();
    let token = token(&segment, b"costly");
    victim.armed(|| drop(segment.flight(b"costly", &token, PATIENCE)));
    Answer::Done
}

/// Another thread of this process waits for the flight that is landed.
fn land_with_waiter(victim: &mut Victim<'_>) -> Answer {
    let segment = victim.segment();
    let lead = take_off(&segment, b"costly", PATIENCE);
    let waited = segment.stats().flights_waited;
    std::thread::scope(|scope| {
        let waiter = scope.spawn(
            || match segment.flight(b"costly", &token(&segment, b"costly"), PATIENCE) {
                Flight::Wait(wait) => drop(wait.wait(PATIENCE)),
                other => panic!("somebody computes it: {other:?}"),
            },
        );
        while segment.stats().flights_waited == waited {
            std::thread::yield_now();
        }
        // It has begun to wait; a few instructions later it is counted.
        for _ in 0..100 {
            std::thread::yield_now();
        }
        victim.armed(|| drop(lead));
        waiter.join().expect("it is woken");
    });
    Answer::Done
}

fn ask_for_time(victim: &mut Victim<'_>) -> Answer {
    let segment = victim.segment();
    let lead = take_off(&segment, b"costly", PATIENCE);
    victim.armed(|| lead.extend(PATIENCE));
    Answer::Done
}

fn join(victim: &mut Victim<'_>) -> Answer {
    let segment = victim.segment();
    let _lead = take_off(&segment, b"costly", PATIENCE);
    let token = token(&segment, b"costly");
    victim.armed(|| match segment.flight(b"costly", &token, PATIENCE) {
        Flight::Wait(wait) => drop(wait),
        other => panic!("somebody computes it: {other:?}"),
    });
    Answer::Done
}

fn wait_until_landed(victim: &mut Victim<'_>) -> Answer {
    let segment = victim.segment();
    let lead = take_off(&segment, b"costly", PATIENCE);
    let token = token(&segment, b"costly");
    let Flight::Wait(wait) = segment.flight(b"costly", &token, PATIENCE) else {
        panic!("somebody computes it")
    };
    drop(lead);
    victim.armed(|| {
        assert!(matches!(wait.wait(PATIENCE), FlightEnd::Landed), "it has landed");
    });
    Answer::Done
}

fn wait(victim: &mut Victim<'_>, patience: Duration, timeout: Duration) -> Answer {
    let segment = victim.segment();
    let _lead = take_off(&segment, b"costly", patience);
    let token = token(&segment, b"costly");
    let Flight::Wait(wait) = segment.flight(b"costly", &token, PATIENCE) else {
        panic!("somebody computes it")
    };
    victim.armed(|| drop(wait.wait(timeout)));
    Answer::Done
}

fn begin_anew(victim: &mut Victim<'_>) -> Answer {
    let segment = victim.segment();
    let _lead = take_off(&segment, b"costly", PATIENCE);
    segment.invalidate(b"costly");
    let token = token(&segment, b"costly");
    victim.armed(|| drop(segment.flight(b"costly", &token, PATIENCE)));
    Answer::Done
}

fn every_cell(victim: &mut Victim<'_>) -> Answer {
    let segment = victim.segment();
    let keys: Vec<String> = (0..400).map(|n| format!("costly{n}")).collect();
    let mut leads = Vec::new();
    for key in &keys {
        let token = token(&segment, key.as_bytes());
        leads.push(segment.flight(key.as_bytes(), &token, PATIENCE));
    }
    let token = token(&segment, b"costly");
    victim.armed(|| {
        drop(segment.flight(b"costly", &token, PATIENCE));
        leads.truncate(leads.len() - 4);
    });
    drop(leads);
    Answer::Done
}

fn after_death(victim: &mut Victim<'_>) -> Answer {
    let segment = victim.segment();
    victim.armed(|| {
        if let Lookup::Miss(token) = segment.lookup(keys::ABSENT) {
            match segment.flight(keys::ABSENT, &token, PATIENCE) {
                Flight::Wait(wait) => drop(wait.wait(PATIENCE)),
                Flight::Lead(_) | Flight::Alone => {}
            }
        }
    });
    Answer::Done
}
