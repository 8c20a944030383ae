//! Threads of this process that wait for the same flight.
//!
//! Whoever waits for a flight looks at the leader's life every tenth of a second, and more often at first. A few
//! may do so; of a crowd it would be a storm. So those who come late only sleep on the flight's futex, while one of the
//! threads of [`super::waiters`] looks. The end of the flight wakes all of them by one call of the kernel: to have them woken
//! by that thread, one after the other, took a third more time for a thousand.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::records::KeyId;
use crate::per_process::PerProcess;

/// So many threads wait on the futex themselves: they are woken first, and one of them takes a dead leader's place.
const MAX_FRONT: usize = 4;

type Flight = (KeyId, u128);

type Crowds = HashMap<Flight, Arc<AtomicUsize>>;

static CROWDS: PerProcess<Mutex<Crowds>> = PerProcess::new();

fn with_crowds<R>(work: impl FnOnce(&mut Crowds) -> R) -> R {
    // No user code runs under the lock.
    work(&mut CROWDS.get().lock().unwrap_or_else(PoisonError::into_inner))
}

/// A thread among those that wait, while it lives.
#[derive(Debug)]
pub(super) struct Member {
    flight: Flight,
    count: Arc<AtomicUsize>,
    pub(super) is_in_front: bool,
}

/// Joins those who wait for the flight of `id` with this number.
pub(super) fn join(id: KeyId, number: u128) -> Member {
    let flight = (id, number);
    let count = with_crowds(|crowds| Arc::clone(crowds.entry(flight).or_default()));
    let is_in_front = count.fetch_add(1, Ordering::Relaxed) < MAX_FRONT;
    Member {
        flight,
        count,
        is_in_front,
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        // All of a crowd wake at once: only the last one takes the lock.
        if self.count.fetch_sub(1, Ordering::Relaxed) == 1 {
            with_crowds(|crowds| {
                let known = crowds.get(&self.flight);
                if known.is_some_and(|count| count.load(Ordering::Relaxed) == 0) {
                    crowds.remove(&self.flight);
                }
            });
        }
    }
}
