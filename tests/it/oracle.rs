//! Random sequences of operations against a plain map with a clock that the test moves.
//!
//! In a large world nothing is ever evicted, so every answer must be the map's. In a tiny world any
//! entry may have been dropped, so a miss is accepted (and the map forgets it too), but a value that
//! the map does not hold never is. Three bits of generation make every wrap happen.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use guira_segment::{Add, Clock, Expiry, Fill, FillToken, Lookup, Put, PutOptions, Replace, Segment, Swap};
use guira_shm::sync::{AtomicU64, Ordering};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Op {
    Put {
        key: u8,
        bytes: u16,
        ttl_ms: Option<u16>,
        tag: bool,
    },
    Add {
        key: u8,
        bytes: u16,
    },
    Replace {
        key: u8,
        bytes: u16,
    },
    Swap {
        key: u8,
        right: bool,
    },
    Increment {
        key: u8,
        delta: i8,
    },
    Append {
        key: u8,
    },
    Touch {
        key: u8,
        ttl_ms: u16,
    },
    Expire {
        key: u8,
    },
    Remove {
        key: u8,
    },
    Invalidate {
        key: u8,
    },
    Take {
        key: u8,
    },
    Fill {
        key: u8,
    },
    InvalidateTag,
    Clear,
    ClearAll,
    Get {
        key: u8,
    },
    Many,
    Advance {
        ms: u16,
    },
}

fn ops() -> impl Strategy<Value = Vec<Op>> {
    let key = 0..24_u8;
    let bytes = prop_oneof![4 => 0..200_u16, 1 => 200..3000_u16];
    let op = prop_oneof![
        6 => (key.clone(), bytes.clone(), proptest::option::of(1..500_u16), any::<bool>())
            .prop_map(|(key, bytes, ttl_ms, tag)| Op::Put { key, bytes, ttl_ms, tag }),
        2 => (key.clone(), bytes.clone()).prop_map(|(key, bytes)| Op::Add { key, bytes }),
        2 => (key.clone(), bytes).prop_map(|(key, bytes)| Op::Replace { key, bytes }),
        1 => (key.clone(), any::<bool>()).prop_map(|(key, right)| Op::Swap { key, right }),
        2 => (key.clone(), any::<i8>()).prop_map(|(key, delta)| Op::Increment { key, delta }),
        1 => key.clone().prop_map(|key| Op::Append { key }),
        1 => (key.clone(), 1..500_u16).prop_map(|(key, ttl_ms)| Op::Touch { key, ttl_ms }),
        1 => key.clone().prop_map(|key| Op::Expire { key }),
        2 => key.clone().prop_map(|key| Op::Remove { key }),
        1 => key.clone().prop_map(|key| Op::Invalidate { key }),
        1 => key.clone().prop_map(|key| Op::Take { key }),
        2 => key.clone().prop_map(|key| Op::Fill { key }),
        1 => Just(Op::InvalidateTag),
        1 => Just(Op::Clear),
        1 => Just(Op::ClearAll),
        8 => key.prop_map(|key| Op::Get { key }),
        1 => Just(Op::Many),
        2 => (0..300_u16).prop_map(|ms| Op::Advance { ms }),
    ];
    proptest::collection::vec(op, 1..300)
}

#[derive(Clone, Debug, PartialEq)]
struct Held {
    value: Vec<u8>,
    gone_at_ms: Option<u64>,
    stale: bool,
    tagged: bool,
    aligned: bool,
}

struct World {
    segment: Segment,
    may_evict: bool,
    clock: Arc<AtomicU64>,
    held: HashMap<u8, Held>,
    /// A fill token, and whether something that forbids the fill happened since.
    tokens: HashMap<u8, (FillToken, bool)>,
    writes: u64,
}

fn name(key: u8) -> Vec<u8> {
    let mut name = vec![key];
    name.resize(1 + usize::from(key) * 3, key ^ 0x5a);
    name
}

impl World {
    fn new(tiny: bool) -> Self {
        let clock = Arc::new(AtomicU64::new(1_000_000));
        let builder = Segment::builder()
            .clock(Clock::manual(Arc::clone(&clock)))
            .max_threads(4)
            .max_processes(4);
        let builder = if tiny {
            builder
                .exact_blocks(4096, 12)
                .index_entries(40)
                .generation_bits(3)
        } else {
            builder.size(8 << 20)
        };
        let segment = builder
            .private()
            .expect("a private segment")
            .namespace("oracle")
            .expect("a row");
        Self {
            segment,
            may_evict: tiny,
            clock,
            held: HashMap::new(),
            tokens: HashMap::new(),
            writes: 0,
        }
    }

    fn now_ms(&self) -> u64 {
        self.clock.load(Ordering::Relaxed)
    }

    fn value(&mut self, bytes: u16) -> Vec<u8> {
        self.writes += 1;
        let mut value = format!("x{}", self.writes).into_bytes();
        value.resize(value.len() + usize::from(bytes), b'.');
        value
    }

    /// What the map says, with entries whose time is over taken out.
    fn expected(&mut self, key: u8) -> Option<Held> {
        let now_ms = self.now_ms();
        if self
            .held
            .get(&key)
            .is_some_and(|held| held.gone_at_ms.is_some_and(|at| at <= now_ms))
        {
            self.held.remove(&key);
        }
        self.held.get(&key).cloned()
    }

    /// The map's entry, after making sure that the segment has it too or was allowed to drop it.
    fn present(&mut self, key: u8) -> Option<Held> {
        let expected = self.expected(key);
        let found = self
            .segment
            .get(&name(key))
            .map(|value| (value.to_vec(), value.is_stale()));
        match (expected, found) {
            (None, None) => None,
            (None, Some((value, _))) => panic!("key {key}: a value that should be gone: {value:?}"),
            (Some(held), Some((value, stale))) => {
                assert_eq!(held.value, value, "key {key}");
                assert_eq!(held.stale, stale, "key {key}: stale");
                Some(held)
            }
            (Some(held), None) => {
                assert!(self.may_evict, "key {key}: lost {held:?}");
                self.held.remove(&key);
                None
            }
        }
    }

    fn wrote(&mut self, key: u8, held: Option<Held>) {
        if let Some((_, forbidden)) = self.tokens.get_mut(&key) {
            *forbidden = true;
        }
        match held {
            Some(held) => self.held.insert(key, held),
            None => self.held.remove(&key),
        };
    }

    fn forbid_all(&mut self) {
        self.tokens
            .values_mut()
            .for_each(|(_, forbidden)| *forbidden = true);
    }

    fn fresh(&self, value: Vec<u8>) -> Held {
        Held {
            value,
            gone_at_ms: None,
            stale: false,
            tagged: false,
            aligned: false,
        }
    }

    fn step(&mut self, op: &Op) {
        match *op {
            Op::Put {
                key,
                bytes,
                ttl_ms,
                tag,
            } => {
                let value = self.value(bytes);
                let ttl = ttl_ms.map(|ms| Duration::from_millis(u64::from(ms)));
                let tags: &[&[u8]] = if tag { &[b"tag", b"other"] } else { &[] };
                let expiry = ttl.map_or(Expiry::never(), Expiry::after);
                let options = PutOptions::default().expiry(expiry).tags(tags).aligned(tag);
                assert_eq!(
                    self.segment.put_with(&name(key), &value, &options),
                    Ok(Put::Stored)
                );
                let gone_at_ms = ttl_ms.map(|ms| self.now_ms() + u64::from(ms));
                self.wrote(
                    key,
                    Some(Held {
                        value,
                        gone_at_ms,
                        stale: false,
                        tagged: tag,
                        aligned: tag,
                    }),
                );
            }
            Op::Add { key, bytes } => {
                let value = self.value(bytes);
                let expected = if self.present(key).is_some() {
                    Add::Exists
                } else {
                    Add::Stored
                };
                assert_eq!(
                    self.segment.add(&name(key), &value, &PutOptions::default()),
                    Ok(expected)
                );
                if expected == Add::Stored {
                    let held = self.fresh(value);
                    self.wrote(key, Some(held));
                } else if let Some((_, forbidden)) = self.tokens.get_mut(&key) {
                    // An add that yields has changed the stamp already: a fill may be refused.
                    *forbidden = true;
                }
            }
            Op::Replace { key, bytes } => {
                let value = self.value(bytes);
                let present = self.present(key).is_some();
                let outcome = self.segment.replace(&name(key), &value, &PutOptions::default());
                assert_eq!(
                    outcome,
                    Ok(if present {
                        Replace::Stored
                    } else {
                        Replace::NotFound
                    })
                );
                if present {
                    let held = self.fresh(value);
                    self.wrote(key, Some(held));
                }
            }
            Op::Swap { key, right } => self.swap(key, right),
            Op::Increment { key, delta } => self.increment(key, i64::from(delta)),
            Op::Append { key } => {
                let present = self.present(key);
                let outcome = self.segment.append(&name(key), b"+").expect("room");
                if let Some(mut held) = present {
                    assert_eq!(outcome, Replace::Stored);
                    held.value.push(b'+');
                    held.stale = false;
                    self.wrote(key, Some(held));
                } else {
                    assert_eq!(outcome, Replace::NotFound);
                }
            }
            Op::Touch { key, ttl_ms } => {
                let present = self.present(key);
                let expiry = Expiry::after(Duration::from_millis(u64::from(ttl_ms)));
                let outcome = self.segment.touch(&name(key), expiry).expect("room");
                if let Some(mut held) = present {
                    assert_eq!(outcome, Replace::Stored);
                    held.gone_at_ms = Some(self.now_ms() + u64::from(ttl_ms));
                    held.stale = false;
                    self.wrote(key, Some(held));
                } else {
                    assert_eq!(outcome, Replace::NotFound);
                }
            }
            Op::Expire { key } => {
                let present = self.present(key);
                assert_eq!(self.segment.expire(&name(key)), present.is_some());
                let held = present.map(|held| Held { stale: true, ..held });
                self.wrote(key, held);
            }
            Op::Remove { key } => {
                let present = self.present(key).is_some();
                assert_eq!(self.segment.remove(&name(key)), present);
                self.wrote(key, None);
            }
            Op::Invalidate { key } => {
                let present = self.present(key).is_some();
                assert_eq!(self.segment.invalidate(&name(key)), present);
                self.wrote(key, None);
            }
            Op::Take { key } => {
                let token = match self.segment.lookup(&name(key)) {
                    Lookup::Hit(_) => self.segment.fill_token(&name(key)),
                    Lookup::Stale(_, token) | Lookup::Miss(token) => token,
                };
                self.tokens.insert(key, (token, false));
            }
            Op::Fill { key } => self.fill(key),
            Op::InvalidateTag => {
                self.segment.invalidate_tag(b"tag");
                self.held.retain(|_, held| !held.tagged);
            }
            Op::Clear => {
                self.segment.clear();
                self.held.clear();
                self.forbid_all();
            }
            Op::ClearAll => {
                self.segment.clear_all();
                self.held.clear();
                self.forbid_all();
            }
            Op::Get { key } => {
                self.present(key);
            }
            Op::Many => {
                let names: Vec<Vec<u8>> = (0..24).map(name).collect();
                let keys: Vec<&[u8]> = names.iter().map(Vec::as_slice).collect();
                let mut found = Vec::new();
                self.segment
                    .get_many(&keys, |_, value| found.push(value.map(<[u8]>::to_vec)));
                for (key, found) in (0..24).zip(found) {
                    let expected = self.expected(key).map(|held| held.value);
                    assert!(
                        found == expected || (self.may_evict && found.is_none()),
                        "key {key}"
                    );
                }
            }
            Op::Advance { ms } => {
                self.clock.fetch_add(u64::from(ms), Ordering::Relaxed);
            }
        }
    }

    fn swap(&mut self, key: u8, right: bool) {
        let value = self.value(10);
        let Some(held) = self.present(key) else { return };
        let Some(metadata) = self.segment.metadata(&name(key)) else {
            return;
        };
        let mut version = metadata.version;
        if !right {
            self.segment
                .put(b"another", b"value", Expiry::never())
                .expect("room");
            version = self.segment.metadata(b"another").expect("just put").version;
        }
        let outcome = self
            .segment
            .compare_and_swap(&name(key), version, &value, &PutOptions::default());
        match outcome.expect("room") {
            Swap::Stored => {
                assert!(right);
                // As old as what it replaced when tags are invalidated, but it has none itself.
                self.wrote(
                    key,
                    Some(Held {
                        tagged: false,
                        ..self.fresh(value)
                    }),
                );
            }
            Swap::Conflict(_) => assert!(!right, "key {key}: {held:?}"),
            Swap::NotFound => {
                assert!(self.may_evict);
                self.held.remove(&key);
            }
            Swap::Superseded => panic!("nobody invalidated"),
        }
    }

    fn increment(&mut self, key: u8, delta: i64) {
        let present = self.present(key);
        let outcome = self
            .segment
            .increment(&name(key), delta, Some(7), Expiry::never());
        match present {
            None => {
                assert_eq!(outcome, Ok(Some(7)));
                let held = self.fresh(b"7".to_vec());
                self.wrote(key, Some(held));
            }
            Some(held) => match std::str::from_utf8(&held.value)
                .ok()
                .and_then(|text| text.parse::<i64>().ok())
            {
                None => assert!(outcome.is_err(), "{held:?} {outcome:?}"),
                Some(number) => {
                    assert_eq!(outcome, Ok(Some(number + delta)));
                    let value = (number + delta).to_string().into_bytes();
                    self.wrote(
                        key,
                        Some(Held {
                            value,
                            stale: false,
                            ..held
                        }),
                    );
                }
            },
        }
    }

    fn fill(&mut self, key: u8) {
        let Some((token, forbidden)) = self.tokens.remove(&key) else {
            return;
        };
        let value = self.value(20);
        let present = self.present(key);
        let outcome = self
            .segment
            .fill(&name(key), &value, &token, &PutOptions::default())
            .expect("room");
        if outcome == Fill::Stored {
            assert!(!forbidden, "key {key}: a fill that something superseded");
            assert!(
                present.is_none_or(|held| held.stale),
                "key {key}: a fill replaced a fresh value"
            );
            let held = self.fresh(value);
            self.held.insert(key, held);
        }
    }
}

fn run(tiny: bool, ops: &[Op]) {
    let mut world = World::new(tiny);
    for op in ops {
        world.step(op);
    }
    for key in 0..24 {
        world.present(key);
    }
    let verified = world.segment.verify();
    assert!(verified.is_clean(), "{:?}", verified.faults);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_large_world_answers_as_the_map_does(ops in ops()) {
        run(false, &ops);
    }

    #[test]
    fn a_tiny_world_misses_at_most(ops in ops()) {
        run(true, &ops);
    }
}
