//! Random sequences of every operation against a plain map, shrunk where they fail; the long runs of
//! the same are `cargo xtask oracle`.

use guira_tests::oracle::run::{attempt, sequence};
use guira_tests::oracle::{Tally, World, check, describe};
use proptest::prelude::*;

/// Each number stands for one operation.
fn numbers() -> impl Strategy<Value = Vec<u64>> {
    proptest::collection::vec(any::<u64>(), 1..200)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_large_world_answers_as_the_map_does(numbers in numbers()) {
        check(World::large(), &numbers, &mut Tally::default());
    }

    #[test]
    fn a_tiny_world_misses_at_most(numbers in numbers(), checked_values: bool) {
        check(World { checked_values, ..World::tiny() }, &numbers, &mut Tally::default());
    }

    #[test]
    fn a_file_with_two_handles_answers_as_one(numbers in numbers()) {
        check(World { on_file: true, ..World::large() }, &numbers, &mut Tally::default());
    }
}

#[test]
fn random_worlds_answer_as_the_map_does_and_most_outcomes_are_met() {
    let mut tally = Tally::default();
    for number in 0..1_500 {
        let (world, numbers) = sequence(7, number);
        if let Err(message) = attempt(world, &numbers, &mut tally) {
            panic!("sequence {number}: {message}\n{world:?}\n{}", describe(&numbers));
        }
    }
    // The rare ones are met in long runs, which demand it.
    let never_met: Vec<&str> = tally.never_met(u64::MAX).collect();
    assert!(never_met.len() <= 8, "never met: {never_met:?}");
}
