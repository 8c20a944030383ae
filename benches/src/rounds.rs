//! Rounds: subjects take turns in short laps, so that what the machine does besides hits all alike.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What one subject did in one lap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Lap {
    pub(crate) operations: u64,
    /// Operations that look a key up.
    pub(crate) reads: u64,
    pub(crate) hits: u64,
    pub(crate) wall_ns: u64,
    /// Of the measured thread.
    pub(crate) cpu_ns: u64,
}

impl Lap {
    /// What two workers did at once: their operations together, the mean of their clocks.
    pub(crate) fn of_two(one: Self, other: Self) -> Self {
        Self {
            operations: one.operations + other.operations,
            reads: one.reads + other.reads,
            hits: one.hits + other.hits,
            wall_ns: u64::midpoint(one.wall_ns, other.wall_ns),
            cpu_ns: u64::midpoint(one.cpu_ns, other.cpu_ns),
        }
    }

    /// What many workers did in `wall`, from the first one's begin to the last one's end.
    pub(crate) fn of_crowd(laps: &[Self], wall: Duration) -> Self {
        let sum = |part: fn(&Self) -> u64| laps.iter().map(part).sum::<u64>();
        Self {
            operations: sum(|lap| lap.operations),
            reads: sum(|lap| lap.reads),
            hits: sum(|lap| lap.hits),
            wall_ns: wall.as_nanos() as u64,
            cpu_ns: sum(|lap| lap.cpu_ns) / laps.len().max(1) as u64,
        }
    }

    pub(crate) fn wall_ns_per_operation(&self) -> f64 {
        self.wall_ns as f64 / self.operations.max(1) as f64
    }

    pub(crate) fn cpu_ns_per_operation(&self) -> f64 {
        self.cpu_ns as f64 / self.operations.max(1) as f64
    }

    pub(crate) fn operations_per_second(&self) -> f64 {
        self.operations as f64 / Duration::from_nanos(self.wall_ns.max(1)).as_secs_f64()
    }
}

/// A median with the lowest and the highest of all rounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) lowest: f64,
    pub(crate) highest: f64,
}

impl Spread {
    /// Of at least one figure.
    pub(crate) fn of(figures: impl IntoIterator<Item = f64>) -> Self {
        Self::of_some(figures).expect("there is a figure")
    }

    /// Of any number of figures; `None` where there is none.
    pub(crate) fn of_some(figures: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut sorted: Vec<f64> = figures.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let last = sorted.len().checked_sub(1)?;
        Some(Self {
            median: f64::midpoint(sorted[last / 2], sorted[last.div_ceil(2)]),
            lowest: sorted[0],
            highest: sorted[last],
        })
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = formatter.precision().unwrap_or(2);
        write!(
            formatter,
            "{:.digits$} [{:.digits$}..{:.digits$}]",
            self.median, self.lowest, self.highest
        )
    }
}

/// Lets the laps of `order` run in turn, `rounds` times after one that warms up; `outcomes[i]` holds what
/// came of `order[i]` in each round. Rounds begin at different places, and every second one goes
/// backwards, so that nobody always follows the same neighbour's traces in the processor's cache; `first`
/// is where the first round begins.
pub(crate) fn interleave<S: Copy, T, E>(
    rounds: usize,
    order: &[S],
    first: usize,
    mut lap: impl FnMut(S) -> Result<T, E>,
) -> Result<Vec<Vec<T>>, E> {
    let mut outcomes: Vec<Vec<T>> = order.iter().map(|_| Vec::with_capacity(rounds)).collect();
    for round in 0..=rounds {
        for step in 0..order.len() {
            let step = if round % 2 == 0 {
                step
            } else {
                order.len() - 1 - step
            };
            let subject = (first + round + step) % order.len();
            let outcome = lap(order[subject])?;
            if round > 0 {
                outcomes[subject].push(outcome);
            }
        }
    }
    Ok(outcomes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_has_the_middle_of_odd_and_even_numbers_of_figures() {
        let spread = Spread::of([3.0, 1.0, 2.0]);
        assert_eq!((spread.median, spread.lowest, spread.highest), (2.0, 1.0, 3.0));
        assert_eq!(Spread::of([4.0, 1.0, 2.0, 3.0]).median, 2.5);
        assert_eq!(format!("{spread:.1}"), "2.0 [1.0..3.0]");
    }

    #[test]
    fn the_first_round_is_left_out_and_the_order_changes_from_round_to_round() {
        let mut calls = 0;
        let mut order = Vec::new();
        let outcomes = interleave(2, &[10, 20, 30], 1, |subject| {
            calls += 1;
            order.push(subject);
            Ok::<_, ()>((calls, subject))
        })
        .expect("no lap fails");
        assert_eq!(order, [20, 30, 10, 20, 10, 30, 10, 20, 30]);
        assert_eq!(
            outcomes,
            [[(5, 10), (7, 10)], [(4, 20), (8, 20)], [(6, 30), (9, 30)]]
        );
    }

    #[test]
    fn two_workers_add_up() {
        let lap = |operations, wall_ns| Lap {
            operations,
            reads: 0,
            hits: 0,
            wall_ns,
            cpu_ns: wall_ns,
        };
        let both = Lap::of_two(lap(10, 100), lap(30, 200));
        assert_eq!((both.operations, both.wall_ns), (40, 150));
    }
}
