//! Images with all kinds of damage, under load and repaired afterwards; a few of what
//! `cargo xtask corrupt` makes many of.

use guira_tests::corrupt::{CorruptPlan, run};

use crate::places::in_memory;

#[test]
fn damaged_images_end_hang_and_fool_nobody_and_can_be_repaired() {
    let directory = in_memory();
    let plan = CorruptPlan {
        images: 80,
        seed: 1,
        lanes: 2,
        theme: None,
        directory: directory.path().to_owned(),
        keep_in: std::env::temp_dir().join("guira-corrupt"),
        program: env!("CARGO_BIN_EXE_corrupt").into(),
    };
    let report = run(&plan).expect("room for the images");
    assert_eq!(report.anomalies(), 0, "{report}");
    assert!(report.operations > 10_000 && report.hits > 1_000, "{report}");
    assert!(report.faulty > 20 && report.dropped_entries > 20, "{report}");
}
