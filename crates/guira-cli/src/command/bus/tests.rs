//! The commands, with a real broker and hosts that are segments of this process.

use std::path::Path;
use std::time::{Duration, Instant};

use guira::Guira;
use guira::coherence::{Coherence, Reach};
use guira_bus::runtime::{Broker, BrokerConfig, BrokerHandle};
use serde_json::Value;
use tempfile::TempDir;

use crate::{CliError, Exit, parse, run};

const WAIT: Duration = Duration::from_secs(20);
const LONG: Duration = Duration::from_secs(3_600);

fn broker() -> (BrokerHandle, String) {
    let anywhere = "tcp://127.0.0.1:0".parse().expect("an address");
    let broker = Broker::bind(BrokerConfig::new(anywhere, "shop")).expect("free ports");
    let broker = broker.spawn().expect("a thread");
    let address = broker.endpoint().to_string();
    (broker, address)
}

fn host(address: &str, name: &str, path: &Path) -> Guira {
    let coherence = Coherence::of_cluster("shop")
        .broker(address)
        .host_name(name)
        .start_within(WAIT);
    Guira::builder()
        .size(16 << 20)
        .coherence(coherence)
        .open(path)
        .expect("a coherent cache")
}

fn directory() -> TempDir {
    tempfile::tempdir_in("/dev/shm").expect("room")
}

/// Runs a command line whose words are split at spaces.
fn ended(line: &str) -> (Result<Exit, CliError>, String) {
    let mut out = Vec::new();
    let words = std::iter::once("guira").chain(line.split(' '));
    let exit = run(&parse(words).expect("a good command line"), &mut out);
    (exit, String::from_utf8(out).expect("text"))
}

#[track_caller]
fn done(line: &str) -> String {
    let (exit, text) = ended(line);
    assert_eq!(exit.expect("done"), Exit::Done, "{text}");
    text
}

#[track_caller]
fn done_json(line: &str) -> Value {
    serde_json::from_str(&done(line)).expect("JSON")
}

/// Waits until `is_so`, which other threads bring about.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < WAIT, "{what}");
        std::thread::park_timeout(Duration::from_millis(2));
    }
}

#[test]
fn a_segment_tells_where_its_host_stands() {
    let (broker, address) = broker();
    let directory = directory();
    let path = directory.path().join("here.guira");
    let here = host(&address, "here", &path);
    let there = host(&address, "there", &directory.path().join("there.guira"));
    let theirs = there.cache::<str, u64>("values");
    theirs.put("k", &1, LONG).expect("put");
    let ours = here.cache::<str, u64>("values");
    ours.put("k", &1, LONG).expect("put");
    until("the other host's record is applied here", || {
        theirs.invalidate("k").expect("invalidate");
        let announced = there.announced().expect("coherent");
        announced.wait(Reach::Applied, WAIT).expect("applied");
        here.coherence_status().expect("coherent").counts.applied > 0
    });
    ours.invalidate("k").expect("invalidate");
    let announced = here.announced().expect("coherent");
    announced.wait(Reach::Applied, WAIT).expect("applied");

    let path = path.to_str().expect("ASCII");
    let line = format!("bus status {path} --broker {address} --cluster shop");
    let status = done_json(&format!("{line} --json"));
    let segment = &status["segment"];
    assert_eq!(segment["is_trusted"], true, "{status}");
    let left_ms = segment["trusted_for_ms"].as_u64().expect("trusted");
    assert!((1..=500).contains(&left_ms), "{left_ms}");
    assert_eq!(segment["agent_process"], std::process::id());
    assert_eq!(segment["has_agent"], true);
    assert_eq!(segment["journal"]["tail"], 1, "{status}");
    assert_eq!(segment["journal"]["settled"], 1, "{status}");
    assert_eq!(segment["journal"]["unaccepted"], 0, "{status}");
    assert!(segment["counts"]["applied"].as_u64() >= Some(1), "{status}");
    let ages = segment["applied_age_ms_log2"].as_array().expect("a histogram");
    let aged: u64 = ages.iter().filter_map(Value::as_u64).sum();
    assert_eq!(Some(aged), segment["counts"]["applied"].as_u64());
    assert_eq!(segment["brokers"][0]["epoch"], status["brokers"][0]["epoch"]);
    let mut names: Vec<&str> = status["brokers"][0]["hosts"]
        .as_array()
        .expect("hosts")
        .iter()
        .filter_map(|host| host["host"].as_str())
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["here", "there"]);
    let text = done(&line);
    for part in [
        "trusted for",
        "at work",
        "Age of records",
        "the only one",
        "there",
    ] {
        assert!(text.contains(part), "no {part:?} in {text}");
    }
    let stat: Value = done_json(&format!("stat {path} --json"));
    assert_eq!(stat["coherence"]["is_trusted"], true, "{stat}");
    assert!(done(&format!("stat {path}")).contains("0 not yet accepted"));

    broker.stop().expect("in order");
    until("trust has run out", || {
        done_json(&format!("bus status {path} --json"))["segment"]["is_trusted"] == false
    });
    let text = done(&format!("bus status {path}"));
    assert!(text.contains("suspect"), "{text}");
    ours.invalidate("k").expect("invalidate");
    let status = done_json(&format!("bus status {path} --json"));
    assert_eq!(status["segment"]["journal"]["unaccepted"], 1, "{status}");
}

#[test]
fn a_segment_of_no_cluster_and_one_without_an_agent_are_told_apart() {
    let directory = directory();
    let path = directory.path().join("x.guira");
    let _segment = guira_segment::Segment::builder()
        .size(8 << 20)
        .open_or_create(&path)
        .expect("a segment");
    let (exit, text) = ended(&format!("bus status {}", path.display()));
    assert_eq!(exit.expect("an answer"), Exit::NotFound);
    assert!(text.contains("no cluster"), "{text}");

    let path = directory.path().join("y.guira");
    let _segment = guira_segment::Segment::builder()
        .size(8 << 20)
        .cluster("shop")
        .open_or_create(&path)
        .expect("a segment");
    let text = done(&format!("bus status {}", path.display()));
    assert!(
        text.contains("suspect") && text.contains("`guira agent`"),
        "{text}"
    );
}

#[test]
fn a_broker_that_does_not_answer_is_named_with_the_reason() {
    let (_broker, address) = broker();
    for (line, part) in [
        (
            "bus status --broker tcp://127.0.0.1:1 --timeout 300ms".to_owned(),
            "tcp://127.0.0.1:1",
        ),
        (
            format!("bus status --broker {address} --cluster other --timeout 300ms"),
            "cluster \"other\"",
        ),
        (
            format!("bus ping --broker {address} --cluster other --timeout 300ms"),
            "cluster \"other\"",
        ),
        (
            format!("bus ping --broker {address} --broker tcp://127.0.0.1:1 --cluster shop --timeout 300ms"),
            "2 brokers",
        ),
    ] {
        let (exit, _) = ended(&line);
        let error = exit.expect_err(&line);
        assert_eq!(Exit::of(&error), Exit::Failed, "{error}");
        assert!(error.to_string().contains(part), "no {part:?} in {error}");
    }
}

#[test]
fn every_host_answers_a_ping() {
    let (_broker, address) = broker();
    let directory = directory();
    let nobody = ended(&format!("bus ping --broker {address} --cluster shop --count 1"));
    assert_eq!(nobody.0.expect("an answer"), Exit::NotFound, "{}", nobody.1);
    let paths = ["here", "there"].map(|name| directory.path().join(name));
    let _hosts = ["here", "there"].map(|name| host(&address, name, &directory.path().join(name)));
    let line = format!(
        "bus ping {} --broker {address} --cluster shop --count 3 --every 1ms",
        paths[0].display()
    );
    let answers = done_json(&format!("{line} --json"));
    let hosts = answers["hosts"].as_array().expect("a list");
    assert_eq!(hosts.len(), 2, "{answers}");
    for host in hosts {
        assert_eq!(host["answers"], 3, "{answers}");
        assert_eq!(host["is_here"], host["host"] == "here", "{answers}");
        assert!(host["min_us"].as_f64() > Some(0.0), "{answers}");
        assert!(host["min_us"].as_f64() <= host["max_us"].as_f64(), "{answers}");
    }
    let text = done(&line);
    assert!(text.contains("here (here)") && text.contains("3 of 3"), "{text}");
}

#[test]
fn an_audit_finds_no_host_late_that_applied_what_it_heard() {
    let (_broker, address) = broker();
    let directory = directory();
    let [here, there] = ["here", "there"].map(|name| host(&address, name, &directory.path().join(name)));
    let [ours, theirs] = [&here, &there].map(|guira| guira.cache::<u64, u64>("values"));
    let line = format!(
        "bus audit --broker {address} --cluster shop --seconds 1 --every 50ms --after 200ms,700ms --json"
    );
    let audit = std::thread::spawn(move || done_json(&line));
    let mut key = 0;
    while !audit.is_finished() {
        key += 1;
        for cache in [&ours, &theirs] {
            cache.put(&key, &1, LONG).expect("put");
        }
        ours.invalidate(&key).expect("invalidate");
        // On this host it is filled again at once, on the other it is gone.
        ours.put(&key, &2, LONG).expect("put");
        std::thread::park_timeout(Duration::from_millis(5));
    }
    let report = audit.join().expect("done");
    assert!(report["samples"].as_u64() > Some(5), "{report}");
    for check in report["checks"].as_array().expect("a list") {
        let count = |field: &str| check[field].as_u64().expect("a count");
        assert_eq!((count("late"), count("unanswered")), (0, 0), "{report}");
        assert_eq!(count("asked"), 2 * report["samples"].as_u64().expect("a count"));
        assert_eq!(count("nothing"), count("newer"), "{report}");
    }
}
