//! The comparison: every workload, with every peer beside Guira and the raw loop in the same rounds.

mod cell;
mod fleet;
mod goals;
mod left_out;
mod places;
mod records;
mod tables;

pub(crate) use places::segment_for;
pub(crate) use records::Records;

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::bench::{Workers, Workload};
use crate::error::{BenchError, while_doing};
use crate::peers::{Peer, Subject, installed, named_or_all};
use crate::report::chart::draw_bars;
use crate::report::csv_file::CsvFile;
use crate::report::print_machine;
use cell::{Cell, Effort};

/// Which pages the segment and the raw loop's file are on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Pages {
    /// 4 KiB, for everything
    Small,
    /// Huge pages for the segment, beside peers; the raw loop on 4 KiB
    Huge,
    /// Small beside the peers, then a comparison of pages
    Both,
}

/// What is compared, and how long.
#[derive(Debug, Args)]
pub(crate) struct SuiteArguments {
    /// What to run; everything, if nothing is named
    #[arg(value_enum)]
    workloads: Vec<Workload>,
    /// Beside whom; everybody, if nobody is named
    #[arg(long, value_enum, value_delimiter = ',')]
    peers: Vec<Peer>,
    /// One worker or two; all that suit the workload, if nothing is named
    #[arg(long, value_enum, value_delimiter = ',')]
    workers: Vec<Workers>,
    /// Pages of the segment
    #[arg(long, value_enum, default_value = "both")]
    pages: Pages,
    /// Rounds of each load, after one that warms up [default: 5, or 3 with --quick]
    #[arg(long)]
    rounds: Option<usize>,
    /// How often everything is loaded anew [default: 3, or 1 with --quick]
    #[arg(long)]
    loads: Option<usize>,
    /// Milliseconds of each lap [default: 40, or 15 with --quick]
    #[arg(long)]
    lap_ms: Option<u64>,
    /// How many keys there are [default: 1000000, or 100000 with --quick]
    #[arg(long)]
    keys: Option<usize>,
    /// A glance
    #[arg(long)]
    quick: bool,
    /// Writes every lap to a file
    #[arg(long, value_name = "FILE")]
    csv: Option<PathBuf>,
    /// Draws a chart for each table into a folder
    #[arg(long, value_name = "FOLDER")]
    svg: Option<PathBuf>,
    /// Where the mapped files go: a file system in memory
    #[arg(long, default_value = "/dev/shm", value_name = "FOLDER")]
    directory: PathBuf,
}

/// Runs what was asked for, and prints each table when it is complete.
pub(crate) fn run(arguments: &SuiteArguments) -> Result<(), BenchError> {
    print_machine();
    let effort = arguments.effort();
    let peers = installed(&named_or_all(&arguments.peers))?;
    let mut csv = arguments.csv.as_deref().map(CsvFile::create).transpose()?;
    if let Some(folder) = &arguments.svg {
        std::fs::create_dir_all(folder).map_err(while_doing("make the folder for charts"))?;
    }
    for workload in named_or_all(&arguments.workloads) {
        for workers in named_or_all(&arguments.workers) {
            if workers != Workers::One && !workload.spec().is_paired {
                continue;
            }
            let mut all = Records::default();
            for subjects in arguments.rounds_of(workload, workers, &peers) {
                let cell = Cell {
                    workload,
                    workers,
                    subjects,
                };
                let records = cell.run(&effort, &arguments.directory)?;
                if let Some(csv) = &mut csv {
                    csv.append(workload, workers, &records)?;
                }
                all.add(records);
            }
            let chart = tables::print(workload, workers, &all);
            goals::print(workload, workers, effort.keys, &all);
            if let Some(folder) = &arguments.svg {
                let name = format!("{}-{}.svg", workload.name(), workers.name().replace(' ', "-"));
                draw_bars(&folder.join(name), &chart)?;
            }
        }
    }
    Ok(())
}

impl SuiteArguments {
    fn effort(&self) -> Effort {
        let (rounds, loads, lap_ms, keys) = if self.quick {
            (3, 1, 15, 100_000)
        } else {
            (5, 3, 40, 1_000_000)
        };
        Effort {
            rounds: self.rounds.unwrap_or(rounds).max(1),
            loads: self.loads.unwrap_or(loads).max(1),
            lap_ms: self.lap_ms.unwrap_or(lap_ms).max(1),
            keys: self.keys.unwrap_or(keys).max(1000),
        }
    }

    /// Who is measured in the same rounds: Guira and the raw loop always, and one peer.
    fn rounds_of(&self, workload: Workload, workers: Workers, peers: &[Peer]) -> Vec<Vec<Subject>> {
        let raw = Subject::Raw { huge_pages: false };
        let guira = Subject::Guira {
            huge_pages: self.pages == Pages::Huge,
        };
        let mut rounds = Vec::new();
        for peer in left_out::taking_part(peers, workload, workers) {
            rounds.push(vec![raw, guira, Subject::Peer(peer)]);
        }
        if self.pages == Pages::Both {
            let raw_huge = Subject::Raw { huge_pages: true };
            rounds.push(vec![raw, Subject::Guira { huge_pages: true }, raw_huge]);
        }
        if rounds.is_empty() {
            rounds.push(vec![raw, guira]);
        }
        rounds
    }
}
