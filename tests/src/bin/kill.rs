//! Kills and stops a process at each change that each operation makes to shared memory.
//!
//! `cargo xtask kill` builds it with points and gives it the list of the source's.

#![forbid(unsafe_code)]
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command for people: the report goes to stdout, what went wrong to stderr"
)]

use std::process::ExitCode;

#[cfg(not(guira_points))]
fn main() -> ExitCode {
    println!("kill: this build has no points");
    eprintln!("kill: run it by `cargo xtask kill`, which builds it with them");
    ExitCode::FAILURE
}

#[cfg(guira_points)]
fn main() -> ExitCode {
    match command::run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("kill: {error}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(guira_points)]
mod command {
    use std::path::PathBuf;
    use std::process::ExitCode;
    use std::time::Instant;

    use clap::builder::RangedU64ValueParser;
    use clap::{Args, Parser, Subcommand};
    use guira_shm::file::{FileSystem, file_system_of};
    use guira_shm::mutant::Mutant;
    use guira_tests::kill::KillError;
    use guira_tests::kill::catalogue::scenes;
    use guira_tests::kill::crew::{self, Crew};
    use guira_tests::kill::plan::{Extent, jobs};
    use guira_tests::kill::report::Report;
    use guira_tests::kill::run::{Job, Places, Runner};
    use guira_tests::kill::scene::Scene;
    use guira_tests::kill::source::Coverage;
    use guira_tests::kill::survivors::SCRIPTS;
    use guira_tests::kill::victim::Task;
    use guira_tests::scratch::directory_in;
    use guira_tests::summary::fresh_seed;
    use guira_tests::verdict::mutant_names;

    /// Kills and stops a process at each change that each operation makes to shared memory.
    #[derive(Debug, Parser)]
    #[command(
        name = "kill",
        disable_help_subcommand = true,
        args_conflicts_with_subcommands = true
    )]
    struct Arguments {
        #[command(subcommand)]
        task: Option<Hidden>,
        #[command(flatten)]
        runs: RunArguments,
    }

    #[derive(Debug, Subcommand)]
    enum Hidden {
        /// Makes the runs that it is told; the command starts them
        #[command(hide = true)]
        Worker {
            #[arg(long)]
            memory: PathBuf,
            #[arg(long)]
            disk: PathBuf,
            #[arg(long)]
            number: usize,
            #[arg(long)]
            mutant: Option<String>,
        },
    }

    #[derive(Debug, Args)]
    struct RunArguments {
        /// Every point of every operation, not only the first, second and last pass of a source line
        #[arg(long)]
        every_point: bool,
        /// Scripts of the survivors for each point
        #[arg(long, default_value = "1", value_parser = up_to(SCRIPTS.len()))]
        scripts: usize,
        /// Processes that make runs at the same time
        #[arg(long, default_value = "3", value_parser = up_to(MOST_WORKERS))]
        workers: usize,
        /// Only scenes whose names contain this
        #[arg(long)]
        only: Option<String>,
        /// Only this run of each scene: the number of its point
        #[arg(long)]
        at: Option<usize>,
        /// Runs with this check of the engine left out: succeeds if that is noticed
        #[arg(long)]
        mutant: Option<String>,
        /// Names the scenes and how many points each passes
        #[arg(long)]
        list: bool,
        /// Where segments in memory are made, in a directory of its own
        #[arg(long, default_value = "/dev/shm")]
        memory: PathBuf,
        /// Where segments on a disk are made, in a directory of its own
        #[arg(long, default_value = ".")]
        disk: PathBuf,
        /// Of every random choice; by default another one each time
        #[arg(long)]
        seed: Option<u64>,
        /// A line of JSON that tells the sums is appended to this file
        #[arg(long)]
        summary: Option<PathBuf>,
        /// The points of the source, as `cargo xtask kill` lists them
        #[arg(long)]
        source_points: Option<PathBuf>,
    }

    /// Each makes segments of its own in memory.
    const MOST_WORKERS: usize = 256;

    fn up_to(most: usize) -> RangedU64ValueParser<usize> {
        RangedU64ValueParser::new().range(1..=most as u64)
    }

    pub(crate) fn run() -> Result<ExitCode, KillError> {
        let arguments = Arguments::parse();
        match arguments.task {
            Some(Hidden::Worker {
                memory,
                disk,
                number,
                mutant,
            }) => {
                switch_on(mutant.as_deref())?;
                crew::work(Places { memory, disk }, number)?;
                Ok(ExitCode::SUCCESS)
            }
            None => run_all(&arguments.runs),
        }
    }

    fn run_all(arguments: &RunArguments) -> Result<ExitCode, KillError> {
        let began = Instant::now();
        let seed = arguments.seed.unwrap_or_else(fresh_seed);
        println!("seed {seed}");
        switch_on(arguments.mutant.as_deref())?;
        let chosen: Vec<&'static Scene> = scenes()
            .filter(|scene| {
                arguments
                    .only
                    .as_ref()
                    .is_none_or(|part| scene.name.contains(part.as_str()))
            })
            .collect();
        if chosen.is_empty() {
            return Err(KillError::NoScene {
                name: arguments.only.clone().unwrap_or_default(),
            });
        }
        if matches!(file_system_of(&arguments.disk), Ok(FileSystem::Tmpfs) | Err(_)) {
            return Err(KillError::NotOnDisk {
                path: arguments.disk.clone(),
            });
        }
        let memory = directory_in(&arguments.memory)?;
        let disk = directory_in(&arguments.disk)?;
        let places = Places {
            memory: memory.path().to_owned(),
            disk: std::path::absolute(disk.path())?,
        };
        places.prepare(&chosen)?;
        let is_whole = arguments.only.is_none() && arguments.at.is_none() && !arguments.list;
        let mut report = Report {
            seed,
            is_whole,
            scenes: chosen.len(),
            coverage: match &arguments.source_points {
                Some(path) => Coverage::read(path)?,
                None => Coverage::default(),
            },
            ..Report::default()
        };
        let all = plan(arguments, seed, &chosen, &places, &mut report)?;
        if !arguments.list {
            if all.is_empty() {
                return Err(KillError::NoPoint {
                    at: arguments.at.unwrap_or_default(),
                });
            }
            let program = std::env::current_exe()?;
            let crew = Crew {
                program: &program,
                places: &places,
                workers: arguments.workers,
                mutant: arguments.mutant.as_deref(),
            };
            crew.make(&all, |job, outcome| report.add(job, outcome))?;
        }
        report.took = began.elapsed();
        println!("{report}");
        if let Some(path) = &arguments.summary {
            report.summarize(path)?;
        }
        if let Some(mutant) = &arguments.mutant {
            let verdict = report.verdict_on(mutant);
            println!("{verdict}");
            return Ok(verdict.exit_code());
        }
        Ok(if report.is_clean() {
            ExitCode::SUCCESS
        } else {
            ExitCode::FAILURE
        })
    }

    fn switch_on(mutant: Option<&str>) -> Result<(), KillError> {
        let Some(name) = mutant else { return Ok(()) };
        let mutant = Mutant::from_name(name).ok_or_else(|| KillError::NoMutant {
            name: name.to_owned(),
            known: mutant_names(),
        })?;
        guira_shm::mutant::switch_on(Some(mutant));
        Ok(())
    }

    /// Counts the points of each scene; the runs are those that follow from it.
    fn plan(
        arguments: &RunArguments,
        seed: u64,
        chosen: &[&'static Scene],
        places: &Places,
        report: &mut Report,
    ) -> Result<Vec<Job>, KillError> {
        let mut runner = Runner::new(places.clone(), 1_000);
        let mut all = Vec::new();
        for scene in chosen {
            let job = Job {
                scene: scene.name.to_owned(),
                task: Task::Count,
                script: 0,
            };
            let outcome = runner.run(&job)?;
            let points = outcome.points.clone();
            report.passes += points.len();
            report.add(&job, outcome);
            if arguments.list {
                println!("{:6}  {}", points.len(), scene.name);
            }
            let extent = Extent {
                every_point: arguments.every_point || arguments.at.is_some(),
                scripts: if arguments.at.is_some() {
                    SCRIPTS.len()
                } else {
                    arguments.scripts
                },
                seed,
            };
            all.extend(
                jobs(scene, &points, extent)
                    .into_iter()
                    .filter(|job| match job.task {
                        Task::Kill(at) | Task::Stop(at) => arguments.at.is_none_or(|only| at == only),
                        Task::Count => true,
                    }),
            );
        }
        Ok(all)
    }
}
