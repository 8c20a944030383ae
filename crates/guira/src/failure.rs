//! Why a computation gave no value, as somebody is told who waited for it.

use std::any::{Any, type_name};
use std::fmt;
use std::time::Duration;

/// Longest text that is told; what is longer is cut.
const MAX_TEXT_BYTES: usize = 2_048;

/// How a computation failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FailureKind {
    /// It returned an error.
    Error,
    /// It panicked.
    Panic,
    /// It had not ended when the caller's load timeout passed. It may go on, and its value be stored later.
    TimedOut,
}

/// Why a computation gave no value. The computation may have been another thread's or another process's,
/// so the cause is told as text.
///
/// An error type that has `From<Failure>` lets a waiter's call end with the cause; `Box<dyn Error>` and the
/// like have it without a line of code.
///
/// ```
/// use guira::{Failure, FailureKind};
///
/// let failure = Failure::of_error(&std::fmt::Error);
/// assert_eq!(failure.kind(), FailureKind::Error);
/// assert_eq!(failure.cause(), "core::fmt::Error");
/// let boxed: Box<dyn std::error::Error + Send + Sync> = failure.into();
/// assert!(boxed.to_string().starts_with("the computation that was waited for failed: "));
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    kind: FailureKind,
    cause: Box<str>,
    text: Box<str>,
}

impl Failure {
    /// How it failed.
    #[must_use]
    pub const fn kind(&self) -> FailureKind {
        self.kind
    }

    /// The name of the error's type as Rust prints it; empty for a panic and a timeout.
    #[must_use]
    pub fn cause(&self) -> &str {
        &self.cause
    }

    /// What the error or the panic said.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What a waiter is to be told of `error`.
    #[must_use]
    pub fn of_error<E: fmt::Display>(error: &E) -> Self {
        // The alternate form, by which some error types print their causes too.
        Self::new(FailureKind::Error, type_name::<E>(), &format!("{error:#}"))
    }

    /// What a waiter is to be told of an error of type `E` that says `text`.
    #[must_use]
    pub fn of_text<E>(text: &str) -> Self {
        Self::new(FailureKind::Error, type_name::<E>(), text)
    }

    pub(crate) fn of_panic(payload: &(dyn Any + Send)) -> Self {
        let text = payload
            .downcast_ref::<&str>()
            .copied()
            .or_else(|| payload.downcast_ref::<String>().map(String::as_str));
        Self::new(FailureKind::Panic, "", text.unwrap_or("without a text"))
    }

    pub(crate) fn timed_out(waited: Duration) -> Self {
        Self::new(
            FailureKind::TimedOut,
            "",
            &format!("it had not ended after {waited:?}"),
        )
    }

    fn new(kind: FailureKind, cause: &str, text: &str) -> Self {
        Self {
            kind,
            cause: cut(cause).into(),
            text: cut(text).into(),
        }
    }

    /// Kind, bytes of the cause (two, little-endian), cause, text.
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let kind = match self.kind {
            FailureKind::Error => 1,
            FailureKind::Panic => 2,
            FailureKind::TimedOut => 3,
        };
        let cause_bytes = u16::try_from(self.cause.len()).unwrap_or(0);
        let mut bytes = vec![kind];
        bytes.extend_from_slice(&cause_bytes.to_le_bytes());
        bytes.extend_from_slice(self.cause.as_bytes());
        bytes.extend_from_slice(self.text.as_bytes());
        bytes
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (&kind, rest) = bytes.split_first()?;
        let kind = match kind {
            1 => FailureKind::Error,
            2 => FailureKind::Panic,
            3 => FailureKind::TimedOut,
            _ => return None,
        };
        let (length, rest) = rest.split_first_chunk()?;
        let (cause, text) = rest.split_at_checked(usize::from(u16::from_le_bytes(*length)))?;
        Some(Self {
            kind,
            cause: str::from_utf8(cause).ok()?.into(),
            text: str::from_utf8(text).ok()?.into(),
        })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let how = match self.kind {
            FailureKind::Error => "failed",
            FailureKind::Panic => "panicked",
            FailureKind::TimedOut => "took too long",
        };
        write!(f, "the computation that was waited for {how}: {}", self.text)
    }
}

impl std::error::Error for Failure {}

fn cut(text: &str) -> &str {
    text.get(..text.floor_char_boundary(MAX_TEXT_BYTES)).unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_comes_back_from_its_bytes_and_damaged_ones_do_not() {
        let failure = Failure::of_error(&"no such user: \u{e4}");
        assert_eq!(failure.cause(), "&str");
        let bytes = failure.to_bytes();
        assert_eq!(Failure::from_bytes(&bytes), Some(failure));
        assert_eq!(Failure::from_bytes(&[]), None);
        assert_eq!(Failure::from_bytes(&[9, 0, 0]), None);
        assert_eq!(Failure::from_bytes(&[1, 255, 0, b'x']), None);
        assert_eq!(Failure::from_bytes(&bytes[..bytes.len() - 1]), None);
    }

    #[test]
    fn a_long_text_is_cut_between_characters() {
        let failure = Failure::of_text::<u8>(&"\u{e4}".repeat(5_000));
        assert_eq!(failure.text().len(), MAX_TEXT_BYTES);
        let shifted = Failure::of_text::<u8>(&format!("x{}", "\u{e4}".repeat(5_000)));
        assert_eq!(shifted.text().len(), MAX_TEXT_BYTES - 1);
    }

    #[test]
    fn a_panic_is_told_by_its_text() {
        let payload = std::panic::catch_unwind(|| panic!("out of {}", "plums")).expect_err("it panics");
        let failure = Failure::of_panic(&*payload);
        assert_eq!(
            (failure.kind(), failure.text()),
            (FailureKind::Panic, "out of plums")
        );
    }
}
