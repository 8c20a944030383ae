//! The first and the last line of a broker.

use std::io::Write;
use std::time::Duration;

use guira_bus::runtime::{Broker, BrokerReport};
use serde_json::json;

use super::BrokerArgs;
use crate::duration::show_duration;
use crate::error::CliError;
use crate::log_lines::{now_ms, show_time_of_day};
use crate::output::{show_count, show_counted, write_json};
use crate::size::show_size;

/// What it serves; it is out before anybody is served, for who waits for it.
pub(super) fn write_serving(out: &mut dyn Write, args: &BrokerArgs, broker: &Broker) -> Result<(), CliError> {
    let endpoint = broker.endpoint();
    let brokers = broker.report().status.brokers;
    if args.json {
        let serving = json!({
            "endpoint": endpoint.to_string(),
            "cluster": args.cluster,
            "epoch": format!("{:016x}", broker.epoch().0),
            "brokers": brokers,
            "log_bytes": args.log_bytes,
            "has_keys": args.curve.is_some(),
        });
        write_json(out, &json!({ "serving": serving }))?;
    } else {
        let whom = if args.curve.is_some() {
            "hosts with an allowed key"
        } else if endpoint.is_public() {
            "whoever can reach it"
        } else {
            "this machine only"
        };
        let place = match brokers {
            1 => "the only broker".to_owned(),
            _ => format!("one of {brokers} brokers"),
        };
        writeln!(
            out,
            "{} serving cluster {:?} at {endpoint}: {whom}, {place}, log of {}",
            show_time_of_day(now_ms()),
            args.cluster,
            show_size(args.log_bytes),
        )
        .map_err(CliError::Output)?;
    }
    out.flush().map_err(CliError::Output)
}

/// What it did. A reader that went away meanwhile is no failure.
pub(super) fn write_stopped(
    out: &mut dyn Write,
    args: &BrokerArgs,
    report: &BrokerReport,
) -> Result<(), CliError> {
    let (status, tally) = (&report.status, &report.tally);
    if args.json {
        let stopped = json!({
            "uptime_ms": status.uptime_us / 1_000,
            "records": status.position,
            "hosts": status.members.len(),
            "frames": tally.frames,
            "published_items": tally.published_items,
            "asks": tally.asks,
            "lease_frames": tally.lease_frames,
            "dropped": {
                "other_version": tally.other_version,
                "other_cluster": tally.other_cluster,
                "malformed": tally.malformed + report.sockets.malformed + report.sockets.too_long,
                "strangers": tally.strangers,
            },
            "refused_keys": report.sockets.refused_keys,
            "failed_handshakes": report.sockets.failed_handshakes,
        });
        return write_json(out, &json!({ "stopped": stopped }));
    }
    writeln!(
        out,
        "{} stopped after {}: {} relayed, {} here at the end, {} taken and {} dropped",
        show_time_of_day(now_ms()),
        show_duration(Duration::from_secs(status.uptime_us / 1_000_000)),
        show_counted(status.position, "record", "records"),
        show_counted(status.members.len() as u64, "host", "hosts"),
        show_counted(tally.frames, "frame", "frames"),
        show_count(tally.dropped() + report.sockets.malformed + report.sockets.too_long),
    )
    .map_err(CliError::Output)
}
