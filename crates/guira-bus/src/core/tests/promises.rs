//! What is said to be accepted, applied and trusted is so.

use super::*;

#[test]
fn what_a_new_broker_was_not_told_is_not_said_to_be_applied() {
    let mut net = Net::new(1, 2, 8);
    net.invalidate(0, 0..20);
    net.pass(3 * SECOND);
    assert_eq!(net.segments[0].settled, 20);
    net.cut(1);
    net.invalidate(0, [99]);
    net.pass(10 * MS);
    assert_eq!((net.segments[0].accepted, net.segments[0].settled), (21, 20));
    // The agent that comes after remembers that it was accepted, and not when.
    net.start_agent(0);
    net.start_broker(0);
    net.pass(100 * MS);
    assert!(net.is_trusted(1) && !net.segments[1].applied.contains(&99));
    assert_eq!(net.segments[0].settled, 20);
    net.mend(1);
    net.pass(3 * SECOND);
    assert!(net.segments[1].applied.contains(&99) || net.segments[1].floors > 1);
    assert_eq!(net.segments[0].settled, 21);
}

#[test]
fn a_new_broker_waits_for_the_trust_of_hosts_that_it_has_not_met() {
    let mut net = Net::new(1, 2, 1_000);
    net.agents[1] = None;
    net.pass(3 * SECOND);
    // Nobody knows of the other but the broker.
    net.are_lists_lost = true;
    net.bounds_us[1] = AgentSettings::LONGEST_BOUND_US;
    net.start_agent(1);
    net.pass(SECOND);
    assert!(net.is_trusted(1));
    net.cut(1);
    net.invalidate(0, [99]);
    net.pass(10 * MS);
    net.start_broker(0);
    while net.is_trusted(1) {
        assert_eq!(net.segments[0].settled, 0);
        net.pass(2 * MS);
    }
    net.pass(SECOND);
    assert_eq!(net.segments[0].settled, 1);
}

#[test]
fn who_was_forgotten_trusts_nothing_before_it_knows_who_is_there() {
    let mut net = Net::new(1, 2, 1_000);
    net.agents[1] = None;
    net.pass(SECOND);
    assert!(net.is_trusted(0));
    net.cut(0);
    net.pass(3 * SECOND);
    // While it was away another came, whom it has not heard of.
    net.start_agent(1);
    net.pass(SECOND);
    net.are_lists_lost = true;
    net.mend(0);
    net.pass(SECOND);
    net.invalidate(1, [99]);
    net.pass(10 * MS);
    assert_eq!(net.segments[1].accepted, 1);
    assert!(!net.is_trusted(0), "with a list that does not name the other");
    net.are_lists_lost = false;
    net.pass(SECOND);
    assert!(net.is_trusted(0) && net.segments[0].applied.contains(&99));
}

#[test]
fn who_is_told_that_something_is_settled_does_not_count_on_having_it() {
    let mut net = Net::new(3, 2, 50);
    net.pass(3 * SECOND);
    net.cut.insert((0, 2));
    for hash in 0..100 {
        net.invalidate(0, [hash]);
        net.pass(10 * MS);
    }
    let reach_us = |net: &mut Net| {
        let now_us = net.now_us;
        let broker = net.brokers[2].as_mut().expect("it runs");
        let mut actions = Vec::new();
        let join = ToBroker::Join {
            epoch: broker.epoch(),
            age_us: 0,
        };
        broker.on_frame(now_us, Peer(1), join, &mut actions);
        match actions.pop() {
            Some(BrokerAction::Send {
                frame: ToAgent::Start(start),
                ..
            }) => start.reach_us,
            other => panic!("no start: {other:?}"),
        }
    };
    assert!(reach_us(&mut net) > SECOND);
    net.cut.clear();
    net.pass(100 * MS);
    assert_eq!(net.segments[1].floors, 3, "one for each broker that it met first");
    assert!(reach_us(&mut net) <= 100 * MS);
}

#[test]
fn a_loss_is_not_taken_for_the_record_with_which_it_begins() {
    let mut net = Net::new(3, 2, 50);
    net.pass(3 * SECOND);
    // The first of the records comes to one broker alone, and from there to the other host.
    net.cut.extend([(0, 1), (0, 2)]);
    net.invalidate(0, [7]);
    net.pass(100 * MS);
    assert_eq!(
        (net.segments[0].accepted, &net.segments[1].applied[..]),
        (0, &[7][..])
    );
    // That broker is away when the rest is overrun.
    net.cut.extend([(0, 0), (1, 0)]);
    net.invalidate(0, 100..200);
    let floors = net.segments[1].floors;
    net.cut.retain(|&(_, broker)| broker == 0);
    net.pass(2 * SECOND);
    assert_eq!(net.segments[0].accepted, 101);
    assert!(net.segments[1].floors > floors);
}

#[test]
fn a_host_with_a_new_identity_is_not_forgotten_with_its_old_one() {
    let mut net = Net::new(1, 1, 1_000);
    net.pass(SECOND);
    net.segments[0] = Segment::new(77, 1_000);
    net.start_agent(0);
    net.pass(SECOND);
    net.strangers = 0;
    net.pass(5 * SECOND);
    let broker = net.brokers[0].as_ref().expect("it runs");
    let members = broker.status(net.now_us).members;
    let met: Vec<Origin> = members.iter().map(|member| member.origin).collect();
    assert_eq!((met, net.strangers), (vec![Origin(77)], 0));
}

#[test]
fn who_is_new_to_a_new_broker_is_not_accepted_while_hosts_may_trust_that_it_never_met() {
    let mut net = Net::new(1, 2, 1_000);
    net.agents[1] = None;
    net.pass(3 * SECOND);
    net.cut(0);
    net.start_broker(0);
    net.start_agent(1);
    net.invalidate(1, [99]);
    net.pass(1_400 * MS);
    // The first host may go on in the broker's next life, in which the second one may not be yet.
    assert_eq!(net.segments[1].accepted, 0);
    net.pass(300 * MS);
    assert_eq!(net.segments[1].accepted, 1);
}

#[test]
fn who_was_known_to_the_last_life_is_accepted_at_once() {
    let mut net = Net::new(1, 2, 1_000);
    net.pass(3 * SECOND);
    for hash in 0..3 {
        net.start_broker(0);
        net.invalidate(0, [hash]);
        net.pass(200 * MS);
        assert_eq!(net.segments[0].accepted, hash + 1, "known in each of them");
    }
    assert_eq!(net.segments.iter().map(|host| host.floors).max(), Some(1));
}

#[test]
fn a_list_of_a_life_that_was_short_leaves_nobody_out() {
    let mut net = Net::new(1, 1, 1_000);
    net.pass(SECOND);
    assert!(net.is_trusted(0));
    let floors = net.segments[0].floors;
    net.start_broker(0);
    net.pass(SECOND);
    assert!(net.is_trusted(0));
    assert_eq!(net.segments[0].floors, floors + 1);
}

#[test]
fn what_is_not_carried_out_here_is_not_sent() {
    let mut net = Net::new(1, 2, 1_000);
    net.pass(3 * SECOND);
    // Written by the time it is read, and not when the agent carried out what there was.
    net.segments[0].unwritten = Some(4);
    net.invalidate(0, 0..6);
    net.pass(3 * SECOND);
    assert_eq!((net.segments[0].accepted, net.segments[0].settled), (4, 4));
    assert_eq!(net.segments[1].applied, [0, 1, 2, 3]);
    net.segments[0].unwritten = None;
    net.pass(3 * SECOND);
    assert_eq!((net.segments[0].accepted, net.segments[0].settled), (6, 6));
}
