//! Rounds in which Guira, bare calls, chorde's files client and diskcache do the same on the same file system, one after
//! the other.
//!
//! Each has a directory that is made for the round and removed before the next one's turn. Who begins changes from
//! round to round. Ratios are those of one round. Times are those of the calling thread on a processor, so that other
//! programs cost nothing; waits for the disk are in those of the wall clock only.

use std::fs::File;
use std::io::Write;

use crate::figures::{Figures, verdict};
use crate::peer::Part;
use crate::request::Request;
use crate::stopwatch::Took;
use crate::{Outcome, bare, ours, peer};

const GUIRA: &str = "guira";
const CHORDE: &str = "chorde";
const BARE: &str = "bare";
const PLAYERS: [&str; 4] = [GUIRA, BARE, CHORDE, "diskcache"];

/// Values of one size.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) value_bytes: usize,
    pub(crate) entries: usize,
    /// How often everything is read again.
    pub(crate) passes: usize,
}

const LOADS: [Load; 2] = [
    Load {
        value_bytes: 100,
        entries: 3_000,
        passes: 5,
    },
    Load {
        value_bytes: 100_000,
        entries: 1_000,
        passes: 5,
    },
];

/// One thing that is done with every key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Step {
    PutNew,
    PutOver,
    /// Guira only: the first read of each file since it was written, which verifies it.
    MapUnread,
    /// By a handle that has just been opened.
    MapOpened,
    MapAgain,
    CopyOpened,
    CopyAgain,
}

impl Step {
    const ALL: [(Self, &str, &str); 7] = [
        (Self::PutNew, "put-new", "put, new"),
        (Self::PutOver, "put-over", "put, in place of another"),
        (Self::MapUnread, "map-unread", "get as map, verified by it"),
        (Self::MapOpened, "map-opened", "get as map, first of the process"),
        (Self::MapAgain, "map-again", "get as map, again"),
        (
            Self::CopyOpened,
            "copy-opened",
            "get and copy, first of the process",
        ),
        (Self::CopyAgain, "copy-again", "get and copy, again"),
    ];

    pub(crate) fn named(name: &str) -> Option<Self> {
        let found = Self::ALL.iter().find(|(_, own, _)| *own == name);
        found.map(|(step, ..)| *step)
    }

    fn name(self) -> &'static str {
        let found = Self::ALL.iter().find(|(step, ..)| *step == self);
        found.map_or("", |(_, name, _)| name)
    }

    /// What the others do at this step: they verify nothing.
    fn of_peers(self) -> Self {
        match self {
            Self::MapUnread => Self::MapOpened,
            other => other,
        }
    }

    /// How many times chorde's speed is wanted.
    const fn goal(self, load: &Load) -> f64 {
        match self {
            _ if load.value_bytes < 4096 => 10.0,
            Self::MapUnread | Self::MapOpened | Self::MapAgain => 10.0,
            _ => 5.0,
        }
    }
}

/// Which clock the figures are by.
#[derive(Clone, Copy, Debug)]
enum Clock {
    Thread,
    Wall,
}

impl Clock {
    fn read(request: &Request) -> Outcome<Self> {
        match request.text("--clock") {
            None | Some("thread") => Ok(Self::Thread),
            Some("wall") => Ok(Self::Wall),
            Some(other) => Err(format!("--clock {other}: give thread or wall").into()),
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Thread => "the thread on a processor",
            Self::Wall => "the wall clock",
        }
    }
}

/// How fast a step went.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lap {
    step: Step,
    thread_speed: f64,
    wall_speed: f64,
}

impl Lap {
    /// Speeds are in calls a second.
    pub(crate) fn of(step: Step, calls: usize, took: &Took) -> Self {
        Self {
            step,
            thread_speed: calls as f64 / took.thread.as_secs_f64(),
            wall_speed: calls as f64 / took.wall.as_secs_f64(),
        }
    }

    const fn speed(&self, clock: Clock) -> f64 {
        match clock {
            Clock::Thread => self.thread_speed,
            Clock::Wall => self.wall_speed,
        }
    }
}

/// Everybody's laps of one round; none of a player who is left out.
type Round = Vec<(&'static str, Vec<Lap>)>;

pub(crate) fn run(request: &Request) -> Outcome<()> {
    let rounds: usize = request.number("--rounds", 7)?;
    let clock = Clock::read(request)?;
    let mut csv = request.text("--csv").map(File::create).transpose()?;
    if let Some(csv) = &mut csv {
        writeln!(
            csv,
            "round,value_bytes,player,step,calls_per_thread_second,calls_per_second"
        )?;
    }
    for load in LOADS {
        let mut played: Vec<Round> = Vec::new();
        for turn in 0..rounds {
            let round = round(request, &load, turn)?;
            for (player, laps) in &round {
                for lap in laps {
                    if let Some(csv) = &mut csv {
                        write!(csv, "{turn},{},{player},{},", load.value_bytes, lap.step.name())?;
                        writeln!(csv, "{:.1},{:.1}", lap.thread_speed, lap.wall_speed)?;
                    }
                }
            }
            played.push(round);
        }
        print(&load, &played, clock);
    }
    Ok(())
}

fn round(request: &Request, load: &Load, turn: usize) -> Outcome<Round> {
    let python = request.text("--python").unwrap_or("python3");
    let mut round = Vec::new();
    for player in (0..PLAYERS.len()).filter_map(|n| PLAYERS.get((n + turn) % PLAYERS.len())) {
        let place = request.new_place()?;
        let part = match *player {
            GUIRA => Part::Played(ours::laps(&place.path().join("cache"), load)?),
            BARE => Part::Played(bare::laps(place.path(), load)?),
            _ => peer::laps(python, player, place.path(), load)?,
        };
        match part {
            Part::Played(laps) => round.push((*player, laps)),
            Part::LeftOut(why) if turn == 0 => println!("{player} is left out: {why}"),
            Part::LeftOut(_) => {}
        }
    }
    Ok(round)
}

fn speed(round: &Round, player: &str, step: Step, clock: Clock) -> Option<f64> {
    let (_, laps) = round.iter().find(|(name, _)| *name == player)?;
    let lap = laps.iter().find(|lap| lap.step == step)?;
    Some(lap.speed(clock))
}

fn print(load: &Load, rounds: &[Round], clock: Clock) {
    println!(
        "\n{} values of {} bytes, {} rounds: calls a second of {}; how many times a peer's",
        load.entries,
        load.value_bytes,
        rounds.len(),
        clock.name()
    );
    for (step, _, title) in Step::ALL {
        let ours = Figures::of(rounds.iter().filter_map(|round| speed(round, GUIRA, step, clock)));
        println!("{title:34} {GUIRA:9} {ours}");
        for player in PLAYERS.into_iter().filter(|player| *player != GUIRA) {
            let theirs = |round| speed(round, player, step.of_peers(), clock);
            let figures = Figures::of(rounds.iter().filter_map(theirs));
            if figures.is_empty() {
                continue;
            }
            let ratio = |round| Some(speed(round, GUIRA, step, clock)? / theirs(round)?);
            let ratios = Figures::of(rounds.iter().filter_map(ratio));
            let goal = step.goal(load);
            let goal = if player == CHORDE {
                format!(", goal {goal}: {}", verdict(ratios.median() >= goal))
            } else {
                String::new()
            };
            println!("{:34} {player:9} {figures:36} x {ratios}{goal}", "");
        }
    }
}
