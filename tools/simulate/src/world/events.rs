//! What happens to agents and brokers.

use super::*;

impl World {
    pub(super) fn happen(&mut self, event: Event) {
        match event {
            Event::AgentTick { host, life } => self.agent_tick(host, life),
            Event::BrokerTick { broker, life } => self.broker_tick(broker, life),
            Event::ToBroker { broker, peer, frame } => self.broker_hears(broker, peer, frame),
            Event::ToAgent { .. } | Event::OnStream { .. } => self.agent_hears(event),
            Event::Subscribed {
                host,
                broker,
                connection,
                topics,
            } => {
                if let Some(node) = self.hosts.get_mut(host)
                    && node.connections.get(broker) == Some(&connection)
                    && let Some(place) = node.subscriptions.get_mut(broker)
                {
                    *place = topics;
                }
            }
            Event::Work { host, life } => self.work(host, life),
            Event::Source {
                host,
                life,
                key,
                birth,
            } => {
                let version = self.source.get(key).copied().unwrap_or(0);
                let delay_us = self.rng.u64(1..20_000);
                let value = Value { version, birth };
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
            Event::Fill {
                host,
                life,
                key,
                value,
            } => {
                if let Some(node) = self
                    .hosts
                    .get_mut(host)
                    .filter(|node| node.life == life && node.is_up)
                {
                    node.segment.fill(key, value);
                }
            }
            Event::Told {
                host,
                life,
                kind,
                which,
                told,
            } => self.tell(host, life, kind, which, told),
            Event::Computed {
                host,
                life,
                number,
                version,
            } => self.computed(host, life, number, version),
            Event::Fault(fault) => self.fault(fault),
            Event::Healed(fault) => self.heal(fault),
        }
    }

    pub(super) fn agent_tick(&mut self, host: usize, life: u64) {
        let now_us = self.host_clock(host);
        let Some(node) = self
            .hosts
            .get_mut(host)
            .filter(|node| node.agent_life == life && node.is_up)
        else {
            return;
        };
        if let Some(kept) = &mut node.stopped {
            kept.push(Event::AgentTick { host, life });
            return;
        }
        let Some(agent) = &mut node.agent else {
            return;
        };
        let mut flow = Vec::new();
        agent.on_tick(now_us, &mut node.segment, &mut flow);
        self.carry_out(host, flow);
        self.tell_agent(host);
        self.look(host);
        let jitter_us = self.rng.u64(..TICK_US);
        self.after(TICK_US / 2 + jitter_us, Event::AgentTick { host, life });
    }

    pub(super) fn broker_tick(&mut self, broker: usize, life: u64) {
        let now_us = self.broker_clock(broker);
        let Some(node) = self.brokers.get_mut(broker).filter(|node| node.life == life) else {
            return;
        };
        if let Some(kept) = &mut node.stopped {
            kept.push(Event::BrokerTick { broker, life });
            return;
        }
        let Some(core) = &mut node.core else {
            return;
        };
        let mut actions = Vec::new();
        core.on_tick(now_us, &mut actions);
        self.act(broker, actions);
        self.after(TICK_US, Event::BrokerTick { broker, life });
    }

    pub(super) fn broker_hears(&mut self, broker: usize, peer: Peer, frame: ToBroker) {
        let now_us = self.broker_clock(broker);
        let Some(node) = self.brokers.get_mut(broker) else {
            return;
        };
        if let Some(kept) = &mut node.stopped {
            kept.push(Event::ToBroker { broker, peer, frame });
            return;
        }
        let Some(core) = &mut node.core else {
            return;
        };
        let mut actions = Vec::new();
        core.on_frame(now_us, peer, frame, &mut actions);
        self.act(broker, actions);
    }

    pub(super) fn agent_hears(&mut self, event: Event) {
        let (host, life, broker, connection) = match &event {
            Event::ToAgent {
                host,
                life,
                broker,
                connection,
                ..
            }
            | Event::OnStream {
                host,
                life,
                broker,
                connection,
                ..
            } => (*host, *life, *broker, *connection),
            _ => return,
        };
        let now_us = self.host_clock(host);
        let Some(node) = self
            .hosts
            .get_mut(host)
            .filter(|node| node.agent_life == life && node.is_up)
        else {
            return;
        };
        if let Some(kept) = &mut node.stopped {
            kept.push(event);
            return;
        }
        if node.connections.get(broker) != Some(&connection) {
            return;
        }
        let Some(agent) = &mut node.agent else {
            return;
        };
        let mut flow = Vec::new();
        match event {
            Event::ToAgent { frame, .. } => {
                agent.on_frame(now_us, broker, frame, &mut node.segment, &mut flow);
            }
            Event::OnStream { frame, .. } => {
                agent.on_stream(now_us, broker, frame, &mut node.segment, &mut flow);
            }
            _ => {}
        }
        self.carry_out(host, flow);
        self.look(host);
    }
}
