//! Workers that ask the cluster before they compute, and what leases promise.

use guira_bus::core::{LeaseOutcome, LeaseWish};
use guira_bus::wire::KeyId;

use super::*;
use crate::host::namespace_of;

/// Computations that a host's workers have under way at once.
const MAX_WANTS: usize = 8;
const TERM_US: Micros = BrokerSettings::LEASE_TERM_US;
/// How long a worker waits for other hosts at most.
const LONGEST_SEEK_US: Micros = 40_000;
/// How long a computation takes with a lease, in calm and at most.
const LONGEST_US: Micros = 300_000;
/// In calm nobody waits longer.
pub(super) const WAIT_ENDS_US: Micros = 2_000_000;

/// How far a worker is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Step {
    Waits,
    Computes {
        birth: u64,
    },
    /// Until there is an agent to be told.
    Ended {
        is_done: bool,
    },
}

/// A worker's lease, as a slot of the segment has it: agents come and go, and it stays.
#[derive(Clone, Copy, Debug)]
pub(super) struct Want {
    pub(super) key: usize,
    wish: LeaseWish,
    /// The version that another host's value had to have when the worker asked.
    least: u64,
    pub(super) began_us: Micros,
    pub(super) step: Step,
}

impl Want {
    fn key_id(&self) -> KeyId {
        KeyId {
            namespace: namespace_of(self.key),
            hash: self.key as u64 + 1,
        }
    }
}

impl World {
    /// A worker that missed asks the cluster, by as much as the world's plan says.
    pub(super) fn asks_cluster(&mut self, host: usize, key: usize) -> bool {
        let is_leased = self.rng.f64() < self.plan.leased;
        let is_sought = self.rng.f64() < self.plan.sought;
        let wait_us = self.rng.u64(1..LONGEST_SEEK_US);
        let wish = match (is_leased, is_sought) {
            (true, false) => LeaseWish::Compute,
            (true, true) => LeaseWish::FetchOrCompute { wait_us },
            (false, true) => LeaseWish::Fetch { wait_us },
            (false, false) => return false,
        };
        self.want(host, key, wish);
        true
    }

    fn want(&mut self, host: usize, key: usize, wish: LeaseWish) {
        let number = self.number();
        let began_us = self.now_us;
        let least = self.oracle.least(self.now_us, key);
        let Some(node) = self.hosts.get_mut(host) else {
            return;
        };
        if node.wants.len() < MAX_WANTS {
            let step = Step::Waits;
            node.wants.insert(
                number,
                Want {
                    key,
                    wish,
                    least,
                    began_us,
                    step,
                },
            );
            self.tell_agent(host);
        }
    }

    /// The agent looks at the slots.
    pub(super) fn tell_agent(&mut self, host: usize) {
        let now_us = self.host_clock(host);
        let mut flow = Vec::new();
        let Some(node) = self.hosts.get_mut(host).filter(|node| node.stopped.is_none()) else {
            return;
        };
        let Some(agent) = &mut node.agent else {
            return;
        };
        node.wants.retain(|&number, want| {
            let key = want.key_id();
            match want.step {
                Step::Waits => {
                    agent.lease_want(now_us, key, number, want.wish, &mut node.segment, &mut flow);
                }
                Step::Computes { .. } => agent.lease_hold(now_us, key, number, &mut node.segment, &mut flow),
                Step::Ended { is_done: true } => {
                    agent.lease_done(now_us, key, number, &mut node.segment, &mut flow);
                }
                Step::Ended { is_done: false } => {
                    agent.lease_abandon(now_us, key, number, &mut node.segment, &mut flow);
                }
            }
            !matches!(want.step, Step::Ended { .. })
        });
        self.carry_out(host, flow);
    }

    /// What an agent says to the worker that waits.
    pub(super) fn on_outcome(&mut self, host: usize, number: u64, outcome: LeaseOutcome) {
        self.trace(|| format!("host {host}: lease {number}: {outcome:?}"));
        let life = self.hosts.get(host).map_or(0, |node| node.life);
        let Some(node) = self.hosts.get_mut(host) else {
            return;
        };
        let Some(want) = node
            .wants
            .get_mut(&number)
            .filter(|want| matches!(want.step, Step::Waits))
        else {
            return;
        };
        let (key, least) = (want.key, want.least);
        match outcome {
            LeaseOutcome::Busy { .. } => self.counts.leases_waited += 1,
            LeaseOutcome::Granted => {
                self.counts.leases_granted += 1;
                want.step = Step::Computes {
                    birth: node.segment.clock(),
                };
                self.look_for_another(host, number, key);
                let most_us = match self.rng.u8(..40) {
                    0 if self.now_us < self.plan.calm_us => 6 * LONGEST_US,
                    0..4 => LONGEST_US,
                    _ => LONGEST_US / 10,
                };
                let read_us = self.rng.u64(1..most_us);
                self.after(
                    read_us,
                    Event::Computed {
                        host,
                        life,
                        number,
                        version: None,
                    },
                );
            }
            LeaseOutcome::Found { value, clock, .. } => {
                node.wants.remove(&number);
                let version = value
                    .and_then(|bytes| bytes.get(..8).and_then(|bytes| bytes.try_into().ok()))
                    .map(u64::from_le_bytes);
                self.counts.leases_found += 1;
                self.counts.leases_valued += u64::from(version.is_some());
                self.counts.leases_clocked += u64::from(clock.is_some());
                if let (Some(version), Some(birth)) = (version, clock) {
                    self.counts.leases_stored += 1;
                    node.segment.fill(key, Value { version, birth });
                }
            }
            LeaseOutcome::Fetched { value, clock, .. } => {
                node.wants.remove(&number);
                self.counts.fetched += 1;
                let version = value.get(..8).and_then(|bytes| bytes.try_into().ok());
                if let Some(version) = version.map(u64::from_le_bytes) {
                    if version < least {
                        self.violation.get_or_insert(Violation {
                            at_us: self.now_us,
                            host,
                            key,
                            version,
                            promised: least,
                            by: "accepted longer than the bound before another host was asked",
                        });
                    }
                    let value = Value {
                        version,
                        birth: clock,
                    };
                    let delay_us = self.rng.u64(1..20_000);
                    self.after(
                        delay_us,
                        Event::Fill {
                            host,
                            life,
                            key,
                            value,
                        },
                    );
                }
            }
            LeaseOutcome::Alone => {
                node.wants.remove(&number);
                self.counts.leases_alone += 1;
                let birth = node.segment.clock();
                self.after(
                    500,
                    Event::Source {
                        host,
                        life,
                        key,
                        birth,
                    },
                );
            }
        }
    }

    /// A computation has read its source, or is at its end.
    pub(super) fn computed(&mut self, host: usize, life: u64, number: u64, version: Option<u64>) {
        let Some(node) = self
            .hosts
            .get_mut(host)
            .filter(|node| node.life == life && node.is_up)
        else {
            return;
        };
        let Some(want) = node.wants.get_mut(&number) else {
            return;
        };
        let Step::Computes { birth } = want.step else {
            return;
        };
        let Some(version) = version else {
            let version = self.source.get(want.key).copied();
            let delay_us = self.rng.u64(1..LONGEST_US / 10);
            return self.after(
                delay_us,
                Event::Computed {
                    host,
                    life,
                    number,
                    version,
                },
            );
        };
        let is_done = self.rng.u8(..20) != 0;
        if is_done {
            node.segment.fill(want.key, Value { version, birth });
        }
        want.step = Step::Ended { is_done };
        self.tell_agent(host);
    }

    /// Somebody was granted a lease: nobody else may have it, unless something went wrong with that one.
    fn look_for_another(&mut self, host: usize, number: u64, key: usize) {
        let is_lossy = self.plan.loss > 0.0 || self.plan.slow > 0.0;
        let calm_us = if is_lossy { self.plan.calm_us } else { 0 };
        for (other, node) in self.hosts.iter().enumerate().filter(|(_, node)| node.is_up) {
            let holds = |(of, want): (&u64, &Want)| {
                (other, *of) != (host, number)
                    && want.key == key
                    && matches!(want.step, Step::Computes { .. })
            };
            if !node.wants.iter().any(holds) {
                continue;
            }
            self.counts.leases_doubled += 1;
            if self.now_us >= node.disturbed_until_us.max(calm_us) + 2 * TERM_US {
                self.violation.get_or_insert(Violation {
                    at_us: self.now_us,
                    host,
                    key,
                    version: 0,
                    promised: 0,
                    by: "another host holds its lease, and nothing was wrong with that one",
                });
            }
        }
    }

    /// A host's leases may be lost for what happens until `until_us`.
    pub(super) fn disturb(&mut self, host: usize, for_us: Micros) {
        let until_us = self.now_us + for_us;
        if let Some(node) = self.hosts.get_mut(host) {
            node.disturbed_until_us = node.disturbed_until_us.max(until_us);
        }
    }

    /// Who waits that should not any more.
    pub(super) fn waits_too_long(&self, host: usize, node: &HostNode) -> Option<String> {
        let late = node
            .wants
            .iter()
            .find(|(_, want)| want.began_us + WAIT_ENDS_US < self.now_us);
        if let Some((number, want)) = late {
            for node in &self.hosts {
                self.trace(|| format!("{:?} {:?} {:?}", node.segment.origin, node.wants, node.agent));
            }
            return Some(format!("host {host}: lease {number} is still {want:?}"));
        }
        let known = node.agent.as_ref().map_or(0, AgentCore::lease_count);
        (known > node.wants.len()).then(|| {
            format!(
                "host {host}: {known} leases where {} are wanted",
                node.wants.len()
            )
        })
    }
}
