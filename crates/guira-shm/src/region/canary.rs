//! What is wrong on purpose: `cargo xtask sanitize` runs it first, and the sanitizer must notice.
//! Without the variable that it sets nothing is done.

use super::Region;
use std::thread;

#[test]
fn canary() {
    let Ok(sanitizer) = std::env::var("GUIRA_CANARY") else {
        return;
    };
    match sanitizer.as_str() {
        "thread" => read_what_is_being_written(),
        "leak" => lose_memory(),
        _ => read_what_is_gone(),
    }
}

/// As a reader without a pin would.
fn read_what_is_being_written() {
    let region = Region::heap(4096);
    // Again and again: what a thread did that has ended may be forgotten when the other gets to run.
    thread::scope(|scope| {
        scope.spawn(|| (0..ROUNDS).for_each(|round| region.copy_in(64, &[round as u8; 256])));
        for _ in 0..ROUNDS {
            // SAFETY: none: the other thread writes these bytes. That is what must be noticed.
            let bytes = unsafe { region.bytes(64, 256) };
            assert!(bytes.contains(&bytes[0]));
            thread::yield_now();
        }
    });
}

const ROUNDS: u64 = 10_000;

/// As a value that outlives its mapping would.
fn read_what_is_gone() {
    let region = Region::heap(4096);
    let start = region.start();
    drop(region);
    // SAFETY: none: the region is gone. That is what must be noticed.
    let byte = unsafe { start.read_volatile() };
    assert!([0, 7].contains(&byte));
}

fn lose_memory() {
    std::mem::forget(vec![7_u8; 4099]);
}
