//! What a bench says at its end.

use std::io::Write;
use std::time::Duration;

use serde_json::json;

use super::BenchArgs;
use super::worker::Sums;
use crate::duration::show_duration;
use crate::error::CliError;
use crate::output::{Facts, show_count, show_share, write_facts, write_json};
use crate::size::show_size;

pub(crate) fn write_report(out: &mut dyn Write, args: &BenchArgs, sums: &Sums) -> Result<(), CliError> {
    let latency = &sums.latency;
    let [p50_ns, p99_ns, p999_ns] = [0.5, 0.99, 0.999].map(|share| latency.percentile_ns(share));
    let hit_ratio = if sums.gets == 0 {
        0.0
    } else {
        sums.hits as f64 / sums.gets as f64
    };
    if args.json {
        return write_json(
            out,
            &json!({
                "ops_per_s": sums.ops_per_s,
                "p50_ns": p50_ns,
                "p99_ns": p99_ns,
                "p999_ns": p999_ns,
                "hit_ratio": hit_ratio,
                "ops": sums.ops(),
                "gets": sums.gets,
                "hits": sums.hits,
                "puts": sums.puts,
                "failed_puts": sums.failed_puts,
                "seconds": args.seconds.as_secs_f64(),
                "processes": args.processes,
                "threads": args.threads,
            }),
        );
    }
    let shown = |ns| show_duration(Duration::from_nanos(ns));
    write_facts(
        out,
        &[
            Facts::new("Workload")
                .row("keys", keys(args))
                .row("values", values(args))
                .row(
                    "workers",
                    format!("{} processes of {} threads", args.processes, args.threads),
                ),
            Facts::new("Result")
                .row(
                    "operations",
                    format!("{} in {}", show_count(sums.ops()), show_duration(args.seconds)),
                )
                .row(
                    "throughput",
                    format!("{} operations/s", show_count(sums.ops_per_s as u64)),
                )
                .row("latency p50", shown(p50_ns))
                .row("latency p99", shown(p99_ns))
                .row("latency p99.9", shown(p999_ns))
                .row("hit ratio", show_share(hit_ratio))
                .row("failed puts", show_count(sums.failed_puts)),
        ],
    )
}

fn keys(args: &BenchArgs) -> String {
    let law = |exponent| format!("Zipf {exponent}");
    match &args.trace {
        Some(path) => format!("of the trace {}", path.display()),
        None => format!(
            "{}, {}, {} gets to {} puts",
            show_count(u64::from(args.keys)),
            args.zipf.map_or("all alike".to_owned(), law),
            args.mix.gets,
            args.mix.puts
        ),
    }
}

fn values(args: &BenchArgs) -> String {
    match (args.value, &args.trace) {
        (Some(bytes), _) => show_size(bytes),
        (None, Some(_)) => "as the trace says, 100 B where it says nothing".to_owned(),
        (None, None) => "100 B".to_owned(),
    }
}
