//! A guest of a cluster: an agent at work for the time of one command.

use std::time::{Duration, Instant};

use guira_bus::core::{AgentEvent, AgentSettings, BrokerSettings, Host, LinkState};
use guira_bus::runtime::{Agent, AgentNews};
use guira_bus::transport::LinkChange;
use guira_bus::wire::KeyId;

use super::brokers::Brokers;
use crate::error::CliError;

/// How brokers and reports call it, if it is not told.
pub(super) const NAME: &str = "guira bus";
/// The longest sleep between two looks at the time.
const TURN: Duration = Duration::from_millis(20);

/// An agent, and what was heard of the brokers.
#[derive(Debug)]
pub(super) struct Guest<H> {
    agent: Agent<H>,
    news: Vec<AgentNews>,
    last: Vec<String>,
    addresses: Vec<String>,
    /// What is said of a broker that is connected and does not answer.
    unanswered: String,
}

impl<H: Host> Guest<H> {
    /// Joins by the brokers as the host `name`; waits until the stream of each is followed, for `timeout` at most, and takes those
    /// that are then.
    pub(super) fn join(brokers: &Brokers, name: &str, host: H, timeout: Duration) -> Result<Self, CliError> {
        let count = u8::try_from(brokers.addresses.len())
            .map_err(|_| CliError::Usage("more than 255 brokers; name fewer".to_owned()))?;
        let settings = AgentSettings {
            host: name.to_owned(),
            machine: 0,
            seed_check: brokers.cluster().0,
            brokers: count,
            bound_us: AgentSettings::BOUND_US,
            gone_after_us: BrokerSettings::GONE_AFTER_US,
            lease_term_us: BrokerSettings::LEASE_TERM_US,
            alone_after_us: AgentSettings::ALONE_AFTER_US,
        };
        let agent = Agent::new(settings, &brokers.options()?, brokers.cluster(), host)?;
        let mut guest = Self {
            agent,
            news: Vec::new(),
            last: vec!["no answer".to_owned(); brokers.addresses.len()],
            addresses: brokers.addresses.iter().map(ToString::to_string).collect(),
            unanswered: brokers.unanswered(),
        };
        let began = Instant::now();
        while guest.followed() < guest.addresses.len() && began.elapsed() < timeout {
            guest.turn(timeout.saturating_sub(began.elapsed()), |_| {})?;
        }
        if guest.followed() == 0 {
            let heard: Vec<String> = guest
                .addresses
                .iter()
                .zip(&guest.last)
                .map(|(address, last)| format!("{address}: {last}"))
                .collect();
            return Err(CliError::Failed(format!(
                "cannot join cluster {:?} within {timeout:?}: {}",
                brokers.cluster,
                heard.join("; ")
            )));
        }
        Ok(guest)
    }

    pub(super) const fn host(&mut self) -> &mut H {
        self.agent.host()
    }

    /// How many brokers' streams are followed.
    fn followed(&self) -> usize {
        let links = self.agent.links();
        links
            .iter()
            .filter(|link| link.state == LinkState::Following)
            .count()
    }

    /// Hosts of the cluster beside this one, as far as the brokers told.
    pub(super) fn others(&self) -> usize {
        let links = self.agent.links();
        links
            .iter()
            .map(|link| link.members)
            .max()
            .unwrap_or(0)
            .saturating_sub(1)
    }

    /// Does what is due, waits `longest` at most, and hands on what the protocol reports.
    pub(super) fn turn(
        &mut self,
        longest: Duration,
        mut on_event: impl FnMut(AgentEvent),
    ) -> Result<(), CliError> {
        self.agent.turn(longest.min(TURN), &mut self.news)?;
        for news in self.news.drain(..) {
            match news {
                AgentNews::Link { broker, change } => {
                    self.last[broker] = match change {
                        LinkChange::Connected => self.unanswered.clone(),
                        change => change.to_string(),
                    };
                }
                AgentNews::BadFrame { broker, error } => self.last[broker] = error.to_string(),
                AgentNews::Event(AgentEvent::Refused { broker, reason }) => {
                    self.last[broker] = format!("it refuses this host: {reason}");
                }
                AgentNews::Event(event) => on_event(event),
                // None is asked for.
                AgentNews::Lease { .. } => {}
            }
        }
        Ok(())
    }

    /// Asks every host how old what it gives for `key` is; false if no broker can be asked now.
    pub(super) fn inspect(&mut self, number: u64, key: KeyId) -> bool {
        let (core, _, flow) = self.agent.core();
        core.inspect(number, key, flow)
    }

    /// Leaves in order, so that nobody waits for it.
    pub(super) fn leave(mut self) -> Result<(), CliError> {
        Ok(self.agent.leave()?)
    }
}
