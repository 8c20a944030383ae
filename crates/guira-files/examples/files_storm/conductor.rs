//! Who starts the others, kills and stops them, and looks at what is left.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use guira_files::{Files, FilesError, Swept};
use guira_shm::fork::fork_child;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::measure::{judge, listing, measure};
use crate::plan::{Arguments, Plan, WORKERS};
use crate::tally::{Tally, append};
use crate::value::{Random, now_ns};
use crate::worker::{SHORT_MS, Worker};

/// Time between two blows, at most.
const MOST_BETWEEN_MS: u64 = 1_200;

/// The conductor's own knowledge.
struct Conductor<'p> {
    plan: &'p Plan,
    tally: Tally,
    random: Random,
    workers: Vec<Pid>,
    lives: u64,
    end_ns: u64,
    files: Files,
}

pub(crate) fn conduct(arguments: &Arguments) -> ExitCode {
    let room = tempfile::Builder::new()
        .prefix("guira-storm-files-")
        .tempdir_in(&arguments.directory);
    let room = match room {
        Ok(room) => room,
        Err(error) => {
            eprintln!(
                "{}: {error}; name another one with --directory",
                arguments.directory.display()
            );
            return ExitCode::FAILURE;
        }
    };
    let plan = Plan::new(arguments, room.path());
    let tallies = room.path().join("tallies");
    std::fs::create_dir(&tallies).expect("the folder is ours");
    println!(
        "{WORKERS} processes, {} keys of {} MiB together, limit {} MiB, seed {}",
        plan.sizes.len(),
        plan.data_bytes() >> 20,
        plan.limit_bytes >> 20,
        plan.seed
    );
    let files = match plan.builder().open_or_create(plan.directory()) {
        Ok(files) => files,
        Err(error) => {
            eprintln!("{error}");
            return ExitCode::FAILURE;
        }
    };
    let begin_ns = now_ns();
    let mut conductor = Conductor {
        plan: &plan,
        tally: Tally::at(&tallies.join("conductor")),
        random: Random::new(plan.seed),
        workers: Vec::new(),
        lives: 0,
        end_ns: begin_ns + plan.duration.as_nanos() as u64,
        files,
    };
    conductor.storm(&tallies);
    conductor.look_at_the_end();
    conductor.tally.write();
    let stats = conductor.files.stats();
    let tally = Tally::sum(&tallies);
    let seconds = (now_ns() - begin_ns) as f64 / 1e9;
    conclude(arguments, &plan, &tally, &stats, seconds)
}

impl Conductor<'_> {
    fn start(&mut self, number: u64, tallies: &Path) -> Pid {
        self.lives += 1;
        let (plan, life, end_ns) = (self.plan, self.lives, self.end_ns);
        let path = tallies.join(format!("worker-{life}"));
        fork(|| Worker::live(plan, number, life, end_ns, Tally::at(&path)))
    }

    fn storm(&mut self, tallies: &Path) {
        for number in 0..WORKERS {
            let worker = self.start(number, tallies);
            self.workers.push(worker);
        }
        let (plan, end_ns) = (self.plan, self.end_ns);
        let path = tallies.join("measurer");
        let measurer = fork(|| measure(plan, end_ns, Tally::at(&path)));
        while now_ns() + 1_000_000_000 < self.end_ns {
            let pause_ms = 1 + self.random.below(MOST_BETWEEN_MS);
            park(Duration::from_millis(pause_ms));
            match self.random.below(10) {
                0..4 => self.kill_one(tallies),
                4..7 => self.stop_one(),
                _ => self.measure_exactly(),
            }
            self.tally.keep();
        }
        for (what, process) in std::iter::once(("the measurer", measurer))
            .chain(self.workers.drain(..).map(|it| ("a worker", it)))
        {
            let status = waitpid(process, None);
            if !matches!(status, Ok(WaitStatus::Exited(_, 0))) {
                self.tally.anomaly(&format!("{what} came to {status:?}"));
            }
        }
    }

    fn kill_one(&mut self, tallies: &Path) {
        let number = self.random.below(WORKERS);
        let worker = self.workers[number as usize];
        kill(worker, Signal::SIGKILL).expect("it is ours");
        let status = waitpid(worker, None);
        if !matches!(status, Ok(WaitStatus::Signaled(_, Signal::SIGKILL, _))) {
            self.tally.anomaly(&format!("a worker had come to {status:?}"));
        }
        self.tally.add("kills", 1);
        self.workers[number as usize] = self.start(number, tallies);
    }

    fn stop_one(&mut self) {
        let worker = self.workers[self.random.below(WORKERS) as usize];
        kill(worker, Signal::SIGSTOP).expect("it is ours");
        waitpid(worker, Some(WaitPidFlag::WUNTRACED)).expect("it is ours");
        let pause_ms = 1 + self.random.below(400);
        park(Duration::from_millis(pause_ms));
        kill(worker, Signal::SIGCONT).expect("it is ours");
        self.tally.add("stops", 1);
    }

    /// Everybody stands still: what the directory takes is what a listing says.
    fn measure_exactly(&mut self) {
        for worker in &self.workers {
            kill(*worker, Signal::SIGSTOP).expect("it is ours");
        }
        for worker in &self.workers {
            waitpid(*worker, Some(WaitPidFlag::WUNTRACED)).expect("it is ours");
        }
        let found = listing(&self.plan.directory());
        let used_bytes = self.files.depot().used_bytes();
        for worker in &self.workers {
            kill(*worker, Signal::SIGCONT).expect("it is ours");
        }
        judge(self.plan, &mut self.tally, found.values().sum(), "exactly");
        let of_values = found
            .iter()
            .filter(|(path, _)| is_value(path))
            .map(|(_, bytes)| *bytes)
            .sum();
        self.tally.most(
            "most beside what is counted",
            u64::saturating_sub(of_values, used_bytes),
        );
        if of_values > used_bytes {
            self.tally.anomaly(&format!(
                "value files take {of_values} bytes, and {used_bytes} are counted"
            ));
        }
    }

    /// All are gone: after one sweep everything is counted that is there, and nothing else.
    fn look_at_the_end(&mut self) {
        if let Err(error) = self.end() {
            self.tally.anomaly(&format!("at the end: {error}"));
        }
    }

    fn end(&mut self) -> Result<(), FilesError> {
        let files = &self.files;
        // Nothing is over in the middle of the looks that follow.
        park(Duration::from_millis(SHORT_MS + 100));
        // What was spoilt is met here.
        files.verify(|_| ())?;
        files.sweep()?;
        let again = files.sweep()?;
        let verified = files.verify(|_| ())?;
        let stats = files.stats();
        let found = listing(&self.plan.directory());
        let paths = found.iter().filter(|(path, _)| is_value(path));
        let (names, on_disk) = paths.fold((0, 0), |(names, sum), (_, bytes)| (names + 1, sum + bytes));
        let stubs = files.all_entries().filter(|entry| entry.is_file).count() as u64;
        let what =
            format!("{stats:?}, {names} names of {on_disk} bytes, {stubs} stubs, {verified:?}, {again:?}");
        let is_exact = (stats.used_bytes, stats.recorded_bytes) == (on_disk, on_disk)
            && (stats.files, stubs) == (names, names)
            && (verified.damaged, verified.intact) == (0, names)
            && again == Swept::default();
        // A file that was linked and spoilt is damaged; one that is missing is nobody's doing.
        let spoilt = Tally::sum(&self.plan.room.join("tallies")).of("spoilt");
        let is_explained = stats.missing == 0 && stats.corrupt <= spoilt;
        if !is_exact || !is_explained {
            self.tally
                .anomaly(&format!("at the end, with {spoilt} spoilt: {what}"));
        }
        Ok(())
    }
}

fn is_value(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    name.trim_end_matches('l').len() == 16 && path.extension().is_none()
}

fn fork(part: impl FnOnce()) -> Pid {
    let child = fork_child(|| {
        nix::sys::prctl::set_pdeathsig(Signal::SIGKILL).expect("a signal that exists");
        part();
        0
    });
    Pid::from_raw(child.expect("a process can be made").cast_signed())
}

/// Lets time pass: there is nothing to wait for but the others' doings.
fn park(duration: Duration) {
    let end_ns = now_ns() + duration.as_nanos() as u64;
    while let Some(left_ns) = end_ns.checked_sub(now_ns()).filter(|left| *left > 0) {
        std::thread::park_timeout(Duration::from_nanos(left_ns));
    }
}

fn conclude(
    arguments: &Arguments,
    plan: &Plan,
    tally: &Tally,
    stats: &guira_files::DepotStats,
    seconds: f64,
) -> ExitCode {
    let told = |prefix: &str| {
        let parts: Vec<String> = tally
            .beginning_with(prefix)
            .map(|(name, count)| format!("{name} {count}"))
            .collect();
        if parts.is_empty() {
            "none".to_owned()
        } else {
            parts.join(", ")
        }
    };
    let operations: u64 = tally.beginning_with("did ").map(|(_, count)| count).sum();
    let anomalies = tally.of("anomalies");
    let mib = |bytes: u64| bytes as f64 / f64::from(1 << 20);
    println!("operations: {}", told("did "));
    println!("errors: {}", told("error "));
    println!(
        "taken: at most {:.2} MiB exactly ({} times), {:.2} MiB in passing ({} times, {} without a change meanwhile); the \
         limit is {:.2} MiB, was exceeded {} times",
        mib(tally.of("most exactly")),
        tally.of("measured exactly"),
        mib(tally.of("most in passing")),
        tally.of("measured in passing"),
        tally.of("measured without a change meanwhile"),
        mib(plan.limit_bytes),
        tally.of("above the limit"),
    );
    println!(
        "storm files: {:.1} min, {operations} operations, {} hits with {:.1} GiB compared, {} kills, {} stops, {} evicted; {} \
         wrong bytes, {anomalies} anomalies; seed {}",
        seconds / 60.0,
        tally.of("hit"),
        mib(tally.of("bytes read")) / 1024.0,
        tally.of("kills"),
        tally.of("stops"),
        stats.evicted,
        tally.of("wrong bytes"),
        plan.seed,
    );
    if let Some(path) = &arguments.summary {
        let line = format!(
            "{{\"proof\":\"storm-files\",\"seed\":{},\"seconds\":{seconds:.1},\"counts\":{{\"operations\":{operations},\
             \"kills\":{},\"stops\":{},\"evictions\":{},\"measurements\":{},\"anomalies\":{anomalies}}}}}\n",
            plan.seed,
            tally.of("kills"),
            tally.of("stops"),
            stats.evicted,
            tally.of("measured exactly") + tally.of("measured in passing"),
        );
        if let Err(error) = append(path, &line) {
            eprintln!("{}: {error}", path.display());
            return ExitCode::FAILURE;
        }
    }
    if anomalies == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
