//! Binding both sockets of a broker at its endpoint, or neither.

use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::net::{IpAddr, ToSocketAddrs};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use super::super::endpoint::Host;
use super::super::socket::configure;
use super::super::{Channel, Endpoint, TransportError};
use super::BrokerOptions;

/// How often two free ports, one above the other, are looked for.
const PORT_TRIES: usize = 32;
/// What ZAP requests are for; any name will do, but none asks nobody.
const ZAP_DOMAIN: &str = "guira";
const BACKLOG: i32 = 4096;
const KEEPALIVE_SECONDS: i32 = 30;
/// Unix sockets are for processes of their owner.
const OWNER_ONLY: u32 = 0o600;

/// Both sockets and what libzmq calls their addresses.
pub(super) struct Bound {
    pub(super) control: zmq::Socket,
    pub(super) stream: zmq::Socket,
    pub(super) control_address: String,
    pub(super) stream_address: String,
}

/// Keeps others from taking over the unix sockets of a living broker, which libzmq would let them.
pub(super) fn guard(endpoint: &Endpoint) -> Result<Option<File>, TransportError> {
    let Some(socket_path) = endpoint.path() else {
        return Ok(None);
    };
    let path = PathBuf::from(format!("{socket_path}.lock"));
    let file_error = |source| TransportError::File {
        path: path.clone(),
        source,
    };
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(OWNER_ONLY)
        .open(&path)
        .map_err(file_error)?;
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Err(TransportError::InUse {
            endpoint: endpoint.clone(),
            address: endpoint.socket_address(Channel::Control),
        }),
        Err(TryLockError::Error(source)) => Err(file_error(source)),
    }
}

/// Binds, and says where: port 0 becomes the port that was found.
pub(super) fn bind(
    context: &zmq::Context,
    options: &BrokerOptions,
) -> Result<(Bound, Endpoint), TransportError> {
    let endpoint = &options.endpoint;
    let at_address = resolved(endpoint)?;
    let is_any_port = endpoint.port() == Some(0);
    for last_try in (0..PORT_TRIES).map(|index| index + 1 == PORT_TRIES) {
        let control = socket(context, options, Channel::Control)?;
        bind_one(&control, options, &at_address, Channel::Control)?;
        let port = if is_any_port {
            port_of(&control)?
        } else {
            at_address.port().unwrap_or(0)
        };
        let stream = socket(context, options, Channel::Stream)?;
        if port == u16::MAX {
            continue;
        }
        let found = at_address.with_port(port);
        match bind_one(&stream, options, &found, Channel::Stream) {
            Ok(()) => {
                let bound = Bound {
                    control_address: last_address(&control)?,
                    stream_address: last_address(&stream)?,
                    control,
                    stream,
                };
                return Ok((bound, endpoint.with_port(port)));
            }
            Err(TransportError::InUse { .. }) if is_any_port && !last_try => {}
            Err(error) => return Err(error),
        }
    }
    Err(TransportError::InUse {
        endpoint: endpoint.clone(),
        address: endpoint.to_string(),
    })
}

/// With an address in the place of a name: libzmq binds no names.
fn resolved(endpoint: &Endpoint) -> Result<Endpoint, TransportError> {
    let Some(Host::Name(name)) = endpoint.host() else {
        return Ok(endpoint.clone());
    };
    let unresolvable = |reason: String| TransportError::Unresolvable {
        endpoint: endpoint.clone(),
        reason,
    };
    let addresses: Vec<IpAddr> = (name.as_str(), 0)
        .to_socket_addrs()
        .map_err(|error| unresolvable(error.to_string()))?
        .map(|address| address.ip())
        .collect();
    // Agents look for addresses of version 4 behind a name.
    let address = addresses
        .iter()
        .find(|address| address.is_ipv4())
        .ok_or_else(|| unresolvable("no address of version 4, which names must have".to_owned()))?;
    Ok(endpoint.with_address(*address))
}

fn socket(
    context: &zmq::Context,
    options: &BrokerOptions,
    channel: Channel,
) -> Result<zmq::Socket, TransportError> {
    let open = |kind| {
        context
            .socket(kind)
            .map_err(TransportError::library("opening a socket"))
    };
    let socket = match channel {
        Channel::Control => open(zmq::ROUTER)?,
        Channel::Stream => open(zmq::XPUB)?,
    };
    configure(&socket, channel, &options.settings)?;
    let set = || -> zmq::Result<()> {
        if channel == Channel::Control {
            // Says that a frame could not be queued; it never waits, since nothing is sent with waiting.
            socket.set_router_mandatory(true)?;
        }
        if options.endpoint.is_ipv6() {
            socket.set_ipv6(true)?;
        }
        // All agents of a large cluster may come back at once.
        socket.set_backlog(BACKLOG)?;
        // For peers that vanished before they sent a first sign of life; agents that did are known by it.
        socket.set_tcp_keepalive(1)?;
        socket.set_tcp_keepalive_idle(KEEPALIVE_SECONDS)?;
        socket.set_tcp_keepalive_intvl(KEEPALIVE_SECONDS)?;
        socket.set_tcp_keepalive_cnt(3)?;
        if let Some(keys) = &options.keys {
            socket.set_zap_domain(ZAP_DOMAIN)?;
            socket.set_curve_server(true)?;
            socket.set_curve_secretkey(keys.pair.secret().as_bytes())?;
        }
        Ok(())
    };
    set().map_err(TransportError::library("setting options of a broker's socket"))?;
    Ok(socket)
}

fn bind_one(
    socket: &zmq::Socket,
    options: &BrokerOptions,
    at: &Endpoint,
    channel: Channel,
) -> Result<(), TransportError> {
    let endpoint = options.endpoint.clone();
    let address = at.socket_address(channel);
    socket.bind(&address).map_err(|error| match error {
        zmq::Error::EADDRINUSE => TransportError::InUse {
            endpoint,
            address: address.clone(),
        },
        _ => TransportError::NotBindable {
            endpoint,
            reason: error.message().to_owned(),
        },
    })?;
    if let Some(path) = address.strip_prefix("ipc://") {
        restrict(Path::new(path))?;
    }
    Ok(())
}

/// Lets only its owner connect to a unix socket.
fn restrict(path: &Path) -> Result<(), TransportError> {
    fs::set_permissions(path, Permissions::from_mode(OWNER_ONLY)).map_err(|source| TransportError::File {
        path: path.to_owned(),
        source,
    })
}

fn last_address(socket: &zmq::Socket) -> Result<String, TransportError> {
    socket
        .get_last_endpoint()
        .map_err(TransportError::library("asking for an address"))?
        .map_err(|_| TransportError::Library {
            doing: "asking for an address",
            reason: "it is no text".to_owned(),
        })
}

fn port_of(socket: &zmq::Socket) -> Result<u16, TransportError> {
    let address = last_address(socket)?;
    address
        .rsplit_once(':')
        .and_then(|(_, port)| port.parse().ok())
        .ok_or(TransportError::Library {
            doing: "asking for a port",
            reason: address,
        })
}
