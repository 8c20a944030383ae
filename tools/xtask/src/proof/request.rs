//! What `cargo xtask proof run` is asked for: the task that it starts, and what it refuses to keep.

use std::ffi::OsString;
use std::io::Read;
use std::path::Path;

use crate::error::XtaskError;

/// What can be run and kept.
pub(crate) const PROOFS: [&str; 17] = [
    "storm",
    "stale",
    "races",
    "latency",
    "lock-release",
    "model",
    "kill",
    "linearize",
    "oracle",
    "corrupt",
    "network",
    "simulate",
    "fuzz",
    "fuzz-open",
    "fuzz-image",
    "fuzz-command",
    "fuzz-trace",
];

/// The fuzzer takes 32 bits; others as many as are readable, and exact in every reader of JSON.
const SEED_BITS_OF_FUZZ: u32 = 32;
const SEED_BITS: u32 = 48;

/// The task of this command that `proof` stands for, and its first argument: `fuzz-open` is `fuzz open`.
fn words(proof: &str) -> Vec<&str> {
    match proof.strip_prefix("fuzz-") {
        Some(target) => vec!["fuzz", target],
        None => vec![proof],
    }
}

/// The arguments of this command that make the run: with a seed, if `passed_on` has none.
pub(super) fn arguments(proof: &str, passed_on: &[OsString]) -> Result<Vec<OsString>, XtaskError> {
    refuse(proof, passed_on)?;
    let mut arguments: Vec<OsString> = words(proof).into_iter().map(OsString::from).collect();
    if !passed_on.iter().any(|argument| is(argument, "--seed")) {
        let bits = if proof.starts_with("fuzz") {
            SEED_BITS_OF_FUZZ
        } else {
            SEED_BITS
        };
        arguments.push("--seed".into());
        arguments.push((random()? >> (u64::BITS - bits)).to_string().into());
    }
    arguments.extend_from_slice(passed_on);
    Ok(arguments)
}

/// What is found of a broken engine must not be kept as if it were the engine's.
fn refuse(proof: &str, passed_on: &[OsString]) -> Result<(), XtaskError> {
    for argument in passed_on {
        if ["--mutant", "--mutants", "--mistake"]
            .iter()
            .any(|option| is(argument, option))
        {
            return Err(XtaskError::MutantOfProof {
                argument: argument.to_string_lossy().into_owned(),
                task: words(proof).join(" "),
            });
        }
        if is(argument, "--summary") {
            return Err(XtaskError::SummaryOfProof);
        }
    }
    Ok(())
}

/// Whether `argument` is this option, with its value or before it.
fn is(argument: &OsString, option: &str) -> bool {
    let argument = argument.to_string_lossy();
    argument.split_once('=').map_or(&*argument, |(name, _)| name) == option
}

fn random() -> Result<u64, XtaskError> {
    let path = Path::new("/dev/urandom");
    let mut bytes = [0; 8];
    std::fs::File::open(path)
        .and_then(|mut file| file.read_exact(&mut bytes))
        .map_err(|source| XtaskError::Read {
            path: path.to_owned(),
            source,
        })?;
    Ok(u64::from_le_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(proof: &str, passed_on: &str) -> Result<String, XtaskError> {
        let passed_on: Vec<OsString> = passed_on.split_whitespace().map(OsString::from).collect();
        let arguments = arguments(proof, &passed_on)?;
        Ok(arguments.join(" ".as_ref()).into_string().unwrap())
    }

    #[test]
    fn a_proof_is_a_task_and_a_fuzz_target_is_an_argument() {
        assert_eq!(
            asked("lock-release", "--seed 3 --repeats 2").unwrap(),
            "lock-release --seed 3 --repeats 2"
        );
        assert_eq!(asked("fuzz-open", "--seed=3").unwrap(), "fuzz open --seed=3");
    }

    #[test]
    fn a_seed_is_given_where_none_is_and_the_fuzzer_gets_a_short_one() {
        for (proof, bits) in [("storm", SEED_BITS), ("fuzz-image", SEED_BITS_OF_FUZZ)] {
            let asked = asked(proof, "--seconds 9").unwrap();
            let (_, rest) = asked.split_once("--seed ").unwrap();
            let (seed, rest) = rest.split_once(' ').unwrap();
            assert!(seed.parse::<u64>().unwrap() < 1 << bits, "{asked}");
            assert_eq!(rest, "--seconds 9");
        }
    }

    #[test]
    fn runs_of_mutants_and_other_summaries_are_refused() {
        for passed_on in ["--mutant written-twice", "--mutant=written-twice", "--mutants"] {
            let error = asked("kill", passed_on).unwrap_err().to_string();
            assert!(error.contains("cargo xtask kill"), "{error}");
        }
        assert!(asked("storm", "--summary=there").is_err());
    }
}
