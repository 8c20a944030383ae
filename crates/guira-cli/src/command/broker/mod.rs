//! `guira broker`: orders and relays what the hosts of a cluster invalidate.

mod report;

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

use clap::Args;
use guira_bus::core::BrokerSettings;
use guira_bus::runtime::{Broker, BrokerConfig, BrokerReport};
use guira_bus::transport::keys::ALLOWED_FOLDER;
use guira_bus::transport::{BrokerKeys, Endpoint, TransportError};

use crate::error::CliError;
use crate::exit::Exit;
use crate::key_file::own_keys;
use crate::log_lines::LogLines;
use crate::size::parse_size;

/// Where a broker is looked for that nobody named.
pub(crate) const DEFAULT_ENDPOINT: &str = "tcp://127.0.0.1:7227";
/// The cluster of those who name none.
pub(crate) const DEFAULT_CLUSTER: &str = "default";
/// The least room for a log: some ten thousand records.
const MIN_LOG_BYTES: u64 = 1 << 20;
/// Lines that wait to be printed; further ones are not said.
const WAITING_LINES: usize = 1024;

/// Serve a cluster: order, keep and relay what its hosts invalidate, until stopped
///
/// Prints what it serves, who joins and leaves, and who is refused and why. SIGINT and SIGTERM end it in
/// order.
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "An address is tcp://HOST:PORT or ipc:///PATH; the port above PORT is used too. One broker \
keeps hosts in agreement as long as it lives; with three, any one may die. Each is told its peers, each host \
is told all of them. What can be reached from other machines needs keys: see `guira keygen`."
)]
pub struct BrokerArgs {
    /// Where to listen
    #[arg(long, value_name = "ADDR", default_value = DEFAULT_ENDPOINT)]
    pub bind: Endpoint,
    /// Another broker of this cluster; may be repeated
    #[arg(long = "peer", value_name = "ADDR")]
    pub peers: Vec<Endpoint>,
    /// Memory for what hosts that were away for a while are told afterwards
    #[arg(long, value_name = "SIZE", default_value = "64M", value_parser = parse_size)]
    pub log_bytes: u64,
    /// Keys as `guira keygen DIR` makes them: lets in whose public key is in DIR/allowed
    #[arg(long, value_name = "DIR", conflicts_with = "insecure")]
    pub curve: Option<PathBuf>,
    /// Let in everybody who can reach the address
    #[arg(long)]
    pub insecure: bool,
    /// The cluster; hosts that name another are not served
    #[arg(long, value_name = "NAME", default_value = DEFAULT_CLUSTER)]
    pub cluster: String,
    /// Print JSON: one object a line, {"serving": ..}, {"time_ms", "level", "message", ..}, {"stopped": ..}
    #[arg(long)]
    pub json: bool,
}

pub(crate) fn run(args: &BrokerArgs, out: &mut dyn Write) -> Result<Exit, CliError> {
    let config = config(args)?;
    let (lines, said) = sync_channel(WAITING_LINES);
    LogLines::install(lines.clone(), args.json);
    let mut broker = Broker::bind(config)?;
    let stop = Arc::new(AtomicBool::new(false));
    stop_by_signals(&stop, &broker);
    report::write_serving(out, args, &broker)?;
    let report = std::thread::scope(|scope| {
        let serving = scope.spawn(|| serve(&mut broker, &stop, LastLine(lines)));
        print(&said, out);
        serving
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic))
    })?;
    report::write_stopped(out, args, &report)?;
    Ok(Exit::Done)
}

/// Ends the printing of lines by an empty one when it is dropped, however serving ended.
struct LastLine(SyncSender<String>);

impl Drop for LastLine {
    fn drop(&mut self) {
        // Fails only if nobody prints any more.
        let _ = self.0.send(String::new());
    }
}

fn serve(broker: &mut Broker, stop: &AtomicBool, last: LastLine) -> Result<BrokerReport, TransportError> {
    let result = broker.run(stop);
    drop(last);
    result.map(|()| broker.report())
}

/// Prints until the end. A broker serves on when nobody reads what it says.
fn print(said: &Receiver<String>, out: &mut dyn Write) {
    let mut is_read = true;
    for line in said {
        if line.is_empty() {
            return;
        }
        is_read = is_read && writeln!(out, "{line}").and_then(|()| out.flush()).is_ok();
    }
}

fn stop_by_signals(stop: &Arc<AtomicBool>, broker: &Broker) {
    let (stop, waker) = (Arc::clone(stop), broker.waker());
    // Fails where the program handles these signals otherwise, which is then its business.
    let _ = ctrlc::set_handler(move || {
        stop.store(true, Ordering::Relaxed);
        waker.wake();
    });
}

fn config(args: &BrokerArgs) -> Result<BrokerConfig, CliError> {
    if args.log_bytes < MIN_LOG_BYTES {
        return Err(CliError::Usage(
            "--log-bytes is too small to be of use; give it 1M or more".to_owned(),
        ));
    }
    let mut peers: Vec<String> = args.peers.iter().map(ToString::to_string).collect();
    peers.sort_unstable();
    peers.dedup();
    if peers.contains(&args.bind.to_string()) {
        return Err(CliError::Usage(format!(
            "{} is this broker's own address; name its peers only",
            args.bind
        )));
    }
    let brokers = u8::try_from(peers.len() + 1)
        .map_err(|_| CliError::Usage("more than 255 brokers; name fewer peers".to_owned()))?;
    let mut config = BrokerConfig::new(args.bind.clone(), &args.cluster);
    config.sockets.insecure = args.insecure;
    if let Some(folder) = &args.curve {
        config.sockets.keys = Some(BrokerKeys {
            pair: own_keys(folder)?,
            allowed: folder.join(ALLOWED_FOLDER),
        });
    }
    config.settings = BrokerSettings {
        brokers,
        log_bytes: args.log_bytes,
        ..BrokerSettings::default()
    };
    Ok(config)
}
