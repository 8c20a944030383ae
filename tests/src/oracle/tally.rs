//! How often each operation came to each outcome: what a run has really tried.

use std::collections::BTreeMap;

/// Counts by operation and outcome.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    counts: BTreeMap<&'static str, u64>,
    operations: u64,
}

impl Tally {
    /// One operation is begun.
    pub(super) fn begin(&mut self) {
        self.operations += 1;
    }

    /// An operation came to `outcome`.
    pub(super) fn note(&mut self, outcome: &'static str) {
        debug_assert!(OUTCOMES.contains(&outcome), "{outcome} is not in the list");
        *self.counts.entry(outcome).or_default() += 1;
    }

    /// Adds what another run counted.
    pub fn add(&mut self, other: &Self) {
        self.operations += other.operations;
        for (outcome, count) in &other.counts {
            *self.counts.entry(outcome).or_default() += count;
        }
    }

    /// Operations in all.
    #[must_use]
    pub fn operations(&self) -> u64 {
        self.operations
    }

    /// Every outcome that there is, and how often it was met.
    pub fn outcomes(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        OUTCOMES
            .iter()
            .map(|outcome| (*outcome, self.counts.get(outcome).copied().unwrap_or(0)))
    }

    /// Outcomes that were never met: a run of so many sequences that should have met them all proves nothing
    /// of them.
    pub fn never_met(&self, sequences: u64) -> impl Iterator<Item = &'static str> + '_ {
        let is_due = move |outcome| {
            let due_from = if RARE.contains(&outcome) {
                RARE_FROM
            } else {
                MET_FROM
            };
            sequences >= due_from
        };
        self.outcomes()
            .filter_map(move |(outcome, count)| (count == 0 && is_due(outcome)).then_some(outcome))
    }
}

/// From so many sequences on every outcome of every operation must have been met.
const MET_FROM: u64 = 20_000;
/// Met a few times in twenty thousand sequences.
const RARE: &[&str] = &["put without space", "world where slots were moved"];
const RARE_FROM: u64 = 200_000;

/// Every operation and outcome.
const OUTCOMES: &[&str] = &[
    "get hit",
    "get miss",
    "get_into hit",
    "get_into miss",
    "get_many",
    "contains yes",
    "contains no",
    "metadata hit",
    "metadata miss",
    "ttl hit",
    "ttl miss",
    "tags hit",
    "tags miss",
    "value held in place",
    "value held as a copy",
    "held value compared",
    "watch that lasts",
    "watch that ended",
    "put stored",
    "put refused",
    "put too large",
    "put without space",
    "add stored",
    "add exists",
    "add refused",
    "add too large",
    "copy to another key",
    "replace stored",
    "replace not found",
    "replace refused",
    "replace too large",
    "swap stored",
    "swap conflict",
    "swap not found",
    "swap refused",
    "swap too large",
    "increment summed",
    "increment initial",
    "increment none",
    "increment refused",
    "increment not a number",
    "increment overflow",
    "decrement of the least number",
    "append stored",
    "append not found",
    "append refused",
    "append too large",
    "prepend behind another head",
    "tags added",
    "tags not added: not found",
    "tags not added: refused",
    "touch stored",
    "touch not found",
    "touch refused",
    "expire yes",
    "expire no",
    "remove yes",
    "remove no",
    "invalidate yes",
    "invalidate no",
    "invalidate_tag",
    "clear",
    "clear_all",
    "lookup hit",
    "lookup stale",
    "lookup miss",
    "supersede",
    "birth accepted",
    "refill stored",
    "refill superseded",
    "refill not found",
    "refill refused",
    "refill too large",
    "birth refused",
    "fill stored",
    "fill superseded by a write",
    "fill superseded by an invalidation",
    "fill of a key that has a value",
    "fill with the token of another key",
    "fill of a stale value",
    "fill refused",
    "fill too large",
    "flight led",
    "flight led after an invalidation or write",
    "flight waited for",
    "flight timed out",
    "flight taken over",
    "flight alone",
    "flight ended",
    "entries",
    "all_entries",
    "verify",
    "repair",
    "stats",
    "names",
    "attachment",
    "journal read",
    "journal overwritten",
    "no journal",
    "record applied",
    "nothing to apply",
    "agent",
    "entry by hash",
    "evicted by hash",
    "reopen",
    "on another thread",
    "world that evicted",
    "world where entries survived a drain",
    "world where entries expired",
    "world where slots were moved",
];
