//! Engines that are broken on purpose, in builds that have mutants.

use crate::experiment::ExperimentError;

/// Makes this process run with the mutant of this name, or with none.
///
/// # Errors
/// There is no such mutant, or this build has none.
#[cfg(any(guira_points, guira_model))]
pub(crate) fn switch_on(name: Option<&str>) -> Result<(), ExperimentError> {
    use guira_shm::mutant::Mutant;

    let mutant = match name {
        None => None,
        Some(name) => Some(Mutant::from_name(name).ok_or_else(|| {
            ExperimentError::Io(std::io::Error::other(format!(
                "there is no mutant `{name}`; there are {}",
                crate::verdict::mutant_names()
            )))
        })?),
    };
    guira_shm::mutant::switch_on(mutant);
    Ok(())
}

/// There are none in this build.
///
/// # Errors
/// One was asked for.
#[cfg(not(any(guira_points, guira_model)))]
pub(crate) fn switch_on(name: Option<&str>) -> Result<(), ExperimentError> {
    match name {
        None => Ok(()),
        Some(name) => Err(ExperimentError::Io(std::io::Error::other(format!(
            "this build has no mutants, so no `{name}`; `cargo xtask` builds one that has"
        )))),
    }
}
