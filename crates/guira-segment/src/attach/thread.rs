//! A thread's line: its pins, its counters, and what it keeps in private memory beside them.
//!
//! A thread finds its line through a thread-local cell in two loads and a compare; the compared id
//! is wiped by fork and unique to an attachment, so a stale cell never matches. Lines belong to the
//! attachment: a thread that ends gives its line back, open lane and all, for the next thread.

use std::cell::{Cell, RefCell};
use std::sync::{Arc, Weak};

use guira_shm::fork::ForkLockGuard;
use guira_shm::sync::{AtomicU64, Ordering, thread_local};

use super::Attachment;
use crate::layout::block::BlockWord;
use crate::layout::record::{
    GUARD_PINS, LINE_BYTES, LINE_COUNTERS, LINE_ENGINE_PINS, LINE_GUARD_PINS, LineOwner, PinWord,
};
use crate::log::drain::Drain;
use crate::log::pace::Pace;
use crate::log::survey::Survey;
use crate::pin::EnginePin;
use crate::shared::Shared;

/// What a line's counters count; the numbers are part of the layout.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(usize)]
pub(crate) enum Counter {
    Hits = 0,
    Misses = 1,
    Stores = 2,
    Removes = 3,
    Invalidations = 4,
    Fills = 5,
    Superseded = 6,
    Evicted = 7,
    Expired = 8,
    Damaged = 9,
    Retries = 10,
    BlocksReclaimed = 11,
    Survivors = 12,
    Displaced = 13,
    NoSpace = 14,
    FlightsWaited = 15,
}

/// A block that one thread appends to by itself: it names the thread's record as owner and needs no pin.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PrivateLane {
    pub(crate) block: u32,
    pub(crate) word: BlockWord,
    pub(crate) used_bytes: usize,
    pub(crate) expires_ms: u64,
}

const LINE_WORDS: usize = LINE_BYTES / 8;

/// A thread's side of its line.
pub(crate) struct ThreadState {
    pub(crate) line: u32,
    pub(crate) offset: usize,
    pub(crate) owner: LineOwner,
    /// What its pins have in common.
    pub(crate) pins: PinWord,
    /// Used by many threads in turn: no guard may keep one of its pins.
    pub(crate) is_commons: bool,
    pub(crate) lane: Cell<Option<PrivateLane>>,
    pub(crate) main_lane: Cell<Option<PrivateLane>>,
    /// Bytes written through shared lanes of the admission pool.
    pub(crate) shared_bytes: Cell<usize>,
    /// The class of lifetime that is ahead of all others in the main pool, and by how many bytes.
    pub(crate) main_bytes: Cell<(u8, usize)>,
    pub(crate) drain: Cell<Option<Box<Drain>>>,
    /// What was seen of all blocks while the last drain was made.
    pub(crate) survey: Cell<Option<Survey>>,
    /// How much this thread reclaims for what it appends.
    pub(crate) pace: Pace,
    pub(crate) scratch: Cell<Vec<u8>>,
    /// Reads that an entry needs beyond the usual to survive a drain, while space is hard to get.
    pub(crate) urgency: Cell<u8>,
    /// Drains begun, to look for dead processes every so often.
    pub(crate) drains_begun: Cell<u32>,
}

impl std::fmt::Debug for ThreadState {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ThreadState")
            .field("line", &self.line)
            .field("lane", &self.lane)
            .finish_non_exhaustive()
    }
}

impl ThreadState {
    pub(super) fn new(shared: &Shared, line: u32, owner: LineOwner, is_commons: bool) -> Self {
        Self {
            line,
            offset: shared.line_offset(line),
            owner,
            pins: PinWord::of(owner),
            is_commons,
            lane: Cell::new(None),
            main_lane: Cell::new(None),
            shared_bytes: Cell::new(0),
            main_bytes: Cell::new((0, 0)),
            drain: Cell::new(None),
            survey: Cell::new(None),
            pace: Pace::default(),
            scratch: Cell::new(Vec::new()),
            urgency: Cell::new(0),
            drains_begun: Cell::new(0),
        }
    }

    /// The line itself: checked once, for an operation that asks for several of its words.
    #[inline(always)]
    pub(crate) fn line<'s>(&self, shared: &'s Shared) -> Line<'s> {
        Line(shared.region().words(self.offset))
    }

    /// Whether a drain of this thread is in progress.
    pub(crate) fn is_draining(&self) -> bool {
        let drain = self.drain.take();
        let is_draining = drain.is_some();
        self.drain.set(drain);
        is_draining
    }

    #[inline]
    pub(crate) fn engine_pin<'s>(&self, shared: &'s Shared, pin: EnginePin) -> &'s AtomicU64 {
        self.line(shared).engine_pin(pin)
    }

    /// A guard pin that holds nothing, if one is left.
    pub(crate) fn free_guard_pin<'s>(&self, shared: &'s Shared) -> Option<&'s AtomicU64> {
        if self.is_commons {
            return None;
        }
        let Line(words) = self.line(shared);
        let (_, guards) = words.split_at(LINE_GUARD_PINS / 8);
        guards
            .iter()
            .take(GUARD_PINS)
            // Acquire: pairs with the Release of a guard dropped on another thread.
            .find(|word| word.load(Ordering::Acquire) == 0)
    }

    /// Adds one to a counter that only this thread writes.
    #[inline]
    pub(crate) fn count(&self, shared: &Shared, counter: Counter) {
        self.line(shared).count(counter, 1);
    }

    #[inline]
    pub(crate) fn count_many(&self, shared: &Shared, counter: Counter, by: u64) {
        self.line(shared).count(counter, by);
    }
}

/// The words of a line.
#[derive(Clone, Copy)]
pub(crate) struct Line<'s>(&'s [AtomicU64; LINE_WORDS]);

#[expect(
    clippy::indexing_slicing,
    reason = "the numbers of pins and counters are those of the layout, which the compiler knows"
)]
impl<'s> Line<'s> {
    #[inline(always)]
    pub(crate) fn engine_pin(self, pin: EnginePin) -> &'s AtomicU64 {
        &self.0[LINE_ENGINE_PINS / 8 + pin as usize]
    }

    /// Adds to a counter that only this thread writes.
    #[inline(always)]
    pub(crate) fn count(self, counter: Counter, by: u64) {
        let word = &self.0[LINE_COUNTERS / 8 + counter as usize];
        word.store(word.load(Ordering::Relaxed).wrapping_add(by), Ordering::Relaxed);
    }
}

/// The calling thread's line, for one operation.
#[derive(Debug)]
pub(crate) struct ThreadRef<'s> {
    state: *const ThreadState,
    /// Held while the line is the one that all left-over threads use in turn.
    commons: Option<Commons<'s>>,
}

#[derive(Debug)]
struct Commons<'s> {
    /// Declared first: the lock goes before the attachment it lies in.
    guard: ForkLockGuard<'s, Box<ThreadState>>,
    _attachment: Arc<Attachment>,
}

impl std::ops::Deref for ThreadRef<'_> {
    type Target = ThreadState;

    #[inline]
    fn deref(&self) -> &ThreadState {
        match &self.commons {
            // SAFETY: the pointer is to a boxed state that this thread's `OWNED` list keeps until
            // the thread ends, or until its attachment is gone, which the `&Shared` that made this
            // reference outlives; the type is neither Send nor Sync, so it stays on this thread.
            None => unsafe { &*self.state },
            Some(commons) => &commons.guard,
        }
    }
}

const CELLS: usize = 4;

thread_local! {
    /// The lines this thread used last, by attachment id.
    static CURRENT: [Cell<(u64, *const ThreadState)>; CELLS] =
        const { [const { Cell::new((0, std::ptr::null())) }; CELLS] };
    /// Every line this thread has; given back when it ends.
    static OWNED: RefCell<Owned> = const { RefCell::new(Owned(Vec::new())) };
}

type Cells = [Cell<(u64, *const ThreadState)>; CELLS];

#[inline]
#[expect(clippy::indexing_slicing, reason = "a remainder is below its divisor")]
fn cell_of(cells: &Cells, id: u64) -> &Cell<(u64, *const ThreadState)> {
    &cells[id as usize % CELLS]
}

struct Owned(Vec<(u64, Weak<Attachment>, Box<ThreadState>)>);

impl Drop for Owned {
    fn drop(&mut self) {
        // Destructors that run after this one find no line here and use the common one.
        let _ = CURRENT.try_with(|cells| cells.iter().for_each(|cell| cell.set((0, std::ptr::null()))));
        for (_, attachment, state) in self.0.drain(..) {
            if let Some(attachment) = attachment.upgrade() {
                attachment.idle.lock().push(state);
            }
        }
    }
}

impl Shared {
    /// The calling thread's line; `None` only in a forked child that could not attach.
    #[inline]
    pub(crate) fn thread(&self) -> Option<ThreadRef<'_>> {
        let id = self.attachment.id();
        let (cached, state) = CURRENT.with(|cells| cell_of(cells, id).get());
        if cached == id && id != 0 {
            return Some(ThreadRef { state, commons: None });
        }
        self.find_thread()
    }

    #[cold]
    fn find_thread(&self) -> Option<ThreadRef<'_>> {
        let attachment = self.attach().ok()?;
        let owned = OWNED.try_with(|owned| {
            let owned = &mut owned.borrow_mut().0;
            if let Some((_, _, state)) = owned.iter().find(|(id, _, _)| *id == attachment.id) {
                return Some(std::ptr::from_ref::<ThreadState>(state));
            }
            owned.retain(|(_, attachment, _)| attachment.strong_count() > 0);
            let state = self.line_for_thread(&attachment)?;
            owned.push((attachment.id, Arc::downgrade(&attachment), state));
            // From where the box is kept: moving a box takes back what was lent of its contents.
            owned
                .last()
                .map(|(_, _, state)| std::ptr::from_ref::<ThreadState>(state))
        });
        match owned {
            Ok(Some(state)) => {
                CURRENT.with(|cells| cell_of(cells, attachment.id).set((attachment.id, state)));
                Some(ThreadRef { state, commons: None })
            }
            _ => Some(self.common_line(attachment)),
        }
    }

    fn line_for_thread(&self, attachment: &Attachment) -> Option<Box<ThreadState>> {
        if let Some(state) = attachment.idle.lock().pop() {
            return Some(state);
        }
        let owner = LineOwner::new(attachment.record, attachment.incarnation);
        let line = self.take_line(owner)?;
        Some(Box::new(ThreadState::new(self, line, owner, false)))
    }

    fn common_line(&self, attachment: Arc<Attachment>) -> ThreadRef<'_> {
        let pointer = Arc::as_ptr(&attachment);
        // SAFETY: the Arc kept beside the guard keeps the attachment alive for as long as the
        // borrow is used, and fields drop in order: the guard first.
        let borrowed: &Attachment = unsafe { &*pointer };
        let guard = borrowed.commons.lock();
        ThreadRef {
            state: std::ptr::null(),
            commons: Some(Commons {
                guard,
                _attachment: attachment,
            }),
        }
    }

    /// The attachment of this process, for slow paths.
    pub(crate) fn current_attachment(&self) -> Option<Arc<Attachment>> {
        self.attach().ok()
    }
}
