//! Who does not take part, and why: it is always said.

use crate::bench::{Operation, Room, Workers, Workload};
use crate::peers::Peer;
use crate::report::say;

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
        Workers::Threads | Workers::Crowd if !peer.is_threaded() => return Some("one thread only"),
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
