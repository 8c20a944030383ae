//! What no host may say: a trusted hit that is older than its policy allows.

use crate::plan::Micros;

/// What was promised of each key, and when.
#[derive(Debug)]
pub(crate) struct Oracle {
    bound_us: Micros,
    /// For each key: from when on which version at least, ascending in both.
    accepted: Vec<Vec<(Micros, u64)>>,
    settled: Vec<u64>,
}

/// Clocks of hosts may run apart by a hundred millionths.
const RATE_TOLERANCE: u64 = 10_000;

/// A hit that should not have been.
#[derive(Clone, Debug)]
pub(crate) struct Violation {
    pub(crate) at_us: Micros,
    pub(crate) host: usize,
    pub(crate) key: usize,
    pub(crate) version: u64,
    pub(crate) promised: u64,
    pub(crate) by: &'static str,
}

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            at_us,
            host,
            key,
            version,
            promised,
            by,
        } = self;
        write!(
            f,
            "at {at_us} us host {host} gives version {version} of key {key} where {promised} is promised: {by}"
        )
    }
}

impl Oracle {
    pub(crate) fn new(keys: usize, bound_us: Micros) -> Self {
        Self {
            bound_us,
            accepted: vec![Vec::new(); keys],
            settled: vec![0; keys],
        }
    }

    /// An invalidation that says `key` has at least `version` was accepted.
    pub(crate) fn accepted(&mut self, now_us: Micros, key: usize, version: u64) {
        if let Some(promises) = self.accepted.get_mut(key)
            && promises.last().is_none_or(|(_, last)| *last < version)
        {
            promises.push((now_us, version));
        }
    }

    /// It was said to be applied everywhere.
    pub(crate) fn settled(&mut self, key: usize, version: u64) {
        if let Some(promise) = self.settled.get_mut(key) {
            *promise = (*promise).max(version);
        }
    }

    /// The version that a trusted hit of `key` has at least.
    pub(crate) fn least(&self, now_us: Micros, key: usize) -> u64 {
        let settled = self.settled.get(key).copied().unwrap_or(0);
        self.promised(now_us, key).unwrap_or(0).max(settled)
    }

    fn promised(&self, now_us: Micros, key: usize) -> Option<u64> {
        let since_us = now_us.checked_sub(self.bound_us + self.bound_us / RATE_TOLERANCE + 1)?;
        let promises = self.accepted.get(key)?;
        let count = promises.partition_point(|(at_us, _)| *at_us <= since_us);
        Some(promises.get(count.checked_sub(1)?)?.1)
    }

    /// What is wrong with a trusted hit of `version`.
    pub(crate) fn judge(&self, now_us: Micros, host: usize, key: usize, version: u64) -> Option<Violation> {
        let violation = |promised, by| Violation {
            at_us: now_us,
            host,
            key,
            version,
            promised,
            by,
        };
        let settled = self.settled.get(key).copied().unwrap_or(0);
        if version < settled {
            return Some(violation(settled, "said to be applied everywhere"));
        }
        let promised = self.promised(now_us, key)?;
        (version < promised).then(|| violation(promised, "accepted longer ago than the bound"))
    }
}
