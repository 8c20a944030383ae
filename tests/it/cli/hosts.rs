//! Two hosts from a shell: a broker, an agent for each segment, and what one host invalidates.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::Workplace;
use super::broker::broker_at;
use super::service::Service;

const TERMS: &str = "--size 8M --json --broker";

fn agent(workplace: &Workplace, file: &str, address: &str) -> Service {
    let mut agent = Service::start(workplace, &format!("agent {file} {TERMS} {address}"));
    agent.until(|state| state["trusted"] == true);
    agent
}

/// Waits until a get of `greeting` misses; it has the value until then.
fn until_missed(workplace: &Workplace, file: &str) {
    loop {
        let ended = workplace.run(&format!("get {file} greeting"));
        if ended.status == 1 {
            return;
        }
        assert_eq!(ended.done().text(), "hello");
    }
}

#[test]
fn what_is_invalidated_in_one_terminal_is_gone_in_the_other() {
    let workplace = Workplace::empty();
    let (broker, address) = broker_at(&workplace, "default", "");
    let agents = ["a.guira", "b.guira"].map(|file| agent(&workplace, file, &address));
    workplace.run("put b.guira greeting hello").done();
    workplace.run("get b.guira greeting").done();
    workplace
        .run("invalidate a.guira --key greeting --wait 20s")
        .done();
    workplace.run("get b.guira greeting").not_found();
    let is_trusted = || {
        let status = workplace.run("bus status b.guira --json").done().json();
        status["segment"]["is_trusted"] == true
    };
    // On a busy machine trust may run out for a moment.
    while !is_trusted() {
        std::thread::park_timeout(Duration::from_millis(5));
    }
    for agent in agents {
        let _ = agent.terminate();
    }
    let _ = broker.terminate();
}

#[test]
fn an_agent_follows_its_file_when_that_is_removed_and_made_again() {
    let workplace = Workplace::empty();
    let (_broker, address) = broker_at(&workplace, "default", "");
    let mut agents = ["a.guira", "b.guira"].map(|file| agent(&workplace, file, &address));
    std::fs::remove_file(workplace.file("b.guira")).expect("it is there");
    agents[1].until(|line| line["replaced"] == "b.guira");
    agents[1].until(|state| state["trusted"] == true);
    workplace.run("put b.guira greeting hello").done();
    workplace.run("invalidate a.guira --key greeting").done();
    until_missed(&workplace, "b.guira");
}

#[test]
fn an_agent_says_when_and_why_trust_is_lost() {
    let workplace = Workplace::empty();
    let (broker, address) = broker_at(&workplace, "default", "");
    let line = format!("agent a.guira --size 8M --broker {address}");
    let mut agent = Service::start(&workplace, &line);
    let mut lines = vec![agent.next_line()];
    while !lines[lines.len() - 1].contains("coherent within") {
        lines.push(agent.next_line());
    }
    let _ = broker.terminate();
    // On a busy machine it may be lost before, for another reason.
    let cause = format!("broker {address} has confirmed nothing for");
    let is_lost = |line: &str| line.contains("lost trust") || line.contains("not coherent yet");
    while !(is_lost(&lines[lines.len() - 1]) && lines[lines.len() - 1].contains(&cause)) {
        lines.push(agent.next_line());
    }
    for line in &lines {
        let time: Vec<&str> = line[..8].split(':').collect();
        assert!(
            time.len() == 3 && time.iter().all(|part| part.parse::<u8>().is_ok()),
            "{line}"
        );
    }
    let found = workplace.run("get a.guira k --json").not_found().json();
    assert_eq!(found["trusted"], false, "{found}");
}

#[test]
fn an_agent_of_another_cluster_is_told_what_is_the_matter() {
    let workplace = Workplace::empty();
    let (_broker, address) = broker_at(&workplace, "shop", "");
    let mut agent = Service::start(
        &workplace,
        &format!("agent a.guira --cluster other {TERMS} {address}"),
    );
    agent.until(|state| {
        let last = state["brokers"][0]["last"].as_str().unwrap_or_default();
        last.contains("this host is of cluster \"other\"") && last.contains("--cluster")
    });
}

#[test]
fn hosts_have_the_names_that_they_are_given() {
    let workplace = Workplace::empty();
    let (mut broker, address) = broker_at(&workplace, "default", "");
    let mut agent = Service::start(
        &workplace,
        &format!("agent a.guira --host-name web-1 {TERMS} {address}"),
    );
    agent.until(|state| state["trusted"] == true);
    let status = workplace
        .run(&format!("bus status --json --broker {address}"))
        .done()
        .json();
    assert_eq!(status["brokers"][0]["hosts"][0]["host"], "web-1", "{status}");
    let ping = format!("bus ping --count 1 --timeout 20s --host-name watcher --json --broker {address}");
    let answered = workplace.run(&ping).done().json();
    assert_eq!(answered["hosts"][0]["host"], "web-1", "{answered}");
    broker.until(|line| line["host"] == "watcher");
    workplace
        .run_with(&format!("bus ping --broker {address} --host-name"), [""])
        .refused(2, "1 to 255 bytes");
}

#[test]
fn a_cluster_is_shown_by_its_name_where_that_is_known() {
    let workplace = Workplace::empty();
    workplace.run("create a.guira --size 8M --cluster default").done();
    workplace.run("create b.guira --size 8M --cluster shop").done();
    for (line, part) in [
        ("bus status a.guira", "\"default\"\n"),
        ("stat a.guira", "\"default\"\n"),
        ("bus status b.guira --cluster shop", "\"shop\"\n"),
        ("bus status b.guira", "not that of \"default\""),
        ("stat b.guira", "not that of \"default\""),
    ] {
        let shown = workplace.run(line).done();
        assert!(shown.text().contains(part), "{line}: {shown:?}");
    }
    let status = workplace
        .run("bus status b.guira --json --cluster shop")
        .done()
        .json();
    assert_eq!(status["segment"]["cluster_name"], "shop", "{status}");
    let status = workplace.run("bus status b.guira --json").done().json();
    assert_eq!(status["segment"]["cluster_name"], Value::Null, "{status}");
    assert!(status["segment"]["cluster"].is_string(), "{status}");
}

#[test]
fn a_segment_of_no_cluster_says_how_to_make_one_of_a_cluster() {
    let workplace = Workplace::new();
    let shown = workplace.run("bus status @").not_found();
    assert!(shown.text().contains("guira create --cluster NAME"), "{shown:?}");
    workplace
        .run("agent @ --broker tcp://127.0.0.1:1 --cluster shop")
        .refused(3, "guira create --cluster shop");
    workplace
        .run("invalidate @ --key k --wait 1s")
        .refused(4, "guira create --cluster NAME");
}

#[test]
fn it_is_told_whether_what_is_there_is_trusted() {
    let workplace = Workplace::new();
    workplace.run("put @ k v").done();
    let trusted = |line: &str| workplace.run(line).done().json()["trusted"].clone();
    for line in ["get @ k --json", "get @ k --meta --json", "stat @ --json"] {
        assert_eq!(trusted(line), Value::Null, "{line}");
    }
    let (_broker, address) = broker_at(&workplace, "default", "");
    let agent = agent(&workplace, "a.guira", &address);
    let lines = [
        "get a.guira k --json",
        "get a.guira k --meta --json",
        "stat a.guira --json",
    ];
    for line in lines {
        // On a busy machine trust may run out for a moment.
        while {
            workplace.run("put a.guira k v").done();
            trusted(line) != true
        } {}
    }
    let _ = agent.terminate();
    // Trust runs out: nobody renews it.
    while trusted(lines[0]) == true {}
    for line in lines {
        assert_eq!(trusted(line), false, "{line}");
    }
}

#[test]
fn whoever_serves_goes_on_when_what_it_says_cannot_be_written() {
    let workplace = Workplace::empty();
    let (mut broker, address) = broker_at(&workplace, "default", "");
    broker.stop_listening();
    let [mut one, mut other] = ["a.guira", "b.guira"].map(|file| agent(&workplace, file, &address));
    one.stop_listening();
    // Both have something to say now.
    drop(other);
    workplace
        .run(&format!("bus ping --timeout 20s --broker {address}"))
        .done();
    std::fs::remove_file(workplace.file("a.guira")).expect("it is there");
    let end = Instant::now() + Duration::from_secs(20);
    while !workplace.file("a.guira").exists() {
        assert!(Instant::now() < end, "its agent does not make it again");
        std::thread::park_timeout(Duration::from_millis(5));
    }
    other = agent(&workplace, "b.guira", &address);
    workplace.run("put a.guira greeting hello").done();
    workplace
        .run("invalidate b.guira --key greeting --wait 20s")
        .done();
    workplace.run("get a.guira greeting").not_found();
    let _ = other.terminate();
}

#[test]
fn whoever_cannot_say_where_it_serves_does_not_begin() {
    let workplace = Workplace::empty();
    for line in [
        "broker --bind tcp://127.0.0.1:0",
        "agent a.guira --size 8M --broker tcp://127.0.0.1:1",
    ] {
        let full = std::fs::File::options().write(true).open("/dev/full");
        let ended = super::command(workplace.arguments(line))
            .current_dir(workplace.directory.path())
            .stdout(full.expect("every Linux has it"))
            .output()
            .expect("the command runs");
        assert_eq!(ended.status.code(), Some(4), "{line}");
        let said = String::from_utf8_lossy(&ended.stderr);
        assert!(said.contains("cannot write to standard output"), "{said}");
    }
}
