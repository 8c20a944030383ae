//! Which version of the list of members everybody knows, without a look at everybody for each question.
//!
//! What is remembered may be lower than the truth, never higher: versions that hosts report only grow, who
//! leaves only raises the least, and who comes is taken in at once.

use crate::wire::Origin;

/// With so few hosts each question looks at all of them.
const FEW: usize = 64;
/// Else a look is good for so long, for each host.
const US_PER_MEMBER: u64 = 2;

/// The least version that any host knows.
#[derive(Debug)]
pub(crate) struct Knowers {
    least: u64,
    /// Which host knows no more than that, and the least of the others.
    of: Origin,
    second: u64,
    looked_at_us: u64,
}

impl Default for Knowers {
    fn default() -> Self {
        Self {
            least: u64::MAX,
            of: Origin(0),
            second: u64::MAX,
            looked_at_us: 0,
        }
    }
}

impl Knowers {
    pub(crate) const fn is_due(&self, now_us: u64, members: usize) -> bool {
        members <= FEW || now_us >= self.looked_at_us + US_PER_MEMBER * members as u64
    }

    /// Looks at all hosts: the version that each knows.
    pub(crate) fn look(&mut self, now_us: u64, versions: impl Iterator<Item = (u64, Origin)>) {
        *self = Self {
            looked_at_us: now_us,
            ..Self::default()
        };
        for (version, origin) in versions {
            if version < self.least {
                self.second = self.least;
                (self.least, self.of) = (version, origin);
            } else {
                self.second = self.second.min(version);
            }
        }
    }

    /// A host came, which knows nothing yet.
    pub(crate) const fn meet(&mut self, origin: Origin) {
        self.second = self.least;
        (self.least, self.of) = (0, origin);
    }

    /// The least version that any host but this one knows.
    pub(crate) fn least_but_of(&self, origin: Origin) -> u64 {
        if origin == self.of {
            self.second
        } else {
            self.least
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_need_not_know_itself() {
        let mut knowers = Knowers::default();
        assert_eq!(knowers.least_but_of(Origin(1)), u64::MAX);
        knowers.look(1, [(5, Origin(1)), (3, Origin(2)), (4, Origin(3))].into_iter());
        assert_eq!(knowers.least_but_of(Origin(2)), 4);
        assert_eq!(knowers.least_but_of(Origin(1)), 3);
    }

    #[test]
    fn who_comes_counts_before_the_next_look() {
        let mut knowers = Knowers::default();
        knowers.look(1, [(5, Origin(1)), (6, Origin(2))].into_iter());
        assert!(!knowers.is_due(1, 1_000));
        knowers.meet(Origin(3));
        assert_eq!(knowers.least_but_of(Origin(1)), 0);
        assert_eq!(knowers.least_but_of(Origin(3)), 5);
    }

    #[test]
    fn few_are_looked_at_each_time_and_many_now_and_then() {
        let mut knowers = Knowers::default();
        knowers.look(10, std::iter::empty());
        assert!(knowers.is_due(10, FEW));
        assert!(!knowers.is_due(10, FEW + 1));
        assert!(knowers.is_due(1_000, FEW + 1));
    }
}
