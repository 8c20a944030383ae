//! Who sent a frame.

use std::fmt;

const MAX_BYTES: usize = 15;

/// One connection of an agent: a frame for it goes nowhere once it is gone, and an agent that
/// connects again is another.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PeerId {
    bytes: [u8; MAX_BYTES],
    len: u8,
}

impl PeerId {
    /// As libzmq names it; none if a peer gave itself a long name, which ours do not.
    pub(super) fn new(name: &[u8]) -> Option<Self> {
        let mut bytes = [0; MAX_BYTES];
        bytes.get_mut(..name.len())?.copy_from_slice(name);
        let len = u8::try_from(name.len()).ok()?;
        Some(Self { bytes, len })
    }

    /// The name as one number, of which no two names have the same: that of a connection that did not
    /// name itself, as none of ours does. None for a longer one.
    #[must_use]
    pub fn number(&self) -> Option<u64> {
        let mut word = [0; 8];
        let (name, len) = word.split_at_mut(7);
        name.get_mut(..self.as_bytes().len())?
            .copy_from_slice(self.as_bytes());
        len[0] = self.len;
        Some(u64::from_le_bytes(word))
    }

    /// The name with this [`PeerId::number`].
    #[must_use]
    pub fn of_number(number: u64) -> Option<Self> {
        let word = number.to_le_bytes();
        let (name, len) = word.split_at(7);
        Self::new(name.get(..usize::from(len[0]))?)
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

impl fmt::Display for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_bytes()
            .iter()
            .try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for PeerId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PeerId({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_kept_up_to_their_limit() {
        let id = PeerId::new(&[0, 1, 0xab]).unwrap();
        assert_eq!(id.as_bytes(), [0, 1, 0xab]);
        assert_eq!(id.to_string(), "0001ab");
        assert_ne!(id, PeerId::new(&[0, 1, 0xab, 0]).unwrap());
        assert!(PeerId::new(&[7; MAX_BYTES]).is_some());
        assert!(PeerId::new(&[7; MAX_BYTES + 1]).is_none());
    }

    #[test]
    fn short_names_have_numbers_of_their_own() {
        let names: [&[u8]; 6] = [&[], &[0], &[0, 0], &[0, 1, 2, 3, 4], &[9; 7], &[0; 7]];
        let ids = names.map(|name| PeerId::new(name).unwrap());
        let numbers = ids.map(|id| id.number().unwrap());
        for (index, id) in ids.iter().enumerate() {
            assert_eq!(PeerId::of_number(numbers[index]), Some(*id));
            assert!(!numbers[..index].contains(&numbers[index]));
        }
        assert_eq!(PeerId::new(&[0; 8]).unwrap().number(), None);
        assert_eq!(PeerId::of_number(u64::MAX), None);
    }
}
