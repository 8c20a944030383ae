//! Memoized functions that are called by name, and those whose values are kept in other forms.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use guira::memoized::Functions;

use crate::kinds::guira_with_clock;
use crate::memoizing::{Refused, private};

#[test]
fn named_functions_are_wrapped_and_cut_off_while_the_program_runs() {
    let guira = private();
    let calls = Arc::new(AtomicU64::new(0));
    let functions = Functions::new();
    for name in ["one", "two"] {
        let calls = Arc::clone(&calls);
        functions.add(name, move |_: u64| calls.fetch_add(1, Ordering::Relaxed) + 1);
    }
    let call = |name: &str| functions.call::<u64, u64>(name, 7).expect("it was added");
    assert_eq!(
        (call("one"), call("one"), functions.stats("one")),
        (1, 2, Ok(None))
    );
    functions.wrap_all(&guira, "app.");
    assert_eq!((call("one"), call("one"), call("two"), call("two")), (3, 3, 4, 4));
    assert_eq!(
        functions.stats("two").expect("known").map(|stats| stats.hits),
        Some(1)
    );
    assert_eq!(guira.cache::<u64, u64>("elsewhere").get(&7).expect("a key"), None);

    assert_eq!(
        (functions.cut_off("one"), functions.cut_off("one")),
        (Ok(true), Ok(false))
    );
    assert_eq!((call("one"), call("two")), (5, 4));
    functions.wrap_all(&guira, "app.");
    assert_eq!(call("one"), 3, "what was kept stayed");
    let wrapped = functions.wrap::<u64, u64>("one", |memo| memo.cache(&guira).keep_if(|_| false));
    assert_eq!((wrapped, call("one"), call("one")), (Ok(()), 6, 7));
    functions.cut_off_all();
    assert_eq!((call("two"), call("two")), (8, 9));

    let unknown = functions
        .call::<u64, u64>("three", 7)
        .expect_err("nobody added it");
    assert_eq!(
        unknown.to_string(),
        "no function is called \"three\"; there are one, two"
    );
    let other = functions
        .call::<u64, String>("one", 7)
        .expect_err("it returns numbers");
    assert!(other.to_string().contains("fn(u64) -> u64"), "{other}");
}

#[test]
fn results_are_kept_by_any_codec_and_with_the_settings_of_any_cache() {
    use guira::codec::{Json, Rkyv};

    let guira = private();
    let names = guira
        .memoize("names")
        .codec(Json)
        .schema(0)
        .cache_settings(|cache| cache.compress_lz4(100))
        .function(|user: u64| vec!["plum".to_owned(); user as usize]);
    assert_eq!(
        (names.get(2).len(), names.get(1_000).len(), names.get(1_000).len()),
        (2, 1_000, 1_000)
    );
    assert_eq!(names.stats().hits, 1);
    // Others read it as what it is.
    let same = guira
        .cache_builder::<u64, Vec<String>>("names")
        .codec(Json)
        .open();
    assert_eq!(same.get(&2).expect("a key").map(|names| names.len()), Some(2));
    let stored = |key: &u64| same.metadata(key).expect("a key").expect("kept").value_bytes;
    assert!(stored(&1_000) < 1_000, "{}", stored(&1_000));

    let points = guira.memoize("points").codec(Rkyv).fallible(|n: u64| {
        if n == 0 {
            return Err(Refused::Own(0));
        }
        Ok(vec![n; 3])
    });
    assert_eq!((points.call(7), points.call(7)), (Ok(vec![7; 3]), Ok(vec![7; 3])));
    assert_eq!(points.call(0), Err(Refused::Own(0)));
    assert_eq!(points.stats().hits, 1);
    points.put(&8, vec![1]).expect("room");
    assert_eq!(points.bg(8), Ok(vec![1]));
    let awaited = guira
        .memoize("awaited")
        .codec(Json)
        .async_function(async |n: u64| n * n);
    assert_eq!(
        crate::awaiting::block_on(async { (awaited.get(7).await, awaited.get(7).await) }),
        (49, 49)
    );
    assert_eq!(awaited.stats().hits, 1);
}

#[test]
fn a_refresh_spares_what_is_younger_than_it_says() {
    let (guira, clock_ms) = guira_with_clock();
    let calls = AtomicU64::new(0);
    let counted = guira
        .memoize("counted")
        .function(move |_: u64| calls.fetch_add(1, Ordering::Relaxed) + 1);
    let age = Duration::from_secs(10);
    assert_eq!((counted.get(7), counted.refresh_if_older(7, age)), (1, Ok(1)));
    clock_ms.fetch_add(9_000, Ordering::Relaxed);
    assert_eq!(counted.refresh_if_older(7, age), Ok(1));
    clock_ms.fetch_add(1_000, Ordering::Relaxed);
    assert_eq!(counted.refresh_if_older(7, age), Ok(2));
    assert_eq!(counted.refresh_if_older(7, Duration::ZERO), Ok(3));
    counted.expire(&7).expect("a key");
    assert_eq!(
        counted.refresh_if_older(7, age),
        Ok(4),
        "what is stale is refreshed at any age"
    );
    assert_eq!(counted.refresh_if_older(8, age), Ok(5));
}
