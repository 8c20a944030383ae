//! Where futures run that nobody polls.

use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

use arc_swap::ArcSwapOption;

use super::pool::{in_pool, run_soon};

/// A future that a spawner takes.
pub type BoxFuture = Pin<Box<dyn Future<Output = ()> + Send>>;

type Spawner = Box<dyn Fn(BoxFuture) + Send + Sync>;

/// Without a lock: a forked child has its parent's.
static SPAWNER: ArcSwapOption<Spawner> = ArcSwapOption::const_empty();

/// Says where this process runs the futures of memoized async functions in the background: those of refreshes,
/// `lazy`, `bg` and `future`. Futures that need a runtime, as tokio's sockets and timers do, need this.
///
/// ```
/// // With tokio, once at the start, inside the runtime:
/// // let runtime = tokio::runtime::Handle::current();
/// // guira::background::set_spawner(move |future| { runtime.spawn(future); });
/// # guira::background::set_spawner(|future| { std::thread::spawn(|| drop(future)); });
/// ```
///
/// Without it they run on the pool's threads by a plain `block_on`; and a stale value is then not refreshed in
/// the background but by the one caller that leads, while the others have the stale one.
pub fn set_spawner(spawner: impl Fn(BoxFuture) + Send + Sync + 'static) {
    SPAWNER.store(Some(Arc::new(Box::new(spawner))));
}

pub(crate) fn has_spawner() -> bool {
    SPAWNER.load().is_some()
}

/// Runs a future where the program says.
pub(crate) fn spawn(future: BoxFuture) {
    match SPAWNER.load_full() {
        Some(spawner) => spawner(future),
        // A thread of the pool would wait for threads that all wait like itself.
        None if in_pool() => block_on(future),
        None => run_soon(Box::new(|| block_on(future))),
    }
}

/// Runs a future on this thread.
fn block_on<F: Future>(future: F) -> F::Output {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut context) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}
