//! Which word of memory has which counterpart in the checker, for one execution.
//!
//! The checker wants its atomics made by a thread that all others come after, so a stock of them is
//! made before the threads are spawned. A counterpart holds the difference from what the memory held
//! when it was first touched.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::mem::ManuallyDrop;
use std::rc::Rc;

/// Never dropped: the checker forgets it with its execution, and after a failure is not there to be told.
pub(super) type Counterpart = ManuallyDrop<loom::sync::atomic::AtomicU64>;

/// A word's counterpart, and what the memory held at first.
pub(super) type Modeled = (Rc<Counterpart>, u64);

#[derive(Default)]
struct Table {
    stock: Vec<Rc<Counterpart>>,
    /// By address.
    words: HashMap<usize, Modeled>,
}

thread_local! {
    static EXPLORED: Cell<bool> = const { Cell::new(false) };
    static TABLE: RefCell<Table> = RefCell::new(Table::default());
}

/// Whether accesses go to the checker: during an exploration, and not while a thread unwinds.
pub(super) fn is_explored() -> bool {
    EXPLORED.get() && !std::thread::panicking()
}

/// Begins an exploration of this execution with a stock of `words` counterparts.
pub(super) fn begin(words: usize) {
    forget();
    TABLE.with_borrow_mut(|table| {
        table.stock = (0..words).map(|_| new_counterpart()).collect();
    });
    EXPLORED.set(true);
}

/// What an execution ends with that touches more words than there were counterparts.
pub(super) struct OutOfStock;

fn new_counterpart() -> Rc<Counterpart> {
    Rc::new(ManuallyDrop::new(loom::sync::atomic::AtomicU64::new(0)))
}

/// Writes what every word holds in the end back to memory.
pub(super) fn end() {
    EXPLORED.set(false);
    TABLE.with_borrow_mut(|table| {
        for (&address, (counterpart, base)) in &table.words {
            // SAFETY: all threads of the exploration were joined before it ends.
            let value = unsafe { counterpart.unsync_load() };
            let word = std::ptr::with_exposed_provenance_mut::<u64>(address);
            // SAFETY: the address is of a word that the engine reached as an atomic in this execution,
            // in memory that the model keeps until it is over.
            let word = unsafe { std::sync::atomic::AtomicU64::from_ptr(word) };
            word.store(value.wrapping_add(*base), std::sync::atomic::Ordering::Relaxed);
        }
        table.words.clear();
    });
}

/// Forgets what an execution that failed left behind.
pub(super) fn forget() {
    EXPLORED.set(false);
    TABLE.with_borrow_mut(|table| *table = Table::default());
}

/// The counterpart of the word at `address`, which holds `base` unless it was touched before.
pub(super) fn counterpart(address: usize, base: u64) -> Modeled {
    TABLE.with_borrow_mut(|table| {
        let Table { stock, words } = table;
        let modeled = words.entry(address).or_insert_with(|| {
            let Some(counterpart) = stock.pop() else {
                std::panic::resume_unwind(Box::new(OutOfStock))
            };
            (counterpart, base)
        });
        (Rc::clone(&modeled.0), modeled.1)
    })
}
