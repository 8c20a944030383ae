use super::*;
use crate::testing::{Outcome, in_child};
use std::sync::atomic::AtomicUsize;

#[test]
fn a_forked_child_finds_the_token_wiped() {
    let page = ForkPage::new(77).expect("a page");
    let outcome = in_child(|| Outcome::of(page.token().load(Ordering::Relaxed) == 0));
    assert_eq!(outcome, Outcome::Passed);
    assert_eq!(page.token().load(Ordering::Relaxed), 77);
}

#[test]
fn the_process_id_is_steady_and_differs_in_a_child() {
    let own = process_id();
    assert_eq!(process_id(), own);
    assert_ne!(own as u32, 0);
    let outcome = in_child(|| {
        let childs = process_id();
        let grandchild_differs = in_child(|| Outcome::of(process_id() != childs));
        let steady = childs == process_id() && childs != own && childs as u32 != 0;
        Outcome::of(steady && grandchild_differs == Outcome::Passed)
    });
    assert_eq!(outcome, Outcome::Passed);
    assert_eq!(process_id(), own);
}

#[test]
fn without_wipe_on_fork_the_pid_tells_processes_apart() {
    let own = id_by_pid();
    assert_eq!(id_by_pid(), own);
    let outcome = in_child(|| {
        let childs = id_by_pid();
        Outcome::of(childs != own && childs == id_by_pid())
    });
    assert_eq!(outcome, Outcome::Passed);
}

#[test]
fn threads_do_not_lose_each_others_increments() {
    let lock = ForkLock::new(0u64);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..20_000 {
                    *lock.lock() += 1;
                }
            });
        }
    });
    assert_eq!(*lock.lock(), 80_000);
}

#[test]
fn a_held_lock_is_refused_to_other_threads_and_a_sleeper_is_woken() {
    let lock = ForkLock::new(());
    let refused = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        let guard = lock.lock();
        let waiter = scope.spawn(|| {
            refused.fetch_add(usize::from(lock.try_lock().is_none()), Ordering::Release);
            lock.lock().was_stolen()
        });
        crate::testing::eventually(|| refused.load(Ordering::Acquire) == 1);
        drop(guard);
        assert!(!waiter.join().expect("the waiter gets the lock"));
    });
    assert!(lock.try_lock().is_some());
}

#[test]
fn a_child_steals_the_lock_that_its_parent_held() {
    let lock = ForkLock::new(5);
    let guard = lock.lock();
    let outcome = in_child(|| {
        let stolen = lock.lock();
        let was_stolen = stolen.was_stolen() && *stolen == 5;
        let then_held = lock.try_lock().is_none();
        drop(stolen);
        let then_free = lock.try_lock().is_some_and(|guard| !guard.was_stolen());
        Outcome::of(was_stolen && then_held && then_free)
    });
    assert_eq!(outcome, Outcome::Passed);
    assert!(lock.try_lock().is_none(), "the child's lock is its own copy");
    drop(guard);
    assert!(lock.try_lock().is_some());
}

#[test]
fn a_guard_from_before_the_fork_is_dead_in_the_child() {
    let lock = ForkLock::new(5);
    let guard = lock.lock();
    let outcome = in_child(|| {
        let stolen = lock.lock();
        let holder = guard.is_of_this_process();
        // SAFETY: the parent's guard is dropped once here; the child ends by `_exit`.
        drop(unsafe { std::ptr::read(&raw const guard) });
        let still_held = lock.try_lock().is_none();
        drop(stolen);
        Outcome::of(!holder && still_held)
    });
    assert_eq!(outcome, Outcome::Passed);
}
