//! On which machine, and how busy it is: figures without that mean nothing.

use std::fs;
use std::thread;

use super::say;

/// Prints one line about the machine.
pub(crate) fn print_machine() {
    let first_line = |path: &str| fs::read_to_string(path).unwrap_or_default().trim().to_owned();
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpus
        .lines()
        .find_map(|line| line.strip_prefix("model name"))
        .map_or("unknown processor", |rest| {
            rest.trim_start_matches([' ', '\t', ':'])
        });
    let count = thread::available_parallelism().map_or(0, usize::from);
    let load = first_line("/proc/loadavg");
    let load = load.split(' ').take(3).collect::<Vec<_>>().join(" ");
    let shared_huge_pages = first_line("/sys/kernel/mm/transparent_hugepage/shmem_enabled");
    let chosen = shared_huge_pages.split(['[', ']']).nth(1).unwrap_or("unknown");
    say(&format!(
        "{model}, {count} processors, Linux {}, load {load}, huge pages of shared memory: {chosen}",
        first_line("/proc/sys/kernel/osrelease"),
    ));
}
