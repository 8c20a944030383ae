//! The engine's bounds and shares, in one place: each is a choice, none is part of the layout.

/// Times a reader repeats a scan before it settles for a miss, which a cache may always answer.
pub(crate) const READ_PASSES: u32 = 16;
/// Times a writer repeats a scan whose result it must know.
pub(crate) const WRITE_PASSES: u32 = 64;
/// Forwards a reader follows.
pub(crate) const READ_HOPS: u32 = 4;
/// Forwards a writer follows.
pub(crate) const WRITE_HOPS: u32 = 64;
/// Attempts of a put that other writers kill.
pub(crate) const STORE_ATTEMPTS: u32 = 256;
/// Buckets a displacement search looks at.
pub(crate) const DISPLACE_NODES: usize = 128;
/// Reclaim rounds of one allocation before it reports that there is no space.
pub(crate) const RECLAIM_ROUNDS: u32 = 48;
/// Blocks a thread may keep open for itself: it gets a lane of its own while its line's number is
/// below this share of all blocks.
pub(crate) const PRIVATE_LANE_SHARE: u32 = 16;
/// The same for a lane of the main pool.
pub(crate) const PRIVATE_MAIN_LANE_SHARE: u32 = 32;
/// The same for a drain that it leaves in the middle between two of its puts, and for as long as it makes none.
/// Others make drains whole.
pub(crate) const STEADY_DRAIN_SHARE: u32 = 4;
/// The admission pool's share of all blocks, in percent.
pub(crate) const ADMISSION_PERCENT: u32 = 10;
/// A frequency counter's highest value.
pub(crate) const MAX_FREQUENCY: u8 = 3;
/// While everything is kept: a block is compacted if at least one part in this many is dead.
pub(crate) const KEEP_DEAD_PARTS: usize = 16;
/// While entries are evicted: a block is compacted instead if one part in this many is dead.
pub(crate) const EVICT_DEAD_PARTS: usize = 3;
/// Eviction ends when live bytes fall below this percentage of what is written.
pub(crate) const KEEP_BELOW_PERCENT: usize = 85;
/// The index is full at this percentage of its slots: entries are evicted although blocks are free.
pub(crate) const INDEX_FULL_PERCENT: usize = 93;
/// Blocks that only survivors may take: at most one in this many.
pub(crate) const RESERVE_PARTS: u32 = 64;
/// Rounds of one allocation after which compaction is given up for eviction, and after which
/// survivors need one, two, three reads more than usual.
pub(crate) const ROUNDS_BEFORE_EVICTION: u32 = 6;
pub(crate) const ROUNDS_PER_URGENCY: u32 = 8;
