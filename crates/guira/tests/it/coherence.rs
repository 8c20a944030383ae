//! Two hosts, that is two segments, and a broker between them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use guira::coherence::{Coherence, CoherenceError, Reach, WhenSuspect};
use guira::{Cache, Error, Guira};
use guira_bus::runtime::{Broker, BrokerConfig, BrokerHandle};
use guira_bus::transport::Endpoint;

pub(super) const WAIT: Duration = Duration::from_secs(10);
pub(super) const LONG: Duration = Duration::from_secs(3_600);

pub(super) fn broker_at(address: &str) -> BrokerHandle {
    let endpoint: Endpoint = address.parse().expect("an address");
    let began = Instant::now();
    loop {
        // An address is given back by the last owner's threads, a moment after it was dropped.
        match Broker::bind(BrokerConfig::new(endpoint.clone(), "test")) {
            Ok(broker) => return broker.spawn().expect("a thread"),
            Err(error) if began.elapsed() > WAIT => panic!("{error}"),
            Err(_) => std::thread::yield_now(),
        }
    }
}

pub(super) fn broker() -> (BrokerHandle, String) {
    let broker = broker_at("tcp://127.0.0.1:0");
    let address = broker.endpoint().to_string();
    (broker, address)
}

pub(super) fn settings(address: &str) -> Coherence {
    Coherence::of_cluster("test").broker(address).start_within(WAIT)
}

pub(super) fn host(address: &str) -> Guira {
    Guira::builder()
        .size(16 << 20)
        .coherence(settings(address))
        .private()
        .expect("a coherent cache")
}

pub(super) fn announce(guira: &Guira) {
    guira
        .announced()
        .expect("coherent")
        .wait(Reach::Applied, WAIT)
        .expect("applied everywhere");
}

/// Waits until `is_so`, which something else brings about.
pub(super) fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < WAIT, "{what}");
        std::thread::park_timeout(Duration::from_millis(2));
    }
}

pub(super) fn cache(guira: &Guira) -> Cache<str, u64> {
    guira.cache("values")
}

/// Waits until values of a cache are kept: a namespace that is new is followed a moment after its first use.
pub(super) fn followed(cache: &Cache<str, u64>) {
    until("the namespace is followed", || {
        cache.put("followed", &1, LONG).expect("put");
        cache.get("followed").expect("get").is_some() && is_trusted(cache)
    });
}

fn is_trusted(cache: &Cache<str, u64>) -> bool {
    cache.segment().expect("a namespace").trusted_for().is_some()
}

#[test]
fn what_one_host_invalidates_is_a_miss_on_the_other() {
    let (_broker, address) = broker();
    let (here, there) = (host(&address), host(&address));
    let (ours, theirs) = (cache(&here), cache(&there));
    until("the namespace is followed", || {
        theirs.put("k", &1, LONG).expect("put");
        theirs.get("k").expect("get") == Some(1)
    });
    theirs.put("other", &2, LONG).expect("put");
    ours.put("k", &1, LONG).expect("put");
    ours.invalidate("k").expect("invalidate");
    announce(&here);
    assert_eq!(theirs.get("k").expect("get"), None);
    assert_eq!(theirs.get("other").expect("get"), Some(2));
}

#[test]
fn tags_namespaces_and_everything_reach_the_other_host() {
    let (_broker, address) = broker();
    let (here, there) = (host(&address), host(&address));
    let (ours, theirs) = (cache(&here), cache(&there));
    let other: Cache<str, u64> = there.cache("other");
    let put = |key: &str, tag: &[u8]| {
        theirs
            .put(key, &1, guira::PutOptions::from(LONG).tags(&[tag]))
            .expect("put");
    };
    until("the namespaces are followed", || {
        put("a", b"red");
        other.put("x", &1, LONG).expect("put");
        theirs.get("a").expect("get").is_some() && other.get("x").expect("get").is_some()
    });
    put("b", b"blue");

    ours.invalidate_tag(b"red").expect("tag");
    announce(&here);
    assert_eq!(theirs.get("a").expect("get"), None);
    assert_eq!(theirs.get("b").expect("get"), Some(1));

    ours.clear().expect("clear");
    announce(&here);
    assert_eq!(theirs.get("b").expect("get"), None);
    assert_eq!(other.get("x").expect("get"), Some(1));

    here.clear_all();
    announce(&here);
    assert_eq!(other.get("x").expect("get"), None);
}

#[test]
fn a_computation_that_began_before_a_foreign_invalidation_is_not_stored() {
    let (_broker, address) = broker();
    let (here, there) = (host(&address), host(&address));
    let (ours, theirs) = (cache(&here), cache(&there));
    until("the namespace is followed", || {
        theirs.put("k", &0, LONG).expect("put");
        theirs.get("k").expect("get").is_some()
    });
    theirs.invalidate("k").expect("invalidate");
    let computed = theirs
        .try_get_or_compute_with("k", LONG, || {
            // The source changes, and the other host says so, while this one is at it.
            ours.invalidate("k").expect("invalidate");
            announce(&here);
            Ok::<_, Error>(1)
        })
        .expect("computed");
    assert_eq!(computed, 1);
    assert_eq!(theirs.get("k").expect("get"), None, "it was of before");
}

#[test]
fn coherence_that_is_not_to_be_had_is_an_error_with_its_reason() {
    let error = Guira::builder()
        .size(16 << 20)
        .coherence(settings("tcp://127.0.0.1:9").start_within(Duration::from_millis(300)))
        .private()
        .expect_err("nobody is there");
    assert!(matches!(&error, Error::Coherence(inner) if matches!(**inner, CoherenceError::NotActive { .. })));
    let text = error.to_string();
    assert!(
        text.contains("tcp://127.0.0.1:9") && text.contains("no broker answers"),
        "{text}"
    );
}

#[test]
fn a_host_that_names_another_number_of_brokers_is_refused_and_told_so() {
    let (_broker, address) = broker();
    let error = Guira::builder()
        .size(16 << 20)
        .coherence(
            settings(&address)
                .broker("tcp://127.0.0.1:9")
                .broker("tcp://127.0.0.1:10")
                .start_within(Duration::from_millis(700)),
        )
        .private()
        .expect_err("majorities would not meet");
    let text = error.to_string();
    assert!(text.contains("3 brokers where the broker knows of 1"), "{text}");
}

#[test]
fn beyond_trust_each_cache_does_as_it_was_told() {
    let (broker, address) = broker();
    let host = host(&address);
    let of_policy = |policy| {
        host.cache_builder::<str, u64>("values")
            .when_suspect(policy)
            .build()
            .expect("a cache")
    };
    let revalidating = of_policy(WhenSuspect::Revalidate);
    let serving = of_policy(WhenSuspect::ServeStale);
    let refusing = of_policy(WhenSuspect::Refuse);
    until("the namespace is followed", || {
        serving.put("k", &1, LONG).expect("put");
        refusing.get("k").expect("get").is_some()
    });
    broker.stop().expect("it stops");
    until("trust runs out", || {
        !host.coherence_status().expect("coherent").is_trusted
    });
    assert_eq!(revalidating.get("k").expect("get"), None);
    assert_eq!(refusing.get("k").expect("get"), None);
    assert_eq!(serving.get("k").expect("get"), Some(1));

    serving.put("other", &1, LONG).expect("put");
    let fails = || Err::<u64, Error>(CoherenceError::NotCoherent.into());
    let given = revalidating
        .try_get_or_compute_with("k", LONG, fails)
        .expect("the value that is there");
    assert_eq!(given, 1);
    refusing
        .try_get_or_compute_with("k", LONG, fails)
        .expect_err("and not if it is refused");
    let computed = revalidating.try_get_or_compute_with("other", LONG, || Ok::<_, Error>(2));
    assert_eq!(computed.expect("computed"), 2);
    assert_eq!(
        serving.get("other").expect("get"),
        Some(2),
        "it replaced the suspect one"
    );
    let counts = host.coherence_status().expect("coherent").counts;
    assert!(
        counts.suspect_served >= 2 && counts.suspect_refused >= 3,
        "{counts:?}"
    );
}

#[test]
fn a_broker_that_comes_back_finds_nothing_lost() {
    let (broker, address) = broker();
    let (here, there) = (host(&address), host(&address));
    let (ours, theirs) = (cache(&here), cache(&there));
    until("the namespace is followed", || {
        theirs.put("k", &1, LONG).expect("put");
        theirs.put("kept", &1, LONG).expect("put");
        theirs.get("kept").expect("get").is_some()
    });
    broker.stop().expect("it stops");
    ours.invalidate("k").expect("invalidate");
    let error = here
        .announced()
        .expect("coherent")
        .wait(Reach::Accepted, Duration::from_millis(100))
        .expect_err("nobody is there to accept it");
    assert!(
        matches!(error, CoherenceError::Unannounced { unaccepted: 1.., .. }),
        "{error}"
    );
    let _broker = broker_at(&address);
    announce(&here);
    until("trust returns", || {
        there.coherence_status().expect("coherent").is_trusted
    });
    assert_eq!(theirs.get("k").expect("get"), None);
}

#[test]
fn another_handle_of_the_host_takes_the_agents_role() {
    let (_broker, address) = broker();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("segment");
    let open = || {
        Guira::builder()
            .size(16 << 20)
            .coherence(settings(&address))
            .open(&path)
            .expect("a coherent cache")
    };
    let (first, second) = (open(), open());
    assert!(first.coherence_status().expect("coherent").is_agent);
    assert!(!second.coherence_status().expect("coherent").is_agent);
    let values = cache(&second);
    until("the namespace is followed", || {
        values.put("k", &1, LONG).expect("put");
        values.get("k").expect("get").is_some()
    });
    let floors = second.coherence_status().expect("coherent").counts.floors_raised;
    drop(first);
    until("the second takes over", || {
        second.coherence_status().expect("coherent").is_agent
    });
    announce(&second);
    until("trust goes on", || {
        second.coherence_status().expect("coherent").is_trusted
    });
    assert_eq!(values.get("k").expect("get"), Some(1), "nothing was lost");
    let counts = second.coherence_status().expect("coherent").counts;
    assert_eq!(
        counts.floors_raised, floors,
        "the stream was taken up where it was left"
    );
}

#[test]
fn a_journal_that_is_overrun_is_said_and_nothing_stale_is_kept() {
    let (broker, address) = broker();
    let here = Guira::builder()
        .size(16 << 20)
        .segment_settings(|segment| segment.journal_records(64))
        .coherence(settings(&address))
        .private()
        .expect("a coherent cache");
    let there = host(&address);
    let (ours, theirs) = (cache(&here), cache(&there));
    until("the namespace is followed", || {
        theirs.put("first", &1, LONG).expect("put");
        theirs.get("first").expect("get").is_some()
    });
    broker.stop().expect("it stops");
    ours.invalidate("first").expect("invalidate");
    for number in 0..200 {
        ours.invalidate(&number.to_string()).expect("invalidate");
    }
    let _broker = broker_at(&address);
    announce(&here);
    until("trust returns", || {
        there.coherence_status().expect("coherent").is_trusted
    });
    assert_eq!(theirs.get("first").expect("get"), None);
    assert!(here.coherence_status().expect("coherent").counts.overflows > 0);
}

fn shared_computations(guira: &Guira) -> Cache<u64, u64> {
    guira
        .cache_builder("shared")
        .flights(guira::FlightOptions::default().cluster(true))
        .build()
        .expect("a cache")
}

#[test]
fn one_computation_is_enough_for_all_hosts() {
    let (_broker, address) = broker();
    let hosts = [host(&address), host(&address), host(&address)];
    for host in &hosts {
        let values = shared_computations(host);
        until("the namespace is followed", || {
            values.put(&999, &1, LONG).expect("put");
            values.get(&999).expect("get").is_some()
        });
    }
    let (computations, callers) = (AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for host in &hosts {
            for key in 0..8 {
                let (computations, callers) = (&computations, &callers);
                scope.spawn(move || {
                    let values = shared_computations(host);
                    callers.fetch_add(1, Ordering::Relaxed);
                    let value = values.get_or_compute_with(&key, LONG, || {
                        computations.fetch_add(1, Ordering::Relaxed);
                        // Whoever asks when it is done computes again: all have begun, and then had time to ask.
                        until("all have begun", || callers.load(Ordering::Relaxed) == 24);
                        let began = Instant::now();
                        while began.elapsed() < Duration::from_millis(100) {
                            std::thread::park_timeout(Duration::from_millis(20));
                        }
                        key * key
                    });
                    assert_eq!(value.expect("a value"), key * key);
                });
            }
        }
    });
    assert_eq!(computations.into_inner(), 8);
    for host in &hosts {
        for key in 0..8 {
            let kept = shared_computations(host).get(&key).expect("get");
            assert_eq!(kept, Some(key * key), "every host keeps it");
        }
    }
}

#[test]
fn who_computes_a_key_and_gives_up_is_followed_by_one_who_waits() {
    let (_broker, address) = broker();
    let (here, there) = (host(&address), host(&address));
    let (ours, theirs) = (shared_computations(&here), shared_computations(&there));
    let (has_begun, begun) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        scope.spawn(move || {
            let failed = ours.try_get_or_compute_with(&7, LONG, || {
                has_begun.send(()).expect("somebody waits");
                let began = Instant::now();
                while began.elapsed() < Duration::from_millis(150) {
                    std::thread::park_timeout(Duration::from_millis(20));
                }
                Err::<u64, Error>(CoherenceError::NotCoherent.into())
            });
            failed.expect_err("it failed");
        });
        begun.recv().expect("it begins");
        let began = Instant::now();
        let value = theirs.get_or_compute_with(&7, LONG, || 49).expect("a value");
        assert_eq!(value, 49);
        assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    });
}

#[test]
fn a_value_that_was_invalidated_while_it_was_computed_elsewhere_is_not_kept() {
    let (_broker, address) = broker();
    let (here, there) = (host(&address), host(&address));
    let (ours, theirs) = (shared_computations(&here), shared_computations(&there));
    for values in [&ours, &theirs] {
        until("the namespace is followed", || {
            values.put(&999, &1, LONG).expect("put");
            values.get(&999).expect("get").is_some()
        });
    }
    let (has_begun, begun) = std::sync::mpsc::channel();
    std::thread::scope(|scope| {
        let ours = &ours;
        let theirs = &theirs;
        let there = &there;
        scope.spawn(move || {
            let value = ours.get_or_compute_with(&7, LONG, || {
                has_begun.send(()).expect("somebody waits");
                // The source changes on the other host while this one computes.
                theirs.invalidate(&7).expect("invalidate");
                announce(there);
                1
            });
            assert_eq!(value.expect("a value"), 1, "to the caller that began before");
        });
        begun.recv().expect("it begins");
        theirs.get_or_compute_with(&7, LONG, || 2).expect("a value");
    });
    assert_ne!(ours.get(&7).expect("get"), Some(1));
    assert_ne!(theirs.get(&7).expect("get"), Some(1));
}

#[test]
fn processes_that_were_told_so_run_the_broker_themselves() {
    let folder = tempfile::tempdir().expect("a folder");
    let address = format!("ipc://{}", folder.path().join("bus").display());
    let open = || {
        Guira::builder()
            .size(16 << 20)
            .coherence(
                Coherence::of_cluster("test")
                    .broker_here(&address)
                    .start_within(WAIT),
            )
            .private()
            .expect("a coherent cache")
    };
    let (first, second, third) = (open(), open(), open());
    let (ours, theirs) = (cache(&second), cache(&third));
    let meet = || {
        until("the namespace is followed", || {
            theirs.put("k", &1, LONG).expect("put");
            theirs.get("k").expect("get").is_some()
        });
        ours.invalidate("k").expect("invalidate");
        announce(&second);
        assert_eq!(theirs.get("k").expect("get"), None);
    };
    meet();
    // The first was alone when it began, so the broker is its.
    drop(first);
    until("another serves", || {
        ours.invalidate("other").expect("invalidate");
        let announced = second.announced().expect("coherent");
        announced
            .wait(Reach::Accepted, Duration::from_millis(100))
            .is_ok()
    });
    meet();
}
