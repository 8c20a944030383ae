//! Frames that are none, from elsewhere, or of another version: counted, dropped, and no harm done.

use guira_bus::runtime::{BrokerHandle, BrokerTally};
use guira_bus::wire::{Cluster, ToAgent, ToBroker, WIRE_VERSION, encode};

use super::scripted::{CLUSTER, Scripted, broker};

/// Waits until the broker answers again: what was sent before has been dropped by then.
fn after_status(agent: &mut Scripted, broker: &BrokerHandle) -> BrokerTally {
    agent.answers.clear();
    agent.send(&ToBroker::Status);
    agent.answer("status", |answer| match answer {
        ToAgent::Status(status) => Some(status.position),
        _ => None,
    });
    broker.report().unwrap().tally
}

#[test]
fn malformed_frames_are_counted_and_dropped() {
    let broker = broker();
    let mut agent = Scripted::connected(&broker);
    let frame = encode(Cluster::of_name(CLUSTER), &ToBroker::Status);
    for cut in [0, 1, 5, frame.len() - 1] {
        agent.send_bytes(frame[..cut].to_vec());
    }
    agent.send_bytes([frame.as_slice(), &[0]].concat());
    agent.send_bytes(vec![0xff; 1000]);
    let tally = after_status(&mut agent, &broker);
    assert_eq!((tally.malformed, tally.frames), (6, 1));
    assert_eq!(tally.dropped(), 6);
}

#[test]
fn frames_of_another_cluster_are_not_answered() {
    let broker = broker();
    let mut agent = Scripted::connected(&broker);
    agent.send_bytes(encode(Cluster::of_name("other"), &ToBroker::Status));
    let tally = after_status(&mut agent, &broker);
    assert_eq!((tally.other_cluster, tally.frames), (1, 1));
    assert_eq!(agent.answers.len(), 1);
}

#[test]
fn frames_of_another_version_are_counted_apart() {
    let broker = broker();
    let mut agent = Scripted::connected(&broker);
    let mut frame = encode(Cluster::of_name(CLUSTER), &ToBroker::Status);
    frame[2..4].copy_from_slice(&(WIRE_VERSION + 1).to_le_bytes());
    agent.send_bytes(frame);
    let tally = after_status(&mut agent, &broker);
    assert_eq!((tally.other_version, tally.malformed, tally.frames), (1, 0, 1));
}
