//! Rounds with a few hosts: throughput, latency, a burst.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use crate::Outcome;
use crate::broker::BrokerProcess;
use crate::host::Host;

const FRAME_RECORDS: u64 = 1000;
/// So many records may be under way to the slowest host.
const WINDOW: u64 = 64 * FRAME_RECORDS;
/// Of those in frames of one: as many frames as may wait for a peer, or nearly.
const BURST_WINDOW: u64 = 512;
const THROUGHPUT_RECORDS: u64 = 2_000_000;
const BURST_RECORDS: u64 = 20_000;
const LATENCY_RECORDS: u64 = 5_000;
const SHORT: Duration = Duration::from_millis(10);
const PATIENCE: Duration = Duration::from_secs(120);

pub(crate) struct Throughput {
    pub(crate) per_s: f64,
    pub(crate) broker_core_percent: f64,
    pub(crate) gaps: u64,
}

pub(crate) struct Latency {
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
}

pub(crate) struct Burst {
    pub(crate) seconds: f64,
    pub(crate) lost: u64,
    pub(crate) gaps: u64,
}

/// One host publishes, all follow; until the last has the last record.
pub(crate) fn throughput(broker: &BrokerProcess, hosts: u128) -> Outcome<Throughput> {
    let (seconds, core_s, followed) = relay(broker, hosts, THROUGHPUT_RECORDS, FRAME_RECORDS)?;
    Ok(Throughput {
        per_s: THROUGHPUT_RECORDS as f64 / seconds,
        broker_core_percent: core_s / seconds * 100.0,
        gaps: followed.iter().map(|host| host.gaps).sum(),
    })
}

/// As fast as one host can, a frame for each record.
pub(crate) fn burst(broker: &BrokerProcess) -> Outcome<Burst> {
    let (seconds, _, followed) = relay(broker, 3, BURST_RECORDS, 1)?;
    Ok(Burst {
        seconds,
        lost: followed
            .iter()
            .map(|host| BURST_RECORDS.saturating_sub(host.received))
            .sum(),
        gaps: followed.iter().map(|host| host.gaps).sum(),
    })
}

/// From the first host's `publish` to the second one's `turn`.
pub(crate) fn latency(broker: &BrokerProcess) -> Outcome<Latency> {
    let (mut from, mut to) = (Host::join(broker, 1)?, Host::join(broker, 2)?);
    let mut took_us: Vec<f64> = Vec::new();
    for record in 1..=LATENCY_RECORDS {
        let began = Instant::now();
        from.publish(1);
        while to.received < record {
            to.turn(SHORT)?;
            if began.elapsed() > SHORT * 10 {
                from.turn(Duration::ZERO)?;
                to.look_for_losses(record);
            }
        }
        took_us.push(began.elapsed().as_secs_f64() * 1e6);
        from.turn(Duration::ZERO)?;
        if record % 100 == 0 {
            from.ask();
            to.ask();
        }
    }
    took_us.sort_by(f64::total_cmp);
    let at = |share: f64| {
        let index = (took_us.len() - 1) as f64 * share;
        took_us.get(index as usize).copied().unwrap_or(f64::NAN)
    };
    Ok(Latency {
        p50_us: at(0.5),
        p99_us: at(0.99),
    })
}

struct Followed {
    received: u64,
    gaps: u64,
}

/// Seconds, seconds of a core that the broker used, and what became of the records at each host.
fn relay(
    broker: &BrokerProcess,
    hosts: u128,
    records: u64,
    frame_records: u64,
) -> Outcome<(f64, f64, Vec<Followed>)> {
    let mut publisher = Host::join(broker, 1)?;
    let others: Vec<Host> = (2..=hosts)
        .map(|number| Host::join(broker, number))
        .collect::<Outcome<_>>()?;
    let core_before_s = broker.core_s()?;
    let began = Instant::now();
    let progress: Vec<AtomicU64> = others.iter().map(|_| AtomicU64::new(0)).collect();
    let progress = progress.as_slice();
    let is_over = AtomicBool::new(false);
    let is_over = &is_over;
    let mut followed: Vec<Followed> = std::thread::scope(|scope| {
        let following: Vec<_> = others
            .into_iter()
            .zip(progress)
            .map(|(host, progress)| scope.spawn(move || follow(host, records, progress, is_over)))
            .collect();
        let result = publish(&mut publisher, records, frame_records, progress);
        is_over.store(result.is_err(), Ordering::Relaxed);
        let mut followed: Vec<Outcome<Followed>> = following
            .into_iter()
            .map(|thread| {
                thread
                    .join()
                    .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
            })
            .collect();
        followed.push(result);
        followed.into_iter().collect::<Outcome<_>>()
    })?;
    let seconds = began.elapsed().as_secs_f64();
    let core_s = broker.core_s()? - core_before_s;
    followed.sort_by_key(|host| host.received);
    Ok((seconds, core_s, followed))
}

/// No faster than the slowest follows, in frames of many records; as fast as the broker takes them in frames of
/// one.
fn publish(host: &mut Host, records: u64, frame_records: u64, progress: &[AtomicU64]) -> Outcome<Followed> {
    let began = Instant::now();
    let mut asked = began;
    while host.acked < records || host.received < records {
        let slowest = progress
            .iter()
            .map(|received| received.load(Ordering::Relaxed))
            .fold(host.received, u64::min);
        let limit = if frame_records == 1 {
            host.acked + BURST_WINDOW
        } else {
            slowest + WINDOW
        };
        while host.next < records.min(limit) {
            if !host.publish(frame_records.min(records - host.next)) {
                break;
            }
        }
        // The progress of others wakes nobody.
        host.turn(Duration::from_millis(1))?;
        repeat(host, records, began, &mut asked)?;
    }
    Ok(Followed {
        received: host.received,
        gaps: host.gaps,
    })
}

fn follow(mut host: Host, records: u64, progress: &AtomicU64, is_over: &AtomicBool) -> Outcome<Followed> {
    let began = Instant::now();
    let mut asked = began;
    while host.received < records && !is_over.load(Ordering::Relaxed) {
        host.turn(SHORT)?;
        progress.store(host.received, Ordering::Relaxed);
        repeat(&mut host, records, began, &mut asked)?;
    }
    Ok(Followed {
        received: host.received,
        gaps: host.gaps,
    })
}

/// What agents do each tenth of a second.
fn repeat(host: &mut Host, records: u64, began: Instant, asked: &mut Instant) -> Outcome<()> {
    if asked.elapsed() > SHORT * 10 {
        *asked = Instant::now();
        host.ask();
        if host.is_quiet() {
            host.look_for_losses(records);
            host.publish_again();
        }
    }
    if began.elapsed() > PATIENCE {
        return Err(format!("{} has {} of {records} records", host.origin(), host.received).into());
    }
    Ok(())
}
