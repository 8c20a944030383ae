//! What a run of a broken engine says of the proof: the mutant was noticed, or the proof is blind to it.

use std::fmt;
use std::process::ExitCode;

/// The verdict on one mutant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MutantVerdict {
    /// The mutant's name.
    pub mutant: String,
    /// Whether something was anomalous because of it.
    pub is_noticed: bool,
    /// What was seen, or how much was looked at.
    pub told: String,
}

impl MutantVerdict {
    /// Success if it was noticed.
    #[must_use]
    pub const fn exit_code(&self) -> ExitCode {
        if self.is_noticed {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        }
    }
}

impl fmt::Display for MutantVerdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verdict = if self.is_noticed {
            "noticed: the mutant was found out"
        } else {
            "NOT noticed: nothing shows that the engine is broken"
        };
        write!(f, "{}: {verdict} ({})", self.mutant, self.told)
    }
}

/// The names of all mutants, for messages.
#[must_use]
pub fn mutant_names() -> String {
    let names: Vec<&str> = guira_shm::mutant::Mutant::ALL
        .iter()
        .map(|mutant| mutant.name())
        .collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mutant_that_is_noticed_is_a_success_and_one_that_is_not_is_a_failure() {
        let mut verdict = MutantVerdict {
            mutant: "written-twice".to_owned(),
            is_noticed: true,
            told: "3 anomalies".to_owned(),
        };
        assert_eq!(
            verdict.to_string(),
            "written-twice: noticed: the mutant was found out (3 anomalies)"
        );
        assert_eq!(verdict.exit_code(), ExitCode::SUCCESS);
        verdict.is_noticed = false;
        assert!(verdict.to_string().contains("NOT noticed"));
        assert_eq!(verdict.exit_code(), ExitCode::FAILURE);
    }
}
