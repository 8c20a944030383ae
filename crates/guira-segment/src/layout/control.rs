//! The control page: the few words of a segment that change and belong to nobody in particular.
//! Words that are written often stand on lines of their own.

/// layout: offset of the control page
pub(crate) const CONTROL_OFFSET: usize = 4096;
/// layout: bytes of the control page
pub(crate) const CONTROL_BYTES: usize = 4096;
/// layout: control: state, 1 in use, 2 cleanly detached, 3 being formatted
pub(crate) const CONTROL_STATE: usize = 4096;
/// layout: control: boot id, low half
pub(crate) const CONTROL_BOOT_LOW: usize = 4104;
/// layout: control: boot id, high half
pub(crate) const CONTROL_BOOT_HIGH: usize = 4112;
/// layout: control: segment milliseconds minus boot-time milliseconds
pub(crate) const CONTROL_CLOCK_OFFSET: usize = 4120;
/// layout: control: segment milliseconds at the last clean detach
pub(crate) const CONTROL_CLEAN_MS: usize = 4128;
/// layout: control: wall clock milliseconds at the last clean detach
pub(crate) const CONTROL_CLEAN_REALTIME_MS: usize = 4136;
/// layout: control: invalidation clock
pub(crate) const CONTROL_CLOCK: usize = 4160;
/// layout: control: floor, everything born before it is gone
pub(crate) const CONTROL_FLOOR: usize = 4224;
/// layout: control: seal sequence
pub(crate) const CONTROL_SEAL_SEQUENCE: usize = 4288;
/// layout: control: sweep, completed epochs 32 and turns of the present one 32
pub(crate) const CONTROL_SWEEP: usize = 4352;
/// layout: control: where the search for a free block begins
pub(crate) const CONTROL_FREE_HINT: usize = 4416;
/// layout: control: reclaim, 0 keep everything, 1 evict
pub(crate) const CONTROL_RECLAIM_MODE: usize = 4480;
/// layout: control: thread lines in use, never lowered
pub(crate) const CONTROL_LINES_HIGH: usize = 4544;
/// layout: control: blocks that guards hold, as last counted
pub(crate) const CONTROL_GUARDED_BLOCKS: usize = 4552;
/// layout: control: namespaces in use, never lowered
pub(crate) const CONTROL_NAMESPACES: usize = 4560;
/// layout: control: recoveries of dead processes
pub(crate) const CONTROL_RECOVERIES: usize = 4608;
/// layout: control: journal, next ticket
pub(crate) const CONTROL_JOURNAL_TAIL: usize = 4672;
/// layout: control: journal, 1 while a reader sleeps until there are records
pub(crate) const CONTROL_JOURNAL_SLEEPER: usize = 4736;
/// layout: control: journal, every ticket below it was accepted by the brokers
pub(crate) const CONTROL_ACCEPTED: usize = 4800;
/// layout: control: how many wait for that word
pub(crate) const CONTROL_ACCEPTED_WAITERS: usize = 4808;
/// layout: control: journal, every ticket below it was applied by all hosts or made them distrust
pub(crate) const CONTROL_SETTLED: usize = 4816;
/// layout: control: how many wait for that word
pub(crate) const CONTROL_SETTLED_WAITERS: usize = 4824;
/// layout: control: entries are trusted until then, boot-time milliseconds
pub(crate) const CONTROL_TRUSTED_UNTIL_MS: usize = 4864;
/// layout: control: topics whose entries are trusted, a bit each
pub(crate) const CONTROL_TOPICS_TRUSTED: usize = 4872;
/// layout: control: of which boot and file the agent's times are
pub(crate) const CONTROL_LIFE: usize = 4880;
/// layout: control: agent, epoch 32, record + 1 in 32; record 0 means none
pub(crate) const CONTROL_AGENT: usize = 4928;
/// layout: control: when the agent last made progress, boot-time milliseconds
pub(crate) const CONTROL_AGENT_PROGRESS_MS: usize = 4936;
/// layout: control: what distinguishes the origin beyond file and boot, 0 at first
pub(crate) const CONTROL_ORIGIN_SALT: usize = 4944;
/// layout: control: how often a lease slot asked for the agent
pub(crate) const CONTROL_LEASE_EVENTS: usize = 4992;

/// Values of `CONTROL_STATE`.
pub(crate) const STATE_IN_USE: u64 = 1;
/// The last process detached in order and everything was written back.
pub(crate) const STATE_CLEAN: u64 = 2;
/// Somebody rewrites the segment after a reboot; under the format lock.
pub(crate) const STATE_FORMATTING: u64 = 3;
/// The clock never reaches this in order; births hold twice as much.
pub(crate) const MAX_CLOCK: u64 = 1 << 47;
