//! Which brokers are meant, and how to reach them.

use std::path::PathBuf;

use clap::Args;
use guira_bus::transport::{AgentOptions, BrokerAddress, Endpoint};
use guira_bus::wire::Cluster;

use super::super::broker::DEFAULT_CLUSTER;
use crate::error::CliError;
use crate::key_file::{broker_keys, own_keys};

/// The brokers of a cluster.
#[derive(Clone, Debug, Args)]
pub struct Brokers {
    /// A broker, such as tcp://10.0.0.7:7227; may be repeated
    #[arg(long = "broker", value_name = "ADDR")]
    pub addresses: Vec<Endpoint>,
    /// The brokers' public keys, in the order of the brokers: files that `guira keygen` made, or the keys themselves
    #[arg(long = "broker-key", value_name = "KEY")]
    pub keys: Vec<String>,
    /// The cluster's name
    #[arg(long, value_name = "NAME", default_value = DEFAULT_CLUSTER)]
    pub cluster: String,
    /// Own keys, which the brokers allow: the directory that `guira keygen` made
    #[arg(long, value_name = "DIR")]
    pub curve: Option<PathBuf>,
}

impl Brokers {
    /// The cluster, as frames name it.
    pub(super) fn cluster(&self) -> Cluster {
        Cluster::of_name(&self.cluster)
    }

    /// What a broker that is connected and says nothing may be.
    pub(super) fn unanswered(&self) -> String {
        format!(
            "connected, but nothing is answered: it was asked as one of cluster {:?}, and a broker answers its own \
             cluster and version only; name its cluster with --cluster",
            self.cluster
        )
    }

    /// What sockets to them are opened with.
    pub(super) fn options(&self) -> Result<AgentOptions, CliError> {
        let keys = broker_keys(&self.keys, self.addresses.len())?;
        let addresses: Vec<_> = self
            .addresses
            .iter()
            .enumerate()
            .map(|(index, endpoint)| BrokerAddress {
                endpoint: endpoint.clone(),
                key: keys.get(index).copied(),
            })
            .collect();
        let mut options = AgentOptions::new(addresses);
        options.keys = self.curve.as_deref().map(own_keys).transpose()?;
        Ok(options)
    }
}
