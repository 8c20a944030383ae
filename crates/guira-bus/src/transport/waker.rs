//! Waking the thread that sleeps in `poll`.

use std::fmt;
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::sys::eventfd::{EfdFlags, EventFd};

use super::TransportError;

/// Wakes the thread that owns the sockets, from any thread, without waiting.
///
/// What was done before [`Waker::wake`] is seen by the owner after its `poll` returned. Wakes
/// that come before it does so are one wake.
#[derive(Clone)]
pub struct Waker(Arc<Shared>);

struct Shared {
    event: EventFd,
    /// Whether the event is raised already: most wakes need no call into the kernel.
    is_raised: AtomicBool,
}

impl Waker {
    pub(super) fn new() -> Result<Self, TransportError> {
        let flags = EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK;
        let event = EventFd::from_value_and_flags(0, flags).map_err(|errno| TransportError::Resources {
            what: "file descriptor for a waker",
            source: io::Error::from(errno),
        })?;
        Ok(Self(Arc::new(Shared {
            event,
            is_raised: AtomicBool::new(false),
        })))
    }

    /// Lets the owner's present `poll` return at once, or the next one if there is none.
    pub fn wake(&self) {
        // Release, with `lower`'s swap: what was done before is seen by the owner.
        if !self.0.is_raised.swap(true, Ordering::AcqRel) {
            // An event that counted to its end is raised all the same.
            let _ = self.0.event.write(1);
        }
    }

    /// Takes the wakes so far; the owner calls it before it looks for what it was woken for.
    pub(super) fn lower(&self) {
        // The event first: a wake in between finds it raised still, and is one of those taken.
        let _ = self.0.event.read();
        // Acquire, with `wake`'s swap.
        self.0.is_raised.swap(false, Ordering::AcqRel);
    }

    pub(super) fn poll_item(&self) -> zmq::PollItem<'_> {
        zmq::PollItem::from_fd(self.0.event.as_fd().as_raw_fd(), zmq::POLLIN)
    }
}

impl fmt::Debug for Waker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let is_raised = self.0.is_raised.load(Ordering::Relaxed);
        f.debug_struct("Waker").field("is_raised", &is_raised).finish()
    }
}
