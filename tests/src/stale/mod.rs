//! The hunt for stale reads.

use crate::board::Board;
use crate::experiment::{Assignment, ExperimentError, World};
use guira_segment::Segment;
use serde::{Deserialize, Serialize};

/// A hunt.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct StalePlan {
    /// Where and with whom.
    pub world: World,
}
pub(crate) fn work(
    _plan: &StalePlan,
    _board: &Board,
    _segment: &Segment,
    _assignment: Assignment,
    _thread: usize,
) -> Result<(), ExperimentError> {
    Ok(())
}
