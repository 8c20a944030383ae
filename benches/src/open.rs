use clap::Args; use crate::error::BenchError;
#[derive(Debug, Args)]
pub(crate) struct OpenArguments {}
pub(crate) fn run(_: &OpenArguments) -> Result<(), BenchError> { Ok(()) }
