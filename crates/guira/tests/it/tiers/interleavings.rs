//! Reads, puts, computations, invalidations and evictions of one key in every order of their steps.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use guira::store::{Layered, Tiers};
use guira::{Add, Guira, Store};

use super::schedule::{Actor, Choices, Stepping, play, step};
use super::{Words, put};
use crate::kinds::{guira_of_clock, guira_with_clock, options};

/// How often an actor that could go on is kept waiting in one order, at most.
const SWITCHES: usize = 4;
/// More than there are such orders of two actors.
const ALL: usize = 20_000;
/// Orders of three actors that are tried.
const SOME: usize = 400;

/// How long what is put lives below.
const LIFE: Duration = Duration::from_secs(1_000_000);
/// Until the near tier has nothing any more of what was put, as if it had evicted that: nobody is told.
const NEAR_LIFE: Duration = Duration::from_secs(1_000);

/// Tiers whose calls are steps, and the same ones without.
struct World {
    near: Words,
    stepping: Tiers<String, String>,
    plain: Tiers<String, String>,
    clock_ms: Arc<AtomicU64>,
}

/// One of which the stack knows nothing but that it is a store.
type Plain = Layered<Arc<Tiers<String, String>>, Stepping>;

fn plain_store() -> (Plain, Arc<Tiers<String, String>>) {
    let guira = Guira::builder().size(8 << 20).private().expect("it is small");
    let store = Arc::new(Tiers::new().then(guira.cache::<String, String>("words")));
    (Layered::new(Arc::clone(&store), Stepping), store)
}

impl World {
    fn new() -> Self {
        Self::with(|stepping, plain, far| {
            (
                stepping.then(Layered::new(far.clone(), Stepping)),
                plain.then(far),
            )
        })
    }

    /// With a tier above the arbiter that cannot ask it.
    fn with_top() -> Self {
        let world = Self::new();
        let (top, same) = plain_store();
        let over = |near: &Words| Layered::new(near.clone(), Stepping);
        let below = Guira::builder().size(8 << 20).private().expect("it is small");
        let far: Words = below.cache("words");
        Self {
            stepping: Tiers::new()
                .then(top)
                .then(over(&world.near))
                .then(Layered::new(far.clone(), Stepping)),
            plain: Tiers::new().then(same).then(world.near.clone()).then(far),
            ..world
        }
    }

    /// With a lower tier that carries no births.
    fn with_undated() -> Self {
        let (below, same) = plain_store();
        Self::with(|stepping, plain, _| (stepping.then(below), plain.then(same)))
    }

    fn with(
        below: impl FnOnce(
            Tiers<String, String>,
            Tiers<String, String>,
            Words,
        ) -> (Tiers<String, String>, Tiers<String, String>),
    ) -> Self {
        let (guira, clock_ms) = guira_with_clock();
        let near: Words = guira.cache("words");
        let part = NEAR_LIFE.as_secs_f64() / LIFE.as_secs_f64();
        let stepping = Tiers::new()
            .then(Layered::new(near.clone(), Stepping))
            .fraction(part);
        let plain = Tiers::new().then(near.clone()).fraction(part);
        let (stepping, plain) = below(stepping, plain, guira_of_clock(&clock_ms).cache("words"));
        Self {
            near,
            stepping,
            plain,
            clock_ms,
        }
    }

    /// The near tier has nothing from now on.
    fn evict(&self) {
        let ms = u64::try_from(NEAR_LIFE.as_millis()).expect("short");
        self.clock_ms.fetch_add(ms, Ordering::SeqCst);
    }

    /// The key of a run, with an old value that only the lower tier has.
    fn key_with_old_value(&self, run: usize) -> String {
        let key = run.to_string();
        put(&self.plain, &key, "old", LIFE);
        self.evict();
        key
    }

    fn get(&self, key: &String) -> Option<String> {
        self.plain.get(key).expect("no error")
    }

    /// What is read, and what is read once the near tier has evicted that: both must be the same.
    fn settled(&self, key: &String) -> Option<String> {
        let (first, second) = self.read_twice(key);
        assert_eq!(first, second, "the tiers have agreed");
        first
    }

    /// Or the lower tier has none: whoever met something void removed what was just put in its place.
    fn settled_or_lost(&self, key: &String) -> Option<String> {
        let (first, second) = self.read_twice(key);
        assert!(second.is_none() || first == second, "{first:?}, then {second:?}");
        first
    }

    fn read_twice(&self, key: &String) -> (Option<String>, Option<String>) {
        let first = self.get(key);
        self.evict();
        (first, self.get(key))
    }

    fn reader<'w>(&'w self, key: &str) -> Actor<'w> {
        let key = key.to_owned();
        Box::new(move || drop(self.stepping.get(&key).expect("no error")))
    }

    fn writer<'w>(&'w self, key: &str, value: &'static str) -> Actor<'w> {
        let key = key.to_owned();
        Box::new(move || put(&self.stepping, &key, value, LIFE))
    }

    fn evictor(&self) -> Actor<'_> {
        Box::new(move || {
            step();
            self.evict();
        })
    }

    /// Of all tiers, or of the arbiter alone as over the bus.
    fn invalidator<'w>(&'w self, key: &str, of_all: bool) -> Actor<'w> {
        let key = key.to_owned();
        Box::new(move || {
            let invalidated = if of_all {
                self.stepping.invalidate(&key)
            } else {
                self.near.invalidate(&key)
            };
            invalidated.expect("no error");
        })
    }
}

/// Plays `actors` on keys of their own, then checks.
fn in_orders<'w>(
    world: &'w World,
    choices: Choices,
    most: usize,
    actors: impl Fn(&str) -> Vec<Actor<'w>>,
    check: impl Fn(&String),
) -> usize {
    play(
        choices,
        most,
        |run| world.key_with_old_value(run),
        actors,
        |key| check(&key),
    )
}

#[test]
fn a_read_that_races_an_invalidation_leaves_nothing_old() {
    for of_all in [true, false] {
        let world = World::new();
        let actors = |key: &str| vec![world.reader(key), world.invalidator(key, of_all)];
        let orders = in_orders(&world, Choices::every(SWITCHES), ALL, actors, |key| {
            assert_eq!(world.settled(key), None);
        });
        assert!((4..ALL).contains(&orders), "{orders} orders");
    }
}

#[test]
fn a_read_that_races_a_put_leaves_the_new_value_in_both_tiers() {
    let world = World::new();
    let actors = |key: &str| vec![world.reader(key), world.writer(key, "new")];
    let orders = in_orders(&world, Choices::every(SWITCHES), ALL, actors, |key| {
        assert_eq!(world.settled(key).as_deref(), Some("new"));
    });
    assert!((50..ALL).contains(&orders), "{orders} orders");
}

#[test]
fn of_two_puts_one_is_in_both_tiers() {
    let world = World::new();
    let actors = |key: &str| vec![world.writer(key, "one"), world.writer(key, "two")];
    let orders = in_orders(&world, Choices::every(SWITCHES), ALL, actors, |key| {
        assert!(matches!(world.settled(key).as_deref(), Some("one" | "two")));
    });
    assert!((50..ALL).contains(&orders), "{orders} orders");
}

#[test]
fn of_two_puts_and_an_eviction_one_is_in_both_tiers() {
    let world = World::new();
    let actors = |key: &str| {
        vec![
            world.writer(key, "one"),
            world.writer(key, "two"),
            world.evictor(),
        ]
    };
    let orders = in_orders(&world, Choices::every(3), ALL, actors, |key| {
        assert!(matches!(world.settled(key).as_deref(), Some("one" | "two")));
    });
    assert!((100..ALL).contains(&orders), "{orders} orders");
}

#[test]
fn nothing_old_is_left_in_a_tier_that_cannot_ask_the_arbiter() {
    let world = World::with_top();
    let actors = |key: &str| vec![world.reader(key), world.writer(key, "new")];
    let orders = in_orders(&world, Choices::every(SWITCHES), ALL, actors, |key| {
        assert_eq!(world.get(key).as_deref(), Some("new"));
    });
    assert!((50..ALL).contains(&orders), "{orders} orders");
    let world = World::with_top();
    let actors = |key: &str| vec![world.reader(key), world.invalidator(key, true)];
    let orders = in_orders(&world, Choices::every(SWITCHES), ALL, actors, |key| {
        assert_eq!(world.get(key), None);
    });
    assert!((50..ALL).contains(&orders), "{orders} orders");
}

#[test]
fn a_lower_tier_without_births_agrees_with_the_arbiter_while_nobody_is_killed() {
    let world = World::with_undated();
    let actors = |key: &str| vec![world.reader(key), world.writer(key, "new"), world.evictor()];
    let orders = in_orders(&world, Choices::every(3), ALL, actors, |key| {
        assert_eq!(world.settled(key).as_deref(), Some("new"));
    });
    assert!((100..ALL).contains(&orders), "{orders} orders");
}

#[test]
fn of_three_puts_and_an_eviction_one_is_in_both_tiers() {
    let world = World::new();
    let actors = |key: &str| {
        let puts = ["one", "two", "three"].map(|value| world.writer(key, value));
        puts.into_iter().chain([world.evictor()]).collect()
    };
    in_orders(&world, Choices::random(7), SOME, actors, |key| {
        assert!(matches!(
            world.settled(key).as_deref(),
            Some("one" | "two" | "three")
        ));
    });
}

#[test]
fn a_put_that_races_an_invalidation_is_in_both_tiers_or_in_none() {
    for of_all in [true, false] {
        let world = World::new();
        let actors = |key: &str| vec![world.writer(key, "new"), world.invalidator(key, of_all)];
        let orders = in_orders(&world, Choices::every(SWITCHES), ALL, actors, |key| {
            assert!(matches!(world.settled(key).as_deref(), None | Some("new")));
        });
        assert!((4..ALL).contains(&orders), "{orders} orders");
    }
}

#[test]
fn whatever_races_a_put_and_an_invalidation_nothing_old_is_left() {
    for (seed, of_all) in [(1, true), (2, false)] {
        let world = World::new();
        let actors = |key: &str| {
            vec![
                world.reader(key),
                world.reader(key),
                world.writer(key, "new"),
                world.invalidator(key, of_all),
                world.evictor(),
            ]
        };
        in_orders(&world, Choices::random(seed), SOME, actors, |key| {
            assert!(matches!(
                world.settled_or_lost(key).as_deref(),
                None | Some("new")
            ));
        });
    }
}

#[test]
fn a_computation_that_races_a_change_of_its_source_is_in_no_tier() {
    for (world, of_all) in [
        (World::new(), true),
        (World::new(), false),
        (World::with_undated(), true),
    ] {
        let source = AtomicU64::new(0);
        let actors = |key: &str| {
            source.store(1, Ordering::SeqCst);
            let (key, other) = (key.to_owned(), key.to_owned());
            let (world, source) = (&world, &source);
            let compute: Actor<'_> = Box::new(move || {
                let read = || {
                    let seen = source.load(Ordering::SeqCst);
                    step();
                    seen.to_string()
                };
                drop(world.stepping.get_or_compute(&key, read).expect("no error"));
            });
            let change: Actor<'_> = Box::new(move || {
                source.store(2, Ordering::SeqCst);
                step();
                world.invalidator(&other, of_all)();
            });
            vec![compute, change]
        };
        let orders = play(
            Choices::every(SWITCHES),
            ALL,
            |run| run.to_string(),
            actors,
            |key| assert!(matches!(world.settled(&key).as_deref(), None | Some("2"))),
        );
        assert!((50..ALL).contains(&orders), "{orders} orders");
    }
}

#[test]
fn a_computation_that_races_a_removal_of_many_is_in_all_tiers_or_in_none() {
    for world in [World::new(), World::with_undated()] {
        let actors = |key: &str| {
            let (own, other, world) = (key.to_owned(), key.to_owned(), &world);
            let compute: Actor<'_> = Box::new(move || {
                let computed = world.stepping.get_or_compute(&own, || {
                    step();
                    "computed".to_owned()
                });
                drop(computed.expect("no error"));
            });
            let remove: Actor<'_> = Box::new(move || {
                for removed in world.stepping.remove_many(&[&other]) {
                    removed.expect("no error");
                }
            });
            vec![compute, remove]
        };
        let orders = play(
            Choices::every(SWITCHES),
            ALL,
            |run| run.to_string(),
            actors,
            |key| drop(world.settled_or_lost(&key)),
        );
        assert!((50..ALL).contains(&orders), "{orders} orders");
    }
}

#[test]
fn an_add_that_races_an_invalidation_is_in_no_tier_afterwards() {
    for world in [World::new(), World::with_undated()] {
        let invalidated_last = AtomicU64::new(0);
        let actors = |key: &str| {
            invalidated_last.store(0, Ordering::SeqCst);
            let (own, world, invalidated_last) = (key.to_owned(), &world, &invalidated_last);
            let invalidate = world.invalidator(key, true);
            let add: Actor<'_> = Box::new(move || {
                let added = world.stepping.add(&own, &"added".to_owned(), &options(LIFE));
                added.expect("no error");
            });
            let seen = key.to_owned();
            let invalidate: Actor<'_> = Box::new(move || {
                let was_there = world.get(&seen).is_some();
                invalidate();
                invalidated_last.store(u64::from(was_there), Ordering::SeqCst);
            });
            vec![add, invalidate]
        };
        let orders = play(
            Choices::every(SWITCHES),
            ALL,
            |run| run.to_string(),
            actors,
            |key| {
                let (first, second) = world.read_twice(&key);
                if invalidated_last.load(Ordering::SeqCst) == 1 {
                    assert_eq!(
                        (first, second),
                        (None, None),
                        "it was seen before it was invalidated"
                    );
                }
            },
        );
        assert!((50..ALL).contains(&orders), "{orders} orders");
    }
}

#[test]
fn a_computation_that_races_a_put_yields_to_it() {
    let world = World::new();
    let actors = |key: &str| {
        let (own, world) = (key.to_owned(), &world);
        let compute: Actor<'_> = Box::new(move || {
            let computed = world.stepping.get_or_compute(&own, || {
                step();
                "computed".to_owned()
            });
            drop(computed.expect("no error"));
        });
        vec![compute, world.writer(key, "put")]
    };
    let orders = play(
        Choices::every(SWITCHES),
        ALL,
        |run| run.to_string(),
        actors,
        |key| assert_eq!(world.settled(&key).as_deref(), Some("put")),
    );
    assert!((50..ALL).contains(&orders), "{orders} orders");
}

#[test]
fn of_two_adds_one_is_in_both_tiers() {
    let world = World::new();
    let added = AtomicU64::new(0);
    let actors = |key: &str| {
        added.store(0, Ordering::SeqCst);
        let adder = |value: &'static str| -> Actor<'_> {
            let (key, world, added) = (key.to_owned(), &world, &added);
            Box::new(move || {
                let options = options(LIFE);
                let outcome = world.stepping.add(&key, &value.to_owned(), &options);
                if outcome.expect("room") == Add::Stored {
                    added.fetch_add(1, Ordering::SeqCst);
                }
            })
        };
        vec![adder("one"), adder("two")]
    };
    let orders = play(
        Choices::every(SWITCHES),
        ALL,
        |run| run.to_string(),
        actors,
        |key| {
            assert!(matches!(world.settled(&key).as_deref(), Some("one" | "two")));
            assert_eq!(added.load(Ordering::SeqCst), 1);
        },
    );
    assert!((50..ALL).contains(&orders), "{orders} orders");
}

#[test]
fn a_replacement_that_races_a_removal_puts_nothing_back() {
    let world = World::new();
    let actors = |key: &str| {
        let (own, other, world) = (key.to_owned(), key.to_owned(), &world);
        let replace: Actor<'_> = Box::new(move || {
            let options = options(LIFE);
            let replaced = world.stepping.replace(&own, &"new".to_owned(), &options);
            replaced.expect("room");
        });
        let remove: Actor<'_> = Box::new(move || {
            world.stepping.remove(&other).expect("no error");
        });
        vec![replace, remove]
    };
    let orders = in_orders(&world, Choices::every(SWITCHES), ALL, actors, |key| {
        assert_eq!(world.settled(key), None);
    });
    assert!((50..ALL).contains(&orders), "{orders} orders");
}
