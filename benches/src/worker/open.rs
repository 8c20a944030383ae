//! Opening what the parent made, and filling what only this process has.

use std::sync::Arc;

use guira_segment::Segment;

use super::course::{Course, with_cache};
use super::message::WorkerPlan;
use crate::bench::{Workers, Workload};
use crate::error::BenchError;
use crate::peers::raw::Raw;
use crate::peers::{Cache, Holding, Peer, Subject, Visit, open_peer};
use crate::workload::Stream;

/// The names of the parent's files and sockets in its folder.
pub(crate) fn file_name(subject: Subject) -> &'static str {
    match subject {
        Subject::Raw { huge_pages: false } => "raw",
        Subject::Raw { huge_pages: true } => "raw-huge",
        Subject::Guira { huge_pages: false } => "guira",
        Subject::Guira { huge_pages: true } => "guira-huge",
        Subject::Peer(Peer::Lmdb) => "lmdb",
        Subject::Peer(Peer::Memcached) => "memcached.sock",
        Subject::Peer(Peer::Redis) => "redis.sock",
        Subject::Peer(_) => "in-process",
    }
}

/// What the threads of this process ask for.
#[derive(Debug)]
pub(super) struct Streams {
    first: Arc<Stream>,
    second: Option<Arc<Stream>>,
}

impl Streams {
    pub(super) fn draw(plan: &WorkerPlan) -> Self {
        let keys = plan.workload.holding(plan.keys).keys;
        let popularity = plan.workload.spec().popularity;
        let draw = |seed| Arc::new(Stream::new(keys, popularity, seed));
        Self {
            first: draw(plan.seed),
            second: (matches!(plan.workers, Workers::Threads | Workers::Crowd)).then(|| draw(!plan.seed)),
        }
    }

    pub(super) fn first(&self) -> Arc<Stream> {
        Arc::clone(&self.first)
    }

    pub(super) fn second(&self) -> Arc<Stream> {
        Arc::clone(self.second.as_ref().unwrap_or(&self.first))
    }
}

/// Opens `subject`, fills it if only this process has it, and warms it.
pub(super) fn course(
    subject: Subject,
    plan: &WorkerPlan,
    streams: &Streams,
) -> Result<Box<dyn Course>, BenchError> {
    let holding = plan.workload.holding(plan.keys);
    let path = plan.directory.join(file_name(subject));
    let settings = (plan.workload, plan.workers, plan.keys);
    match subject {
        Subject::Raw { huge_pages } => {
            with_cache(Raw::open(&path, holding, huge_pages)?, subject, settings, streams)
        }
        Subject::Guira { huge_pages } => {
            let segment = Segment::builder()
                .populate(true)
                .huge_pages(huge_pages)
                .open(&path)?;
            with_cache(segment, subject, settings, streams)
        }
        Subject::Peer(peer) => {
            let ready = Ready {
                subject,
                settings,
                streams,
                // What no other process has is filled by this one.
                fill: (!peer.is_shared()).then_some(holding),
            };
            open_peer(peer, &path, holding, ready)
        }
    }
}

/// Gets a peer's cache ready for laps.
struct Ready<'a> {
    subject: Subject,
    settings: (Workload, Workers, usize),
    streams: &'a Streams,
    fill: Option<Holding>,
}

impl Visit for Ready<'_> {
    type Outcome = Box<dyn Course>;

    fn visit<C: Cache>(self, mut cache: C) -> Result<Self::Outcome, BenchError> {
        if let Some(holding) = self.fill {
            holding.fill(&mut cache)?;
        }
        with_cache(cache, self.subject, self.settings, self.streams)
    }
}
