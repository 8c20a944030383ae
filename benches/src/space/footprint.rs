//! What peers take of memory: each is filled in a process of its own, or in its server's.
//!
//! What lives in a process is charged with the growth of the resident set, LMDB with the blocks of its
//! file. Tables grow by doubling, so a figure holds for its number of entries only.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::Args;

use super::{KEY_BYTES, key};
use crate::error::{BenchError, while_doing};
use crate::peers::server::Server;
use crate::peers::{Cache, Holding, Peer, Visit, memcached, open_peer, redis};
use crate::workload::{VALUE_BYTES, Values};

/// A block of `stat`.
const BLOCK_BYTES: u64 = 512;

/// A peer that is filled, and how much of it.
#[derive(Debug, Args)]
pub(crate) struct FootprintArguments {
    #[arg(long, value_enum)]
    peer: Peer,
    #[arg(long)]
    entries: usize,
    /// Where a file or socket goes
    #[arg(long)]
    path: PathBuf,
}

/// Fills a peer of this process, and prints by how many bytes the process grew.
#[expect(clippy::print_stdout, reason = "the figure is what the parent waits for")]
pub(crate) fn run(arguments: &FootprintArguments) -> Result<(), BenchError> {
    let holding = holding_of(arguments.entries);
    let before = resident_bytes("self")?;
    let growth = Growth {
        entries: arguments.entries,
        before,
    };
    println!("{}", open_peer(arguments.peer, &arguments.path, holding, growth)?);
    Ok(())
}

struct Growth {
    entries: usize,
    before: u64,
}

impl Visit for Growth {
    type Outcome = u64;

    fn visit<C: Cache>(self, mut cache: C) -> Result<u64, BenchError> {
        fill(&mut cache, self.entries)?;
        Ok(resident_bytes("self")?.saturating_sub(self.before))
    }
}

/// Bytes an entry of `peer` takes, everything counted.
pub(crate) fn bytes_per_entry(peer: Peer, entries: usize, root: &Path) -> Result<f64, BenchError> {
    let directory = tempfile::tempdir_in(root).map_err(while_doing("make a folder"))?;
    let path = directory.path().join("footprint");
    let holding = holding_of(entries);
    let bytes = match peer {
        Peer::Memcached => server_growth(peer, memcached::command(&path, holding), &path, entries)?,
        Peer::Redis => server_growth(peer, redis::command(&path, holding), &path, entries)?,
        Peer::Lmdb => {
            let filled = crate::peers::lmdb::Lmdb::create_with(&path, holding, |index, key_out| {
                key_out.clear();
                key_out.extend_from_slice(&key(index as u64));
            });
            filled?;
            let file =
                std::fs::metadata(path.join("data.mdb")).map_err(while_doing("look at LMDB's file"))?;
            file.blocks() * BLOCK_BYTES
        }
        _ => process_growth(peer, &path, entries)?,
    };
    Ok(bytes as f64 / entries as f64)
}

fn process_growth(peer: Peer, path: &Path, entries: usize) -> Result<u64, BenchError> {
    use clap::ValueEnum;

    let program = std::env::current_exe().map_err(while_doing("find this program"))?;
    let name = peer.to_possible_value().expect("no peer is hidden");
    let output = Command::new(program)
        .args([
            "footprint",
            "--peer",
            name.get_name(),
            "--entries",
            &entries.to_string(),
        ])
        .arg("--path")
        .arg(path)
        .output()
        .map_err(while_doing("start a process that fills a peer"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    text.trim().parse().map_err(|_| BenchError::Worker {
        problem: format!("printed {text:?}: {}", String::from_utf8_lossy(&output.stderr)),
    })
}

fn server_growth(peer: Peer, command: Command, socket: &Path, entries: usize) -> Result<u64, BenchError> {
    struct Fill(usize);

    impl Visit for Fill {
        type Outcome = ();

        fn visit<C: Cache>(self, mut cache: C) -> Result<(), BenchError> {
            fill(&mut cache, self.0)
        }
    }

    let server = Server::start(command, socket)?.ok_or_else(|| BenchError::Server {
        problem: format!("is not there any more: {}", peer.name()),
    })?;
    let process = server.process_id().to_string();
    let before = resident_bytes(&process)?;
    open_peer(peer, socket, holding_of(entries), Fill(entries))?;
    Ok(resident_bytes(&process)?.saturating_sub(before))
}

fn fill(cache: &mut impl Cache, entries: usize) -> Result<(), BenchError> {
    let values = Values::new(VALUE_BYTES);
    for index in 0..entries {
        cache.put(&key(index as u64), values.value(index, VALUE_BYTES))?;
    }
    Ok(())
}

fn holding_of(entries: usize) -> Holding {
    Holding {
        keys: entries,
        value_bytes: VALUE_BYTES,
        longest_value_bytes: VALUE_BYTES,
        capacity_entries: entries + entries / 10,
    }
}

/// The resident set of a process, by its number or `self`.
fn resident_bytes(process: &str) -> Result<u64, BenchError> {
    let path = format!("/proc/{process}/status");
    let status = std::fs::read_to_string(path).map_err(while_doing("read a process's status"))?;
    let kib: Option<u64> = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))
        .and_then(|rest| rest.split_whitespace().next())
        .and_then(|kib| kib.parse().ok());
    kib.map(|kib| kib << 10).ok_or_else(|| BenchError::Worker {
        problem: "has a status without VmRSS".to_owned(),
    })
}

/// What of `bytes_per_entry` is neither key nor value.
pub(crate) fn beyond(bytes_per_entry: f64) -> f64 {
    bytes_per_entry - (KEY_BYTES + VALUE_BYTES) as f64
}
