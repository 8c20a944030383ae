//! Options of one put.

use std::time::Duration;

use crate::lifetime::Lifetime;

/// How a value is stored. Wherever these are asked for, a [`Lifetime`] or a [`Duration`] will do.
///
/// ```
/// use guira::PutOptions;
/// use std::time::Duration;
///
/// let options = PutOptions::default().lifetime(Duration::from_secs(60)).tags(&[b"team:3"]);
/// # let _ = options;
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct PutOptions<'t> {
    pub(crate) lifetime: Lifetime,
    pub(crate) tags: &'t [&'t [u8]],
}

impl<'t> PutOptions<'t> {
    /// How long it lives; by default as the cache is configured.
    #[must_use]
    pub fn lifetime(self, lifetime: impl Into<Lifetime>) -> Self {
        Self {
            lifetime: lifetime.into(),
            ..self
        }
    }

    /// Tags by which it can be invalidated with others, at most 16 of 1 to 255 bytes; none by
    /// default.
    #[must_use]
    pub const fn tags(self, tags: &'t [&'t [u8]]) -> Self {
        Self { tags, ..self }
    }
}

impl From<Lifetime> for PutOptions<'_> {
    fn from(lifetime: Lifetime) -> Self {
        Self { lifetime, tags: &[] }
    }
}

impl From<&Self> for PutOptions<'_> {
    fn from(options: &Self) -> Self {
        *options
    }
}

impl From<Duration> for PutOptions<'_> {
    fn from(ttl: Duration) -> Self {
        Lifetime::after(ttl).into()
    }
}
