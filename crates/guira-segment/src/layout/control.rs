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
/// layout: control: journal, next ticket (reserved)
#[allow(dead_code, reason = "reserved for coherence between hosts")]
pub(crate) const CONTROL_JOURNAL_TAIL: usize = 4672;
/// layout: control: journal, acknowledged up to (reserved)
#[allow(dead_code, reason = "reserved for coherence between hosts")]
pub(crate) const CONTROL_JOURNAL_ACKNOWLEDGED: usize = 4736;
/// layout: control: origin id, low half (reserved)
#[allow(dead_code, reason = "reserved for coherence between hosts")]
pub(crate) const CONTROL_ORIGIN_LOW: usize = 4744;
/// layout: control: origin id, high half (reserved)
#[allow(dead_code, reason = "reserved for coherence between hosts")]
pub(crate) const CONTROL_ORIGIN_HIGH: usize = 4752;
/// layout: control: agent's epoch and record (reserved)
#[allow(dead_code, reason = "reserved for coherence between hosts")]
pub(crate) const CONTROL_AGENT: usize = 4760;
/// layout: control: trusted until, boot-time milliseconds (reserved)
#[allow(dead_code, reason = "reserved for coherence between hosts")]
pub(crate) const CONTROL_TRUSTED_UNTIL: usize = 4768;

/// Values of `CONTROL_STATE`.
pub(crate) const STATE_IN_USE: u64 = 1;
/// The last process detached in order and everything was written back.
pub(crate) const STATE_CLEAN: u64 = 2;
/// Somebody rewrites the segment after a reboot; under the format lock.
pub(crate) const STATE_FORMATTING: u64 = 3;
/// The clock never reaches this in order; births hold twice as much.
pub(crate) const MAX_CLOCK: u64 = 1 << 47;
