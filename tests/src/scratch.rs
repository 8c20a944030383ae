//! The directories that experiments work in: gone when the experiment is over, also when somebody
//! interrupts it. In memory, what is left is memory that nobody has.

use std::io;
use std::path::{Path, PathBuf};
use std::process::exit;
use std::sync::{Mutex, Once, PoisonError};

use tempfile::TempDir;

type CleanUp = Box<dyn Fn() + Send>;

static MADE: Mutex<Vec<PathBuf>> = Mutex::new(Vec::new());
static OTHERS: Mutex<Vec<CleanUp>> = Mutex::new(Vec::new());
static INTERRUPTIBLE: Once = Once::new();
/// What a shell says of a program that an interrupt ended.
const INTERRUPTED: i32 = 130;

/// A directory of its own in `parent`. An interrupt, a hang-up or a request to terminate removes it and
/// ends this process.
///
/// # Errors
/// It cannot be made; the error names it.
pub fn directory_in(parent: &Path) -> io::Result<TempDir> {
    be_interruptible();
    let directory = tempfile::Builder::new().prefix("guira-").tempdir_in(parent)?;
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    made.push(directory.path().to_owned());
    Ok(directory)
}

/// An interrupt, a hang-up or a request to terminate does so, too, and ends this process.
pub fn at_interrupt(clean_up: impl Fn() + Send + 'static) {
    be_interruptible();
    let mut others = OTHERS.lock().unwrap_or_else(PoisonError::into_inner);
    others.push(Box::new(clean_up));
}

fn be_interruptible() {
    INTERRUPTIBLE.call_once(|| {
        // Fails where somebody else sees to interrupts already.
        let _ = ctrlc::set_handler(|| {
            remove_all();
            for clean_up in &*OTHERS.lock().unwrap_or_else(PoisonError::into_inner) {
                clean_up();
            }
            exit(INTERRUPTED);
        });
    });
}

/// Twice: who is still at work may have made a file meanwhile.
fn remove_all() {
    let made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    for directory in made.iter().chain(made.iter()) {
        // Most are gone, with the part of the experiment that they were for.
        let _ = std::fs::remove_dir_all(directory);
    }
}
