//! A namespace's row: its name and its stamp.
//!
//! Row 0 is the default namespace and has no name. A row is claimed by putting the name's hash
//! into its first word; the claimer, and anyone else who wants the same name while the row is not
//! ready, writes the same name bytes and then the length word, so a killed claimer is helped.

/// layout: bytes of a namespace row
pub(crate) const NAMESPACE_BYTES: usize = 128;
/// layout: namespace: 64-bit hash of the name; 0 means free
pub(crate) const NAMESPACE_HASH: usize = 0;
/// layout: namespace: length of the name + 1 once the name is readable, else 0
pub(crate) const NAMESPACE_LENGTH: usize = 8;
/// layout: namespace: its stamp on the invalidation clock
pub(crate) const NAMESPACE_STAMP: usize = 16;
/// layout: namespace: first byte of the name
pub(crate) const NAMESPACE_NAME: usize = 24;
/// layout: longest name of a namespace in bytes
pub(crate) const MAX_NAMESPACE_BYTES: usize = 104;
