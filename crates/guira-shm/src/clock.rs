//! A clock on which all processes of one boot agree.
//!
//! Expiry and deadlines are milliseconds of the boot-time clock: it never steps
//! back and it counts through suspend. A time namespace shifts that clock for
//! the processes in it; the shift is taken out again, so that processes in
//! different time namespaces read the same value.

use crate::fork::process_id;
use nix::time::{ClockId, clock_gettime};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

const NS_PER_SECOND: i64 = 1_000_000_000;
const NS_PER_US: i64 = 1_000;
const NS_PER_MS: i64 = 1_000_000;

/// Inode of the time namespace that the machine booted with.
const INITIAL_TIME_NAMESPACE: u64 = 0xefff_fffa;

/// Milliseconds since boot.
///
/// ```
/// use guira_shm::clock::Clock;
/// let clock = Clock::system();
/// let coarse_ms = clock.coarse_ms();
/// assert!(coarse_ms <= clock.now_ms());
/// ```
#[derive(Debug, Clone)]
pub struct Clock(Source);

#[derive(Debug, Clone)]
enum Source {
    System,
    Manual(Arc<AtomicU64>),
}

impl Clock {
    /// The machine's clock.
    pub fn system() -> Clock {
        Clock(Source::System)
    }

    /// A clock that shows what `ms` holds, for tests: all its readings are that.
    pub fn manual(ms: Arc<AtomicU64>) -> Clock {
        Clock(Source::Manual(ms))
    }

    /// Milliseconds since boot, exact.
    pub fn now_ms(&self) -> u64 {
        match &self.0 {
            Source::System => ms_of(boot_time_ns() - namespace_offset_ns()),
            Source::Manual(ms) => ms.load(Ordering::Relaxed),
        }
    }

    /// Microseconds since boot, exact: of the same instant as [`now_ms`](Clock::now_ms).
    pub fn now_us(&self) -> u64 {
        match &self.0 {
            Source::System => ((boot_time_ns() - namespace_offset_ns()) / NS_PER_US).max(0) as u64,
            Source::Manual(ms) => ms.load(Ordering::Relaxed) * 1_000,
        }
    }

    /// Milliseconds since boot as of the kernel's last tick (1 to 10 ms ago):
    /// cheaper, never ahead of [`now_ms`](Clock::now_ms). After a suspend it
    /// lags by the suspended time for up to a second.
    #[inline]
    pub fn coarse_ms(&self) -> u64 {
        match &self.0 {
            Source::System => COARSE.now_ms(),
            Source::Manual(ms) => ms.load(Ordering::Relaxed),
        }
    }

    /// Milliseconds since 1970, as the machine's wall clock has it. It may step.
    pub fn realtime_ms(&self) -> u64 {
        match &self.0 {
            Source::System => ms_of(read_ns(ClockId::CLOCK_REALTIME)),
            Source::Manual(ms) => ms.load(Ordering::Relaxed),
        }
    }
}

impl Default for Clock {
    fn default() -> Clock {
        Clock::system()
    }
}

/// Attempts at reading two clocks at once.
const MEASUREMENTS: u32 = 16;
/// Two clocks read within this were read at once.
const CLOSE_NS: i64 = 20_000;

static COARSE: CoarseClock = CoarseClock::new();

/// The coarse monotonic clock, plus what the boot-time clock is ahead of it.
struct CoarseClock {
    /// Boot time (outside any time namespace) minus the monotonic clock.
    ahead_ns: AtomicI64,
    /// Coarse time at which `ahead_ns` was measured.
    measured_at_ns: AtomicI64,
    /// The process that measured it.
    measured_by: AtomicU64,
}

impl CoarseClock {
    const fn new() -> CoarseClock {
        CoarseClock {
            ahead_ns: AtomicI64::new(0),
            measured_at_ns: AtomicI64::new(i64::MIN),
            measured_by: AtomicU64::new(0),
        }
    }

    #[inline]
    fn now_ms(&self) -> u64 {
        let coarse_ns = read_ns(ClockId::CLOCK_MONOTONIC_COARSE);
        // Acquire pairs with the Release of `measure`: the measurement is there.
        let measured_at_ns = self.measured_at_ns.load(Ordering::Acquire);
        // As unsigned, a coarse clock that went back (another time namespace) is an old one too.
        if coarse_ns.wrapping_sub(measured_at_ns) as u64 >= NS_PER_SECOND as u64 {
            self.measure(coarse_ns);
        }
        ms_of(coarse_ns + self.ahead_ns.load(Ordering::Relaxed))
    }

    #[cold]
    #[inline(never)]
    fn measure(&self, coarse_ns: i64) {
        let ahead_ns = ahead_of_monotonic_ns(boot_time_ns, || read_ns(ClockId::CLOCK_MONOTONIC));
        let ahead_ns = ahead_ns - namespace_offset_ns();
        let process = process_id();
        if self.measured_by.swap(process, Ordering::Relaxed) == process {
            // It only grows (by suspends): a lower measurement was an interrupted one.
            self.ahead_ns.fetch_max(ahead_ns, Ordering::Relaxed);
        } else {
            self.ahead_ns.store(ahead_ns, Ordering::Relaxed);
        }
        // Release pairs with the Acquire of `now_ms`.
        self.measured_at_ns.store(coarse_ns, Ordering::Release);
    }
}

/// What one clock is ahead of another, never more than it is. A thread that loses its processor between the
/// two would find them apart by what it lost, and deadlines would pass that much late: so the second is
/// read on both sides, and the closest of some attempts counts.
fn ahead_of_monotonic_ns(boot_ns: impl Fn() -> i64, monotonic_ns: impl Fn() -> i64) -> i64 {
    let mut best = (i64::MAX, 0);
    for _ in 0..MEASUREMENTS {
        let (before_ns, boot_ns, after_ns) = (monotonic_ns(), boot_ns(), monotonic_ns());
        let uncertain_ns = after_ns - before_ns;
        if uncertain_ns < best.0 {
            best = (uncertain_ns, boot_ns - after_ns);
        }
        if uncertain_ns < CLOSE_NS {
            break;
        }
    }
    best.1
}

/// What the boot-time clock of this process's time namespace is ahead of the
/// machine's, in nanoseconds. 0 where it cannot be known.
pub(crate) fn namespace_offset_ns() -> i64 {
    static OFFSET_NS: AtomicI64 = AtomicI64::new(0);
    static READ_BY: AtomicU64 = AtomicU64::new(0);
    let process = process_id();
    // Acquire pairs with the Release below: the offset is this process's.
    if READ_BY.load(Ordering::Acquire) == process {
        return OFFSET_NS.load(Ordering::Relaxed);
    }
    let offset_ns = read_namespace_offset_ns().unwrap_or(0);
    OFFSET_NS.store(offset_ns, Ordering::Relaxed);
    READ_BY.store(process, Ordering::Release); // pairs with the Acquire above
    offset_ns
}

fn read_namespace_offset_ns() -> Option<i64> {
    use std::os::unix::fs::MetadataExt;
    let own = std::fs::metadata("/proc/self/ns/time").ok()?.ino();
    let of_children = std::fs::metadata("/proc/self/ns/time_for_children").ok()?.ino();
    if own == INITIAL_TIME_NAMESPACE || own != of_children {
        // The offsets file shows those of future children: of use only where they are ours.
        return Some(0);
    }
    parse_boot_offset_ns(&std::fs::read_to_string("/proc/self/timens_offsets").ok()?)
}

/// Parses `<clock> <seconds> <nanoseconds>` lines; the clock is a name or a number.
fn parse_boot_offset_ns(text: &str) -> Option<i64> {
    let line = text
        .lines()
        .find(|line| line.starts_with("boottime") || line.starts_with("7 "))?;
    let mut fields = line.split_ascii_whitespace().skip(1);
    let seconds: i64 = fields.next()?.parse().ok()?;
    let ns: i64 = fields.next()?.parse().ok()?;
    seconds.checked_mul(NS_PER_SECOND)?.checked_add(ns)
}

fn boot_time_ns() -> i64 {
    read_ns(ClockId::CLOCK_BOOTTIME)
}

#[inline]
fn read_ns(clock: ClockId) -> i64 {
    let time = clock_gettime(clock).expect("Linux has had this clock since 2.6.39");
    time.tv_sec() * NS_PER_SECOND + time.tv_nsec()
}

#[inline]
fn ms_of(ns: i64) -> u64 {
    (ns / NS_PER_MS).max(0) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Outcome, as_root_in_child, in_child};
    use std::cell::Cell;

    /// Clocks a second apart, of which each reading takes as long as `took_ns` says.
    fn measured_with_pauses(took_ns: impl Fn(usize) -> i64) -> i64 {
        let (time_ns, readings) = (Cell::new(0_i64), Cell::new(0));
        let read_ns = || {
            time_ns.set(time_ns.get() + took_ns(readings.replace(readings.get() + 1)));
            time_ns.get()
        };
        ahead_of_monotonic_ns(|| read_ns() + NS_PER_SECOND, read_ns)
    }

    #[test]
    fn a_thread_that_loses_its_processor_between_two_clocks_measures_again() {
        let second_ns = NS_PER_SECOND;
        for interrupted in 0..3 {
            let took_ns = |reading| if reading == interrupted { 50_000_000 } else { 30 };
            let ahead_ns = measured_with_pauses(took_ns);
            assert!(
                (second_ns - CLOSE_NS..=second_ns).contains(&ahead_ns),
                "{ahead_ns}"
            );
        }
        // Slow each time: the closest counts.
        let took_ns = |reading| if reading == 14 { 100_000 } else { 1_000_000 };
        assert_eq!(measured_with_pauses(took_ns), second_ns - 100_000);
    }

    #[test]
    fn the_coarse_reading_is_never_ahead_and_little_behind() {
        let clock = Clock::system();
        let mut last_ms = 0;
        for _ in 0..20_000 {
            let before_ms = clock.now_ms();
            let coarse_ms = clock.coarse_ms();
            let after_ms = clock.now_ms();
            assert!(coarse_ms <= after_ms, "{coarse_ms} is ahead of {after_ms}");
            let exact_us = clock.now_us();
            assert!(exact_us >= after_ms * 1_000 && exact_us / 1_000 <= clock.now_ms());
            assert!(
                coarse_ms + 50 >= before_ms,
                "{coarse_ms} is far behind {before_ms}"
            );
            assert!(coarse_ms >= last_ms, "the coarse reading went back");
            last_ms = coarse_ms;
        }
    }

    #[test]
    fn a_manual_clock_shows_its_atomic() {
        let ms = Arc::new(AtomicU64::new(41));
        let clock = Clock::manual(Arc::clone(&ms));
        ms.store(42, Ordering::Relaxed);
        assert_eq!([clock.now_ms(), clock.coarse_ms(), clock.realtime_ms()], [42; 3]);
        assert_eq!(clock.now_us(), 42_000);
    }

    #[test]
    fn an_old_measurement_is_made_again() {
        let clock = CoarseClock::new();
        let first_ms = clock.now_ms();
        clock.ahead_ns.fetch_sub(5 * NS_PER_SECOND, Ordering::Relaxed);
        clock
            .measured_at_ns
            .fetch_sub(2 * NS_PER_SECOND, Ordering::Relaxed);
        assert!(
            clock.now_ms() >= first_ms,
            "the refresh did not restore the offset"
        );
    }

    #[test]
    fn namespace_offsets_are_parsed_by_name_and_by_number() {
        let named = "monotonic           0         0\nboottime       -86400      5\n";
        assert_eq!(parse_boot_offset_ns(named), Some(-86_400 * NS_PER_SECOND + 5));
        assert_eq!(parse_boot_offset_ns("1 0 0\n7 9 0\n"), Some(9 * NS_PER_SECOND));
        assert_eq!(parse_boot_offset_ns("monotonic 0 0\n"), None);
        assert_eq!(parse_boot_offset_ns("boottime x 0\n"), None);
    }

    #[test]
    fn the_wall_clock_is_past_2020() {
        assert!(Clock::system().realtime_ms() > 1_577_836_800_000);
    }

    #[test]
    fn processes_of_different_time_namespaces_read_the_same_clock() {
        let before_ms = Clock::system().now_ms();
        let outcome = as_root_in_child("time namespaces", || {
            // SAFETY: changes the namespace of this child's children only.
            let unshared = unsafe { libc::unshare(libc::CLONE_NEWTIME) };
            let shifted = std::fs::write("/proc/self/timens_offsets", "boottime 5000000 7\n");
            if unshared != 0 || shifted.is_err() {
                return Outcome::Skipped;
            }
            in_child(move || {
                let clock = Clock::system();
                let raw_ms = ms_of(boot_time_ns());
                let near = |ms: u64| ms + 1000 > before_ms && ms < before_ms + 600_000;
                let shifted = raw_ms > before_ms + 4_000_000_000;
                let readings = [clock.now_ms(), clock.now_us() / 1_000, clock.coarse_ms()];
                Outcome::of(shifted && readings.into_iter().all(near))
            })
        });
        assert_ne!(outcome, Outcome::Failed);
    }
}
