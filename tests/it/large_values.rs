//! Values that take consecutive blocks of their own, where blocks are held by others.

use guira_segment::{Expiry, Segment};

use crate::children::Child;
use crate::places::{file_in, in_memory};

/// Every window that is large enough has a block in it that the dead process had pinned.
#[test]
fn a_large_value_gets_the_room_that_a_dead_process_had_pinned() {
    const BLOCK_BYTES: usize = 2048;
    const KEYS: usize = 56;
    let directory = in_memory();
    let path = file_in(&directory);
    let builder = Segment::builder().exact_blocks(BLOCK_BYTES as u64, 32);
    let segment = builder.create(&path).expect("a segment");
    for n in 0..KEYS {
        // Two to a block.
        segment
            .put(format!("k{n}").as_bytes(), &[7; 900], Expiry::never())
            .expect("room");
    }
    let mut child = Child::with_segment(&path);
    for n in (6..KEYS).step_by(7) {
        assert_eq!(child.ask(&format!("guard k{n}")), "borrowed");
    }
    child.kill();
    segment
        .put(b"large", &[8; 6 * BLOCK_BYTES], Expiry::never())
        .expect("nobody alive keeps anything");
    assert_eq!(segment.stats().guards, 0);
    assert!(segment.verify().is_clean());
}
