//! How much room an entry takes, and whether it may fail for lack of it.

use guira_segment::StoreError;

use super::episode::Episode;
use super::model::Held;
use super::names::{Place, tag_name};
use super::operation::Length;
use super::reading::HeldValue;
use super::world::World;

/// What a value of some size is to the segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Size {
    /// It shares a block with others.
    Shared,
    /// It takes blocks of its own, which must stand side by side.
    Run,
    TooLarge,
}

/// Room that is kept for the header, the key and the tags of a large value, or a quarter if less.
const OVERHEAD_BYTES: usize = 16 << 10;
const HEADER_BYTES: usize = 36;
const GRID_BYTES: usize = 16;

impl World {
    /// The longest value.
    pub(super) fn max_value_bytes(&self) -> usize {
        let entry_bytes = self.max_entry_bytes();
        entry_bytes - OVERHEAD_BYTES.min(entry_bytes / 4)
    }

    /// Bytes that an entry takes in its block.
    pub(super) fn entry_bytes(&self, place: Place, held: &Held) -> usize {
        let names_bytes: usize = held.tags.iter().map(|&tag| 1 + tag_name(tag).len()).sum();
        let tags_bytes = if held.tags.is_empty() {
            0
        } else {
            4 + held.tags.len() * 8 + names_bytes.next_multiple_of(4)
        };
        let space_bytes = if place.space == 0 { 0 } else { 2 };
        let head_bytes = HEADER_BYTES + tags_bytes + space_bytes + place.name().len();
        let value_at = if held.is_aligned {
            head_bytes.next_multiple_of(GRID_BYTES)
        } else {
            head_bytes
        };
        let check_bytes = if self.checked_values { 4 } else { 0 };
        (value_at + held.value.len() + check_bytes).next_multiple_of(GRID_BYTES)
    }

    pub(super) fn size(&self, place: Place, held: &Held) -> Size {
        let entry_bytes = self.entry_bytes(place, held);
        if held.value.len() > self.max_value_bytes() || entry_bytes > self.max_entry_bytes() {
            Size::TooLarge
        } else if entry_bytes > self.max_shared_entry_bytes() {
            Size::Run
        } else {
            Size::Shared
        }
    }
}

impl Episode<'_, '_> {
    /// A value that was never stored before, now and then a number.
    pub(super) fn new_value(&mut self, length: Length) -> Vec<u8> {
        let world = self.model.world;
        let max_bytes = world.max_value_bytes();
        // Small worlds are to be full soon.
        let factor = if world.may_evict {
            1 + self.model.values as usize % 6
        } else {
            1
        };
        let bytes = match length {
            Length::Bytes(bytes) if bytes > 40 && bytes < 800 => bytes * factor % max_bytes,
            Length::Bytes(bytes) if bytes > max_bytes => bytes % max_bytes,
            Length::Bytes(bytes) => bytes,
            Length::FromLongest(_) if !world.may_evict => 300,
            Length::FromLongest(more) => max_bytes.saturating_add_signed(more),
        };
        self.model.values += 1;
        let number = self.model.values;
        if bytes == 0 {
            return Vec::new();
        }
        if bytes < 40 && number.is_multiple_of(2) {
            return (number as i64 - 20).to_string().into_bytes();
        }
        let mut value = format!("x{number}").into_bytes();
        value.resize(bytes.max(value.len().min(max_bytes)), b'.');
        value
    }

    /// Accepts an error for lack of room where there may be one.
    pub(super) fn accept_error(&mut self, error: StoreError, size: Size, value_bytes: usize) {
        let world = self.model.world;
        match error {
            StoreError::ValueTooLarge {
                value_bytes: told_bytes,
                max_bytes,
            } => {
                assert_eq!(size, Size::TooLarge, "{error}");
                assert_eq!((told_bytes, max_bytes), (value_bytes, world.max_value_bytes()));
            }
            StoreError::NoSpace => {
                let is_held = self.values.iter().any(HeldValue::is_in_place);
                assert!(
                    world.may_evict && (is_held || size == Size::Run),
                    "no space for {value_bytes} bytes"
                );
                self.tally.note("put without space");
            }
            other => panic!("{other:?}"),
        }
    }
}

impl Size {
    pub(super) fn fits(self) -> bool {
        self != Self::TooLarge
    }
}
