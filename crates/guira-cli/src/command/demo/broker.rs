//! The broker between the hosts: a process of its own, killed and started again on the way.

use std::io::{self, BufRead, Write};
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

use guira_bus::runtime::{Broker, BrokerConfig};
use guira_bus::transport::Endpoint;

use super::message::BrokerTask;
use crate::error::CliError;
use crate::exit::Exit;
use crate::worker_process::{self, Pipes, receive, send};

/// Any free port of this machine. No connection comes from this address: none is given the ports of a broker that was
/// killed and comes back.
const ANYWHERE: &str = "tcp://127.7.2.27:0";
/// How long an address may stay taken by who was killed there.
const PATIENCE: Duration = Duration::from_secs(5);
const RETRY: Duration = Duration::from_millis(5);

/// The process, as the demo holds it; it ends when this is dropped.
#[derive(Debug)]
pub(crate) struct BrokerProcess {
    child: Child,
    /// The process ends with its input, so also when the demo is killed.
    _pipes: Pipes,
    task: BrokerTask,
}

impl BrokerProcess {
    /// Starts a broker of `cluster` at a free port.
    pub(crate) fn start(cluster: &str) -> Result<Self, CliError> {
        Self::start_at(BrokerTask {
            endpoint: ANYWHERE.to_owned(),
            cluster: cluster.to_owned(),
        })
    }

    fn start_at(task: BrokerTask) -> Result<Self, CliError> {
        let (child, mut pipes) = worker_process::start("demo-broker", &task)?;
        // Nothing comes if it failed: it has said why itself.
        let endpoint = pipes.receive().ok().flatten();
        let mut broker = Self {
            child,
            _pipes: pipes,
            task,
        };
        let Some(endpoint) = endpoint else {
            let status = broker.child.wait().map_err(|error| unwaitable(&error))?;
            return Err(broker_ended(status));
        };
        broker.task.endpoint = endpoint;
        Ok(broker)
    }

    pub(crate) fn endpoint(&self) -> &str {
        &self.task.endpoint
    }

    /// SIGKILLs it and starts another, empty one at the same address.
    pub(crate) fn kill_and_restart(&mut self) -> Result<(), CliError> {
        // An error means that it ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        *self = Self::start_at(self.task.clone())?;
        Ok(())
    }

    /// An error if it ended by itself.
    pub(crate) fn check(&mut self) -> Result<(), CliError> {
        match self.child.try_wait().map_err(|error| unwaitable(&error))? {
            Some(status) => Err(broker_ended(status)),
            None => Ok(()),
        }
    }
}

fn unwaitable(error: &io::Error) -> CliError {
    CliError::Failed(format!("cannot wait for the broker: {error}; run the demo again"))
}

/// By itself, or interrupted together with the demo.
fn broker_ended(status: ExitStatus) -> CliError {
    if super::crew::was_interrupted(status) {
        return super::interrupted();
    }
    CliError::Failed(format!(
        "the broker ended by itself ({status}); see what it said before"
    ))
}

impl Drop for BrokerProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The process itself: serves until its input ends.
pub(crate) fn run(task: &BrokerTask, input: &mut dyn BufRead, out: &mut dyn Write) -> Result<Exit, CliError> {
    let endpoint: Endpoint = task
        .endpoint
        .parse()
        .map_err(|error| CliError::Usage(format!("{}: {error}; run `guira demo`", task.endpoint)))?;
    let began = Instant::now();
    let broker = loop {
        match Broker::bind(BrokerConfig::new(endpoint.clone(), &task.cluster)) {
            Ok(broker) => break broker,
            Err(error) if began.elapsed() > PATIENCE => return Err(error.into()),
            Err(_) => std::thread::park_timeout(RETRY),
        }
    };
    let broker = broker.spawn()?;
    send(out, &broker.endpoint().to_string()).map_err(CliError::Output)?;
    while receive::<String>(input).map_err(CliError::Output)?.is_some() {}
    broker.stop()?;
    Ok(Exit::Done)
}
