//! A network that carries nothing for a while, and says nothing of it.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use guira_bus::transport::{AgentOptions, AgentSockets, BrokerSockets, Channel, LinkChange, SocketSettings};

use crate::place::{anywhere, own_address, socket_of};

use super::pair::{Pair, broker_at, endpoint};

/// Passes everything on while it is open; keeps it while it is shut.
#[derive(Default)]
struct Gate {
    is_shut: Mutex<bool>,
    changed: Condvar,
}

impl Gate {
    fn set_shut(&self, is_shut: bool) {
        *self.is_shut.lock().unwrap_or_else(PoisonError::into_inner) = is_shut;
        self.changed.notify_all();
    }

    fn pass(&self) {
        let is_shut = self.is_shut.lock().unwrap_or_else(PoisonError::into_inner);
        let _open = self.changed.wait_while(is_shut, |is_shut| *is_shut);
    }
}

fn carry(gate: &Gate, mut from: TcpStream, mut to: TcpStream) {
    let mut bytes = [0; 4096];
    while let Ok(count @ 1..) = from.read(&mut bytes) {
        gate.pass();
        if to.write_all(&bytes[..count]).is_err() {
            break;
        }
    }
    gate.pass();
    let _ = to.shutdown(Shutdown::Both);
}

/// Its threads end with the connections, the accepting ones with the process.
fn carry_all(gate: &Arc<Gate>, listener: TcpListener, to: SocketAddr) {
    let gate = Arc::clone(gate);
    std::thread::spawn(move || {
        for near in listener.incoming().flatten() {
            gate.pass();
            let Ok(far) = TcpStream::connect(to) else {
                continue;
            };
            let (near_too, far_too) = (near.try_clone().unwrap(), far.try_clone().unwrap());
            let (there, back) = (Arc::clone(&gate), Arc::clone(&gate));
            std::thread::spawn(move || carry(&there, near, far));
            std::thread::spawn(move || carry(&back, far_too, near_too));
        }
    });
}

/// Listeners at two ports, one above the other, that carry to the broker's; where agents connect to.
fn network(gate: &Arc<Gate>, broker: &BrokerSockets) -> String {
    let address = own_address();
    loop {
        let control = TcpListener::bind((address, 0)).unwrap();
        let port = control.local_addr().unwrap().port();
        if port == u16::MAX {
            continue;
        }
        if let Ok(stream) = TcpListener::bind((address, port + 1)) {
            carry_all(gate, control, socket_of(broker, Channel::Control));
            carry_all(gate, stream, socket_of(broker, Channel::Stream));
            return format!("tcp://{address}:{port}");
        }
    }
}

#[test]
fn both_sides_leave_a_silent_peer_and_meet_again() {
    let broker = broker_at(&anywhere());
    let gate = Arc::new(Gate::default());
    let options = AgentOptions::new([endpoint(&network(&gate, &broker))]);
    let mut pair = Pair::new(broker, AgentSockets::connect(&options).unwrap()).connected();
    pair.agent.subscribe(1).unwrap();
    pair.streamed(1, b"before");

    // Longer than silence is suffered: peers that have something to say are not left.
    let settings = SocketSettings::default();
    let began = Instant::now();
    pair.until("long enough", |_| began.elapsed() > 2 * settings.peer_timeout);
    assert_eq!(pair.agent.counters().disconnected, 0);
    assert_eq!(pair.broker.counters().disconnected, 0);

    gate.set_shut(true);
    let shut_at = Instant::now();
    pair.until_change(LinkChange::Disconnected);
    pair.until("left by the broker", |pair| {
        pair.broker.counters().disconnected >= 2
    });
    let most = settings.heartbeat + settings.peer_timeout + Duration::from_secs(5);
    assert!(shut_at.elapsed() < most, "{:?}", shut_at.elapsed());

    gate.set_shut(false);
    pair.until("connected again", |pair| {
        pair.agent.is_connected(0, Channel::Control) && pair.agent.is_connected(0, Channel::Stream)
    });
    pair.streamed(1, b"after");
    pair.up(b"after");
}
