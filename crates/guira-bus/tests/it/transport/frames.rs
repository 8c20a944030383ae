//! Frames go where they are sent, by every way.

use std::time::{Duration, Instant};

use guira_bus::transport::keys::KeyPair;
use guira_bus::transport::{AgentEvent, AgentSockets, BrokerEvent, BrokerSockets};

use crate::place::anywhere;

use super::pair::{Keyring, Pair, broker_at};

fn goes_and_comes(mut pair: Pair) {
    let peer = pair.up(b"question");
    pair.down(&peer, b"answer");
    pair.down(&peer, b"");
    let large = vec![7; 1 << 20];
    assert_eq!(pair.up(&large), peer);
    pair.down(&peer, &large);
    pair.agent.subscribe(3).unwrap();
    pair.streamed(3, &large);
    assert!(pair.at_broker.contains(&BrokerEvent::Topic {
        topic: 3,
        is_wanted: true
    }));
}

#[test]
fn frames_go_by_tcp_and_by_unix_sockets() {
    goes_and_comes(Pair::plain());
    let folder = tempfile::tempdir().unwrap();
    let path = format!("ipc://{}/bus", folder.path().display());
    goes_and_comes(Pair::at(broker_at(&path)));
}

#[test]
fn frames_go_with_keys_by_tcp_and_by_unix_sockets() {
    let (keyring, own) = (Keyring::new(), KeyPair::generate().unwrap());
    keyring.allow("own", &own);
    let folder = tempfile::tempdir().unwrap();
    let path = format!("ipc://{}/bus", folder.path().display());
    for place in [&anywhere(), &path] {
        let broker = BrokerSockets::bind(&keyring.broker_options(place)).unwrap();
        let agent = AgentSockets::connect(&keyring.agent_options(&broker, &own)).unwrap();
        goes_and_comes(Pair::new(broker, agent));
    }
}

#[test]
fn only_subscribed_topics_come_in_the_order_they_were_published() {
    let mut pair = Pair::plain();
    pair.agent.subscribe(1).unwrap();
    pair.agent.subscribe(2).unwrap();
    pair.agent.subscribe(2).unwrap();
    pair.streamed(1, b"ready");
    pair.streamed(2, b"ready");
    pair.at_agent.clear();
    for number in 0..100_u8 {
        let _ = pair.broker.publish(number % 4, &[number]);
    }
    let streamed = |pair: &Pair| -> Vec<(u8, u8)> {
        let frames = pair.at_agent.iter().filter_map(|event| match event {
            AgentEvent::Stream { topic, frame, .. } if frame.len() == 1 => Some((*topic, frame[0])),
            _ => None,
        });
        frames.collect()
    };
    let expected: Vec<(u8, u8)> = (0..100)
        .filter(|number| matches!(number % 4, 1 | 2))
        .map(|number| (number % 4, number))
        .collect();
    pair.until("all streamed", |pair| streamed(pair).len() >= expected.len());
    assert_eq!(streamed(&pair), expected);

    pair.agent.unsubscribe(2).unwrap();
    pair.until("left", |pair| {
        pair.at_broker.contains(&BrokerEvent::Topic {
            topic: 2,
            is_wanted: false,
        })
    });
    pair.at_agent.clear();
    let _ = pair.broker.publish(2, b"unwanted");
    pair.streamed(1, b"end");
    assert!(
        !pair
            .at_agent
            .iter()
            .any(|event| matches!(event, AgentEvent::Stream { topic: 2, .. }))
    );
}

#[test]
fn another_thread_wakes_a_sleeping_poll() {
    let mut pair = Pair::plain().connected();
    let long = Duration::from_secs(60);
    let began = Instant::now();
    for _ in 0..3 {
        let (broker, agent) = (pair.broker.waker(), pair.agent.waker());
        std::thread::scope(|scope| {
            scope.spawn(move || broker.wake());
            pair.broker.poll(long, &mut pair.at_broker).unwrap();
            scope.spawn(move || agent.wake());
            pair.agent.poll(long, &mut pair.at_agent).unwrap();
        });
    }
    assert!(began.elapsed() < long);

    // A wake before the poll is not lost, and two are one.
    pair.agent.waker().wake();
    pair.agent.waker().wake();
    pair.agent.poll(long, &mut pair.at_agent).unwrap();
    assert!(began.elapsed() < long);
}
