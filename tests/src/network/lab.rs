//! The laboratory: a network namespace for each host and broker, all on one bridge whose ports lose, or cut, what
//! they are told to. Made with `ip` and `nft`; gone when it is dropped, also after an interrupt.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use super::weather::Weather;
use crate::scratch::at_interrupt;

/// Why there is no laboratory.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LabError {
    /// A program is not there.
    #[error("`{program}` is missing; install the package {package} and run again")]
    Missing {
        /// The program.
        program: &'static str,
        /// What has it, on Debian and others.
        package: &'static str,
    },
    /// This process may not make namespaces, or the kernel has not what they need.
    #[error(
        "no network can be made here: {told}; it takes root (CAP_NET_ADMIN, CAP_SYS_ADMIN) and a kernel with bridges and nftables"
    )]
    Refused {
        /// What the program said.
        told: String,
    },
    /// A command failed that worked before.
    #[error("`{command}` failed: {told}")]
    Command {
        /// The command.
        command: String,
        /// What it said.
        told: String,
    },
    /// A program could not be started.
    #[error("`{program}` cannot be started: {source}")]
    Start {
        /// The program.
        program: String,
        /// Why.
        source: std::io::Error,
    },
}

/// Where a process lives.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Place {
    /// A host, by number.
    Host(usize),
    /// A broker, by number.
    Broker(usize),
}

impl Place {
    /// Its address.
    #[must_use]
    pub fn address(self) -> String {
        match self {
            Self::Host(number) => format!("10.77.0.{}", 1 + number),
            Self::Broker(number) => format!("10.77.0.{}", 101 + number),
        }
    }

    /// Its port on the bridge.
    pub(super) fn port(self) -> String {
        match self {
            Self::Host(number) => format!("h{number}"),
            Self::Broker(number) => format!("b{number}"),
        }
    }
}

/// Namespaces on a bridge.
#[derive(Debug)]
pub struct Lab {
    prefix: String,
    places: Vec<Place>,
}

/// Before the id of the process that made it.
const PREFIX: &str = "guira-net-";

impl Lab {
    /// Whether there can be one here.
    ///
    /// # Errors
    /// What is missing, or what the system said.
    pub fn probe() -> Result<(), LabError> {
        for (program, package, argument) in [
            ("ip", "iproute2", "-V"),
            ("ss", "iproute2", "-V"),
            ("nft", "nftables", "-v"),
        ] {
            let mut command = Command::new(program);
            command.arg(argument).stdout(Stdio::null()).stderr(Stdio::null());
            command
                .status()
                .map_err(|_| LabError::Missing { program, package })?;
        }
        Self::build(1, 0).map(drop).map_err(|error| match error {
            LabError::Command { told, .. } => LabError::Refused { told },
            other => other,
        })
    }

    /// Makes one.
    ///
    /// # Errors
    /// What the system said.
    pub fn build(hosts: usize, brokers: usize) -> Result<Self, LabError> {
        remove_left_over();
        let prefix = format!("{PREFIX}{}-", std::process::id());
        let theirs = prefix.clone();
        at_interrupt(move || remove(&theirs));
        let places = (0..hosts)
            .map(Place::Host)
            .chain((0..brokers).map(Place::Broker))
            .collect();
        let lab = Self { prefix, places };
        let hub = lab.hub();
        ip(&["netns", "add", &hub])?;
        ip(&["-n", &hub, "link", "add", "bridge", "type", "bridge"])?;
        ip(&["-n", &hub, "link", "set", "bridge", "up"])?;
        for &place in &lab.places {
            let (namespace, port) = (lab.namespace(place), place.port());
            ip(&["netns", "add", &namespace])?;
            ip(&[
                "-n", &hub, "link", "add", &port, "type", "veth", "peer", "name", "eth0", "netns", &namespace,
            ])?;
            ip(&["-n", &hub, "link", "set", &port, "master", "bridge", "up"])?;
            ip(&[
                "-n",
                &namespace,
                "addr",
                "add",
                &format!("{}/24", place.address()),
                "dev",
                "eth0",
            ])?;
            ip(&["-n", &namespace, "link", "set", "eth0", "up"])?;
            ip(&["-n", &namespace, "link", "set", "lo", "up"])?;
        }
        lab.nft("table bridge guira {\n chain forward {\n  type filter hook forward priority 0; policy accept;\n }\n}\n")?;
        lab.set(&Weather::default())?;
        Ok(lab)
    }

    fn hub(&self) -> String {
        format!("{}hub", self.prefix)
    }

    fn namespace(&self, place: Place) -> String {
        format!("{}{}", self.prefix, place.port())
    }

    /// `program`, to be run at `place`.
    #[must_use]
    pub fn command(&self, place: Place, program: &Path) -> Command {
        let mut command = Command::new("ip");
        command
            .args(["netns", "exec", &self.namespace(place)])
            .arg(program);
        command
    }

    /// From now on the bridge does so.
    ///
    /// # Errors
    /// What `nft` said.
    pub fn set(&self, weather: &Weather) -> Result<(), LabError> {
        let mut rules = "flush chain bridge guira forward\n".to_owned();
        for rule in weather.rules(&self.places) {
            let _ = writeln!(rules, "add rule bridge guira forward {rule} drop");
        }
        self.nft(&rules)
    }

    /// Breaks every connection that `place` has; who talked to it is told.
    ///
    /// # Errors
    /// What `ss` said.
    pub fn reset(&self, place: Place) -> Result<(), LabError> {
        let mut command = self.command(place, Path::new("ss"));
        command.args(["-K", "-H", "-t", "state", "established"]);
        finished(command).map(drop)
    }

    fn nft(&self, rules: &str) -> Result<(), LabError> {
        let mut command = Command::new("ip");
        command
            .args(["netns", "exec", &self.hub(), "nft", "-f", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let start_error = |source| LabError::Start {
            program: "ip".to_owned(),
            source,
        };
        let mut child = command.spawn().map_err(start_error)?;
        if let Some(mut stdin) = child.stdin.take() {
            stdin.write_all(rules.as_bytes()).map_err(start_error)?;
        }
        judged(&command, &child.wait_with_output().map_err(start_error)?)
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        remove(&self.prefix);
    }
}

fn ip(arguments: &[&str]) -> Result<(), LabError> {
    let mut command = Command::new("ip");
    command.args(arguments);
    finished(command)
}

fn finished(mut command: Command) -> Result<(), LabError> {
    let output = command.output().map_err(|source| LabError::Start {
        program: command.get_program().to_string_lossy().into_owned(),
        source,
    })?;
    judged(&command, &output)
}

fn judged(command: &Command, output: &Output) -> Result<(), LabError> {
    if output.status.success() {
        return Ok(());
    }
    Err(LabError::Command {
        command: format!("{command:?}").replace('"', ""),
        told: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    })
}

/// Names of all namespaces of this machine.
fn namespaces() -> Vec<String> {
    let folder = std::fs::read_dir("/run/netns").or_else(|_| std::fs::read_dir("/var/run/netns"));
    folder
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .collect()
}

fn remove(prefix: &str) {
    for name in namespaces().iter().filter(|name| name.starts_with(prefix)) {
        // Gone already is as good.
        let _ = ip(&["netns", "del", name]);
    }
}

/// What is left of processes that were killed before they could remove it.
fn remove_left_over() {
    for name in namespaces() {
        let pid = name.strip_prefix(PREFIX).and_then(|rest| rest.split('-').next());
        if pid.is_some_and(|pid| !Path::new("/proc").join(pid).exists()) {
            let _ = ip(&["netns", "del", &name]);
        }
    }
}
