//! What a broker is to serve, and where.

use crate::core::BrokerSettings;
use crate::transport::{BrokerOptions, Endpoint};

/// What a broker is told before it begins.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct BrokerConfig {
    /// Where it listens, with which keys.
    pub sockets: BrokerOptions,
    /// The name of the one cluster that it serves.
    pub cluster: String,
    /// How it works; [`BrokerSettings::brokers`] is how many brokers the cluster has, itself included.
    pub settings: BrokerSettings,
}

impl BrokerConfig {
    /// For `cluster` at `endpoint`: the cluster's only broker, without keys.
    #[must_use]
    pub fn new(endpoint: Endpoint, cluster: &str) -> Self {
        Self {
            sockets: BrokerOptions::new(endpoint),
            cluster: cluster.to_owned(),
            settings: BrokerSettings::default(),
        }
    }
}
