//! Every lap of a workload, and what is computed from them: ratios of laps of the same round.

use hdrhistogram::Histogram;

use crate::bench::latency::empty_histogram;
use crate::peers::Subject;
use crate::rounds::{Lap, Spread};
use crate::worker::Outcome;

/// A lap, and where it belongs.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    /// The last subject of its rounds, which tells comparisons apart.
    pub(crate) beside: Subject,
    pub(crate) subject: Subject,
    /// Whether two worked at once.
    pub(crate) is_pair: bool,
    pub(crate) load: usize,
    pub(crate) round: usize,
    pub(crate) outcome: Outcome,
}

/// The share of all keys that had a value at the end of a load.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kept {
    pub(crate) subject: Subject,
    pub(crate) share: f64,
}

/// All laps of a workload.
#[derive(Clone, Debug, Default)]
pub(crate) struct Records {
    pub(crate) laps: Vec<Record>,
    pub(crate) kept: Vec<Kept>,
    /// What a reader of the table has to know.
    pub(crate) notes: Vec<String>,
}

/// A measure of a lap.
pub(super) type Measure = fn(&Lap) -> f64;

impl Records {
    pub(super) fn add(&mut self, mut other: Self) {
        self.laps.append(&mut other.laps);
        self.kept.append(&mut other.kept);
        self.notes.append(&mut other.notes);
    }

    /// All subjects the raw loop first.
    pub(super) fn subjects(&self) -> Vec<Subject> {
        let mut subjects = Vec::new();
        for record in &self.laps {
            if !subjects.contains(&record.subject) {
                subjects.push(record.subject);
            }
        }
        subjects.sort_by_key(|subject| match subject {
            Subject::Raw { .. } => 0,
            Subject::Guira { .. } => 1,
            Subject::Peer(_) => 2,
        });
        subjects
    }

    pub(super) fn laps_of(&self, subject: Subject, is_pair: bool) -> impl Iterator<Item = &Record> {
        self.laps
            .iter()
            .filter(move |record| record.subject == subject && record.is_pair == is_pair)
    }

    pub(super) fn spread(&self, subject: Subject, is_pair: bool, measure: Measure) -> Option<Spread> {
        Spread::of_some(
            self.laps_of(subject, is_pair)
                .map(|record| measure(&record.outcome.lap)),
        )
    }

    /// `measure` of each lap of `figure`, divided by that of `to` in the same round.
    pub(super) fn ratio(
        &self,
        figure: (Subject, bool),
        to: (Subject, bool),
        measure: Measure,
    ) -> Option<Spread> {
        Spread::of_some(self.laps_of(figure.0, figure.1).filter_map(|record| {
            let same_round = self
                .laps_of(to.0, to.1)
                .find(|other| other.is_of_same_round(record))?;
            Some(measure(&record.outcome.lap) / measure(&same_round.outcome.lap))
        }))
    }

    /// Only the rounds that `subject` was part of.
    pub(super) fn beside(&self, subject: Subject) -> Self {
        let laps = self.laps.iter().filter(|record| record.beside == subject);
        Self {
            laps: laps.cloned().collect(),
            ..Self::default()
        }
    }

    /// Hits among look-ups; where nothing is looked up, the share of keys that had a value at the end.
    pub(super) fn hit_ratio(&self, subject: Subject) -> Option<f64> {
        let laps = self.laps.iter().filter(|record| record.subject == subject);
        let (hits, reads) = laps.fold((0, 0), |(hits, reads), record| {
            (hits + record.outcome.lap.hits, reads + record.outcome.lap.reads)
        });
        if reads > 0 {
            return Some(hits as f64 / reads as f64);
        }
        let kept = self.kept.iter().filter(|kept| kept.subject == subject);
        Spread::of_some(kept.map(|kept| kept.share)).map(|share| share.median)
    }

    /// The median over all rounds of a quantile of single operations, in nanoseconds.
    pub(super) fn quantile_ns(&self, subject: Subject, quantile: f64) -> Option<Spread> {
        Spread::of_some(
            self.laps_of(subject, false)
                .filter_map(|record| record.quantile_ns(quantile))
                .map(|ns| ns as f64),
        )
    }

    /// A quantile over the operations of all rounds together, in nanoseconds.
    pub(super) fn pooled_quantile_ns(&self, subject: Subject, quantile: f64) -> u64 {
        histogram_of(self.laps_of(subject, false)).value_at_quantile(quantile)
    }
}

impl Record {
    /// A quantile of the lap's single operations, if they were timed.
    pub(crate) fn quantile_ns(&self, quantile: f64) -> Option<u64> {
        let histogram = histogram_of(std::iter::once(self));
        (!histogram.is_empty()).then(|| histogram.value_at_quantile(quantile))
    }

    fn is_of_same_round(&self, other: &Self) -> bool {
        (self.beside, self.load, self.round) == (other.beside, other.load, other.round)
    }
}

fn histogram_of<'a>(records: impl Iterator<Item = &'a Record>) -> Histogram<u64> {
    let mut histogram = empty_histogram();
    for &(ns, times) in records.flat_map(|record| &record.outcome.latencies) {
        histogram.saturating_record_n(ns, times);
    }
    histogram
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(subject: Subject, load: usize, round: usize, wall_ns: u64) -> Record {
        let lap = Lap {
            operations: 1,
            reads: 1,
            hits: 1,
            wall_ns,
            cpu_ns: wall_ns,
        };
        Record {
            beside: Subject::Raw { huge_pages: false },
            subject,
            is_pair: false,
            load,
            round,
            outcome: Outcome {
                lap,
                latencies: vec![(wall_ns, 1)],
            },
        }
    }

    #[test]
    fn ratios_are_of_laps_of_the_same_round_only() {
        let raw = Subject::Raw { huge_pages: false };
        let guira = Subject::Guira { huge_pages: false };
        let mut records = Records::default();
        // The second load is four times slower for everybody; one round of it has no raw lap.
        for (load, round, raw_ns, guira_ns) in [(0, 0, 10, 20), (0, 1, 10, 30), (1, 0, 40, 80)] {
            records.laps.push(record(raw, load, round, raw_ns));
            records.laps.push(record(guira, load, round, guira_ns));
        }
        records.laps.push(record(guira, 1, 1, 1));
        let measure: Measure = Lap::wall_ns_per_operation;
        let ratio = records.ratio((guira, false), (raw, false), measure).unwrap();
        assert_eq!((ratio.lowest, ratio.median, ratio.highest), (2.0, 2.0, 3.0));
        assert_eq!(records.pooled_quantile_ns(guira, 1.0), 80);
        assert!(records.ratio((guira, true), (raw, true), measure).is_none());
    }
}
