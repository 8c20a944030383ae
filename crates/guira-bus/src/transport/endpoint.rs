//! Where a broker is reached: an address for its control socket, and beside it one for its stream.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use super::Channel;

/// The longest path of a unix socket, in bytes (`sun_path` without its end).
const MAX_SOCKET_PATH_BYTES: usize = 107;
const STREAM_SUFFIX: &str = ".stream";

/// The address of a broker: `tcp://host:port` or `ipc:///path`.
///
/// Two sockets stand at it. By `tcp`, control is at `port` and the stream at `port + 1`; by
/// `ipc`, control is at `path` and the stream at `path.stream`. Port 0, for binding only, takes
/// two free ports. A host is an IP address (version 6 in brackets), a name that has a version 4
/// address, or, for binding only, `*` for every interface.
///
/// ```
/// use guira_bus::transport::Endpoint;
///
/// let endpoint: Endpoint = "tcp://10.0.0.7:7400".parse()?;
/// assert!(endpoint.is_public());
/// assert!(!"tcp://localhost:7400".parse::<Endpoint>()?.is_public());
/// assert!(!"ipc:///run/guira/bus".parse::<Endpoint>()?.is_public());
/// # Ok::<(), guira_bus::transport::EndpointError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Endpoint(Place);

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Place {
    Tcp { host: Host, port: u16 },
    Ipc { path: String },
}

/// The host of a `tcp` endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Host {
    Any,
    Address(IpAddr),
    Name(String),
}

/// Why a text is no endpoint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum EndpointError {
    /// Neither `tcp://` nor `ipc://`.
    #[error("`{text}` is no endpoint: write tcp://host:port or ipc:///path")]
    Scheme {
        /// What was given.
        text: String,
    },
    /// The host is missing, or has characters that no host has.
    #[error("`{text}` names no host: write tcp://host:port, an IPv6 address as [..]")]
    Host {
        /// What was given.
        text: String,
    },
    /// The port is missing or out of range.
    #[error("`{text}` has no port from 0 to 65534 (the stream is at the port above it)")]
    Port {
        /// What was given.
        text: String,
    },
    /// The path does not start at the root, or has a zero byte.
    #[error("`{text}` has no absolute path: write ipc:///path")]
    Path {
        /// What was given.
        text: String,
    },
    /// The path does not fit in the address of a unix socket.
    #[error("the path of `{text}` is longer than {max_bytes} bytes: name a shorter one")]
    PathTooLong {
        /// What was given.
        text: String,
        /// The longest that fits.
        max_bytes: usize,
    },
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let owned = || text.to_owned();
        if let Some(path) = text.strip_prefix("ipc://") {
            if !path.starts_with('/') || path.ends_with('/') || path.contains('\0') {
                return Err(EndpointError::Path { text: owned() });
            }
            let max_bytes = MAX_SOCKET_PATH_BYTES - STREAM_SUFFIX.len();
            if path.len() > max_bytes {
                return Err(EndpointError::PathTooLong {
                    text: owned(),
                    max_bytes,
                });
            }
            return Ok(Self(Place::Ipc {
                path: path.to_owned(),
            }));
        }
        let Some(rest) = text.strip_prefix("tcp://") else {
            return Err(EndpointError::Scheme { text: owned() });
        };
        let (host, port) = rest
            .rsplit_once(':')
            .ok_or_else(|| EndpointError::Port { text: owned() })?;
        let port = Some(port)
            .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
            .and_then(|digits| digits.parse().ok())
            .filter(|port| *port != u16::MAX)
            .ok_or_else(|| EndpointError::Port { text: owned() })?;
        let host = Host::parse(host).ok_or_else(|| EndpointError::Host { text: owned() })?;
        Ok(Self(Place::Tcp { host, port }))
    }
}

impl Host {
    fn parse(text: &str) -> Option<Self> {
        if text == "*" {
            return Some(Self::Any);
        }
        if let Some(inner) = text.strip_prefix('[') {
            let address: Ipv6Addr = inner.strip_suffix(']')?.parse().ok()?;
            return Some(Self::Address(address.into()));
        }
        if let Ok(address) = text.parse::<Ipv4Addr>() {
            return Some(Self::Address(address.into()));
        }
        let is_of_names = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
        // A name of digits and dots only is an address gone wrong.
        let has_letter = text.bytes().any(|byte| byte.is_ascii_alphabetic());
        (has_letter && text.bytes().all(is_of_names)).then(|| Self::Name(text.to_owned()))
    }
}

impl Endpoint {
    /// Whether others than this machine can reach it: anything but `ipc` and a loopback address.
    #[must_use]
    pub fn is_public(&self) -> bool {
        match &self.0 {
            Place::Ipc { .. } => false,
            Place::Tcp { host, .. } => match host {
                Host::Any => true,
                Host::Address(address) => !address.is_loopback(),
                Host::Name(name) => !name.eq_ignore_ascii_case("localhost"),
            },
        }
    }

    /// The port of the control socket; none by `ipc`.
    #[must_use]
    pub fn port(&self) -> Option<u16> {
        match &self.0 {
            Place::Tcp { port, .. } => Some(*port),
            Place::Ipc { .. } => None,
        }
    }

    /// Whether a peer can be told to connect to it: it names one host and one port.
    pub(super) fn is_connectable(&self) -> bool {
        match &self.0 {
            Place::Tcp { host, port } => *host != Host::Any && *port != 0,
            Place::Ipc { .. } => true,
        }
    }

    /// The host by `tcp`.
    pub(super) fn host(&self) -> Option<&Host> {
        match &self.0 {
            Place::Tcp { host, .. } => Some(host),
            Place::Ipc { .. } => None,
        }
    }

    /// The path of the control socket by `ipc`.
    pub(super) fn path(&self) -> Option<&str> {
        match &self.0 {
            Place::Ipc { path } => Some(path),
            Place::Tcp { .. } => None,
        }
    }

    /// The same by `tcp` at another port.
    pub(super) fn with_port(&self, port: u16) -> Self {
        match &self.0 {
            Place::Tcp { host, .. } => Self(Place::Tcp {
                host: host.clone(),
                port,
            }),
            Place::Ipc { .. } => self.clone(),
        }
    }

    /// The same by `tcp` at an address instead of a name.
    pub(super) fn with_address(&self, address: IpAddr) -> Self {
        match &self.0 {
            Place::Tcp { port, .. } => Self(Place::Tcp {
                host: Host::Address(address),
                port: *port,
            }),
            Place::Ipc { .. } => self.clone(),
        }
    }

    /// Whether libzmq must be told that the address is of version 6.
    pub(super) fn is_ipv6(&self) -> bool {
        matches!(self.host(), Some(Host::Address(IpAddr::V6(_))))
    }

    /// What libzmq calls the socket of `channel` at this endpoint.
    pub(super) fn socket_address(&self, channel: Channel) -> String {
        match (&self.0, channel) {
            (Place::Tcp { .. }, Channel::Stream) => {
                // Port 0 stays 0: binding asks for the port it wants.
                let stream_port = self.port().map_or(0, |port| port + u16::from(port != 0));
                self.with_port(stream_port).to_string()
            }
            (Place::Ipc { path }, Channel::Stream) => format!("ipc://{path}{STREAM_SUFFIX}"),
            (_, Channel::Control) => self.to_string(),
        }
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Place::Tcp { host, port } => match host {
                Host::Any => write!(f, "tcp://*:{port}"),
                Host::Address(IpAddr::V6(address)) => write!(f, "tcp://[{address}]:{port}"),
                Host::Address(IpAddr::V4(address)) => write!(f, "tcp://{address}:{port}"),
                Host::Name(name) => write!(f, "tcp://{name}:{port}"),
            },
            Place::Ipc { path } => write!(f, "ipc://{path}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Endpoint {
        text.parse().unwrap()
    }

    #[test]
    fn an_endpoint_is_shown_as_it_is_written() {
        for text in [
            "tcp://10.0.0.7:7400",
            "tcp://*:0",
            "tcp://[fe80::1]:7400",
            "tcp://cache-1.example.org:1",
            "ipc:///run/guira/bus",
        ] {
            assert_eq!(parsed(text).to_string(), text);
        }
    }

    #[test]
    fn the_stream_is_beside_control() {
        let stream = |text| parsed(text).socket_address(Channel::Stream);
        assert_eq!(stream("tcp://127.0.0.1:7400"), "tcp://127.0.0.1:7401");
        assert_eq!(stream("ipc:///tmp/bus"), "ipc:///tmp/bus.stream");
    }

    #[test]
    fn only_loopback_and_ipc_are_not_public() {
        for text in [
            "tcp://127.0.0.1:1",
            "tcp://127.8.8.8:1",
            "tcp://[::1]:1",
            "tcp://LocalHost:1",
            "ipc:///a",
        ] {
            assert!(!parsed(text).is_public(), "{text}");
        }
        for text in [
            "tcp://*:1",
            "tcp://0.0.0.0:1",
            "tcp://[::]:1",
            "tcp://a.localhost.org:1",
        ] {
            assert!(parsed(text).is_public(), "{text}");
        }
    }

    #[test]
    fn what_is_no_endpoint_says_what_is_missing() {
        let long = format!("ipc:///{}", "a".repeat(100));
        for (text, message) in [
            ("udp://a:1", "write tcp://host:port or ipc:///path"),
            ("127.0.0.1:1", "write tcp://host:port or ipc:///path"),
            ("tcp://host", "has no port"),
            ("tcp://host:65535", "the stream is at the port above it"),
            ("tcp://host:+1", "has no port"),
            ("tcp://host:", "has no port"),
            ("tcp://:1", "names no host"),
            ("tcp://a;b:1", "names no host"),
            ("tcp://::1:1", "an IPv6 address as [..]"),
            ("tcp://10.0.0.300:1", "names no host"),
            ("ipc://bus", "absolute path"),
            ("ipc://@bus", "absolute path"),
            (&long, "longer than 100 bytes"),
        ] {
            let error = text.parse::<Endpoint>().unwrap_err().to_string();
            assert!(error.contains(message), "{error}");
            assert!(error.contains(text), "{error}");
        }
    }
}
