//! The broker as a process of its own, so that its share of the machine can be told.

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use guira_bus::runtime::{Broker, BrokerConfig};
use guira_bus::transport::keys::{ALLOWED_FOLDER, KeyPair, PublicKey};
use guira_bus::transport::{BrokerAddress, BrokerKeys, Endpoint};

use crate::Outcome;

/// As the first argument: be the broker.
pub(crate) const SERVE: &str = "--serve";
pub(crate) const CLUSTER: &str = "load";
/// Kernel ticks a second, which Linux has fixed for programs.
const TICKS_PER_S: f64 = 100.0;

/// Keys of the broker and of one host.
pub(crate) struct Keys {
    folder: tempfile::TempDir,
    broker: PublicKey,
    host: KeyPair,
    crowd: zmq::CurveKeyPair,
}

impl Keys {
    pub(crate) fn make() -> Outcome<Self> {
        let folder = tempfile::tempdir()?;
        let (broker, host) = (KeyPair::generate()?, KeyPair::generate()?);
        broker.save(folder.path())?;
        let crowd = zmq::CurveKeyPair::new()?;
        let allowed = folder.path().join(ALLOWED_FOLDER);
        std::fs::write(allowed.join("host.key"), host.public().to_string())?;
        std::fs::write(allowed.join("crowd.key"), zmq::z85_encode(&crowd.public_key)?)?;
        Ok(Self {
            folder,
            broker: broker.public(),
            host,
            crowd,
        })
    }
}

/// Serves until standard input ends.
pub(crate) fn serve(keys: Option<&str>) -> Outcome<()> {
    let mut config = BrokerConfig::new("tcp://127.0.0.1:0".parse()?, CLUSTER);
    if let Some(folder) = keys.map(PathBuf::from) {
        config.sockets.keys = Some(BrokerKeys {
            pair: KeyPair::load(&folder)?,
            allowed: folder.join(ALLOWED_FOLDER),
        });
    }
    let broker = Broker::bind(config)?.spawn()?;
    println!("{}", broker.endpoint());
    std::io::stdin().read_to_end(&mut Vec::new())?;
    broker.stop()?;
    Ok(())
}

/// Ends with this.
pub(crate) struct BrokerProcess {
    child: Child,
    pub(crate) address: BrokerAddress,
    pub(crate) keys: Option<KeyPair>,
    pub(crate) crowd_keys: Option<zmq::CurveKeyPair>,
}

impl BrokerProcess {
    pub(crate) fn start(keys: Option<&Keys>) -> Outcome<Self> {
        let mut child = Command::new(std::env::current_exe()?)
            .arg(SERVE)
            .args(keys.map(|keys| keys.folder.path()))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        let out = child.stdout.take().ok_or("no output")?;
        BufReader::new(out).read_line(&mut line)?;
        let endpoint: Endpoint = line.trim().parse()?;
        Ok(Self {
            child,
            address: BrokerAddress {
                endpoint,
                key: keys.map(|keys| keys.broker),
            },
            keys: keys.map(|keys| keys.host.clone()),
            crowd_keys: keys.map(|keys| zmq::CurveKeyPair {
                public_key: keys.crowd.public_key,
                secret_key: keys.crowd.secret_key,
            }),
        })
    }

    /// Seconds of a core that it has used.
    pub(crate) fn core_s(&self) -> Outcome<f64> {
        let path = Path::new("/proc").join(self.child.id().to_string()).join("stat");
        let stat = std::fs::read_to_string(path)?;
        // Its name, in parentheses, may hold spaces; user and system time are the 14th and 15th.
        let (_, rest) = stat.rsplit_once(')').ok_or("no such process")?;
        let ticks: f64 = rest
            .split_whitespace()
            .skip(11)
            .take(2)
            .filter_map(|field| field.parse::<f64>().ok())
            .sum();
        Ok(ticks / TICKS_PER_S)
    }
}

impl Drop for BrokerProcess {
    fn drop(&mut self) {
        drop(self.child.stdin.take());
        // Its end is that of its input.
        let _ = self.child.wait();
    }
}
