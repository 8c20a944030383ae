//! What goes wrong, and how it is mended.

use guira_bus::core::LeaseOutcome;

use super::*;

impl World {
    pub(super) fn start_broker(&mut self, broker: usize) {
        let epoch = Epoch(self.number());
        let settings = BrokerSettings {
            brokers: u8::try_from(self.plan.brokers).unwrap_or(1),
            log_bytes: self.plan.log_entries * 200,
            ..BrokerSettings::default()
        };
        let now_us = self.broker_clock(broker);
        let life = self.number();
        if let Some(node) = self.brokers.get_mut(broker) {
            node.core = Some(BrokerCore::new(settings, epoch, now_us));
            node.life = life;
            node.stopped = None;
        }
        self.after(TICK_US, Event::BrokerTick { broker, life });
    }

    pub(super) fn start_agent(&mut self, host: usize) {
        let settings = AgentSettings {
            host: format!("host {host}"),
            machine: host as u64,
            seed_check: 1,
            brokers: u8::try_from(self.plan.brokers).unwrap_or(1),
            bound_us: self.plan.bound_us,
            gone_after_us: BrokerSettings::GONE_AFTER_US,
            lease_term_us: BrokerSettings::LEASE_TERM_US,
            alone_after_us: AgentSettings::ALONE_AFTER_US,
        };
        let now_us = self.host_clock(host);
        let life = self.number();
        for broker in 0..self.plan.brokers {
            self.reconnect(host, broker);
        }
        if let Some(node) = self.hosts.get_mut(host).filter(|node| node.is_up) {
            node.agent = Some(AgentCore::new(settings, now_us, &mut node.segment));
            node.agent_life = life;
            node.stopped = None;
            self.tell_agent(host);
            self.after(0, Event::AgentTick { host, life });
        }
    }

    pub(super) fn reconnect(&mut self, host: usize, broker: usize) {
        let connection = self.number();
        if let Some(node) = self.hosts.get_mut(host) {
            if let Some(place) = node.connections.get_mut(broker) {
                *place = connection;
            }
            // The library renews subscriptions with the connection, after a while.
            let topics = node.subscriptions.get_mut(broker).map_or(0, std::mem::take);
            let delay_us = self.rng.u64(500..50_000);
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
    }

    pub(super) fn fault(&mut self, fault: Fault) {
        self.trace(|| format!("{fault:?}"));
        self.count_disturbance(fault);
        match fault {
            Fault::Cut { host, broker, for_us } => {
                if let Some(until_us) = self
                    .hosts
                    .get_mut(host)
                    .and_then(|node| node.cut_until_us.get_mut(broker))
                {
                    *until_us = (*until_us).max(self.now_us + for_us);
                }
            }
            Fault::StreamLost { host, broker, for_us } => {
                let place = self
                    .hosts
                    .get_mut(host)
                    .and_then(|node| node.stream_lost_until_us.get_mut(broker));
                if let Some(until_us) = place {
                    *until_us = (*until_us).max(self.now_us + for_us);
                }
            }
            Fault::Reconnect { host, broker } => self.reconnect(host, broker),
            Fault::BrokerDies { broker, for_us } => {
                self.counts.deaths += 1;
                if let Some(node) = self.brokers.get_mut(broker) {
                    node.core = None;
                    node.life = 0;
                    node.stopped = None;
                }
                self.after(for_us, Event::Healed(fault));
            }
            Fault::BrokerStops { broker, for_us } => {
                if let Some(node) = self.brokers.get_mut(broker) {
                    node.stopped.get_or_insert_default();
                }
                self.after(for_us, Event::Healed(fault));
            }
            Fault::AgentDies { host, for_us } => {
                self.counts.deaths += 1;
                if let Some(node) = self.hosts.get_mut(host) {
                    node.agent = None;
                    node.agent_life = 0;
                }
                self.after(for_us, Event::Healed(fault));
            }
            Fault::AgentStops { host, for_us } => {
                if let Some(node) = self.hosts.get_mut(host) {
                    node.stopped.get_or_insert_default();
                }
                self.after(for_us, Event::Healed(fault));
            }
            Fault::HostDies { host } => self.host_goes(host),
            Fault::HostReboots { host, for_us } => {
                self.host_goes(host);
                self.after(for_us, Event::Healed(fault));
            }
            Fault::HostLeaves { host, for_us } => {
                let mut flow = Vec::new();
                if let Some(node) = self.hosts.get_mut(host)
                    && let Some(agent) = node.agent.as_mut()
                {
                    agent.leave(&mut node.segment, &mut flow);
                }
                self.carry_out(host, flow);
                if let Some(node) = self.hosts.get_mut(host) {
                    node.agent = None;
                    node.agent_life = 0;
                }
                self.after(for_us, Event::Healed(fault));
            }
        }
    }

    /// Whose leases may be lost by it. Not by a broker's death: holders tell it when it comes back.
    fn count_disturbance(&mut self, fault: Fault) {
        match fault {
            Fault::Cut { host, for_us, .. }
            | Fault::AgentDies { host, for_us }
            | Fault::AgentStops { host, for_us }
            | Fault::HostLeaves { host, for_us } => self.disturb(host, for_us),
            Fault::Reconnect { host, .. } => self.disturb(host, 0),
            Fault::BrokerStops { for_us, .. } => {
                for host in 0..self.plan.hosts {
                    self.disturb(host, for_us);
                }
            }
            Fault::StreamLost { .. }
            | Fault::BrokerDies { .. }
            | Fault::HostDies { .. }
            | Fault::HostReboots { .. } => {}
        }
    }

    pub(super) fn host_goes(&mut self, host: usize) {
        self.counts.deaths += 1;
        // What it was promised before it went is promised.
        self.look(host);
        if let Some(node) = self.hosts.get_mut(host) {
            node.is_up = false;
            node.agent = None;
            node.agent_life = 0;
            node.life = 0;
        }
    }

    pub(super) fn heal(&mut self, fault: Fault) {
        match fault {
            Fault::BrokerDies { broker, .. }
                if self.brokers.get(broker).is_some_and(|node| node.core.is_none()) =>
            {
                self.start_broker(broker);
                for host in 0..self.plan.hosts {
                    self.reconnect(host, broker);
                }
            }
            Fault::BrokerStops { broker, .. } => {
                let kept = self.brokers.get_mut(broker).and_then(|node| node.stopped.take());
                for event in kept.into_iter().flatten() {
                    self.happen(event);
                }
            }
            Fault::AgentDies { host, .. } | Fault::HostLeaves { host, .. }
                if self.hosts.get(host).is_some_and(|node| node.agent.is_none()) =>
            {
                self.start_agent(host);
            }
            Fault::AgentStops { host, .. } => self.agent_goes_on(host),
            Fault::HostReboots { host, .. } => self.host_comes(host),
            _ => {}
        }
    }

    pub(super) fn host_comes(&mut self, host: usize) {
        if self.hosts.get(host).is_none_or(|node| node.is_up) {
            return;
        }
        let life = self.number();
        let origin = Origin(u128::from(life) << 64 | host as u128);
        let segment = Segment::new(origin, self.plan.keys, self.plan.brokers, self.plan.ring);
        if let Some(node) = self.hosts.get_mut(host) {
            self.counts.floors += node.segment.floors_raised;
            node.segment = segment;
            node.wants.clear();
            node.told_here.fill(0);
            node.is_up = true;
            node.life = life;
        }
        self.after(1, Event::Work { host, life });
        self.start_agent(host);
    }

    /// The agent that came after one which told a worker of its lease finds the worker's slot another's, and forgets it.
    fn forget_told(&mut self, host: usize, number: u64) {
        let now_us = self.host_clock(host);
        let Some(node) = self.hosts.get_mut(host) else {
            return;
        };
        if let Some(agent) = node.agent.as_mut().filter(|_| !node.wants.contains_key(&number)) {
            let mut flow = Vec::new();
            agent.lease_forget(now_us, number, &mut node.segment, &mut flow);
            self.carry_out(host, flow);
        }
    }

    /// A stopped agent goes on. If its role was taken meanwhile, it does one more thing of what it was at
    /// before it notices.
    pub(super) fn agent_goes_on(&mut self, host: usize) {
        let is_replaced = self.rng.bool();
        let Some(kept) = self.hosts.get_mut(host).and_then(|node| node.stopped.take()) else {
            return;
        };
        if !is_replaced {
            for event in kept {
                self.happen(event);
            }
            return;
        }
        let late = kept.into_iter().next();
        let Some(node) = self.hosts.get_mut(host) else {
            return;
        };
        let mut old = node.agent.take();
        let old_connections = node.connections.clone();
        self.start_agent(host);
        let now_us = self.host_clock(host);
        let Some(node) = self.hosts.get_mut(host) else {
            return;
        };
        let mut flow = Vec::new();
        node.segment.is_replaced = true;
        if let (Some(old), Some(event)) = (&mut old, late) {
            match event {
                Event::ToAgent { broker, frame, .. } => {
                    old.on_frame(now_us, broker, frame, &mut node.segment, &mut flow);
                }
                Event::OnStream { broker, frame, .. } => {
                    old.on_stream(now_us, broker, frame, &mut node.segment, &mut flow);
                }
                _ => old.on_tick(now_us, &mut node.segment, &mut flow),
            }
        }
        node.segment.is_replaced = false;
        // What it sends goes by its own connections.
        for step in flow {
            match step {
                Flow::Send { broker, frame } => {
                    if let Some(connection) = old_connections.get(broker) {
                        let peer = Peer(*connection);
                        self.after(100, Event::ToBroker { broker, peer, frame });
                    }
                }
                Flow::Lease {
                    number,
                    outcome: outcome @ LeaseOutcome::Fetched { .. },
                    ..
                } => {
                    self.on_outcome(host, number, outcome);
                    self.forget_told(host, number);
                }
                Flow::Lease { .. } | Flow::Subscribe { .. } | Flow::Event(_) => {}
            }
        }
        self.look(host);
    }
}
