//! Keys that a command line names: the brokers' public ones, and the machine's own pair.

use std::io::ErrorKind;
use std::path::Path;

use guira_bus::transport::keys::{KeyError, KeyPair, PublicKey};

use crate::error::CliError;

/// The keys of `brokers` brokers, in their order; none if none are given.
pub(crate) fn broker_keys(keys: &[String], brokers: usize) -> Result<Vec<PublicKey>, CliError> {
    if !keys.is_empty() && keys.len() != brokers {
        return Err(CliError::Usage(format!(
            "{} keys for {brokers} brokers; give a --broker-key for each --broker, in the same order",
            keys.len()
        )));
    }
    keys.iter().map(|key| broker_key(key)).collect()
}

/// A key, or what the file of that name holds.
fn broker_key(key: &str) -> Result<PublicKey, CliError> {
    let path = Path::new(key);
    if path.exists() {
        return Ok(PublicKey::load(path)?);
    }
    key.trim().parse().map_err(|_| {
        CliError::Usage(format!(
            "--broker-key: there is no file {key:?}, and it is no key itself; `guira keygen DIR` on the broker's machine \
             makes DIR/public.key: copy it here and name it, or give the 40 characters in it"
        ))
    })
}

/// The pair that `guira keygen` made in `folder`.
pub(crate) fn own_keys(folder: &Path) -> Result<KeyPair, CliError> {
    KeyPair::load(folder).map_err(|error| match error {
        KeyError::File { path, source } if source.kind() == ErrorKind::NotFound => CliError::Failed(format!(
            "{}: {source}; make keys with `guira keygen {}`",
            path.display(),
            folder.display()
        )),
        error => error.into(),
    })
}
