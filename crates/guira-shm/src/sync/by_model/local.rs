//! Thread-local values of the checker's threads, dropped before a thread counts as ended.
//!
//! (The checker's own are dropped after others may have joined the thread, and what their destructors
//! change would then race with the verdict.)

use std::any::Any;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::thread::AccessError;

use loom::thread::{ThreadId, current};

thread_local! {
    static VALUES: RefCell<HashMap<(ThreadId, usize), Rc<dyn Any>>> = RefCell::new(HashMap::new());
}

/// As the standard type.
#[derive(Debug)]
pub struct LocalKey<T: 'static> {
    #[doc(hidden)]
    pub begin: fn() -> T,
}

impl<T: 'static> LocalKey<T> {
    /// As the standard method.
    pub fn with<R>(&'static self, look: impl FnOnce(&T) -> R) -> R {
        let key = (current().id(), std::ptr::from_ref(self).addr());
        let value = VALUES.with_borrow_mut(|values| {
            let value = values.entry(key).or_insert_with(|| Rc::new((self.begin)()));
            Rc::clone(value)
        });
        look(value.downcast_ref().expect("a key has values of one type"))
    }

    /// As the standard method; there is always a value.
    ///
    /// # Errors
    ///
    /// None in a model.
    pub fn try_with<R>(&'static self, look: impl FnOnce(&T) -> R) -> Result<R, AccessError> {
        Ok(self.with(look))
    }
}

/// Drops the calling thread's values.
pub(super) fn drop_own() {
    let own = current().id();
    let values: Vec<_> = VALUES.with_borrow_mut(|values| values.extract_if(|key, _| key.0 == own).collect());
    drop(values);
}

/// Drops every value that an execution left.
pub(super) fn drop_all() {
    while let Some((key, value)) = VALUES.with_borrow_mut(|values| values.extract_if(|_, _| true).next()) {
        drop((key, value));
    }
}

/// Forgets the values of an execution that failed: the checker's threads are no more.
pub(super) fn forget() {
    std::mem::forget(VALUES.take());
}
