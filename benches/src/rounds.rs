//! Rounds: subjects take turns in short laps, so that what the machine does besides hits all alike.

use std::fmt;
use std::time::Duration;

/// What one subject did in one lap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lap {
    pub(crate) operations: u64,
    pub(crate) hits: u64,
    pub(crate) wall_ns: u64,
    /// Of the measured thread.
    pub(crate) cpu_ns: u64,
}

impl Lap {
    pub(crate) fn wall_ns_per_operation(&self) -> f64 {
        self.wall_ns as f64 / self.operations.max(1) as f64
    }

    pub(crate) fn cpu_ns_per_operation(&self) -> f64 {
        self.cpu_ns as f64 / self.operations.max(1) as f64
    }

    /// Operations in a second of the thread's own time: what other programs do does not count.
    pub(crate) fn operations_per_cpu_second(&self) -> f64 {
        self.operations as f64 / Duration::from_nanos(self.cpu_ns.max(1)).as_secs_f64()
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
        let mut sorted: Vec<f64> = figures.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let last = sorted.len() - 1;
        Self {
            median: f64::midpoint(sorted[last / 2], sorted[last.div_ceil(2)]),
            lowest: sorted[0],
            highest: sorted[last],
        }
    }

    /// Of one ratio for each round: what both did in the same round is compared, never two medians.
    pub(crate) fn of_ratios(figures: &[Lap], to: &[Lap], measure: impl Fn(&Lap) -> f64) -> Self {
        Self::of(
            figures
                .iter()
                .zip(to)
                .map(|(figure, to)| measure(figure) / measure(to)),
        )
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

/// Lets the laps of `order` run in turn, `rounds` times after one that warms up; `laps[i]` holds what
/// `order[i]` did in each round.
pub(crate) fn interleave<S: Copy, E>(
    rounds: usize,
    order: &[S],
    mut lap: impl FnMut(S) -> Result<Lap, E>,
) -> Result<Vec<Vec<Lap>>, E> {
    let mut laps = vec![Vec::with_capacity(rounds); order.len()];
    for round in 0..=rounds {
        for (subject, laps) in order.iter().zip(&mut laps) {
            let lap = lap(*subject)?;
            if round > 0 {
                laps.push(lap);
            }
        }
    }
    Ok(laps)
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
    fn the_first_round_is_left_out_and_laps_stay_with_their_subject() {
        let mut calls = 0;
        let laps = interleave(2, &[10, 20], |subject| {
            calls += 1;
            Ok::<_, ()>(Lap {
                operations: calls,
                hits: subject,
                wall_ns: 1,
                cpu_ns: 1,
            })
        })
        .expect("no lap fails");
        let seen: Vec<Vec<(u64, u64)>> = laps
            .iter()
            .map(|laps| laps.iter().map(|lap| (lap.operations, lap.hits)).collect())
            .collect();
        assert_eq!(seen, [[(3, 10), (5, 10)], [(4, 20), (6, 20)]]);
    }
}
