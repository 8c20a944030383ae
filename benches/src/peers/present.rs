//! Which peers are there: some are programs that have to be installed.

use std::io;
use std::process::{Command, Stdio};

use clap::ValueEnum;

use super::Peer;
use crate::error::{BenchError, while_doing};
use crate::report::say;

/// Those of `peers` whose programs are there; says who is missing.
pub(crate) fn installed(peers: &[Peer]) -> Result<Vec<Peer>, BenchError> {
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

/// What was named on the command line, or everything if nothing was.
pub(crate) fn named_or_all<V: ValueEnum>(named: &[V]) -> Vec<V> {
    if named.is_empty() {
        V::value_variants().to_vec()
    } else {
        named.to_vec()
    }
}
