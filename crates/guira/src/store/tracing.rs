//! Telling what is asked of a store.

use std::time::Instant;

use tracing::{debug, warn};

use super::layer::{Around, Operation, Outcome};
use crate::error::Error;

/// A layer that tells of each call by an event of `tracing`, at the level of debugging; of a failed one by a
/// warning. Neither keys nor values are told: they may be anybody's.
#[derive(Clone, Debug)]
pub struct Tracing {
    name: Box<str>,
}

impl Tracing {
    /// A layer that calls the store `name`.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self { name: name.into() }
    }
}

impl Around for Tracing {
    fn around<T: Outcome>(
        &self,
        operation: Operation,
        call: impl FnOnce() -> Result<T, Error>,
    ) -> Result<T, Error> {
        let began = Instant::now();
        let result = call();
        let (store, operation, took) = (&*self.name, operation.name(), began.elapsed());
        match &result {
            Ok(outcome) => debug!(store, operation, hit = outcome.is_hit(), ?took),
            Err(error) => warn!(store, operation, %error, ?took),
        }
        result
    }
}
