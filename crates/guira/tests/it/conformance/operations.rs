//! Storing, reading, removing.

use guira::{Add, Lifetime, Put, Replace};

use crate::kinds::{SECOND, each_kind, options, some};

#[test]
fn what_was_put_is_read_and_what_was_not_is_missed() {
    each_kind(|world| {
        assert_eq!(world.get("a"), None);
        world.put("a", "1", Lifetime::never());
        assert_eq!(world.get("a"), Some(some("1")));
        world.put("a", "2", SECOND);
        assert_eq!(world.get("a"), Some(some("2")));
    });
}

#[test]
fn a_stored_none_is_no_miss() {
    each_kind(|world| {
        let (key, forever) = ("a".to_owned(), options(Lifetime::never()));
        world.store.put(&key, &None, &forever).expect("room");
        assert_eq!(world.get("a"), Some(None));
        assert_eq!(
            world.store.get_many(&[&key]).remove(0).expect("no error"),
            Some(None)
        );
        assert_eq!(
            world.store.add(&key, &some("1"), &forever).expect("room"),
            Add::Exists
        );
        world.put("b", "", Lifetime::never());
        assert_eq!(world.get("b"), Some(some("")));
    });
}

#[test]
fn keys_of_any_script_and_length_are_apart() {
    each_kind(|world| {
        let keys = [
            String::new(),
            " ".to_owned(),
            "with spaces".to_owned(),
            "\u{0}\n\u{7f}".to_owned(),
            "\u{e7}\u{4e2d}\u{1f980}".to_owned(),
            "x".repeat(5_000),
            format!("{}y", "x".repeat(5_000)),
            "\u{4e2d}".repeat(5_000),
        ];
        for (index, key) in keys.iter().enumerate() {
            world.put(key, &index.to_string(), Lifetime::never());
        }
        for (index, key) in keys.iter().enumerate() {
            assert_eq!(world.get(key), Some(some(&index.to_string())), "{index}");
        }
    });
}

#[test]
fn a_second_add_is_refused_and_changes_nothing() {
    each_kind(|world| {
        let (key, forever) = ("a".to_owned(), options(Lifetime::never()));
        let add = |value: &str| world.store.add(&key, &some(value), &forever).expect("room");
        assert_eq!(add("1"), Add::Stored);
        assert_eq!(add("2"), Add::Exists);
        assert_eq!(world.get("a"), Some(some("1")));
        assert!(world.store.remove(&key).expect("no error"));
        assert_eq!(add("3"), Add::Stored);
    });
}

#[test]
fn replace_changes_what_is_there_and_nothing_else() {
    each_kind(|world| {
        let (key, forever) = ("a".to_owned(), options(Lifetime::never()));
        let replace = |value: &str| world.store.replace(&key, &some(value), &forever).expect("room");
        assert_eq!(replace("1"), Replace::NotFound);
        assert_eq!(world.get("a"), None);
        world.put("a", "1", Lifetime::never());
        assert_eq!(replace("2"), Replace::Stored);
        assert_eq!(world.get("a"), Some(some("2")));
    });
}

#[test]
fn removing_says_whether_there_was_something() {
    each_kind(|world| {
        let key = "a".to_owned();
        for remove in [
            |world: &crate::kinds::World, key| world.store.remove(key),
            |world: &crate::kinds::World, key| world.store.invalidate(key),
        ] {
            assert!(!remove(world, &key).expect("no error"));
            world.put("a", "1", Lifetime::never());
            assert!(remove(world, &key).expect("no error"));
            assert_eq!(world.get("a"), None);
            assert!(!remove(world, &key).expect("no error"));
        }
    });
}

#[test]
fn many_keys_have_a_result_each() {
    each_kind(|world| {
        let keys: Vec<String> = ["a", "b", "c", "\u{e9}"].map(String::from).to_vec();
        let asked: Vec<&String> = keys.iter().collect();
        let found = || -> Vec<_> {
            let results = world.store.get_many(&asked);
            results.into_iter().map(|one| one.expect("no error")).collect()
        };
        assert_eq!(found(), [None, None, None, None]);

        let value = some("1");
        let items = [(&keys[0], &value), (&keys[2], &value), (&keys[3], &value)];
        let put = world.store.put_many(&items, &options(SECOND));
        assert!(put.into_iter().all(|one| one.expect("room") == Put::Stored));
        assert_eq!(found(), [Some(some("1")), None, Some(some("1")), Some(some("1"))]);

        let removed = world.store.remove_many(&asked[..2]);
        let removed: Vec<bool> = removed.into_iter().map(|one| one.expect("no error")).collect();
        assert_eq!(removed, [true, false]);
        assert_eq!(found(), [None, None, Some(some("1")), Some(some("1"))]);
        assert!(world.store.get_many(&[]).is_empty());
    });
}

#[test]
fn clearing_one_cache_leaves_its_neighbour_alone() {
    each_kind(|world| {
        let key = "a".to_owned();
        world.put("a", "1", Lifetime::never());
        let forever = options(Lifetime::never());
        world.other.put(&key, &some("other"), &forever).expect("room");
        assert_eq!(world.get("a"), Some(some("1")));

        world.store.clear().expect("no error");
        assert_eq!(world.get("a"), None);
        assert_eq!(world.other.get(&key).expect("no error"), Some(some("other")));

        world.put("a", "2", Lifetime::never());
        assert_eq!(world.get("a"), Some(some("2")));
        world.guira.clear_all();
        assert_eq!(world.get("a"), None);
        assert_eq!(world.other.get(&key).expect("no error"), None);
    });
}

#[test]
fn a_cache_takes_more_than_it_can_hold_and_keeps_within_its_limit() {
    each_kind(|world| {
        // Nothing that could be compressed.
        let mut state = 1_u64;
        let letter = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            char::from(b'0' + (state >> 58) as u8)
        };
        let text: String = std::iter::repeat_with(letter).take(20_000).collect();
        for key in 0..2_000 {
            world.put(&key.to_string(), &text, Lifetime::never());
        }
        let stats = world.guira.stats();
        assert!(stats.bytes_used <= stats.arena_bytes, "{stats:?}");
        assert!(stats.entries < 900, "{} entries", stats.entries);
        let kept = (0..2_000)
            .filter(|key| world.get(&key.to_string()).is_some())
            .count();
        assert!(kept > 100, "{kept} kept");
    });
}
