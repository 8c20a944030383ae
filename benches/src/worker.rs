use clap::Args; use crate::error::BenchError;
#[derive(Debug, Args)]
pub(crate) struct WorkerArguments {}
pub(crate) fn run(_: &WorkerArguments) -> Result<(), BenchError> { Ok(()) }
