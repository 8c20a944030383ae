//! Computations that need each other, and so must not wait for each other.
//!
//! While a thread or task runs a computation, that computation is its *current* one. Two kinds of edges lead
//! from a current computation: to one that begins inside it, and to one that it waits for. Whoever is about
//! to wait from within a computation adds its edge first and then follows the edges from what it would wait
//! for; if they lead back, waiting would never end, and it computes inline.
//!
//! Edges of this process lie in a table; those of waiting computations also in the reserved namespace of the
//! segment, for other processes. Of several that close a circle at once, each adds its edge before it looks,
//! so the last one to add sees the whole circle; more than one may, and each computes inline, which costs work
//! and no more. Looks are repeated while the wait lasts, for records may be lost.
//!
//! What a computation hands to the background pool or the spawner (`bg`, `future`) is part of it, for it may wait for
//! that. What this does not see: a computation that hands its work to other threads or tasks and waits for those (they
//! have no current computation); and a thread of the pool that computes in place what another branch of its own task
//! leads (`join!` of `call(key)` and `future(key)` without a spawner). The patience bounds such a wait.

use std::cell::Cell;
use std::collections::HashSet;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Mutex, PoisonError};

use super::records::{KeyId, Records};
use crate::per_process::PerProcess;

/// Computations looked at in one search; a longer chain counts as harmless, and the patience bounds the wait.
const MAX_VISITED: usize = 256;

thread_local! {
    static CURRENT: Cell<Option<KeyId>> = const { Cell::new(None) };
}

/// A forked child has none: those who would remove the parent's are not there.
static EDGES: PerProcess<Mutex<Vec<(KeyId, KeyId)>>> = PerProcess::new();

fn with_edges<R>(work: impl FnOnce(&mut Vec<(KeyId, KeyId)>) -> R) -> R {
    // Nothing can panic between two states of the table.
    work(&mut EDGES.get().lock().unwrap_or_else(PoisonError::into_inner))
}

/// While it lives, this thread runs the computation of a key.
#[derive(Debug)]
pub(crate) struct Entered {
    outer: Option<KeyId>,
}

/// Makes the computation of `id` this thread's current one.
pub(crate) fn enter(id: KeyId) -> Entered {
    Entered {
        outer: CURRENT.replace(Some(id)),
    }
}

impl Drop for Entered {
    fn drop(&mut self) {
        CURRENT.set(self.outer);
    }
}

/// One computation needs another, while this lives.
#[derive(Debug)]
pub(crate) struct Edge {
    from: KeyId,
    to: KeyId,
}

impl Edge {
    fn new(from: KeyId, to: KeyId) -> Self {
        with_edges(|edges| edges.push((from, to)));
        Self { from, to }
    }
}

impl Drop for Edge {
    fn drop(&mut self) {
        with_edges(|edges| {
            if let Some(index) = edges.iter().position(|edge| *edge == (self.from, self.to)) {
                edges.swap_remove(index);
            }
        });
    }
}

/// Whether this thread runs a computation.
pub(crate) fn is_in_computation() -> bool {
    CURRENT.get().is_some()
}

/// Makes work of another thread part of this thread's current computation, if there is one: who computes may hand
/// work over and wait for it.
pub(crate) fn carry<R>(work: impl FnOnce() -> R) -> impl FnOnce() -> R {
    let current = CURRENT.get();
    move || {
        let _entered = current.map(enter);
        work()
    }
}

/// As [`carry`], for a future.
pub(crate) async fn carry_awaited<F: Future>(current: Option<KeyId>, future: F) -> F::Output {
    let mut future = pin!(future);
    poll_fn(|context| {
        let _entered = current.map(enter);
        future.as_mut().poll(context)
    })
    .await
}

/// The computation that this thread runs.
pub(crate) fn current() -> Option<KeyId> {
    CURRENT.get()
}

/// The edge from the current computation, if there is one, to that of `id`, which begins inside it.
pub(crate) fn begin(id: KeyId) -> Option<Edge> {
    CURRENT.get().map(|current| Edge::new(current, id))
}

/// The edge from the computation of one key to that of another, where both are made by one call.
pub(crate) fn need(from: KeyId, to: KeyId) -> Edge {
    Edge::new(from, to)
}

/// Waiting would never end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Endless;

/// A computation waits for another, while this lives.
#[derive(Debug)]
pub(crate) struct WaitEdge<'c> {
    edge: Edge,
    records: Option<&'c Records>,
}

/// To be called before the computation of `to` is waited for. None if the caller is not in a computation.
pub(crate) fn before_waiting(to: KeyId, records: Option<&Records>) -> Result<Option<WaitEdge<'_>>, Endless> {
    let Some(current) = CURRENT.get() else {
        return Ok(None);
    };
    let wait = WaitEdge {
        edge: Edge::new(current, to),
        records,
    };
    wait.look()?;
    Ok(Some(wait))
}

impl WaitEdge<'_> {
    /// Publishes the edge, and looks whether the circle is closed now.
    pub(crate) fn look(&self) -> Result<(), Endless> {
        let edges = with_edges(|edges| edges.clone());
        if let Some(records) = self.records {
            // The others too: they are links of the same chain.
            let waiting: HashSet<KeyId> = edges.iter().map(|(from, _)| *from).collect();
            for from in waiting {
                let to: Vec<KeyId> = targets(&edges, from).collect();
                records.put_waits(from, &to);
            }
        }
        let mut visited = HashSet::new();
        let mut next = vec![self.edge.to];
        while let Some(id) = next.pop() {
            if id == self.edge.from {
                return Err(Endless);
            }
            if visited.len() == MAX_VISITED || !visited.insert(id) {
                continue;
            }
            next.extend(targets(&edges, id));
            if let Some(records) = self.records {
                next.extend(records.waits(id));
            }
        }
        Ok(())
    }
}

impl Drop for WaitEdge<'_> {
    fn drop(&mut self) {
        if let Some(records) = self.records {
            records.remove_waits(self.edge.from);
        }
    }
}

fn targets(edges: &[(KeyId, KeyId)], from: KeyId) -> impl Iterator<Item = KeyId> {
    edges.iter().filter(move |edge| edge.0 == from).map(|edge| edge.1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use guira_segment::Segment;

    fn id(number: u128) -> KeyId {
        KeyId::of_number(number)
    }

    #[test]
    fn outside_a_computation_nothing_is_looked_at() {
        assert!(matches!(before_waiting(id(1), None), Ok(None)));
        assert!(begin(id(1)).is_none());
    }

    #[test]
    fn a_computation_does_not_wait_for_itself_nor_for_one_around_it() {
        let _outer = enter(id(10));
        assert_eq!(before_waiting(id(10), None).err(), Some(Endless));
        let _edge = begin(id(11));
        {
            let _inner = enter(id(11));
            assert_eq!(before_waiting(id(10), None).err(), Some(Endless));
            assert!(before_waiting(id(12), None).is_ok());
        }
        assert_eq!(CURRENT.get(), Some(id(10)));
    }

    #[test]
    fn of_two_computations_that_need_each_other_the_second_does_not_wait() {
        let wait = {
            let _first = enter(id(20));
            before_waiting(id(21), None).expect("nobody waits yet")
        };
        let _second = enter(id(21));
        assert_eq!(before_waiting(id(20), None).err(), Some(Endless));
        drop(wait);
        assert!(before_waiting(id(20), None).is_ok());
    }

    #[test]
    fn a_circle_through_another_process_is_seen_by_its_records() {
        let segment = Segment::builder().size(8 << 20).private().expect("it is small");
        let records = Records::of(&segment).expect("a row");
        let _current = enter(id(30));
        let wait = before_waiting(id(31), Some(&records))
            .expect("nobody waits yet")
            .expect("it is in a computation");
        assert_eq!(records.waits(id(30)), [id(31)]);
        // What another process says.
        records.put_waits(id(31), &[id(32), id(33)]);
        records.put_waits(id(33), &[id(30)]);
        assert_eq!(wait.look(), Err(Endless));
        drop(wait);
        assert_eq!(records.waits(id(30)), []);
    }
}
