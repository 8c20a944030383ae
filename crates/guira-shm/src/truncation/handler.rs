//! The handler of SIGBUS; see the module above. Everything in here but `install` runs inside of it.

use super::registry::{self, Phase, Watched};
use crate::fork::ForkLock;
use nix::errno::Errno;
use std::io;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::atomic::{AtomicI32, AtomicUsize, Ordering}; // process-private

/// `si_code` of a SIGBUS: a misaligned access, and a memory error that concerns no access of ours. (The
/// C library crate names neither.)
const BUS_ADRALN: i32 = 1;
const BUS_MCEERR_AO: i32 = 5;
/// A memory error met by an access.
const BUS_MCEERR_AR: i32 = 4;

/// What handled the signal before: a function's address, `SIG_DFL` or `SIG_IGN`.
static EARLIER: AtomicUsize = AtomicUsize::new(libc::SIG_DFL);
/// The flags that it was installed with.
static EARLIER_FLAGS: AtomicI32 = AtomicI32::new(0);

type Informed = extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void);
type Plain = extern "C" fn(libc::c_int);

/// Puts the handler in place, once in a process.
pub(super) fn install() -> io::Result<()> {
    static INSTALLED: ForkLock<bool> = ForkLock::new(false);
    let mut installed = INSTALLED.lock();
    if *installed {
        return Ok(());
    }
    let ours: Informed = on_sigbus;
    let earlier = exchange(None)?;
    // It is there already in a child that was forked between the next two steps.
    if earlier.sa_sigaction != ours as usize {
        note(&earlier);
        let action = libc::sigaction {
            sa_sigaction: ours as usize,
            sa_mask: earlier.sa_mask,
            sa_flags: libc::SA_SIGINFO
                | libc::SA_ONSTACK
                | earlier.sa_flags & (libc::SA_NODEFER | libc::SA_RESTART),
            sa_restorer: None,
        };
        // Again: somebody may have installed another one in between.
        note(&exchange(Some(&action))?);
    }
    *installed = true;
    Ok(())
}

/// Keeps what handled the signal before.
fn note(earlier: &libc::sigaction) {
    EARLIER_FLAGS.store(earlier.sa_flags, Ordering::Relaxed);
    // Release: the flags are before it; pairs with the Acquire in `pass_on`.
    EARLIER.store(earlier.sa_sigaction, Ordering::Release);
}

/// Sets the action of SIGBUS, or only asks for it.
fn exchange(action: Option<&libc::sigaction>) -> io::Result<libc::sigaction> {
    let mut earlier = MaybeUninit::uninit();
    let action = action.map_or(ptr::null(), ptr::from_ref);
    // SAFETY: `action` is null or a whole action whose handler is `on_sigbus` or the default, and the
    // kernel writes to `earlier`.
    let result = unsafe { libc::sigaction(libc::SIGBUS, action, earlier.as_mut_ptr()) };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the call succeeded, so the kernel filled it.
    Ok(unsafe { earlier.assume_init() })
}

extern "C" fn on_sigbus(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    let errno = Errno::last_raw();
    if !took_care(info) {
        pass_on(signal, info, context);
    }
    Errno::set_raw(errno);
}

/// Whether the access can be made again.
fn took_care(info: *mut libc::siginfo_t) -> bool {
    // SAFETY: the kernel hands its handlers a whole siginfo (SA_SIGINFO).
    let info = unsafe { &*info };
    let code = info.si_code;
    if code <= BUS_ADRALN || code == BUS_MCEERR_AO {
        // Sent by somebody, misaligned, or about memory that nobody touches now.
        return false;
    }
    // SAFETY: a fault's siginfo names the address.
    let address = unsafe { info.si_addr() } as usize;
    let Some(watched) = registry::mapping_at(address) else {
        return false;
    };
    match watched.phase {
        Phase::Watched if watched.slot.enter(Phase::Watched, Phase::Replacing) => {
            let replaced = replace(&watched);
            let next = if replaced { Phase::Lost } else { Phase::Watched };
            watched.slot.enter(Phase::Replacing, next);
            replaced
        }
        // Another thread is at it, or was: the access is made again, and waits in the kernel or succeeds.
        Phase::Watched | Phase::Replacing => true,
        // Memory of our own has no file to be cut, but it can break.
        Phase::Lost => code != BUS_MCEERR_AR,
        Phase::Free | Phase::Claimed => false,
    }
}

/// Puts marked zeroes in the mapping's place; false if there is no memory for it.
fn replace(watched: &Watched) -> bool {
    let bytes = watched.len_bytes.next_multiple_of(4096);
    // SAFETY: new private memory, of which nothing else knows.
    let fresh = unsafe {
        libc::mmap(
            ptr::null_mut(),
            bytes,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE,
            -1,
            0,
        )
    };
    if fresh == libc::MAP_FAILED {
        return false;
    }
    let mark = fresh
        .cast::<u8>()
        .wrapping_add(watched.mark.offset_bytes)
        .cast::<u64>();
    // SAFETY: `Watch::new` checked that the word is aligned and inside; nobody else has the memory.
    unsafe { mark.write(watched.mark.value) };
    let target = ptr::with_exposed_provenance_mut::<libc::c_void>(watched.start);
    // SAFETY: the mapping from `start` is the watcher's to replace, says `Watch::new`; the new memory has
    // its length.
    let moved = unsafe {
        libc::mremap(
            fresh,
            bytes,
            bytes,
            libc::MREMAP_MAYMOVE | libc::MREMAP_FIXED,
            target,
        )
    };
    if moved == libc::MAP_FAILED {
        // SAFETY: ours alone, and not moved.
        unsafe { libc::munmap(fresh, bytes) };
        return false;
    }
    true
}

/// Does what would have been done without this handler.
fn pass_on(signal: libc::c_int, info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // Acquire: pairs with the Release in `install`.
    let earlier = EARLIER.load(Ordering::Acquire);
    let flags = EARLIER_FLAGS.load(Ordering::Relaxed);
    // SAFETY: as in `took_care`.
    let is_fault = unsafe { (*info).si_code } > 0;
    if earlier == libc::SIG_IGN && !is_fault {
        return;
    }
    if earlier == libc::SIG_DFL || earlier == libc::SIG_IGN {
        // A fault cannot be ignored.
        default_action(signal, is_fault);
        return;
    }
    if flags & libc::SA_RESETHAND != 0 {
        EARLIER.store(libc::SIG_DFL, Ordering::Release); // pairs with the Acquire above
    }
    let function = ptr::with_exposed_provenance::<()>(earlier);
    if flags & libc::SA_SIGINFO != 0 {
        // SAFETY: the address of a handler that was installed as one of three arguments.
        let handler = unsafe { (&raw const function).cast::<Informed>().read() };
        handler(signal, info, context);
    } else {
        // SAFETY: the address of a handler that was installed as one of one argument.
        let handler = unsafe { (&raw const function).cast::<Plain>().read() };
        handler(signal);
    }
}

/// Ends the process as the signal does by default: at once for a signal that was sent, and for a fault
/// when the access is made again.
fn default_action(signal: libc::c_int, is_fault: bool) {
    // SAFETY: all zeroes are an action: the default one, with no flags and an empty mask.
    let mut action: libc::sigaction = unsafe { MaybeUninit::zeroed().assume_init() };
    action.sa_sigaction = libc::SIG_DFL;
    let _ = exchange(Some(&action));
    if !is_fault {
        // SAFETY: sends the signal to this thread, which takes it when the handler returns.
        unsafe { libc::raise(signal) };
    }
}
