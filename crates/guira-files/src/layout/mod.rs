//! The bytes that a directory of value files consists of: the table that processes share, the head of a
//! value file, and the stub that stands for it in a segment.
//!
//! ```text
//! DIR/
//!   table.guira-files      usage, order of eviction, who holds what: words that processes share (`table`)
//!   index.guira            the segment of a files cache of its own: keys, deadlines, tags, small values, stubs
//!   values-<life>/         the table's life: another one's values are leftovers
//!     000/ ..              as many as the table says
//!       0000000000000a17   a value file: head, then the value's bytes (`head`); the name is its number
//!       0000000000000a18l  a file of somebody else's that was linked: the value's bytes alone
//! ```
//!
//! Numbers are little-endian. A number is given to one file in the life of a table, so a name never means two values.

pub(crate) mod head;
pub(crate) mod record;
pub(crate) mod stub;
pub(crate) mod table;
