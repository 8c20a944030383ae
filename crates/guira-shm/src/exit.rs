//! What is done when this process ends in order: by a return from `main` or by `exit`, not by a signal.

use std::io;
use std::panic::catch_unwind;
use std::sync::{Mutex, PoisonError, TryLockError};

static TO_DO: Mutex<Vec<fn()>> = Mutex::new(Vec::new());

/// Has `run` called when the process ends in order, in forked children too. What panics in it is passed over.
///
/// It is called on the thread that ends the process, after the destructors of its thread-local values, while
/// other threads run on: it must not wait for anything that they or the ended `main` may hold, and must do without
/// thread-local values that have destructors.
///
/// # Errors
///
/// When the C library has no memory for one handler more.
pub fn at_exit(run: fn()) -> io::Result<()> {
    let mut to_do = TO_DO.lock().unwrap_or_else(PoisonError::into_inner);
    if to_do.is_empty() {
        // SAFETY: `run_all` may be called at any time and on any thread: it is safe code that ends without
        // unwinding, and lies in this program as long as the handler is registered.
        let result = unsafe { libc::atexit(run_all) };
        if result != 0 {
            return Err(io::Error::from(io::ErrorKind::OutOfMemory));
        }
    }
    to_do.push(run);
    Ok(())
}

extern "C" fn run_all() {
    let to_do = match TO_DO.try_lock() {
        Ok(to_do) => to_do.clone(),
        Err(TryLockError::Poisoned(to_do)) => to_do.into_inner().clone(),
        // Another thread is adding one, or was in a process that forked: it is not waited for.
        Err(TryLockError::WouldBlock) => return,
    };
    for run in to_do {
        // The hook has said what it had to; nobody is left to be told of more.
        let _ = catch_unwind(run);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    const CHILD: &str = "GUIRA_SHM_TEST_EXIT";

    #[test]
    fn what_is_to_be_done_is_done_once_after_main_whatever_panics_before() {
        if std::env::var_os(CHILD).is_some() {
            at_exit(|| panic!("out of plums")).expect("a handler");
            at_exit(|| {
                use std::io::Write;
                let _ = io::stderr().write_all(b"@done@\n");
            })
            .expect("a handler");
            return;
        }
        let output = Command::new(std::env::current_exe().expect("a path"))
            .args([
                "--exact",
                "exit::tests::what_is_to_be_done_is_done_once_after_main_whatever_panics_before",
            ])
            .env(CHILD, "1")
            .output()
            .expect("it starts");
        assert!(output.status.success(), "{output:?}");
        let errors = String::from_utf8_lossy(&output.stderr);
        assert_eq!(errors.matches("@done@").count(), 1, "{errors}");
    }
}
