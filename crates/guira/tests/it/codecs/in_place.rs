//! Values that are read where they lie: archives, arrays, bytes.

use guira::codec::{NdArray, Raw, Rkyv};
use guira::transform::KeyRing;
use guira::{Lifetime, Mismatch};
use ndarray::{Array0, Array1, Array2, ArrayD, Axis, IxDyn, array};

use crate::kinds::guira_with_clock;

#[derive(rkyv::Archive, rkyv::Serialize, rkyv::Deserialize, PartialEq, Debug)]
struct Route {
    stops: Vec<String>,
    fares: Vec<u128>,
}

fn route() -> Route {
    Route {
        stops: vec!["Harbour".to_owned(), "Market".to_owned()],
        fares: vec![u128::MAX, 7],
    }
}

#[test]
fn an_archive_is_validated_and_read_where_it_lies() {
    let (guira, _clock) = guira_with_clock();
    let routes = guira
        .cache_builder::<u64, Route>("r")
        .codec(Rkyv)
        .build()
        .expect("name");
    assert!(routes.get_archived(&1).expect("no error").is_none());
    // Keys of many lengths, so that values would lie at many places.
    for key in [1, 300, 70_000, 1 << 40] {
        routes.put(&key, &route(), Lifetime::never()).expect("room");
        let archived = routes.get_archived(&key).expect("no error").expect("there");
        assert!(archived.is_borrowed());
        let access = archived.access().expect("an archive");
        assert_eq!(access.stops[1], "Market");
        assert_eq!(access.fares[0], u128::MAX);
        assert_eq!(routes.get(&key).expect("no error"), Some(route()));
    }
}

#[test]
fn damaged_archives_are_refused() {
    let (guira, _clock) = guira_with_clock();
    let routes = guira
        .cache_builder::<u64, Route>("r")
        .codec(Rkyv)
        .build()
        .expect("name");
    routes.put(&1, &route(), Lifetime::never()).expect("room");
    let (segment, key) = (
        routes.segment().expect("name"),
        routes.key_bytes(&1).expect("key"),
    );
    let good = segment.get(&key).expect("just put").to_vec();
    let aligned = guira_segment::PutOptions::default().aligned(true);
    for cut in 0..good.len() {
        segment.put_with(&key, &good[..cut], &aligned).expect("room");
        assert_eq!(routes.get(&1).expect("a miss"), None, "{cut}");
        let is_refused = match routes.get_archived(&1).expect("a miss") {
            None => true,
            Some(archived) => archived.access().is_err(),
        };
        assert!(is_refused, "{cut}");
    }
    let mut lengthened = good.clone();
    let end = lengthened.len();
    lengthened[end - 4..].fill(0x7f);
    segment.put_with(&key, &lengthened, &aligned).expect("room");
    assert_eq!(routes.get(&1).expect("a miss"), None);
}

#[test]
fn an_archive_that_lies_askew_or_is_encrypted_is_copied_first() {
    let (guira, _clock) = guira_with_clock();
    let routes = guira
        .cache_builder::<u64, Route>("r")
        .codec(Rkyv)
        .build()
        .expect("name");
    let segment = routes.segment().expect("name");
    let mut askew = 0;
    for key in [1_u64, 300, 70_000, 1 << 40] {
        routes.put(&key, &route(), Lifetime::never()).expect("room");
        let key_bytes = routes.key_bytes(&key).expect("key");
        let stored = segment.get(&key_bytes).expect("just put").to_vec();
        segment
            .put(&key_bytes, &stored, guira_segment::Expiry::never())
            .expect("room");
        let archived = routes.get_archived(&key).expect("no error").expect("there");
        askew += u32::from(!archived.is_borrowed());
        assert_eq!(archived.access().expect("an archive").fares[1], 7);
    }
    assert!(askew > 0, "a put without alignment aligned everything");

    let ring = KeyRing::new(1, [7; 32]);
    let sealed = guira
        .cache_builder::<u64, Route>("s")
        .codec(Rkyv)
        .encrypt(ring)
        .build();
    let sealed = sealed.expect("name");
    sealed.put(&1, &route(), Lifetime::never()).expect("room");
    let archived = sealed.get_archived(&1).expect("no error").expect("there");
    assert!(!archived.is_borrowed());
    assert_eq!(archived.access().expect("an archive").stops[0], "Harbour");
}

#[test]
fn arrays_of_every_shape_are_viewed_where_they_lie() {
    let (guira, _clock) = guira_with_clock();
    let arrays = guira
        .cache_builder::<u64, ArrayD<f64>>("a")
        .codec(NdArray)
        .build()
        .expect("name");
    let shapes: [&[usize]; 7] = [&[], &[0], &[1], &[7], &[3, 5], &[2, 3, 4], &[1, 2, 1, 2, 1, 2]];
    for (key, shape) in (0..).zip(shapes) {
        let count: usize = shape.iter().product();
        let elements = (0..count).map(|element| element as f64).collect();
        let array = ArrayD::from_shape_vec(IxDyn(shape), elements).expect("it fits");
        arrays.put(&key, &array, Lifetime::never()).expect("room");
        let found = arrays.get_array(&key).expect("no error").expect("there");
        assert!(found.is_borrowed(), "{shape:?}");
        assert_eq!(found.view(), array.view());
        assert_eq!(arrays.get(&key).expect("no error"), Some(array));
    }
}

#[test]
fn arrays_that_are_not_row_by_row_in_memory_keep_their_elements() {
    let (guira, _clock) = guira_with_clock();
    let arrays = guira
        .cache_builder::<u64, Array2<i32>>("a")
        .codec(NdArray)
        .build()
        .expect("name");
    let turned = array![[1, 2, 3], [4, 5, 6]].reversed_axes();
    arrays.put(&1, &turned, Lifetime::never()).expect("room");
    assert_eq!(
        arrays.get_array(&1).expect("no error").expect("there").view(),
        turned.view()
    );
    let mut mirrored = turned.clone();
    mirrored.invert_axis(Axis(0));
    arrays.put(&2, &mirrored, Lifetime::never()).expect("room");
    assert_eq!(arrays.get(&2).expect("no error"), Some(mirrored));
}

#[test]
fn an_array_of_other_elements_or_dimensions_is_no_value() {
    let (guira, _clock) = guira_with_clock();
    let floats = guira
        .cache_builder::<u64, Array1<f32>>("a")
        .codec(NdArray)
        .build()
        .expect("name");
    floats
        .put(&1, &array![1.0, 2.0], Lifetime::never())
        .expect("room");
    let whole = guira
        .cache_builder::<u64, Array1<i32>>("a")
        .codec(NdArray)
        .build()
        .expect("name");
    assert_eq!(whole.get(&1).expect("a miss"), None);
    assert!(whole.get_array(&1).expect("a miss").is_none());
    let single = guira
        .cache_builder::<u64, Array0<f32>>("a")
        .codec(NdArray)
        .mismatch(Mismatch::Error)
        .build()
        .expect("name");
    assert!(single.get(&1).is_err());
    assert!(single.get_array(&1).is_err());
    assert!(floats.get(&1).expect("a hit").is_some());
}

#[test]
fn bytes_are_borrowed_from_the_segment() {
    let (guira, _clock) = guira_with_clock();
    let pages = guira
        .cache_builder::<str, Vec<u8>>("p")
        .codec(Raw)
        .build()
        .expect("name");
    assert!(pages.get_ref("/").expect("no error").is_none());
    pages
        .put("/", &vec![7; 100_000], Lifetime::never())
        .expect("room");
    let page = pages.get_ref("/").expect("no error").expect("there");
    assert!(page.is_borrowed());
    assert_eq!(*page, vec![7; 100_000]);
    // What is put meanwhile does not touch it.
    pages
        .put("/", &vec![8; 100_000], Lifetime::never())
        .expect("room");
    assert!(page.iter().all(|byte| *byte == 7));
}
