//! One step of a sequence: what is done, to which key, with what.

use super::lifetime::Lifetime;
use super::names::{Place, TAGS, TagList};
use crate::random::Random;

/// How a value is to be stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Options {
    pub(super) lifetime: Lifetime,
    pub(super) tags: TagList,
    pub(super) is_aligned: bool,
}

/// How long a value is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Length {
    /// So many bytes.
    Bytes(usize),
    /// As many as the segment takes, and so many more or fewer.
    FromLongest(isize),
}

/// Which version a swap expects.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expected {
    /// The present one.
    Current,
    /// Another one.
    Other(u64),
}

/// One operation. Every public method of the segment is called by one of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Operation {
    Get(Place),
    GetInto(Place),
    GetMany {
        first: Place,
        count: u8,
    },
    Contains(Place),
    Metadata(Place),
    Ttl(Place),
    Tags(Place),
    HoldValue(Place),
    LetValuesGo {
        kept: u8,
    },

    Put {
        place: Place,
        length: Length,
        lifetime: Lifetime,
    },
    PutWith {
        place: Place,
        length: Length,
        options: Options,
    },
    Add {
        place: Place,
        length: Length,
        options: Options,
    },
    Copy {
        from: Place,
        to: Place,
    },

    Replace {
        place: Place,
        length: Length,
        options: Options,
    },
    Swap {
        place: Place,
        length: Length,
        expected: Expected,
        options: Options,
    },
    Increment {
        place: Place,
        delta: i64,
        initial: Option<i64>,
        lifetime: Lifetime,
    },
    Decrement {
        place: Place,
        delta: i64,
        initial: Option<i64>,
        lifetime: Lifetime,
    },
    Append {
        place: Place,
        length: Length,
    },
    Prepend {
        place: Place,
        length: Length,
        head_bytes: usize,
        is_headless: bool,
    },
    AddTags {
        place: Place,
        tags: TagList,
    },
    Touch {
        place: Place,
        lifetime: Lifetime,
    },
    Expire(Place),

    Remove(Place),
    Invalidate(Place),
    InvalidateTag {
        tag: usize,
    },
    Clear {
        space: u8,
    },
    ClearAll,

    Lookup(Place),
    TakeToken(Place),
    Supersede(Place),
    Fill {
        choice: u64,
        of_another_key: Option<Place>,
        length: Length,
        options: Options,
    },
    FillBorn {
        choice: u64,
        length: Length,
        options: Options,
    },
    Refill {
        choice: u64,
        length: Length,
        options: Options,
    },
    Flight {
        place: Place,
        patience_ms: u64,
        use_old_token: Option<u64>,
    },
    EndFlight {
        choice: u64,
    },

    Entries {
        space: u8,
    },
    AllEntries,
    Verify,
    Repair,
    Stats,
    Names,
    Attachment,
    Journal(Place),
    Apply {
        choice: u64,
    },
    Agree(Place),
    Reopen,
    Advance {
        ms: u64,
    },
}

impl Options {
    fn random(random: &mut Random) -> Self {
        Self {
            lifetime: Lifetime::random(random),
            tags: TagList::random(random),
            is_aligned: random.one_in(4),
        }
    }
}

impl Length {
    fn random(random: &mut Random) -> Self {
        Self::Bytes(match random.below(200) {
            0 => return Self::FromLongest(random.below(3) as isize - 1),
            1 => random.below(100_000) as usize,
            2..20 => 200 + random.below(2_800) as usize,
            20..30 => 0,
            _ => random.below(200) as usize,
        })
    }

    fn short(random: &mut Random) -> Self {
        Self::Bytes(random.below(80) as usize)
    }
}

impl Operation {
    /// The operation that `bits` stand for.
    pub(super) fn of(bits: u64) -> Self {
        let random = &mut Random::new(bits, 0);
        let place = Place::random(random);
        match random.below(120) {
            0..24 => Self::read(random, place),
            24..58 => Self::store(random, place),
            58..76 => Self::change(random, place),
            76..88 => Self::drop(random, place),
            88..104 => Self::compute(random, place),
            104..111 => Self::look(random, place),
            _ => Self::Advance {
                ms: match random.below(60) {
                    0 => random.below(40 * 31_556_952_000),
                    1..4 => random.below(200_000),
                    _ => random.below(300),
                },
            },
        }
    }

    fn read(random: &mut Random, place: Place) -> Self {
        match random.below(12) {
            0..3 => Self::Get(place),
            3..5 => Self::GetInto(place),
            5 => Self::GetMany {
                first: place,
                count: [0, 1, 5, 24, 72, 130][random.below(6) as usize],
            },
            6 => Self::Contains(place),
            7 => Self::Metadata(place),
            8 => Self::Ttl(place),
            9 => Self::Tags(place),
            10 => Self::HoldValue(place),
            _ => Self::LetValuesGo {
                kept: random.below(4) as u8,
            },
        }
    }

    fn store(random: &mut Random, place: Place) -> Self {
        let length = Length::random(random);
        let options = Options::random(random);
        match random.below(20) {
            0..7 => Self::Put {
                place,
                length,
                lifetime: options.lifetime,
            },
            7..15 => Self::PutWith {
                place,
                length,
                options,
            },
            15..19 => Self::Add {
                place,
                length,
                options,
            },
            _ => Self::Copy {
                from: place,
                to: Place::random(random),
            },
        }
    }

    fn change(random: &mut Random, place: Place) -> Self {
        let options = Options::random(random);
        let lifetime = options.lifetime;
        let delta = match random.below(20) {
            0 => i64::MIN,
            1 => i64::MAX,
            2 => 0,
            _ => random.below(2_000) as i64 - 1_000,
        };
        let initial = match random.below(8) {
            0 => None,
            1 => Some(i64::MIN + random.below(1_000) as i64),
            2 => Some(i64::MAX - random.below(1_000) as i64),
            _ => Some(1_000_000 + random.below(1_000_000) as i64),
        };
        match random.below(19) {
            0..3 => Self::Replace {
                place,
                length: Length::random(random),
                options,
            },
            3..6 => Self::Swap {
                place,
                length: Length::random(random),
                expected: if random.one_in(3) {
                    Expected::Other(random.next())
                } else {
                    Expected::Current
                },
                options,
            },
            6..9 => Self::Increment {
                place,
                delta,
                initial,
                lifetime,
            },
            9..11 => Self::Decrement {
                place,
                delta,
                initial,
                lifetime,
            },
            11..14 => Self::Append {
                place,
                length: if random.one_in(12) {
                    Length::random(random)
                } else {
                    Length::short(random)
                },
            },
            14..16 => Self::Touch { place, lifetime },
            16 => Self::AddTags {
                place,
                tags: options.tags,
            },
            17 => Self::Prepend {
                place,
                length: Length::short(random),
                head_bytes: random.below(8) as usize,
                is_headless: random.one_in(4),
            },
            _ => Self::Expire(place),
        }
    }

    fn drop(random: &mut Random, place: Place) -> Self {
        match random.below(24) {
            0..9 => Self::Remove(place),
            9..15 => Self::Invalidate(place),
            15..22 => Self::InvalidateTag {
                tag: random.below(TAGS as u64) as usize,
            },
            22 => Self::Clear { space: place.space },
            _ => Self::ClearAll,
        }
    }

    fn compute(random: &mut Random, place: Place) -> Self {
        match random.below(21) {
            0..5 => Self::Lookup(place),
            5..7 => Self::TakeToken(place),
            16 => Self::Supersede(place),
            17..19 => Self::FillBorn {
                choice: random.next(),
                length: Length::random(random),
                options: Options::random(random),
            },
            7..12 => Self::Fill {
                choice: random.next(),
                of_another_key: random.one_in(20).then_some(place),
                length: Length::random(random),
                options: Options::random(random),
            },
            19..21 => Self::Refill {
                choice: random.next(),
                length: Length::random(random),
                options: Options::random(random),
            },
            12..14 => Self::Flight {
                place,
                patience_ms: [0, 10, 1_000, u64::MAX][random.below(4) as usize],
                use_old_token: random.one_in(2).then(|| random.next()),
            },
            _ => Self::EndFlight {
                choice: random.next(),
            },
        }
    }

    fn look(random: &mut Random, place: Place) -> Self {
        match random.below(20) {
            0..3 => Self::Entries { space: place.space },
            3 => Self::AllEntries,
            4 => Self::Verify,
            5 => Self::Repair,
            6..9 => Self::Stats,
            9..11 => Self::Names,
            11..13 => Self::Attachment,
            13..15 => Self::Journal(place),
            15..17 => Self::Apply {
                choice: random.next(),
            },
            17..19 => Self::Agree(place),
            _ => Self::Reopen,
        }
    }
}
