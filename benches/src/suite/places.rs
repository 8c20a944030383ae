//! What several processes open: made and filled by the parent, and removed after the load.

use std::path::Path;

use guira_segment::{Segment, SegmentBuilder};
use tempfile::TempDir;

use crate::bench::{Room, Workload};
use crate::error::{BenchError, while_doing};
use crate::peers::lmdb::Lmdb;
use crate::peers::memcached::Memcached;
use crate::peers::raw::Raw;
use crate::peers::redis::Redis;
use crate::peers::server::Server;
use crate::peers::{Holding, Peer, Subject, memcached, redis};
use crate::worker::{Gate, file_name};
use crate::workload::key_bytes;

/// What an entry takes of the log beside key and value, before it is rounded to 16 bytes.
const HEADER_BYTES: usize = 36;
/// Blocks beside the live bytes and the slack, so that reclaim has where to write.
const SPARE_BLOCKS: u64 = 12;
const FEWEST_BLOCKS: u64 = 256;

/// A folder with files and sockets, and the servers behind those.
#[derive(Debug)]
pub(super) struct Places {
    /// Declared first: servers end before their folder goes.
    _servers: Vec<Server>,
    directory: TempDir,
}

impl Places {
    /// Makes and fills everything for `subjects` in a new folder of `root`.
    pub(super) fn make(
        root: &Path,
        workload: Workload,
        holding: Holding,
        subjects: &[Subject],
    ) -> Result<Self, BenchError> {
        let directory = tempfile::tempdir_in(root).map_err(while_doing("make a folder"))?;
        Gate::create(directory.path())?;
        let mut servers = Vec::new();
        for &subject in subjects {
            let path = directory.path().join(file_name(subject));
            match subject {
                Subject::Raw { .. } => Raw::create(&path, holding)?,
                Subject::Guira { huge_pages } => {
                    let builder = segment_for(workload, holding).huge_pages(huge_pages);
                    holding.fill(&mut builder.create(&path)?)?;
                }
                Subject::Peer(Peer::Lmdb) => Lmdb::create(&path, holding)?,
                Subject::Peer(Peer::Memcached) => {
                    let server = Server::start(memcached::command(&path, holding), &path)?;
                    servers.push(server.ok_or_else(|| gone("memcached"))?);
                    Memcached::connect(&path)?.fill(holding)?;
                }
                Subject::Peer(Peer::Redis) => {
                    let server = Server::start(redis::command(&path, holding), &path)?;
                    servers.push(server.ok_or_else(|| gone("redis-server"))?);
                    Redis::connect(&path)?.fill(holding)?;
                }
                Subject::Peer(_) => {}
            }
        }
        Ok(Self {
            _servers: servers,
            directory,
        })
    }

    pub(super) fn path(&self) -> &Path {
        self.directory.path()
    }
}

fn gone(program: &str) -> BenchError {
    BenchError::Server {
        problem: format!("is not there any more: {program}"),
    }
}

/// A segment with the room that the workload speaks of.
pub(crate) fn segment_for(workload: Workload, holding: Holding) -> SegmentBuilder {
    let live_bytes: usize = (0..holding.keys)
        .map(|index| (HEADER_BYTES + key_bytes(index) + holding.value_bytes).next_multiple_of(16))
        .sum();
    let live_bytes = live_bytes as u64;
    let (log_bytes, entries) = match workload.spec().room {
        // A value longer than half a block takes whole blocks.
        Room::Ample if holding.value_bytes > 64 << 10 => (live_bytes * 5 / 2, holding.keys),
        Room::Ample => (live_bytes * 3 / 2, holding.keys),
        Room::Slack { percent } => (live_bytes * (100 + percent as u64) / 100, holding.keys),
        Room::Tenth => (live_bytes / 10, holding.capacity_entries),
    };
    let spare_blocks = if workload.spec().room == Room::Tenth {
        0
    } else {
        SPARE_BLOCKS
    };
    let block_bytes = (log_bytes / 512).next_power_of_two().clamp(64 << 10, 4 << 20);
    let block_bytes = block_bytes.min(1 << (log_bytes / FEWEST_BLOCKS).max(4096).ilog2());
    Segment::builder()
        .exact_blocks(block_bytes, log_bytes.div_ceil(block_bytes) + spare_blocks)
        .index_entries(entries as u64)
}
