//! What a host tells its application of the cluster, and settings from the file.

use std::time::{Duration, Instant};

use guira::coherence::{Coherence, CoherenceEvent, CoherenceEvents, WhenSuspect};
use guira::{Cache, Guira, Settings};

use super::coherence::{LONG, WAIT, announce, broker, broker_at, cache, followed, host, until};

/// Takes events until `is_it`; gives all of them.
fn events_until(
    events: &mut CoherenceEvents,
    is_it: impl Fn(&CoherenceEvent) -> bool,
) -> Vec<CoherenceEvent> {
    let began = Instant::now();
    let mut taken = Vec::new();
    while !taken.last().is_some_and(&is_it) {
        let left = WAIT.saturating_sub(began.elapsed());
        let event = events.wait(left);
        taken.push(event.unwrap_or_else(|| panic!("no more events: {taken:?}")));
    }
    taken
}

#[test]
fn a_broker_that_dies_and_returns_is_told_with_what_follows() {
    let (broker, address) = broker();
    let host = host(&address);
    followed(&cache(&host));
    let mut events = host.coherence_events().expect("coherent");
    assert_eq!(events.wait(Duration::from_millis(50)), None, "nothing happens");
    broker.stop().expect("it stops");
    let taken = events_until(&mut events, |event| *event == CoherenceEvent::TrustLost);
    let lost = CoherenceEvent::BrokerLost {
        address: address.clone(),
    };
    assert!(!taken.contains(&CoherenceEvent::AgentLost), "{taken:?}");
    let mut taken = taken;
    if !taken.contains(&lost) {
        taken.extend(events_until(&mut events, |event| *event == lost));
    }
    let _broker = broker_at(&address);
    let taken = events_until(&mut events, |event| *event == CoherenceEvent::TrustRegained);
    let back = CoherenceEvent::BrokerBack { address };
    if !taken.contains(&back) {
        events_until(&mut events, |event| *event == back);
    }
}

#[test]
fn floors_and_overflows_are_told_with_their_number() {
    let (broker, address) = broker();
    let small = Guira::builder()
        .size(16 << 20)
        .segment_settings(|segment| segment.journal_records(64))
        .coherence(Coherence::of_cluster("test").broker(&address).start_within(WAIT))
        .private()
        .expect("a coherent cache");
    let other = host(&address);
    followed(&cache(&other));
    let (mut ours, mut theirs) = (
        small.coherence_events().expect("coherent"),
        other.coherence_events().expect("coherent"),
    );
    broker.stop().expect("it stops");
    for number in 0..200 {
        cache(&small).invalidate(&number.to_string()).expect("invalidate");
    }
    let _broker = broker_at(&address);
    events_until(&mut ours, |event| {
        matches!(event, CoherenceEvent::Overflowed { times: 1.. })
    });
    events_until(&mut theirs, |event| {
        matches!(event, CoherenceEvent::FloorsRaised { times: 1.. })
    });
}

#[test]
fn another_handle_of_the_host_is_told_that_the_agent_is_gone() {
    let (_broker, address) = broker();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("segment");
    let open = |coherence: Coherence| {
        let builder = Guira::builder().size(16 << 20).coherence(coherence);
        builder.open(&path).expect("a coherent cache")
    };
    let settings = || Coherence::of_cluster("test").broker(&address).start_within(WAIT);
    let agent = open(settings());
    let worker = open(settings().agent_elsewhere());
    let mut events = worker.coherence_events().expect("coherent");
    drop(agent);
    events_until(&mut events, |event| *event == CoherenceEvent::AgentLost);
    let _agent = open(settings());
    events_until(&mut events, |event| *event == CoherenceEvent::AgentBack);
}

#[test]
fn a_cache_without_a_cluster_has_no_events() {
    let alone = Guira::builder().size(8 << 20).private().expect("room");
    let error = alone.coherence_events().expect_err("no cluster").to_string();
    assert!(error.contains("without coherence"), "{error}");
}

#[test]
fn a_file_of_settings_makes_hosts_of_a_cluster() {
    let (broker, address) = broker();
    let folder = tempfile::tempdir().expect("a folder");
    let open = |name: &str| {
        let file = folder.path().join(format!("{name}.toml"));
        let segment = folder.path().join(name);
        let text = format!(
            "path = {segment:?}\nsize = '16M'\ncluster = 'test'\nbrokers = ['{address}']\n\
             bound = '300ms'\nstart_within = '10s'\nhost_name = '{name}'\n\
             [cache.values]\nwhen_suspect = 'serve_stale'\nannounce_puts = true\ncluster = true\n"
        );
        std::fs::write(&file, text).expect("room");
        Settings::read(&file)
            .expect("right")
            .open()
            .expect("a coherent cache")
    };
    let (here, there) = (open("here"), open("there"));
    let ours: Cache<str, u64> = cache(&here);
    // What the file says wins over the program.
    let theirs: Cache<str, u64> = there
        .cache_builder("values")
        .when_suspect(WhenSuspect::Refuse)
        .build()
        .expect("a cache");
    followed(&ours);
    followed(&theirs);
    theirs.put("k", &1, LONG).expect("put");
    // Its announcement would void a put that is under way when it arrives.
    announce(&there);
    ours.put("k", &2, LONG).expect("put");
    announce(&here);
    until("the put was announced", || {
        theirs.get("k").expect("get").is_none()
    });
    broker.stop().expect("it stops");
    until("trust runs out", || {
        !there.coherence_status().expect("coherent").is_trusted
    });
    theirs.put("k", &3, LONG).expect("put");
    assert_eq!(theirs.get("k").expect("get"), Some(3), "suspect hits are served");
    assert!(there.coherence_status().expect("coherent").counts.suspect_served > 0);
}
