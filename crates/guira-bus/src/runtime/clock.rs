//! The clock of agents and brokers: that by which segments say until when they are trusted, in microseconds.

use guira_shm::clock::Clock;

/// Microseconds since the machine started. Counts while the machine sleeps, never steps, and is the same in all time
/// namespaces.
#[must_use]
pub fn now_us() -> u64 {
    Clock::system().now_us()
}
