use clap::Args; use crate::error::BenchError;
#[derive(Debug, Args)]
pub(crate) struct GetArguments {}
pub(crate) fn run(_: &GetArguments) -> Result<(), BenchError> { Ok(()) }
