//! The median, as tables of measurements show it.

/// The median of numbers in order of size: with an even number of them the mean of the middle two; 0 of
/// none.
pub(crate) fn median(sorted: &[f64]) -> f64 {
    let upper = sorted.get(sorted.len() / 2).copied().unwrap_or(0.0);
    let lower = sorted
        .get(sorted.len().saturating_sub(1) / 2)
        .copied()
        .unwrap_or(0.0);
    f64::midpoint(lower, upper)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_is_the_mean_of_the_middle_two() {
        let medians = [
            &[][..],
            &[3.0],
            &[1.0, 2.0],
            &[1.0, 2.0, 9.0],
            &[1.0, 2.0, 4.0, 9.0],
        ]
        .map(median);
        assert_eq!(medians, [0.0, 3.0, 1.5, 2.0, 3.0]);
    }
}
