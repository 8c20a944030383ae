//! A bound on how long an operation may take: a hang is a failure, not a stuck test run.

use std::sync::mpsc::channel;
use std::time::Duration;

/// Runs `work` on a thread of its own and fails the test if it takes longer than a minute.
pub(crate) fn in_time<T: Send + 'static>(what: &str, work: impl FnOnce() -> T + Send + 'static) -> T {
    let (sender, receiver) = channel();
    let worker = std::thread::spawn(move || {
        // Nobody listens any more only after the minute.
        let _ = sender.send(work());
    });
    match receiver.recv_timeout(Duration::from_secs(60)) {
        Ok(result) => result,
        Err(std::sync::mpsc::RecvTimeoutError::Timeout) => panic!("{what} hangs"),
        Err(std::sync::mpsc::RecvTimeoutError::Disconnected) => {
            let panic = worker.join().expect_err("it ended without a result");
            std::panic::resume_unwind(panic)
        }
    }
}
