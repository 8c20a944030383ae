//! To whom and how an agent connects.

use super::super::keys::{KeyError, KeyPair, PublicKey};
use super::super::{Endpoint, SocketSettings, TransportError, has_curve};

/// The brokers of an agent, and its own keys.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct AgentOptions {
    /// All brokers; their places here are their numbers.
    pub brokers: Vec<BrokerAddress>,
    /// Its own keys; without, its brokers must have none either.
    pub keys: Option<KeyPair>,
    /// Limits and times.
    pub settings: SocketSettings,
}

/// One broker: where it is and whom to expect there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerAddress {
    /// Where it listens.
    pub endpoint: Endpoint,
    /// Its public key: who cannot prove to have the secret one is not spoken with.
    pub key: Option<PublicKey>,
}

impl AgentOptions {
    /// To `brokers`, without keys of its own, with default settings.
    pub fn new<B: Into<BrokerAddress>>(brokers: impl IntoIterator<Item = B>) -> Self {
        Self {
            brokers: brokers.into_iter().map(Into::into).collect(),
            keys: None,
            settings: SocketSettings::default(),
        }
    }

    /// Refuses what can never become a connection, as [`AgentSockets::connect`](super::AgentSockets::connect) would.
    ///
    /// # Errors
    /// [`TransportError::NotConnectable`], [`TransportError::KeyMissing`], and [`KeyError::NoCurve`] where there are keys
    /// and libzmq was built without encryption.
    pub fn check_all(&self) -> Result<(), TransportError> {
        if self.keys.is_some() && !has_curve() {
            return Err(TransportError::Key(KeyError::no_curve("it has no encryption")));
        }
        self.brokers.iter().try_for_each(|address| self.check(address))
    }

    fn check(&self, address: &BrokerAddress) -> Result<(), TransportError> {
        let endpoint = || address.endpoint.clone();
        if !address.endpoint.is_connectable() {
            return Err(TransportError::NotConnectable { endpoint: endpoint() });
        }
        match (&self.keys, &address.key) {
            (Some(_), None) => Err(TransportError::KeyMissing {
                endpoint: endpoint(),
                whose: "the broker's public key",
            }),
            (None, Some(_)) => Err(TransportError::KeyMissing {
                endpoint: endpoint(),
                whose: "the agent's own key pair",
            }),
            _ => Ok(()),
        }
    }
}

impl From<Endpoint> for BrokerAddress {
    fn from(endpoint: Endpoint) -> Self {
        Self { endpoint, key: None }
    }
}
