//! A directory of files as the lowest tier.

use guira::files::Files;
use guira::store::Tiers;
use guira::{Guira, Lifetime, Store};

use super::{Words, get, key, put};

#[test]
fn what_is_in_files_comes_up_while_it_is_good_and_outlives_the_segment() {
    let directory = tempfile::tempdir().expect("room");
    let path = directory.path().join("words");
    let files = || {
        let builder = Files::builder().limit_bytes(64 << 20);
        Guira::from(builder.open_or_create(&path).expect("a good place"))
    };
    let memory = Guira::builder().size(8 << 20).private().expect("it is small");
    let near: Words = memory.cache("words");
    let below = files();
    let stack = Tiers::new()
        .then(near.clone())
        .then(below.cache::<String, String>("words"));
    // In the index, in a file, and in a file because no segment takes it.
    let sizes = [10, 300_000, 20 << 20];
    for size in sizes {
        put(&stack, &size.to_string(), &"x".repeat(size), Lifetime::never());
        near.remove(&size.to_string()).expect("no error");
    }
    for size in sizes {
        assert_eq!(get(&stack, &size.to_string()).map(|text| text.len()), Some(size));
        let is_near = near.contains(&size.to_string()).expect("no error");
        assert_eq!(is_near, size < 1 << 20, "{size}");
        let computed = stack.get_or_compute(&size.to_string(), || unreachable!("it is below"));
        assert_eq!(computed.expect("no error").len(), size);
        near.invalidate(&size.to_string()).expect("no error");
        assert_eq!(get(&stack, &size.to_string()), None, "{size}: void in its file");
    }
    for size in sizes {
        let computed = stack.get_or_compute(&size.to_string(), || "y".repeat(size));
        assert_eq!(computed.expect("no error").len(), size);
    }
    drop((stack, below));
    // After a restart.
    let anew = Guira::builder().size(8 << 20).private().expect("it is small");
    let stack = Tiers::new()
        .then(anew.cache::<String, String>("words"))
        .then(files().cache::<String, String>("words"));
    for size in sizes {
        assert_eq!(get(&stack, &size.to_string()), Some("y".repeat(size)));
    }
    assert!(stack.invalidate(&key("10")).expect("no error"));
    assert_eq!(get(&stack, "10"), None);
}
