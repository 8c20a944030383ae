//! The index: two-choice partial-key cuckoo hashing over buckets of eight single-word slots.
//!
//! Slots are hints to entries that prove themselves, so no slot operation needs to be undone, and
//! the only thing a reader must beware of is an entry that hops between its two scans:
//!
//! * A *move* copies a slot to the partner bucket, adds one to the pair's move counter, then clears
//!   the original. A scan that saw neither copy saw the counter change.
//! * A drainer that made a slot name an entry's copy adds to the counter before it retires the block:
//!   a scan that loaded the slot earlier finds no entry there any more and must look again.
//! * Every other clear of a slot whose entry is not dead adds to the counter first, too.
//! * Hence "there is no (other) entry" is concluded only by a *verified pass*: read the counter,
//!   scan both buckets, read the counter again, repeat if it changed.
//!
//! Any slot word that is written names a block that its writer has pinned and whose generation it
//! checked after pinning, so a word written late is never older than one incarnation.

pub(crate) mod displace;
pub(crate) mod link;
pub(crate) mod scan;
pub(crate) mod sweep;
