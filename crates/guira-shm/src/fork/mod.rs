//! What a forked child must forget.
//!
//! A child has its parent's memory but not its threads, its locks' owners or
//! its right to the parent's records. A page that the kernel wipes in the child
//! ([`ForkPage`]) tells the two apart without a fork hook; on it rest the random
//! [`process_id`] and a lock whose holder a child can outlive ([`ForkLock`]).

#[cfg(any(test, feature = "fork-child", guira_points))]
mod child;
mod lock;

#[cfg(any(test, feature = "fork-child", guira_points))]
pub use child::fork_child;
pub use lock::{ForkLock, ForkLockGuard};

use crate::sync::Ordering;
use crate::sync::private::AtomicU64;
use memmap2::{MmapMut, MmapRaw};
use std::io;
use std::sync::atomic::AtomicPtr;

const PAGE_BYTES: usize = 4096;

/// Why a page that a fork wipes cannot be had.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ForkError {
    /// The kernel gave no memory for the page.
    #[error("cannot map a private page: {0}; raise the memory or mapping limit of this process")]
    Map(#[source] io::Error),
    /// The kernel knows no wipe-on-fork memory.
    #[error("the kernel refuses MADV_WIPEONFORK: {0}; Linux 4.14 or newer is needed")]
    WipeOnFork(#[source] io::Error),
}

/// A private page that holds one word, which reads 0 in a forked child.
///
/// ```
/// use guira_shm::fork::ForkPage;
/// use guira_shm::sync::Ordering;
/// let page = ForkPage::new(7)?;
/// assert_eq!(page.token().load(Ordering::Relaxed), 7);
/// # Ok::<(), guira_shm::fork::ForkError>(())
/// ```
#[derive(Debug)]
pub struct ForkPage {
    page: MmapRaw,
}

impl ForkPage {
    /// A page that holds `token` in this process.
    ///
    /// # Errors
    ///
    /// When no page can be mapped, or the kernel is older than 4.14.
    pub fn new(token: u64) -> Result<ForkPage, ForkError> {
        let page = MmapRaw::from(MmapMut::map_anon(PAGE_BYTES).map_err(ForkError::Map)?);
        // Miri knows no memory advice, and no fork.
        let advised = cfg!(miri) || {
            let start = page.as_mut_ptr().cast();
            // SAFETY: the page is private to this value; the advice changes what a child sees of it.
            unsafe { libc::madvise(start, PAGE_BYTES, libc::MADV_WIPEONFORK) == 0 }
        };
        if !advised {
            return Err(ForkError::WipeOnFork(io::Error::last_os_error()));
        }
        let page = ForkPage { page };
        page.token().store(token, Ordering::Relaxed);
        Ok(page)
    }

    /// The word: what was stored in this process, or 0 in a forked child.
    #[inline]
    pub fn token(&self) -> &AtomicU64 {
        // SAFETY: the page is mapped writable while `self` lives, its start is aligned, and it is
        // only ever reached as this atomic.
        unsafe { AtomicU64::from_ptr(self.page.as_mut_ptr().cast()) }
    }
}

/// A random id of this process: never 0, other in each forked child.
///
/// Both halves of it are other than 0.
#[inline]
pub fn process_id() -> u64 {
    // Acquire pairs with the Release of `publish_page`: the page is mapped.
    let page = PAGE.load(Ordering::Acquire);
    if page.is_null() {
        return first_process_id();
    }
    // SAFETY: a published page is leaked, so it is valid for ever.
    let page = unsafe { &*page };
    match page.token().load(Ordering::Relaxed) {
        0 => fill(page.token()),
        id => id,
    }
}

/// The process's own page; set once, by whichever thread is first. A lock or a
/// `OnceLock` here could be forked in the middle of its initialisation.
static PAGE: AtomicPtr<ForkPage> = AtomicPtr::new(std::ptr::null_mut());

#[cold]
#[inline(never)]
fn first_process_id() -> u64 {
    if cfg!(miri) {
        return id_by_pid(); // Miri knows no memory advice, and no fork
    }
    let Ok(page) = ForkPage::new(0) else {
        return id_by_pid();
    };
    let page = Box::into_raw(Box::new(page));
    // Release pairs with the Acquire of `process_id`; Acquire on failure as there.
    match PAGE.compare_exchange(std::ptr::null_mut(), page, Ordering::AcqRel, Ordering::Acquire) {
        Ok(_) => process_id(),
        Err(_) => {
            // SAFETY: made by `Box::into_raw` above and shown to nobody.
            drop(unsafe { Box::from_raw(page) });
            process_id()
        }
    }
}

#[cold]
#[inline(never)]
fn fill(token: &AtomicU64) -> u64 {
    let id = random_id();
    match token.compare_exchange(0, id, Ordering::Relaxed, Ordering::Relaxed) {
        Ok(_) => id,
        Err(other) => other,
    }
}

/// The way without wipe-on-fork memory: an id that is kept beside the pid it
/// was made for. One system call per use.
fn id_by_pid() -> u64 {
    static MADE_FOR: AtomicU64 = AtomicU64::new(0);
    static ID: AtomicU64 = AtomicU64::new(0);
    let pid = u64::from(std::process::id());
    // Acquire pairs with the Release below: the id is this process's.
    if MADE_FOR.load(Ordering::Acquire) == pid {
        return ID.load(Ordering::Relaxed);
    }
    // Threads of a new child may race here: the first to replace the parent's id wins.
    let parents = ID.load(Ordering::Relaxed);
    let _ = ID.compare_exchange(parents, random_id(), Ordering::Relaxed, Ordering::Relaxed);
    MADE_FOR.store(pid, Ordering::Release); // pairs with the Acquire above
    ID.load(Ordering::Relaxed)
}

/// 64 random bits, neither half 0.
pub(crate) fn random_id() -> u64 {
    loop {
        let mut id = 0u64;
        // SAFETY: the kernel writes at most 8 bytes to the 8 bytes of `id`.
        let filled = unsafe { libc::getrandom((&raw mut id).cast(), 8, 0) };
        if filled == 8 && id as u32 != 0 && id >> 32 != 0 {
            return id;
        }
    }
}

#[cfg(test)]
mod tests;
