//! Which brokers are meant, and how to reach them.

use std::path::{Path, PathBuf};

use clap::Args;
use guira_bus::transport::keys::{KeyPair, PublicKey};
use guira_bus::transport::{AgentOptions, BrokerAddress, Endpoint};
use guira_bus::wire::Cluster;

use super::super::broker::DEFAULT_CLUSTER;
use crate::error::CliError;

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

    /// What sockets to them are opened with.
    pub(super) fn options(&self) -> Result<AgentOptions, CliError> {
        if !self.keys.is_empty() && self.keys.len() != self.addresses.len() {
            return Err(CliError::Usage(format!(
                "{} keys for {} brokers; give a --broker-key for each --broker, in the same order",
                self.keys.len(),
                self.addresses.len()
            )));
        }
        let addresses = self
            .addresses
            .iter()
            .enumerate()
            .map(|(index, endpoint)| {
                let key = self.keys.get(index).map(|key| public_key(key)).transpose()?;
                Ok(BrokerAddress {
                    endpoint: endpoint.clone(),
                    key,
                })
            })
            .collect::<Result<Vec<_>, CliError>>()?;
        let mut options = AgentOptions::new(addresses);
        options.keys = self.curve.as_deref().map(KeyPair::load).transpose()?;
        Ok(options)
    }
}

/// A key, or what the file of that name holds.
fn public_key(key: &str) -> Result<PublicKey, CliError> {
    let path = Path::new(key);
    let text = if path.is_file() {
        std::fs::read_to_string(path).map_err(CliError::io("read", path))?
    } else {
        key.to_owned()
    };
    Ok(text.trim().parse()?)
}
