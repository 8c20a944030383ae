//! A short storm: workers are killed and stopped while they do every kind of operation.

use std::path::Path;

use guira_tests::experiment::{Room, World};
use guira_tests::namespaces;
use guira_tests::storm::{Customs, StormPlan, StormReport, run};

use crate::places::{in_memory, on_disk, skip};

fn calm_after(world: World, keys: u64, large_values: bool) {
    calm_after_with(world, keys, large_values, Customs::default());
}

fn calm_after_with(world: World, keys: u64, large_values: bool, customs: Customs) -> StormReport {
    let plan = StormPlan {
        world,
        keys,
        large_values,
        customs,
        latency: false,
    };
    let report = run(Path::new(env!("CARGO_BIN_EXE_storm")), &plan).expect("the experiment can be made");
    assert!(report.anomalies().is_empty(), "{report}");
    assert!(report.kills >= plan.world.kills && report.stops >= plan.world.stops);
    report
}

#[test]
fn killed_and_stopped_workers_leave_nothing_wrong() {
    let directory = in_memory();
    let world = World::new(directory.path(), 1);
    calm_after(world, 100_000, true);
}

#[test]
fn a_fight_over_a_few_keys_brings_no_old_value_back() {
    let directory = in_memory();
    let world = World {
        size_bytes: 8 << 20,
        max_stop_ms: 30,
        kills: 20,
        stops: 60,
        ..World::new(directory.path(), 5)
    };
    calm_after(world, 16, true);
}

#[test]
fn killed_threads_leave_nothing_wrong_where_generations_wrap() {
    let directory = in_memory();
    let world = World {
        exact_blocks: Some((4096, 256)),
        generation_bits: 3,
        threads: 2,
        workers: 2,
        ..World::new(directory.path(), 2)
    };
    calm_after(world, 10_000, false);
}

#[test]
fn a_storm_on_a_disk_file_with_checked_values_leaves_nothing_wrong() {
    let Some(directory) = on_disk() else { return };
    let world = World {
        size_bytes: 8 << 20,
        checked_values: true,
        seconds: 2.0,
        ..World::new(directory.path(), 3)
    };
    calm_after(world, 50_000, true);
}

#[test]
fn processes_that_fork_exec_come_and_go_leave_nothing_wrong_where_there_is_no_room_for_all() {
    let permitted = namespaces::probe();
    if let Err(error) = &permitted {
        skip(&format!("pid namespaces ({error})"));
    }
    let directory = in_memory();
    let world = World {
        kills: 30,
        stops: 30,
        room: Some(Room {
            processes: 5,
            threads: 8,
        }),
        ..World::new(directory.path(), 6)
    };
    let customs = Customs {
        fork: true,
        exec: true,
        come_and_go: true,
        daemons: false,
        namespaces: permitted.is_ok(),
    };
    let report = calm_after_with(world, 50_000, true, customs);
    assert!(report.joins > 0, "{report}");
}

#[test]
fn daemons_and_their_children_leave_nothing_wrong() {
    let directory = in_memory();
    let world = World {
        max_stop_ms: 40,
        ..World::new(directory.path(), 7)
    };
    let customs = Customs {
        fork: true,
        come_and_go: true,
        daemons: true,
        ..Customs::default()
    };
    calm_after_with(world, 50_000, true, customs);
}
