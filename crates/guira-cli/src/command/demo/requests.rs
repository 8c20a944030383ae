//! The trace, its objects numbered from 0.

use std::collections::HashMap;
use std::path::Path;

use guira_trace::Trace;

use crate::error::CliError;

/// What workers are asked for.
#[derive(Debug)]
pub(crate) struct Requests {
    pub(crate) name: String,
    pub(crate) objects: Vec<u32>,
    pub(crate) distinct_objects: u64,
}

impl Requests {
    /// Reads the trace at `path`, or takes the built-in one.
    pub(crate) fn read(path: Option<&Path>) -> Result<Self, CliError> {
        let (name, trace) = match path {
            Some(path) => (path.display().to_string(), Trace::read(path)?),
            None => ("an ORM of a busy web shop".to_owned(), Trace::orm_busy()),
        };
        let mut numbers: HashMap<u64, u32> = HashMap::new();
        let mut objects = Vec::with_capacity(trace.accesses().len());
        for access in trace.accesses() {
            let next = u32::try_from(numbers.len())
                .map_err(|_| CliError::Failed(format!("{name}: too many objects; give a shorter trace")))?;
            objects.push(*numbers.entry(access.key).or_insert(next));
        }
        if objects.is_empty() {
            return Err(CliError::Usage(format!(
                "{name}: the trace is empty; give another"
            )));
        }
        Ok(Self {
            name,
            objects,
            distinct_objects: numbers.len() as u64,
        })
    }
}
