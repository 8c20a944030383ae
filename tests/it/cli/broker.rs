//! A broker as a script runs it: says where it serves, is asked, stops in order.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicU8, Ordering};

use serde_json::Value;

use super::Workplace;
use super::service::Service;

/// A broker of `cluster`, and where it serves: at an address that connections do not come from, so that none is
/// given its port when it ends.
pub(super) fn broker_at(workplace: &Workplace, cluster: &str, more: &str) -> (Service, String) {
    static GIVEN: AtomicU8 = AtomicU8::new(1);
    let [_, high, low, _] = (std::process::id() << 8).to_be_bytes();
    let number = GIVEN.fetch_add(1, Ordering::Relaxed);
    let own = Ipv4Addr::new(127, 1 + high % 254, low, number);
    let line = format!("broker --bind tcp://{own}:0 --json --cluster {cluster} {more}");
    let line = line.trim_end();
    let mut broker = Service::start(workplace, line);
    let first = broker.next();
    let address = first["serving"]["endpoint"].as_str().expect("an address");
    let address = address.to_owned();
    (broker, address)
}

/// Ends it; its last line.
fn last_words(broker: Service) -> Value {
    broker.terminate().expect("it says what it did")
}

#[test]
fn a_broker_tells_who_asks_and_stops_in_order() {
    let workplace = Workplace::empty();
    let (broker, address) = broker_at(&workplace, "shop", "");
    let status = workplace
        .run(&format!("bus status --cluster shop --json --broker {address}"))
        .done()
        .json();
    assert_eq!(status["brokers"][0]["address"], address.as_str(), "{status}");
    assert_eq!(status["brokers"][0]["position"], 0);
    let shown = workplace
        .run(&format!("bus status --cluster shop --broker {address}"))
        .done();
    assert!(shown.text().contains(&address), "{shown:?}");

    workplace
        .run(&format!(
            "bus status --cluster other --timeout 500ms --broker {address}"
        ))
        .refused(4, "1 of 1 brokers gave no answer");
    let wrong = workplace.run(&format!(
        "bus ping --cluster other --timeout 3s --broker {address}"
    ));
    wrong.refused(
        4,
        "one of cluster \"other\", and a broker answers its own cluster",
    );
    let taken = workplace.run(&format!("broker --bind {address}"));
    let (host, port) = address.rsplit_once(':').expect("a port");
    let stream_port = port.parse::<u16>().expect("a number") + 1;
    assert!(
        taken.err.contains(&format!("`{host}:{stream_port}`")),
        "{taken:?}"
    );
    taken.refused(4, "is in use");

    let last = last_words(broker);
    assert_eq!(last["stopped"]["records"], 0, "{last}");
    assert!(
        last["stopped"]["dropped"]["other_cluster"].as_u64() > Some(0),
        "{last}"
    );
}

#[test]
fn only_hosts_with_an_allowed_key_are_answered() {
    let workplace = Workplace::empty();
    for name in ["broker", "host", "stranger"] {
        workplace.run(&format!("keygen {name}")).done();
    }
    let allowed = workplace.file("broker/allowed/host.key");
    std::fs::copy(workplace.file("host/public.key"), allowed).expect("writable");
    let (broker, address) = broker_at(&workplace, "default", "--curve broker");
    let ask = format!("bus status --broker {address} --broker-key broker/public.key --timeout 1s --curve ",);
    workplace
        .run(&format!("{ask}stranger"))
        .refused(4, "gave no answer");
    workplace.run(&format!("{ask}host")).done();
    let last = last_words(broker);
    assert!(last["stopped"]["refused_keys"].as_u64() > Some(0), "{last}");
}

#[test]
fn what_cannot_be_served_is_said_in_one_line() {
    let workplace = Workplace::empty();
    for (line, status, part) in [
        ("broker --bind tcp://*:0", 2, "there are no keys"),
        ("broker --bind 127.0.0.1:1", 2, "write tcp://host:port"),
        ("broker --curve nowhere", 4, "nowhere/secret.key"),
        ("broker --curve nowhere", 4, "guira keygen nowhere"),
        ("broker --curve keys --insecure", 2, "cannot be used with"),
        ("broker --log-bytes 1K", 2, "too small"),
        ("broker --peer tcp://127.0.0.1:7227", 2, "its peers only"),
        ("bus status --broker tcp://*:1", 2, "name one host"),
        (
            "bus status --broker tcp://127.0.0.1:1 --broker-key a --broker-key b",
            2,
            "2 keys for 1 brokers",
        ),
        (
            "bus status --broker tcp://127.0.0.1:1 --broker-key no.key",
            2,
            "no file \"no.key\"",
        ),
        (
            "bus ping --broker tcp://127.0.0.1:1 --broker-key no.key",
            2,
            "guira keygen",
        ),
        ("bus status", 2, "--broker ADDR"),
        (
            "agent @ --size 8M --broker 127.0.0.1:1",
            2,
            "write tcp://host:port",
        ),
        ("agent @ --size 8M --broker tcp://*:1", 2, "name one host"),
        (
            "agent @ --size 8M --broker tcp://127.0.0.1:1 --bound 10s",
            2,
            "50 to 1,500 ms",
        ),
        (
            "agent @ --size 8M --broker tcp://127.0.0.1:1 --broker-key no.key",
            2,
            "guira keygen",
        ),
        (
            "agent @ --size 8M --broker tcp://127.0.0.1:1 --curve nowhere",
            4,
            "guira keygen nowhere",
        ),
    ] {
        workplace.run(line).refused(status, part);
    }
}
