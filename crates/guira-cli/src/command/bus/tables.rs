//! How the state of a host and of a broker are shown.

use std::io::Write;
use std::time::Duration;

use guira::coherence::{CoherenceCounts, CoherenceStatus};
use guira_bus::transport::Endpoint;
use guira_bus::wire::BrokerStatus;
use serde_json::{Value, json};

use super::ask::Answer;
use crate::duration::show_duration;
use crate::error::CliError;
use crate::output::{Facts, show_count, show_counted, show_share, table};
use crate::size::show_size;

/// A host, by its segment, with what is to be said of its cluster.
pub(super) fn segment_facts(status: &CoherenceStatus, cluster: &str) -> Vec<Facts> {
    let agent = match status.agent_process {
        Some(process) => format!("process {process}, at work"),
        None => {
            "none at work: start a program that opens the cache with coherence, or `guira agent`".to_owned()
        }
    };
    let mut standing = Facts::new("Cluster")
        .row("cluster", cluster)
        .row("trust", show_trust(status))
        .row("agent", agent);
    for note in &status.notes {
        standing = standing.row(
            format!("broker {}", note.broker),
            format!(
                "life {:016x}, applied up to {}, confirmed {} ago",
                note.epoch,
                show_count(note.applied),
                show_duration(note.confirmed_ago)
            ),
        );
    }
    let journal = Facts::new("Journal")
        .row("records", show_count(status.journal_tail))
        .row("accepted by the brokers", show_count(status.accepted))
        .row("applied by every host", show_count(status.settled))
        .row("not yet accepted", show_count(unaccepted(status)))
        .row("room", show_counted(status.journal_capacity, "record", "records"));
    let mut counts = Facts::new("Counted since the segment was made");
    for (name, count) in counted(&status.counts) {
        counts = counts.row(name.replace('_', " "), show_count(count));
    }
    let mut groups = vec![standing, journal, counts];
    let ages = &status.counts.applied_age_ms;
    if ages.iter().any(|&count| count > 0) {
        groups.push(age_facts(ages));
    }
    groups
}

/// The sum of trust and time, in a few words.
pub(crate) fn show_trust(status: &CoherenceStatus) -> String {
    match status.trusted_for {
        Some(left) => format!("trusted for {} more", show_duration(left)),
        None => "suspect: hits may be older than the bound".to_owned(),
    }
}

/// Records that no majority of the brokers has yet.
pub(crate) const fn unaccepted(status: &CoherenceStatus) -> u64 {
    status.journal_tail.saturating_sub(status.accepted)
}

fn age_facts(ages: &[u64]) -> Facts {
    let total: u64 = ages.iter().sum();
    let mut seen = 0;
    let mut facts = Facts::new("Age of records when they were applied, by the two hosts' wall clocks");
    for (bucket, &count) in ages.iter().enumerate().filter(|(_, count)| **count > 0) {
        seen += count;
        let name = if bucket + 1 == ages.len() {
            "longer".to_owned()
        } else {
            format!("below {}", show_duration(Duration::from_millis(1 << bucket)))
        };
        facts = facts.row(
            name,
            format!(
                "{}, {} so far",
                show_count(count),
                show_share(seen as f64 / total as f64)
            ),
        );
    }
    facts
}

fn counted(counts: &CoherenceCounts) -> [(&'static str, u64); 14] {
    [
        ("applied", counts.applied),
        ("floors_raised", counts.floors_raised),
        ("gaps", counts.gaps),
        ("overflows", counts.overflows),
        ("frames_sent", counts.frames_sent),
        ("bytes_sent", counts.bytes_sent),
        ("frames_received", counts.frames_received),
        ("bytes_received", counts.bytes_received),
        ("bad_frames", counts.bad_frames),
        ("reconnects", counts.reconnects),
        ("refusals", counts.refusals),
        ("take_overs", counts.take_overs),
        ("suspect_served", counts.suspect_served),
        ("suspect_refused", counts.suspect_refused),
    ]
}

/// The same for programs; the cluster's name, if it is known.
pub(super) fn segment_json(status: &CoherenceStatus, cluster_name: Option<&str>) -> Value {
    let notes: Vec<Value> = status
        .notes
        .iter()
        .map(|note| {
            json!({
                "broker": note.broker,
                "epoch": format!("{:016x}", note.epoch),
                "applied": note.applied,
                "confirmed_ago_ms": millis(note.confirmed_ago),
            })
        })
        .collect();
    let counts: serde_json::Map<String, Value> = counted(&status.counts)
        .into_iter()
        .map(|(name, count)| (name.to_owned(), count.into()))
        .collect();
    json!({
        "cluster": format!("{:016x}", status.cluster_id),
        "cluster_name": cluster_name,
        "is_trusted": status.is_trusted,
        "trusted_for_ms": status.trusted_for.map(millis),
        "agent_process": status.agent_process,
        "has_agent": status.has_agent,
        "brokers": notes,
        "journal": {
            "tail": status.journal_tail,
            "accepted": status.accepted,
            "settled": status.settled,
            "unaccepted": unaccepted(status),
            "capacity": status.journal_capacity,
        },
        "counts": counts,
        "applied_age_ms_log2": status.counts.applied_age_ms,
    })
}

pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// A broker and the hosts that it knows.
pub(super) fn write_broker(
    out: &mut dyn Write,
    address: &Endpoint,
    answer: &Answer,
    is_first: bool,
) -> Result<(), CliError> {
    let gap = if is_first { "" } else { "\n" };
    let Ok(status) = answer else {
        return writeln!(out, "{gap}Broker {address}: no answer").map_err(CliError::Output);
    };
    let used = status.log_bytes as f64 / status.log_limit_bytes.max(1) as f64;
    writeln!(
        out,
        "{gap}Broker {address}: up {}, life {:016x}, {}\n  \
         position {}, log from {} on, {} of {} ({}), {}",
        show_duration(Duration::from_secs(status.uptime_us / 1_000_000)),
        status.epoch.0,
        match status.brokers {
            1 => "the only one".to_owned(),
            brokers => format!("one of {brokers}"),
        },
        show_count(status.position),
        show_count(status.oldest),
        show_size(status.log_bytes),
        show_size(status.log_limit_bytes),
        show_share(used),
        show_counted(u64::from(status.leases), "lease", "leases"),
    )
    .map_err(CliError::Output)?;
    let mut hosts = table(
        &["host", "origin", "next ticket", "applied", "behind", "silent"],
        &[2, 3, 4, 5],
    );
    for member in &status.members {
        // A host's name is what it says of itself: nothing in it is to move the terminal's cursor.
        let name: String = member
            .host
            .chars()
            .filter(|letter| !letter.is_control())
            .collect();
        hosts.add_row([
            name,
            member.origin.to_string(),
            show_count(member.next),
            show_count(member.applied),
            show_count(status.position.saturating_sub(member.applied)),
            show_duration(Duration::from_micros(member.silent_us)),
        ]);
    }
    if status.members.is_empty() {
        return writeln!(out, "  no hosts").map_err(CliError::Output);
    }
    writeln!(out, "{hosts}").map_err(CliError::Output)
}

/// The same for programs.
pub(super) fn broker_json(address: &Endpoint, status: &BrokerStatus) -> Value {
    let hosts: Vec<Value> = status
        .members
        .iter()
        .map(|member| {
            json!({
                "host": member.host,
                "origin": member.origin.to_string(),
                "next_ticket": member.next,
                "applied": member.applied,
                "behind": status.position.saturating_sub(member.applied),
                "silent_ms": member.silent_us / 1_000,
            })
        })
        .collect();
    json!({
        "address": address.to_string(),
        "epoch": format!("{:016x}", status.epoch.0),
        "uptime_ms": status.uptime_us / 1_000,
        "brokers": status.brokers,
        "position": status.position,
        "oldest": status.oldest,
        "log_bytes": status.log_bytes,
        "log_limit_bytes": status.log_limit_bytes,
        "leases": status.leases,
        "hosts": hosts,
    })
}
