//! Full queues and long frames: who is slow loses, nobody waits, nobody else loses.

use guira_bus::transport::{
    AgentEvent, AgentOptions, AgentSockets, BrokerOptions, BrokerSockets, Channel, Sent,
};

use crate::place::{anywhere, socket_of};

use super::pair::{Pair, endpoint};

/// A socket of somebody who does not read.
fn idle(kind: zmq::SocketType, pair: &Pair, channel: Channel) -> zmq::Socket {
    let socket = zmq::Context::new().socket(kind).unwrap();
    socket.set_rcvhwm(1).unwrap();
    socket.set_rcvbuf(4096).unwrap();
    socket.set_linger(0).unwrap();
    socket
        .connect(&format!("tcp://{}", socket_of(&pair.broker, channel)))
        .unwrap();
    socket
}

#[test]
fn a_slow_subscriber_loses_and_nobody_else_does() {
    let mut pair = Pair::plain();
    let slow = idle(zmq::SUB, &pair, Channel::Stream);
    slow.set_subscribe(&[5]).unwrap();
    pair.until("the slow one subscribed", |pair| pair.at_broker.len() == 1);
    pair.agent.subscribe(5).unwrap();
    pair.agent.subscribe(6).unwrap();
    // Comes after the subscription to 5.
    pair.streamed(6, b"ready");
    pair.at_agent.clear();

    let count = 4000_u32;
    let mut received = Vec::new();
    for number in 0..count {
        let mut frame = number.to_le_bytes().to_vec();
        frame.resize(8192, 0);
        assert_eq!(pair.broker.publish(5, &frame), Sent::Queued);
        let is_far_behind = |pair: &Pair, received: &[u32]| {
            received.len() + pair.at_agent.len() + 100 < usize::try_from(number).unwrap()
        };
        while is_far_behind(&pair, &received) {
            pair.turn();
        }
        received.extend(numbers(&mut pair));
    }
    pair.until("all received", |pair| {
        received.extend(numbers(pair));
        received.len() >= usize::try_from(count).unwrap()
    });
    assert!(received.iter().copied().eq(0..count), "in order, none missing");

    let mut kept = 0;
    slow.set_rcvtimeo(200).unwrap();
    while slow.recv_bytes(0).is_ok() {
        kept += 1;
    }
    assert!(kept < count, "the slow one lost some: it has {kept}");
}

fn numbers(pair: &mut Pair) -> Vec<u32> {
    let frames = pair.at_agent.drain(..).filter_map(|event| match event {
        AgentEvent::Stream { topic: 5, frame, .. } => Some(frame),
        _ => None,
    });
    frames
        .map(|frame| u32::from_le_bytes(frame[..4].try_into().unwrap()))
        .collect()
}

#[test]
fn a_peer_that_does_not_read_fills_its_own_queue_only() {
    let mut pair = Pair::plain().connected();
    let idle = idle(zmq::DEALER, &pair, Channel::Control);
    idle.send("hello", 0).unwrap();
    pair.until("the idle one spoke", |pair| !pair.at_broker.is_empty());
    let guira_bus::transport::BrokerEvent::Control { peer, .. } = pair.at_broker.remove(0) else {
        panic!("not a frame");
    };
    let mut sent = 0;
    while pair.broker.send(&peer, vec![0; 1 << 16]) == Sent::Queued {
        sent += 1;
        assert!(sent < 100_000, "its queue has no end");
    }
    assert_eq!(pair.broker.counters().dropped_by_full_queues, 1);
    let other = pair.up(b"question");
    pair.down(&other, b"answer");
}

#[test]
fn a_frame_that_is_too_long_is_not_sent() {
    let mut pair = Pair::plain().connected();
    let long = vec![0; (1 << 20) + 1];
    let peer = pair.up(b"hello");
    assert_eq!(pair.agent.send(0, long.clone()), Sent::TooLong);
    assert_eq!(pair.broker.send(&peer, long.clone()), Sent::TooLong);
    assert_eq!(pair.broker.publish(0, &long), Sent::TooLong);
    assert_eq!(pair.agent.counters().too_long, 1);
    assert_eq!(pair.broker.counters().too_long, 2);
}

#[test]
fn who_sends_a_frame_that_is_too_long_is_disconnected_and_nothing_of_it_is_read() {
    let mut options = BrokerOptions::new(endpoint(&anywhere()));
    options.settings.max_frame_bytes = 10_000;
    let mut pair = Pair::at(BrokerSockets::bind(&options).unwrap()).connected();
    assert_eq!(pair.agent.send(0, vec![0; 1 << 20]), Sent::Queued);
    pair.until("disconnected", |pair| pair.agent.counters().disconnected == 1);
    pair.up(b"in bounds");
    assert_eq!(pair.at_broker.len(), 1);
    // A little longer than allowed: read, and dropped.
    pair.until("sent", |pair| pair.agent.send(0, vec![0; 10_001]) == Sent::Queued);
    pair.until("dropped", |pair| pair.broker.counters().too_long == 1);
}

#[test]
fn an_agent_bounds_what_it_reads_too() {
    let broker = BrokerSockets::bind(&BrokerOptions::new(endpoint(&anywhere()))).unwrap();
    let mut options = AgentOptions::new([broker.endpoint().clone()]);
    options.settings.max_frame_bytes = 10_000;
    let agent = AgentSockets::connect(&options).unwrap();
    let mut pair = Pair::new(broker, agent);
    pair.agent.subscribe(1).unwrap();
    pair.streamed(1, b"ready");
    assert_eq!(pair.broker.publish(1, &vec![0; 1 << 20]), Sent::Queued);
    pair.until("disconnected", |pair| pair.agent.counters().disconnected == 1);
    // libzmq connects no more after that; the agent does.
    pair.streamed(1, b"again");
}
