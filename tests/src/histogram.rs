//! Durations by steps of an eighth of a doubling, in words that outlive whoever counts.

use guira_shm::sync::{AtomicU64, Ordering};

/// Words of a histogram on a board: a count for each step, and the longest duration.
pub const WORDS: usize = 256;
const STEPS: usize = WORDS - 1;

/// The step of a duration, at most `steps - 1`.
pub(crate) fn step_of(ns: u64, steps: usize) -> usize {
    let exponent = (63 - ns.max(8).leading_zeros()) as usize;
    let index = (exponent - 3) * 8 + ((ns.max(8) >> (exponent - 3)) & 7) as usize;
    index.min(steps - 1)
}

/// The end of a step, ns.
pub(crate) fn end_of_step_ns(index: usize) -> u64 {
    let (exponent, step) = (index / 8, index % 8);
    (8 + step as u64 + 1) << exponent
}

/// Counts a duration in the words that `word` gives, of which only the caller's thread writes.
pub(crate) fn record<'w>(word: impl Fn(usize) -> &'w AtomicU64, ns: u64) {
    let count = word(step_of(ns, STEPS));
    count.store(count.load(Ordering::Relaxed) + 1, Ordering::Relaxed);
    let longest = word(STEPS);
    if ns > longest.load(Ordering::Relaxed) {
        longest.store(ns, Ordering::Relaxed);
    }
}

/// A histogram that was read.
#[derive(Clone, Debug)]
pub struct Histogram {
    counts: Vec<u64>,
    longest_ns: u64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            counts: vec![0; STEPS],
            longest_ns: 0,
        }
    }
}

impl Histogram {
    /// Adds what was counted in the words that `word` gives.
    pub(crate) fn add<'w>(&mut self, word: impl Fn(usize) -> &'w AtomicU64) {
        for (step, count) in self.counts.iter_mut().enumerate() {
            *count += word(step).load(Ordering::Relaxed);
        }
        self.longest_ns = self.longest_ns.max(word(STEPS).load(Ordering::Relaxed));
    }

    /// Adds another histogram.
    pub fn merge(&mut self, other: &Self) {
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
        self.longest_ns = self.longest_ns.max(other.longest_ns);
    }

    /// Durations counted.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().sum()
    }

    /// The longest, ns.
    #[must_use]
    pub const fn longest_ns(&self) -> u64 {
        self.longest_ns
    }

    /// What `fraction` of all did not exceed, ns: the end of a step, at most an eighth too much.
    #[must_use]
    pub fn quantile_ns(&self, fraction: f64) -> u64 {
        quantile_ns(&self.counts, fraction).min(self.longest_ns)
    }
}

/// The end of the step that `fraction` of all counts do not exceed, ns.
pub(crate) fn quantile_ns(counts: &[u64], fraction: f64) -> u64 {
    let total: u64 = counts.iter().sum();
    let allowed = (total as f64 * (1.0 - fraction)) as u64;
    let mut beyond = 0;
    for (index, count) in counts.iter().enumerate().rev() {
        beyond += count;
        if beyond > allowed {
            return end_of_step_ns(index);
        }
    }
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_duration_lies_in_its_step() {
        let mut last = 0;
        for ns in (0..1_000_u64).chain((10..40).map(|shift| 1 << shift)) {
            let index = step_of(ns, 400);
            assert!(index >= last, "{ns}");
            assert!(ns < end_of_step_ns(index), "{ns} in step {index}");
            assert!(
                end_of_step_ns(index) <= ns.max(8) + ns.max(8) / 8 + 1,
                "{ns} in step {index}"
            );
            last = index;
        }
    }

    #[test]
    fn histograms_of_several_threads_add_up() {
        let words: Vec<AtomicU64> = (0..WORDS).map(|_| AtomicU64::new(0)).collect();
        let word = |index: usize| &words[index];
        for ns in 1..=10_000 {
            record(word, ns * 100);
        }
        let mut histogram = Histogram::default();
        histogram.add(word);
        let once = histogram.clone();
        histogram.merge(&once);
        assert_eq!(histogram.count(), 20_000);
        assert_eq!(histogram.longest_ns(), 1_000_000);
        let median = histogram.quantile_ns(0.5);
        assert!((500_000..=563_000).contains(&median), "{median}");
        assert_eq!(histogram.quantile_ns(1.0), 1_000_000);
    }
}
