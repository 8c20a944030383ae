//! Two puts of one key: both say Stored, and one of the two values is there, once.

use guira_shm::sync::model::explore;

use super::run::holds;
use super::world::{ONE_BUCKET, World};
use crate::Expiry;

fn model() {
    let world = World::new(ONE_BUCKET);
    let segment = world.alone();
    segment.put(b"k", b"0", Expiry::never()).expect("room");
    let put = |value: &'static [u8]| {
        let segment = segment.clone();
        Box::new(move || {
            segment.put(b"k", value, Expiry::never()).expect("room");
        }) as Box<dyn FnOnce() + Send>
    };
    explore(vec![put(b"1"), put(b"2")]);
    let value = segment.get(b"k").map(|value| value.to_vec());
    assert!(matches!(value.as_deref(), Some(b"1" | b"2")), "{value:?}");
}

#[test]
fn of_two_puts_one_value_stays() {
    holds("put-put", 1, model);
}
