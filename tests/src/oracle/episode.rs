//! The operations between one opening of the segment and the next.

use std::path::Path;
use std::thread;

use guira_segment::{Expiry, PutOptions, Segment};

use super::counters::Counters;
use super::flying::Lead;
use super::model::Model;
use super::names::{Place, TAGS, tag_name};
use super::operation::Operation;
use super::reading::HeldValue;
use super::tally::Tally;
use super::watching::Watched;
use super::world::Handles;

/// One opening of the segment by one or two handles, and what is held of it.
pub(super) struct Episode<'s, 'm> {
    openings: &'s [Handles],
    pub(super) path: Option<&'m Path>,
    pub(super) model: &'m mut Model,
    pub(super) tally: &'m mut Tally,
    /// Which opening the present operation uses.
    pub(super) opening: usize,
    /// The present operation runs on another thread.
    is_elsewhere: bool,
    pub(super) values: Vec<HeldValue<'s>>,
    pub(super) watches: Vec<Watched<'s>>,
    pub(super) leads: Vec<Lead<'s>>,
}

impl<'s, 'm> Episode<'s, 'm> {
    pub(super) fn new(
        openings: &'s [Handles],
        path: Option<&'m Path>,
        model: &'m mut Model,
        tally: &'m mut Tally,
    ) -> Self {
        Self {
            openings,
            path,
            model,
            tally,
            opening: 0,
            is_elsewhere: false,
            values: Vec::new(),
            watches: Vec::new(),
            leads: Vec::new(),
        }
    }

    /// The segment through the namespace `space`.
    pub(super) fn segment(&self, space: u8) -> &'s Segment {
        &self.openings[self.opening][usize::from(space)]
    }

    /// Runs `work` on the segment, now and then on a thread that was never seen before.
    pub(super) fn call<R: Send>(&mut self, place: Place, work: impl FnOnce(&Segment) -> R + Send) -> R {
        let segment = self.segment(place.space);
        if !self.is_elsewhere {
            return work(segment);
        }
        self.tally.note("on another thread");
        thread::scope(|scope| scope.spawn(|| work(segment)).join())
            .unwrap_or_else(|cause| std::panic::resume_unwind(cause))
    }

    /// Finds out which tags and which keys share a stamp: the segment's secret seed decides it.
    pub(super) fn look_at_stamps(&mut self) {
        let segment = self.segment(0);
        for tag in 0..TAGS {
            for other in 0..TAGS {
                let tags = [tag_name(other)];
                let options = PutOptions::default().tags(&tags);
                segment.put_with(&[other as u8], b"", &options).expect("room");
            }
            segment.invalidate_tag(tag_name(tag));
            let gone = (0..TAGS).filter(|&other| !segment.contains(&[other as u8]));
            self.model
                .set_reached(tag, gone.fold(0, |bits, other| bits | 1 << other));
        }
        for tag in 0..TAGS {
            segment.remove(&[tag as u8]);
        }
        // The least number of key stamps, to be on the safe side.
        let stamps: Vec<(Place, u64)> = Place::all_named()
            .map(|place| {
                (
                    place,
                    self.segment(place.space).hash_of(place.name()) >> 16 & 0x3ff,
                )
            })
            .collect();
        for (place, stamp) in &stamps {
            let sharing = stamps.iter().filter(|(_, other)| other == stamp).count();
            self.model.set_crowded(*place, sharing > 1);
        }
        let stats = segment.stats();
        self.model.births = stats.invalidation_clock;
        self.model.counters = Counters::begin(&stats);
        self.begin_telling();
    }

    /// Performs operations until one asks for the segment to be opened again: then true.
    pub(super) fn run<'n>(&mut self, numbers: &mut impl Iterator<Item = &'n u64>) -> bool {
        for &number in numbers {
            let operation = Operation::of(number);
            self.opening = (number >> 7) as usize % self.openings.len();
            self.is_elsewhere = (number >> 9) % 151 == 0;
            self.tally.begin();
            if operation == Operation::Reopen && self.path.is_some() {
                self.tally.note("reopen");
                self.conclude();
                return true;
            }
            self.perform(operation);
        }
        false
    }

    /// Compares everything once more, and lets go of what is held.
    pub(super) fn conclude(&mut self) {
        self.is_elsewhere = false;
        self.compare_values();
        self.compare_watches();
        for place in Place::all() {
            self.get_into(place);
            self.metadata(place);
        }
        self.all_entries();
        self.verify();
        self.stats();
        self.values.clear();
        self.watches.clear();
        while !self.leads.is_empty() {
            self.end_flight(0);
        }
        let stats = self.segment(0).stats();
        assert_eq!(
            (stats.guards, stats.flights, stats.pins),
            (0, 0, 0),
            "nothing is held"
        );
        for (happened, outcome) in [
            (stats.evictions, "world that evicted"),
            (stats.survivors, "world where entries survived a drain"),
            (stats.expired, "world where entries expired"),
            (stats.displaced, "world where slots were moved"),
        ] {
            if happened > 0 {
                self.tally.note(outcome);
            }
        }
    }

    fn perform(&mut self, operation: Operation) {
        match operation {
            Operation::Get(place) => self.get(place),
            Operation::GetInto(place) => self.get_into(place),
            Operation::GetMany { first, count } => self.get_many(first, count),
            Operation::Contains(place) => self.contains(place),
            Operation::Metadata(place) => self.metadata(place),
            Operation::Ttl(place) => self.ttl(place),
            Operation::Tags(place) => self.tags(place),
            Operation::HoldValue(place) => self.hold_value(place),
            Operation::LetValuesGo { kept } => {
                self.compare_values();
                self.values.truncate(usize::from(kept));
            }
            Operation::Put {
                place,
                length,
                lifetime,
            } => self.put(place, length, lifetime),
            Operation::PutWith {
                place,
                length,
                options,
            } => self.put_with(place, length, options),
            Operation::Add {
                place,
                length,
                options,
            } => self.add(place, length, options),
            Operation::Copy { from, to } => self.copy(from, to),
            Operation::Replace {
                place,
                length,
                options,
            } => self.replace(place, length, options),
            Operation::Swap {
                place,
                length,
                expected,
                options,
            } => self.swap(place, length, expected, options),
            Operation::Increment {
                place,
                delta,
                initial,
                lifetime,
            } => self.increment(place, delta, initial, lifetime),
            Operation::Decrement {
                place,
                delta,
                initial,
                lifetime,
            } => self.decrement(place, delta, initial, lifetime),
            Operation::Append { place, length } => self.append(place, length),
            Operation::Prepend {
                place,
                length,
                head_bytes,
                is_headless,
            } => self.prepend(place, length, head_bytes, is_headless),
            Operation::AddTags { place, tags } => self.add_tags(place, tags),
            Operation::Touch { place, lifetime } => self.touch(place, lifetime),
            Operation::Expire(place) => self.expire(place),
            Operation::Remove(place) => self.remove(place),
            Operation::Invalidate(place) => self.invalidate(place),
            Operation::InvalidateTag { tag } => self.invalidate_tag(tag),
            Operation::Clear { space } => self.clear(space),
            Operation::ClearAll => self.clear_all(),
            Operation::Lookup(place) => self.lookup(place),
            Operation::TakeToken(place) => self.take_token(place),
            Operation::Supersede(place) => self.supersede(place),
            Operation::Fill {
                choice,
                of_another_key,
                length,
                options,
            } => self.fill(choice, of_another_key, length, options),
            Operation::FillBorn {
                choice,
                length,
                options,
            } => self.fill_born(choice, length, options),
            Operation::Refill {
                choice,
                length,
                options,
            } => self.refill(choice, length, options),
            Operation::Flight {
                place,
                patience_ms,
                use_old_token,
            } => self.flight(place, patience_ms, use_old_token),
            Operation::EndFlight { choice } => self.end_flight(choice),
            Operation::Entries { space } => self.entries(space),
            Operation::AllEntries => self.all_entries(),
            Operation::Verify => self.verify(),
            Operation::Repair => self.repair(),
            Operation::Stats => self.stats(),
            Operation::Names => self.names(),
            Operation::Attachment => self.attachment(),
            Operation::Journal(place) => self.journal(place),
            Operation::Apply { choice } => self.apply(choice),
            Operation::Agree(place) => self.agree(place),
            Operation::Reopen => {}
            Operation::Advance { ms } => self.model.advance_ms(ms),
        }
    }
}

/// The expiry of an operation that has none to give.
pub(super) const NEVER: Expiry = Expiry::never();
