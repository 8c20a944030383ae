//! The libzmq that is linked: of a version without known holes, with CURVE.

#[test]
fn the_linked_libzmq_is_new_enough() {
    assert!(zmq::version() >= (4, 3, 5), "{:?}", zmq::version());
}

#[test]
fn the_linked_libzmq_has_curve_and_makes_key_pairs() {
    assert_eq!(zmq::has("curve"), Some(true));
    let first = zmq::CurveKeyPair::new().unwrap();
    let second = zmq::CurveKeyPair::new().unwrap();
    assert_ne!(first.secret_key, second.secret_key);
    assert_ne!(first.public_key, first.secret_key);
}
