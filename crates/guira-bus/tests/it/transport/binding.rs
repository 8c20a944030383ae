//! Where a broker may listen, and what it says where it may not.

use guira_bus::transport::{AgentOptions, AgentSockets, BrokerOptions, BrokerSockets, TransportError};

use crate::place::{anywhere, own_address};

use super::pair::{Keyring, Pair, broker_at, endpoint};

fn refusal(text: &str) -> TransportError {
    BrokerSockets::bind(&BrokerOptions::new(endpoint(text))).unwrap_err()
}

#[test]
fn port_zero_finds_two_ports_and_says_the_first() {
    let broker = broker_at(&anywhere());
    assert!(broker.endpoint().port().unwrap() > 0);
    Pair::at(broker).connected();
}

#[test]
fn a_name_of_this_machine_can_be_bound() {
    let broker = broker_at("tcp://localhost:0");
    assert!(broker.endpoint().to_string().starts_with("tcp://localhost:"));
    Pair::at(broker).connected();
}

#[test]
fn an_address_in_use_is_named_and_free_once_its_broker_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let path = format!("ipc://{}/bus", folder.path().display());
    for place in [&anywhere(), &path] {
        let first = broker_at(place);
        let place = first.endpoint().to_string();
        let error = refusal(&place);
        assert!(matches!(error, TransportError::InUse { .. }), "{error:?}");
        assert!(
            error.to_string().contains(&format!("{place} is in use")),
            "{error}"
        );
        // The one that listens was not harmed.
        let first = Pair::at(first).connected();
        drop(first);
        Pair::at(broker_at(&place)).connected();
    }
}

#[test]
fn the_port_above_is_needed_too_and_neither_is_kept() {
    let address = own_address();
    let upper = std::net::TcpListener::bind((address, 0)).unwrap();
    let upper_port = upper.local_addr().unwrap().port();
    let place = format!("tcp://{address}:{}", upper_port - 1);
    let error = refusal(&place);
    assert!(matches!(error, TransportError::InUse { .. }), "{error:?}");
    assert!(error.to_string().contains(&upper_port.to_string()), "{error}");
    drop(upper);
    broker_at(&place);
}

#[test]
fn a_public_endpoint_needs_keys_or_the_word_insecure() {
    let error = refusal("tcp://0.0.0.0:0");
    assert!(
        matches!(error, TransportError::PublicWithoutKeys { .. }),
        "{error:?}"
    );
    assert!(error.to_string().contains("guira keygen"), "{error}");

    let mut insecure = BrokerOptions::new(endpoint("tcp://*:0"));
    insecure.insecure = true;
    BrokerSockets::bind(&insecure).unwrap();

    BrokerSockets::bind(&Keyring::new().broker_options("tcp://*:0")).unwrap();
}

#[test]
fn an_address_that_cannot_be_bound_says_why() {
    let error = refusal("tcp://nowhere.invalid:7400");
    assert!(
        matches!(error, TransportError::PublicWithoutKeys { .. }),
        "{error:?}"
    );
    let keyring = Keyring::new();
    let refusal = |text: &str| BrokerSockets::bind(&keyring.broker_options(text)).unwrap_err();

    let error = refusal("tcp://nowhere.invalid:7400");
    assert!(matches!(error, TransportError::Unresolvable { .. }), "{error:?}");
    assert!(
        error
            .to_string()
            .contains("tcp://nowhere.invalid:7400 has no address"),
        "{error}"
    );
    // Of a range that is for documentation: no machine has it.
    let error = refusal("tcp://192.0.2.1:7400");
    assert!(matches!(error, TransportError::NotBindable { .. }), "{error:?}");
    let error = refusal("ipc:///nowhere/at/all/bus");
    assert!(matches!(error, TransportError::File { .. }), "{error:?}");
    assert!(error.to_string().contains("/nowhere/at/all/bus.lock"), "{error}");
}

#[test]
fn a_folder_of_allowed_keys_must_be_there() {
    let keyring = Keyring::new();
    let options = keyring.broker_options(&anywhere());
    std::fs::remove_dir_all(keyring.folder()).unwrap();
    let error = BrokerSockets::bind(&options).unwrap_err();
    assert!(matches!(error, TransportError::Key(_)), "{error:?}");
    let folder = keyring.folder().display().to_string();
    assert!(error.to_string().contains(&folder), "{error}");
}

#[test]
fn an_endpoint_to_bind_is_none_to_connect_to() {
    for text in ["tcp://*:7400", "tcp://127.0.0.1:0"] {
        let error = AgentSockets::connect(&AgentOptions::new([endpoint(text)])).unwrap_err();
        assert!(
            matches!(error, TransportError::NotConnectable { .. }),
            "{error:?}"
        );
        assert!(error.to_string().contains(text), "{error}");
    }
}
