//! Delays at random points: what happens between a look and the change that follows from it happens
//! far more often than a machine with few processors would let it.

use std::cell::Cell;

/// When this thread is to pause.
#[derive(Clone, Copy)]
struct Delays {
    /// Before one change in so many; 0 for never.
    one_in: u32,
    random: u64,
}

thread_local! {
    static DELAYS: Cell<Delays> = const { Cell::new(Delays { one_in: 0, random: 0 }) };
}

/// Spins of the longest pause that does not give the processor away.
const MAX_SPINS: u64 = 4_000;
/// Times the processor is given away in the longest pause.
const MAX_YIELDS: u64 = 8;

/// Runs `work` with a pause of this thread before one change of shared memory in `one_in`, at random;
/// `seed` says which.
pub fn with_delays<T>(one_in: u32, seed: u64, work: impl FnOnce() -> T) -> T {
    let random = seed | 1;
    DELAYS.set(Delays { one_in, random });
    let result = work();
    DELAYS.set(Delays { one_in: 0, random });
    result
}

/// A pause, if it is time for one.
#[inline]
pub(super) fn pause() {
    let delays = DELAYS.get();
    if delays.one_in != 0 {
        pause_at_random(delays);
    }
}

#[cold]
fn pause_at_random(mut delays: Delays) {
    // Xorshift: any stream will do, it only must not be the same for all.
    delays.random ^= delays.random << 13;
    delays.random ^= delays.random >> 7;
    delays.random ^= delays.random << 17;
    DELAYS.set(delays);
    let lot = delays.random >> 20;
    if !lot.is_multiple_of(u64::from(delays.one_in)) {
        return;
    }
    let length = delays.random & 0xffff;
    if length & 1 == 0 {
        for _ in 0..length % MAX_SPINS {
            std::hint::spin_loop();
        }
    } else {
        for _ in 0..=length % MAX_YIELDS {
            std::thread::yield_now();
        }
    }
}
