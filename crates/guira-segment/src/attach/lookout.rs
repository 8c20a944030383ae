//! One thread of a process looks out for the death of all whose computations its threads wait for.
//!
//! The kernel tells nobody that a process died; it frees the dead one's byte lock. To find that within some
//! milliseconds, somebody has to ask every few milliseconds, and to ask costs a system call: too much for
//! every thread that waits, little for one of them. So whoever waits while nobody is at the *post* takes it and asks,
//! for all leaders that the process has waited for; the others ask seldom (and see to the deaths that a free lock does
//! not tell of). Who leaves the post does not hand it over: the next of the others that wakes takes it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering}; // process-private

use super::Attachment;
use crate::layout::record::LineOwner;
use crate::shared::Shared;

/// Leaders that are looked at; others are found by those who wait for them, more slowly.
const LEADERS: usize = 32;

/// Who is looked at, and whether somebody looks.
#[derive(Debug, Default)]
pub(crate) struct Lookout {
    is_taken: AtomicBool,          // process-private
    leaders: [AtomicU64; LEADERS], // process-private
}

/// The right and duty to look, until it is dropped.
#[derive(Debug)]
pub(crate) struct Post<'l>(&'l Lookout);

impl Lookout {
    /// The post, unless another thread has it.
    pub(crate) fn take(&self) -> Option<Post<'_>> {
        // Relaxed: nothing is handed over with it.
        let is_taken = self.is_taken.load(Ordering::Relaxed) || self.is_taken.swap(true, Ordering::Relaxed);
        (!is_taken).then_some(Post(self))
    }

    /// Has `leader` looked at from now on, if there is room.
    pub(crate) fn add(&self, leader: LineOwner) {
        for known in &self.leaders {
            let owner = known.load(Ordering::Relaxed);
            let is_free = owner == 0
                && known
                    .compare_exchange(0, leader.0, Ordering::Relaxed, Ordering::Relaxed)
                    .is_ok();
            if is_free || known.load(Ordering::Relaxed) == leader.0 {
                return;
            }
        }
    }
}

impl Drop for Post<'_> {
    fn drop(&mut self) {
        self.0.is_taken.store(false, Ordering::Relaxed);
    }
}

impl Shared {
    /// Ends the flights of every leader but `own` that is found dead: who waits for one looks again, and one of them
    /// computes. (`own` is taken over by the caller itself.)
    pub(crate) fn look_out(&self, attachment: &Attachment, _post: &Post<'_>, own: LineOwner) {
        for known in &attachment.lookout.leaders {
            let leader = LineOwner(known.load(Ordering::Relaxed));
            let Some(record) = leader.record().filter(|_| leader != own) else {
                continue;
            };
            if self.is_dead(attachment, record, leader.incarnation(), false) {
                self.release_flights(leader);
                known.store(0, Ordering::Relaxed);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_thread_has_the_post_and_every_leader_has_one_place() {
        let lookout = Lookout::default();
        let post = lookout.take();
        assert!(post.is_some() && lookout.take().is_none());
        drop(post);
        assert!(lookout.take().is_some());
        let leaders = || {
            lookout
                .leaders
                .iter()
                .filter(|known| known.load(Ordering::Relaxed) != 0)
        };
        for record in [1, 2, 1, 2, 3] {
            lookout.add(LineOwner::new(record, 1));
        }
        assert_eq!(leaders().count(), 3);
        for record in 0..2 * LEADERS as u16 {
            lookout.add(LineOwner::new(record, 1));
        }
        assert_eq!(leaders().count(), LEADERS);
    }
}
