//! Lifetimes: hard, soft, renewed, ended.

use std::time::Duration;

use guira::{Add, Lifetime, Renew, Replace, Ttl};

use crate::kinds::{SECOND, World, each_kind, options, some};

fn ttl(world: &World, key: &str) -> Option<Ttl> {
    world.store.ttl(&key.to_owned()).expect("no error")
}

#[test]
fn what_has_expired_is_as_if_it_were_absent() {
    each_kind(|world| {
        let key = "a".to_owned();
        world.put("a", "1", 10 * SECOND);
        world.pass(10 * SECOND - SECOND / 1000);
        assert_eq!(world.get("a"), Some(some("1")));
        world.pass(SECOND / 1000);
        // The deadline itself is behind it.
        assert_eq!(world.get("a"), None);
        assert_eq!(ttl(world, "a"), None);
        assert!(world.store.get_ttl(&key).expect("no error").is_none());
        assert!(
            world
                .store
                .get_many(&[&key])
                .remove(0)
                .expect("no error")
                .is_none()
        );
        assert!(!world.store.contains(&key).expect("no error"));
        assert!(!world.store.remove(&key).expect("no error"));
        assert!(!world.store.expire(&key).expect("no error"));
        let forever = options(Lifetime::never());
        let replaced = world.store.replace(&key, &some("2"), &forever).expect("room");
        assert_eq!(replaced, Replace::NotFound);
        let added = world.store.add(&key, &some("2"), &forever).expect("room");
        assert_eq!(added, Add::Stored);
    });
}

#[test]
fn lifetimes_below_a_second_and_above_thirty_days_are_kept() {
    each_kind(|world| {
        world.put("short", "1", SECOND / 4);
        world.put("long", "1", 31 * 86_400 * SECOND);
        world.put("for ever", "1", Lifetime::never());
        world.pass(SECOND / 4);
        assert_eq!(world.get("short"), None);
        world.pass(30 * 86_400 * SECOND);
        assert_eq!(world.get("long"), Some(some("1")));
        world.pass(86_400 * SECOND);
        assert_eq!(world.get("long"), None);
        assert_eq!(world.get("for ever"), Some(some("1")));
    });
}

#[test]
fn putting_anew_with_more_time_protects_it() {
    each_kind(|world| {
        world.put("a", "1", 10 * SECOND);
        world.put("a", "1", 1_000 * SECOND);
        world.pass(500 * SECOND);
        assert_eq!(world.get("a"), Some(some("1")));
    });
}

#[test]
fn past_the_soft_deadline_a_value_is_stale_and_there() {
    each_kind(|world| {
        let key = "a".to_owned();
        let lifetime = Lifetime::after(10 * SECOND).stale_after(4 * SECOND);
        world.put("a", "1", lifetime);
        assert_eq!(ttl(world, "a"), Some(Ttl::Fresh(4 * SECOND)));
        world.pass(4 * SECOND);
        assert_eq!(world.get("a"), Some(some("1")));
        let (value, left) = world.store.get_ttl(&key).expect("no error").expect("there");
        assert_eq!(value, some("1"));
        assert_eq!(
            left,
            Ttl::Stale {
                gone_in: Some(6 * SECOND),
                stale_for: Some(Duration::ZERO),
            }
        );
        assert!(left.seconds() < 0.0);
        world.pass(6 * SECOND);
        assert_eq!(world.get("a"), None);
    });
}

#[test]
fn a_value_is_contained_for_less_than_its_time() {
    each_kind(|world| {
        let key = "a".to_owned();
        let contains_for = |margin| world.store.contains_for(&key, margin).expect("no error");
        assert!(!contains_for(SECOND));
        world.put("a", "1", 10 * SECOND);
        assert!(contains_for(9 * SECOND));
        assert!(!contains_for(10 * SECOND));
        world.put("a", "1", Lifetime::never());
        assert!(contains_for(1_000_000 * SECOND));
        world.store.expire(&key).expect("no error");
        assert!(!contains_for(Duration::ZERO));
        assert!(world.store.contains(&key).expect("no error"));
    });
}

#[test]
fn expiring_makes_stale_and_keeps() {
    each_kind(|world| {
        let key = "a".to_owned();
        assert!(!world.store.expire(&key).expect("no error"));
        world.put("a", "1", 10 * SECOND);
        assert!(world.store.expire(&key).expect("no error"));
        assert_eq!(world.get("a"), Some(some("1")));
        assert!(ttl(world, "a").is_some_and(Ttl::is_stale));
        world.put("a", "2", 10 * SECOND);
        assert_eq!(ttl(world, "a"), Some(Ttl::Fresh(10 * SECOND)));
    });
}

#[test]
fn renewing_lengthens_and_never_shortens() {
    each_kind(|world| {
        let key = "a".to_owned();
        let renew = |lifetime: Lifetime| world.store.renew(&key, lifetime).expect("room");
        assert_eq!(renew(Lifetime::after(SECOND)), Renew::NotFound);
        world.put("a", "1", 10 * SECOND);
        assert_eq!(renew(Lifetime::after(9 * SECOND)), Renew::LongerAlready);
        assert_eq!(renew(Lifetime::after(10 * SECOND)), Renew::LongerAlready);
        assert_eq!(ttl(world, "a"), Some(Ttl::Fresh(10 * SECOND)));
        assert_eq!(renew(Lifetime::after(20 * SECOND)), Renew::Renewed);
        assert_eq!(ttl(world, "a"), Some(Ttl::Fresh(20 * SECOND)));
        assert_eq!(renew(Lifetime::never()), Renew::Renewed);
        assert_eq!(renew(Lifetime::after(20 * SECOND)), Renew::LongerAlready);
        assert_eq!(ttl(world, "a"), Some(Ttl::Never));
        assert_eq!(world.get("a"), Some(some("1")));
    });
}

#[test]
fn renewing_what_is_stale_makes_it_fresh_and_takes_nothing_from_it() {
    each_kind(|world| {
        let key = "a".to_owned();
        world.put("a", "1", 100 * SECOND);
        world.store.expire(&key).expect("no error");
        let renewed = world
            .store
            .renew(&key, Lifetime::after(5 * SECOND))
            .expect("room");
        assert_eq!(renewed, Renew::Renewed);
        assert_eq!(ttl(world, "a"), Some(Ttl::Fresh(5 * SECOND)));
        world.pass(5 * SECOND);
        let stale = Ttl::Stale {
            gone_in: Some(95 * SECOND),
            stale_for: Some(Duration::ZERO),
        };
        assert_eq!(ttl(world, "a"), Some(stale));
    });
}

#[test]
fn touching_sets_another_lifetime_be_it_shorter() {
    each_kind(|world| {
        let key = "a".to_owned();
        let touch = |lifetime: Lifetime| world.store.touch(&key, lifetime).expect("room");
        assert_eq!(touch(Lifetime::never()), Replace::NotFound);
        world.put("a", "1", 10 * SECOND);
        assert_eq!(touch(Lifetime::after(SECOND)), Replace::Stored);
        assert_eq!(ttl(world, "a"), Some(Ttl::Fresh(SECOND)));
        assert_eq!(touch(Lifetime::never()), Replace::Stored);
        assert_eq!(ttl(world, "a"), Some(Ttl::Never));
        assert_eq!(world.get("a"), Some(some("1")));
    });
}

#[test]
fn purging_may_spare_what_became_stale_lately() {
    each_kind(|world| {
        let purge = |time| world.store.purge_stale_for(time).expect("no error");
        for key in 1..=20 {
            let lifetime = Lifetime::after(1_000 * SECOND).stale_after(key * SECOND);
            world.put(&key.to_string(), "1", lifetime);
        }
        world.put("expired", "1", 1_000 * SECOND);
        world.store.expire(&"expired".to_owned()).expect("no error");
        world.pass(15 * SECOND);
        let left = ttl(world, "5").expect("a value");
        assert!((left.seconds() + 10.0).abs() < 0.01, "{left:?}");
        assert_eq!(ttl(world, "expired").expect("a value").seconds(), -1.0);
        assert_eq!(purge(16 * SECOND), 0);
        assert_eq!(
            purge(10 * SECOND),
            5 + 1,
            "and what was expired nobody knows when"
        );
        for key in 1..=20 {
            assert_eq!(world.get(&key.to_string()).is_some(), key > 5, "{key}");
        }
        assert_eq!(purge(Duration::ZERO), 10);
    });
}

#[test]
fn purging_removes_the_stale_and_keeps_the_fresh() {
    each_kind(|world| {
        for key in 0..20 {
            let soft = if key < 12 { SECOND } else { 100 * SECOND };
            let lifetime = Lifetime::after(1_000 * SECOND).stale_after(soft);
            world.put(&key.to_string(), "1", lifetime);
        }
        assert_eq!(world.store.purge().expect("no error"), 0);
        world.pass(SECOND);
        assert_eq!(world.store.purge().expect("no error"), 12);
        for key in 0..20 {
            assert_eq!(world.get(&key.to_string()).is_some(), key >= 12, "{key}");
        }
    });
}
