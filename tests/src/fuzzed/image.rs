//! Images.

use guira_segment::Segment;

use super::Input;
use super::world::{World, worlds};
use crate::corrupt::{Caller, Trust};

/// Most changes of one image, and most operations on it.
const CHANGES: usize = 64;
const OPERATIONS: usize = 48;

/// Changes an image, uses it, checks and repairs it.
///
/// What is read is not judged: whoever can write a segment can forge what is in it. What is demanded is
/// that everything ends, in order, and that a repaired segment is clean.
///
/// # Panics
/// When it is not.
pub fn image(bytes: &[u8]) {
    let mut input = Input(bytes);
    let (Some(choice), Some(changes), Some(seed)) = (input.byte(), input.byte(), input.short()) else {
        return;
    };
    let worlds = worlds();
    let world = &worlds[usize::from(choice >> 1) % worlds.len()];
    let mut image = world.bytes.clone();
    for _ in 0..usize::from(changes).min(CHANGES) {
        if change(world, &mut image, &mut input).is_none() {
            break;
        }
    }
    let Ok(segment) = Segment::builder()
        .verify_values(choice & 1 == 1)
        .private_image(&image)
    else {
        return;
    };
    let second = segment.namespace("second").unwrap_or_else(|_| segment.clone());
    let mut caller = Caller::new([&segment, &second], u64::from(seed), Trust::None);
    for &kind in input.0.iter().take(OPERATIONS) {
        caller.step(u64::from(kind % 64));
    }
    drop(caller);
    for entry in segment.all_entries() {
        assert!(!entry.key.is_empty());
    }
    let repaired = segment.repair();
    assert!(
        repaired.left.is_clean(),
        "left after the repair: {:?}",
        repaired.left.faults
    );
}

/// One change: a part, a word in it, and what is done to that.
fn change(world: &World, image: &mut [u8], input: &mut Input<'_>) -> Option<()> {
    let (how, place) = (input.byte()?, input.short()?);
    // Not the superblock: it has a target of its own.
    let part = world
        .parts
        .get(1 + usize::from(how >> 3) % (world.parts.len() - 1))?;
    let words = part.len_bytes() / 8;
    // 65,536 places: the first words of each part, and beyond them every so many.
    let word = usize::from(place) * words.div_ceil(1 << 16) % words;
    let at = part.offset_bytes + word * 8;
    let slice = image.get_mut(at..at + 8)?;
    let old = u64::from_le_bytes((&*slice).try_into().ok()?);
    let new = match how & 7 {
        0 => input.word()?,
        1 => old ^ 1 << (input.byte()? & 63),
        2 => old.wrapping_add(u64::from(input.byte()?)),
        3 => old.wrapping_sub(u64::from(input.byte()?)),
        4 => 0,
        5 => u64::MAX,
        6 => old & !0xffff | u64::from(input.short()?),
        // Another word of the same part.
        _ => {
            let other = usize::from(input.short()?) % words;
            let at = part.offset_bytes + other * 8;
            u64::from_le_bytes(image.get(at..at + 8)?.try_into().ok()?)
        }
    };
    image.get_mut(at..at + 8)?.copy_from_slice(&new.to_le_bytes());
    Some(())
}
