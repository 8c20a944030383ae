//! How fast frames go: one agent sends to a broker, which publishes what comes to another agent.
//!
//! `cargo run --release -p guira-bus --example sockets`: latencies of single records and
//! throughput of full frames, by loopback and by unix sockets, with and without keys.
#![forbid(unsafe_code)]

use std::error::Error;
use std::io::{Write, stdout};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use guira_bus::transport::keys::KeyPair;
use guira_bus::transport::{
    AgentEvent, AgentOptions, AgentSockets, BrokerAddress, BrokerEvent, BrokerKeys, BrokerOptions,
    BrokerSockets, Channel, Sent,
};

const RECORD_BYTES: usize = 32;
const FRAME_BYTES: usize = 64 << 10;
const TOPIC: u8 = 1;
const TURN: Duration = Duration::from_millis(5);
const PAIRS: u64 = 5_000;
/// Between two single records.
const PACE: Duration = Duration::from_micros(500);
const THROUGHPUT_TIME: Duration = Duration::from_secs(4);
/// Frames under way; more would be lost to the receiver's queue, which is as it should be.
const WINDOW: u64 = 64;

type Outcome<T> = Result<T, Box<dyn Error>>;

fn main() -> Outcome<()> {
    let folder = tempfile::tempdir()?;
    let unix = format!("ipc://{}/bus", folder.path().display());
    for (place, with_keys) in [
        ("tcp://127.0.0.1:0", false),
        ("tcp://127.0.0.1:0", true),
        (unix.as_str(), false),
        (unix.as_str(), true),
    ] {
        let name = place.split(':').next().unwrap_or(place);
        measure(name, place, with_keys)?;
    }
    Ok(())
}

fn measure(name: &str, place: &str, with_keys: bool) -> Outcome<()> {
    let allowed = tempfile::tempdir()?;
    let own = KeyPair::generate()?;
    std::fs::write(allowed.path().join("own.key"), own.public().to_string())?;
    let mut options = BrokerOptions::new(place.parse()?);
    let pair = KeyPair::generate()?;
    let key = with_keys.then(|| pair.public());
    options.keys = with_keys.then(|| BrokerKeys {
        pair,
        allowed: allowed.path().to_owned(),
    });
    let broker = BrokerSockets::bind(&options)?;
    let endpoint = broker.endpoint().clone();
    let mut to_broker = AgentOptions::new([BrokerAddress { endpoint, key }]);
    to_broker.keys = with_keys.then_some(own);
    let mut sender = AgentSockets::connect(&to_broker)?;
    let mut receiver = AgentSockets::connect(&to_broker)?;
    receiver.subscribe(TOPIC)?;

    let (is_over, clock) = (AtomicBool::new(false), Instant::now());
    std::thread::scope(|scope| -> Outcome<()> {
        let relaying = scope.spawn(|| relay(broker, &is_over).map_err(|error| error.to_string()));
        let results = (|| -> Outcome<_> {
            connect(&mut sender, &mut receiver)?;
            let echo = echoes(&mut sender, clock)?;
            let one_way = one_way(&mut sender, &mut receiver, clock)?;
            let throughput = throughput(&mut sender, &mut receiver)?;
            Ok((echo, one_way, throughput))
        })();
        is_over.store(true, Ordering::Relaxed);
        relaying.join().map_err(|_| "the broker's thread failed")??;
        let (echo, one_way, (records_per_second, lost)) = results?;
        writeln!(
            stdout(),
            "{name} keys {with_keys}: to the broker and back {echo}; agent to agent {one_way}; \
             {records_per_second:.0} records/s, {lost} frames lost"
        )?;
        Ok(())
    })
}

/// The broker: echoes what is empty but for its time, publishes everything else.
fn relay(
    mut broker: BrokerSockets,
    is_over: &AtomicBool,
) -> Result<(), guira_bus::transport::TransportError> {
    let mut events = Vec::new();
    while !is_over.load(Ordering::Relaxed) {
        broker.poll(TURN, &mut events)?;
        for event in events.drain(..) {
            let BrokerEvent::Control { peer, frame } = event else {
                continue;
            };
            if frame.len() == 8 {
                let _ = broker.send(&peer, frame);
            } else {
                let _ = broker.publish(TOPIC, &frame);
            }
        }
    }
    Ok(())
}

/// Until a frame went all the way.
fn connect(sender: &mut AgentSockets, receiver: &mut AgentSockets) -> Outcome<()> {
    let mut events = Vec::new();
    while !events
        .iter()
        .any(|event| matches!(event, AgentEvent::Stream { .. }))
    {
        if receiver.is_connected(0, Channel::Stream) {
            let _ = sender.send(0, vec![0; RECORD_BYTES]);
        }
        sender.poll(TURN, &mut Vec::new())?;
        receiver.poll(TURN, &mut events)?;
    }
    Ok(())
}

fn echoes(sender: &mut AgentSockets, clock: Instant) -> Outcome<Latencies> {
    let mut latencies = Latencies::default();
    let mut events = Vec::new();
    for _ in 0..PAIRS {
        if sender.send(0, nanos(clock).to_le_bytes().to_vec()) != Sent::Queued {
            return Err("not sent".into());
        }
        while events.is_empty() {
            sender.poll(Duration::from_secs(1), &mut events)?;
        }
        for event in events.drain(..) {
            latencies.add(&event, clock);
        }
    }
    Ok(latencies)
}

fn one_way(sender: &mut AgentSockets, receiver: &mut AgentSockets, clock: Instant) -> Outcome<Latencies> {
    std::thread::scope(|scope| {
        let sending = scope.spawn(|| -> Result<(), String> {
            let mut next = Instant::now();
            for _ in 0..PAIRS {
                next += PACE;
                while Instant::now() < next {
                    std::thread::park_timeout(next.saturating_duration_since(Instant::now()));
                }
                let mut record = nanos(clock).to_le_bytes().to_vec();
                record.resize(RECORD_BYTES, 0);
                if sender.send(0, record) != Sent::Queued {
                    return Err("not sent".to_owned());
                }
            }
            Ok(())
        });
        let mut latencies = Latencies::default();
        let mut events = Vec::new();
        let give_up_at = Instant::now() + PACE * u32::try_from(PAIRS)? + Duration::from_secs(5);
        while latencies.nanos.len() < usize::try_from(PAIRS)? && Instant::now() < give_up_at {
            receiver.poll(Duration::from_millis(100), &mut events)?;
            for event in events.drain(..) {
                latencies.add(&event, clock);
            }
        }
        sending.join().map_err(|_| "the sender failed")??;
        Ok(latencies)
    })
}

/// Records per second from agent to agent, and frames that were lost.
fn throughput(sender: &mut AgentSockets, receiver: &mut AgentSockets) -> Outcome<(f64, u64)> {
    let received = AtomicU64::new(0);
    let began = Instant::now();
    std::thread::scope(|scope| {
        let sending = scope.spawn(|| -> Result<u64, String> {
            let (mut sent, mut events) = (0, Vec::new());
            while began.elapsed() < THROUGHPUT_TIME {
                let has_room = sent < received.load(Ordering::Relaxed) + WINDOW;
                if has_room && sender.send(0, vec![7; FRAME_BYTES]) == Sent::Queued {
                    sent += 1;
                } else {
                    let wait = Duration::from_millis(1);
                    sender
                        .poll(wait, &mut events)
                        .map_err(|error| error.to_string())?;
                    events.clear();
                }
            }
            Ok(sent)
        });
        let mut events = Vec::new();
        let mut last = began;
        loop {
            receiver.poll(Duration::from_millis(200), &mut events)?;
            let frames = events
                .drain(..)
                .filter(
                    |event| matches!(event, AgentEvent::Stream { frame, .. } if frame.len() == FRAME_BYTES),
                )
                .count();
            if frames > 0 {
                received.fetch_add(u64::try_from(frames)?, Ordering::Relaxed);
                last = Instant::now();
            } else if sending.is_finished() {
                break;
            }
        }
        let sent = sending.join().map_err(|_| "the sender failed")??;
        let received = received.load(Ordering::Relaxed);
        let records =
            f64::from(u32::try_from(received)?) * f64::from(u32::try_from(FRAME_BYTES / RECORD_BYTES)?);
        Ok((records / (last - began).as_secs_f64(), sent - received))
    })
}

fn nanos(clock: Instant) -> u64 {
    u64::try_from(clock.elapsed().as_nanos()).unwrap_or(u64::MAX)
}

#[derive(Debug, Default)]
struct Latencies {
    nanos: Vec<u64>,
}

impl Latencies {
    /// A frame begins with the time at which it was sent.
    fn add(&mut self, event: &AgentEvent, clock: Instant) {
        let (AgentEvent::Control { frame, .. } | AgentEvent::Stream { frame, .. }) = event else {
            return;
        };
        if let Some(sent_at) = frame.first_chunk().map(|bytes| u64::from_le_bytes(*bytes)) {
            self.nanos.push(nanos(clock).saturating_sub(sent_at));
        }
    }
}

impl std::fmt::Display for Latencies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut sorted = self.nanos.clone();
        sorted.sort_unstable();
        let at = |per_mille: usize| {
            let index = (sorted.len() * per_mille / 1000).min(sorted.len().saturating_sub(1));
            sorted.get(index).copied().unwrap_or(0) / 1000
        };
        write!(f, "p50 {} us, p99 {} us ({})", at(500), at(990), sorted.len())
    }
}
