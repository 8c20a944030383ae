//! Threads that take turns as a test says, so that every order of their steps can be tried.

use std::cell::RefCell;
use std::sync::{Arc, Condvar, Mutex};

use guira::Error;
use guira::store::{Around, Operation, Outcome};

/// What one actor does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Standing {
    Running,
    Waiting,
    Done,
}

#[derive(Debug)]
struct Turns {
    standings: Vec<Standing>,
    /// Who goes on.
    turn: Option<usize>,
}

#[derive(Debug)]
struct Stage {
    turns: Mutex<Turns>,
    changed: Condvar,
}

thread_local! {
    static ACTOR: RefCell<Option<(Arc<Stage>, usize)>> = const { RefCell::new(None) };
}

/// A step of this actor: others may go on before it does.
pub(super) fn step() {
    let Some((stage, me)) = ACTOR.with_borrow(Clone::clone) else {
        return;
    };
    let mut turns = stage.turns.lock().expect("no actor panics with it");
    turns.standings[me] = Standing::Waiting;
    stage.changed.notify_all();
    while turns.turn != Some(me) {
        turns = stage.changed.wait(turns).expect("no actor panics with it");
    }
    turns.turn = None;
    turns.standings[me] = Standing::Running;
}

/// An actor is done, however it ended.
struct Leaving(Arc<Stage>, usize);

impl Drop for Leaving {
    fn drop(&mut self) {
        let Self(stage, me) = self;
        stage.turns.lock().expect("no actor panics with it").standings[*me] = Standing::Done;
        stage.changed.notify_all();
    }
}

/// A layer whose calls are steps: one before, one after.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stepping;

impl Around for Stepping {
    fn around<T: Outcome>(
        &self,
        _operation: Operation,
        call: impl FnOnce() -> Result<T, Error>,
    ) -> Result<T, Error> {
        step();
        let done = call();
        step();
        done
    }
}

/// Which of those who wait goes on, at each step of one run.
#[derive(Debug)]
pub(super) enum Choices {
    /// Every order in which an actor that could go on is kept waiting so often at most, one after the other: what was
    /// chosen of how many.
    Every {
        most_switches: usize,
        switches: usize,
        path: Vec<(usize, usize)>,
        at: usize,
    },
    /// By chance.
    Random { state: u64 },
}

impl Choices {
    pub(super) const fn every(most_switches: usize) -> Self {
        Self::Every {
            most_switches,
            switches: 0,
            path: Vec::new(),
            at: 0,
        }
    }

    pub(super) const fn random(seed: u64) -> Self {
        Self::Random { state: seed }
    }

    /// One of `waiting`, of which `last` went last.
    fn pick(&mut self, waiting: &[usize], last: Option<usize>) -> usize {
        match self {
            Self::Every {
                most_switches,
                switches,
                path,
                at,
            } => {
                let going = last.filter(|last| waiting.contains(last));
                let others = waiting.iter().copied().filter(|actor| Some(*actor) != going);
                let mut ordered: Vec<usize> = going.into_iter().chain(others).collect();
                if going.is_some() && switches == most_switches {
                    ordered.truncate(1);
                }
                if *at == path.len() {
                    path.push((0, ordered.len()));
                }
                let (chosen, count) = path[*at];
                assert_eq!(count, ordered.len(), "the same choices lead to the same steps");
                *at += 1;
                *switches += usize::from(going.is_some() && chosen > 0);
                ordered[chosen]
            }
            Self::Random { state } => {
                *state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                waiting[(*state >> 33) as usize % waiting.len()]
            }
        }
    }

    /// The next order; false if there is none.
    fn next(&mut self) -> bool {
        let Self::Every {
            path, at, switches, ..
        } = self
        else {
            return true;
        };
        (*at, *switches) = (0, 0);
        while let Some((chosen, count)) = path.pop() {
            if chosen + 1 < count {
                path.push((chosen + 1, count));
                return true;
            }
        }
        false
    }
}

pub(super) type Actor<'s> = Box<dyn FnOnce() + Send + 's>;

/// Makes a key for each run, runs its actors in one of so many orders at most, and checks it; gives how many orders there
/// were.
pub(super) fn play<'s>(
    mut choices: Choices,
    most: usize,
    key: impl Fn(usize) -> String,
    actors: impl Fn(&str) -> Vec<Actor<'s>>,
    check: impl Fn(String),
) -> usize {
    for run in 0..most {
        let key = key(run);
        run_once(&mut choices, actors(&key));
        check(key);
        if !choices.next() {
            return run + 1;
        }
    }
    most
}

fn run_once(choices: &mut Choices, actors: Vec<Actor<'_>>) {
    let stage = Arc::new(Stage {
        turns: Mutex::new(Turns {
            standings: vec![Standing::Running; actors.len()],
            turn: None,
        }),
        changed: Condvar::new(),
    });
    std::thread::scope(|scope| {
        for (me, actor) in actors.into_iter().enumerate() {
            let stage = Arc::clone(&stage);
            scope.spawn(move || {
                let _leaving = Leaving(Arc::clone(&stage), me);
                ACTOR.set(Some((stage, me)));
                step();
                actor();
            });
        }
        let mut last = None;
        loop {
            let turns = stage.turns.lock().expect("no actor panics with it");
            let is_going =
                |turns: &mut Turns| turns.turn.is_some() || turns.standings.contains(&Standing::Running);
            let mut turns = stage
                .changed
                .wait_while(turns, is_going)
                .expect("no actor panics with it");
            let waiting: Vec<usize> = (0..turns.standings.len())
                .filter(|actor| turns.standings[*actor] == Standing::Waiting)
                .collect();
            if waiting.is_empty() {
                break;
            }
            last = Some(choices.pick(&waiting, last));
            turns.turn = last;
            stage.changed.notify_all();
        }
    });
}
