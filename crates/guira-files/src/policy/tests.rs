use std::collections::HashSet;

use super::Queue;
use crate::layout::record::{NEVER_MS, RecordState};
use crate::table::{Owner, Table, table_at};

fn enter(table: &Table, owner: &Owner, record: u32, key_hash: u64, due_ms: u64) {
    let free = table.record(record);
    // Together they take all the space.
    let blocks = table.budget_blocks() / table.geometry.records;
    let held = free.held(owner.row, blocks as u32);
    assert!(table.change(owner, record, free, held));
    table.describe(record, u64::from(record) + 1, [key_hash, 0], due_ms);
    assert!(table.publish(record, held, key_hash, due_ms));
}

fn evict(table: &Table, owner: &Owner) -> Option<u32> {
    let (record, word) = table.next_victim()?;
    let hash = table.info(record).expect("nobody changes it").key_hash;
    let dying = word.dying(owner.row);
    assert!(table.change(owner, record, word, dying));
    table.note_departure(word);
    table.note_eviction(word, hash);
    assert!(table.change(owner, record, dying, dying.free()));
    Some(record)
}

#[test]
fn files_go_in_the_order_in_which_they_came_and_each_once() {
    let directory = tempfile::tempdir().expect("a directory");
    let table = table_at(directory.path(), 64);
    let owner = table.owner(|_| ()).expect("a row");
    for record in 0..64 {
        enter(&table, &owner, record, record.into(), NEVER_MS);
    }
    for record in 0..64 {
        assert_eq!(evict(&table, &owner), Some(record));
    }
    assert_eq!(evict(&table, &owner), None);
    assert_eq!(table.used_blocks(), 0);
}

#[test]
fn what_was_read_goes_round_once_for_each_read() {
    let directory = tempfile::tempdir().expect("a directory");
    let table = table_at(directory.path(), 8);
    let owner = table.owner(|_| ()).expect("a row");
    for record in 0..8 {
        enter(&table, &owner, record, record.into(), NEVER_MS);
    }
    for _ in 0..3 {
        table.use_record(2);
    }
    table.use_record(5);
    let order: Vec<u32> = std::iter::from_fn(|| evict(&table, &owner)).collect();
    assert_eq!(order, [0, 1, 3, 4, 6, 7, 2, 5]);
    assert!(!table.record(2).is_main(), "a free record has no queue");
}

#[test]
fn a_key_that_comes_again_soon_after_its_eviction_is_worth_more() {
    let directory = tempfile::tempdir().expect("a directory");
    let table = table_at(directory.path(), 8);
    let owner = table.owner(|_| ()).expect("a row");
    let hash = 0x1234_5678_9abc_def0;
    enter(&table, &owner, 3, hash, NEVER_MS);
    assert_eq!(evict(&table, &owner), Some(3));
    enter(&table, &owner, 4, hash, NEVER_MS);
    enter(&table, &owner, 5, hash ^ 1 << 63, NEVER_MS);
    assert!(table.record(4).is_main() && !table.record(5).is_main());
}

#[test]
fn queues_hold_all_records_whatever_was_left_behind_in_them() {
    let directory = tempfile::tempdir().expect("a directory");
    let table = table_at(directory.path(), 16);
    let owner = table.owner(|_| ()).expect("a row");
    for record in 0..15 {
        enter(&table, &owner, record, record.into(), NEVER_MS);
    }
    // One record comes and goes by itself, and leaves a place behind each time.
    for _ in 0..1000 {
        enter(&table, &owner, 15, 15, NEVER_MS);
        let live = table.record(15);
        let dying = live.dying(owner.row);
        assert!(table.change(&owner, 15, live, dying));
        assert!(table.change(&owner, 15, dying, dying.free()));
        assert!(table.queue_length(Queue::Small) <= 32);
    }
    let evicted: HashSet<u32> = std::iter::from_fn(|| evict(&table, &owner)).collect();
    assert_eq!(evicted, (0..15).collect());
}

#[test]
fn a_lost_place_is_given_again() {
    let directory = tempfile::tempdir().expect("a directory");
    let table = table_at(directory.path(), 16);
    let owner = table.owner(|_| ()).expect("a row");
    enter(&table, &owner, 3, 3, NEVER_MS);
    let (record, _) = table.leave(Queue::Small).expect("its place");
    assert_eq!((record, table.next_victim()), (3, None));
    assert_eq!(table.any_live(9).map(|(record, _)| record), Some(3));
    table.ensure_place(3, table.record(3));
    table.ensure_place(3, table.record(3));
    assert_eq!(table.queue_length(Queue::Small), 1);
    assert_eq!(evict(&table, &owner), Some(3));
}

#[test]
fn expired_records_are_found_and_only_they() {
    let directory = tempfile::tempdir().expect("a directory");
    let table = table_at(directory.path(), 1000);
    let owner = table.owner(|_| ()).expect("a row");
    for record in 0..1000 {
        let due_ms = if record % 100 == 7 {
            5_000 + u64::from(record)
        } else {
            NEVER_MS
        };
        enter(&table, &owner, record, record.into(), due_ms);
    }
    assert_eq!(table.next_due(5_006), None);
    assert_eq!(table.next_due(5_007), Some(7));
    let mut found = Vec::new();
    while let Some(record) = table.next_due(5_500) {
        assert_eq!(table.record(record).state(), Some(RecordState::Live));
        let live = table.record(record);
        let dying = live.dying(owner.row);
        assert!(table.change(&owner, record, live, dying));
        assert!(table.change(&owner, record, dying, dying.free()));
        found.push(record);
    }
    assert_eq!(found, [7, 107, 207, 307, 407]);
    // One that is put off.
    table.note_due(507, 9_999);
    assert_eq!(table.next_due(5_600), None);
    assert_eq!(table.next_due(5_707), Some(607));
    enter(&table, &owner, 7, 7, 5_001);
    assert_eq!(table.next_due(5_001), Some(7));
}

#[test]
fn threads_lose_no_record_of_the_queues() {
    let directory = tempfile::tempdir().expect("a directory");
    let table = table_at(directory.path(), 256);
    let owner = table.owner(|_| ()).expect("a row");
    std::thread::scope(|scope| {
        for thread in 0..4_u32 {
            let (table, owner) = (&table, &owner);
            scope.spawn(move || {
                for turn in 0..20_000_u32 {
                    let record = thread * 64 + turn % 64;
                    let word = table.record(record);
                    if word.state() == Some(RecordState::Free) {
                        enter(table, owner, record, record.into(), NEVER_MS);
                    } else {
                        table.use_record(record);
                    }
                    if turn % 3 == 0
                        && let Some((victim, word)) = table.next_victim()
                    {
                        let dying = word.dying(owner.row);
                        if table.change(owner, victim, word, dying) {
                            table.note_departure(word);
                            assert!(table.change(owner, victim, dying, dying.free()));
                        }
                    }
                }
            });
        }
    });
    assert_eq!(table.used_blocks(), table.counted_blocks());
    // Places that were lost by a race are given again by the sweep; then everything is met.
    let live: HashSet<u32> = (0..256)
        .filter(|record| table.record(*record).state() == Some(RecordState::Live))
        .collect();
    for record in &live {
        table.ensure_place(*record, table.record(*record));
    }
    let evicted: HashSet<u32> = std::iter::from_fn(|| evict(&table, &owner)).collect();
    assert_eq!(evicted, live);
}
