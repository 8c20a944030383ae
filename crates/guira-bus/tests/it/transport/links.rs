//! Connections that break and come back, and those that do not come.

use std::io::Write;
use std::net::TcpListener;
use std::time::Duration;

use guira_bus::transport::{
    AgentEvent, AgentOptions, AgentSockets, Channel, HandshakeFailure, LinkChange, Sent,
};

use crate::place::{anywhere, own_address};

use super::pair::{Pair, broker_at, endpoint};

#[test]
fn a_broker_that_comes_back_finds_its_subscribers_again() {
    let mut pair = Pair::plain();
    pair.agent.subscribe(9).unwrap();
    pair.streamed(9, b"before");
    let place = pair.broker.endpoint().to_string();

    let Pair { broker, agent, .. } = pair;
    drop(broker);
    let mut pair = Pair::new(broker_at(&place), agent);
    pair.until_change(LinkChange::Disconnected);
    pair.until("connected again", |pair| {
        pair.agent.is_connected(0, Channel::Control) && pair.agent.is_connected(0, Channel::Stream)
    });
    pair.streamed(9, b"after");
    pair.up(b"hello again");
}

#[test]
fn a_forced_reconnect_is_reported_and_keeps_subscriptions() {
    let mut pair = Pair::plain();
    pair.agent.subscribe(9).unwrap();
    pair.streamed(9, b"before");
    let before = pair.up(b"before");
    pair.at_agent.clear();

    pair.agent.reconnect(0).unwrap();
    assert!(!pair.agent.is_connected(0, Channel::Control));
    pair.until_change(LinkChange::Disconnected);
    pair.streamed(9, b"after");
    let after = pair.up(b"after");
    assert_ne!(before, after, "another connection is another peer");
    pair.until("the old one is gone", |pair| {
        pair.broker.send(&before, b"?".to_vec()) == Sent::NoPeer
    });
    assert!(pair.broker.counters().dropped_without_peer > 0);
    assert_eq!(pair.agent.counters().disconnected, 2);
}

#[test]
fn what_is_sent_without_a_connection_is_dropped_and_counted() {
    let mut pair = Pair::plain();
    assert_eq!(pair.agent.send(0, b"too early".to_vec()), Sent::NoPeer);
    assert_eq!(pair.agent.send(1, b"to nobody".to_vec()), Sent::NoPeer);
    assert_eq!(pair.agent.counters().dropped_without_peer, 1);
    pair.up(b"in time");
    assert_eq!(pair.at_broker.len(), 1);
}

fn failure_at(place: &str) -> LinkChange {
    let mut agent = AgentSockets::connect(&AgentOptions::new([endpoint(place)])).unwrap();
    let mut events = Vec::new();
    for _ in 0..200 {
        agent.poll(Duration::from_millis(100), &mut events).unwrap();
        if let Some(AgentEvent::Link { change, .. }) = events.first() {
            return *change;
        }
    }
    panic!("nothing was said about {place}");
}

#[test]
fn a_broker_that_is_not_there_is_reported() {
    let place = broker_at(&anywhere()).endpoint().to_string();
    let change = failure_at(&place);
    assert_eq!(change, LinkChange::NoAnswer);
    assert!(change.to_string().contains("no broker answers"));
    assert_eq!(failure_at("ipc:///nowhere/at/all/bus"), LinkChange::NoAnswer);
}

#[test]
fn a_host_without_an_address_is_reported() {
    let change = failure_at("tcp://nowhere.invalid:7400");
    assert_eq!(change, LinkChange::NoRoute);
    assert!(change.to_string().contains("no address"));
}

#[test]
fn a_stranger_in_the_place_of_a_broker_is_reported_and_the_broker_found_after_it() {
    let listener = TcpListener::bind((own_address(), 0)).unwrap();
    let place = format!("tcp://{}", listener.local_addr().unwrap());
    let options = AgentOptions::new([endpoint(&place)]);
    let stranger = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
    });
    let mut agent = AgentSockets::connect(&options).unwrap();
    let mut events = Vec::new();
    while !events.iter().any(|event| {
        matches!(
            event,
            AgentEvent::Link {
                channel: Channel::Control,
                change: LinkChange::HandshakeFailed(
                    HandshakeFailure::Closed | HandshakeFailure::Malformed { .. }
                ) | LinkChange::NoAnswer,
                ..
            }
        )
    }) {
        agent.poll(Duration::from_millis(100), &mut events).unwrap();
    }
    stranger.join().unwrap();
    let mut pair = Pair::new(broker_at(&place), agent);
    pair.up(b"at last");
}

#[test]
fn sockets_that_are_closed_in_a_handshake_stop_none_of_the_others() {
    let mut pair = Pair::plain().connected();
    for _ in 0..300 {
        pair.agent.reconnect(0).unwrap();
        pair.turn();
    }
    let mut pair = pair.connected();
    let peer = pair.up(b"question");
    pair.down(&peer, b"answer");
}
