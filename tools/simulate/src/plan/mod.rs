//! What a seed stands for: how many of what, how bad the network is, and what breaks when.

mod emphasis;

use fastrand::Rng;
use guira_bus::core::mutant::Mutant;

/// Microseconds.
pub(crate) type Micros = u64;

/// Something that goes wrong.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Fault {
    /// Nothing passes between a host and a broker.
    Cut {
        host: usize,
        broker: usize,
        for_us: Micros,
    },
    /// Only the stream is lost: a queue that overflowed.
    StreamLost {
        host: usize,
        broker: usize,
        for_us: Micros,
    },
    /// The connection is made anew.
    Reconnect { host: usize, broker: usize },
    /// A broker dies and comes back with an empty log.
    BrokerDies { broker: usize, for_us: Micros },
    /// A broker is stopped and goes on.
    BrokerStops { broker: usize, for_us: Micros },
    /// An agent dies; another worker takes over.
    AgentDies { host: usize, for_us: Micros },
    /// An agent is stopped, is replaced, and goes on for a moment.
    AgentStops { host: usize, for_us: Micros },
    /// A host is gone for good.
    HostDies { host: usize },
    /// A host comes back as another, with an empty segment.
    HostReboots { host: usize, for_us: Micros },
    /// A host leaves in order and comes back.
    HostLeaves { host: usize, for_us: Micros },
}

/// A seed's world.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) hosts: usize,
    pub(crate) brokers: usize,
    pub(crate) keys: usize,
    pub(crate) bound_us: Micros,
    pub(crate) ring: u64,
    pub(crate) log_entries: u64,
    pub(crate) loss: f64,
    pub(crate) repeat: f64,
    pub(crate) delay_us: Micros,
    pub(crate) slow: f64,
    pub(crate) op_every_us: Micros,
    /// Invalidations are of single keys.
    pub(crate) is_narrow: bool,
    /// The share of computations that ask the cluster first.
    pub(crate) leased: f64,
    /// The share of those who ask, or do not, that seek the value on other hosts first.
    pub(crate) sought: f64,
    pub(crate) starts_us: Vec<Micros>,
    pub(crate) clock_offsets_us: Vec<Micros>,
    pub(crate) clock_ppm: Vec<i64>,
    pub(crate) faults: Vec<(Micros, Fault)>,
    /// From here on nothing goes wrong any more.
    pub(crate) calm_us: Micros,
    pub(crate) end_us: Micros,
}

/// After this much calm everything must be healed.
pub(crate) const HEALED_WITHIN_US: Micros = 2_000_000;

impl Plan {
    /// The plan of a seed; for a mistake that is rarely found, one in which it would be.
    pub(crate) fn of(rng: &mut Rng, mutant: Option<Mutant>) -> Self {
        let hosts = rng.usize(2..=4);
        let brokers = if rng.bool() { 1 } else { 3 };
        let calm_us = rng.u64(2_000_000..6_000_000);
        let op_every_us = *[300, 2_000, 20_000, 200_000]
            .get(rng.usize(..4))
            .unwrap_or(&2_000);
        // A log that holds less than some hundred milliseconds of what comes heals nothing.
        let records_each_s = hosts as u64 * 500_000 / op_every_us;
        let pick =
            |rng: &mut Rng, values: &[f64]| values.get(rng.usize(..values.len())).copied().unwrap_or(0.0);
        let mut plan = Self {
            hosts,
            brokers,
            keys: rng.usize(4..24),
            bound_us: if rng.bool() { 500_000 } else { 200_000 },
            ring: *[32, 256, 4_096].get(rng.usize(..3)).unwrap_or(&256),
            log_entries: *[records_each_s / 3 + 20, records_each_s * 2 + 20, 100_000]
                .get(rng.usize(..3))
                .unwrap_or(&100_000),
            loss: pick(rng, &[0.0, 0.0, 0.01, 0.1, 0.3]),
            repeat: pick(rng, &[0.0, 0.02, 0.2]),
            delay_us: rng.u64(50..3_000),
            slow: pick(rng, &[0.0, 0.01, 0.1]),
            op_every_us,
            is_narrow: false,
            leased: pick(rng, &[0.0, 0.1, 1.0]),
            sought: pick(rng, &[0.0, 0.2, 1.0]),
            starts_us: (0..hosts)
                .map(|_| if rng.bool() { 0 } else { rng.u64(..calm_us) })
                .collect(),
            clock_offsets_us: (0..hosts + brokers).map(|_| rng.u64(1_000..1 << 40)).collect(),
            clock_ppm: (0..hosts + brokers).map(|_| rng.i64(-50..50)).collect(),
            faults: Vec::new(),
            calm_us,
            end_us: calm_us + HEALED_WITHIN_US + 500_000,
        };
        for _ in 0..rng.usize(0..9) {
            plan.add_fault(rng);
        }
        // What is worst together: a broker and a host, at nearly the same time.
        if rng.u8(..3) == 0 {
            let at_us = rng.u64(..calm_us);
            let broker = rng.usize(..brokers);
            let host = rng.usize(..hosts);
            let for_us = duration(rng);
            let near_us = at_us + rng.u64(..20_000);
            plan.faults.push((at_us, Fault::BrokerDies { broker, for_us }));
            let other = match rng.u8(..4) {
                0 => Fault::HostDies { host },
                1 => Fault::Cut {
                    host,
                    broker,
                    for_us: duration(rng),
                },
                2 => Fault::HostReboots {
                    host,
                    for_us: duration(rng),
                },
                _ => Fault::AgentDies {
                    host,
                    for_us: duration(rng) / 8,
                },
            };
            plan.faults.push((near_us, other));
        }
        if rng.u8(..3) == 0 {
            plan.add_ambush(rng);
        }
        if rng.u8(..6) == 0 {
            plan.make_quiet(rng);
        }
        if let Some(mutant) = mutant {
            plan.emphasize(mutant, rng);
        }
        plan.faults.retain(|(at_us, _)| *at_us < calm_us);
        for (at_us, fault) in &mut plan.faults {
            fault.end_before(calm_us - *at_us);
        }
        plan
    }

    /// One host says something, is heard by brokers and not by another host, and then it and the brokers are
    /// gone; sometimes it was new.
    fn add_ambush(&mut self, rng: &mut Rng) {
        let at_us = rng.u64(400_000..self.calm_us);
        let speaker = rng.usize(..self.hosts);
        let deaf = (speaker + rng.usize(1..self.hosts)) % self.hosts;
        let quiet_us = rng.u64(3_000..60_000);
        if rng.bool() {
            let away_us = rng.u64(1_000..300_000);
            let back_us = at_us.saturating_sub(rng.u64(1_000..quiet_us + 20_000));
            let host = speaker;
            let fault = Fault::HostReboots {
                host,
                for_us: away_us,
            };
            self.faults.push((back_us.saturating_sub(away_us), fault));
        }
        for broker in 0..self.brokers {
            let host = deaf;
            let for_us = quiet_us + 2_000;
            self.faults.push((
                at_us.saturating_sub(quiet_us),
                Fault::Cut { host, broker, for_us },
            ));
            let for_us = rng.u64(1_000..100_000);
            self.faults
                .push((at_us + rng.u64(..1_000), Fault::BrokerDies { broker, for_us }));
        }
        self.faults.push((at_us, Fault::HostDies { host: speaker }));
    }

    /// Nothing goes wrong but brokers that die: then no lease may be granted twice.
    fn make_quiet(&mut self, rng: &mut Rng) {
        self.loss = 0.0;
        self.slow = 0.0;
        self.leased = 1.0;
        self.faults
            .retain(|(_, fault)| matches!(fault, Fault::BrokerDies { .. }));
        for _ in 0..rng.usize(1..4) {
            let at_us = rng.u64(..self.calm_us);
            let broker = rng.usize(..self.brokers);
            let for_us = rng.u64(1_000..200_000);
            self.faults.push((at_us, Fault::BrokerDies { broker, for_us }));
        }
    }

    fn add_fault(&mut self, rng: &mut Rng) {
        let at_us = rng.u64(..self.calm_us);
        let host = rng.usize(..self.hosts);
        let broker = rng.usize(..self.brokers);
        let for_us = duration(rng);
        let fault = match rng.u8(..24) {
            0..=4 => Fault::Cut { host, broker, for_us },
            5..=8 => Fault::StreamLost { host, broker, for_us },
            9..=10 => Fault::Reconnect { host, broker },
            11..=13 => Fault::BrokerDies { broker, for_us },
            14..=15 => Fault::BrokerStops { broker, for_us },
            16..=18 => Fault::AgentDies {
                host,
                for_us: for_us / 8,
            },
            19..=20 => Fault::AgentStops { host, for_us },
            21 => Fault::HostDies { host },
            22 => Fault::HostReboots { host, for_us },
            _ => Fault::HostLeaves { host, for_us },
        };
        self.faults.push((at_us, fault));
    }
}

/// Mostly short, sometimes seconds.
fn duration(rng: &mut Rng) -> Micros {
    let most_us = [5_000, 80_000, 400_000, 1_500_000, 4_000_000]
        .get(rng.usize(..5))
        .copied()
        .unwrap_or(80_000);
    rng.u64(1_000..most_us)
}

impl Fault {
    fn end_before(&mut self, limit_us: Micros) {
        match self {
            Self::Cut { for_us, .. }
            | Self::StreamLost { for_us, .. }
            | Self::BrokerDies { for_us, .. }
            | Self::BrokerStops { for_us, .. }
            | Self::AgentDies { for_us, .. }
            | Self::AgentStops { for_us, .. }
            | Self::HostReboots { for_us, .. }
            | Self::HostLeaves { for_us, .. } => *for_us = (*for_us).min(limit_us.max(1)),
            Self::Reconnect { .. } | Self::HostDies { .. } => {}
        }
    }
}
