//! `guira agent`: a host's agent as a process of its own.

mod said;

use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use clap::Args;
use guira::Guira;
use guira::coherence::Coherence;
use guira_bus::transport::Endpoint;

use super::broker::DEFAULT_CLUSTER;
use crate::duration::parse_lifetime;
use crate::error::CliError;
use crate::exit::Exit;
use crate::host_name::parse_host_name;
use crate::key_file::{broker_keys, own_keys};
use crate::size::parse_size;
use said::State;

/// Keep a segment coherent with those of other hosts
///
/// Programs that open the cache with coherence do so themselves; this is for segments whose programs do not, or
/// that are to stay coherent while none runs. Prints a line, with its cause, when trust or a broker is lost or back.
#[derive(Clone, Debug, Args)]
#[command(
    after_help = "Name all brokers of the cluster, the same on every host. With --size the segment is made if it is \
not there. When the file is removed and made again it is followed there; without \
--size the command ends if it stays away for 5 s. Ends by SIGTERM or SIGINT; another process of the host \
takes over then, if one can."
)]
pub struct AgentArgs {
    /// The segment's file
    pub path: PathBuf,
    /// A broker, such as tcp://10.0.0.7:7227; one for each broker of the cluster
    #[arg(long = "broker", value_name = "ADDR", required = true)]
    pub brokers: Vec<Endpoint>,
    /// The brokers' public keys, in the order of the brokers: files that `guira keygen` made, or the keys themselves
    #[arg(long = "broker-key", value_name = "KEY")]
    pub broker_keys: Vec<String>,
    /// The cluster's name, the same on every host
    #[arg(long, value_name = "NAME", default_value = DEFAULT_CLUSTER)]
    pub cluster: String,
    /// How brokers and reports call this host [default: the machine's name]
    #[arg(long, value_name = "NAME", value_parser = parse_host_name)]
    pub host_name: Option<String>,
    /// This host's own keys: the directory that `guira keygen` made
    #[arg(long, value_name = "DIR")]
    pub curve: Option<PathBuf>,
    /// How old a trusted hit may be
    #[arg(long, default_value = "500ms", value_parser = parse_lifetime)]
    pub bound: Duration,
    /// Make the segment of this size if it is not there
    #[arg(long, value_parser = parse_size)]
    pub size: Option<u64>,
    /// Print JSON: one object for each change, {"time_ms", "trusted", "cause", "agent", "stands_by", "brokers", ..}
    #[arg(long)]
    pub json: bool,
}

/// How long a file may be gone that somebody is about to make again.
const RETURNS_WITHIN: Duration = Duration::from_secs(5);
/// How often a change is looked for.
const LOOK: Duration = Duration::from_millis(100);

pub(crate) fn run(args: &AgentArgs, out: &mut dyn Write) -> Result<Exit, CliError> {
    let is_ending = Arc::new(AtomicBool::new(false));
    let main = std::thread::current();
    let ending = Arc::clone(&is_ending);
    // Fails where the program handles these signals otherwise, which is then its business.
    let _ = ctrlc::set_handler(move || {
        ending.store(true, Ordering::Relaxed);
        main.unpark();
    });
    let (mut guira, mut file) = open(args)?;
    let (mut before, mut missing_since, mut has_spoken) = (None, None, false);
    while !is_ending.load(Ordering::Relaxed) {
        match file_at(&args.path) {
            found if found == file => missing_since = None,
            None if args.size.is_none() && since(&mut missing_since) < RETURNS_WITHIN => {}
            _ => {
                // Who opens the path now has another segment, and no agent.
                (guira, file) = open(args)?;
                (before, missing_since) = (None, None);
                goes_on(said::write_replaced(out, args))?;
            }
        }
        let Some(status) = guira.coherence_status() else {
            break;
        };
        let now = State::of(&status);
        if before.as_ref() != Some(&now) {
            let written = said::write_change(out, args, before.as_ref(), &status);
            if has_spoken {
                goes_on(written)?;
            } else {
                written?;
                has_spoken = true;
            }
            before = Some(now);
        }
        std::thread::park_timeout(LOOK);
    }
    Ok(Exit::Done)
}

/// Nobody may be there any more to read what an agent says, or no room: that is no reason to end it.
fn goes_on(written: Result<(), CliError>) -> Result<(), CliError> {
    match written {
        Err(CliError::Output(_)) => Ok(()),
        written => written,
    }
}

/// The segment, and which file it is.
fn open(args: &AgentArgs) -> Result<(Guira, Option<(u64, u64)>), CliError> {
    // Before it is opened: one that is replaced meanwhile is noticed at the next look.
    let file = file_at(&args.path);
    let builder = Guira::builder().coherence(coherence(args)?);
    let guira = match args.size {
        Some(bytes) => builder.size(bytes).open(&args.path),
        None => builder.open_existing(&args.path),
    }
    .map_err(crate::error::of_guira)?;
    Ok((guira, file.or_else(|| file_at(&args.path))))
}

/// Which file a path names: its device and its number there.
fn file_at(path: &Path) -> Option<(u64, u64)> {
    let file = std::fs::metadata(path).ok()?;
    Some((file.dev(), file.ino()))
}

fn since(began: &mut Option<Instant>) -> Duration {
    began.get_or_insert_with(Instant::now).elapsed()
}

fn coherence(args: &AgentArgs) -> Result<Coherence, CliError> {
    let keys = broker_keys(&args.broker_keys, args.brokers.len())?;
    let mut coherence = Coherence::of_cluster(&args.cluster)
        .bound(args.bound)
        .start_within(Duration::ZERO);
    for (index, address) in args.brokers.iter().map(ToString::to_string).enumerate() {
        coherence = match keys.get(index) {
            None => coherence.broker(&address),
            Some(key) => coherence.broker_with_key(&address, &key.to_string()),
        };
    }
    if let Some(name) = &args.host_name {
        coherence = coherence.host_name(name);
    }
    if let Some(directory) = &args.curve {
        // What is missing there is said as for a broker.
        own_keys(directory)?;
        coherence = coherence.keys(directory);
    }
    Ok(coherence)
}
