//! Puts that make what other hosts have void.

use guira::{Cache, Guira, Lifetime};

use super::coherence::{LONG, announce, broker, cache, followed, host};

fn announcing(guira: &Guira) -> Cache<str, u64> {
    guira
        .cache_builder("values")
        .announce_puts(true)
        .build()
        .expect("a cache")
}

#[test]
fn an_announced_put_makes_older_values_of_other_hosts_void_and_stays_itself() {
    let (_broker, address) = broker();
    let (here, there) = (host(&address), host(&address));
    let (ours, theirs) = (announcing(&here), cache(&there));
    followed(&theirs);
    followed(&ours);
    for key in ["put", "replaced", "swapped", "other"] {
        theirs.put(key, &1, LONG).expect("put");
    }
    ours.put("put", &2, LONG).expect("put");
    cache(&here).put("replaced", &1, LONG).expect("put");
    ours.replace("replaced", &2, LONG).expect("replace");
    cache(&here).put("swapped", &1, LONG).expect("put");
    let (_, version) = ours.get_versioned("swapped").expect("get").expect("it is there");
    ours.compare_and_swap("swapped", version, &2, LONG).expect("swap");
    announce(&here);
    for key in ["put", "replaced", "swapped"] {
        assert_eq!(theirs.get(key).expect("get"), None, "{key}");
        assert_eq!(ours.get(key).expect("get"), Some(2), "{key}");
    }
    assert_eq!(theirs.get("other").expect("get"), Some(1));
}

#[test]
fn what_is_not_stored_or_not_to_be_announced_leaves_other_hosts_alone() {
    let (_broker, address) = broker();
    let (here, there) = (host(&address), host(&address));
    let (ours, theirs) = (announcing(&here), cache(&there));
    followed(&theirs);
    followed(&ours);
    theirs.put("k", &1, LONG).expect("put");
    theirs.put("computed", &1, LONG).expect("put");
    cache(&here).put("k", &2, LONG).expect("put");
    ours.add("k", &3, LONG).expect("add");
    ours.replace("nothing", &3, LONG).expect("replace");
    ours.touch("k", Lifetime::after(LONG)).expect("touch");
    ours.get_or_compute("computed", || 2).expect("computed");
    announce(&here);
    assert_eq!(theirs.get("k").expect("get"), Some(1));
    assert_eq!(theirs.get("computed").expect("get"), Some(1));
    assert_eq!(ours.get("k").expect("get"), Some(2));
}

#[test]
fn a_computation_that_began_before_another_hosts_put_is_not_stored() {
    let (_broker, address) = broker();
    let (here, there) = (host(&address), host(&address));
    let (ours, theirs) = (announcing(&here), cache(&there));
    followed(&theirs);
    let computed = theirs.get_or_compute_with("k", LONG, || {
        ours.put("k", &2, LONG).expect("put");
        announce(&here);
        1
    });
    assert_eq!(computed.expect("computed"), 1);
    assert_eq!(theirs.get("k").expect("get"), None, "it was of before");
    assert_eq!(ours.get("k").expect("get"), Some(2));
}

#[test]
fn without_a_cluster_nobody_is_told() {
    let alone = Guira::builder().size(8 << 20).private().expect("room");
    let values = announcing(&alone);
    values.put("k", &1, LONG).expect("put");
    assert_eq!(values.get("k").expect("get"), Some(1));
}
