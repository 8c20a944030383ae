//! What comes back takes as little as it can from those that were there.

use super::*;

#[test]
fn a_broker_that_was_stopped_makes_nobody_start_over_for_what_is_settled() {
    let mut net = Net::new(3, 2, 50);
    net.pass(3 * SECOND);
    let floors: Vec<usize> = net.segments.iter().map(|segment| segment.floors).collect();
    let stopped = net.brokers[2].take();
    for hash in 0..200 {
        net.invalidate(0, [hash]);
        net.pass(10 * MS);
    }
    net.pass(100 * MS);
    assert_eq!(net.segments[0].settled, 200);
    net.brokers[2] = stopped;
    net.pass(2 * SECOND);
    net.invalidate(0, [999]);
    net.pass(SECOND);
    let now: Vec<usize> = net.segments.iter().map(|segment| segment.floors).collect();
    assert_eq!(now, floors);
    assert!(net.is_trusted(0) && net.is_trusted(1));
    assert!(net.segments[1].applied.contains(&999));
    let links = net.agents[0].as_ref().expect("it runs").links(net.now_us);
    assert_eq!(
        links[2].received, 201,
        "the one that was stopped takes part again"
    );
}

#[test]
fn what_is_not_settled_and_was_overrun_is_said_to_be_lost() {
    let mut net = Net::new(3, 2, 50);
    net.pass(3 * SECOND);
    let floors = net.segments[1].floors;
    net.cut(0);
    net.invalidate(0, 0..200);
    net.pass(100 * MS);
    net.mend(0);
    net.pass(2 * SECOND);
    assert!(net.segments[1].floors > floors);
}

#[test]
fn a_broker_that_lists_do_not_come_from_is_asked_ever_more_rarely() {
    let mut net = Net::new(1, 4, 1_000);
    net.pass(SECOND);
    net.are_lists_lost = true;
    net.lists = 0;
    net.agents[3] = None;
    net.pass(3 * SECOND);
    net.lists = 0;
    net.pass(4 * SECOND);
    assert!((3 * 8..3 * 14).contains(&net.lists), "{} in 4 s", net.lists);
    net.are_lists_lost = false;
    net.pass(SECOND);
    net.lists = 0;
    net.pass(SECOND);
    assert_eq!(net.lists, 0, "they came");
}

#[test]
fn all_hosts_are_back_soon_after_a_broker_and_ask_it_little() {
    let mut net = Net::new(1, 40, 1_000);
    net.pass(3 * SECOND);
    net.joins = 0;
    net.start_broker(0);
    net.pass(SECOND);
    let now_us = net.now_us;
    let statuses = net.agents.iter().flatten().map(|agent| agent.links(now_us)[0]);
    assert!(
        statuses
            .into_iter()
            .all(|link| link.state == LinkState::Following)
    );
    assert!((0..40).all(|host| net.is_trusted(host)));
    assert!(net.joins < 40 * 6, "{} questions", net.joins);
    assert!(
        net.segments.iter().all(|segment| segment.floors == 1),
        "nothing was thrown away"
    );
}
