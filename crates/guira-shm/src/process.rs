//! Who a process is, and whether it still runs.
//!
//! A pid alone names whoever has it now. With the process's start time and its
//! pid namespace it names one process of one boot, as far as `/proc` can tell.

use crate::clock::namespace_offset_ns;
use crate::fork::process_id;
use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::Pid;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};

/// Start times are counted in hundredths of a second.
const NS_PER_TICK: i64 = 10_000_000;

/// What distinguishes a process from every other of this boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ProcessIdentity {
    /// The pid in its own pid namespace.
    pub pid: u32,
    /// When it started, in hundredths of a second since boot; 0 if unknown.
    pub start_ticks: u64,
    /// Inode of its pid namespace; 0 if unknown.
    pub pid_namespace: u64,
}

/// What is known of a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existence {
    /// No such process; its pid may belong to another by now.
    Gone,
    /// It runs, or is stopped.
    Alive,
    /// Its first thread has ended and was not reaped. Other threads of it may
    /// still run.
    Zombie,
    /// It cannot be known from here: another pid namespace, no `/proc`, or a
    /// `/proc` that hides it.
    Unknown,
}

impl ProcessIdentity {
    /// This process. Start time and namespace are 0 where `/proc` does not show
    /// them. Read once per process, and again after a fork.
    ///
    /// ```
    /// use guira_shm::process::{Existence, ProcessIdentity, is_gone};
    /// let own = ProcessIdentity::current();
    /// assert_eq!(own.pid, std::process::id());
    /// assert_ne!(is_gone(&own), Existence::Gone);
    /// ```
    pub fn current() -> ProcessIdentity {
        static PID: AtomicU32 = AtomicU32::new(0);
        static START_TICKS: AtomicU64 = AtomicU64::new(0);
        static PID_NAMESPACE: AtomicU64 = AtomicU64::new(0);
        static READ_BY: AtomicU64 = AtomicU64::new(0);
        let process = process_id();
        // Acquire pairs with the Release below: the fields are this process's.
        if READ_BY.load(Ordering::Acquire) == process {
            return ProcessIdentity {
                pid: PID.load(Ordering::Relaxed),
                start_ticks: START_TICKS.load(Ordering::Relaxed),
                pid_namespace: PID_NAMESPACE.load(Ordering::Relaxed),
            };
        }
        let identity = read_own();
        // Threads that race here store the same values.
        PID.store(identity.pid, Ordering::Relaxed);
        START_TICKS.store(identity.start_ticks, Ordering::Relaxed);
        PID_NAMESPACE.store(identity.pid_namespace, Ordering::Relaxed);
        READ_BY.store(process, Ordering::Release); // pairs with the Acquire above
        identity
    }
}

/// Whether the process that `identity` names has ended.
pub fn is_gone(identity: &ProcessIdentity) -> Existence {
    let own = ProcessIdentity::current();
    if identity.pid_namespace == 0 || identity.start_ticks == 0 || identity.pid_namespace != own.pid_namespace
    {
        return Existence::Unknown;
    }
    match Stat::read(&identity.pid.to_string()) {
        Ok(stat) if stat.start_ticks.abs_diff(identity.start_ticks) > 1 => Existence::Gone,
        Ok(stat) if matches!(stat.state, b'Z' | b'X' | b'x') => Existence::Zombie,
        Ok(_) => Existence::Alive,
        Err(_) => existence_by_signal(identity.pid),
    }
}

/// The id of this boot of the machine, where `/proc` shows it. Read once: no process outlives its boot.
pub fn boot_id() -> Option<[u8; 16]> {
    // Words instead of a cell with a lock: a child that is forked while a thread reads it must not wait for that thread.
    static READ: [AtomicU64; 2] = [const { AtomicU64::new(0) }; 2];
    static IS_READ: AtomicBool = AtomicBool::new(false);
    if cfg!(miri) {
        return None; // there is no machine
    }
    // Acquire, with the Release below: the words are there.
    if !IS_READ.load(Ordering::Acquire) {
        let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
        let id = u128::from_le_bytes(parse_uuid(text.trim_end())?);
        // Whoever reads it too writes the same.
        READ[0].store(id as u64, Ordering::Relaxed);
        READ[1].store((id >> 64) as u64, Ordering::Relaxed);
        IS_READ.store(true, Ordering::Release);
    }
    let [low, high] = [0, 1].map(|half| u128::from(READ[half].load(Ordering::Relaxed)));
    Some((low | high << 64).to_le_bytes())
}

/// `/proc` may hide the processes of other users (`hidepid`); a signal shows
/// that there is somebody, if not who.
fn existence_by_signal(pid: u32) -> Existence {
    let Ok(pid) = i32::try_from(pid) else {
        return Existence::Gone;
    };
    match kill(Pid::from_raw(pid), None) {
        Err(Errno::ESRCH) => Existence::Gone,
        _ => Existence::Unknown,
    }
}

fn read_own() -> ProcessIdentity {
    let pid = std::process::id();
    let unknown = ProcessIdentity {
        pid,
        start_ticks: 0,
        pid_namespace: 0,
    };
    if cfg!(guira_model) {
        // The processes of a model are one process of the machine: their locks alone tell.
        return unknown;
    }
    // A /proc of another pid namespace would show our pid's namesake.
    if std::fs::read_link("/proc/self")
        .ok()
        .is_none_or(|own| own.as_os_str() != pid.to_string().as_str())
    {
        return unknown;
    }
    let Ok(stat) = Stat::read("self") else {
        return unknown;
    };
    let Ok(namespace) = std::fs::metadata("/proc/self/ns/pid") else {
        return unknown;
    };
    ProcessIdentity {
        pid,
        start_ticks: stat.start_ticks,
        pid_namespace: namespace.ino(),
    }
}

/// The fields of `/proc/<pid>/stat` that matter here.
struct Stat {
    state: u8,
    start_ticks: u64,
}

impl Stat {
    fn read(process: &str) -> io::Result<Stat> {
        let text = std::fs::read(format!("/proc/{process}/stat"))?;
        Stat::parse(&text).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    /// The second field is the command's name in parentheses, which may hold
    /// anything: fields are counted from the last closing one.
    fn parse(text: &[u8]) -> Option<Stat> {
        let after_name = text.iter().rposition(|&byte| byte == b')')? + 1;
        let rest = std::str::from_utf8(&text[after_name..]).ok()?;
        let mut fields = rest.split_ascii_whitespace();
        let state = *fields.next()?.as_bytes().first()?;
        let shown_ticks: i64 = fields.nth(18)?.parse().ok()?;
        // The kernel shows the start on the clock of our time namespace.
        let start_ticks = shown_ticks - namespace_offset_ns().div_euclid(NS_PER_TICK);
        Some(Stat {
            state,
            start_ticks: u64::try_from(start_ticks).ok()?,
        })
    }
}

fn parse_uuid(text: &str) -> Option<[u8; 16]> {
    let digits: Vec<u8> = text.bytes().filter(|&byte| byte != b'-').collect();
    if digits.len() != 32 || !digits.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    let text = std::str::from_utf8(&digits).ok()?;
    Some(u128::from_str_radix(text, 16).ok()?.to_be_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Outcome, eventually, in_child, spawn_child};
    use nix::sys::signal::Signal;

    fn identity_of(pid: Pid) -> ProcessIdentity {
        let stat = Stat::read(&pid.to_string()).expect("the child is shown");
        let own = ProcessIdentity::current();
        ProcessIdentity {
            pid: pid.as_raw() as u32,
            start_ticks: stat.start_ticks,
            ..own
        }
    }

    #[test]
    fn a_child_is_alive_then_a_zombie_then_gone() {
        let child = spawn_child(|| {
            nix::unistd::pause();
        });
        let identity = identity_of(child.pid());
        assert_eq!(is_gone(&identity), Existence::Alive);
        kill(child.pid(), Signal::SIGSTOP).expect("stop");
        assert_eq!(is_gone(&identity), Existence::Alive);
        kill(child.pid(), Signal::SIGKILL).expect("kill");
        eventually(|| is_gone(&identity) == Existence::Zombie);
        drop(child); // reaps
        assert_eq!(is_gone(&identity), Existence::Gone);
    }

    #[test]
    fn a_pid_that_started_at_another_time_is_another_process() {
        let own = ProcessIdentity::current();
        assert_eq!(is_gone(&own), Existence::Alive);
        let earlier = ProcessIdentity {
            start_ticks: own.start_ticks - 2,
            ..own
        };
        assert_eq!(is_gone(&earlier), Existence::Gone);
    }

    #[test]
    fn other_namespaces_and_unknown_times_are_not_judged() {
        let own = ProcessIdentity::current();
        let foreign = ProcessIdentity {
            pid_namespace: own.pid_namespace + 1,
            ..own
        };
        assert_eq!(is_gone(&foreign), Existence::Unknown);
        assert_eq!(
            is_gone(&ProcessIdentity {
                pid_namespace: 0,
                ..own
            }),
            Existence::Unknown
        );
        assert_eq!(
            is_gone(&ProcessIdentity {
                start_ticks: 0,
                ..own
            }),
            Existence::Unknown
        );
    }

    #[test]
    fn a_forked_child_reads_its_own_identity() {
        let parent = ProcessIdentity::current();
        let outcome = in_child(move || {
            let own = ProcessIdentity::current();
            Outcome::of(own.pid == std::process::id() && own.pid != parent.pid)
        });
        assert_eq!(outcome, Outcome::Passed);
        assert_eq!(ProcessIdentity::current(), parent);
    }

    #[test]
    fn a_command_name_with_parentheses_does_not_shift_the_fields() {
        let text = b"42 (a) Z (b c) S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 777 19";
        let stat = Stat::parse(text).expect("a stat line");
        assert_eq!((stat.state, stat.start_ticks), (b'S', 777));
        assert!(Stat::parse(b"42 (a) S 1 2").is_none());
        assert!(Stat::parse(b"").is_none());
    }

    #[test]
    fn the_boot_id_is_a_uuid_and_stays() {
        assert_eq!(boot_id(), boot_id());
        assert_eq!(
            boot_id().is_some(),
            std::path::Path::new("/proc/sys/kernel/random").is_dir()
        );
        let parsed = parse_uuid("00112233-4455-6677-8899-aabbccddeeff").expect("a uuid");
        assert_eq!(parsed[..4], [0x00, 0x11, 0x22, 0x33]);
        assert_eq!(parse_uuid("00112233-4455-6677-8899-aabbccddeef"), None);
        assert_eq!(parse_uuid("+0112233-4455-6677-8899-aabbccddeeff"), None);
    }
}
