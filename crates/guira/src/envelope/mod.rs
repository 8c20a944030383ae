//! What stands before a value's bytes in the segment: which codec wrote them, with which transforms, under
//! which schema, so that a value is never taken for one of another kind.
//!
//! | bytes | what |
//! |---|---|
//! | 1 | `10xs cccc`: whether extras (x) and a schema (s) are named, and the codec's number (c) |
//! | 4 if c is 15 | the number of a codec of the program's own, little-endian |
//! | 1 if x | the extras: bits 0 and 1 the compression (0 none, 1 LZ4, 2 Zstandard), bits 2 and 3 the seal (0 none, 1 XChaCha20-Poly1305, 2 HMAC-SHA-256), bit 4 whether a cost is named, bit 5 whether a birth is; the others are 0 |
//! | 4 if s | the schema, little-endian |
//! | 4 if extras bit 4 | the cost of its computation in microseconds, little-endian |
//! | 16 if extras bit 5 | its birth, in a tier below the segment that knows of its invalidations: see `birth` |
//! | to the next multiple of 16 if the codec is read in place | zeroes |
//!
//! The value's bytes follow, as [`transform`](crate::transform) leaves them. The first byte is none that UTF-8
//! begins with, so text that was stored without an envelope is told apart. Counters have no envelope: they
//! are decimal digits, which the engine adds to in place.

mod birth;
mod found;
mod head;

pub(crate) use birth::Birth;
pub use found::Found;
pub(crate) use head::Head;

use std::time::Duration;

use crate::codec::{CodecId, Form};

const MARK: u8 = 0b1000_0000;
const MARK_MASK: u8 = 0b1100_0000;
const HAS_EXTRAS: u8 = 0b0010_0000;
const HAS_SCHEMA: u8 = 0b0001_0000;
const CODEC_MASK: u8 = 0b0000_1111;
/// The codec's number follows.
const OWN_CODEC: u8 = 15;
/// Where the values of codecs that are read in place begin.
const ALIGNMENT_BYTES: usize = 16;

const COMPRESSION_MASK: u8 = 0b0000_0011;
const SEAL_MASK: u8 = 0b0000_1100;
const HAS_COST: u8 = 0b0001_0000;
const COST_BYTES: usize = 4;
const HAS_BIRTH: u8 = 0b0010_0000;

/// How a value's bytes are kept, as the extras name it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Extras {
    bits: u8,
    cost_us: u32,
    birth: Birth,
}

impl Extras {
    pub(crate) const LZ4: u8 = 1;
    pub(crate) const ZSTD: u8 = 2;
    pub(crate) const ENCRYPTED: u8 = 1 << 2;
    pub(crate) const SIGNED: u8 = 2 << 2;

    pub(crate) const fn of(transforms: u8) -> Self {
        Self {
            bits: transforms,
            cost_us: 0,
            birth: Birth::NONE,
        }
    }

    pub(crate) fn with_cost(self, cost: Duration) -> Self {
        Self {
            bits: self.bits | HAS_COST,
            cost_us: u32::try_from(cost.as_micros()).unwrap_or(u32::MAX),
            ..self
        }
    }

    pub(crate) const fn with_birth(self, birth: Birth) -> Self {
        Self {
            bits: self.bits | HAS_BIRTH,
            birth,
            ..self
        }
    }

    pub(crate) const fn with_transforms(self, transforms: u8) -> Self {
        Self {
            bits: self.bits & (HAS_COST | HAS_BIRTH) | transforms,
            ..self
        }
    }

    pub(crate) const fn compression(self) -> u8 {
        self.bits & COMPRESSION_MASK
    }

    pub(crate) const fn seal(self) -> u8 {
        self.bits & SEAL_MASK
    }

    pub(crate) const fn transforms(self) -> u8 {
        self.bits & !(HAS_COST | HAS_BIRTH)
    }

    pub(crate) fn cost(self) -> Option<Duration> {
        (self.bits & HAS_COST != 0).then(|| Duration::from_micros(self.cost_us.into()))
    }

    pub(crate) fn birth(self) -> Option<Birth> {
        (self.bits & HAS_BIRTH != 0).then_some(self.birth)
    }
}

/// The envelope of a cache's values.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Envelope {
    form: Form,
    /// The head of most of its values: without extras.
    plain: Head,
    /// The head of values with nothing but a cost, up to the cost.
    costed: Head,
    /// The seal that each value has.
    seal: u8,
}

impl Envelope {
    /// The envelope of values of `form` that are sealed with `seal`.
    pub(crate) fn new(form: Form, seal: u8) -> Self {
        let costed = Head::new(form, Extras::default().with_cost(Duration::ZERO));
        Self {
            form,
            plain: Head::new(form, Extras::default()),
            costed: if form.in_place || form.id == CodecId::NUMBER {
                Head::EMPTY
            } else {
                costed.without_cost()
            },
            seal,
        }
    }

    pub(crate) const fn form(&self) -> Form {
        self.form
    }

    /// What a value with `extras` begins with.
    #[inline]
    pub(crate) fn head(&self, extras: Extras) -> Head {
        if extras == Extras::default() {
            self.plain
        } else {
            Head::new(self.form, extras)
        }
    }

    /// What the codec is to read, if that is what lies there; `None` if it must be transformed first, or is of
    /// another kind.
    #[inline]
    pub(crate) fn open<'v>(&self, value: &'v [u8]) -> Option<&'v [u8]> {
        if self.seal != 0 {
            return None;
        }
        if let Some(first) = value.first_chunk() {
            // Nearly always one comparison does, or two.
            let first = u64::from_le_bytes(*first);
            if self.plain.is_at(first) {
                return value.get(self.plain.len()..);
            }
            if self.costed.is_at(first) {
                return value.get(self.costed.len() + COST_BYTES..);
            }
        }
        self.open_unusual(value)
    }

    #[inline(never)]
    fn open_unusual<'v>(&self, value: &'v [u8]) -> Option<&'v [u8]> {
        if self.form.id == CodecId::NUMBER {
            return found::is_decimal(value).then_some(value);
        }
        let (extras, payload) = self.parse(value)?;
        (extras.transforms() == 0).then_some(payload)
    }

    /// The extras of `value` and what is behind its head, if it is of this cache's codec, schema and seal.
    pub(crate) fn parse<'v>(&self, value: &'v [u8]) -> Option<(Extras, &'v [u8])> {
        let (form, extras, payload) = found::parse(value, self.form.in_place)?;
        let fits = form.id == self.form.id && form.schema == self.form.schema && extras.seal() == self.seal;
        fits.then_some((extras, payload))
    }

    /// What the cache reads, for messages.
    pub(crate) const fn expected(&self) -> Found {
        Found::Value {
            codec: self.form.id,
            transforms: self.seal,
            schema: self.form.schema,
        }
    }
}
