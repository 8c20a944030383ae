//! Processes share a directory, fork, and die.

use guira_files::Files;
use guira_segment::Expiry;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::place::{MIB, Place, bytes, du_bytes, in_child, value_files};

const NEVER: Expiry = Expiry::never();

fn builder() -> guira_files::FilesBuilder {
    Files::builder()
        .limit_bytes(24 * MIB)
        .index_bytes(8 * MIB)
        .max_files(256)
}

#[test]
fn a_forked_child_goes_on_with_the_handle_and_counts_for_itself() {
    let place = Place::new();
    let files = place.files_of(&builder());
    files.put(b"parent", &bytes(1, 100_000), NEVER).expect("put");
    let child = in_child(|| {
        assert_eq!(
            &*files.get(b"parent").expect("readable").expect("there"),
            &bytes(1, 100_000)[..]
        );
        files.put(b"child", &bytes(2, 100_000), NEVER).expect("put");
        files.put(b"parent", &bytes(3, 100_000), NEVER).expect("put");
    });
    assert_eq!(waitpid(child, None), Ok(WaitStatus::Exited(child, 0)));
    assert_eq!(
        files.get_bytes(b"child").expect("readable"),
        Some(bytes(2, 100_000))
    );
    assert_eq!(
        files.get_bytes(b"parent").expect("readable"),
        Some(bytes(3, 100_000))
    );
    let on_disk: u64 = value_files(&place.path()).iter().map(|path| du_bytes(path)).sum();
    assert_eq!(files.depot().used_bytes(), on_disk);
}

#[test]
fn usage_is_exact_after_processes_were_killed_while_they_wrote() {
    let place = Place::new();
    let files = place.files_of(&builder());
    for round in 0..40_u64 {
        let children: Vec<Pid> = (0..3)
            .map(|seed| {
                in_child(|| {
                    for n in 0.. {
                        let key = format!("key {}", (n * 7 + seed) % 60);
                        let value = bytes(n, 10_000 + (n as usize * 7_919) % 400_000);
                        files.put(key.as_bytes(), &value, NEVER).expect("put");
                        if n % 5 == 0 {
                            files.invalidate(format!("key {}", n % 60).as_bytes());
                        }
                    }
                })
            })
            .collect();
        let written = files.stats().written + 3 + round % 17;
        while files.stats().written < written {
            std::thread::yield_now();
        }
        for child in children {
            kill(child, Signal::SIGKILL).expect("it runs");
            waitpid(child, None).expect("it is gone");
        }
        assert!(du_bytes(&place.path()) <= 24 * MIB + 500_000);
        let swept = files.sweep().expect("swept");
        let stats = files.stats();
        let on_disk: u64 = value_files(&place.path()).iter().map(|path| du_bytes(path)).sum();
        assert_eq!(stats.recorded_bytes, on_disk);
        assert_eq!(stats.used_bytes, on_disk, "round {round}: {swept:?}");
        assert_eq!(stats.files, value_files(&place.path()).len() as u64);
        assert_eq!(files.verify(|_| ()).expect("readable").damaged, 0);
        let again = files.sweep().expect("swept");
        assert_eq!(
            (again.orphaned, again.unknown, again.recovered),
            (0, 0, 0),
            "one sweep is enough"
        );
    }
    assert!(files.stats().recovered > 0);
}

#[test]
fn processes_that_count_at_once_lose_nothing() {
    let place = Place::new();
    let files = place.files_of(&builder());
    let children: Vec<Pid> = (0..4_u64)
        .map(|seed| {
            in_child(|| {
                for n in 0..300_u64 {
                    let key = (n % 20 + seed * 10).to_le_bytes();
                    let value = bytes(n, 5_000 + (n as usize * 977) % 60_000);
                    files.put(&key, &value, NEVER).expect("put");
                    if n % 3 == 0 {
                        files.remove(&key);
                    }
                }
            })
        })
        .collect();
    for child in children {
        assert_eq!(waitpid(child, None), Ok(WaitStatus::Exited(child, 0)));
    }
    drop(files.sweep().expect("swept"));
    let (stats, kept) = (files.stats(), value_files(&place.path()));
    let on_disk: u64 = kept.iter().map(|path| du_bytes(path)).sum();
    assert_eq!((stats.used_bytes, stats.recorded_bytes), (on_disk, on_disk));
    assert_eq!(stats.files, kept.len() as u64);
    assert_eq!(stats.written, 4 * 300);
}

#[test]
fn a_value_is_verified_once_for_all_processes() {
    let place = Place::new();
    let files = place.files_of(&builder());
    files.put(b"key", &bytes(1, 1_000_000), NEVER).expect("put");
    // Right after the write a change might not show in the file's times: it is verified until that is over.
    while files
        .open(b"key")
        .expect("readable")
        .is_some_and(|_| files.stats().verified == files.stats().read)
    {
        std::thread::yield_now();
    }
    let verified = files.stats().verified;
    let child = in_child(|| {
        assert!(
            files
                .get(b"key")
                .expect("readable")
                .is_some_and(|value| value.is_mapped())
        );
    });
    assert_eq!(waitpid(child, None), Ok(WaitStatus::Exited(child, 0)));
    assert_eq!(files.stats().verified, verified);
}

#[test]
fn a_file_that_goes_while_names_are_listed_is_not_taken_for_somebody_elses() {
    let place = Place::new();
    let files = place.files_of(&builder());
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for n in 0..3_000_u64 {
                let key = format!("key {}", n % 40);
                files.put(key.as_bytes(), &bytes(n, 5_000), NEVER).expect("put");
            }
        });
        while !writer.is_finished() {
            let swept = files.sweep().expect("swept");
            assert_eq!((swept.unknown, swept.foreign), (0, Vec::new()));
        }
    });
}

#[test]
fn a_child_that_drops_what_its_parent_is_writing_takes_nothing_away() {
    use guira_files::{Label, Source};
    let place = Place::new();
    let files = place.files_of(&builder());
    let value = bytes(1, 100_000);
    let label = Label::new(files.index(), b"key");
    let mut held = Some(
        files
            .depot()
            .write(&label, Source::Bytes(&value))
            .expect("written"),
    );
    let used = files.depot().used_bytes();
    let child = in_child(|| drop(held.take()));
    assert_eq!(waitpid(child, None), Ok(WaitStatus::Exited(child, 0)));
    let held = held.expect("only the child dropped it");
    assert_eq!(files.depot().used_bytes(), used);
    files.index().put(b"key", &held.stub(), NEVER).expect("stored");
    held.keep();
    assert_eq!(files.get_bytes(b"key").expect("readable"), Some(value));
    assert_eq!(files.sweep().expect("swept"), Default::default());
}

/// Gives so many bytes, then kills its reader.
#[derive(Debug)]
struct Deadly {
    left_bytes: usize,
}

impl std::io::Read for Deadly {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.left_bytes == 0 {
            nix::sys::signal::raise(Signal::SIGKILL)?;
        }
        let length = buffer.len().min(self.left_bytes);
        self.left_bytes -= length;
        Ok(length)
    }
}

#[test]
fn what_the_dead_hold_is_given_back_before_what_is_used_is_evicted() {
    let place = Place::new();
    let files = place.files_of(&builder());
    let room = files.depot().room_bytes() as usize;
    for n in 0..4_u64 {
        let key = format!("used {n}");
        files
            .put(key.as_bytes(), &bytes(n, room / 16), NEVER)
            .expect("put");
    }
    let child = in_child(|| {
        let deadly = Deadly { left_bytes: room / 2 };
        drop(files.put_stream(b"never", deadly, NEVER));
    });
    let ended = waitpid(child, None).expect("it is gone");
    assert!(matches!(ended, WaitStatus::Signaled(_, Signal::SIGKILL, _)));
    let held = files.depot().used_bytes();
    assert!(held > room as u64 / 2, "{held} of {room}");
    files.put(b"large", &bytes(9, room / 2), NEVER).expect("put");
    assert_eq!(files.stats().evicted, 0);
    let on_disk: u64 = value_files(&place.path()).iter().map(|path| du_bytes(path)).sum();
    assert_eq!(files.depot().used_bytes(), on_disk);
}

#[test]
fn room_that_the_dead_hold_is_found_by_who_needs_it_at_once() {
    let place = Place::new();
    let files = place.files_of(&builder());
    let room = files.depot().room_bytes() as usize;
    for round in 0..5 {
        let child = in_child(|| {
            let deadly = Deadly {
                left_bytes: room / 10 * 9,
            };
            drop(files.put_stream(b"never", deadly, NEVER));
        });
        waitpid(child, None).expect("it is gone");
        let value = bytes(round, room / 10 * 8);
        files.put(b"key", &value, NEVER).expect("there is room");
    }
}
