//! Short races of invalidations with computations.

use std::path::Path;

use guira_tests::experiment::World;
use guira_tests::races::{RacesPlan, run};

use crate::places::in_memory;

#[test]
fn no_answer_is_older_than_an_invalidation_that_returned_before_the_call() {
    let directory = in_memory();
    let plan = RacesPlan {
        world: World {
            size_bytes: 8 << 20,
            workers: 4,
            max_stop_ms: 30,
            kills: 5,
            stops: 20,
            ..World::new(directory.path(), 5)
        },
        rounds: 100_000,
        keys: 8,
        mutant: None,
    };
    let report = run(Path::new(env!("CARGO_BIN_EXE_storm")), &plan).expect("the experiment can be made");
    assert!(report.anomalies().is_empty(), "{report}");
    assert!(report.rounds >= plan.rounds);
}
