//! A key's history made ready for the checker: times in ms beside those in ns, tokens numbered.

use std::collections::HashMap;

use crate::linearize::event::{Action, Event};
use crate::linearize::state::{NEVER_MS, tag_bit};

const NS_PER_MS: u64 = 1_000_000;

/// An event that is to find its place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Operation {
    pub(crate) event: Event,
    pub(crate) began_ms: u32,
    /// The end, or for a killed one the last moment at which its process can have read a clock.
    pub(crate) ended_ms: u32,
    /// Of a token: its number among the key's. Of a fill: that of its token, 0 if there is none.
    pub(crate) token: u16,
    /// May also not have happened at all.
    pub(crate) is_optional: bool,
    /// Which of its effects this is.
    pub(crate) role: Role,
    /// While it ran, its tag or its namespace was invalidated.
    pub(crate) is_overtaken: bool,
    /// While it ran, the key was made stale.
    pub(crate) is_marked: bool,
    /// While it ran, some tag or its namespace was invalidated.
    pub(crate) is_base_overtaken: bool,
    /// Bits of the tags that were invalidated while it ran; of a fill, also while its token was taken.
    pub(crate) tags_during: u8,
}

/// What an operation may do besides the effect by which its answer is judged; see the parent module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Role {
    /// That effect.
    Main,
    /// A removal takes away what is there, once more.
    Sweep,
    /// And once more: only where the rules say so.
    SecondSweep,
    /// What is superseded in the end is there for a while.
    Appearance,
    /// A write takes away the old value before the new one is there: only where misses are let pass.
    Gap,
}

/// The operations of one key and what they need to know of each other.
#[derive(Clone, Debug, Default)]
pub(crate) struct Operations {
    pub(crate) all: Vec<Operation>,
    /// What they may do besides.
    companions: Vec<Operation>,
    /// When the operation ended that gave token 1, 2, ..
    token_ends_ns: Vec<u64>,
}

impl Operations {
    /// Makes the events of one key ready.
    pub(crate) fn new(events: &[Event]) -> Self {
        let first_ms = events
            .iter()
            .map(|event| event.began_ns / NS_PER_MS)
            .min()
            .unwrap_or(0);
        let since_first = |ns: u64| {
            u32::try_from((ns / NS_PER_MS).saturating_sub(first_ms))
                .unwrap_or(NEVER_MS)
                .min(NEVER_MS - 1)
        };
        let mut token_ends_ns = Vec::new();
        let mut numbers = HashMap::new();
        let mut tokens = HashMap::new();
        for event in events {
            if event.action == Action::Token
                && let Some(ended_ns) = event.ended_ns
            {
                token_ends_ns.push(ended_ns);
                numbers.insert((event.client, event.began_ns), token_ends_ns.len() as u16);
                tokens.insert((event.client, event.began_ns), event);
            }
        }
        let invalidated = |event: &Event| {
            let event = *event;
            let during = events.iter().filter(move |other| other.overlaps(&event));
            during.filter_map(|other| match other.action {
                Action::InvalidateTag(tag) => Some(Some(tag)),
                Action::Clear => Some(None),
                _ => None,
            })
        };
        let tags_during = |event: &Event| {
            invalidated(event)
                .flatten()
                .fold(0, |bits, tag| bits | tag_bit(tag))
        };
        let all: Vec<Operation> = events
            .iter()
            .map(|event| {
                let began_with = match event.action {
                    Action::Fill { token_began_ns, .. } => token_began_ns,
                    _ => event.began_ns,
                };
                let token = tokens.get(&(event.client, began_with)).copied();
                Operation {
                    event: *event,
                    began_ms: since_first(event.began_ns),
                    ended_ms: since_first(event.ended_ns.or(event.gone_ns).unwrap_or(u64::MAX)),
                    token: numbers.get(&(event.client, began_with)).copied().unwrap_or(0),
                    is_optional: event.ended_ns.is_none(),
                    role: Role::Main,
                    is_overtaken: invalidated(event).any(|tag| tag.is_none_or(|tag| tag == event.tag())),
                    is_marked: events
                        .iter()
                        .any(|other| other.action == Action::Expire && other.overlaps(event)),
                    is_base_overtaken: invalidated(event).next().is_some(),
                    tags_during: tags_during(event) | token.map_or(0, tags_during),
                }
            })
            .collect();
        let companions = companions(&all);
        Self {
            all,
            companions,
            token_ends_ns,
        }
    }

    /// Those that `is_kept` says, in their order.
    pub(crate) fn only(&self, is_kept: &[bool]) -> Self {
        let kept = self.all.iter().zip(is_kept).filter(|(_, is_kept)| **is_kept);
        Self {
            all: kept.map(|(operation, _)| *operation).collect(),
            companions: self.companions.clone(),
            token_ends_ns: self.token_ends_ns.clone(),
        }
    }

    /// All operations, and behind them what they may do besides.
    pub(crate) fn with_companions(&self) -> impl Iterator<Item = &Operation> {
        self.all.iter().chain(&self.companions)
    }

    /// One of them.
    pub(crate) fn get(&self, index: usize) -> Option<&Operation> {
        self.all
            .get(index)
            .or_else(|| self.companions.get(index.checked_sub(self.all.len())?))
    }

    /// Whether the token was taken for certain before `began_ns`.
    pub(crate) fn is_older(&self, token: u16, began_ns: u64) -> bool {
        usize::from(token)
            .checked_sub(1)
            .and_then(|index| self.token_ends_ns.get(index))
            .is_none_or(|&ended_ns| ended_ns < began_ns)
    }
}

fn companions(all: &[Operation]) -> Vec<Operation> {
    let mut companions = Vec::new();
    for operation in all {
        let event = &operation.event;
        let mut add = |role| {
            companions.push(Operation {
                is_optional: true,
                role,
                ..*operation
            });
        };
        if event.is_removal() && all.iter().any(|other| other.event.may_write_during(event)) {
            add(Role::Sweep);
            add(Role::SecondSweep);
        }
        if event.superseded_value().is_some() {
            add(Role::Appearance);
        }
        if event.overwrites() {
            add(Role::Gap);
        }
    }
    companions
}
