//! Every lap as a line of CSV: what all tables are made of.

use std::fs::File;
use std::path::Path;

use crate::bench::{Workers, Workload};
use crate::error::{BenchError, while_doing};
use crate::suite::Records;

const HEADER: [&str; 16] = [
    "workload",
    "workers",
    "beside",
    "subject",
    "at_once",
    "load",
    "round",
    "operations",
    "reads",
    "hits",
    "wall_ns",
    "cpu_ns",
    "p50_ns",
    "p99_ns",
    "p99_9_ns",
    "p99_99_ns",
];

/// An open file.
#[derive(Debug)]
pub(crate) struct CsvFile(csv::Writer<File>);

impl CsvFile {
    /// Makes the file anew, with its header.
    pub(crate) fn create(path: &Path) -> Result<Self, BenchError> {
        let mut writer = csv::Writer::from_path(path)?;
        writer.write_record(HEADER)?;
        Ok(Self(writer))
    }

    /// Adds all laps of one comparison, and lets them reach the file.
    pub(crate) fn append(
        &mut self,
        workload: Workload,
        workers: Workers,
        records: &Records,
    ) -> Result<(), BenchError> {
        for record in &records.laps {
            let lap = record.outcome.lap;
            let texts = [
                workload.name(),
                workers.name().to_owned(),
                record.beside.name().to_owned(),
                record.subject.name().to_owned(),
            ];
            let numbers = [
                1 + u64::from(record.is_pair),
                record.load as u64,
                record.round as u64,
                lap.operations,
                lap.reads,
                lap.hits,
                lap.wall_ns,
                lap.cpu_ns,
            ];
            let numbers = numbers.map(|number| number.to_string());
            let quantiles = [0.5, 0.99, 0.999, 0.9999].map(|quantile| {
                let ns = record.quantile_ns(quantile);
                ns.map_or_else(String::new, |ns| ns.to_string())
            });
            self.0
                .write_record(texts.iter().chain(&numbers).chain(&quantiles))?;
        }
        self.0.flush().map_err(while_doing("write the CSV file"))
    }
}
