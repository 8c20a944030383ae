//! The verdict: what the demo is about, in one sentence.

use super::hosts::BOUND;
use super::report::Report;
use crate::duration::show_duration;
use crate::output::{show_count, show_counted};

/// What became of the hosts after the last kill.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) enum Healing {
    /// The trace was over before that was to be seen, or before anything was killed.
    #[default]
    Unseen,
    /// Every host is trusted again, by the agent and the broker that took over.
    Healed,
    /// Some host is not trusted, long after.
    Failed,
}

/// Whether everything is as it must be, and the sentence that says so.
#[derive(Clone, Debug)]
pub(crate) struct Verdict {
    pub(crate) is_good: bool,
    pub(crate) sentence: String,
}

impl Report {
    pub(crate) fn verdict(&self) -> Verdict {
        let faults = self.sum(|host| host.faults);
        let is_good =
            self.wrong_values + self.stale_reads + faults == 0 && self.around.healing != Healing::Failed;
        let killed: Vec<String> = self
            .around
            .kills
            .iter()
            .map(|kill| format!("the {}", kill.what))
            .collect();
        let healed = match self.around.healing {
            Healing::Healed => format!("{} killed, and everything healed", killed.join(" and ")),
            Healing::Unseen if killed.is_empty() => {
                "nothing was killed, for the trace was over before".to_owned()
            }
            Healing::Unseen => format!(
                "{} killed, and the trace was over before it was to be seen what healed",
                killed.join(" and ")
            ),
            Healing::Failed if killed.is_empty() => "a host is NOT trusted".to_owned(),
            Healing::Failed => format!("{} killed, and a host is NOT trusted again", killed.join(" and ")),
        };
        let mut sentence = format!(
            "{}: {} beyond the bound of {} and {} in {}; {healed}",
            if is_good { "good" } else { "BAD" },
            show_counted(self.stale_reads, "stale read", "stale reads"),
            show_duration(BOUND),
            show_counted(self.wrong_values, "wrong value", "wrong values"),
            show_counted(self.requests, "request", "requests"),
        );
        if faults > 0 {
            sentence.push_str(&format!("; {} faults in the segments", show_count(faults)));
        }
        if let Some(evidence) = self.evidence.first() {
            sentence.push_str(&format!(" ({evidence})"));
        }
        Verdict { is_good, sentence }
    }
}

#[cfg(test)]
mod tests {
    use super::super::report::tests::report;
    use super::*;

    #[test]
    fn a_wrong_or_stale_value_is_a_bad_verdict() {
        assert!(report(0, 0).verdict().is_good);
        for (wrong, stale, part) in [(1, 0, "1 wrong value"), (0, 1, "1 stale read")] {
            let verdict = report(wrong, stale).verdict();
            assert!(!verdict.is_good);
            assert!(verdict.sentence.contains(part), "{}", verdict.sentence);
            assert!(verdict.sentence.starts_with("BAD"), "{}", verdict.sentence);
        }
    }

    #[test]
    fn a_host_that_stays_without_trust_is_a_bad_verdict() {
        let mut report = report(0, 0);
        report.around.healing = Healing::Failed;
        assert!(!report.verdict().is_good);
        report.around.healing = Healing::Healed;
        let verdict = report.verdict();
        assert!(
            verdict.is_good && verdict.sentence.ends_with("everything healed"),
            "{}",
            verdict.sentence
        );
    }
}
