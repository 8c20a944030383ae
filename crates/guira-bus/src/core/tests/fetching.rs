//! Hosts that give each other what they have, and nothing that one of them knows to be void.

use super::*;
use crate::core::LeaseWish;
use crate::wire::{Sought, Standing};

const KEY: KeyId = KeyId {
    namespace: 1,
    hash: 7,
};
const WAIT_US: u64 = 100 * MS;
const FETCH: LeaseWish = LeaseWish::Fetch { wait_us: WAIT_US };

impl Net {
    /// Hosts that trust each other; the first has a value.
    fn with_value(brokers: usize, hosts: usize, bytes: usize) -> Self {
        let mut net = Self::new(brokers, hosts, 1_000);
        net.pass(SECOND);
        net.segments[0].value = Some(vec![7; bytes]);
        net
    }

    fn want(&mut self, host: usize, number: u64, wish: LeaseWish) {
        let mut flow = Vec::new();
        if let Some(agent) = &mut self.agents[host] {
            agent.lease_want(
                self.now_us,
                KEY,
                number,
                wish,
                &mut self.segments[host],
                &mut flow,
            );
        }
        let mut queue = VecDeque::new();
        self.flow(host, flow, &mut queue);
        self.deliver(queue);
    }

    fn outcome(&self, host: usize, number: u64) -> Option<&LeaseOutcome> {
        let of = |(at, of, _): &&(usize, u64, LeaseOutcome)| (*at, *of) == (host, number);
        self.outcomes.iter().rev().find(of).map(|(_, _, outcome)| outcome)
    }

    fn is_fetched(&self, host: usize, number: u64) -> bool {
        matches!(self.outcome(host, number), Some(LeaseOutcome::Fetched { .. }))
    }
}

#[test]
fn who_has_a_value_gives_it_to_who_seeks_it() {
    for (brokers, bytes) in [(1, 10), (3, 10), (1, 100_000)] {
        let mut net = Net::with_value(brokers, 3, bytes);
        net.segments[1].clock = 5;
        net.want(1, 1, FETCH);
        let expected = LeaseOutcome::Fetched {
            owner: Origin(1),
            value: vec![7; bytes],
            clock: 5,
        };
        assert_eq!(
            net.outcome(1, 1),
            Some(&expected),
            "{brokers} brokers, {bytes} bytes"
        );
    }
}

#[test]
fn several_that_have_a_large_value_are_asked_one_after_the_other() {
    let mut net = Net::with_value(1, 4, 100_000);
    net.segments[2].value = Some(vec![8; 100_000]);
    net.want(1, 1, FETCH);
    assert!(net.is_fetched(1, 1));
    assert_eq!(net.outcomes.len(), 1, "and it is told once");
}

#[test]
fn when_all_have_said_nothing_nobody_waits() {
    let mut net = Net::with_value(1, 3, 10);
    net.segments[0].value = None;
    net.want(1, 1, FETCH);
    assert_eq!(net.outcome(1, 1), Some(&LeaseOutcome::Alone));
    let mut net = Net::with_value(1, 1, 10);
    net.want(0, 1, FETCH);
    assert_eq!(
        net.outcome(0, 1),
        Some(&LeaseOutcome::Alone),
        "there is nobody else"
    );
}

#[test]
fn who_hears_nothing_waits_as_long_as_it_said() {
    let mut net = Net::with_value(1, 3, 10);
    net.cut(0);
    net.want(1, 1, FETCH);
    net.pass(WAIT_US - 2 * MS);
    assert_eq!(net.outcome(1, 1), None);
    net.pass(4 * MS);
    assert_eq!(net.outcome(1, 1), Some(&LeaseOutcome::Alone));
}

#[test]
fn who_has_not_applied_what_the_asker_has_gives_nothing_until_it_has() {
    let mut net = Net::with_value(1, 3, 10);
    net.cut(0);
    net.invalidate(2, [KEY.hash]);
    net.pass(10 * MS);
    assert_eq!(net.segments[1].applied, [KEY.hash]);
    assert!(net.is_trusted(0), "it has not lost its trust yet");
    net.mend(0);
    net.want(1, 1, FETCH);
    assert_eq!(net.outcome(1, 1), Some(&LeaseOutcome::Alone));
    net.pass(SECOND);
    net.want(1, 2, FETCH);
    assert!(net.is_fetched(1, 2));
}

#[test]
fn nothing_is_asked_before_a_broker_has_what_this_host_said() {
    let mut net = Net::with_value(1, 2, 10);
    net.invalidate(1, [KEY.hash]);
    net.want(1, 1, FETCH);
    assert_eq!(net.outcome(1, 1), None, "it is not asked for yet");
    net.pass(10 * MS);
    assert_eq!(net.segments[0].applied, [KEY.hash]);
    assert!(net.is_fetched(1, 1));
}

#[test]
fn who_is_not_trusted_gives_nothing() {
    let mut net = Net::with_value(1, 2, 10);
    net.segments[0].trusted_until_us = 0;
    net.want(1, 1, FETCH);
    assert_eq!(net.outcome(1, 1), Some(&LeaseOutcome::Alone));
}

#[test]
fn an_agent_that_was_replaced_asks_nothing() {
    let mut net = Net::with_value(1, 2, 10);
    net.segments[1].is_taken_over = true;
    net.want(1, 1, FETCH);
    assert_eq!(net.outcome(1, 1), None);
    net.pass(WAIT_US);
    assert_eq!(net.outcome(1, 1), Some(&LeaseOutcome::Alone));
}

#[test]
fn who_follows_too_few_brokers_does_not_ask() {
    let mut net = Net::new(3, 2, 1_000);
    net.segments[0].value = Some(vec![7]);
    for broker in [1, 2] {
        net.cut.extend([(1, broker)]);
    }
    // Both began a moment ago; the one has met one broker of three.
    net.agents[1] = None;
    net.pass(SECOND);
    net.start_agent(1);
    net.pass(SECOND);
    net.want(1, 1, FETCH);
    net.pass(WAIT_US);
    assert_eq!(net.outcome(1, 1), Some(&LeaseOutcome::Alone));
    net.mend(1);
    net.pass(3 * SECOND);
    net.want(1, 2, FETCH);
    assert!(net.is_fetched(1, 2));
}

#[test]
fn a_computation_begins_when_nobody_has_the_value() {
    let mut net = Net::with_value(1, 2, 10);
    let wish = LeaseWish::FetchOrCompute { wait_us: WAIT_US };
    net.segments[0].value = None;
    net.want(1, 1, wish);
    assert_eq!(net.outcome(1, 1), Some(&LeaseOutcome::Granted));
}

#[test]
fn the_lease_of_who_is_given_the_value_is_the_next_one_s() {
    let mut net = Net::with_value(1, 3, 10);
    let wish = LeaseWish::FetchOrCompute { wait_us: WAIT_US };
    net.want(1, 1, wish);
    assert!(net.is_fetched(1, 1));
    net.want(2, 1, LeaseWish::Compute);
    assert_eq!(net.outcome(2, 1), Some(&LeaseOutcome::Granted));
}

#[test]
fn a_lease_is_kept_while_its_value_is_sought() {
    let mut net = Net::with_value(1, 3, 10);
    net.cut(0);
    let wait_us = 3 * SECOND;
    net.want(1, 1, LeaseWish::FetchOrCompute { wait_us });
    net.want(2, 1, LeaseWish::Compute);
    let owner = Origin(2);
    assert_eq!(net.outcome(2, 1), Some(&LeaseOutcome::Busy { owner }));
    net.pass(2 * SECOND);
    assert_eq!(net.outcome(2, 1), Some(&LeaseOutcome::Busy { owner }));
    net.pass(2 * SECOND);
    assert_eq!(net.outcome(1, 1), Some(&LeaseOutcome::Granted));
}

#[test]
fn an_answer_counts_for_its_question_only() {
    let mut net = Net::with_value(1, 2, 10);
    net.cut(0);
    net.want(1, 1, FETCH);
    let mut flow = Vec::new();
    let frame = ToAgent::Sought {
        from: Origin(1),
        number: 1,
        asked_at_us: net.now_us - 1,
        found: Sought::Value(vec![7]),
        epoch: Epoch(1),
    };
    let agent = net.agents[1].as_mut().expect("it is there");
    agent.on_frame(net.now_us, 0, frame, &mut net.segments[1], &mut flow);
    assert_eq!(flow, [], "it is the answer to an agent before this one, or late");
}

#[test]
fn so_many_values_are_sought_at_once_and_no_more() {
    let mut net = Net::with_value(1, 2, 10);
    net.cut(0);
    for number in 0..256 {
        net.want(1, number, FETCH);
    }
    assert_eq!(net.outcomes, []);
    net.want(1, 256, FETCH);
    assert_eq!(net.outcome(1, 256), Some(&LeaseOutcome::Alone));
}

/// A question that names no life, or one that nobody knows, is answered with nothing.
#[test]
fn who_does_not_follow_the_same_lives_gives_nothing() {
    let mut net = Net::with_value(1, 2, 10);
    let standing = |epoch, position| Standing {
        epoch: Epoch(epoch),
        control: position,
        topic: position,
    };
    let mut give = |standings: Vec<Standing>| {
        let mut flow = Vec::new();
        let seek = crate::wire::Seek {
            number: 1,
            asked_at_us: 1,
            key: KEY,
            standings,
            outlived_ago_us: None,
        };
        let frame = crate::wire::Stream::Seek {
            epoch: Epoch(1),
            from: Origin(2),
            seek,
        };
        let agent = net.agents[0].as_mut().expect("it is there");
        agent.on_stream(net.now_us, 0, frame, &mut net.segments[0], &mut flow);
        match flow.as_slice() {
            [
                Flow::Send {
                    frame: ToBroker::Sought { found, .. },
                    ..
                },
            ] => *found != Sought::Nothing,
            other => panic!("{other:?}"),
        }
    };
    assert!(give(vec![standing(1, 0)]));
    assert!(!give(vec![standing(1, 1)]), "it has not applied so far");
    assert!(!give(vec![standing(9, 0)]), "it does not follow that life");
    assert!(!give(vec![standing(1, 0), standing(9, 0)]), "nor both");
    assert!(!give(Vec::new()), "nothing is known of the asker");
}

/// The asker heard of an invalidation by a broker that has begun anew, and trusts by that; the giver has not.
#[test]
fn who_was_trusted_before_the_asker_outlived_a_broker_gives_nothing() {
    let mut net = Net::with_value(3, 3, 10);
    net.pass(3 * SECOND);
    net.cut.extend([(1, 1), (0, 0), (0, 1), (2, 2)]);
    net.invalidate(2, [KEY.hash]);
    net.pass(10 * MS);
    let accepted_us = net.now_us;
    assert_eq!(net.segments[1].applied, [KEY.hash]);
    net.pass(200 * MS);
    net.cut.extend([(2, 0)]);
    net.start_broker(0);
    net.pass(100 * MS);
    net.want(1, 1, FETCH);
    net.pass(20 * MS);
    assert!(net.is_trusted(0), "the giver's trust is not over yet");
    net.pass(accepted_us + AgentSettings::BOUND_US + 20 * MS - net.now_us);
    assert!(net.is_trusted(1), "nor that of the asker, later than the bound");
    assert_eq!(net.outcome(1, 1), Some(&LeaseOutcome::Alone));
    assert_eq!(net.segments[0].applied, []);
}

/// The same of an agent that was replaced: the one after it knows nothing of what it applied.
#[test]
fn who_was_trusted_before_the_asker_s_agent_began_gives_nothing_until_it_has_asked_again() {
    let mut net = Net::with_value(1, 2, 10);
    net.pass(3 * SECOND);
    net.start_agent(1);
    // It is greeted at the next tick; the giver asks at its own pace.
    net.pass(2 * MS);
    assert!(net.is_trusted(0) && net.is_trusted(1));
    net.want(1, 1, FETCH);
    assert_eq!(net.outcome(1, 1), Some(&LeaseOutcome::Alone));
    net.pass(AgentSettings::BOUND_US / 4);
    net.want(1, 2, FETCH);
    assert!(net.is_fetched(1, 2));
}

/// Nothing was applied before, so nothing is waited for.
#[test]
fn who_is_new_is_given_a_value_as_soon_as_it_is_trusted() {
    let mut net = Net::with_value(1, 2, 10);
    net.pass(3 * SECOND);
    net.segments.push(Segment::new(3, 1_000));
    net.agents.push(None);
    net.bounds_us.push(AgentSettings::BOUND_US);
    net.start_agent(2);
    while !net.is_trusted(2) {
        net.pass(2 * MS);
    }
    net.want(2, 1, FETCH);
    assert!(net.is_fetched(2, 1));
}

/// What was sent before it began counts for every key, once.
#[test]
fn what_a_host_says_of_other_keys_after_its_agent_was_replaced_keeps_nothing_from_it() {
    let mut net = Net::with_value(1, 2, 10);
    net.invalidate(1, [KEY.hash]);
    net.pass(SECOND);
    net.start_agent(1);
    net.pass(SECOND);
    net.segments[1].journal.push(Item::Record(Record {
        kind: RecordKind::Invalidate,
        namespace: 2,
        hash: 8,
        wall_ms: 0,
        stamp: 0,
    }));
    // So that it is logged, and the giver has not asked since.
    net.pass(2 * MS);
    net.want(1, 1, FETCH);
    assert!(net.is_fetched(1, 1));
}

/// It says that it has a large value, and is gone before it is asked for it.
#[test]
fn a_large_value_of_who_is_gone_is_given_by_the_next_one() {
    let mut net = Net::with_value(1, 4, 100_000);
    net.cut(0);
    net.cut(2);
    net.want(1, 1, FETCH);
    let asked_at_us = net.now_us;
    // Both say so, the one who is gone twice.
    for from in [1, 1, 3] {
        let frame = ToAgent::Sought {
            from: Origin(from),
            number: 1,
            asked_at_us,
            found: Sought::Large,
            epoch: Epoch(1),
        };
        net.deliver(VecDeque::from([Way::Down(1, 0, frame)]));
    }
    net.segments[2].value = Some(vec![8; 100_000]);
    net.mend(2);
    net.pass(WAIT_US / 4 - 2 * MS);
    assert_eq!(net.outcome(1, 1), None, "the first one may be slow");
    net.pass(4 * MS);
    assert!(net.is_fetched(1, 1));
}

/// The agent that follows knows by its mark what was applied of a broker that it never met.
#[test]
fn while_a_broker_is_dead_an_agent_that_was_replaced_gives_what_the_one_before_it_would() {
    let mut net = Net::with_value(3, 3, 10);
    net.invalidate(2, [KEY.hash]);
    net.pass(SECOND);
    assert_eq!(net.segments[1].applied, [KEY.hash]);
    net.brokers[0] = None;
    net.pass(SECOND);
    net.start_agent(0);
    net.pass(SECOND);
    net.want(1, 1, FETCH);
    assert!(net.is_fetched(1, 1));
}
