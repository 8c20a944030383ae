//! The truth, in memory that all processes of the machine share: which version of each key is the newest, and which
//! no trusted hit may be older than from when on. It is what the hosts' caches are judged by.

use guira_shm::sync::{AtomicU64, Ordering};
use nix::time::{ClockId, clock_gettime};

use crate::board::Board;

/// Keys that everybody fights over.
pub(super) const KEYS: u64 = 128;

/// Words of a key: the source's version, what is promised for good, the next slot, promises.
const WORDS_PER_KEY: usize = 16;
const SOURCE: usize = 0;
const FLOOR: usize = 1;
const NEXT: usize = 2;
const SLOTS: usize = 3;

/// A word holds a version and, above it, from when on it is promised, in these units.
const VERSION_BITS: u32 = 24;
const UNIT_NS: u64 = 100_000;

/// See the module.
#[derive(Clone, Copy, Debug)]
pub(super) struct Truth<'b> {
    board: &'b Board,
}

/// Words that it takes on the board.
pub(super) const fn words(hosts: usize) -> usize {
    KEYS as usize * (WORDS_PER_KEY + hosts) + 1
}

/// The boot clock, which all processes and namespaces of the machine share, ns.
pub(super) fn now_ns() -> u64 {
    let now = clock_gettime(ClockId::CLOCK_BOOTTIME).expect("every Linux has a boot clock");
    now.tv_sec() as u64 * 1_000_000_000 + now.tv_nsec() as u64
}

impl<'b> Truth<'b> {
    pub(super) const fn on(board: &'b Board) -> Self {
        Self { board }
    }

    fn word(&self, key: u64, word: usize) -> &'b AtomicU64 {
        self.board.extra_word(1 + key as usize * WORDS_PER_KEY + word)
    }

    fn here(&self, host: usize, key: u64) -> &'b AtomicU64 {
        let first = 1 + KEYS as usize * WORDS_PER_KEY;
        self.board.extra_word(first + host * KEYS as usize + key as usize)
    }

    /// Whether writers are to write much more than usual.
    pub(super) fn flood(&self) -> &'b AtomicU64 {
        self.board.extra_word(0)
    }

    /// The source's version.
    pub(super) fn source(&self, key: u64) -> u64 {
        // Acquire: pairs with the change.
        self.word(key, SOURCE).load(Ordering::Acquire)
    }

    /// Changes the source; its new version.
    pub(super) fn change(&self, key: u64) -> u64 {
        // AcqRel: it is changed before the invalidation begins.
        self.word(key, SOURCE).fetch_add(1, Ordering::AcqRel) + 1
    }

    /// An invalidation returned on this host.
    pub(super) fn invalidated_here(&self, host: usize, key: u64, version: u64) {
        // Release: a read that sees it begins after the invalidation returned.
        self.here(host, key).fetch_max(version, Ordering::Release);
    }

    /// No trusted hit that begins at `from_ns` or later may be older than `version`. False if the key has as many
    /// promises already as there is room for.
    pub(super) fn promise(&self, key: u64, version: u64, from_ns: u64) -> bool {
        let slots = WORDS_PER_KEY - SLOTS;
        let next = self.word(key, NEXT).fetch_add(1, Ordering::Relaxed) as usize % slots;
        let slot = self.word(key, SLOTS + next);
        let before = slot.load(Ordering::Acquire);
        if before != 0 {
            let (version, from_ns) = unpacked(before);
            if from_ns > now_ns() {
                return false;
            }
            // Release: whoever sees it begins to read later than it was due.
            self.word(key, FLOOR).fetch_max(version, Ordering::Release);
        }
        let word = packed(version, from_ns);
        // Release: whoever sees it reads after the wait returned.
        slot.compare_exchange(before, word, Ordering::Release, Ordering::Relaxed)
            .is_ok()
    }

    /// The oldest version that a trusted hit may have if the read begins now.
    pub(super) fn oldest_allowed(&self, host: usize, key: u64) -> Allowed {
        // Acquire, and before the clock is read: what is promised for good was due then.
        let floor = self.word(key, FLOOR).load(Ordering::Acquire);
        let here = self.here(host, key).load(Ordering::Acquire);
        let began_ns = now_ns();
        let promised = (SLOTS..WORDS_PER_KEY)
            .map(|slot| unpacked(self.word(key, slot).load(Ordering::Acquire)))
            .filter(|&(_, from_ns)| from_ns <= began_ns)
            .map(|(version, _)| version)
            .max();
        Allowed {
            anywhere: floor.max(promised.unwrap_or(0)),
            here,
            began_ns,
        }
    }
}

/// What a read that begins may see.
#[derive(Clone, Copy, Debug)]
pub(super) struct Allowed {
    /// By what was promised to all hosts.
    pub(super) anywhere: u64,
    /// By what was invalidated on the same host.
    pub(super) here: u64,
    /// When it began.
    pub(super) began_ns: u64,
}

fn packed(version: u64, from_ns: u64) -> u64 {
    from_ns.div_ceil(UNIT_NS) << VERSION_BITS | version & ((1 << VERSION_BITS) - 1)
}

fn unpacked(word: u64) -> (u64, u64) {
    (word & ((1 << VERSION_BITS) - 1), (word >> VERSION_BITS) * UNIT_NS)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn board() -> (tempfile::TempDir, Board) {
        let directory = tempfile::tempdir().expect("a directory");
        let board = Board::create(&directory.path().join("board"), 1, 0, words(2)).expect("a board");
        (directory, board)
    }

    #[test]
    fn a_promise_binds_from_its_time_on_and_not_before() {
        let (_directory, board) = board();
        let truth = Truth::on(&board);
        let now = now_ns();
        assert!(truth.promise(3, 7, now.saturating_sub(UNIT_NS)));
        assert!(truth.promise(3, 9, now + 3_600_000_000_000));
        assert_eq!(truth.oldest_allowed(0, 3).anywhere, 7);
        assert_eq!(truth.oldest_allowed(0, 4).anywhere, 0);
    }

    #[test]
    fn promises_that_give_way_to_others_still_bind() {
        let (_directory, board) = board();
        let truth = Truth::on(&board);
        let due = now_ns().saturating_sub(2 * UNIT_NS);
        assert!(truth.promise(0, 50, due));
        for version in 1..40 {
            assert!(truth.promise(0, version, due));
        }
        assert_eq!(truth.oldest_allowed(1, 0).anywhere, 50);
    }

    #[test]
    fn promises_that_are_not_due_are_not_pushed_out() {
        let (_directory, board) = board();
        let truth = Truth::on(&board);
        let later = now_ns() + 3_600_000_000_000;
        let kept = (1..40)
            .filter(|&version| truth.promise(0, version, later))
            .count();
        assert_eq!(kept, WORDS_PER_KEY - SLOTS);
        assert_eq!(truth.oldest_allowed(0, 0).anywhere, 0);
    }

    #[test]
    fn what_is_invalidated_on_a_host_binds_that_host_alone() {
        let (_directory, board) = board();
        let truth = Truth::on(&board);
        assert_eq!((truth.change(5), truth.source(5)), (1, 1));
        truth.invalidated_here(0, 5, 1);
        assert_eq!(truth.oldest_allowed(0, 5).here, 1);
        assert_eq!(truth.oldest_allowed(1, 5).here, 0);
    }
}
