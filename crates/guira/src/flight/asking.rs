//! One call on its way to an answer: looking, asking who computes, and what follows from a wait.
//!
//! No step blocks; the wait itself is the driver's, which blocks ([`super::blocking`]) or awaits
//! ([`super::awaiting`]).

use std::time::Instant;

use guira_segment::mutant::Mutant;
use guira_segment::{FillToken, Flight, FlightLead, FlightWait, Lookup, Segment, Version};

use super::Flights;
use super::computation::{Basis, Computation};
use super::entangled::{self, WaitEdge};
use super::landing::Landing;
use super::manner::{Purpose, Values};
use super::records::KeyId;
use super::tally::count;
use super::waiters::{Target, What};
use crate::dependency;
use crate::failure::Failure;

/// A key of a cache.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place<'c> {
    pub(crate) segment: &'c Segment,
    pub(crate) key: &'c [u8],
    pub(crate) flights: &'c Flights,
}

impl Place<'_> {
    /// Whether a refresh of the key has failed so lately that none is to be tried.
    pub(crate) fn is_backing_off(&self) -> bool {
        self.is_backing_off_of(KeyId::of(self.segment, self.key))
    }

    fn is_backing_off_of(&self, id: KeyId) -> bool {
        self.flights
            .records(self.segment)
            .is_some_and(|records| records.is_backing_off(id))
    }
}

/// One call.
#[derive(Debug)]
pub(crate) struct Asking<'c, V> {
    place: Place<'c>,
    id: KeyId,
    purpose: Purpose,
    stale: Option<Stale<V>>,
    /// What is given while somebody else computes, if there is no stale value.
    substitute: Option<V>,
    /// The value that was found beyond trust at the first look.
    suspect: Option<Version>,
    /// The flight that was waited for since the last look.
    joined: Option<u128>,
    /// The caller has just looked, and missed.
    has_missed: bool,
    /// The invalidation clock at the first look.
    first_clock: Option<u64>,
    began: Instant,
}

#[derive(Debug)]
struct Stale<V> {
    value: V,
    /// Past its lifetime, in the time of grace.
    is_past: bool,
    /// What it depends on, if somebody wants to know.
    tags: Vec<Vec<u8>>,
}

/// What comes next.
#[derive(Debug)]
pub(crate) enum Turn<'c, V> {
    /// The answer.
    Have(V),
    /// The answer is that there is none.
    Told(Failure),
    /// The caller computes.
    Compute(Computation<'c>),
    /// Somebody else computes.
    Wait(Waiting<'c>),
}

/// A wait that is to be made.
#[derive(Debug)]
pub(crate) struct Waiting<'c> {
    pub(crate) place: Place<'c>,
    pub(crate) id: KeyId,
    pub(crate) flight: FlightWait<'c>,
    pub(crate) token: FillToken,
    /// When the caller has waited enough.
    pub(crate) until: Option<Instant>,
    /// If the caller is in a computation itself: look from time to time whether the wait has become endless.
    pub(crate) edge: Option<WaitEdge<'c>>,
}

impl Waiting<'_> {
    /// For whoever watches the flight for this caller.
    pub(crate) fn target(&self) -> Target {
        let Place {
            segment,
            key,
            flights,
        } = self.place;
        Target {
            segment: segment.clone(),
            id: self.id,
            what: What::Flight {
                key: key.into(),
                token: self.token,
                patience: flights.options.patience,
                number: self.flight.number(),
            },
        }
    }
}

/// How a wait ended.
#[derive(Debug)]
pub(crate) enum Waited<'c> {
    /// The flight of this number landed.
    Landed(u128),
    /// The caller leads now.
    TakenOver(FlightLead<'c>),
    /// The caller has waited enough.
    Enough,
    /// The flight would never land.
    Endless,
}

enum Look<V> {
    Answer(V),
    Compute(Basis),
}

impl<'c, V> Asking<'c, V> {
    pub(crate) fn new(place: Place<'c>, purpose: Purpose, substitute: Option<V>) -> Self {
        if purpose == Purpose::New {
            // Computations that began before would be stored first, and stay; this way they are not stored.
            place.segment.expire(place.key);
        }
        Self {
            place,
            id: KeyId::of(place.segment, place.key),
            purpose,
            stale: None,
            substitute,
            suspect: None,
            joined: None,
            has_missed: false,
            first_clock: None,
            began: Instant::now(),
        }
    }

    /// For a caller that has just looked, and missed.
    pub(crate) fn after_a_miss(self) -> Self {
        Self {
            has_missed: true,
            ..self
        }
    }

    /// Looks, and asks who computes.
    pub(crate) fn turn(&mut self, values: &impl Values<V>) -> Turn<'c, V> {
        let basis = match self.look(values) {
            Look::Answer(value) => return Turn::Have(value),
            Look::Compute(basis) => basis,
        };
        if let Some(number) = self.joined.take()
            && let Some(turn) = self.read_landing(number, values)
        {
            return turn;
        }
        if self.is_backing_off()
            && let Some(value) = self.take_stale()
        {
            return Turn::Have(value);
        }
        let Place {
            segment,
            key,
            flights,
        } = self.place;
        match segment.flight(key, basis.token(), flights.options.patience) {
            // An earlier flight may have landed between the miss and this one.
            Flight::Lead(lead) if segment.contains(key) => self.lead(lead, values),
            Flight::Lead(lead) => self.compute(basis, Some(lead)),
            Flight::Alone => self.compute(basis, None),
            Flight::Wait(flight) => self.wait(flight, basis),
        }
    }

    /// What follows from a wait.
    pub(crate) fn after(&mut self, waited: Waited<'c>, values: &impl Values<V>) -> Turn<'c, V> {
        let flights = self.place.flights;
        match waited {
            Waited::Landed(number) => {
                self.joined = Some(number);
                self.turn(values)
            }
            Waited::TakenOver(lead) => {
                count(&flights.tally.take_overs);
                lead.extend(flights.options.patience);
                self.lead(lead, values)
            }
            Waited::Endless => self.alone(),
            Waited::Enough => self.enough(),
        }
    }

    /// The caller's own computation, whoever else computes.
    pub(crate) fn alone(&mut self) -> Turn<'c, V> {
        count(&self.place.flights.tally.entangled);
        Turn::Compute(self.uncoordinated())
    }

    /// A computation without a flight; what is stored meanwhile is left alone.
    pub(crate) fn uncoordinated(&self) -> Computation<'c> {
        let token = self.place.segment.fill_token(self.place.key);
        Computation::new(
            self.place,
            self.id,
            Basis::Absent(token),
            None,
            self.stale.is_some(),
        )
    }

    /// The stale value, instead of the error of the caller's own computation.
    pub(crate) fn stale_on_error(&mut self) -> Option<V> {
        let flights = self.place.flights;
        if !flights.options.stale_on_error || self.purpose == Purpose::New {
            return None;
        }
        let value = self.take_stale()?;
        count(&flights.tally.stale_on_error);
        Some(value)
    }

    fn take_stale(&mut self) -> Option<V> {
        let stale = self.stale.take()?;
        dependency::give_names(&stale.tags);
        Some(stale.value)
    }

    fn look(&mut self, values: &impl Values<V>) -> Look<V> {
        let Place {
            segment,
            key,
            flights,
        } = self.place;
        if std::mem::take(&mut self.has_missed) {
            let token = segment.fill_token(key);
            self.first_clock.get_or_insert(token.clock());
            return Look::Compute(Basis::Absent(token));
        }
        let basis = match segment.lookup(key) {
            Lookup::Hit(value) => {
                // Of another codec or schema, to be replaced, or beyond trust: what stands there must still stand
                // there at the end, for a fill would yield to it.
                let answer = (self.purpose != Purpose::New)
                    .then(|| values.decode(key, &value))
                    .flatten();
                // Written since this call's first look is as good as computed by it.
                let version = value.version();
                let is_suspect =
                    self.suspect.is_none_or(|suspect| suspect == version) && !flights.judge.allows(segment);
                let answer = if is_suspect {
                    self.suspect = Some(version);
                    self.stale = answer.filter(|_| flights.judge.falls_back()).map(|value| Stale {
                        value,
                        is_past: true,
                        tags: Vec::new(),
                    });
                    None
                } else {
                    answer
                };
                match answer {
                    Some(answer) => {
                        dependency::give(&value);
                        return Look::Answer(answer);
                    }
                    None => Basis::Present(segment.fill_token(key), value.version()),
                }
            }
            Lookup::Stale(value, token) => {
                let grace = flights.options.grace;
                let is_past = !grace.is_zero() && value.metadata().ttl.is_some_and(|ttl| ttl <= grace);
                let is_suspect = !flights.judge.allows(segment);
                let is_usable = !is_suspect || flights.judge.falls_back();
                self.stale = values
                    .decode(key, &value)
                    .filter(|_| is_usable)
                    .map(|decoded| Stale {
                        value: decoded,
                        is_past: is_past || is_suspect,
                        tags: if dependency::is_inheriting() {
                            value.tags()
                        } else {
                            Vec::new()
                        },
                    });
                Basis::Absent(token)
            }
            Lookup::Miss(token) => {
                self.stale = None;
                Basis::Absent(token)
            }
        };
        self.first_clock.get_or_insert(basis.token().clock());
        Look::Compute(basis)
    }

    /// Leads, after another look.
    fn lead(&mut self, lead: FlightLead<'c>, values: &impl Values<V>) -> Turn<'c, V> {
        match self.look(values) {
            Look::Answer(value) => Turn::Have(value),
            Look::Compute(basis) => self.compute(basis, Some(lead)),
        }
    }

    fn compute(&self, basis: Basis, lead: Option<FlightLead<'c>>) -> Turn<'c, V> {
        let is_refresh = self.stale.is_some();
        Turn::Compute(Computation::new(self.place, self.id, basis, lead, is_refresh))
    }

    fn wait(&mut self, flight: FlightWait<'c>, basis: Basis) -> Turn<'c, V> {
        if self.purpose == Purpose::New {
            // What that flight computes may have begun before this call.
            return self.compute(basis, None);
        }
        let Place { segment, flights, .. } = self.place;
        // Whoever is not in a computation needs no records.
        let records = entangled::is_in_computation()
            .then(|| flights.records(segment))
            .flatten();
        let Ok(edge) = entangled::before_waiting(self.id, records) else {
            count(&flights.tally.entangled);
            return self.compute(basis, None);
        };
        let until = self.enough_at();
        if until.is_some_and(|until| until <= Instant::now()) {
            return self.enough();
        }
        Turn::Wait(Waiting {
            place: self.place,
            id: self.id,
            flight,
            token: *basis.token(),
            until,
            edge,
        })
    }

    /// Has waited enough.
    fn enough(&mut self) -> Turn<'c, V> {
        count(&self.place.flights.tally.timeouts);
        if let Some(value) = self.take_stale() {
            return Turn::Have(value);
        }
        dependency::give_unknown();
        match self.substitute.take() {
            Some(value) => Turn::Have(value),
            None => Turn::Told(Failure::timed_out(self.began.elapsed())),
        }
    }

    /// When the caller has waited enough, if ever.
    fn enough_at(&self) -> Option<Instant> {
        let options = self.place.flights.options;
        let has_soft_end = match &self.stale {
            _ if self.purpose != Purpose::Value => false,
            Some(stale) => !stale.is_past || !options.soft_wait.is_zero(),
            None => self.substitute.is_some(),
        };
        let soft = has_soft_end.then_some(options.soft_wait);
        let wait = match (soft, options.load_timeout) {
            (Some(soft), Some(load)) => soft.min(load),
            (soft, load) => soft.or(load)?,
        };
        self.began.checked_add(wait)
    }

    fn is_backing_off(&self) -> bool {
        self.stale.is_some() && self.purpose != Purpose::New && self.place.is_backing_off_of(self.id)
    }

    /// What the flight that was waited for left, if this caller may have it.
    fn read_landing(&mut self, number: u128, values: &impl Values<V>) -> Option<Turn<'c, V>> {
        let Place {
            segment,
            key,
            flights,
        } = self.place;
        let first_clock = self.first_clock?;
        let turn =
            flights.records(segment)?.landing(self.id, number, |record| {
                match Landing::from_bytes(record)? {
                    Landing::Failed(failure) => Some(Turn::Told(failure)),
                    Landing::Value { clock, encoded }
                        if clock >= first_clock || Mutant::LandingForAll.is_on() =>
                    {
                        values.decode(key, encoded).map(Turn::Have)
                    }
                    Landing::Value { .. } => None,
                    Landing::Untold => Some(Turn::Compute(self.uncoordinated())),
                }
            })??;
        if !matches!(turn, Turn::Told(_)) {
            dependency::give_unknown();
            return Some(turn);
        }
        if let Some(value) = self.stale_on_error() {
            return Some(Turn::Have(value));
        }
        dependency::give_unknown();
        count(&flights.tally.told_failures);
        Some(turn)
    }
}
