//! What is wrong from the start, and what happens to files under a running agent: said, and nothing is lost.

use std::path::Path;
use std::time::Duration;

use guira::coherence::{Coherence, CoherenceError};
use guira::{Error, Guira};
use guira_bus::runtime::{Broker, BrokerConfig};
use guira_bus::transport::BrokerKeys;
use guira_bus::transport::keys::KeyPair;

use crate::coherence::{LONG, announce, broker, cache, host, settings, until};

const SOON: Duration = Duration::from_millis(700);

fn host_at(path: &Path, address: &str) -> Guira {
    Guira::builder()
        .size(16 << 20)
        .coherence(settings(address))
        .open(path)
        .expect("a coherent cache")
}

/// Why a host is not coherent soon.
fn reason(coherence: Coherence) -> String {
    let opened = Guira::builder()
        .size(16 << 20)
        .coherence(coherence.start_within(SOON))
        .private();
    match opened {
        Err(Error::Coherence(error)) => {
            assert!(matches!(*error, CoherenceError::NotActive { .. }), "{error}");
            error.to_string()
        }
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("it is coherent"),
    }
}

/// What `from` says reaches `to`.
fn assert_reaches(from: &Guira, to: &Guira, key: &str) {
    // What is put into a namespace that is new to the agent is void when the agent has begun to follow it.
    until("it is kept", || {
        cache(to).put(key, &1, LONG).expect("stored");
        cache(to).get(key).expect("read") == Some(1)
    });
    cache(from).invalidate(key).expect("invalidated");
    announce(from);
    assert_eq!(cache(to).get(key).expect("read"), None);
}

#[test]
fn a_name_without_an_address_is_said() {
    let text = reason(Coherence::of_cluster("test").broker("tcp://nowhere.invalid:7227"));
    assert!(text.contains("tcp://nowhere.invalid:7227"), "{text}");
    assert!(text.contains("no address"), "{text}");
}

#[test]
fn a_broker_of_another_cluster_is_said_and_notices_nothing() {
    let (broker, address) = broker();
    let other = Coherence::of_cluster("other").broker(&address);
    let text = reason(other.clone());
    assert!(text.contains("other") && text.contains(&address), "{text}");
    let here = Guira::builder()
        .size(16 << 20)
        .coherence(other.start_within(Duration::ZERO))
        .private()
        .expect("it does not wait");
    until("the likely cause is said", || {
        let late = here.wait_coherent(Duration::from_millis(1));
        late.is_err_and(|error| error.to_string().contains("its own cluster"))
    });
    let dropped = broker.report().expect("it runs").tally;
    assert!(dropped.other_cluster > 0, "{dropped:?}");
    assert_eq!(broker.report().expect("it runs").status.hosts, 0);
}

#[test]
fn keys_that_do_not_fit_are_said() {
    let folder = tempfile::tempdir().expect("a directory");
    let (own, stranger, theirs) = (
        KeyPair::generate().expect("keys"),
        KeyPair::generate().expect("keys"),
        KeyPair::generate().expect("keys"),
    );
    let allowed = folder.path().join("allowed");
    std::fs::create_dir(&allowed).expect("writable");
    std::fs::write(allowed.join("own.key"), own.public().to_string()).expect("writable");
    for (name, pair) in [("own", &own), ("stranger", &stranger)] {
        pair.save(&folder.path().join(name)).expect("writable");
    }
    let mut config = BrokerConfig::new("tcp://127.0.0.1:0".parse().expect("an address"), "test");
    config.sockets.keys = Some(BrokerKeys {
        pair: theirs.clone(),
        allowed,
    });
    let broker = Broker::bind(config)
        .and_then(Broker::spawn)
        .expect("it can be bound");
    let address = broker.endpoint().to_string();
    let with = |public: &KeyPair, directory: &str| {
        Coherence::of_cluster("test")
            .broker_with_key(&address, &public.public().to_string())
            .keys(folder.path().join(directory))
    };
    let text = reason(with(&theirs, "stranger"));
    assert!(text.contains("folder of allowed keys"), "{text}");
    let text = reason(with(&stranger, "own"));
    assert!(text.contains("public key given for this broker"), "{text}");
    let text = reason(Coherence::of_cluster("test").broker(&address));
    assert!(text.contains("keys"), "{text}");
    let fits = Guira::builder()
        .size(16 << 20)
        .coherence(with(&theirs, "own").start_within(LONG))
        .private();
    fits.expect("these fit");
}

#[test]
fn half_of_the_keys_is_an_error_at_once() {
    let folder = tempfile::tempdir().expect("a directory");
    let pair = KeyPair::generate().expect("keys");
    pair.save(folder.path()).expect("writable");
    let public = pair.public().to_string();
    let place = "tcp://127.0.0.1:1";
    let without_own = Coherence::of_cluster("test").broker_with_key(place, &public);
    let without_theirs = Coherence::of_cluster("test").broker(place).keys(folder.path());
    for (coherence, missing) in [
        (without_own, "the agent's own key pair is missing"),
        (without_theirs, "the broker's public key is missing"),
    ] {
        let opened = Guira::builder()
            .size(16 << 20)
            .coherence(coherence.start_within(Duration::ZERO))
            .private();
        let text = opened.expect_err("they go together").to_string();
        assert!(text.contains(missing), "{text}");
    }
}

#[test]
fn a_processor_that_there_is_not_is_an_error_at_once() {
    let coherence = Coherence::of_cluster("test").broker("tcp://127.0.0.1:1");
    let opened = Guira::builder()
        .size(16 << 20)
        .coherence(coherence.processor(usize::MAX))
        .private();
    let text = opened.expect_err("there are fewer").to_string();
    assert!(text.contains(&usize::MAX.to_string()), "{text}");
    assert!(text.contains("taskset"), "{text}");
}

#[test]
fn what_is_put_under_a_new_name_is_there() {
    let (_broker, address) = broker();
    let here = host(&address);
    for number in 0..20 {
        let values = here.cache::<u64, u64>(&format!("cache {number}"));
        values.put(&7, &1, LONG).expect("stored");
        assert_eq!(values.get(&7).expect("read"), Some(1), "of cache {number}");
    }
    here.catch_up(LONG).expect("a broker is there");
    for number in 0..20 {
        let values = here.cache::<u64, u64>(&format!("cache {number}"));
        assert_eq!(values.get(&7).expect("read"), Some(1), "of cache {number}");
    }
}

#[test]
fn a_file_that_is_removed_and_made_again_is_another_host() {
    let (_broker, address) = broker();
    let other = host(&address);
    let folder = tempfile::tempdir_in("/dev/shm").expect("a directory");
    let path = folder.path().join("segment.guira");
    let before = host_at(&path, &address);
    assert_reaches(&before, &other, "before");
    std::fs::remove_file(&path).expect("it is there");
    let now = host_at(&path, &address);
    assert_reaches(&now, &other, "forth");
    assert_reaches(&other, &now, "back");
    // Who has the removed file open goes on with it.
    assert_reaches(&now, &before, "to the removed one");
    assert_reaches(&before, &now, "from the removed one");
}

#[test]
fn a_copied_file_is_a_host_of_its_own() {
    let (_broker, address) = broker();
    let other = host(&address);
    let folder = tempfile::tempdir_in("/dev/shm").expect("a directory");
    let [one, two] = ["one.guira", "two.guira"].map(|name| folder.path().join(name));
    let first = host_at(&one, &address);
    assert_reaches(&first, &other, "before");
    cache(&first).put("old", &1, LONG).expect("stored");
    assert_eq!(cache(&first).get("old").expect("read"), Some(1));
    // Under a running agent: the copy has its journal, its identity and what it noted of the broker.
    std::fs::copy(&one, &two).expect("there is room");
    cache(&first).invalidate("old").expect("invalidated");
    announce(&first);
    let second = host_at(&two, &address);
    for (from, to) in [
        (&first, &second),
        (&second, &first),
        (&second, &other),
        (&other, &second),
    ] {
        assert_reaches(from, to, "after");
    }
    assert_eq!(
        cache(&second).get("old").expect("read"),
        None,
        "invalidated after it was copied"
    );
}

#[test]
fn a_segment_of_another_cluster_is_refused_and_not_harmed() {
    let (_broker, address) = broker();
    let folder = tempfile::tempdir_in("/dev/shm").expect("a directory");
    let path = folder.path().join("segment.guira");
    drop(host_at(&path, &address));
    let other = Guira::builder()
        .coherence(Coherence::of_cluster("another").broker(&address))
        .open(&path);
    let text = other.expect_err("its keys hash otherwise").to_string();
    assert!(text.contains("another") && text.contains("cluster"), "{text}");
    // And is none the worse for it.
    let again = host_at(&path, &address);
    until("it is trusted", || {
        again.coherence_status().is_some_and(|status| status.is_trusted)
    });
}
