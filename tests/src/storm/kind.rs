//! The kinds of operations that a storm times.

/// What is timed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(usize)]
pub(super) enum Kind {
    /// Opening the segment.
    Open,
    /// Detaching in order.
    Detach,
    /// A look-up that borrows.
    Get,
    /// A look-up that copies.
    GetInto,
    /// Several look-ups at once.
    GetMany,
    /// Metadata, tags and the like.
    Peek,
    /// A put.
    Put,
    /// A put of a value that takes a run of blocks.
    PutLarge,
    /// An add.
    Add,
    /// A replace.
    Replace,
    /// A compare and swap.
    Swap,
    /// An increment.
    Increment,
    /// An append.
    Append,
    /// A touch.
    Touch,
    /// An expire.
    Expire,
    /// A remove.
    Remove,
    /// An invalidation of a key.
    Invalidate,
    /// An invalidation of a tag.
    InvalidateTag,
    /// A clear of a namespace.
    Clear,
    /// A look-up that gives a token.
    Lookup,
    /// Joining or leading a flight.
    Flight,
    /// Waiting for a flight, at most 10 ms.
    Wait,
    /// A fill.
    Fill,
    /// Giving back what the dead held.
    Recover,
    /// Dropping a guard.
    Release,
}

/// All kinds, in the order of their numbers.
pub(super) const KINDS: [Kind; 25] = [
    Kind::Open,
    Kind::Detach,
    Kind::Get,
    Kind::GetInto,
    Kind::GetMany,
    Kind::Peek,
    Kind::Put,
    Kind::PutLarge,
    Kind::Add,
    Kind::Replace,
    Kind::Swap,
    Kind::Increment,
    Kind::Append,
    Kind::Touch,
    Kind::Expire,
    Kind::Remove,
    Kind::Invalidate,
    Kind::InvalidateTag,
    Kind::Clear,
    Kind::Lookup,
    Kind::Flight,
    Kind::Wait,
    Kind::Fill,
    Kind::Recover,
    Kind::Release,
];

/// The name of the kind with a number.
#[must_use]
pub(super) fn kind_name(number: u64) -> String {
    KINDS
        .get(number as usize)
        .map_or_else(|| number.to_string(), |kind| format!("{kind:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_listed_in_the_order_of_their_numbers() {
        for (number, kind) in KINDS.iter().enumerate() {
            assert_eq!(*kind as usize, number);
        }
    }
}
