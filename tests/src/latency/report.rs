//! What the comparison of calm and storm found.

use std::fmt;

use serde::Serialize;

use crate::histogram::Histogram;
use crate::latency::LatencyPlan;
use crate::median::median;
use crate::storm::StormReport;
use crate::summary::Summary;

/// Fewer operations of a kind in a half have no p99.99 to compare.
const ENOUGH: u64 = 50_000;
/// How much longer p99.99 may be in a storm.
const ALLOWED_NS: i64 = 1_000_000;
/// The quantile that is judged.
const JUDGED: f64 = 0.9999;

/// Two halves.
#[derive(Debug)]
pub struct Round {
    /// Nobody was killed or stopped.
    pub calm: StormReport,
    /// Some were.
    pub storm: StormReport,
}

/// What was found.
#[derive(Clone, Debug, Serialize)]
pub struct LatencyReport {
    /// Of every random choice.
    pub seed: u64,
    /// In all, s.
    pub seconds: f64,
    /// Rounds.
    pub rounds: u64,
    /// Workers, one thread each.
    pub workers: usize,
    /// Kills.
    pub kills: u64,
    /// Stops.
    pub stops: u64,
    /// Each kind of operation.
    pub kinds: Vec<KindReport>,
    /// What the halves themselves found wrong.
    pub found: Vec<String>,
}

/// One kind of operation.
#[derive(Clone, Debug, Serialize)]
pub struct KindReport {
    /// Its name.
    pub kind: String,
    /// Without waits for a processor, calm.
    pub calm: Durations,
    /// The same in a storm.
    pub storm: Durations,
    /// p99.99 with waits for a processor, calm and in a storm, us.
    pub whole_p9999_us: [f64; 2],
    /// How much longer p99.99 without waits for a processor was in the storm, by round, us, in order of
    /// size; empty where there were too few operations.
    pub differences_us: Vec<f64>,
}

/// Durations, us.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Durations {
    /// How many.
    pub count: u64,
    /// 50 %.
    pub p50_us: f64,
    /// 99 %.
    pub p99_us: f64,
    /// 99.9 %.
    pub p999_us: f64,
    /// 99.99 %.
    pub p9999_us: f64,
    /// The longest.
    pub longest_us: f64,
}

impl Durations {
    fn of(histogram: &Histogram) -> Self {
        let quantile_us = |fraction| histogram.quantile_ns(fraction) as f64 / 1e3;
        Self {
            count: histogram.count(),
            p50_us: quantile_us(0.5),
            p99_us: quantile_us(0.99),
            p999_us: quantile_us(0.999),
            p9999_us: quantile_us(JUDGED),
            longest_us: histogram.longest_ns() as f64 / 1e3,
        }
    }
}

impl LatencyReport {
    pub(super) fn new(plan: &LatencyPlan, rounds: &[Round]) -> Self {
        let mut kinds: Vec<KindReport> = Vec::new();
        let names = rounds.first().map(|round| &round.calm.latencies.kinds);
        for (index, (name, ..)) in names.into_iter().flatten().enumerate() {
            let mut sums: [Histogram; 4] = Default::default();
            let mut differences_us = Vec::new();
            for round in rounds {
                let of = |report: &StormReport| report.latencies.kinds.get(index).cloned();
                let Some(((_, calm_whole, calm), (_, storm_whole, storm))) =
                    &of(&round.calm).zip(of(&round.storm))
                else {
                    continue;
                };
                if calm.count().min(storm.count()) >= ENOUGH {
                    differences_us.push(longer_in_storm_us(calm, storm));
                }
                for (sum, part) in sums.iter_mut().zip([calm, storm, calm_whole, storm_whole]) {
                    sum.merge(part);
                }
            }
            differences_us.sort_by(f64::total_cmp);
            let [calm, storm, calm_whole, storm_whole] = sums;
            if differences_us.is_empty() && calm.count().min(storm.count()) >= ENOUGH {
                // Too few in each half, enough in all.
                differences_us.push(longer_in_storm_us(&calm, &storm));
            }
            if calm.count() + storm.count() == 0 {
                continue;
            }
            kinds.push(KindReport {
                kind: name.clone(),
                calm: Durations::of(&calm),
                storm: Durations::of(&storm),
                whole_p9999_us: [calm_whole, storm_whole].map(|whole| Durations::of(&whole).p9999_us),
                differences_us,
            });
        }
        let halves = || rounds.iter().flat_map(|round| [&round.calm, &round.storm]);
        Self {
            seed: plan.world.seed,
            seconds: halves().map(|half| half.seconds).sum(),
            rounds: plan.rounds,
            workers: plan.world.workers,
            kills: halves().map(|half| half.kills).sum(),
            stops: halves().map(|half| half.stops).sum(),
            kinds,
            found: halves().flat_map(StormReport::anomalies).collect(),
        }
    }

    /// What must not have happened, one sentence each; empty if all is well.
    #[must_use]
    pub fn anomalies(&self) -> Vec<String> {
        let mut found = self.found.clone();
        for kind in &self.kinds {
            let median = median(&kind.differences_us);
            if median > ALLOWED_NS as f64 / 1e3 {
                found.push(format!(
                    "p99.99 of {} is {median:.0} us longer in a storm",
                    kind.kind
                ));
            }
        }
        if self.kinds.iter().all(|kind| kind.differences_us.is_empty()) {
            found.push("too few operations of every kind".to_owned());
        }
        found
    }

    /// What the ledger keeps.
    #[must_use]
    pub fn summary(&self) -> Summary {
        let compared = || self.kinds.iter().filter(|kind| !kind.differences_us.is_empty());
        let worst = compared()
            .map(|kind| median(&kind.differences_us))
            .fold(0.0, f64::max);
        let longest = self
            .kinds
            .iter()
            .map(|kind| kind.storm.longest_us)
            .fold(0.0, f64::max);
        let operations = self
            .kinds
            .iter()
            .map(|kind| kind.calm.count + kind.storm.count)
            .sum();
        Summary::new("latency", self.seed, self.seconds, self.anomalies().len() as u64)
            .count("operations", operations)
            .count("kills", self.kills)
            .count("stops", self.stops)
            .count("max_p9999_difference_us", worst as u64)
            .count("max_wait_us", longest as u64)
    }
}

fn longer_in_storm_us(calm: &Histogram, storm: &Histogram) -> f64 {
    let [calm_ns, storm_ns] = [calm, storm].map(|durations| durations.quantile_ns(JUDGED).cast_signed());
    (storm_ns - calm_ns) as f64 / 1e3
}

impl fmt::Display for LatencyReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "latency, seed {}: {} workers, {} rounds, {:.0} s, {} kills, {} stops",
            self.seed, self.workers, self.rounds, self.seconds, self.kills, self.stops
        )?;
        writeln!(
            f,
            "us without waits for a processor, calm / storm; in brackets p99.99 with them"
        )?;
        writeln!(
            f,
            "{:14} {:>21} {:>13} {:>15} {:>17} {:>19} {:>21}  p99.99 longer in storm: median (least .. most)",
            "operation", "count", "p50", "p99", "p99.9", "p99.99", "longest"
        )?;
        for kind in &self.kinds {
            let pair = |of: fn(&Durations) -> f64, digits: usize| {
                format!("{:.digits$} / {:.digits$}", of(&kind.calm), of(&kind.storm))
            };
            let [calm_whole, storm_whole] = kind.whole_p9999_us;
            let difference = match (kind.differences_us.first(), kind.differences_us.last()) {
                (Some(least), Some(most)) => {
                    format!("{:+.1} ({least:+.1} .. {most:+.1})", median(&kind.differences_us))
                }
                _ => "too few".to_owned(),
            };
            writeln!(
                f,
                "{:14} {:>21} {:>13} {:>15} {:>17} {:>19} {:>21}  {difference} [{calm_whole:.0} / {storm_whole:.0}]",
                kind.kind,
                format!("{} / {}", kind.calm.count, kind.storm.count),
                pair(|durations| durations.p50_us, 1),
                pair(|durations| durations.p99_us, 1),
                pair(|durations| durations.p999_us, 1),
                pair(|durations| durations.p9999_us, 0),
                pair(|durations| durations.longest_us, 0),
            )?;
        }
        let anomalies = self.anomalies();
        if anomalies.is_empty() {
            write!(f, "  all is well")
        } else {
            write!(f, "  ANOMALIES: {}", anomalies.join("; "))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(name: &str, differences_us: &[f64]) -> KindReport {
        let none = Durations::of(&Histogram::default());
        KindReport {
            kind: name.to_owned(),
            calm: none,
            storm: none,
            whole_p9999_us: [0.0; 2],
            differences_us: differences_us.to_vec(),
        }
    }

    fn anomalies(kinds: Vec<KindReport>, found: &[&str]) -> Vec<String> {
        let report = LatencyReport {
            seed: 1,
            seconds: 1.0,
            rounds: 3,
            workers: 2,
            kills: 0,
            stops: 0,
            kinds,
            found: found.iter().map(|&text| text.to_owned()).collect(),
        };
        report.anomalies()
    }

    #[test]
    fn a_kind_whose_tail_is_a_millisecond_longer_in_most_rounds_is_found() {
        let fine = kind("Get", &[-40.0, 900.0, 5_000.0]);
        assert!(anomalies(vec![fine.clone()], &[]).is_empty());
        let slow = kind("Put", &[-40.0, 1_100.0, 1_200.0]);
        let found = anomalies(vec![fine.clone(), slow], &[]);
        assert_eq!(found, ["p99.99 of Put is 1100 us longer in a storm"]);
        assert_eq!(anomalies(vec![fine], &["1 hangs"]), ["1 hangs"]);
    }

    #[test]
    fn a_comparison_of_too_few_operations_is_no_proof() {
        assert_eq!(anomalies(vec![kind("Get", &[])], &[]).len(), 1);
    }
}
