//! A broker on a thread of its own.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Sender, SyncSender, sync_channel};
use std::thread::JoinHandle;

use super::{Broker, BrokerReport};
use crate::transport::{Endpoint, TransportError, Waker};
use crate::wire::Epoch;

/// A broker that runs until it is stopped, or this is dropped.
#[derive(Debug)]
pub struct BrokerHandle {
    stop: Arc<AtomicBool>,
    waker: Waker,
    endpoint: Endpoint,
    epoch: Epoch,
    requester: Sender<SyncSender<BrokerReport>>,
    thread: Option<JoinHandle<Result<BrokerReport, TransportError>>>,
}

/// Ends a broker from any thread, a handler of signals included.
#[derive(Clone, Debug)]
pub struct BrokerStopper {
    stop: Arc<AtomicBool>,
    waker: Waker,
}

impl BrokerStopper {
    /// Lets the broker end; does not wait for it.
    pub fn stop(&self) {
        self.stop.store(true, Ordering::Relaxed);
        self.waker.wake();
    }
}

impl BrokerHandle {
    pub(super) fn start(mut broker: Broker) -> Result<Self, TransportError> {
        let stop = Arc::new(AtomicBool::new(false));
        let waker = broker.waker();
        let endpoint = broker.endpoint().clone();
        let epoch = broker.epoch();
        let requester = broker.requester.clone();
        let seen = Arc::clone(&stop);
        let thread = std::thread::Builder::new()
            .name("guira-broker".to_owned())
            .spawn(move || {
                let result = broker.run(&seen).map(|()| broker.report());
                if let Err(error) = &result {
                    tracing::error!(%error, "the broker ended");
                }
                result
            })
            .map_err(|source| TransportError::Resources {
                what: "thread for a broker",
                source,
            })?;
        Ok(Self {
            stop,
            waker,
            endpoint,
            epoch,
            requester,
            thread: Some(thread),
        })
    }

    /// Where it listens; with the ports that were found for port 0.
    #[must_use]
    pub const fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }

    /// Its life.
    #[must_use]
    pub const fn epoch(&self) -> Epoch {
        self.epoch
    }

    /// Whether it still serves: it ends by itself only if its sockets cannot be used any more.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.thread.as_ref().is_some_and(|thread| !thread.is_finished())
    }

    /// Its state and counts, asked of its thread; `None` if it ended.
    #[must_use]
    pub fn report(&self) -> Option<BrokerReport> {
        let (answer, report) = sync_channel(1);
        self.requester.send(answer).ok()?;
        self.waker.wake();
        report.recv().ok()
    }

    /// What ends it from elsewhere.
    #[must_use]
    pub fn stopper(&self) -> BrokerStopper {
        BrokerStopper {
            stop: Arc::clone(&self.stop),
            waker: self.waker.clone(),
        }
    }

    /// Waits until it ends; its last report.
    ///
    /// # Errors
    /// [`TransportError`] if its sockets could not be used any more.
    ///
    /// # Panics
    /// If its thread did.
    pub fn join(mut self) -> Result<BrokerReport, TransportError> {
        let thread = self.thread.take().expect("only this and `drop` take it");
        match thread.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }

    /// Ends it and waits for that; its last report.
    ///
    /// # Errors
    /// As [`BrokerHandle::join`].
    ///
    /// # Panics
    /// As [`BrokerHandle::join`].
    pub fn stop(self) -> Result<BrokerReport, TransportError> {
        self.stopper().stop();
        self.join()
    }
}

impl Drop for BrokerHandle {
    fn drop(&mut self) {
        if let Some(thread) = self.thread.take() {
            self.stopper().stop();
            // It said what went wrong itself.
            let _ = thread.join();
        }
    }
}
