//! Who is let in: the thread that libzmq asks for each key, by ZAP (ZeroMQ's RFC 27).

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::super::keys::{AllowedKeys, PublicKey, Reread};
use super::super::said::Said;
use super::super::socket::sleep;
use super::super::{TransportError, Waker};

const ADDRESS: &str = "inproc://zeromq.zap.01";
const VERSION: &[u8] = b"1.0";
/// How often the folder of allowed keys is looked at.
const LOOK: Duration = Duration::from_secs(1);

/// The thread, and what it found. It ends when this is dropped.
pub(super) struct Zap {
    shared: Arc<Shared>,
    waker: Waker,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    refused: AtomicU64,
    is_revoked: AtomicBool,
    is_ending: AtomicBool,
}

impl Zap {
    /// Answers for `context` from now on. `owner` is woken when a key was taken away.
    pub(super) fn start(context: &zmq::Context, folder: &Path, owner: Waker) -> Result<Self, TransportError> {
        let allowed = AllowedKeys::open(folder)?;
        if allowed.count() == 0 {
            tracing::warn!(folder = %folder.display(), "no key is allowed yet: nobody is let in");
        }
        let open = || {
            let requests = context.socket(zmq::REP)?;
            requests.set_linger(0)?;
            requests.bind(ADDRESS)?;
            Ok(requests)
        };
        let requests = open().map_err(TransportError::library(
            "opening the socket that keys are checked at",
        ))?;
        let (shared, waker) = (Arc::new(Shared::default()), Waker::new()?);
        let checker = Checker {
            requests,
            allowed,
            shared: Arc::clone(&shared),
            waker: waker.clone(),
            owner,
            said: Said::default(),
        };
        let thread = std::thread::Builder::new()
            .name("guira-zap".to_owned())
            .spawn(move || checker.run())
            .map_err(|source| TransportError::Resources {
                what: "thread to check keys",
                source,
            })?;
        Ok(Self {
            shared,
            waker,
            thread: Some(thread),
        })
    }

    /// How many handshakes were refused.
    pub(super) fn refused(&self) -> u64 {
        self.shared.refused.load(Ordering::Relaxed)
    }

    /// Whether a key was taken away since the last call.
    pub(super) fn take_revoked(&self) -> bool {
        self.shared.is_revoked.swap(false, Ordering::Relaxed)
    }
}

impl Drop for Zap {
    fn drop(&mut self) {
        self.shared.is_ending.store(true, Ordering::Relaxed);
        self.waker.wake();
        if let Some(thread) = self.thread.take() {
            // It holds nothing that a panic of its could have spoiled.
            let _ = thread.join();
        }
    }
}

struct Checker {
    requests: zmq::Socket,
    allowed: AllowedKeys,
    shared: Arc<Shared>,
    waker: Waker,
    owner: Waker,
    said: Said,
}

impl Checker {
    fn run(mut self) {
        // The waker's pairing shows what was stored before the wake.
        while !self.shared.is_ending.load(Ordering::Relaxed) {
            let mut items = [self.requests.as_poll_item(zmq::POLLIN), self.waker.poll_item()];
            if let Err(error) = sleep(&mut items, LOOK) {
                // libzmq refuses who is not answered for.
                tracing::error!(%error, "keys are not checked any more: nobody is let in");
                return;
            }
            self.waker.lower();
            if self.allowed.refresh() == Reread::Narrower {
                self.shared.is_revoked.store(true, Ordering::Relaxed);
                self.owner.wake();
            }
            while let Ok(request) = self.requests.recv_multipart(zmq::DONTWAIT) {
                let answer = self.answer(&request);
                if let Err(error) = self.requests.send_multipart(answer, 0) {
                    tracing::warn!(reason = error.message(), "an answer about a key was lost");
                }
            }
        }
    }

    /// Version, request, status, its text, name, metadata.
    fn answer(&mut self, request: &[Vec<u8>]) -> [Vec<u8>; 6] {
        let (request_id, verdict) = match request {
            [version, id, _domain, address, _identity, mechanism, key] if version == VERSION => {
                (id.clone(), self.verdict(address, mechanism, key))
            }
            [_, id, ..] => (id.clone(), Err(())),
            _ => (Vec::new(), Err(())),
        };
        let (status, text, name) = match verdict {
            Ok(name) => ("200", "OK", name),
            Err(()) => ("400", "not an allowed key", String::new()),
        };
        [
            VERSION.to_vec(),
            request_id,
            status.into(),
            text.into(),
            name.into_bytes(),
            Vec::new(),
        ]
    }

    fn verdict(&mut self, address: &[u8], mechanism: &[u8], key: &[u8]) -> Result<String, ()> {
        let key = PublicKey::from_bytes(key).filter(|_| mechanism == b"CURVE");
        if let Some(name) = key.and_then(|key| self.allowed.name_of(&key).map(str::to_owned)) {
            return Ok(name);
        }
        self.shared.refused.fetch_add(1, Ordering::Relaxed);
        if let Some(unsaid) = self.said.again(Instant::now()) {
            tracing::warn!(
                key = key.map(|key| key.to_string()),
                from = %String::from_utf8_lossy(address),
                unsaid,
                "a peer was refused: its public key is not in the folder of allowed keys"
            );
        }
        Err(())
    }
}
