//! What `#[cached]` writes calls of. Not for anybody else: it changes with the macro.

use std::borrow::Borrow;
use std::convert::Infallible;
use std::fmt::{Debug, Display};
use std::marker::PhantomData;
use std::mem::ManuallyDrop;
use std::sync::OnceLock;

use guira_segment::fork::ForkLock;
use guira_segment::{Put, Replace, fold_tags};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::Error;
use crate::failure::Failure;
use crate::lifetime::Lifetime;
use crate::memoized::{Memo, MemoBuilder};
use crate::options::PutOptions;

pub use crate::flight::Manner;
pub use crate::memoized::Key;

/// The parts of a `Result`, whatever alias it is written by.
pub trait Outcome {
    /// What it holds if all went well.
    type Value;
    /// And if not.
    type Error;
}

impl<V, E> Outcome for Result<V, E> {
    type Value = V;
    type Error = E;
}

/// An error type, to be asked what it can do: methods are looked up by the number of references, so that the first
/// trait whose bounds hold is taken.
#[derive(Debug)]
pub struct Of<E>(PhantomData<E>);

impl<E> Of<E> {
    /// One of it.
    pub const NEW: Self = Self(PhantomData);
}

/// An error that a failure can become.
pub trait AdoptFailure<E> {
    /// The error.
    fn adopt(&self, failure: Failure) -> Option<E>;
}

impl<E: From<Failure>> AdoptFailure<E> for &Of<E> {
    fn adopt(&self, failure: Failure) -> Option<E> {
        Some(E::from(failure))
    }
}

/// Any other.
pub trait AdoptNothing<E> {
    /// None: the caller computes.
    fn adopt(&self, failure: Failure) -> Option<E>;
}

impl<E> AdoptNothing<E> for Of<E> {
    fn adopt(&self, _: Failure) -> Option<E> {
        None
    }
}

/// An error that can be shown.
pub trait DescribeByDisplay<E> {
    /// What is told of it.
    fn describe(&self, error: &E) -> Failure;
}

impl<E: Display> DescribeByDisplay<E> for &&Of<E> {
    fn describe(&self, error: &E) -> Failure {
        Failure::of_error(error)
    }
}

/// An error that can be shown to programmers.
pub trait DescribeByDebug<E> {
    /// What is told of it.
    fn describe(&self, error: &E) -> Failure;
}

impl<E: Debug> DescribeByDebug<E> for &Of<E> {
    fn describe(&self, error: &E) -> Failure {
        Failure::of_text::<E>(&format!("{error:?}"))
    }
}

/// Any other.
pub trait DescribeByType<E> {
    /// What is told of it.
    fn describe(&self, error: &E) -> Failure;
}

impl<E> DescribeByType<E> for Of<E> {
    fn describe(&self, _: &E) -> Failure {
        Failure::of_text::<E>(std::any::type_name::<E>())
    }
}

impl<E> Manner<E> {
    /// By functions.
    #[must_use]
    pub const fn of(adopt: fn(Failure) -> Option<E>, describe: fn(&E) -> Failure) -> Self {
        Self { adopt, describe }
    }
}

impl Manner<Infallible> {
    /// There are no errors.
    #[must_use]
    pub const fn infallible() -> Self {
        Self {
            adopt: |_| None,
            describe: |never| match *never {},
        }
    }
}

/// Gives a closure its types.
pub fn of_value<V, L, F>(of_value: F) -> impl Fn(&V) -> Lifetime + Send + Sync + 'static
where
    L: Into<Lifetime>,
    F: Fn(&V) -> L + Send + Sync + 'static,
{
    move |value| of_value(value).into()
}

/// Gives a closure its types.
pub fn set_up<V>(
    builder: MemoBuilder<V>,
    set_up: impl FnOnce(MemoBuilder<V>) -> MemoBuilder<V>,
) -> MemoBuilder<V> {
    set_up(builder)
}

/// `put` with the tags of the function.
///
/// # Errors
/// As [`Memo::put`].
pub fn put<V, Q>(memo: &Memo<V>, key: &Q, value: impl Borrow<V>, tags: &[String]) -> Result<Put, Error>
where
    V: Serialize + DeserializeOwned,
    Q: Serialize + ?Sized,
{
    let tags: Vec<&[u8]> = tags.iter().map(String::as_bytes).collect();
    let tags = fold_tags(&tags);
    let tags: Vec<&[u8]> = tags.iter().map(Vec::as_slice).collect();
    memo.put_with(key, value, PutOptions::default().tags(&tags))
}

/// `replace` with the tags of the function.
///
/// # Errors
/// As [`Memo::replace`].
pub fn replace<V, Q>(
    memo: &Memo<V>,
    key: &Q,
    value: impl Borrow<V>,
    tags: &[String],
) -> Result<Replace, Error>
where
    V: Serialize + DeserializeOwned,
    Q: Serialize + ?Sized,
{
    let tags: Vec<&[u8]> = tags.iter().map(String::as_bytes).collect();
    let tags = fold_tags(&tags);
    let tags: Vec<&[u8]> = tags.iter().map(Vec::as_slice).collect();
    memo.replace_with(key, value, PutOptions::default().tags(&tags))
}

/// Never dropped, as the static is not.
type Others<V> = ManuallyDrop<Vec<(&'static str, &'static Memo<V>)>>;

/// What is kept of a method: for each type that has it, for a generic `impl` has one static for all of them.
#[derive(Debug)]
pub struct MethodMemos<V: 'static> {
    first: OnceLock<(&'static str, Memo<V>)>,
    others: ForkLock<Others<V>>,
}

impl<V: 'static> MethodMemos<V> {
    /// Nothing yet.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            first: OnceLock::new(),
            others: ForkLock::new(ManuallyDrop::new(Vec::new())),
        }
    }

    /// That of the type called `name`.
    #[inline]
    pub fn of_type(&'static self, name: &'static str, make: impl Fn() -> Memo<V>) -> &'static Memo<V> {
        let (first, memo) = self.first.get_or_init(|| (name, make()));
        if std::ptr::eq(*first, name) || *first == name {
            return memo;
        }
        self.of_other(name, make)
    }

    #[cold]
    fn of_other(&self, name: &'static str, make: impl Fn() -> Memo<V>) -> &'static Memo<V> {
        let mut others = self.others.lock();
        if others.was_stolen() {
            // A thread of the parent may have been in the middle of changing it when this process was forked.
            *others = Others::default();
        }
        if let Some((_, memo)) = others.iter().find(|(other, _)| *other == name) {
            return memo;
        }
        // For ever, as the static is; there are no more of them than types.
        let memo: &'static Memo<V> = Box::leak(Box::new(make()));
        others.push((name, memo));
        memo
    }
}

impl<V: 'static> Default for MethodMemos<V> {
    fn default() -> Self {
        Self::new()
    }
}
