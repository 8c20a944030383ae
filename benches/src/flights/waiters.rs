//! A process of waiting threads. Commands by lines on stdin, answers by lines on stdout.
//!
//! | command | does |
//! |---|---|
//! | `ask KEY` | every thread asks for the key; then `done COMPUTED NS ..` says how many computed, and when each had its answer |
//! | `bare OLD` | every thread waits until the shared word is no longer OLD; then `done 0 NS ..` |
//! | `waits` | `waits N`: how many waits for somebody's computation were begun |
//! | `hold KEY` | computes the key and never ends: `computing` |

use std::io::{BufRead, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64 as Counter, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

use clap::Args;
use guira::{Cache, Guira};
use guira_shm::futex;
use guira_shm::sync::Ordering as Shared;

use super::{Bare, cache_of, now_ns, word_path};
use crate::error::{BenchError, while_doing};

const STACK_BYTES: usize = 256 << 10;
const LONGEST_WAIT: Duration = Duration::from_secs(60);

/// A process whose threads wait.
#[derive(Debug, Args)]
pub(crate) struct WaitersArguments {
    #[arg(long)]
    path: PathBuf,
    #[arg(long)]
    threads: usize,
    /// Reads so many values first, so that their pages are its own
    #[arg(long, default_value_t = 0)]
    read: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    None,
    Ask(u64),
    Bare(u64),
}

/// What the threads share.
struct Hall {
    cache: Cache<u64, u64>,
    bare: Bare,
    /// The number of the order, and the order.
    order: Mutex<(u64, Order)>,
    given: Condvar,
    answered_ns: Vec<Counter>,
    computed: AtomicUsize,
    left: AtomicUsize,
}

pub(crate) fn run(arguments: &WaitersArguments) -> Result<(), BenchError> {
    let guira = Guira::builder().open_existing(&arguments.path)?;
    let filling = guira.cache::<u64, Vec<u8>>("filling");
    for key in 0..arguments.read {
        filling.get(&key)?;
    }
    let threads = arguments.threads;
    let hall = Hall {
        cache: cache_of(&guira),
        bare: Bare::open(&word_path(&arguments.path))?,
        order: Mutex::new((0, Order::None)),
        given: Condvar::new(),
        answered_ns: (0..threads).map(|_| Counter::new(0)).collect(),
        computed: AtomicUsize::new(0),
        left: AtomicUsize::new(0),
    };
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let hall = &hall;
            std::thread::Builder::new()
                .stack_size(STACK_BYTES)
                .spawn_scoped(scope, move || hall.serve(thread))
                .map_err(while_doing("start a thread that waits"))?;
        }
        say("ready")?;
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            hall.obey(&line)?;
        }
        // Threads that wait for an order wait for ever: nobody gives one any more.
        std::process::exit(0);
    })
}

fn say(line: &str) -> Result<(), BenchError> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{line}")
        .and_then(|()| stdout.flush())
        .map_err(while_doing("answer"))
}

impl Hall {
    fn obey(&self, line: &str) -> Result<(), BenchError> {
        let (command, number) = line.split_once(' ').unwrap_or((line, "0"));
        let number: u64 = number.parse().map_err(|_| BenchError::Worker {
            problem: format!("was told `{line}`"),
        })?;
        match command {
            "waits" => return say(&format!("waits {}", self.cache.flight_stats().waits)),
            "hold" => {
                self.cache.get_or_compute(&number, || {
                    // Who started it reads this, and kills.
                    let _ = say("computing");
                    loop {
                        std::thread::park();
                    }
                })?;
            }
            "ask" => self.give(Order::Ask(number)),
            _ => self.give(Order::Bare(number)),
        }
        Ok(())
    }

    fn give(&self, order: Order) {
        self.computed.store(0, Ordering::Relaxed);
        self.left.store(self.answered_ns.len(), Ordering::Relaxed);
        let mut current = self.order.lock().unwrap_or_else(PoisonError::into_inner);
        *current = (current.0 + 1, order);
        drop(current);
        self.given.notify_all();
    }

    fn serve(&self, thread: usize) {
        let mut served = 0;
        loop {
            let mut current = self.order.lock().unwrap_or_else(PoisonError::into_inner);
            while current.0 == served {
                current = self.given.wait(current).unwrap_or_else(PoisonError::into_inner);
            }
            let order;
            (served, order) = *current;
            drop(current);
            match order {
                Order::None => continue,
                Order::Ask(key) => self.ask(key),
                Order::Bare(old) => self.wait_bare(old),
            }
            // A clock that cannot be read gives a time that stands out.
            self.answered_ns[thread].store(now_ns().unwrap_or(0), Ordering::Relaxed);
            if self.left.fetch_sub(1, Ordering::AcqRel) == 1 {
                self.tell();
            }
        }
    }

    fn ask(&self, key: u64) {
        let answer = self.cache.get_or_compute(&key, || {
            self.computed.fetch_add(1, Ordering::Relaxed);
            key
        });
        assert_eq!(answer.ok(), Some(key), "an answer");
    }

    fn wait_bare(&self, old: u64) {
        self.bare.waiting().fetch_add(1, Shared::Relaxed);
        while self.bare.word().load(Shared::Acquire) == old {
            futex::wait(self.bare.word(), old as u32, LONGEST_WAIT);
        }
    }

    fn tell(&self) {
        let mut line = format!("done {}", self.computed.load(Ordering::Relaxed));
        for answered in &self.answered_ns {
            line += &format!(" {}", answered.load(Ordering::Relaxed));
        }
        // Nobody listens any more: nothing is measured.
        let _ = say(&line);
    }
}
