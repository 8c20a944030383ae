//! Commands that put load on a segment: bench and demo.

use std::fs;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::{Ended, Workplace, command};
use crate::places;

fn number(object: &Value, field: &str) -> f64 {
    object[field]
        .as_f64()
        .unwrap_or_else(|| panic!("no number {field} in {object}"))
}

#[test]
fn a_bench_reports_throughput_percentiles_and_hits() {
    let workplace = Workplace::new();
    let report = workplace
        .run("bench @ --seconds 0.2 --keys 1000 --processes 2 --threads 2 --json")
        .done()
        .json();
    assert!(number(&report, "ops_per_s") > 1_000.0, "{report}");
    let [p50, p99, p999] = ["p50_ns", "p99_ns", "p999_ns"].map(|field| number(&report, field));
    assert!(0.0 < p50 && p50 <= p99 && p99 <= p999, "{report}");
    // Everything fits. Beside writers of its key a get may miss for a moment: three times in a hundred
    // million where four threads fight for fifty keys, and far less here.
    let misses = number(&report, "gets") - number(&report, "hits");
    assert!(misses <= 1.0, "{report}");
    let reads = workplace
        .run("bench @ --seconds 0.1 --keys 1000 --processes 2 --threads 2 --mix 100:0 --json")
        .done()
        .json();
    assert_eq!(number(&reads, "hit_ratio"), 1.0);
    assert_eq!(
        number(&report, "gets") + number(&report, "puts"),
        number(&report, "ops")
    );
    let share = number(&report, "puts") / number(&report, "ops");
    assert!((0.03..0.07).contains(&share), "{report}");
    let text = workplace
        .run("bench @ --seconds 0.1 --keys 1000 --zipf 0.99 --mix 1:1 --value 1K")
        .done();
    for part in [
        "operations/s",
        "p99.9",
        "Zipf 0.99",
        "1 gets to 1 puts",
        "1.0 KiB",
    ] {
        assert!(text.text().contains(part), "no {part:?} in {text:?}");
    }
    workplace.run("keys @ --ns guira-bench").not_found();
    let left = workplace.run("stat @ --json").done().json();
    assert_eq!(number(&left, "entries"), 0.0);
}

#[test]
fn a_bench_spares_a_segment_in_use_unless_forced() {
    let workplace = Workplace::new();
    workplace.run("put @ k v").done();
    workplace.run("bench @ --seconds 0.01").refused(4, "--force");
    workplace.run("bench @ --seconds 0.05 --keys 10 --force").done();
    assert_eq!(workplace.run("get @ k").done().out, b"v");
    workplace
        .run("bench @ --seconds 0.01 --force --value 64M")
        .refused(2, "values of at most");
}

#[test]
fn a_bench_replays_a_trace() {
    let workplace = Workplace::new();
    let keys: Vec<u8> = (0..1_000_u64)
        .flat_map(|access| (access % 50).to_le_bytes())
        .collect();
    fs::write(workplace.file("t.keys"), keys).expect("room");
    let report = workplace
        .run("bench @ --seconds 0.1 --trace t.keys --json")
        .done()
        .json();
    // Each of 50 keys misses once.
    assert_eq!(number(&report, "gets") - number(&report, "hits"), 50.0);
    assert_eq!(number(&report, "puts"), 50.0);
    workplace
        .run("bench @ --trace missing.keys")
        .refused(4, "missing.keys");
    fs::write(workplace.file("empty.keys"), b"").expect("room");
    workplace.run("bench @ --trace empty.keys").refused(2, "empty");
}

#[test]
fn the_demo_finds_no_wrong_and_no_stale_value() {
    let workplace = Workplace::empty();
    let report = workplace
        .run("demo --workers 3 --seconds 2 --dir . --json")
        .done()
        .json();
    let figure = |field| number(&report, field);
    assert!(figure("requests") > 1_000.0, "{report}");
    assert_eq!(report["is_good"], true, "{report}");
    let verdict = report["verdict"].as_str().expect("a sentence");
    assert!(verdict.ends_with("everything healed"), "{verdict}");
    assert_eq!(
        (figure("wrong_values"), figure("stale_reads"), figure("faults")),
        (0.0, 0.0, 0.0)
    );
    assert_eq!(
        figure("hits") + figure("joined") + figure("computations"),
        figure("requests")
    );
    assert!(figure("ideal") <= figure("computations"), "{report}");
    assert!(figure("ideal") > 0.0 && figure("invalidations") > 0.0, "{report}");
    assert_eq!(figure("workers_replaced"), 1.0);
    let kills = report["kills"].as_array().expect("a list");
    let killed: Vec<&str> = kills.iter().filter_map(|kill| kill["what"].as_str()).collect();
    assert_eq!(killed, ["agent of host A", "broker"]);
    assert!(kills[0]["taken_over_ms"].is_number(), "{report}");
    assert!(
        figure("probes") > 0.0 && figure("host_to_host_p99_ns") > 0.0,
        "{report}"
    );
    let hosts = report["hosts"].as_array().expect("a list");
    assert_eq!(hosts.len(), 2, "{report}");
    for host in hosts {
        assert!(number(host, "applied") > 0.0, "each host invalidates: {report}");
        assert!(number(host, "take_overs") > 0.0, "{report}");
        assert_eq!(number(host, "overflows"), 0.0, "{report}");
    }
    assert!(figure("hit_ratio") <= figure("opt_hit_ratio") + 0.05, "{report}");
    assert!(
        figure("computation_p50_ns") > 10.0 * figure("hit_p50_ns"),
        "{report}"
    );
    assert_eq!(places::names_in(workplace.directory.path()), [""; 0]);
}

#[test]
fn the_demo_replays_another_trace_to_its_end() {
    let workplace = Workplace::empty();
    let keys: Vec<u8> = (0..20_000_u64)
        .flat_map(|access| (access * access % 997).to_le_bytes())
        .collect();
    fs::write(workplace.file("t.keys"), keys).expect("room");
    let ended = workplace
        .run("demo --workers 2 --seconds 60 --trace t.keys --dir .")
        .done();
    let last = ended.text().lines().last().expect("a line");
    assert!(last.starts_with("Verdict: good: 0 stale reads"), "{ended:?}");
    for part in [
        "t.keys",
        "20,000 in",
        "LRU, same room",
        "ideal",
        "stale reads",
        "broker",
    ] {
        assert!(ended.text().contains(part), "no {part:?} in {ended:?}");
    }
    workplace
        .run("demo --trace missing.keys")
        .refused(4, "missing.keys");
    workplace.run("demo --dir /proc").refused(4, "doctor");
}

#[test]
fn a_demo_that_is_interrupted_cleans_up() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let workplace = Workplace::empty();
        let demo = command(["demo", "--seconds", "600", "--dir"])
            .arg(workplace.directory.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("it runs");
        let mut demo = Killed(Some(demo));
        let process = demo
            .0
            .as_ref()
            .map(|demo| Pid::from_raw(demo.id() as i32))
            .expect("just made");
        wait_for_workers(process);
        kill(process, signal).expect("it runs");
        let ended = demo
            .0
            .take()
            .expect("just made")
            .wait_with_output()
            .expect("it ends");
        let ended = Ended {
            status: ended.status.code().expect("it ends in order"),
            out: ended.stdout,
            err: String::from_utf8(ended.stderr).expect("messages are text"),
        };
        ended.refused(4, "interrupted");
        assert_eq!(places::names_in(workplace.directory.path()), [""; 0]);
    }
}

/// A child that never outlives its test.
struct Killed(Option<Child>);

impl Drop for Killed {
    fn drop(&mut self) {
        if let Some(mut child) = self.0.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Waits until the process has children.
fn wait_for_workers(process: Pid) {
    let begin = Instant::now();
    loop {
        let tasks = fs::read_dir(format!("/proc/{process}/task")).expect("it runs");
        let has_children = tasks.flatten().any(|task| {
            fs::read_to_string(task.path().join("children")).is_ok_and(|children| !children.trim().is_empty())
        });
        if has_children {
            return;
        }
        assert!(begin.elapsed() < Duration::from_secs(60), "no workers");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}
