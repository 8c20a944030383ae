//! Who does not take part, and why: it is always said.

use std::io;
use std::process::{Command, Stdio};

use crate::bench::{Operation, Room, Workers, Workload};
use crate::error::{BenchError, while_doing};
use crate::peers::Peer;
use crate::report::say;

/// Those of `peers` whose programs are there; says who is missing.
pub(super) fn installed(peers: &[Peer]) -> Result<Vec<Peer>, BenchError> {
    let mut present = Vec::new();
    for &peer in peers {
        let program = match peer {
            Peer::Memcached => "memcached",
            Peer::Redis => "redis-server",
            _ => {
                present.push(peer);
                continue;
            }
        };
        let probe = Command::new(program)
            .arg("--version")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status();
        match probe {
            Ok(_) => present.push(peer),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                say(&format!("left out: {}: {program} is not installed", peer.name()));
            }
            Err(error) => return Err(while_doing("look for a server")(error)),
        }
    }
    Ok(present)
}

/// Those of `peers` that take part in a workload; says who does not, and why.
pub(super) fn taking_part(peers: &[Peer], workload: Workload, workers: Workers) -> Vec<Peer> {
    let mut absent: Vec<(&str, Vec<&str>)> = Vec::new();
    let mut present = Vec::new();
    for &peer in peers {
        match reason(peer, workload, workers) {
            None => present.push(peer),
            Some(reason) => match absent.iter_mut().find(|(known, _)| *known == reason) {
                Some((_, names)) => names.push(peer.name()),
                None => absent.push((reason, vec![peer.name()])),
            },
        }
    }
    for (reason, names) in absent {
        let names = names.join("; ");
        say(&format!(
            "\nleft out of {} by {}: {names}: {reason}",
            workload.name(),
            workers.name()
        ));
    }
    present
}

fn reason(peer: Peer, workload: Workload, workers: Workers) -> Option<&'static str> {
    let spec = workload.spec();
    match workers {
        Workers::Threads if !peer.is_threaded() => return Some("one thread only"),
        Workers::Processes if !peer.is_shared() => return Some("one process only"),
        _ => {}
    }
    if spec.room == Room::Tenth && !peer.evicts() {
        return Some("it evicts nothing");
    }
    if spec.operation == Operation::Ends && !peer.lends() {
        return Some("values come through a socket");
    }
    None
}
