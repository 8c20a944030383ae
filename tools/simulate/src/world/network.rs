//! The network: how long frames take, and which are lost or come twice.

use super::*;

impl World {
    /// How long a frame takes; `None` for a frame that is lost.
    pub(super) fn passage(&mut self, host: usize, broker: usize) -> Option<Micros> {
        self.counts.frames += 1;
        let is_cut = self
            .hosts
            .get(host)
            .and_then(|node| node.cut_until_us.get(broker))
            .is_some_and(|until_us| self.now_us < *until_us);
        let is_calm = self.now_us >= self.plan.calm_us;
        if is_cut || !is_calm && self.rng.f64() < self.plan.loss {
            self.counts.frames_lost += 1;
            return None;
        }
        let delay_us = self.rng.u64(20..self.plan.delay_us + 21);
        if !is_calm && self.rng.f64() < self.plan.slow {
            return Some(delay_us * self.rng.u64(2..200));
        }
        Some(delay_us)
    }

    pub(super) fn is_repeated(&mut self) -> bool {
        self.rng.f64() < self.plan.repeat
    }

    pub(super) fn carry_out(&mut self, host: usize, flow: Vec<Flow>) {
        for step in flow {
            match step {
                Flow::Send { broker, frame } => {
                    let connection = self.connection(host, broker);
                    let frame = self.through_bytes(frame);
                    let copies = 1 + usize::from(self.is_repeated());
                    for _ in 0..copies {
                        if let Some(delay_us) = self.passage(host, broker) {
                            let peer = Peer(connection);
                            let frame = frame.clone();
                            self.after(delay_us, Event::ToBroker { broker, peer, frame });
                        }
                    }
                }
                Flow::Subscribe { broker, topics } => {
                    let connection = self.connection(host, broker);
                    let delay_us = self.rng.u64(50..20_000);
                    self.after(
                        delay_us,
                        Event::Subscribed {
                            host,
                            broker,
                            connection,
                            topics,
                        },
                    );
                }
                Flow::Lease { number, outcome, .. } => self.on_outcome(host, number, outcome),
                Flow::Event(event) => self.note(host, &event),
            }
        }
    }

    pub(super) fn through_bytes<B: guira_bus::wire::Body>(&mut self, frame: B) -> B {
        if self.rng.u32(..BYTES_ONE_IN) != 0 {
            return frame;
        }
        match decode(CLUSTER, &encode(CLUSTER, &frame)) {
            Ok(same) => same,
            Err(error) => {
                self.trace(|| format!("a frame did not come through its bytes: {error}"));
                frame
            }
        }
    }

    pub(super) fn connection(&self, host: usize, broker: usize) -> u64 {
        self.hosts
            .get(host)
            .and_then(|node| node.connections.get(broker))
            .copied()
            .unwrap_or(0)
    }

    pub(super) fn act(&mut self, broker: usize, actions: Vec<BrokerAction>) {
        for action in actions {
            match action {
                BrokerAction::Send { to, frame } => {
                    let to_host = self
                        .hosts
                        .iter()
                        .position(|node| node.connections.get(broker) == Some(&to.0));
                    let Some(host) = to_host else {
                        continue;
                    };
                    let life = self.hosts.get(host).map_or(0, |node| node.agent_life);
                    let frame = self.through_bytes(frame);
                    let copies = 1 + usize::from(self.is_repeated());
                    for _ in 0..copies {
                        if let Some(delay_us) = self.passage(host, broker) {
                            let (connection, frame) = (to.0, frame.clone());
                            self.after(
                                delay_us,
                                Event::ToAgent {
                                    host,
                                    life,
                                    broker,
                                    connection,
                                    frame,
                                },
                            );
                        }
                    }
                }
                BrokerAction::Publish { topic, frame } => {
                    let frame = self.through_bytes(frame);
                    for host in 0..self.hosts.len() {
                        let Some(node) = self.hosts.get(host) else {
                            continue;
                        };
                        let topics = node.subscriptions.get(broker).copied().unwrap_or(0);
                        let lost_until_us = node.stream_lost_until_us.get(broker).copied().unwrap_or(0);
                        let life = node.agent_life;
                        if topics & topic.bit() == 0 || self.now_us < lost_until_us {
                            continue;
                        }
                        if let Some(delay_us) = self.passage(host, broker) {
                            let connection = self.connection(host, broker);
                            let frame = frame.clone();
                            self.after(
                                delay_us,
                                Event::OnStream {
                                    host,
                                    life,
                                    broker,
                                    connection,
                                    frame,
                                },
                            );
                        }
                    }
                }
                BrokerAction::Say(news) => self.trace(|| format!("broker {broker}: {news:?}")),
            }
        }
    }

    pub(super) fn note(&mut self, host: usize, event: &AgentEvent) {
        self.trace(|| format!("host {host}: {event:?}"));
        match event {
            AgentEvent::Gap { .. } => self.counts.gaps += 1,
            AgentEvent::Overflow { .. } => self.counts.overflows += 1,
            AgentEvent::Following { why, .. } => match why {
                EntryInto::Resumed => self.counts.resumed += 1,
                EntryInto::Continued => self.counts.continued += 1,
                EntryInto::Fresh => self.counts.fresh += 1,
            },
            _ => {}
        }
    }
}
