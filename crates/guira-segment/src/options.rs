//! Options of one put.

use crate::expiry::Expiry;

/// How a value is stored; `put` takes an [`Expiry`] alone, `put_with` takes this.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PutOptions<'t> {
    pub(crate) expiry: Expiry,
    pub(crate) tags: &'t [&'t [u8]],
    pub(crate) aligned: bool,
}

impl Default for PutOptions<'_> {
    fn default() -> Self {
        Self {
            expiry: Expiry::never(),
            tags: &[],
            aligned: false,
        }
    }
}

impl From<Expiry> for PutOptions<'_> {
    fn from(expiry: Expiry) -> Self {
        Self {
            expiry,
            ..Self::default()
        }
    }
}

impl<'t> PutOptions<'t> {
    /// How long it lives; by default until it is evicted.
    #[must_use]
    pub const fn expiry(self, expiry: Expiry) -> Self {
        Self { expiry, ..self }
    }

    /// As it is, but that it lives no longer than this.
    #[must_use]
    pub fn within(self, expiry: Expiry) -> Self {
        Self {
            expiry: self.expiry.within(expiry),
            ..self
        }
    }

    /// Tags by which it can be invalidated with others, at most 16 of 1 to 255 bytes; none by
    /// default.
    #[must_use]
    pub const fn tags(self, tags: &'t [&'t [u8]]) -> Self {
        Self { tags, ..self }
    }

    /// Whether the value begins on a multiple of 16 bytes, for formats that are read in place; not
    /// by default.
    #[must_use]
    pub const fn aligned(self, aligned: bool) -> Self {
        Self { aligned, ..self }
    }
}
