//! Runs the crew to its end: counts, watches, probes, and kills an agent and the broker on the way.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use indicatif::ProgressBar;

use super::broker::BrokerProcess;
use super::crew::{Crew, Event};
use super::hosts::{BOUND, HOSTS, Host};
use super::probe::{self, Probes};
use super::report::Kill;
use super::tally::Tally;
use super::trust::{self, Seen};
use super::verdict::Healing;
use super::{DemoArgs, INTERRUPTED, bar, interrupted};
use crate::error::CliError;

/// How long after its time the run may go on until what was killed is healed.
const HEALS_WITHIN: Duration = Duration::from_secs(10);
/// How often the bar moves.
const TICK: Duration = Duration::from_millis(100);
/// The agent of the first host is killed after these tenths of the time, and later the broker.
const AGENT_TENTHS: u32 = 3;
const BROKER_TENTHS: u32 = 6;
const KILLS: [u32; 2] = [AGENT_TENTHS, BROKER_TENTHS];

/// What a run was like.
#[derive(Debug)]
pub(crate) struct Conducted {
    pub(crate) tally: Tally,
    pub(crate) elapsed: Duration,
    /// The most entries that were there at once, by host.
    pub(crate) entries: Vec<u64>,
    pub(crate) private_bytes: Vec<u64>,
    pub(crate) kills: Vec<Kill>,
    pub(crate) healing: Healing,
    pub(crate) probes: Probes,
}

/// Runs the crew until the time is over or the deck is empty.
pub(crate) fn conduct(
    crew: &Crew,
    hosts: &[Host],
    broker: &mut BrokerProcess,
    args: &DemoArgs,
    bar: &ProgressBar,
) -> Result<Conducted, CliError> {
    let (sender, events) = mpsc::channel();
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for worker in 0..args.workers as usize {
            let sender = sender.clone();
            scope.spawn(move || crew.serve(worker, &sender));
        }
        drop(sender);
        let watching = scope.spawn(|| trust::watch(hosts, &stop));
        let probing = scope.spawn(|| probe::run(hosts, &stop));
        let mut conductor = Conductor::new(crew, hosts, broker, args, bar);
        let result = conductor.watch(&events);
        let end = Instant::now();
        stop.store(true, Ordering::Relaxed);
        crew.stop();
        // What is still on its way is neither counted nor waited for by anybody.
        drop(events);
        let seen = watching
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        let probes = probing
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        result?;
        conductor.conducted(&seen, probes?, end)
    })
}

/// A process that was killed on purpose: what, of which host, when.
struct Killed {
    what: String,
    host: Option<usize>,
    at: Instant,
}

struct Conductor<'c> {
    crew: &'c Crew,
    hosts: &'c [Host],
    broker: &'c mut BrokerProcess,
    args: &'c DemoArgs,
    bar: &'c ProgressBar,
    /// When the first reply came.
    begin: Option<Instant>,
    tally: Tally,
    /// The worker that is each host's agent.
    agents: [Option<usize>; HOSTS],
    killed: Vec<Killed>,
    healing: Healing,
    entries: Vec<u64>,
    private_bytes: Vec<u64>,
}

impl<'c> Conductor<'c> {
    fn new(
        crew: &'c Crew,
        hosts: &'c [Host],
        broker: &'c mut BrokerProcess,
        args: &'c DemoArgs,
        bar: &'c ProgressBar,
    ) -> Self {
        Self {
            crew,
            hosts,
            broker,
            args,
            bar,
            begin: None,
            tally: Tally::default(),
            agents: [None; HOSTS],
            killed: Vec::new(),
            healing: Healing::Unseen,
            entries: vec![1; hosts.len()],
            private_bytes: Vec::new(),
        }
    }

    fn elapsed(&self) -> Duration {
        self.begin.map_or(Duration::ZERO, |begin| begin.elapsed())
    }

    /// Counts replies, kills and moves the bar until the time is over and what was killed is healed.
    fn watch(&mut self, events: &Receiver<Event>) -> Result<(), CliError> {
        let mut next_tick = TICK;
        loop {
            match events.recv_timeout(TICK) {
                Ok(Event::Answered { worker, reply }) => {
                    self.begin.get_or_insert_with(Instant::now);
                    let host = worker % HOSTS;
                    if let Some(agent) = self.agents.get_mut(host).filter(|_| reply.is_agent) {
                        *agent = Some(worker);
                    }
                    self.tally.add(*reply, host);
                }
                Ok(Event::Replaced) => self.tally.replaced += 1,
                Ok(Event::Failed(error)) => return Err(error),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            }
            if INTERRUPTED.load(Ordering::Relaxed) {
                return Err(interrupted());
            }
            self.kill_what_is_due()?;
            let elapsed = self.elapsed();
            if elapsed >= next_tick {
                next_tick = elapsed + TICK;
                self.broker.check()?;
                self.look();
                let killed = self.killed.last().map(|killed| killed.what.as_str());
                bar::show(self.bar, &self.tally, elapsed, killed);
            }
            if elapsed >= self.args.seconds {
                if self.is_healed() {
                    self.healing = Healing::Healed;
                    return Ok(());
                }
                if elapsed >= self.args.seconds + HEALS_WITHIN {
                    self.healing = Healing::Failed;
                    return Ok(());
                }
            }
        }
    }

    /// Whether all was killed that is to be, and trust is newer than that on all hosts.
    fn is_healed(&self) -> bool {
        let last = self.killed.get(KILLS.len() - 1);
        // What was trusted before would have run out since.
        last.is_some_and(|last| last.at.elapsed() > BOUND) && self.hosts.iter().all(Host::is_trusted)
    }

    fn kill_what_is_due(&mut self) -> Result<(), CliError> {
        let Some(tenths) = KILLS.get(self.killed.len()) else {
            return Ok(());
        };
        if self.elapsed() < self.args.seconds * *tenths / 10 {
            return Ok(());
        }
        let at = Instant::now();
        if *tenths == AGENT_TENTHS {
            let [Some(agent), ..] = self.agents else {
                return Ok(());
            };
            self.crew.kill(agent);
            let name = self.hosts.first().map_or("?", |host| host.name);
            self.killed.push(Killed {
                what: format!("agent of host {name}"),
                host: Some(0),
                at,
            });
        } else {
            self.broker.kill_and_restart()?;
            self.killed.push(Killed {
                what: "broker".to_owned(),
                host: None,
                at,
            });
        }
        Ok(())
    }

    fn look(&mut self) {
        for (most, host) in self.entries.iter_mut().zip(self.hosts) {
            *most = (*most).max(host.guira.stats().entries);
        }
        let private_bytes = self.crew.private_bytes();
        if private_bytes.len() == self.args.workers as usize {
            self.private_bytes = private_bytes;
        }
    }

    fn conducted(mut self, seen: &[Seen], probes: Probes, end: Instant) -> Result<Conducted, CliError> {
        self.look();
        let begin = self.begin.unwrap_or(end);
        let ends = self.killed.iter().skip(1).map(|next| next.at).chain([end]);
        let of_kill = |(killed, until): (&Killed, Instant)| {
            let without_trust = seen
                .iter()
                .map(|host| host.untrusted_between(killed.at, until))
                .max();
            let host = killed.host.and_then(|host| seen.get(host));
            Kill {
                what: killed.what.clone(),
                at: killed.at.saturating_duration_since(begin),
                without_trust: without_trust.unwrap_or_default(),
                held_up: probes.longest_between(killed.at, until),
                taken_over: host.and_then(|seen| seen.taken_over_after(killed.at, end)),
            }
        };
        let kills = self.killed.iter().zip(ends).map(of_kill).collect();
        Ok(Conducted {
            kills,
            healing: self.healing,
            elapsed: end.saturating_duration_since(begin),
            tally: self.tally,
            entries: self.entries,
            private_bytes: self.private_bytes,
            probes,
        })
    }
}
