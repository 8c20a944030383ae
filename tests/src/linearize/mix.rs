//! Which operations a history consists of.

use crate::random::Random;

/// A kind of operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Get,
    GetInto,
    GetMany,
    Metadata,
    Put,
    Add,
    Replace,
    Swap,
    /// `increment` or `append`, as the key is.
    Derive,
    Touch,
    Expire,
    Remove,
    Invalidate,
    InvalidateTag,
    Clear,
    ClearAll,
    /// `fill_token` or `lookup`, then `fill`.
    Compute,
}

/// Weights of the kinds.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mix(&'static [(Kind, u64)]);

const BALANCED: &[(Kind, u64)] = &[
    (Kind::Get, 14),
    (Kind::GetInto, 14),
    (Kind::GetMany, 3),
    (Kind::Metadata, 3),
    (Kind::Put, 14),
    (Kind::Add, 6),
    (Kind::Replace, 5),
    (Kind::Swap, 8),
    (Kind::Derive, 8),
    (Kind::Touch, 3),
    (Kind::Expire, 2),
    (Kind::Remove, 6),
    (Kind::Invalidate, 4),
    (Kind::InvalidateTag, 1),
    (Kind::Clear, 1),
    (Kind::ClearAll, 1),
    (Kind::Compute, 12),
];

const DERIVING: &[(Kind, u64)] = &[
    (Kind::Get, 10),
    (Kind::GetInto, 10),
    (Kind::Put, 6),
    (Kind::Add, 6),
    (Kind::Replace, 10),
    (Kind::Swap, 16),
    (Kind::Derive, 30),
    (Kind::Touch, 6),
    (Kind::Expire, 1),
    (Kind::Remove, 4),
    (Kind::InvalidateTag, 1),
];

const REMOVING: &[(Kind, u64)] = &[
    (Kind::Get, 12),
    (Kind::GetInto, 16),
    (Kind::Put, 25),
    (Kind::Add, 10),
    (Kind::Derive, 5),
    (Kind::Remove, 20),
    (Kind::Invalidate, 10),
    (Kind::Expire, 2),
];

const COMPUTING: &[(Kind, u64)] = &[
    (Kind::GetInto, 12),
    (Kind::Put, 5),
    (Kind::Derive, 2),
    (Kind::Remove, 6),
    (Kind::Invalidate, 10),
    (Kind::InvalidateTag, 3),
    (Kind::Clear, 2),
    (Kind::Expire, 3),
    (Kind::Compute, 60),
];

const READING: &[(Kind, u64)] = &[
    (Kind::Get, 20),
    (Kind::GetInto, 40),
    (Kind::GetMany, 4),
    (Kind::Metadata, 4),
    (Kind::Put, 24),
    (Kind::Replace, 8),
];

const MIXES: [Mix; 5] = [
    Mix(BALANCED),
    Mix(DERIVING),
    Mix(REMOVING),
    Mix(COMPUTING),
    Mix(READING),
];

/// How many there are.
pub(crate) const MIX_COUNT: u64 = MIXES.len() as u64;

impl Mix {
    /// The mix with a number, by turns.
    pub(crate) fn numbered(number: u64) -> Self {
        MIXES
            .get((number % MIX_COUNT) as usize)
            .copied()
            .unwrap_or(Mix(BALANCED))
    }

    pub(crate) fn choose(&self, random: &mut Random) -> Kind {
        let total = self.0.iter().map(|(_, weight)| weight).sum();
        let mut chosen = random.below(total);
        for (kind, weight) in self.0 {
            if chosen < *weight {
                return *kind;
            }
            chosen -= weight;
        }
        Kind::Get
    }
}
