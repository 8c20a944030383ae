//! What coherence costs and how fast it is: hosts are segments of this process and of a child, the broker is a
//! thread, the network is loopback.
//!
//! ```text
//! cargo run --profile proof -p guira --example coherence [-- FOLDER_OF_KEYS]
//! ```
#![forbid(unsafe_code)]
#![expect(clippy::print_stdout, reason = "it prints what it measures")]

mod latency;

use std::error::Error;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use guira::coherence::{Coherence, Reach};
use guira::{Cache, FlightOptions, Guira};
use guira_bus::runtime::{Broker, BrokerConfig, BrokerHandle, keep_to_processor};
use guira_bus::transport::BrokerKeys;
use guira_bus::transport::keys::KeyPair;

type AnyError = Box<dyn Error>;

const LONG: Duration = Duration::from_secs(3_600);
const CLUSTER: &str = "bench";
const WAIT: Duration = Duration::from_secs(20);
const ROUNDS: usize = 5;
/// How the child is told what to do.
const CHILD: &str = "--child";

fn main() -> Result<(), AnyError> {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, child, address] = arguments.as_slice()
        && child == CHILD
    {
        return hold_a_lease(address);
    }
    if let [_, child, path, address] = arguments.as_slice()
        && child == latency::OBSERVE
    {
        return latency::observe(Path::new(path), address);
    }
    let plain = Bus::start(false, None)?;
    latency::measure(&plain, "loopback")?;
    plain.burst()?;
    plain.throughput()?;
    plain.applied()?;
    plain.holder_dies()?;
    plain.idle()?;
    plain.broker_dies()?;
    latency::measure(&Bus::start(true, None)?, "loopback, CURVE")?;
    let processor = std::thread::available_parallelism()?.get() - 1;
    for (has_keys, what) in [(false, ""), (true, ", CURVE")] {
        let bus = Bus::start(has_keys, Some(processor))?;
        latency::measure(&bus, &format!("loopback{what}, the bus on processor {processor}"))?;
    }
    Ok(())
}

struct Bus {
    broker: BrokerHandle,
    here: Guira,
    there: Guira,
    there_path: PathBuf,
    address: String,
    _folder: tempfile::TempDir,
}

fn coherent(address: &str) -> Coherence {
    Coherence::of_cluster(CLUSTER).broker(address).start_within(WAIT)
}

fn cache(guira: &Guira) -> Cache<u64, u64> {
    guira.cache("values")
}

impl Bus {
    fn start(has_keys: bool, processor: Option<usize>) -> Result<Self, AnyError> {
        let mut config = BrokerConfig::new("tcp://127.7.2.28:0".parse()?, CLUSTER);
        let folder = tempfile::tempdir_in("/dev/shm")?;
        let mut key = None;
        if has_keys {
            let folder = folder.path().join("keys");
            let (broker, agent) = (KeyPair::generate()?, KeyPair::generate()?);
            agent.save(&folder.join("agent"))?;
            let allowed = folder.join("allowed");
            std::fs::create_dir_all(&allowed)?;
            std::fs::write(allowed.join("agent.key"), agent.public().to_string())?;
            key = Some((broker.public().to_string(), folder.join("agent")));
            config.sockets.keys = Some(BrokerKeys {
                pair: broker,
                allowed,
            });
        }
        let broker = std::thread::spawn(move || -> Result<BrokerHandle, String> {
            if let Some(number) = processor {
                keep_to_processor(number).map_err(|error| error.to_string())?;
            }
            let broker = Broker::bind(config).and_then(Broker::spawn);
            broker.map_err(|error| error.to_string())
        });
        let broker = broker.join().map_err(|_| "the broker's thread panicked")??;
        let address = broker.endpoint().to_string();
        let host = |name: &str| {
            let coherence = match &key {
                None => coherent(&address),
                Some((public, directory)) => Coherence::of_cluster(CLUSTER)
                    .broker_with_key(&address, public)
                    .keys(directory)
                    .start_within(WAIT),
            };
            let coherence = match processor {
                None => coherence,
                Some(number) => coherence.processor(number),
            };
            Guira::builder()
                .size(64 << 20)
                .coherence(coherence)
                .open(folder.path().join(name))
        };
        let (here, there) = (host("here")?, host("there")?);
        for guira in [&here, &there] {
            follow(guira)?;
        }
        Ok(Self {
            broker,
            here,
            there,
            there_path: folder.path().join("there"),
            address,
            _folder: folder,
        })
    }

    fn burst(&self) -> Result<(), AnyError> {
        const KEYS: u64 = 20_000;
        let (ours, theirs) = (cache(&self.here), cache(&self.there));
        let (mut lost, mut times) = (0, Vec::new());
        for _ in 0..ROUNDS {
            for key in 0..KEYS {
                theirs.put(&key, &1, LONG)?;
            }
            let began = Instant::now();
            for key in 0..KEYS {
                ours.invalidate(&key)?;
            }
            self.here.announced()?.wait(Reach::Applied, WAIT)?;
            times.push(began.elapsed().as_secs_f64() * 1e3);
            for key in 0..KEYS {
                lost += u64::from(theirs.contains(&key)?);
            }
        }
        println!(
            "burst of {KEYS} from one host: {lost} lost, applied everywhere after {} ms",
            spread(times)
        );
        Ok(())
    }

    /// Two threads on each host, as fast as brokers accept.
    fn throughput(&self) -> Result<(), AnyError> {
        const SECONDS: f64 = 2.0;
        let mut rates = Vec::new();
        for _ in 0..ROUNDS {
            let hosts = [&self.here, &self.there];
            let heads = || {
                hosts.map(|host| {
                    host.coherence_status()
                        .map_or((0, 0), |now| (now.accepted, now.journal_tail))
                })
            };
            let before = heads();
            let began = Instant::now();
            std::thread::scope(|scope| {
                for host in hosts {
                    scope.spawn(move || {
                        let values = cache(host);
                        let mut key = 0;
                        while began.elapsed().as_secs_f64() < SECONDS {
                            for _ in 0..256 {
                                key += 1;
                                let _ = values.invalidate(&key);
                            }
                            // No faster than they are taken, so that nothing is overrun.
                            while host
                                .coherence_status()
                                .is_some_and(|now| now.journal_tail - now.accepted > 8_000)
                            {
                                std::thread::yield_now();
                            }
                        }
                    });
                }
            });
            for host in hosts {
                host.announced()?.wait(Reach::Accepted, WAIT)?;
            }
            let seconds = began.elapsed().as_secs_f64();
            let after = heads();
            let records: u64 = before
                .iter()
                .zip(&after)
                .map(|(before, after)| after.0 - before.0)
                .sum();
            rates.push(records as f64 / seconds / 1e3);
        }
        println!(
            "invalidations by two hosts, accepted and applied through one broker, thousands/s: {}",
            spread(rates)
        );
        Ok(())
    }

    fn applied(&self) -> Result<(), AnyError> {
        let ours = cache(&self.here);
        let (mut accepted, mut applied) = (Vec::new(), Vec::new());
        for key in 0..300 {
            pause(Duration::from_millis(3));
            let began = Instant::now();
            ours.invalidate(&key)?;
            let announced = self.here.announced()?;
            announced.wait(Reach::Accepted, WAIT)?;
            accepted.push(began.elapsed().as_secs_f64() * 1e3);
            announced.wait(Reach::Applied, WAIT)?;
            applied.push(began.elapsed().as_secs_f64() * 1e3);
        }
        for (what, mut times) in [("accepted", accepted), ("applied", applied)] {
            times.sort_by(f64::total_cmp);
            println!(
                "wait until {what}, ms: p50 {:.2}, p99 {:.2}",
                quantile(&times, 0.5),
                quantile(&times, 0.99)
            );
        }
        Ok(())
    }

    /// A child on a host of its own is killed while it computes what this process waits for.
    fn holder_dies(&self) -> Result<(), AnyError> {
        let values = shared(&self.here);
        let mut times = Vec::new();
        for _ in 0..ROUNDS {
            let mut child = Command::new(std::env::current_exe()?)
                .args([CHILD, &self.address])
                .stdout(Stdio::piped())
                .spawn()?;
            let mut line = String::new();
            let output = child.stdout.take().ok_or("no output of the child")?;
            BufReader::new(output).read_line(&mut line)?;
            let waiter = std::thread::spawn({
                let values = values.clone();
                move || {
                    let value = values.get_or_compute_with(&1, LONG, || 7);
                    (value.map_err(|error| error.to_string()), Instant::now())
                }
            });
            pause(Duration::from_millis(300));
            let killed = Instant::now();
            child.kill()?;
            child.wait()?;
            let (value, at) = waiter.join().map_err(|_| "the waiter panicked")?;
            assert_eq!(value?, 7);
            times.push((at - killed).as_secs_f64() * 1e3);
            values.invalidate(&1)?;
        }
        println!(
            "holder of a lease killed, a waiter on another host has the value after, ms: {}",
            spread(times)
        );
        Ok(())
    }

    fn idle(&self) -> Result<(), AnyError> {
        const SECONDS: f64 = 5.0;
        let bytes = || {
            let counts = self
                .here
                .coherence_status()
                .map(|now| now.counts)
                .unwrap_or_default();
            counts.bytes_sent + counts.bytes_received
        };
        let (before, cpu) = (bytes(), cpu_seconds()?);
        pause(Duration::from_secs_f64(SECONDS));
        println!(
            "idle, two agents and the broker: {:.2} % of a core in all; {:.2} KB/s of one host",
            (cpu_seconds()? - cpu) / SECONDS * 100.0,
            (bytes() - before) as f64 / SECONDS / 1e3
        );
        Ok(())
    }

    /// The broker goes, and another begins at its address at once.
    fn broker_dies(self) -> Result<(), AnyError> {
        let mut broker = self.broker;
        let endpoint = broker.endpoint().clone();
        let (mut times, mut floors) = (Vec::new(), 0);
        let raised = |guira: &Guira| guira.coherence_status().map_or(0, |now| now.counts.floors_raised);
        for _ in 0..ROUNDS {
            let before = raised(&self.here) + raised(&self.there);
            let began = Instant::now();
            broker.stop()?;
            broker = loop {
                match Broker::bind(BrokerConfig::new(endpoint.clone(), CLUSTER)) {
                    Ok(broker) => break broker.spawn()?,
                    Err(error) if began.elapsed() > WAIT => return Err(error.into()),
                    Err(_) => std::thread::yield_now(),
                }
            };
            cache(&self.here).invalidate(&1)?;
            self.here.announced()?.wait(Reach::Accepted, WAIT)?;
            self.here.wait_coherent(WAIT)?;
            self.there.wait_coherent(WAIT)?;
            times.push(began.elapsed().as_secs_f64() * 1e3);
            floors += raised(&self.here) + raised(&self.there) - before;
            pause(Duration::from_millis(1_500));
        }
        println!(
            "broker gone and begun anew, accepts and is trusted after, ms: {}; floors raised: {floors}",
            spread(times)
        );
        Ok(())
    }
}

fn shared(guira: &Guira) -> Cache<u64, u64> {
    guira
        .cache_builder("shared")
        .flights(FlightOptions::default().cluster(true))
        .open()
}

/// The child: computes for ever, until it is killed.
fn hold_a_lease(address: &str) -> Result<(), AnyError> {
    let guira = Guira::builder()
        .size(16 << 20)
        .coherence(coherent(address))
        .private()?;
    shared(&guira).get_or_compute_with(&1, LONG, || {
        println!("computing");
        loop {
            std::thread::park();
        }
    })?;
    Ok(())
}

/// Waits until the cache's namespace is trusted.
fn follow(guira: &Guira) -> Result<(), AnyError> {
    for values in [cache(guira), shared(guira)] {
        let began = Instant::now();
        loop {
            values.put(&u64::MAX, &1, LONG)?;
            if values.get(&u64::MAX)?.is_some() {
                break;
            }
            if began.elapsed() > WAIT {
                return Err("a namespace is not followed".into());
            }
        }
    }
    Ok(())
}

fn pause(length: Duration) {
    let until = Instant::now() + length;
    while let Some(left) = until
        .checked_duration_since(Instant::now())
        .filter(|left| !left.is_zero())
    {
        std::thread::park_timeout(left);
    }
}

/// Of this process, in user and system mode.
fn cpu_seconds() -> Result<f64, AnyError> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let after_name = stat.rsplit(')').next().unwrap_or("");
    let field = |index: usize| -> f64 {
        after_name
            .split_whitespace()
            .nth(index)
            .and_then(|text| text.parse().ok())
            .unwrap_or(0.0)
    };
    // The kernel counts in hundredths of a second.
    Ok((field(11) + field(12)) / 100.0)
}

fn quantile(sorted: &[f64], share: f64) -> f64 {
    let index = ((sorted.len() as f64 * share) as usize).min(sorted.len().saturating_sub(1));
    sorted.get(index).copied().unwrap_or(0.0)
}

/// Median, and the smallest and largest.
fn spread(mut values: Vec<f64>) -> String {
    values.sort_by(f64::total_cmp);
    format!(
        "{:.2} [{:.2}..{:.2}]",
        quantile(&values, 0.5),
        values.first().copied().unwrap_or(0.0),
        values.last().copied().unwrap_or(0.0)
    )
}
