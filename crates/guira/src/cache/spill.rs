//! Large values in files: what the segment has is a stub, which names the file and decides as any entry does.
//!
//! A value is **spilled** if what would be stored (envelope, compression and seal included) is longer than the cache's
//! threshold. The file is written first, then the stub is stored by the very operation that was asked for: put, add, swap,
//! fill. Whether it was is asked of the segment: the file is kept if the key's entry is its stub now, and removed
//! otherwise. (If the segment cannot say, it is kept: a file that nobody names is swept, a stub without
//! one is a miss.) So everything that decides about entries decides about spilled values, and none of it knows of files.
//!
//! Whoever dies on the way leaves one of three things. A file without a stub is of the row of the dead, and goes with it. A
//! file with its stub stays: whoever takes over the row asks the segment, too. A file whose stub was replaced, by a small
//! value or by the dead, is an orphan until a write or a sweep looks at its record. The old file goes after
//! the new stub is stored, so there is no moment at which the key has neither.
//!
//! A read that meets a stub maps its file. If that is gone or damaged the value is a miss, and the stub goes; if another
//! value has come in its place meanwhile, that is read. A file that
//! cannot be read for another reason (no descriptor left, a failing disk) is a miss, too, and said by a warning.

use guira_files::{Depot, Label, STUB_BYTES, Source, Stub, ValueMap};
use guira_segment::mutant::Mutant;
use guira_segment::{HashedEntry, PutOptions, Segment, Unseen};

use super::Cache;
use crate::error::CodecError;

/// Values of more bytes are spilled, unless a cache says otherwise.
pub(crate) const DEFAULT_SPILL_BYTES: usize = 64 << 10;
/// How often a value is read that is replaced each time between the look at the segment and that at its file.
pub(super) const READS: u32 = 8;
/// A value of the length of a stub is not one.
pub(super) const LEAST_SPILL_BYTES: usize = 1 << 10;

/// Whether what is stored for a value is the stub of its file.
pub(crate) fn is_stub(stored: &[u8]) -> bool {
    Stub::parse(stored).is_some()
}

/// Where a cache's large values go.
#[derive(Clone, Debug)]
pub(super) struct Spill {
    pub(super) depot: Depot,
    pub(super) above_bytes: usize,
}

impl Spill {
    fn is_for(&self, stored: &[u8]) -> bool {
        stored.len() > self.above_bytes
    }

    /// The entry of `key` if its value is a stub, and the stub.
    fn stub(segment: &Segment, key: &[u8]) -> Result<Option<(HashedEntry, Stub)>, Unseen> {
        let (namespace, hash) = (segment.namespace_hash(), segment.hash_of(key));
        let entry = segment.look_by_hash(namespace, hash, STUB_BYTES)?;
        Ok(entry.filter(|entry| entry.key == key).and_then(|entry| {
            let stub = Stub::parse(&entry.value)?;
            Some((entry, stub))
        }))
    }
}

impl<K: ?Sized, V, C> Cache<K, V, C> {
    /// Options with which a write begins now, however long its value takes to be spilled.
    pub(crate) fn begun<'t>(&self, segment: &Segment, key: &[u8], options: PutOptions<'t>) -> PutOptions<'t> {
        match &self.inner.spill {
            Some(_) => options.or_since(&segment.fill_token(key)),
            None => options,
        }
    }

    /// Whether large values of this cache go to files.
    pub(super) fn may_spill(&self) -> bool {
        self.inner.spill.is_some()
    }

    /// Calls `then` with what is to be stored: `stored`, or the stub of a file that has it.
    #[inline]
    pub(super) fn spilled<R, E: From<CodecError>>(
        &self,
        key: &[u8],
        stored: &[u8],
        then: impl FnOnce(&[u8]) -> Result<R, E>,
    ) -> Result<R, E> {
        match &self.inner.spill {
            Some(spill) if spill.is_for(stored) => self.spill(spill, key, stored, then),
            _ => then(stored),
        }
    }

    #[inline(never)]
    fn spill<R, E: From<CodecError>>(
        &self,
        spill: &Spill,
        key: &[u8],
        stored: &[u8],
        then: impl FnOnce(&[u8]) -> Result<R, E>,
    ) -> Result<R, E> {
        let Ok(segment) = &self.inner.segment else {
            return then(stored);
        };
        let before = Spill::stub(segment, key);
        let label = Label::new(segment, key).kind(self.inner.envelope.form().id.number());
        let held = match spill.depot.write(&label, Source::Bytes(stored)) {
            Ok(held) => held,
            Err(error) => {
                return Err(E::from(CodecError::Spill {
                    reason: error.to_string().into(),
                }));
            }
        };
        let own = held.stub();
        if Mutant::RetiredBeforeStored.is_on()
            && let Ok(Some((_, before))) = &before
        {
            spill.depot.retire(before);
        }
        let result = then(&own);
        let now = Spill::stub(segment, key);
        match &now {
            Ok(Some((entry, stub))) if stub.encode() == own => held.keep_for(entry.metadata.ttl),
            Ok(_) => drop(held),
            Err(Unseen) => held.keep(),
        }
        if let (Ok(Some((_, before))), Ok(now)) = (before, now)
            && now.is_none_or(|(_, now)| now != before)
        {
            spill.depot.retire(&before);
        }
        result
    }

    /// Does `remove`, which takes `key`'s value away, and its file with it.
    pub(super) fn removing<R>(&self, segment: &Segment, key: &[u8], remove: impl FnOnce() -> R) -> R {
        let Some(spill) = &self.inner.spill else {
            return remove();
        };
        let before = Spill::stub(segment, key);
        let result = remove();
        if let Ok(Some((_, stub))) = before {
            spill.depot.retire(&stub);
        }
        result
    }

    /// What the file of `stored`, which was read for `key`, has, if that is a stub: `None` if it is another value,
    /// `Some(None)` if the file is gone; then the stub goes, too, if it is still there.
    #[cold]
    pub(super) fn unspilled(&self, key: &[u8], stored: &[u8]) -> Option<Option<ValueMap>> {
        let stub = Stub::parse(stored)?;
        let Some(spill) = &self.inner.spill else {
            tracing::warn!(
                cache = self.name(),
                "a value is in a file, and no directory of files was given; it is missed"
            );
            return Some(None);
        };
        Some(match spill.depot.map(&stub) {
            // A stub in a file is none: nothing leads on from there.
            Ok(Some(map)) => Some(map).filter(|map| Stub::parse(map).is_none()),
            Ok(None) => {
                if let Ok(segment) = &self.inner.segment
                    && !spill.depot.has(&stub)
                {
                    let (namespace, hash) = (segment.namespace_hash(), segment.hash_of(key));
                    segment.evict_by_hash(namespace, hash, STUB_BYTES, |now| now == stored);
                }
                None
            }
            Err(error) => {
                tracing::warn!(cache = self.name(), %error, "a spilled value was missed");
                None
            }
        })
    }

    /// Whether `stored`, which was read for `key` and whose file is gone, is a stub that was replaced meanwhile: then there
    /// is something to be read.
    #[cold]
    pub(super) fn is_replaced(&self, segment: &Segment, key: &[u8], stored: &[u8]) -> bool {
        self.may_spill() && is_stub(stored) && segment.get(key).is_some_and(|now| *now != *stored)
    }

    /// Bytes of `key`'s value in its file; `None` if it is in the segment.
    pub(super) fn spilled_bytes(&self, segment: &Segment, key: &[u8]) -> Option<usize> {
        self.inner.spill.as_ref()?;
        let (_, stub) = Spill::stub(segment, key).ok().flatten()?;
        usize::try_from(stub.value_bytes()).ok()
    }
}
