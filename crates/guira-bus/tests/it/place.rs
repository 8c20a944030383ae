//! Addresses for brokers of tests that run side by side.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU32, Ordering};

use guira_bus::transport::{BrokerSockets, Channel};

/// An address of this machine that no other test has. Connections to it come from 127.0.0.1: none of them is given a
/// port here that a broker gave back and will want again.
pub(crate) fn own_address() -> Ipv4Addr {
    static GIVEN: AtomicU32 = AtomicU32::new(0);
    let number = GIVEN.fetch_add(1, Ordering::Relaxed);
    let [_, high, low, _] = (std::process::id() << 8).to_be_bytes();
    let last = u8::try_from(2 + number % 250).expect("below 252");
    Ipv4Addr::new(127, 1 + high % 254, low, last)
}

/// Two free ports, one above the other, at an address of its own.
pub(crate) fn anywhere() -> String {
    format!("tcp://{}:0", own_address())
}

/// Where connections come to this channel of a broker.
pub(crate) fn socket_of(broker: &BrokerSockets, channel: Channel) -> SocketAddr {
    let text = broker.endpoint().to_string();
    let control: SocketAddr = text.strip_prefix("tcp://").unwrap().parse().unwrap();
    let port = control.port() + u16::from(channel == Channel::Stream);
    SocketAddr::new(control.ip(), port)
}
