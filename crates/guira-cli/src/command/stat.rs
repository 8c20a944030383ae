//! `guira stat`: the figures of a segment.

use std::io::Write;

use clap::Args;
use guira::coherence::CoherenceStatus;
use guira_segment::Stats;
use serde_json::{Value, json};

use super::broker::DEFAULT_CLUSTER;
use super::bus::{millis, show_trust, unaccepted};
use crate::cluster_name::{is_trusted, known_name, show_cluster};
use crate::error::CliError;
use crate::exit::Exit;
use crate::output::{Facts, show_count, show_counted, show_share, write_facts, write_json};
use crate::size::show_size;
use crate::target::Target;

/// Show the figures of a segment: use, hits, blocks, processes
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "Counters count since the segment was made, over all processes. This command is \
one of the processes that are shown as attached. In JSON \"trusted\" says whether hits are known to be no older than \
the cluster's bound: true or false, null for a segment of no cluster."
)]
pub struct StatArgs {
    #[command(flatten)]
    pub target: Target,
    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

pub(crate) fn run(args: &StatArgs, out: &mut dyn Write) -> Result<Exit, CliError> {
    let segment = args.target.open()?;
    let stats = segment.stats();
    let coherence = CoherenceStatus::of_segment(&segment);
    if args.json {
        let mut object = stats_json(&stats);
        object["trusted"] = json!(is_trusted(&segment));
        object["coherence"] = coherence.as_ref().map_or(Value::Null, |status| {
            coherence_json(status, known_name(&segment, DEFAULT_CLUSTER))
        });
        write_json(out, &object)?;
    } else {
        let mut groups = groups(&stats).to_vec();
        groups.extend(coherence.as_ref().map(|status| {
            let cluster = show_cluster(&segment, DEFAULT_CLUSTER);
            coherence_facts(status, cluster)
        }));
        write_facts(out, &groups)?;
    }
    Ok(Exit::Done)
}

/// Where the host stands with its cluster; `guira bus status` says more.
fn coherence_facts(status: &CoherenceStatus, cluster: String) -> Facts {
    Facts::new("Cluster")
        .row("cluster", cluster)
        .row("trust", show_trust(status))
        .row(
            "agent",
            match status.agent_process {
                Some(process) if status.has_agent => format!("process {process}"),
                _ => "none at work".to_owned(),
            },
        )
        .row(
            "journal",
            format!(
                "{}, {} not yet accepted",
                show_counted(status.journal_tail, "record", "records"),
                show_count(unaccepted(status))
            ),
        )
}

fn coherence_json(status: &CoherenceStatus, cluster_name: Option<&str>) -> Value {
    json!({
        "cluster": format!("{:016x}", status.cluster_id),
        "cluster_name": cluster_name,
        "is_trusted": status.is_trusted,
        "trusted_for_ms": status.trusted_for.map(millis),
        "has_agent": status.has_agent,
        "journal_tail": status.journal_tail,
        "journal_accepted": status.accepted,
        "journal_settled": status.settled,
        "journal_unaccepted": unaccepted(status),
        "journal_capacity": status.journal_capacity,
    })
}

fn groups(stats: &Stats) -> [Facts; 6] {
    let used_share = stats.bytes_used as f64 / stats.arena_bytes.max(1) as f64;
    [
        Facts::new("Size")
            .row("file", show_size(stats.size_bytes))
            .row("log", show_size(stats.arena_bytes))
            .row(
                "used",
                format!(
                    "{} ({} of the log)",
                    show_size(stats.bytes_used),
                    show_share(used_share)
                ),
            )
            .row(
                "room is made by",
                if stats.is_evicting {
                    "eviction"
                } else {
                    "closing gaps"
                },
            ),
        Facts::new("Entries")
            .row("entries", show_count(stats.entries))
            .row(
                "load of the index",
                format!(
                    "{} of {} slots",
                    show_share(stats.index_load()),
                    show_count(stats.index_slots)
                ),
            )
            .row("namespaces", show_count(stats.namespaces))
            .row("evicted", show_count(stats.evictions))
            .row("expired", show_count(stats.expired))
            .row("damaged", show_count(stats.damaged)),
        Facts::new("Reads")
            .row("hits", show_count(stats.hits))
            .row("misses", show_count(stats.misses))
            .row("hit ratio", show_share(stats.hit_ratio())),
        Facts::new("Writes")
            .row("stores", show_count(stats.stores))
            .row("fills", show_count(stats.fills))
            .row("superseded", show_count(stats.superseded))
            .row("removes", show_count(stats.removes))
            .row("invalidations", show_count(stats.invalidations))
            .row("invalidation clock", show_count(stats.invalidation_clock))
            .row("refused for lack of space", show_count(stats.no_space))
            .row("retries", show_count(stats.retries))
            .row("displaced slots", show_count(stats.displaced)),
        Facts::new("Blocks")
            .row("size of one", show_size(stats.block_bytes))
            .row("total", stats.blocks.total)
            .row("free", stats.blocks.free)
            .row("open", stats.blocks.open)
            .row("sealed, admission", stats.blocks.sealed_admission)
            .row("sealed, main", stats.blocks.sealed_main)
            .row("draining", stats.blocks.draining)
            .row("retired", stats.blocks.retired)
            .row("in runs", stats.blocks.run)
            .row("damaged", stats.blocks.damaged)
            .row("reclaimed so far", show_count(stats.blocks_reclaimed))
            .row("entries kept by reclaim", show_count(stats.survivors)),
        Facts::new("Processes")
            .row(
                "attached",
                format!("{} of at most {}", stats.processes, stats.max_processes),
            )
            .row("threads", show_count(stats.threads))
            .row("pins", format!("{}, {} of them guards", stats.pins, stats.guards))
            .row("flights under way", show_count(stats.flights))
            .row("waits for a flight", show_count(stats.flights_waited))
            .row("dead processes recovered", show_count(stats.recoveries)),
    ]
}

/// The figures of a segment for programs.
pub(super) fn stats_json(stats: &Stats) -> Value {
    json!({
        "size_bytes": stats.size_bytes,
        "arena_bytes": stats.arena_bytes,
        "bytes_used": stats.bytes_used,
        "is_evicting": stats.is_evicting,
        "entries": stats.entries,
        "index_slots": stats.index_slots,
        "index_load": stats.index_load(),
        "namespaces": stats.namespaces,
        "evictions": stats.evictions,
        "expired": stats.expired,
        "damaged": stats.damaged,
        "hits": stats.hits,
        "misses": stats.misses,
        "hit_ratio": stats.hit_ratio(),
        "stores": stats.stores,
        "fills": stats.fills,
        "superseded": stats.superseded,
        "removes": stats.removes,
        "invalidations": stats.invalidations,
        "invalidation_clock": stats.invalidation_clock,
        "no_space": stats.no_space,
        "retries": stats.retries,
        "displaced": stats.displaced,
        "block_bytes": stats.block_bytes,
        "blocks": {
            "total": stats.blocks.total,
            "free": stats.blocks.free,
            "open": stats.blocks.open,
            "sealed_admission": stats.blocks.sealed_admission,
            "sealed_main": stats.blocks.sealed_main,
            "draining": stats.blocks.draining,
            "retired": stats.blocks.retired,
            "run": stats.blocks.run,
            "damaged": stats.blocks.damaged,
        },
        "blocks_reclaimed": stats.blocks_reclaimed,
        "survivors": stats.survivors,
        "processes": stats.processes,
        "max_processes": stats.max_processes,
        "threads": stats.threads,
        "pins": stats.pins,
        "guards": stats.guards,
        "flights": stats.flights,
        "flights_waited": stats.flights_waited,
        "recoveries": stats.recoveries,
    })
}
