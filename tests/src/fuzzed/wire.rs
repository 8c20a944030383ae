//! Frames of the bus, and what those who receive them make of them.

use guira_bus::core::{
    AgentCore, AgentSettings, BrokerAction, BrokerCore, BrokerSettings, Flow, Host, Mark, Peer,
};
use guira_bus::wire::{
    Body, Cluster, Epoch, Item, KeyId, MAX_FRAME_BYTES, Origin, Record, RecordKind, Stream, ToAgent,
    ToBroker, decode, encode,
};

use super::Input;

const CLUSTER: Cluster = Cluster(5);
/// Frames of other lives of a broker are hardly looked at: a fuzzer would have to guess it.
const EPOCH: Epoch = Epoch(1);
/// The longest step of the clock, in microseconds: beyond what any pause or term is.
const LONGEST_STEP_US: u64 = 6_000_000;
const PEERS: u8 = 4;

/// Reads the bytes as one frame of each kind, or gives the frames in them to a broker, or to an agent that has two:
/// by the first byte. Each of those frames comes after a byte (from whom), two (the time since the last, as a share of
/// six seconds) and two of its length.
///
/// # Panics
/// When a frame that was read is written otherwise, or one is to be sent that nobody would take.
pub fn wire(bytes: &[u8]) {
    let mut input = Input(bytes);
    match input.byte() {
        Some(choice) if choice % 3 == 0 => {
            read_and_write::<ToBroker>(input.0);
            read_and_write::<ToAgent>(input.0);
            read_and_write::<Stream>(input.0);
        }
        Some(choice) if choice % 3 == 1 => to_broker(input),
        Some(_) => to_agent(input),
        None => {}
    }
}

/// What a header and then `body` is, if it is a frame.
fn read<B: Body>(body: &[u8]) -> Option<B> {
    let mut frame = encode(CLUSTER, &ToBroker::Status);
    // The header, without the one byte of that body.
    frame.pop();
    frame.extend_from_slice(body);
    decode(CLUSTER, &frame).ok()
}

fn read_and_write<B: Body + PartialEq + std::fmt::Debug>(body: &[u8]) {
    if let Some(read) = read::<B>(body) {
        assert_eq!(written(&read), read);
    }
}

/// What the other side will have of it.
fn written<B: Body>(body: &B) -> B {
    let frame = encode(CLUSTER, body);
    assert!(frame.len() <= MAX_FRAME_BYTES, "a frame of {} bytes", frame.len());
    decode(CLUSTER, &frame).expect("what is sent can be read")
}

/// From whom, how much later, and what.
fn next_frame<'b>(input: &mut Input<'b>) -> Option<(u8, u64, &'b [u8])> {
    let from = input.byte()?;
    let step_us = LONGEST_STEP_US * u64::from(input.short()?) / u64::from(u16::MAX);
    let length = usize::from(input.short()?).min(input.0.len());
    let (body, rest) = input.0.split_at(length);
    input.0 = rest;
    Some((from, step_us, body))
}

fn to_broker(mut input: Input<'_>) {
    let settings = BrokerSettings {
        brokers: 2,
        log_bytes: 1 << 14,
        max_members: 3,
        ..BrokerSettings::default()
    };
    let mut now_us = 1_000_000;
    let mut broker = BrokerCore::new(settings, EPOCH, now_us);
    let mut actions = Vec::new();
    while let Some((from, step_us, body)) = next_frame(&mut input) {
        now_us += step_us;
        if let Some(frame) = read::<ToBroker>(body) {
            broker.on_frame(now_us, Peer(u64::from(from % PEERS)), frame, &mut actions);
        }
        broker.on_tick(now_us, &mut actions);
        for action in actions.drain(..) {
            match action {
                BrokerAction::Send { frame, .. } => drop(written(&frame)),
                BrokerAction::Publish { frame, .. } => drop(written(&frame)),
                BrokerAction::Say(_) => {}
            }
        }
        let _ = written(&ToAgent::Status(broker.status(now_us)));
    }
}

fn to_agent(mut input: Input<'_>) {
    let settings = AgentSettings {
        host: "fuzzed".to_owned(),
        machine: 0,
        seed_check: CLUSTER.0,
        brokers: 2,
        bound_us: AgentSettings::BOUND_US,
        gone_after_us: BrokerSettings::GONE_AFTER_US,
        lease_term_us: BrokerSettings::LEASE_TERM_US,
        alone_after_us: AgentSettings::ALONE_AFTER_US,
    };
    let mut now_us = 1_000_000;
    let mut host = Listed::default();
    let mut agent = AgentCore::new(settings, now_us, &mut host);
    let mut flow = Vec::new();
    while let Some((from, step_us, body)) = next_frame(&mut input) {
        now_us += step_us;
        host.head += u64::from(from >> 6);
        let broker = usize::from(from % 2);
        if from & 2 == 0 {
            if let Some(frame) = read::<ToAgent>(body) {
                agent.on_frame(now_us, broker, frame, &mut host, &mut flow);
            }
        } else if let Some(frame) = read::<Stream>(body) {
            agent.on_stream(now_us, broker, frame, &mut host, &mut flow);
        }
        agent.on_tick(now_us, &mut host, &mut flow);
        for flow in flow.drain(..) {
            if let Flow::Send { frame, .. } = flow {
                drop(written(&frame));
            }
        }
        let _ = agent.links(now_us);
    }
}

/// A host whose journal has every ticket, all the same.
#[derive(Debug, Default)]
struct Listed {
    head: u64,
    clock: u64,
    accepted: u64,
    settled: u64,
}

impl Host for Listed {
    fn origin(&self) -> Origin {
        Origin(7)
    }

    fn head(&self) -> u64 {
        self.head
    }

    fn oldest(&self) -> u64 {
        self.head.saturating_sub(16)
    }

    fn read(&mut self, from: u64, max: usize, items: &mut Vec<Item>) -> u64 {
        let count = self.head.saturating_sub(from).min(max as u64);
        let record = Record {
            kind: RecordKind::Invalidate,
            namespace: 3,
            hash: 9,
            wall_ms: 0,
            stamp: 0,
        };
        items.extend((0..count).map(|_| Item::Record(record)));
        from + count
    }

    fn apply(&mut self, _record: &Record) {
        self.clock += 1;
    }

    fn finish_own(&mut self, from: u64) -> u64 {
        from.max(self.head)
    }

    fn raise_floor(&mut self, _topics: u64) {
        self.clock += 1;
    }

    fn topics(&self) -> u64 {
        0b1011
    }

    fn trust(&mut self, _until_us: u64, _topics: u64) {}

    fn end_trust(&mut self) {}

    fn accepted(&mut self, ticket: u64) {
        assert!(
            ticket <= self.head,
            "ticket {ticket} of {} was not drawn",
            self.head
        );
        self.accepted = self.accepted.max(ticket);
    }

    fn settled(&mut self, ticket: u64) {
        assert!(
            ticket <= self.head,
            "ticket {ticket} of {} was not drawn",
            self.head
        );
    }

    fn accepted_before(&self) -> u64 {
        self.accepted
    }

    fn settled_before(&self) -> u64 {
        self.settled
    }

    fn mark(&self, _broker: usize) -> Option<Mark> {
        None
    }

    fn note(&mut self, _broker: usize, _mark: Mark) {}

    fn clock(&self) -> u64 {
        self.clock
    }

    fn next_clock(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    fn value(&self, key: KeyId, max_bytes: usize, _since: u64) -> Option<Vec<u8>> {
        key.hash.is_multiple_of(2).then(|| vec![1; max_bytes.min(8)])
    }

    fn age_ms(&self, _key: KeyId) -> Option<u64> {
        None
    }
}
