//! Many, killed, stopped, forgotten and separated processes: what they held comes back when they are
//! dead, nothing is taken from them while they live, and nobody waits for them.

use std::path::{Path, PathBuf};

use guira_segment::{Expiry, OpenError, Segment};
use guira_tests::lock_release::measure;
use guira_tests::storm::Place;
use tempfile::TempDir;

use crate::children::Child;
use crate::places::{SMALL_BYTES, file_in, in_memory, names_in};
use crate::watchdog::in_time;

struct Host {
    directory: TempDir,
    path: PathBuf,
    segment: Segment,
}

impl Host {
    fn new() -> Self {
        Self::with(&Segment::builder().size(SMALL_BYTES))
    }

    fn with(builder: &guira_segment::SegmentBuilder) -> Self {
        let directory = in_memory();
        let path = file_in(&directory);
        let segment = builder.create(&path).expect("a segment");
        Self {
            directory,
            path,
            segment,
        }
    }

    fn child(&self) -> Child {
        Child::with_segment(&self.path)
    }

    /// Writes several times what fits, so that every block that can be reused is.
    fn churn(&self) {
        for n in 0..100_000_u32 {
            let value = n.to_le_bytes().repeat(100);
            self.segment
                .put(&n.to_le_bytes(), &value, Expiry::never())
                .expect("room");
        }
    }

    fn assert_clean(&self) {
        let verified = self.segment.verify();
        assert!(verified.is_clean(), "{:?}", verified.faults);
    }
}

fn open_command(path: &Path) -> String {
    format!("open {}", path.display())
}

#[test]
fn a_killed_process_gives_back_its_record_its_pins_and_its_blocks() {
    let host = Host::new();
    host.segment.put(b"k", b"v", Expiry::never()).expect("room");
    let mut child = host.child();
    // More than half a block: from then on it has a block of its own.
    assert_eq!(child.ask("put-many 400 100"), "ok");
    assert_eq!(child.ask("guard k"), "borrowed");
    assert_eq!(child.ask("miss absent"), "miss");
    assert_eq!(child.ask("fly absent 100000"), "lead");
    let stats = host.segment.stats();
    assert_eq!((stats.processes, stats.guards, stats.flights), (2, 1, 1));
    assert_eq!(host.segment.recover(), 0, "it lives");

    child.kill();
    assert_eq!(host.segment.recover(), 1);
    assert_eq!(host.segment.recover(), 0, "once");
    let stats = host.segment.stats();
    assert_eq!((stats.processes, stats.guards, stats.flights), (1, 0, 0));
    assert_eq!(stats.recoveries, 1);
    host.assert_clean();
    for n in 0..400_u64 {
        assert_eq!(
            host.segment.get(&n.to_le_bytes()).as_deref(),
            Some([b'm'; 100].as_slice())
        );
    }
    host.churn();
    host.assert_clean();
}

#[test]
fn the_records_of_the_dead_are_reused_without_asking() {
    let host = Host::with(&Segment::builder().exact_blocks(16 << 10, 16).max_processes(3));
    for round in 1..=20 {
        let mut child = host.child();
        assert_eq!(child.ask("put held v"), "Stored");
        assert_eq!(child.ask("guard held"), "borrowed");
        assert_eq!(host.segment.stats().guards, 1, "round {round}");
        child.kill();
        assert_eq!(host.segment.stats().processes, 2, "nobody has looked yet");
    }
    assert!(host.segment.stats().recoveries + host.segment.recover() as u64 >= 1);
    assert_eq!(host.segment.stats().guards, 0);
    host.assert_clean();
}

#[test]
fn the_blocks_that_the_dead_held_are_reused_without_asking() {
    const DEAD: u32 = 12;
    let host = Host::with(&Segment::builder().exact_blocks(16 << 10, 256));
    let mut children: Vec<Child> = (0..DEAD).map(|_| host.child()).collect();
    let quarter_of_a_block = "x".repeat(4 << 10);
    for (n, child) in children.iter_mut().enumerate() {
        // After half a block, each has a block of its own open, and a guard in it.
        for _ in 0..2 {
            assert_eq!(child.ask(&format!("put fill{n} {quarter_of_a_block}")), "Stored");
        }
        assert_eq!(child.ask(&format!("put held{n} v")), "Stored");
        child.ask(&format!("guard held{n}"));
    }
    children.into_iter().for_each(Child::kill);
    for n in 0..40_000_u32 {
        let value = n.to_le_bytes().repeat(50);
        host.segment
            .put(&n.to_le_bytes(), &value, Expiry::never())
            .expect("room");
    }
    assert_eq!(host.segment.stats().no_space, 0);
    assert_eq!(
        host.segment.stats().recoveries + host.segment.recover() as u64,
        u64::from(DEAD)
    );
    assert_eq!(host.segment.stats().guards, 0);
    host.assert_clean();
}

#[test]
fn one_process_too_many_is_told_so_and_gets_in_when_another_leaves() {
    let host = Host::with(&Segment::builder().size(SMALL_BYTES).max_processes(3));
    let mut second = host.child();
    let third = host.child();
    let mut late = Child::start();
    for _ in 0..3 {
        let error = late.ask(&open_command(&host.path));
        assert!(error.contains("all 3 attach records are in use"), "{error}");
        assert!(error.contains(&host.path.display().to_string()), "{error}");
        assert!(error.contains("; detach a process"), "{error}");
    }
    let error = Segment::builder()
        .open(&host.path)
        .expect_err("a handle more is a record more");
    assert!(
        matches!(error, OpenError::TooManyProcesses { records: 3, .. }),
        "{error}"
    );
    assert_eq!(second.ask("put k v"), "Stored", "the others go on");

    // One leaves in order.
    assert_eq!(second.ask("close"), "closed");
    assert_eq!(late.ask(&open_command(&host.path)), "ok");
    assert_eq!(late.ask("get k"), "hit v");
    assert!(second.ask(&open_command(&host.path)).starts_with("error"));
    // One is killed; one that is stopped keeps its record.
    late.stop();
    assert!(second.ask(&open_command(&host.path)).starts_with("error"));
    third.kill();
    assert_eq!(second.ask(&open_command(&host.path)), "ok");
    late.resume();
    assert_eq!(late.ask("get k"), "hit v");
    host.assert_clean();
}

#[test]
fn one_process_without_a_thread_line_is_told_so_and_leaves_nothing_behind() {
    let host = Host::with(
        &Segment::builder()
            .size(SMALL_BYTES)
            .max_threads(4)
            .max_processes(8),
    );
    let mut attached = vec![host.child()];
    let mut late = Child::start();
    // Each attached process takes a line; how many get in is not promised here.
    let error = loop {
        let answer = late.ask(&open_command(&host.path));
        if answer != "ok" {
            break answer;
        }
        attached.push(std::mem::replace(&mut late, Child::start()));
        assert!(attached.len() < 8, "lines without end");
    };
    let processes = host.segment.stats().processes;
    for _ in 0..20 {
        assert_eq!(late.ask(&open_command(&host.path)), error);
    }
    assert!(
        error.contains("thread") && error.contains(&host.path.display().to_string()),
        "{error}"
    );
    assert!(error.contains("; "), "what to do next? {error}");
    assert_eq!(
        host.segment.stats().processes,
        processes,
        "refusals keep no record"
    );
    for child in &mut attached {
        assert_eq!(child.ask("put k v"), "Stored");
    }
    attached.pop().expect("one at least").kill();
    host.segment.recover();
    assert_eq!(late.ask(&open_command(&host.path)), "ok");
    assert_eq!(late.ask("get k"), "hit v");
}

#[test]
fn two_hundred_processes_are_attached_at_once() {
    const COUNT: usize = 200;
    let host = Host::with(&Segment::builder().size(32 << 20));
    let mut children: Vec<Child> = (0..COUNT).map(|_| Child::start()).collect();
    let open = open_command(&host.path);
    children.iter_mut().for_each(|child| child.tell(&open));
    for (n, child) in children.iter_mut().enumerate() {
        assert_eq!(child.answer_to(&open), "ok");
        child.tell(&format!("put key{n} value{n}"));
    }
    for child in &mut children {
        assert_eq!(child.answer_to("put"), "Stored");
    }
    assert_eq!(host.segment.stats().processes, COUNT as u64 + 1);
    for (n, child) in children.iter_mut().enumerate() {
        let other = (n + 1) % COUNT;
        assert_eq!(child.ask(&format!("get key{other}")), format!("hit value{other}"));
    }
    // Half leave in order, half are killed.
    let killed = children.split_off(COUNT / 2);
    killed.into_iter().for_each(Child::kill);
    for child in &mut children {
        assert_eq!(child.ask("close"), "closed");
    }
    assert_eq!(host.segment.recover(), COUNT - COUNT / 2);
    assert_eq!(host.segment.stats().processes, 1);
    host.assert_clean();
}

#[test]
fn two_thousand_threads_read_what_they_wrote() {
    // More than there are thread lines: the last take turns.
    let host = Host::with(&Segment::builder().size(64 << 20).max_threads(600));
    let mut child = host.child();
    let answer = child.ask("threads 2000");
    assert_eq!(answer, "2000");
    assert!(host.segment.stats().threads <= 600);
    child.kill();
    assert_eq!(host.segment.recover(), 1);
    host.assert_clean();
    assert!(
        host.segment.stats().threads <= 4,
        "{}",
        host.segment.stats().threads
    );
}

#[test]
fn a_stopped_holder_of_a_guard_costs_one_block_and_nobody_waits() {
    let host = Host::new();
    host.segment
        .put(b"held", &[b'h'; 1000], Expiry::never())
        .expect("room");
    let mut child = host.child();
    assert_eq!(child.ask("guard held"), "borrowed");
    child.stop();
    assert!(host.segment.remove(b"held"));
    let segment = host.segment.clone();
    in_time("writing beside a stopped reader", move || {
        for n in 0..200_000_u32 {
            let value = n.to_le_bytes().repeat(50);
            segment
                .put(&n.to_le_bytes(), &value, Expiry::never())
                .expect("room");
            if n % 100 == 0 {
                segment.invalidate(&n.to_le_bytes());
            }
        }
    });
    let stats = host.segment.stats();
    assert!(
        stats.blocks_reclaimed > 4 * u64::from(stats.blocks.total),
        "{stats:?}"
    );
    assert_eq!(stats.no_space, 0);
    assert_eq!(stats.guards, 1);
    assert!(stats.blocks.retired <= 1, "{stats:?}");
    assert_eq!(host.segment.recover(), 0, "stopped is not dead");

    child.resume();
    assert_eq!(
        child.ask("guarded"),
        "h".repeat(1000),
        "its bytes were kept for it"
    );
    assert_eq!(child.ask("drop-guards"), "ok");
    assert_eq!(child.ask("get held"), "miss");
    host.churn();
    assert_eq!(host.segment.stats().guards, 0);
    host.assert_clean();
}

#[test]
fn processes_stopped_anywhere_in_their_work_keep_nobody_from_working() {
    let host = Host::new();
    let mut children: Vec<Child> = (0..4).map(|_| host.child()).collect();
    let command = "put-many 3000000 100";
    for (n, child) in children.iter_mut().enumerate() {
        child.tell(command);
        // Begun: its counters move.
        let (segment, wanted) = (host.segment.clone(), 1000 * (n as u64 + 1));
        in_time("the children's puts", move || {
            while segment.stats().stores < wanted {
                std::thread::yield_now();
            }
        });
        child.stop();
    }
    let segment = host.segment.clone();
    in_time("work beside stopped writers", move || {
        for n in 0..100_000_u64 {
            segment
                .put(&n.to_le_bytes(), &[1; 100], Expiry::never())
                .expect("room");
            assert!(
                segment
                    .get(&n.to_le_bytes())
                    .is_none_or(|value| *value == [1; 100] || *value == [b'm'; 100])
            );
            segment.invalidate(&n.to_le_bytes());
            assert!(segment.get(&n.to_le_bytes()).is_none());
        }
    });
    assert_eq!(host.segment.recover(), 0);
    children.into_iter().for_each(Child::kill);
    assert_eq!(host.segment.recover(), 4);
    host.assert_clean();
    host.churn();
    host.assert_clean();
}

#[test]
fn a_daemon_that_closed_its_descriptors_is_not_taken_for_dead() {
    let host = Host::with(&Segment::builder().size(SMALL_BYTES).max_processes(3));
    host.segment.put(b"k", b"v", Expiry::never()).expect("room");
    let mut daemon = host.child();
    assert_eq!(daemon.ask("guard k"), "borrowed");
    assert_eq!(daemon.ask("close-descriptors"), "ok");
    assert_eq!(host.segment.recover(), 0, "it has no lock, but it lives");
    assert_eq!(host.segment.stats().guards, 1);
    // Nor is its record given to others.
    let _other = host.child();
    let error = Child::start().ask(&open_command(&host.path));
    assert!(error.contains("in use"), "{error}");
    host.segment.remove(b"k");
    host.churn();
    assert_eq!(daemon.ask("guarded"), "v");
    assert_eq!(daemon.ask("put l w"), "Stored");
    assert_eq!(host.segment.get(b"l").as_deref(), Some(b"w".as_slice()));

    daemon.kill();
    assert_eq!(host.segment.recover(), 1);
    assert_eq!(host.segment.stats().guards, 0);
    host.assert_clean();
}

#[test]
fn a_process_in_another_pid_namespace_lives_and_dies_by_its_lock() {
    let flags = ["--pid", "--fork", "--kill-child", "--mount-proc"];
    let Some(mut stranger) = Child::in_namespaces(&flags, "true") else {
        return;
    };
    let host = Host::new();
    host.segment.put(b"k", b"v", Expiry::never()).expect("room");
    assert_eq!(stranger.ask("pid"), "1", "its pid is no name for it here");
    assert_eq!(stranger.ask(&open_command(&host.path)), "ok");
    assert_eq!(stranger.ask("guard k"), "borrowed");
    assert_eq!(host.segment.recover(), 0);
    assert_eq!(stranger.ask("recover"), "0", "nor are we dead to it");
    assert_eq!(stranger.ask("put l w"), "Stored");
    assert_eq!(host.segment.get(b"l").as_deref(), Some(b"w".as_slice()));

    let mut local = host.child();
    assert_eq!(local.ask("guard k"), "borrowed");
    local.kill();
    assert_eq!(stranger.ask("recover"), "1", "a death among us is seen there");

    let segment = host.segment.clone();
    stranger.kill();
    // The namespace's processes end a moment after their `unshare`.
    in_time("a death in another namespace", move || {
        while segment.recover() == 0 {
            std::thread::yield_now();
        }
    });
    assert_eq!(host.segment.stats().guards, 0);
    host.assert_clean();
}

#[test]
fn without_proc_everything_works_and_death_is_seen() {
    let Some(mut blind) = Child::in_namespaces(&["-m"], "umount -l /proc") else {
        return;
    };
    let host = Host::new();
    assert_eq!(blind.ask(&open_command(&host.path)), "ok");
    assert_eq!(blind.ask("put k v"), "Stored");
    assert_eq!(blind.ask("guard k"), "borrowed");
    assert_eq!(host.segment.recover(), 0);
    assert_eq!(blind.ask("recover"), "0");
    let mut local = host.child();
    assert_eq!(local.ask("guard k"), "borrowed");
    local.kill();
    assert_eq!(blind.ask("recover"), "1");
    // It makes files too.
    assert_eq!(blind.ask("drop-guards"), "ok");
    assert_eq!(blind.ask("close"), "closed");
    let beside = host.directory.path().join("beside");
    assert_eq!(
        blind.ask(&format!("create {} size={SMALL_BYTES}", beside.display())),
        "ok"
    );
    assert_eq!(blind.ask("put k beside"), "Stored");
    let segment = Segment::builder().open(&beside).expect("whole");
    assert_eq!(segment.get(b"k").as_deref(), Some(b"beside".as_slice()));
    assert_eq!(segment.recover(), 0);
    blind.kill();
    assert_eq!(segment.recover(), 1);
    let names = names_in(host.directory.path());
    assert_eq!(names.len(), 2, "{names:?}");
}

#[test]
fn a_zombie_is_dead() {
    let host = Host::new();
    let child = host.child();
    nix::sys::signal::kill(child.pid(), nix::sys::signal::Signal::SIGKILL).expect("our child");
    // Nobody has reaped it.
    let segment = host.segment.clone();
    in_time("the death of a zombie", move || {
        while segment.recover() == 0 {
            std::thread::yield_now();
        }
    });
    assert_eq!(host.segment.stats().processes, 1);
}

#[test]
fn handles_of_one_file_in_one_process_are_apart() {
    let host = Host::new();
    let other = Segment::builder().open(&host.path).expect("open");
    other.put(b"k", b"v", Expiry::never()).expect("room");
    let guard = host.segment.get(b"k").expect("there");
    assert_eq!(host.segment.stats().processes, 2);
    assert_eq!(other.recover(), 0, "no handle takes another for dead");
    assert_eq!(host.segment.recover(), 0);
    drop(other);
    assert_eq!(&*guard, b"v");
    drop(guard);
    assert_eq!(host.segment.stats().processes, 1);
    host.assert_clean();
}

#[test]
fn the_lock_of_a_killed_process_is_free_soon_wherever_its_pages_were_mapped() {
    let directory = in_memory();
    let place = Place {
        path: directory.path().to_owned(),
        name: "memory",
    };
    let program = Path::new(env!("CARGO_BIN_EXE_storm"));
    for (size_bytes, populated) in [(4 << 20, false), (16 << 20, true)] {
        let released = measure(program, &place, size_bytes, populated, 2).expect("measured");
        assert_eq!(released.free_ms.len(), 2);
        assert!(released.free_ms.iter().all(|&ms| ms < 10_000.0), "{released}");
    }
}
