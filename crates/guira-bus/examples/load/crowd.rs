//! Many hosts at one broker: bare sockets, two for each host, all on one thread.

use std::time::{Duration, Instant};

use guira_bus::wire::{
    Ask, Cluster, Epoch, Item, Record, RecordKind, Stream, ToAgent, ToBroker, decode, encode,
};

use crate::Outcome;
use crate::broker::{BrokerProcess, CLUSTER};
use crate::host::hello;

const ASK_EVERY: Duration = Duration::from_millis(100);
const AGAIN: Duration = Duration::from_millis(500);
const MEASURED: Duration = Duration::from_secs(5);
/// A context has 1,023 sockets at most.
const MEMBERS_OF_CONTEXT: usize = 500;
const STREAM_ROUNDS: u64 = 200;
const PATIENCE: Duration = Duration::from_secs(60);
/// Everybody is asked for a heartbeat and heads of two topics.
const TOPIC_MASK: u64 = 0b11;

pub(crate) struct Crowd {
    pub(crate) joined_ms: f64,
    pub(crate) answer_p50_us: f64,
    pub(crate) answer_p99_us: f64,
    pub(crate) missed_percent: f64,
    pub(crate) to_all_us: f64,
    pub(crate) broker_core_percent: f64,
}

struct Member {
    control: zmq::Socket,
    stream: zmq::Socket,
    epoch: Epoch,
    members_version: u64,
    /// The version that the broker named last.
    seen_version: u64,
    since: Instant,
    asked_at: Instant,
    asks: u64,
    answers: u64,
    streamed: u64,
}

/// All sockets, and when what came.
struct Members {
    members: Vec<Member>,
    cluster: Cluster,
    answered_us: Vec<f64>,
}

pub(crate) fn crowd(broker: &BrokerProcess, count: usize) -> Outcome<Crowd> {
    let contexts: Vec<_> = (0..count.div_ceil(MEMBERS_OF_CONTEXT))
        .map(|_| zmq::Context::new())
        .collect();
    let began = Instant::now();
    let members = (0..count)
        .map(|index| Member::connect(&contexts[index / MEMBERS_OF_CONTEXT], broker))
        .collect::<Outcome<_>>()?;
    let mut members = Members {
        members,
        cluster: Cluster::of_name(CLUSTER),
        answered_us: Vec::new(),
    };
    members.join()?;
    let joined_ms = began.elapsed().as_secs_f64() * 1e3;
    let mut to_all_us = members.measure_stream()?;
    to_all_us.sort_by(f64::total_cmp);

    members.forget();
    let (core_before_s, measured_from) = (broker.core_s()?, Instant::now());
    while measured_from.elapsed() < MEASURED {
        members.ask_in_turn();
        members.turn(Duration::from_millis(1))?;
    }
    let core_s = broker.core_s()? - core_before_s;
    let (asks, answers) = members.members.iter().fold((0, 0), |(asks, answers), member| {
        (asks + member.asks, answers + member.answers)
    });
    let answered_us = &mut members.answered_us;
    answered_us.sort_by(f64::total_cmp);
    let at = |figures: &[f64], share: f64| {
        let index = figures.len().saturating_sub(1) as f64 * share;
        figures.get(index as usize).copied().unwrap_or(f64::NAN)
    };
    Ok(Crowd {
        joined_ms,
        answer_p50_us: at(answered_us, 0.5),
        answer_p99_us: at(answered_us, 0.99),
        // What is under way at the end is not missed.
        missed_percent: (asks.saturating_sub(answers + count as u64)) as f64 / asks as f64 * 100.0,
        to_all_us: at(&to_all_us, 0.5),
        broker_core_percent: core_s / MEASURED.as_secs_f64() * 100.0,
    })
}

impl Member {
    fn connect(context: &zmq::Context, broker: &BrokerProcess) -> Outcome<Self> {
        let open = |kind, address: &str| -> Outcome<zmq::Socket> {
            let socket = context.socket(kind)?;
            socket.set_linger(0)?;
            if let (Some(own), Some(key)) = (&broker.crowd_keys, &broker.address.key) {
                socket.set_curve_serverkey(&zmq::z85_decode(&key.to_string())?)?;
                socket.set_curve_publickey(&own.public_key)?;
                socket.set_curve_secretkey(&own.secret_key)?;
            }
            if kind == zmq::SUB {
                socket.set_subscribe(&[0])?;
            }
            socket.connect(address)?;
            Ok(socket)
        };
        let endpoint = &broker.address.endpoint;
        let port = endpoint.port().ok_or("by tcp")?;
        Ok(Self {
            control: open(zmq::DEALER, &endpoint.to_string())?,
            stream: open(zmq::SUB, &format!("tcp://127.0.0.1:{}", port + 1))?,
            epoch: Epoch(0),
            members_version: 0,
            seen_version: 0,
            since: Instant::now(),
            asked_at: Instant::now() - AGAIN,
            asks: 0,
            answers: 0,
            streamed: 0,
        })
    }
}

impl Members {
    /// Greets until all are welcome and know each other.
    fn join(&mut self) -> Outcome<()> {
        self.until("welcome", |cluster, index, member| {
            member.greet_if_unknown(cluster, index);
            member.epoch != Epoch(0)
        })?;
        let count = self.members.len() as u64;
        self.until("known to each other", |cluster, index, member| {
            member.greet_if_unknown(cluster, index);
            member.ask_if_due(cluster);
            member.epoch != Epoch(0)
                && member.members_version >= count
                && member.members_version >= member.seen_version
        })
    }

    fn until(
        &mut self,
        what: &str,
        mut is_so: impl FnMut(Cluster, usize, &mut Member) -> bool,
    ) -> Outcome<()> {
        let began = Instant::now();
        loop {
            let cluster = self.cluster;
            let left = self
                .members
                .iter_mut()
                .enumerate()
                .filter_map(|(index, member)| (!is_so(cluster, index, member)).then_some(()))
                .count();
            if left == 0 {
                return Ok(());
            }
            if began.elapsed() > PATIENCE {
                return Err(format!("{left} hosts are not {what}").into());
            }
            self.turn(Duration::from_millis(1))?;
        }
    }

    /// How long a record takes from one host to the last of all.
    fn measure_stream(&mut self) -> Outcome<Vec<f64>> {
        let mut took_us = Vec::new();
        for ticket in 0..STREAM_ROUNDS {
            let began = Instant::now();
            let publisher = &self.members[0];
            publisher.send(
                self.cluster,
                &ToBroker::Publish {
                    epoch: publisher.epoch,
                    first: ticket,
                    items: vec![Item::Record(Record {
                        kind: RecordKind::Tag,
                        namespace: 0,
                        hash: ticket,
                        wall_ms: 0,
                        stamp: 0,
                    })],
                },
            );
            self.until("reached by a record", |cluster, _, member| {
                member.ask_if_due(cluster);
                member.streamed > ticket
            })?;
            took_us.push(began.elapsed().as_secs_f64() * 1e6);
        }
        Ok(took_us)
    }

    fn forget(&mut self) {
        self.answered_us.clear();
        for member in &mut self.members {
            (member.asks, member.answers) = (0, 0);
        }
    }

    fn ask_in_turn(&mut self) {
        for member in &mut self.members {
            member.ask_if_due(self.cluster);
        }
    }

    /// Takes what comes within `timeout`, or is there.
    fn turn(&mut self, timeout: Duration) -> Outcome<()> {
        let mut items: Vec<zmq::PollItem<'_>> = self
            .members
            .iter()
            .flat_map(|member| [&member.control, &member.stream])
            .map(|socket| socket.as_poll_item(zmq::POLLIN))
            .collect();
        zmq::poll(&mut items, i64::try_from(timeout.as_millis())?)?;
        let ready: Vec<bool> = items.iter().map(zmq::PollItem::is_readable).collect();
        drop(items);
        for (member, ready) in self.members.iter_mut().zip(ready.chunks(2)) {
            if ready.first() == Some(&true) {
                while let Ok(frame) = member.control.recv_msg(zmq::DONTWAIT) {
                    let frame = decode(self.cluster, &frame)?;
                    member.take(self.cluster, frame, &mut self.answered_us);
                }
            }
            if ready.last() == Some(&true) {
                while let Ok(frame) = member.stream.recv_msg(zmq::DONTWAIT) {
                    if let Stream::Entries { entries, .. } = decode(self.cluster, &frame[1..])? {
                        member.streamed += entries.len() as u64;
                    }
                }
            }
        }
        Ok(())
    }
}

impl Member {
    fn send(&self, cluster: Cluster, frame: &ToBroker) {
        // What finds no room is sent again.
        let _ = self.control.send(encode(cluster, frame), zmq::DONTWAIT);
    }

    fn greet_if_unknown(&mut self, cluster: Cluster, index: usize) {
        if self.epoch == Epoch(0) && self.asked_at.elapsed() > AGAIN {
            self.asked_at = Instant::now();
            self.send(cluster, &ToBroker::Hello(hello(index as u128 + 1)));
        }
    }

    fn ask_if_due(&mut self, cluster: Cluster) {
        if self.epoch == Epoch(0) || self.asked_at.elapsed() < ASK_EVERY {
            return;
        }
        self.asked_at = Instant::now();
        self.asks += 1;
        let ask = Ask {
            epoch: self.epoch,
            asked_at_us: self.asked_at.duration_since(self.since).as_micros() as u64,
            topics: TOPIC_MASK,
            applied: 0,
            members_version: self.members_version,
        };
        self.send(cluster, &ToBroker::Ask(ask));
    }

    fn take(&mut self, cluster: Cluster, frame: ToAgent, answered_us: &mut Vec<f64>) {
        match frame {
            ToAgent::Welcome { epoch, .. } => self.epoch = epoch,
            ToAgent::Answer(answer) => {
                self.answers += 1;
                let took = self.since.elapsed().as_micros() as f64 - answer.asked_at_us as f64;
                answered_us.push(took);
                self.seen_version = answer.members_version;
                if answer.members_version > self.members_version {
                    self.send(cluster, &ToBroker::Members { epoch: self.epoch });
                }
            }
            // It was silent for too long; `join` would greet again, the measurement says that it was missed.
            ToAgent::WhoAreYou { .. } => self.epoch = Epoch(0),
            ToAgent::Members { version, .. } => self.members_version = version,
            _ => {}
        }
    }
}
