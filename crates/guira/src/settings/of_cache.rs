//! The settings of one cache.

use std::time::Duration;

use super::names::{refused, truth, unknown};
use crate::cache::Mismatch;
use crate::coherence::WhenSuspect;
use crate::lifetime::{Hard, LifetimeRules};
use crate::units;

/// What the file says of one cache.
#[derive(Clone, PartialEq, Debug, Default)]
pub(crate) struct CacheSettings {
    /// `never`, or how long.
    ttl: Option<Option<Duration>>,
    stale_after: Option<Duration>,
    ttl_spread: Option<f64>,
    sliding: Option<Duration>,
    pub(crate) mismatch: Option<Mismatch>,
    pub(crate) when_suspect: Option<WhenSuspect>,
    pub(crate) announce_puts: Option<bool>,
    pub(crate) cluster: Option<bool>,
    pub(crate) spill_above: Option<usize>,
    /// For how long other hosts are asked, if they are.
    pub(crate) fetch: Option<Option<Duration>>,
}

/// How long other hosts are asked where no time is said.
const FETCH_WAIT: Duration = Duration::from_millis(20);

const NAMES: &[&str] = &[
    "ttl",
    "stale_after",
    "ttl_spread",
    "sliding",
    "mismatch",
    "when_suspect",
    "announce_puts",
    "cluster",
    "fetch",
    "spill_above",
];

impl CacheSettings {
    /// Sets what is called `name`; says what is wrong.
    pub(super) fn set_by_name(&mut self, name: &str, text: &str) -> Result<(), String> {
        match name {
            "ttl" if text == "never" => self.ttl = Some(None),
            "ttl" => self.ttl = Some(Some(positive(text)?)),
            "stale_after" => self.stale_after = Some(positive(text)?),
            "sliding" => self.sliding = Some(positive(text)?),
            "ttl_spread" => {
                let part = text.parse().ok().filter(|part| (0.0..=1.0).contains(part));
                self.ttl_spread = Some(part.ok_or_else(|| refused(text, "no number from 0 to 1"))?);
            }
            "mismatch" => {
                self.mismatch = Some(match text {
                    "miss" => Mismatch::Miss,
                    "error" => Mismatch::Error,
                    _ => return Err(refused(text, "neither miss nor error")),
                });
            }
            "when_suspect" => {
                self.when_suspect = Some(match text {
                    "revalidate" => WhenSuspect::Revalidate,
                    "serve_stale" => WhenSuspect::ServeStale,
                    "refuse" => WhenSuspect::Refuse,
                    _ => return Err(refused(text, "neither revalidate nor serve_stale nor refuse")),
                });
            }
            "announce_puts" => self.announce_puts = Some(truth(text)?),
            "cluster" => self.cluster = Some(truth(text)?),
            "fetch" => {
                self.fetch = Some(match text {
                    "true" => Some(FETCH_WAIT),
                    "false" => None,
                    _ => Some(positive(text)?),
                });
            }
            "spill_above" => {
                let bytes = units::size(text).map_err(|error| refused(text, error))?;
                self.spill_above = Some(usize::try_from(bytes).unwrap_or(usize::MAX));
            }
            "refresh_after" => {
                return Err(
                    "there is no such setting; what #[cached] calls so is stale_after here".to_owned(),
                );
            }
            _ => return Err(unknown(NAMES.iter().copied())),
        }
        Ok(())
    }

    /// Changes what is set here.
    pub(crate) fn apply<V>(&self, rules: &mut LifetimeRules<V>) {
        if let Some(ttl) = self.ttl {
            rules.default.hard = ttl.map_or(Hard::Never, Hard::After);
        }
        if let Some(age) = self.stale_after {
            rules.default.soft = Some(age);
        }
        if let Some(part) = self.ttl_spread {
            rules.spread = part;
        }
        if let Some(idle) = self.sliding {
            rules.sliding = Some(idle);
        }
    }
}

fn positive(text: &str) -> Result<Duration, String> {
    match units::duration(text) {
        Ok(Duration::ZERO) => Err(refused(text, "no time at all; a lifetime is positive")),
        Ok(duration) => Ok(duration),
        Err(error) => Err(refused(text, error)),
    }
}
