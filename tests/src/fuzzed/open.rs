//! Superblocks.

use guira_segment::{Expiry, Segment};
use xxhash_rust::xxh3::xxh3_64;

use super::Input;
use super::world::worlds;

const CHECKSUM: usize = 504;
const WORDS: u8 = 63;

/// Opens an image whose superblock is made of the bytes, and uses it if it opens.
pub fn open(bytes: &[u8]) {
    let mut input = Input(bytes);
    let Some(choice) = input.byte() else { return };
    let worlds = worlds();
    let mut image = worlds[usize::from(choice >> 1) % worlds.len()].bytes.clone();
    if choice & 1 == 0 {
        // As they are.
        let shown = input.0.len().min(image.len());
        image[..shown].copy_from_slice(&input.0[..shown]);
        if choice & 0x80 != 0 {
            image.truncate(shown);
        }
    } else {
        while let (Some(field), Some(word)) = (input.byte(), input.word()) {
            let at = usize::from(field % WORDS) * 8;
            image[at..at + 8].copy_from_slice(&word.to_le_bytes());
        }
        let checksum = xxh3_64(&image[..CHECKSUM]);
        image[CHECKSUM..CHECKSUM + 8].copy_from_slice(&checksum.to_le_bytes());
    }
    let Ok(segment) = Segment::builder().private_image(&image) else {
        return;
    };
    for n in 0..8_u32 {
        let key = n.to_le_bytes();
        // Whether there is room is another question.
        let _ = segment.put(&key, &key.repeat(n as usize * 7), Expiry::never());
        if let Some(value) = segment.get(&key) {
            assert_eq!(*value, key.repeat(n as usize * 7));
        }
    }
    let _ = segment.verify();
    let _ = segment.stats();
}
