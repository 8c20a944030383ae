//! With keys: who is let in, who is not, and what is said to whom.

use guira_bus::transport::keys::KeyPair;
use guira_bus::transport::{
    AgentOptions, AgentSockets, BrokerAddress, BrokerSockets, Channel, HandshakeFailure, LinkChange,
    TransportError,
};

use crate::place::anywhere;

use super::pair::{Keyring, Pair};

fn pair_of(keyring: &Keyring, own: &KeyPair) -> Pair {
    let broker = BrokerSockets::bind(&keyring.broker_options(&anywhere())).unwrap();
    let agent = AgentSockets::connect(&keyring.agent_options(&broker, own)).unwrap();
    Pair::new(broker, agent)
}

#[test]
fn who_is_not_allowed_is_refused_until_its_key_is_put_into_the_folder() {
    let (keyring, own) = (Keyring::new(), KeyPair::generate().unwrap());
    keyring.allow("somebody-else", &KeyPair::generate().unwrap());
    let mut pair = pair_of(&keyring, &own);
    pair.until_change(LinkChange::HandshakeFailed(HandshakeFailure::Refused));
    pair.until("counted", |pair| pair.broker.counters().refused_keys >= 2);
    assert!(!pair.agent.is_connected(0, Channel::Control));
    assert!(pair.at_broker.is_empty());

    keyring.allow("own", &own);
    let mut pair = pair.connected();
    let peer = pair.up(b"question");
    pair.down(&peer, b"answer");
}

#[test]
fn who_loses_its_key_is_disconnected_and_the_others_come_back() {
    let (keyring, own, other) = (
        Keyring::new(),
        KeyPair::generate().unwrap(),
        KeyPair::generate().unwrap(),
    );
    keyring.allow("own", &own);
    keyring.allow("other", &other);
    let mut pair = pair_of(&keyring, &own).connected();
    std::fs::remove_file(keyring.file("own")).unwrap();
    pair.until_change(LinkChange::Disconnected);
    pair.until_change(LinkChange::HandshakeFailed(HandshakeFailure::Refused));
    assert_eq!(pair.broker.counters().rebound, 1);
    pair.at_agent.clear();

    pair.agent = AgentSockets::connect(&keyring.agent_options(&pair.broker, &other)).unwrap();
    let mut pair = pair.connected();
    let peer = pair.up(b"question");
    pair.down(&peer, b"answer");
}

#[test]
fn a_wrong_broker_key_is_reported_on_both_sides() {
    let (keyring, own) = (Keyring::new(), KeyPair::generate().unwrap());
    keyring.allow("own", &own);
    let broker = BrokerSockets::bind(&keyring.broker_options(&anywhere())).unwrap();
    let mut options = keyring.agent_options(&broker, &own);
    options.brokers[0].key = Some(KeyPair::generate().unwrap().public());
    let mut pair = Pair::new(broker, AgentSockets::connect(&options).unwrap());
    let wrong = LinkChange::HandshakeFailed(HandshakeFailure::WrongKey);
    pair.until_change(wrong);
    assert!(
        wrong.to_string().contains("public key given for this broker"),
        "{wrong}"
    );
    pair.until("counted", |pair| pair.broker.counters().failed_handshakes >= 2);
    assert_eq!(pair.broker.counters().handshakes, 0);
    // Said once for each socket, however often it is tried.
    pair.until("tried again", |pair| pair.agent.counters().reopened >= 4);
    assert_eq!(pair.changes(), [wrong, wrong]);
}

#[test]
fn an_agent_without_keys_can_neither_speak_nor_hear() {
    let keyring = Keyring::new();
    let broker = BrokerSockets::bind(&keyring.broker_options(&anywhere())).unwrap();
    let mut pair = Pair::at(broker);
    pair.agent.subscribe(0).unwrap();
    let one_sided = LinkChange::HandshakeFailed(HandshakeFailure::KeysOnOneSide);
    pair.until_change(one_sided);
    pair.until("tried again", |pair| {
        let _ = pair.broker.publish(0, b"secret");
        pair.agent.counters().reopened >= 4
    });
    assert!(pair.at_broker.is_empty());
    // The broker may close the connection before the agent read why.
    let closed = LinkChange::HandshakeFailed(HandshakeFailure::Closed);
    assert!(
        pair.changes()
            .iter()
            .all(|change| [one_sided, closed].contains(change))
    );
    assert_eq!(pair.agent.counters().streamed, 0);
}

#[test]
fn an_agent_with_keys_does_not_speak_to_a_broker_without() {
    let keyring = Keyring::new();
    let mut pair = Pair::plain();
    let own = KeyPair::generate().unwrap();
    pair.agent = AgentSockets::connect(&keyring.agent_options(&pair.broker, &own)).unwrap();
    pair.until_change(LinkChange::HandshakeFailed(HandshakeFailure::KeysOnOneSide));
    assert!(pair.at_broker.is_empty());
}

#[test]
fn keys_go_together() {
    let pair = Pair::plain();
    let endpoint = pair.broker.endpoint().clone();
    let mut options = AgentOptions::new([endpoint.clone()]);
    options.keys = Some(KeyPair::generate().unwrap());
    let error = AgentSockets::connect(&options).unwrap_err();
    assert!(
        error.to_string().contains("the broker's public key is missing"),
        "{error}"
    );

    let key = options.keys.take().map(|pair| pair.public());
    options.brokers = vec![BrokerAddress { endpoint, key }];
    let error = AgentSockets::connect(&options).unwrap_err();
    assert!(matches!(error, TransportError::KeyMissing { .. }), "{error:?}");
    assert!(error.to_string().contains("own key pair is missing"), "{error}");
}
