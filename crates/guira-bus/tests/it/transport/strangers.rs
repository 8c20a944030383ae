//! Peers that are no agents: whatever they send, nobody else notices.

use std::io::{Read, Write};
use std::net::TcpStream;

use guira_bus::transport::keys::KeyPair;
use guira_bus::transport::{AgentSockets, BrokerSockets, Channel};

use crate::place::{anywhere, socket_of};

use super::pair::{Keyring, Pair};

/// What strangers say first: another protocol, half a greeting, greetings of old versions, a
/// greeting and then lengths beyond all bounds, noise.
fn openings() -> Vec<Vec<u8>> {
    let mut greeting = vec![0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 3, 1];
    greeting.extend(b"NULL");
    greeting.resize(64, 0);
    let mut curve = greeting.clone();
    curve[12..17].copy_from_slice(b"CURVE");
    let followed = |greeting: &[u8], rest: &[u8]| [greeting, rest].concat();
    let endless = [0x06, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
    let mut noise = Vec::new();
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for _ in 0..1 << 16 {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        noise.push(state.to_be_bytes()[0]);
    }
    vec![
        b"GET / HTTP/1.1\r\nHost: broker\r\n\r\n".to_vec(),
        greeting[..11].to_vec(),
        vec![1, 0],
        vec![0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 0, 5, 1, 0],
        vec![0xff, 0, 0, 0, 0, 0, 0, 0, 1, 0x7f, 1, 5, 0, 0],
        followed(&greeting, &endless),
        followed(&greeting, b"\x04\x06\x05READY"),
        followed(
            &greeting,
            b"\x04\x29\x05READY\x0bSocket-Type\xff\xff\xff\xffDEALER",
        ),
        followed(&curve, &endless),
        followed(&curve, b"\x04\xc8\x05HELLO\x01\x00"),
        followed(&curve, &noise),
        followed(&greeting, &noise),
        noise,
    ]
}

fn strangers_are_not_noticed(mut pair: Pair) {
    pair.agent.subscribe(1).unwrap();
    pair.streamed(1, b"before");
    let peer = pair.up(b"before");
    let at_broker = pair.at_broker.len();
    let places = [Channel::Control, Channel::Stream].map(|channel| socket_of(&pair.broker, channel));
    let mut strangers = Vec::new();
    for opening in openings() {
        for place in places {
            let mut stream = TcpStream::connect(place).unwrap();
            // The broker may close it while it is written.
            let _ = stream.write_all(&opening);
            strangers.push(stream);
        }
        pair.turn();
    }
    let count = u64::try_from(strangers.len()).unwrap();
    // Two are the agent's own.
    pair.until("all came", |pair| pair.broker.counters().accepted >= 2 + count);
    for round in 0..10 {
        pair.down(&peer, &[round]);
        pair.streamed(1, &[round]);
    }
    assert_eq!(pair.up(b"after"), peer, "the agent's connection is the same");
    assert_eq!(
        pair.at_broker.len(),
        at_broker + 1,
        "no frame came from a stranger"
    );
    assert_eq!(pair.agent.counters().disconnected, 0);
    assert!(pair.broker.counters().failed_handshakes > 0);

    for mut stream in strangers {
        stream.set_nonblocking(true).unwrap();
        let mut heard = Vec::new();
        let _ = stream.read_to_end(&mut heard);
        assert!(!heard.windows(6).any(|window| window == b"before"));
    }
}

#[test]
fn strangers_are_not_noticed_by_a_broker_without_keys() {
    strangers_are_not_noticed(Pair::plain());
}

#[test]
fn strangers_are_not_noticed_by_a_broker_with_keys() {
    let (keyring, own) = (Keyring::new(), KeyPair::generate().unwrap());
    keyring.allow("own", &own);
    let broker = BrokerSockets::bind(&keyring.broker_options(&anywhere())).unwrap();
    let agent = AgentSockets::connect(&keyring.agent_options(&broker, &own)).unwrap();
    strangers_are_not_noticed(Pair::new(broker, agent));
}

#[test]
fn messages_that_are_no_frames_are_counted_and_dropped() {
    let mut pair = Pair::plain().connected();
    let place_of = |channel| format!("tcp://{}", socket_of(&pair.broker, channel));
    let context = zmq::Context::new();
    let named = |kind, name: &[u8], channel| {
        let socket = context.socket(kind).unwrap();
        socket.set_identity(name).unwrap();
        socket.set_linger(0).unwrap();
        socket.connect(&place_of(channel)).unwrap();
        socket
    };
    let talker = named(zmq::DEALER, b"talker", Channel::Control);
    talker.send_multipart(["one", "two"], 0).unwrap();
    talker.send_multipart(["one", "two", "three", "four"], 0).unwrap();
    let long_name = named(zmq::DEALER, &[b'n'; 200], Channel::Control);
    long_name.send("hello", 0).unwrap();
    let listener = named(zmq::XSUB, b"listener", Channel::Stream);
    listener.send(&b"\x01ab"[..], 0).unwrap();
    listener.send(&b"what is this"[..], 0).unwrap();
    pair.until("all counted", |pair| pair.broker.counters().malformed >= 5);
    assert!(pair.at_broker.is_empty());
    pair.up(b"hello");
}
