//! Broken engines: in builds with mutants, a check that is left out must make a history that the checker
//! rejects.

use crate::experiment::ExperimentError;
use crate::linearize::world::World;

/// Those that this proof is to catch.
pub const MUTANTS: &[&str] = &[
    "stamp-blind-fill",
    "version-blind-swap",
    "half-kill-scan",
    "unsettled-put",
    "lost-derivation",
    "reborn-derivation",
];

/// Makes this process run with the world's mutant.
#[cfg(any(guira_points, guira_model))]
pub(crate) fn switch_on(world: &World) -> Result<(), ExperimentError> {
    crate::mutants::switch_on(world.mutant.as_deref())
}

/// There are none in this build.
#[cfg(not(any(guira_points, guira_model)))]
pub(crate) fn switch_on(world: &World) -> Result<(), ExperimentError> {
    if world.mutant.is_some() || world.delay_one_in.is_some() {
        return Err(ExperimentError::Io(std::io::Error::other(
            "this build has no mutants and no points; use `cargo xtask linearize`, which builds one that has",
        )));
    }
    Ok(())
}
