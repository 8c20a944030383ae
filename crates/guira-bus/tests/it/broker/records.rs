//! Records go in once and in order, and out to everybody.

use guira_bus::transport::TransportError;
use guira_bus::wire::{Ask, Epoch, Origin, Refusal, ToAgent, ToBroker};

use super::scripted::{Scripted, broker, hello, record};

fn ack(answer: &ToAgent) -> Option<u64> {
    match answer {
        ToAgent::Ack { next, .. } => Some(*next),
        _ => None,
    }
}

#[test]
fn what_one_publishes_is_acknowledged_and_comes_to_the_other() {
    let broker = broker();
    let (mut one, mut other) = (Scripted::joined(&broker, 1), Scripted::joined(&broker, 2));
    one.publish(0, vec![record(1), record(2)]);
    // It is told of its head whenever it asks: the first time it may be of nothing.
    one.until("both are acknowledged", |one| {
        one.answers.iter().filter_map(ack).any(|next| next == 2)
    });
    other.until("streamed", |agent| agent.streamed(Origin(1)) == [0, 1]);
    let report = broker.stop().unwrap();
    assert_eq!(report.status.position, 2);
    assert_eq!(report.status.hosts, 2);
    assert_eq!(report.tally.published_items, 2);
}

#[test]
fn what_comes_twice_counts_once_and_what_comes_too_early_is_asked_for() {
    let broker = broker();
    let mut agent = Scripted::joined(&broker, 1);
    agent.publish(1, vec![record(2)]);
    let missing = agent.answer("asked for", |answer| match answer {
        ToAgent::Resend { next, .. } => Some(*next),
        _ => None,
    });
    assert_eq!(missing, 0);
    agent.publish(0, vec![record(1), record(2)]);
    agent.publish(0, vec![record(1), record(2), record(3)]);
    agent.until("three are acknowledged", |agent| {
        agent.answers.iter().filter_map(ack).any(|next| next == 3)
    });
    agent.until("streamed", |agent| agent.streamed(Origin(1)).len() >= 3);
    assert_eq!(agent.streamed(Origin(1)), [0, 1, 2]);
    assert_eq!(broker.report().unwrap().status.position, 3);
}

#[test]
fn a_question_is_answered_with_the_heads_of_its_time() {
    let broker = broker();
    let mut agent = Scripted::joined(&broker, 1);
    agent.publish(0, vec![record(1)]);
    let ask = Ask {
        epoch: agent.epoch,
        asked_at_us: 77,
        topics: u64::MAX,
        applied: 0,
        members_version: 1,
    };
    agent.send(&ToBroker::Ask(ask));
    let answer = agent.answer("answered", |answer| match answer {
        ToAgent::Answer(answer) => Some(answer.clone()),
        _ => None,
    });
    assert_eq!((answer.asked_at_us, answer.position, answer.next), (77, 1, 1));
    assert_eq!(answer.heads.iter().filter(|head| **head == 1).count(), 1);
    assert!(answer.is_accepted, "nobody else is to know of it");
}

#[test]
fn a_stranger_and_one_of_another_epoch_are_asked_who_they_are() {
    let broker = broker();
    let mut agent = Scripted::connected(&broker);
    agent.publish(0, vec![record(1)]);
    let asked = |answer: &ToAgent| match answer {
        ToAgent::WhoAreYou { epoch } => Some(*epoch),
        _ => None,
    };
    assert_eq!(agent.answer("asked", asked), broker.epoch());
    let mut agent = Scripted::joined(&broker, 1);
    agent.epoch = Epoch(agent.epoch.0 ^ 1);
    agent.publish(0, vec![record(1)]);
    assert_eq!(agent.answer("asked", asked), broker.epoch());
    assert_eq!(broker.report().unwrap().status.position, 0);
}

#[test]
fn who_names_another_number_of_brokers_is_refused_and_told_why() {
    let broker = broker();
    let mut agent = Scripted::connected(&broker);
    let mut words = hello(1);
    words.brokers = 3;
    agent.send(&ToBroker::Hello(words));
    let reason = agent.answer("refused", |answer| match answer {
        ToAgent::Refused { reason, .. } => Some(reason.clone()),
        _ => None,
    });
    let expected = Refusal::OtherBrokers {
        broker_names: 1,
        agent_names: 3,
    };
    assert_eq!(reason, expected);
    assert_eq!(broker.report().unwrap().status.hosts, 0);
}

#[test]
fn who_leaves_in_order_is_gone_at_once() {
    let broker = broker();
    let (mut one, mut other) = (Scripted::joined(&broker, 1), Scripted::joined(&broker, 2));
    let epoch = one.epoch;
    one.send(&ToBroker::Goodbye { epoch });
    other.until("one host is left", |_| broker.report().unwrap().status.hosts == 1);
}

#[test]
fn a_stopped_broker_leaves_its_endpoint_to_the_next_one_of_another_epoch() {
    use guira_bus::runtime::{Broker, BrokerConfig};

    let first = broker();
    let (endpoint, epoch) = (first.endpoint().clone(), first.epoch());
    let config = BrokerConfig::new(endpoint, "shop");
    let taken = Broker::bind(config.clone()).map(drop);
    assert!(matches!(taken, Err(TransportError::InUse { .. })), "{taken:?}");
    first.stop().unwrap();
    let second = loop {
        // libzmq's threads give the address back a moment later.
        match Broker::bind(config.clone()) {
            Err(TransportError::InUse { .. }) => std::thread::yield_now(),
            other => break other.unwrap().spawn().unwrap(),
        }
    };
    assert_ne!(second.epoch(), epoch);
    assert!(second.is_running());
}
