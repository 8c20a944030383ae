//! A short hunt for stale reads.

use std::path::Path;

use guira_tests::experiment::World;
use guira_tests::stale::{StalePlan, run};

use crate::places::in_memory;

#[test]
fn no_read_is_stale_after_an_invalidation_returned() {
    let directory = in_memory();
    let plan = StalePlan {
        world: World {
            size_bytes: 8 << 20,
            max_stop_ms: 30,
            kills: 10,
            stops: 50,
            ..World::new(directory.path(), 4)
        },
        operations: 3_000_000,
        hot_keys: 32,
        cold_keys: 500_000,
    };
    let report = run(Path::new(env!("CARGO_BIN_EXE_storm")), &plan).expect("the experiment can be made");
    assert!(report.anomalies().is_empty(), "{report}");
    assert!(report.operations >= plan.operations);
}
