//! The processes of a laboratory: brokers and workers. They are killed, stopped, continued and started anew; none
//! outlives the crew.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use guira_shm::sync::Ordering;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::lab::{Lab, Place};
use super::worker::{IS_AGENT, THREADS};
use super::{CLUSTER, NetworkError, NetworkPlan};
use crate::board::Board;

/// Who is meant.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Member {
    /// A broker, by number.
    Broker(usize),
    /// A worker, by number among those of all hosts.
    Worker(usize),
}

/// See the module.
pub(super) struct Crew<'l> {
    lab: &'l Lab,
    plan: &'l NetworkPlan,
    program: &'l Path,
    told: String,
    brokers: Vec<Option<Child>>,
    workers: Vec<Option<Child>>,
    incarnations: u64,
    /// Processes that ended by themselves.
    pub(super) crashes: Vec<String>,
}

impl<'l> Crew<'l> {
    pub(super) fn new(lab: &'l Lab, plan: &'l NetworkPlan, program: &'l Path) -> Result<Self, NetworkError> {
        Ok(Self {
            lab,
            plan,
            program,
            told: serde_json::to_string(plan)?,
            brokers: plan.brokers.iter().map(|_| None).collect(),
            workers: (0..plan.hosts * plan.workers).map(|_| None).collect(),
            incarnations: 0,
            crashes: Vec::new(),
        })
    }

    /// All members.
    pub(super) fn members(&self) -> Vec<Member> {
        let brokers = (0..self.brokers.len()).map(Member::Broker);
        brokers
            .chain((0..self.workers.len()).map(Member::Worker))
            .collect()
    }

    /// The workers of a host.
    pub(super) fn of_host(&self, host: usize) -> Vec<Member> {
        let first = host * self.plan.workers;
        (first..first + self.plan.workers).map(Member::Worker).collect()
    }

    /// The worker that is its host's agent, as far as anybody says so.
    pub(super) fn agent_of(&self, board: &Board, host: usize) -> Option<Member> {
        let first = host * self.plan.workers;
        (first..first + self.plan.workers)
            .find(|worker| board.row_word(worker * THREADS, IS_AGENT).load(Ordering::Relaxed) == 1)
            .map(Member::Worker)
    }

    fn place(&mut self, member: Member) -> Option<&mut Option<Child>> {
        match member {
            Member::Broker(broker) => self.brokers.get_mut(broker),
            Member::Worker(worker) => self.workers.get_mut(worker),
        }
    }

    /// Where what it says is kept.
    fn log_path(&self, member: Member) -> PathBuf {
        let name = match member {
            Member::Broker(broker) => format!("broker {broker}.log"),
            Member::Worker(worker) => format!("worker {worker}.log"),
        };
        self.plan.directory.join(name)
    }

    pub(super) fn start(&mut self, member: Member) -> Result<(), NetworkError> {
        let mut command = match member {
            Member::Broker(broker) => self.broker_command(broker),
            Member::Worker(worker) => {
                let place = Place::Host(worker / self.plan.workers);
                let mut command = self.lab.command(place, self.program);
                command.args(["worker", "--plan", &self.told]);
                command.args(["--worker", &worker.to_string()]);
                command.args(["--incarnation", &self.incarnations.to_string()]);
                command
            }
        };
        self.incarnations += 1;
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.log_path(member))?;
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let child = command.spawn()?;
        if let Some(place) = self.place(member) {
            *place = Some(child);
        }
        Ok(())
    }

    fn broker_command(&self, number: usize) -> Command {
        let mut command = self.lab.command(Place::Broker(number), self.program);
        command.args(["broker", "--", "--cluster", CLUSTER]);
        for (other, broker) in self.plan.brokers.iter().enumerate() {
            let option = if other == number { "--bind" } else { "--peer" };
            command.args([option, &broker.address]);
        }
        if self.plan.has_keys {
            command.arg("--curve").arg(self.plan.broker_keys(number));
        } else {
            command.arg("--insecure");
        }
        command
    }

    pub(super) fn signal(&mut self, member: Member, signal: Signal) -> Result<(), NetworkError> {
        if let Some(Some(child)) = self.place(member) {
            kill(pid_of(child), signal).map_err(std::io::Error::from)?;
        }
        Ok(())
    }

    /// Kills it, and waits until it is gone.
    pub(super) fn kill(&mut self, member: Member) -> Result<(), NetworkError> {
        if let Some(place) = self.place(member)
            && let Some(mut child) = place.take()
        {
            child.kill()?;
            child.wait()?;
        }
        Ok(())
    }

    /// Notes who ended by itself, and starts it anew.
    pub(super) fn look(&mut self) -> Result<(), NetworkError> {
        for member in self.members() {
            let Some(Some(child)) = self.place(member) else {
                continue;
            };
            let Some(status) = child.try_wait()? else {
                continue;
            };
            let said = std::fs::read_to_string(self.log_path(member)).unwrap_or_default();
            let last: Vec<&str> = said.lines().rev().take(3).collect();
            self.crashes.push(format!(
                "{member:?} ended by itself, {status}: {}",
                last.join(" | ")
            ));
            self.start(member)?;
        }
        Ok(())
    }

    /// The workers end by themselves, the brokers by a signal; who does not in time is killed and said.
    pub(super) fn finish(&mut self, is_late: impl Fn() -> bool) -> Result<(), NetworkError> {
        for broker in 0..self.brokers.len() {
            self.signal(Member::Broker(broker), Signal::SIGTERM)?;
        }
        for member in self.members() {
            let Some(place) = self.place(member) else {
                continue;
            };
            let Some(mut child) = place.take() else {
                continue;
            };
            let status = loop {
                match child.try_wait()? {
                    Some(status) => break Some(status),
                    None if is_late() => break None,
                    None => std::thread::park_timeout(std::time::Duration::from_millis(5)),
                }
            };
            if status.is_none() {
                child.kill()?;
                child.wait()?;
            }
            if status.is_none_or(|status| !status.success()) {
                self.crashes.push(match status {
                    Some(status) => format!("{member:?} ended with {status}"),
                    None => format!("{member:?} did not end when it was told to"),
                });
            }
        }
        Ok(())
    }
}

impl Drop for Crew<'_> {
    fn drop(&mut self) {
        for child in self.brokers.iter_mut().chain(&mut self.workers).flatten() {
            // Gone already is as good.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn pid_of(child: &Child) -> Pid {
    Pid::from_raw(i32::try_from(child.id()).expect("a pid is below 2^22"))
}
