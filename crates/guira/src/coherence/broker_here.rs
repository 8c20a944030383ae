//! A broker that the agent runs itself, if nobody else does.
//!
//! Every agent that was told so tries to bind the address while it hears no broker there. Whoever succeeds serves all,
//! until it ends; then the others hear nothing any more, and the next one binds.

use std::time::{Duration, Instant};

use guira_bus::core::{LinkState, LinkStatus};
use guira_bus::runtime::{Broker, BrokerConfig, BrokerHandle};

use super::agent::AgentPlan;

/// For so long a broker is waited for that may be there.
const PATIENCE: Duration = Duration::from_millis(100);
/// A broker that was heard of within this time is there.
const HEARD_WITHIN_US: u64 = 300_000;

pub(super) struct BrokerHere {
    config: Option<BrokerConfig>,
    running: Option<BrokerHandle>,
    tried_at: Instant,
}

impl BrokerHere {
    pub(super) fn of(plan: &AgentPlan) -> Self {
        let config = plan
            .options
            .brokers
            .first()
            .filter(|_| plan.broker_here)
            .map(|broker| BrokerConfig::new(broker.endpoint.clone(), &plan.cluster));
        Self {
            config,
            running: None,
            tried_at: Instant::now(),
        }
    }

    /// Begins to serve, if nobody does.
    pub(super) fn look(&mut self, links: &[LinkStatus]) {
        let Some(config) = &self.config else {
            return;
        };
        if self.running.as_ref().is_some_and(BrokerHandle::is_running) || self.tried_at.elapsed() < PATIENCE {
            return;
        }
        let is_heard = links.first().is_some_and(|link| {
            link.state != LinkState::Silent
                && link
                    .silent_us
                    .is_some_and(|silent_us| silent_us < HEARD_WITHIN_US)
        });
        if is_heard {
            return;
        }
        self.tried_at = Instant::now();
        match Broker::bind(config.clone()).and_then(Broker::spawn) {
            Ok(broker) => {
                tracing::info!(address = %broker.endpoint(), "serves the cluster from this process");
                self.running = Some(broker);
            }
            // Somebody else was faster.
            Err(error) => tracing::debug!(%error, "no broker in this process"),
        }
    }
}
