//! Two hosts from a shell: a broker, an agent for each segment, and what one host invalidates.

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
    let status = workplace.run("bus status b.guira --json").done().json();
    assert_eq!(status["segment"]["is_trusted"], true, "{status}");
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
    while !lines[lines.len() - 1].contains("lost trust") {
        lines.push(agent.next_line());
    }
    let last = &lines[lines.len() - 1];
    assert!(
        last.contains(&format!("broker {address} has confirmed nothing for")),
        "{lines:?}"
    );
    for line in &lines {
        let time: Vec<&str> = line[..8].split(':').collect();
        assert!(
            time.len() == 3 && time.iter().all(|part| part.parse::<u8>().is_ok()),
            "{line}"
        );
    }
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
