//! How long an answer is waited for before the question is asked again: ever longer, and not for all hosts alike.
//!
//! What is asked for here is a list of all hosts: a broker that begins anew is asked for it by all of them.

use crate::wire::Origin;

/// The first wait, which a few hosts have.
const SHORTEST_US: u64 = 20_000;
/// The longest wait of a few hosts: what was lost at the end of a fault has to be there soon.
const LONGEST_US: u64 = 320_000;
/// Each host of the cluster lets all wait longer: each answer names it.
const US_PER_MEMBER: u64 = 100;

/// When a question may be asked again.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Patience {
    asked_at_us: Option<u64>,
    /// How often it was asked without an answer that was of use.
    times: u32,
    /// Not before.
    not_before_us: u64,
}

impl Patience {
    /// Says whether to ask now, and if so takes note of it.
    pub(super) fn ask(&mut self, now_us: u64, own: Origin, members: usize) -> bool {
        if now_us < self.due_us(own, members) {
            return false;
        }
        self.asked_at_us = Some(now_us);
        self.times = self.times.saturating_add(1);
        true
    }

    /// When to ask next.
    pub(super) fn due_us(&self, own: Origin, members: usize) -> u64 {
        let Some(asked_at_us) = self.asked_at_us else {
            return self.not_before_us;
        };
        let shortest_us = SHORTEST_US + US_PER_MEMBER * members as u64;
        let wait_us = (shortest_us << (self.times - 1).min(4)).min(LONGEST_US.max(2 * shortest_us));
        // Up to half as long again, by the host and the time it was asked.
        let spread_us = chance(own, asked_at_us) % (wait_us / 2 + 1);
        self.not_before_us.max(asked_at_us + wait_us + spread_us)
    }

    /// There is a reason to ask now: something changed, of which everybody hears at once.
    pub(super) fn begin(&mut self, now_us: u64, own: Origin, members: usize) {
        let spread_us = chance(own, now_us) % (US_PER_MEMBER * members as u64 + 1);
        *self = Self {
            asked_at_us: None,
            times: 0,
            not_before_us: now_us + spread_us,
        };
    }

    /// It was answered.
    pub(super) fn end(&mut self) {
        *self = Self::default();
    }
}

/// A number that is another for each host and time.
fn chance(own: Origin, at_us: u64) -> u64 {
    let mut bytes = [0; 24];
    bytes[..16].copy_from_slice(&own.0.to_le_bytes());
    bytes[16..].copy_from_slice(&at_us.to_le_bytes());
    xxhash_rust::xxh3::xxh3_64(&bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_answered_is_asked_ever_more_rarely_and_soon_enough() {
        let mut patience = Patience::default();
        let asked: Vec<u64> = (0..2_000_000)
            .step_by(1_000)
            .filter(|&now_us| patience.ask(now_us, Origin(7), 3))
            .collect();
        assert!((6..12).contains(&asked.len()), "{asked:?}");
        assert!(asked.windows(2).all(|pair| pair[1] - pair[0] <= 500_000));
    }

    #[test]
    fn ten_thousand_hosts_do_not_ask_at_once() {
        let mut each_tenth = [0; 10];
        for host in 0..10_000 {
            let mut patience = Patience::default();
            patience.begin(5_000_000, Origin(host), 10_000);
            let due_us = patience.due_us(Origin(host), 10_000) - 5_000_000;
            each_tenth[usize::try_from(due_us / 100_001).expect("within a second")] += 1;
        }
        assert!(
            each_tenth.iter().all(|hosts| (800..1_200).contains(hosts)),
            "{each_tenth:?}"
        );
    }
}
