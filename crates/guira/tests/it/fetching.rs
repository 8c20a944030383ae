//! Values that another host has, in place of computing them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use guira::coherence::Consistency;
use guira::{Cache, FlightOptions, Guira, PutOptions};

use super::coherence::{LONG, WAIT, announce, broker, cache, followed, host, until};

const SHORT: Duration = Duration::from_millis(200);

fn fetching(guira: &Guira) -> Cache<u64, u64> {
    guira
        .cache_builder("values")
        .flights(FlightOptions::default().cluster(true).fetching(SHORT))
        .lifetime(LONG)
        .build()
        .expect("a cache")
}

/// Two hosts whose caches are followed.
fn two(address: &str) -> [Guira; 2] {
    let hosts = [host(address), host(address)];
    for host in &hosts {
        followed(&cache(host));
    }
    hosts
}

#[test]
fn a_host_is_given_what_another_has_in_place_of_computing_it() {
    let (_broker, address) = broker();
    let [here, there] = two(&address);
    let (ours, theirs) = (fetching(&here), fetching(&there));
    let (mut key, computed) = (0, AtomicU64::new(0));
    // The other may not have heard yet what this one has.
    until("a value is fetched", || {
        key += 1;
        ours.put(&key, &(100 + key), LONG).expect("put");
        let before = computed.load(Ordering::Relaxed);
        let value = theirs.get_or_compute(&key, || {
            computed.fetch_add(1, Ordering::Relaxed);
            200 + key
        });
        let is_computed = computed.load(Ordering::Relaxed) > before;
        let expected = if is_computed { 200 + key } else { 100 + key };
        assert_eq!(value.expect("a value"), expected);
        !is_computed
    });
    let kept = theirs.reading(Consistency::Any).get(&key);
    assert_eq!(kept.expect("get"), Some(100 + key), "it is kept");
    let stats = theirs.flight_stats();
    assert_eq!(stats.fetched_from_hosts, 1);
    assert_eq!(stats.fetches, key);
    assert_eq!(stats.computations, key - 1);
}

#[test]
fn a_host_that_is_not_to_fetch_computes() {
    let (_broker, address) = broker();
    let [here, there] = two(&address);
    let (ours, fetching) = (fetching(&here), fetching(&there));
    until("it could be fetched", || {
        ours.put(&7, &1, LONG).expect("put");
        fetching.fetch(&7, SHORT).expect("fetch") == Some(1)
    });
    ours.put(&8, &1, LONG).expect("put");
    let plain: Cache<u64, u64> = there
        .cache_builder("values")
        .flights(FlightOptions::default().cluster(true))
        .build()
        .expect("a cache");
    let computes = plain.get_or_compute_with(&8, LONG, || 2).expect("a value");
    assert_eq!(computes, 2);
    assert_eq!(plain.flight_stats().fetches, 0);
}

#[test]
fn what_a_host_invalidated_it_is_not_given_again() {
    let (_broker, address) = broker();
    let [here, there] = two(&address);
    let (ours, theirs) = (fetching(&here), fetching(&there));
    for version in 1..=50 {
        until("it is given", || {
            ours.put(&7, &version, LONG).expect("put");
            theirs.fetch(&7, SHORT).expect("fetch") == Some(version)
        });
        // Nothing is waited for: the other host has not heard of it, perhaps.
        theirs.invalidate(&7).expect("invalidate");
        assert_eq!(theirs.fetch(&7, Duration::from_millis(5)).expect("fetch"), None);
        // It must be gone over there before it is put again.
        announce(&there);
    }
}

#[test]
fn a_value_brings_its_tags_and_the_time_that_is_left() {
    let (_broker, address) = broker();
    let [here, there] = two(&address);
    let (ours, theirs) = (fetching(&here), fetching(&there));
    let life = Duration::from_secs(60);
    let options = PutOptions::from(life).tags(&[b"red"]);
    until("it is given", || {
        ours.put(&7, &1, options).expect("put");
        theirs.fetch(&7, SHORT).expect("fetch") == Some(1)
    });
    let left = theirs.metadata(&7).expect("metadata").expect("an entry").ttl;
    assert!(left.is_some_and(|left| left <= life), "{left:?}");
    ours.invalidate_tag(b"red").expect("tag");
    announce(&here);
    assert_eq!(theirs.get(&7).expect("get"), None);
    assert_eq!(theirs.fetch(&7, Duration::from_millis(5)).expect("fetch"), None);
}

#[test]
fn a_large_value_is_given_by_one_of_those_who_have_it() {
    let (_broker, address) = broker();
    let hosts = [host(&address), host(&address), host(&address)];
    let open = |guira: &Guira| -> Cache<u64, String> { guira.cache("texts") };
    let text = "x".repeat(100_000);
    let [first, second, third] = &hosts;
    until("the namespace is followed", || {
        [first, second].iter().all(|host| {
            open(host).put(&7, &text, LONG).expect("put");
            open(host).get(&7).expect("get").is_some()
        })
    });
    let theirs = open(third);
    until("it is given and kept", || {
        let given = theirs.fetch(&7, SHORT).expect("fetch");
        assert!(given.as_ref().is_none_or(|given| *given == text));
        given.is_some() && theirs.get(&7).expect("get").is_some()
    });
}

#[test]
fn nobody_is_waited_for_when_all_have_said_that_they_have_nothing() {
    let (_broker, address) = broker();
    let [here, there] = two(&address);
    let (ours, theirs) = (fetching(&here), fetching(&there));
    until("hosts give", || {
        ours.put(&7, &1, LONG).expect("put");
        theirs.fetch(&7, SHORT).expect("fetch") == Some(1)
    });
    until("an answer comes before its time", || {
        let began = Instant::now();
        assert_eq!(theirs.fetch(&8, WAIT).expect("fetch"), None);
        began.elapsed() < WAIT / 2
    });
}

#[test]
fn a_cache_of_no_cluster_has_nobody_to_ask() {
    let alone = Guira::builder().size(8 << 20).private().expect("a cache");
    let values: Cache<u64, u64> = alone.cache("values");
    assert_eq!(values.fetch(&7, WAIT).expect("fetch"), None);
    values.put(&7, &1, LONG).expect("put");
    assert_eq!(values.fetch(&7, WAIT).expect("fetch"), Some(1));
}
