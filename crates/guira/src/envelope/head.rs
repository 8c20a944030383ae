//! The bytes before a value, written.

use super::{
    ALIGNMENT_BYTES, COST_BYTES, Extras, HAS_BIRTH, HAS_COST, HAS_EXTRAS, HAS_SCHEMA, MARK, OWN_CODEC,
};
use crate::codec::{CodecId, Form};

/// Codec, its number, extras, schema, cost and birth: 30, and up to the next multiple of 16.
const MAX_HEAD_BYTES: usize = 32;

/// The bytes before a value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Head {
    bytes: [u8; MAX_HEAD_BYTES],
    length: usize,
    /// Which bits of the first eight bytes count, if it is not longer.
    mask: u64,
}

impl Head {
    pub(crate) const EMPTY: Self = Self {
        bytes: [0; MAX_HEAD_BYTES],
        length: 0,
        mask: 0,
    };

    pub(super) fn new(form: Form, extras: Extras) -> Self {
        let mut head = Self::EMPTY;
        if form.id == CodecId::NUMBER {
            return head;
        }
        let number = form.id.number();
        let is_own = number >= u32::from(OWN_CODEC);
        let codec = if is_own { OWN_CODEC } else { number as u8 };
        let has_extras = if extras.bits == 0 { 0 } else { HAS_EXTRAS };
        let has_schema = if form.schema == 0 { 0 } else { HAS_SCHEMA };
        head.push(&[MARK | has_extras | has_schema | codec]);
        if is_own {
            head.push(&number.to_le_bytes());
        }
        if extras.bits != 0 {
            head.push(&[extras.bits]);
        }
        if form.schema != 0 {
            head.push(&form.schema.to_le_bytes());
        }
        if extras.bits & HAS_COST != 0 {
            head.push(&extras.cost_us.to_le_bytes());
        }
        if extras.bits & HAS_BIRTH != 0 {
            head.push(&extras.birth.to_bytes());
        }
        if form.in_place {
            head.length = head.length.next_multiple_of(ALIGNMENT_BYTES);
        }
        head.measured()
    }

    /// All but the cost, which is last where there is no birth.
    pub(super) fn without_cost(self) -> Self {
        let mut head = Self {
            length: self.length.saturating_sub(COST_BYTES),
            ..self
        };
        if let Some(rest) = head.bytes.get_mut(head.length..) {
            rest.fill(0);
        }
        head.measured()
    }

    fn measured(mut self) -> Self {
        self.mask = match self.length {
            1..=8 => u64::MAX >> (64 - 8 * self.length),
            _ => 0,
        };
        self
    }

    fn push(&mut self, bytes: &[u8]) {
        let end = self.length + bytes.len();
        if let Some(room) = self.bytes.get_mut(self.length..end) {
            room.copy_from_slice(bytes);
            self.length = end;
        }
    }

    #[inline]
    pub(crate) const fn len(&self) -> usize {
        self.length
    }

    #[inline]
    pub(crate) fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or(&self.bytes)
    }

    /// Whether a value begins with this head, if its first eight bytes say so.
    #[inline]
    pub(super) fn is_at(&self, first: u64) -> bool {
        let own = self.bytes.first_chunk().map_or(0, |own| u64::from_le_bytes(*own));
        self.mask != 0 && first & self.mask == own
    }
}
