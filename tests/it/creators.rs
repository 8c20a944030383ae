//! Several creators of one file, and creators that are killed: there is a whole file, or none.

use std::time::{Duration, Instant};

use guira_segment::{Expiry, Segment};

use crate::children::Child;
use crate::places::{SMALL_BYTES, file_in, in_memory, names_in};

#[test]
fn of_many_creators_at_once_one_makes_the_file_and_all_use_it() {
    for round in 0..10 {
        let directory = in_memory();
        let path = file_in(&directory);
        let mut children: Vec<Child> = (0..6).map(|_| Child::start()).collect();
        let is_strict = round % 2 == 0;
        let verb = if is_strict { "create" } else { "open-or-create" };
        let command = format!("{verb} {} size={SMALL_BYTES}", path.display());
        children.iter_mut().for_each(|child| child.tell(&command));
        let answers: Vec<String> = children
            .iter_mut()
            .map(|child| child.answer_to(&command))
            .collect();
        let ok = answers.iter().filter(|answer| *answer == "ok").count();
        if is_strict {
            assert_eq!(ok, 1, "{answers:?}");
            assert!(
                answers
                    .iter()
                    .all(|answer| answer == "ok" || answer.contains("exists already; open it"))
            );
        } else {
            assert_eq!(ok, 6, "{answers:?}");
            assert_eq!(children[0].ask("put k v"), "Stored");
            for child in &mut children {
                assert_eq!(child.ask("get k"), "hit v", "two files were made");
            }
        }
        assert_eq!(names_in(directory.path()), ["test.guira"], "nothing else is left");
    }
}

#[test]
fn killed_creators_leave_a_whole_file_or_none() {
    let directory = in_memory();
    let path = file_in(&directory);
    for round in 0..60 {
        let mut creator = Child::start();
        assert!(!creator.ask("pid").is_empty());
        creator.tell(&format!("create {} size={}", path.display(), 64 << 20));
        // As late as the first sight of the file, as early as now.
        if round % 2 == 0 {
            let (path, deadline) = (path.clone(), Instant::now() + Duration::from_secs(20));
            while !path.exists() && Instant::now() < deadline {
                std::hint::spin_loop();
            }
        }
        creator.kill();
        if path.exists() {
            let segment = Segment::builder().open(&path).expect("whole if it is there");
            segment.put(b"k", b"v", Expiry::never()).expect("room");
            assert!(segment.verify().is_clean());
            std::fs::remove_file(&path).expect("unlinked");
        }
        assert!(names_in(directory.path()).is_empty());
    }
}
