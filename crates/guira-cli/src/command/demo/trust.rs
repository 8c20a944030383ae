//! Watches from outside when hosts are trusted and when their agent's role changes hands.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::hosts::Host;

/// How often it looks.
const LOOK: Duration = Duration::from_millis(2);

/// What was seen of one host.
#[derive(Clone, Debug, Default)]
pub(crate) struct Seen {
    /// When it was not trusted: from, to.
    pub(crate) untrusted: Vec<(Instant, Instant)>,
    /// When another process took the agent's role.
    pub(crate) take_overs: Vec<Instant>,
}

impl Seen {
    /// For how long the host was not trusted between two times.
    pub(crate) fn untrusted_between(&self, from: Instant, to: Instant) -> Duration {
        let within =
            |(begin, end): &(Instant, Instant)| (*end).min(to).saturating_duration_since((*begin).max(from));
        self.untrusted.iter().map(within).sum()
    }

    /// How long after `from` the role was taken over, if it was before `to`.
    pub(crate) fn taken_over_after(&self, from: Instant, to: Instant) -> Option<Duration> {
        let taken = self.take_overs.iter().find(|at| **at >= from && **at < to);
        taken.map(|at| at.duration_since(from))
    }
}

/// Watches until `stop`; by host.
pub(crate) fn watch(hosts: &[Host], stop: &AtomicBool) -> Vec<Seen> {
    let mut seen = vec![Seen::default(); hosts.len()];
    let mut roles: Vec<u64> = hosts.iter().map(|host| host.counts().take_overs).collect();
    let mut last = Instant::now();
    // Relaxed: nothing else is read through it.
    while !stop.load(Ordering::Relaxed) {
        std::thread::park_timeout(LOOK);
        let now = Instant::now();
        for ((host, seen), role) in hosts.iter().zip(&mut seen).zip(&mut roles) {
            if !host.is_trusted() {
                match seen.untrusted.last_mut() {
                    Some((_, end)) if *end == last => *end = now,
                    _ => seen.untrusted.push((last, now)),
                }
            }
            let take_overs = host.counts().take_overs;
            if take_overs != *role {
                *role = take_overs;
                seen.take_overs.push(now);
            }
        }
        last = now;
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_part_between_two_times_counts() {
        let begin = Instant::now();
        let at = |ms| begin + Duration::from_millis(ms);
        let seen = Seen {
            untrusted: vec![(at(10), at(20)), (at(30), at(50))],
            take_overs: vec![at(15), at(40)],
        };
        assert_eq!(seen.untrusted_between(at(15), at(35)), Duration::from_millis(10));
        assert_eq!(seen.untrusted_between(at(50), at(90)), Duration::ZERO);
        assert_eq!(
            seen.taken_over_after(at(20), at(90)),
            Some(Duration::from_millis(20))
        );
        assert_eq!(seen.taken_over_after(at(20), at(30)), None);
    }
}
