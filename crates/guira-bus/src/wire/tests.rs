//! Frames come back as they were; anything else is refused.

use super::*;

const CLUSTER: Cluster = Cluster(0x1122_3344_5566_7788);

fn publish() -> ToBroker {
    ToBroker::Publish {
        epoch: Epoch(7),
        first: 300,
        items: vec![
            Item::Record(Record {
                kind: RecordKind::Invalidate,
                namespace: 1,
                hash: 2,
                wall_ms: 3,
                stamp: 4,
            }),
            Item::Voids(2),
        ],
    }
}

#[test]
fn a_frame_comes_back() {
    let frame = encode(CLUSTER, &publish());
    assert_eq!(decode(CLUSTER, &frame), Ok(publish()));
}

/// The bytes themselves: what old and new agents of one version agree on.
#[test]
fn golden_bytes() {
    let hex: String = encode(CLUSTER, &publish())
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    assert_eq!(
        hex,
        "47420200887766554433221101\
         0700000000000000ac0202\
         000001000000000000000200000000000000\
         0304\
         0102"
    );
}

fn hex(body: &impl Body) -> String {
    encode(CLUSTER, body)
        .iter()
        .skip(HEADER_BYTES)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn lease(step: LeaseStep) -> ToBroker {
    ToBroker::Lease(LeaseRequest {
        epoch: Epoch(7),
        key: KeyId {
            namespace: 1,
            hash: 2,
        },
        number: 3,
        asked_at_us: 300,
        step,
    })
}

fn answer(verdict: LeaseVerdict) -> ToAgent {
    ToAgent::Lease(LeaseAnswer {
        epoch: Epoch(7),
        key: KeyId {
            namespace: 1,
            hash: 2,
        },
        number: 3,
        asked_at_us: 300,
        verdict,
    })
}

#[test]
fn golden_bytes_of_leases() {
    const ABOUT: &str = "0700000000000000\
                         01000000000000000200000000000000\
                         03ac02";
    let owner = Origin(9);
    let bytes_of_owner = format!("09{}", "00".repeat(15));
    let value = || Some(b"v".to_vec());
    let steps = [
        (LeaseStep::Want, "00".to_string()),
        (LeaseStep::Renew, "01".to_string()),
        (
            LeaseStep::Done {
                grant: Some(5),
                value: value(),
            },
            "020105010176".to_string(),
        ),
        (LeaseStep::Abandon, "03".to_string()),
        (LeaseStep::Fetch { owner }, format!("04{bytes_of_owner}")),
        (
            LeaseStep::Fetched {
                to: owner,
                value: None,
            },
            format!("05{bytes_of_owner}00"),
        ),
    ];
    for (step, bytes) in steps {
        let frame = lease(step);
        assert_eq!(hex(&frame), format!("06{ABOUT}{bytes}"), "{frame:?}");
        assert_eq!(decode(CLUSTER, &encode(CLUSTER, &frame)), Ok(frame));
    }
    let verdicts = [
        (LeaseVerdict::Granted { grant: 5 }, "0005".to_string()),
        (
            LeaseVerdict::Busy { owner, number: 4 },
            format!("01{bytes_of_owner}04"),
        ),
        (LeaseVerdict::NotYet { wait_us: 300 }, "02ac02".to_string()),
        (
            LeaseVerdict::Done {
                owner,
                grant: None,
                value: value(),
            },
            format!("03{bytes_of_owner}00010176"),
        ),
        (LeaseVerdict::Lost, "04".to_string()),
        (LeaseVerdict::Closed, "05".to_string()),
        (LeaseVerdict::Fetch { from: owner }, format!("06{bytes_of_owner}")),
        (
            LeaseVerdict::Fetched {
                owner,
                value: value(),
            },
            format!("07{bytes_of_owner}010176"),
        ),
    ];
    for (verdict, bytes) in verdicts {
        let frame = answer(verdict);
        assert_eq!(hex(&frame), format!("0a{ABOUT}{bytes}"), "{frame:?}");
        assert_eq!(decode(CLUSTER, &encode(CLUSTER, &frame)), Ok(frame));
    }
}

#[test]
fn golden_bytes_of_seeking() {
    const EPOCH: &str = "0700000000000000";
    const SEEK: &str = "03ac02\
                        01000000000000000200000000000000\
                        01070000000000000004050106";
    let (epoch, origin) = (Epoch(7), Origin(9));
    let bytes_of_origin = format!("09{}", "00".repeat(15));
    let seek = || Seek {
        number: 3,
        asked_at_us: 300,
        key: KeyId {
            namespace: 1,
            hash: 2,
        },
        standings: vec![Standing {
            epoch,
            control: 4,
            topic: 5,
        }],
        outlived_ago_us: Some(6),
    };
    let asked = |of| ToBroker::Seek {
        epoch,
        of,
        seek: seek(),
    };
    let answered = |found| ToBroker::Sought {
        epoch,
        to: origin,
        number: 3,
        asked_at_us: 300,
        found,
    };
    let answer = format!("0d{EPOCH}{bytes_of_origin}03ac02");
    for (frame, bytes) in [
        (asked(None), format!("0c{EPOCH}00{SEEK}")),
        (asked(Some(origin)), format!("0c{EPOCH}01{bytes_of_origin}{SEEK}")),
        (answered(Sought::Nothing), format!("{answer}00")),
        (answered(Sought::Large), format!("{answer}01")),
        (answered(Sought::Value(b"v".to_vec())), format!("{answer}020176")),
    ] {
        assert_eq!(hex(&frame), bytes, "{frame:?}");
        assert_eq!(decode(CLUSTER, &encode(CLUSTER, &frame)), Ok(frame));
    }
    let from = origin;
    let stream = Stream::Seek {
        epoch,
        from,
        seek: seek(),
    };
    assert_eq!(hex(&stream), format!("03{EPOCH}{bytes_of_origin}{SEEK}"));
    let alone = ToAgent::Seek {
        epoch,
        from,
        seek: seek(),
    };
    assert_eq!(hex(&alone), format!("0e{EPOCH}{bytes_of_origin}{SEEK}"));
}

#[test]
fn a_value_that_is_too_long_to_be_given_is_refused() {
    let with = |bytes| ToBroker::Sought {
        epoch: Epoch(7),
        to: Origin(9),
        number: 3,
        asked_at_us: 300,
        found: Sought::Value(vec![1; bytes]),
    };
    let read = |bytes| decode::<ToBroker>(CLUSTER, &encode(CLUSTER, &with(bytes)));
    assert!(read(MAX_FETCHED_BYTES).is_ok());
    let refused = FrameError::TooMany {
        what: "bytes of a value",
        count: MAX_FETCHED_BYTES + 1,
        limit: MAX_FETCHED_BYTES,
    };
    assert_eq!(read(MAX_FETCHED_BYTES + 1), Err(refused));
}

#[test]
fn other_versions_clusters_and_protocols_are_told_apart() {
    let good = encode(CLUSTER, &publish());
    let changed = |index: usize| {
        let mut frame = good.clone();
        if let Some(byte) = frame.get_mut(index) {
            *byte ^= 1;
        }
        decode::<ToBroker>(CLUSTER, &frame).expect_err("a changed header")
    };
    assert_eq!(changed(0), FrameError::Foreign);
    assert_eq!(changed(2), FrameError::OtherVersion { theirs: 3 });
    assert_eq!(changed(5), FrameError::OtherCluster);
}

#[test]
fn cut_off_and_prolonged_frames_are_refused() {
    let good = encode(CLUSTER, &publish());
    for bytes in 0..good.len() {
        assert!(decode::<ToBroker>(CLUSTER, &good[..bytes]).is_err(), "{bytes}");
    }
    let mut long = good;
    long.push(0);
    assert_eq!(decode::<ToBroker>(CLUSTER, &long), Err(FrameError::Malformed));
}

#[test]
fn a_long_list_is_refused() {
    let body = ToBroker::Publish {
        epoch: Epoch(1),
        first: 0,
        items: vec![Item::Voids(1); MAX_ENTRIES + 1],
    };
    assert_eq!(
        decode::<ToBroker>(CLUSTER, &encode(CLUSTER, &body)),
        Err(FrameError::TooMany {
            what: "records",
            count: MAX_ENTRIES + 1,
            limit: MAX_ENTRIES
        })
    );
}

#[test]
fn a_length_that_lies_allocates_nothing_of_the_sort() {
    let mut frame = encode(CLUSTER, &publish());
    frame.truncate(HEADER_BYTES + 1 + 8 + 2);
    // A list that claims four thousand million items and holds none.
    frame.extend_from_slice(&[0xff, 0xff, 0xff, 0xff, 0x0f]);
    assert_eq!(decode::<ToBroker>(CLUSTER, &frame), Err(FrameError::Malformed));
}
