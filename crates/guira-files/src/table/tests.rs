use std::path::Path;

use super::{Table, TableRules};
use crate::layout::record::{RecordState, RecordWord};
use crate::layout::table::{
    OWNER_GIVEN, OWNER_INTENT, OWNER_INTENT_AFTER, OWNER_INTENT_FROM, OWNER_INTENT_TO, OWNER_TAKEN,
};
use guira_shm::sync::Ordering;

pub(crate) fn table_at(directory: &Path, records: u64) -> Table {
    let path = directory.join("table");
    let rules = TableRules {
        arbiter: 7,
        limit_bytes: 64 << 20,
        overhead_bytes: 1 << 20,
        records,
        shards: 16,
    };
    Table::create(&path, &rules)
        .expect("made")
        .expect("nobody else makes it");
    Table::open(&path, 7).expect("opens").expect("it is there")
}

/// What a process has done when it is killed.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Debug)]
enum Died {
    BeforeTheIntent,
    BehindTheIntent,
    BehindTheRecord,
    BehindTheCounter,
}

/// Does a change by hand, up to where the process dies.
fn half_change(table: &Table, row: u16, record: u32, from: RecordWord, to: RecordWord, died: Died) {
    let (kind, counter) = match (from.blocks(), to.blocks()) {
        (before, after) if after > before => (1, OWNER_TAKEN),
        (_, 0) => (3, OWNER_GIVEN),
        _ => (2, OWNER_GIVEN),
    };
    let counter = table.of_owner(row, counter);
    let after = counter.load(Ordering::Relaxed) + u64::from(from.blocks().abs_diff(to.blocks()));
    if died > Died::BeforeTheIntent {
        for (word, value) in [
            (OWNER_INTENT_AFTER, after),
            (OWNER_INTENT_FROM, from.0),
            (OWNER_INTENT_TO, to.0),
            (OWNER_INTENT, u64::from(record) << 8 | kind),
        ] {
            table.of_owner(row, word).store(value, Ordering::Relaxed);
        }
    }
    if died > Died::BehindTheIntent {
        table.record_word(record).store(to.0, Ordering::Relaxed);
    }
    if died > Died::BehindTheRecord {
        counter.store(after, Ordering::Relaxed);
    }
}

#[test]
fn usage_is_exact_wherever_a_change_was_broken_off() {
    let directory = tempfile::tempdir().expect("a directory");
    let table = table_at(directory.path(), 64);
    let owner = table.owner(|_| ()).expect("a row");
    let free = table.record(0);
    let died = [
        Died::BeforeTheIntent,
        Died::BehindTheIntent,
        Died::BehindTheRecord,
        Died::BehindTheCounter,
    ];
    let row = owner.row;
    for (record, died) in (0..).zip(died) {
        let (held, longer) = (free.held(row, 100), free.held(row, 130));
        let shorter = longer.with_blocks(20);
        let dying = shorter.dying(row);
        for (from, to) in [
            (free, held),
            (held, longer),
            (longer, shorter),
            (dying, dying.free()),
        ] {
            let before = table.used_blocks();
            let settled_before = table.counted_blocks();
            table.record_word(record).store(from.0, Ordering::Relaxed);
            half_change(&table, row, record, from, to, died);
            table.settle(row);
            let is_done = died > Died::BehindTheIntent;
            let now = table.record(record);
            assert_eq!(now, if is_done { to } else { from }, "{died:?}");
            if from.state() == Some(RecordState::Dying) || from == free || from == held || from == longer {
                assert_eq!(
                    table.used_blocks() as i64 - before as i64,
                    if is_done {
                        i64::from(to.blocks()) - i64::from(from.blocks())
                    } else {
                        0
                    },
                    "{died:?} {from:?}"
                );
            }
            assert_eq!(settled_before, before, "{died:?} {from:?}");
            // For the next step the change is done as a whole.
            if !is_done {
                assert!(table.change(&owner, record, from, to));
            }
            assert_eq!(table.used_blocks(), table.counted_blocks(), "{died:?} {from:?}");
        }
    }
    assert_eq!(table.used_blocks(), 0);
}

#[test]
fn a_row_that_is_held_is_not_taken_and_one_of_the_dead_is() {
    let directory = tempfile::tempdir().expect("a directory");
    let one = table_at(directory.path(), 64);
    let own = one.owner(|_| ()).expect("a row");
    let held = one.record(5).held(own.row, 16);
    assert!(one.change(&own, 5, one.record(5), held));
    // As a child that dies without a word.
    let path = one.path().to_path_buf();
    let child = guira_shm::fork::fork_child(|| {
        let table = Table::open(&path, 7).expect("opens").expect("it is there");
        let owner = table.owner(|_| ()).expect("a row");
        let held = table.record(6).held(owner.row, 32);
        assert!(table.change(&owner, 6, table.record(6), held));
        let _ = nix::sys::signal::raise(nix::sys::signal::Signal::SIGKILL);
        0
    });
    let child = nix::unistd::Pid::from_raw(child.expect("a child") as i32);
    nix::sys::wait::waitpid(child, None).expect("it died");
    assert_eq!(one.used_blocks(), 48);
    let met = std::cell::Cell::new(0);
    let recovered = one.recover_dead(&own, |dead| {
        met.set(met.get() + 1);
        let word = one.record(6);
        assert!(word.is_owned_by(dead.row) && !one.record(5).is_owned_by(dead.row));
        assert!(one.change(dead, 6, word, word.free()));
    });
    assert_eq!((recovered.expect("asked"), met.get()), (1, 1));
    assert_eq!((one.used_blocks(), one.counted_blocks()), (16, 16));
    assert_eq!(
        one.recover_dead(&own, |_| panic!("nobody is dead"))
            .expect("asked"),
        0
    );
}

#[test]
fn a_row_of_a_table_that_is_given_up_is_taken_by_nobody() {
    let directory = tempfile::tempdir().expect("a directory");
    let one = table_at(directory.path(), 64);
    let other = Table::open(one.path(), 7).expect("opens").expect("it is there");
    let third = Table::open(one.path(), 7).expect("opens").expect("it is there");
    let locks = guira_shm::lock::ByteLocks::new(one.file.reopen().expect("opened anew"));
    let own = one.owner(|_| ()).expect("a row");
    assert!(!third.is_given_up(&locks), "somebody has a row");
    let second = other.owner(|_| ()).expect("a row all the same");
    assert_ne!(own.row, second.row);
    drop((own, second, one, other));
    assert!(third.is_given_up(&locks));
    let refused = third.owner(|_| ());
    assert!(
        matches!(refused, Err(crate::FilesError::Outlived { .. })),
        "{refused:?}"
    );
    assert!(third.is_given_up(&locks), "nobody has a row still");
}

#[test]
fn a_table_whose_name_leads_to_another_is_not_removed_for_it() {
    let directory = tempfile::tempdir().expect("a directory");
    let one = table_at(directory.path(), 64);
    assert!(one.is_named());
    let path = one.path().to_path_buf();
    std::fs::remove_file(&path).expect("removed");
    assert!(!one.is_named());
    let another = table_at(directory.path(), 64);
    assert!(!one.is_named() && another.is_named());
}

#[test]
fn whoever_waits_for_a_renewal_that_does_not_come_to_an_end_is_told() {
    let directory = tempfile::tempdir().expect("a directory");
    let one = table_at(directory.path(), 64);
    let path = one.path().to_path_buf();
    let locks = guira_shm::lock::ByteLocks::new(one.file.reopen().expect("opened anew"));
    assert!(locks.try_lock(super::make::RENEWAL_LOCK).expect("asked"));
    // Of another segment: it would have to be renewed, if nobody else were about to.
    let refused = Table::open(&path, 8);
    assert!(
        matches!(refused, Err(crate::FilesError::Busy { .. })),
        "{:?}",
        refused.map(|_| ())
    );
    drop(locks);
    let successor = Table::open(&path, 8).expect("asked").expect("a new one");
    assert!(successor.life != one.life && successor.limit_bytes == one.limit_bytes);
}
