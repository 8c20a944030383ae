//! Keys replaced by 0, 1, 2, ... in the order of their first appearance.

use std::collections::HashMap;

use crate::Access;

/// The number of each access's key, and how many numbers were given.
pub(crate) fn renumber(accesses: &[Access]) -> (Vec<usize>, usize) {
    let mut numbers = HashMap::new();
    let numbered = accesses
        .iter()
        .map(|access| {
            let next = numbers.len();
            *numbers.entry(access.key).or_insert(next)
        })
        .collect();
    (numbered, numbers.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_numbered_by_first_appearance() {
        let accesses = [90, 90, 5, 90, 1, 5].map(Access::unit);
        assert_eq!(renumber(&accesses), (vec![0, 0, 1, 0, 2, 1], 3));
    }
}
