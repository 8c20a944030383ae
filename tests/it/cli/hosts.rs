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
