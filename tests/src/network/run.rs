//! One laboratory: made, worked in, broken and mended again and again, judged.

use std::path::Path;
use std::time::{Duration, Instant};

use guira::coherence::CoherenceStatus;
use guira_bus::transport::keys::{KeyPair, PUBLIC_FILE};
use guira_segment::Segment;
use guira_shm::sync::Ordering;
use nix::sys::signal::Signal;

use super::crew::{Crew, Member};
use super::fault::{Fault, Faults, Kind};
use super::healing::{Healing, Hosts};
use super::lab::{Lab, Place};
use super::report::{LegReport, Standing};
use super::truth::{self, Truth};
use super::weather::Weather;
use super::worker::THREADS;
use super::{BrokerAt, CLUSTER, Mistake, NetworkError, NetworkPlan, allowed_file};
use crate::board::Board;
use crate::random::Random;
use crate::scratch::directory_in;

/// The port of all brokers.
const PORT: u16 = 7227;
const SEGMENT_BYTES: u64 = 16 << 20;
/// Between looks at the hosts while something goes wrong.
const LOOK_PERIOD: Duration = Duration::from_millis(5);
/// How long the first start may take.
const START_SECONDS: u64 = 15;
/// How long all processes may take to end.
const FAREWELL: Duration = Duration::from_secs(15);

/// Which brokers there are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Form {
    /// How many.
    pub brokers: usize,
    /// Whether all connections are encrypted.
    pub has_keys: bool,
}

/// What is asked for, whatever the form.
#[derive(Clone, Debug)]
pub struct Wish {
    /// Hosts.
    pub hosts: usize,
    /// Workers of each.
    pub workers: usize,
    /// How old a trusted hit may be, ms.
    pub bound_ms: u64,
    /// Losses to choose from, of a hundred packets.
    pub loss_percent: Vec<u64>,
    /// The longest fault, ms; none at all for 0.
    pub longest_ms: u64,
    /// Faults to choose from.
    pub kinds: Vec<Kind>,
    /// How long, s.
    pub seconds: f64,
    /// Of every random choice.
    pub seed: u64,
    /// What is broken on purpose.
    pub mistake: Option<Mistake>,
}

/// Works in a laboratory of this form. Workers are `program worker ..`, brokers `program broker -- ..`.
///
/// # Errors
/// The experiment could not be made; what it found is in the report.
pub fn run(program: &Path, form: Form, wish: &Wish) -> Result<LegReport, NetworkError> {
    let lab = Lab::build(wish.hosts, form.brokers)?;
    let directory = directory_in(Path::new("/dev/shm"))?;
    let mut plan = wish.plan(directory.path(), form);
    if form.has_keys {
        make_keys(&mut plan)?;
    }
    let rows = plan.hosts * plan.workers * THREADS;
    let board = Board::create(&plan.board_path(), rows, 0, truth::words(plan.hosts))?;
    let segments: Result<Vec<Segment>, _> = (0..plan.hosts)
        .map(|host| {
            let builder = Segment::builder().size(SEGMENT_BYTES).cluster(CLUSTER);
            builder.create(plan.segment_path(host))
        })
        .collect();
    let hosts = Hosts::of(&plan, &segments?)?;
    let mut crew = Crew::new(&lab, &plan, program)?;
    for member in crew.members() {
        crew.start(member)?;
    }
    let mut leg = Leg {
        lab: &lab,
        plan: &plan,
        board: &board,
        hosts,
        crew,
        random: Random::new(plan.seed, 1 << 51),
        began: Instant::now(),
        standings: Vec::new(),
    };
    let started = leg.until_trusted()?;
    leg.began = Instant::now();
    let mut faults = Faults::of(plan.seed);
    let mut healings = Vec::new();
    while leg.began.elapsed().as_secs_f64() < plan.seconds {
        if plan.longest_ms == 0 || plan.kinds.is_empty() {
            leg.watch(Duration::from_millis(200), 0)?;
            continue;
        }
        healings.push(leg.go_through(&faults.next(&plan))?);
    }
    leg.end()?;
    let counts = leg
        .hosts
        .segments()
        .iter()
        .filter_map(CoherenceStatus::of_segment);
    let counts = counts.map(|status| status.counts).collect::<Vec<_>>();
    Ok(LegReport::new(
        &plan,
        &board,
        leg.began.elapsed(),
        started,
        healings,
        leg.standings,
        std::mem::take(&mut leg.crew.crashes),
        &counts,
    ))
}

struct Leg<'l> {
    lab: &'l Lab,
    plan: &'l NetworkPlan,
    board: &'l Board,
    hosts: Hosts,
    crew: Crew<'l>,
    random: Random,
    began: Instant,
    standings: Vec<Standing>,
}

impl Leg<'_> {
    fn until_trusted(&mut self) -> Result<Duration, NetworkError> {
        let began = Instant::now();
        while self.hosts.trusted() < self.plan.hosts {
            self.crew.look()?;
            if began.elapsed() > Duration::from_secs(START_SECONDS) || !self.crew.crashes.is_empty() {
                let mut told = self.crew.crashes.clone();
                told.push(self.hosts.missing(&self.hosts.tails()));
                return Err(NetworkError::NotActive {
                    seconds: START_SECONDS,
                    told: told.join("; "),
                });
            }
            std::thread::park_timeout(LOOK_PERIOD);
        }
        Ok(began.elapsed())
    }

    /// Looks on for so long, and notes how many hosts are trusted.
    fn watch(&mut self, length: Duration, loss_percent: u64) -> Result<(), NetworkError> {
        let began = Instant::now();
        while began.elapsed() < length {
            self.crew.look()?;
            let trusted = self.hosts.trusted() as u64;
            let place = self
                .standings
                .iter_mut()
                .find(|standing| standing.loss_percent == loss_percent);
            match place {
                Some(standing) => standing.add(self.plan.hosts as u64, trusted),
                None => {
                    let mut standing = Standing::of(loss_percent);
                    standing.add(self.plan.hosts as u64, trusted);
                    self.standings.push(standing);
                }
            }
            std::thread::park_timeout(LOOK_PERIOD);
        }
        Ok(())
    }

    /// A fault from its beginning until all is well again.
    fn go_through(&mut self, fault: &Fault) -> Result<Healing, NetworkError> {
        self.lab.set(&Weather::of_loss(fault.loss_percent))?;
        let before = Duration::from_millis(300 + self.random.below(700));
        self.watch(before, fault.loss_percent)?;
        let began = Instant::now();
        let hit = self.strike(fault)?;
        // While it lasts nothing is said about trust: it may be lost.
        while began.elapsed() < fault.length {
            self.crew.look()?;
            std::thread::park_timeout(LOOK_PERIOD);
        }
        self.mend(fault, &hit)?;
        self.lab.set(&Weather::default())?;
        let fault_ms = began.elapsed().as_millis() as u64;
        let (trusted, healed, missing) = self.hosts.heal(&self.hosts.tails());
        let in_ms = |duration: Option<Duration>| duration.map(|duration| duration.as_millis() as u64);
        Ok(Healing {
            kind: fault.kind,
            loss_percent: fault.loss_percent,
            fault_ms,
            healed_ms: in_ms(healed),
            trusted_ms: in_ms(trusted),
            missing,
        })
    }

    /// Who is killed or stopped by it.
    fn hit_by(&self, fault: &Fault) -> Vec<Member> {
        let of_host = self.crew.of_host(fault.host);
        match fault.kind {
            Kind::BrokerKilled | Kind::BrokerStopped => vec![Member::Broker(fault.broker)],
            Kind::AgentKilled | Kind::AgentStopped => {
                self.crew.agent_of(self.board, fault.host).into_iter().collect()
            }
            Kind::WorkerKilled | Kind::WorkerStopped => {
                of_host.get(fault.worker).copied().into_iter().collect()
            }
            Kind::HostKilled | Kind::Flood => of_host,
            Kind::Loss | Kind::HostCut | Kind::BrokerCut | Kind::OneWayCut | Kind::Reset => Vec::new(),
        }
    }

    fn strike(&mut self, fault: &Fault) -> Result<Vec<Member>, NetworkError> {
        if let Some(cut) = fault.cut() {
            self.lab.set(&Weather {
                loss_percent: fault.loss_percent,
                cuts: vec![cut],
            })?;
        }
        if fault.kind == Kind::Reset {
            self.lab.reset(Place::Host(fault.host))?;
        }
        let hit = self.hit_by(fault);
        for &member in &hit {
            if fault.kind.is_stop() {
                self.crew.signal(member, Signal::SIGSTOP)?;
            } else {
                self.crew.kill(member)?;
            }
        }
        if fault.kind == Kind::Flood {
            Truth::on(self.board).flood().store(1, Ordering::Relaxed);
        }
        Ok(hit)
    }

    fn mend(&mut self, fault: &Fault, hit: &[Member]) -> Result<(), NetworkError> {
        Truth::on(self.board).flood().store(0, Ordering::Relaxed);
        for &member in hit {
            if fault.kind.is_stop() {
                self.crew.signal(member, Signal::SIGCONT)?;
            } else {
                self.crew.start(member)?;
            }
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), NetworkError> {
        self.board.end();
        let began = Instant::now();
        self.crew.finish(|| began.elapsed() > FAREWELL)
    }
}

impl Wish {
    fn plan(&self, directory: &Path, form: Form) -> NetworkPlan {
        let brokers = (0..form.brokers).map(|broker| BrokerAt {
            address: format!("tcp://{}:{PORT}", Place::Broker(broker).address()),
            key: None,
        });
        NetworkPlan {
            directory: directory.to_owned(),
            hosts: self.hosts,
            workers: self.workers,
            brokers: brokers.collect(),
            has_keys: form.has_keys,
            bound_ms: self.bound_ms,
            loss_percent: self.loss_percent.clone(),
            longest_ms: self.longest_ms,
            kinds: self.kinds.clone(),
            seconds: self.seconds,
            seed: self.seed,
            mistake: self.mistake,
        }
    }
}

/// Everybody gets keys, and brokers let the hosts in.
fn make_keys(plan: &mut NetworkPlan) -> Result<(), NetworkError> {
    for host in 0..plan.hosts {
        KeyPair::generate()?.save(&plan.host_keys(host))?;
    }
    for number in 0..plan.brokers.len() {
        let pair = KeyPair::generate()?;
        let folder = plan.broker_keys(number);
        pair.save(&folder)?;
        for host in 0..plan.hosts {
            std::fs::copy(
                plan.host_keys(host).join(PUBLIC_FILE),
                allowed_file(&folder, host),
            )?;
        }
        if let Some(broker) = plan.brokers.get_mut(number) {
            broker.key = Some(pair.public().to_string());
        }
    }
    Ok(())
}
