//! Operations that depend on the key's present value.

use guira_shm::mutant::Mutant;

use crate::attach::{Counter, ThreadRef};
use crate::computing::FillToken;
use crate::entry::Found;
use crate::error::StoreError;
use crate::expiry::Expiry;
use crate::groups::fold_tags;
use crate::journal::RecordKind;
use crate::key::Key;
use crate::layout::entry::FLAG_ALIGNED;
use crate::metadata::Version;
use crate::ops::derive::{Derived, Plan, Replacement};
use crate::ops::store::Token;
use crate::options::PutOptions;
use crate::segment::Segment;
use crate::shared::Shared;
use crate::tags::Tags;

/// What became of a `replace`, `append`, `prepend`, `touch` or `add_tags`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Replace {
    /// The key had a value, and has the new one.
    Stored,
    /// The key has no value; nothing was stored.
    NotFound,
    /// Invalidated meanwhile: not stored.
    Superseded,
}

/// What became of a `compare_and_swap`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Swap {
    /// The key held the expected version, and has the new value.
    Stored,
    /// The key holds another version; nothing was stored.
    Conflict(Version),
    /// The key has no value; nothing was stored.
    NotFound,
    /// Invalidated meanwhile: not stored.
    Superseded,
}

impl Segment {
    /// Stores `value` only if `key` has one.
    ///
    /// # Errors
    /// As [`Segment::put`].
    pub fn replace(&self, key: &[u8], value: &[u8], options: &PutOptions<'_>) -> Result<Replace, StoreError> {
        let (key, now, thread) = self.begin(key)?;
        let token = options.begun(&key, now);
        let fresh = self.fresh(value, options)?;
        let derived = self.shared.derive(&thread, &key, &token, |base| {
            Ok(base.map_or(Plan::Keep, |_| Plan::Write(fresh.clone())))
        });
        if !matches!(derived, Ok(Derived::Written | Derived::Kept)) {
            // A failed or superseded write must not leave the value it was to replace.
            self.shared.remove(&thread, &key);
        }
        thread.count(&self.shared, Counter::Stores);
        Ok(replaced(derived?))
    }

    /// Stores `value` only if `key` holds the version that a [`crate::ValueRef`] or
    /// [`crate::Metadata`] gave. The new entry counts as being as old as the one it replaces when
    /// namespaces, tags or everything are invalidated.
    ///
    /// ```
    /// use guira_segment::{Expiry, PutOptions, Segment, Swap};
    ///
    /// let segment = Segment::builder().size(8 << 20).private()?;
    /// segment.put(b"k", b"old", Expiry::never())?;
    /// let seen = segment.get(b"k").map(|value| value.version()).expect("just put");
    /// let options = PutOptions::default();
    /// assert_eq!(segment.compare_and_swap(b"k", seen, b"new", &options)?, Swap::Stored);
    /// assert!(matches!(segment.compare_and_swap(b"k", seen, b"late", &options)?, Swap::Conflict(_)));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`Segment::put`]; nothing is removed.
    pub fn compare_and_swap(
        &self,
        key: &[u8],
        expected: Version,
        value: &[u8],
        options: &PutOptions<'_>,
    ) -> Result<Swap, StoreError> {
        let (key, now, thread) = self.begin(key)?;
        let token = options.begun(&key, now);
        let fresh = self.fresh(value, options)?;
        self.swap(&key, &token, &thread, expected, |base| Replacement {
            birth: Some(base.header.birth()),
            ..fresh.clone()
        })
    }

    /// As [`Segment::fill`] for a key that holds `expected`: stores `value`, which is as old as `token`, in place of that
    /// version, stale or not, and of no other. A write of the key since the token was taken does not refuse it, an
    /// invalidation does.
    ///
    /// ```
    /// use guira_segment::{Expiry, PutOptions, Segment, Swap};
    ///
    /// let segment = Segment::builder().size(8 << 20).private()?;
    /// segment.put(b"k", b"old", Expiry::never())?;
    /// let token = segment.fill_token(b"k");
    /// let seen = segment.get(b"k").map(|value| value.version()).expect("just put");
    /// let options = PutOptions::default();
    /// assert_eq!(segment.refill(b"k", seen, b"new", &token, &options)?, Swap::Stored);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`Segment::put`]; nothing is removed.
    pub fn refill(
        &self,
        key: &[u8],
        expected: Version,
        value: &[u8],
        token: &FillToken,
        options: &PutOptions<'_>,
    ) -> Result<Swap, StoreError> {
        let (key, _, thread) = self.begin(key)?;
        let fresh = self.fresh(value, options)?;
        if key.hash != token.hash {
            return Ok(Swap::Superseded);
        }
        self.swap(&key, &token.token, &thread, expected, |_| fresh.clone())
    }

    fn swap(
        &self,
        key: &Key<'_>,
        token: &Token,
        thread: &ThreadRef<'_>,
        expected: Version,
        replacement: impl Fn(&Found<'_>) -> Replacement,
    ) -> Result<Swap, StoreError> {
        let mut kept = Swap::NotFound;
        let derived = self.shared.derive(thread, key, token, |base| {
            let Some(base) = base else {
                kept = Swap::NotFound;
                return Ok(Plan::Keep);
            };
            let version = self.shared.version(base);
            if version != expected && !Mutant::VersionBlindSwap.is_on() {
                kept = Swap::Conflict(version);
                return Ok(Plan::Keep);
            }
            Ok(Plan::Write(replacement(base)))
        })?;
        thread.count(&self.shared, Counter::Stores);
        Ok(match derived {
            Derived::Written => Swap::Stored,
            Derived::Kept => kept,
            Derived::Superseded => Swap::Superseded,
        })
    }

    /// Adds `delta` to the decimal integer that `key` holds, keeping its lifetime and tags, and
    /// returns the sum; `None` if there is no value and no `initial`. Without a value stores
    /// `initial` (to which `delta` is not added), living as `expiry` says.
    ///
    /// Overflow is an error and leaves the value as it is.
    ///
    /// ```
    /// use guira_segment::{Expiry, Segment};
    ///
    /// let segment = Segment::builder().size(8 << 20).private()?;
    /// assert_eq!(segment.increment(b"visits", 1, Some(1), Expiry::never())?, Some(1));
    /// assert_eq!(segment.increment(b"visits", 5, Some(1), Expiry::never())?, Some(6));
    /// assert_eq!(segment.increment(b"absent", 1, None, Expiry::never())?, None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`StoreError::NotANumber`], [`StoreError::Overflow`], and as [`Segment::add`].
    pub fn increment(
        &self,
        key: &[u8],
        delta: i64,
        initial: Option<i64>,
        expiry: Expiry,
    ) -> Result<Option<i64>, StoreError> {
        let (key, token, thread) = self.begin(key)?;
        let mut result = None;
        self.shared.derive(&thread, &key, &token, |base| {
            let Some(base) = base else {
                result = initial;
                return match initial {
                    None => Ok(Plan::Keep),
                    Some(value) => Ok(Plan::Write(
                        self.fresh(value.to_string().as_bytes(), &PutOptions::from(expiry))?,
                    )),
                };
            };
            let value = self.shared.number(base)?;
            let sum = value
                .checked_add(delta)
                .ok_or(StoreError::Overflow { value, delta })?;
            result = Some(sum);
            Ok(Plan::Write(
                self.shared.inherit(base, sum.to_string().into_bytes()),
            ))
        })?;
        thread.count(&self.shared, Counter::Stores);
        Ok(result)
    }

    /// Subtracts `delta`: [`Segment::increment`] with the sign turned.
    ///
    /// # Errors
    /// As [`Segment::increment`]; `i64::MIN` cannot be subtracted.
    pub fn decrement(
        &self,
        key: &[u8],
        delta: i64,
        initial: Option<i64>,
        expiry: Expiry,
    ) -> Result<Option<i64>, StoreError> {
        let negated = delta
            .checked_neg()
            .ok_or(StoreError::Overflow { value: 0, delta })?;
        self.increment(key, negated, initial, expiry)
    }

    /// Appends `suffix` to `key`'s value, keeping its lifetime and tags.
    ///
    /// # Errors
    /// As [`Segment::add`]; the value is untouched.
    pub fn append(&self, key: &[u8], suffix: &[u8]) -> Result<Replace, StoreError> {
        let (key, token, thread) = self.begin(key)?;
        let derived = self.shared.derive(&thread, &key, &token, |base| {
            Ok(base.map_or(Plan::Keep, |base| {
                let mut value = self.shared.value_of(base);
                value.extend_from_slice(suffix);
                Plan::Write(self.shared.inherit(base, value))
            }))
        })?;
        thread.count(&self.shared, Counter::Stores);
        Ok(replaced(derived))
    }

    /// Puts `prefix` before `key`'s value, keeping its lifetime and tags; behind `head`, if that is not empty, which the
    /// value must begin with: one that does not counts as none.
    ///
    /// # Errors
    /// As [`Segment::add`]; the value is untouched.
    pub fn prepend(&self, key: &[u8], head: &[u8], prefix: &[u8]) -> Result<Replace, StoreError> {
        let (key, token, thread) = self.begin(key)?;
        let derived = self.shared.derive(&thread, &key, &token, |base| {
            let Some(base) = base else {
                return Ok(Plan::Keep);
            };
            let present = self.shared.value_of(base);
            Ok(present.strip_prefix(head).map_or(Plan::Keep, |rest| {
                Plan::Write(self.shared.inherit(base, [head, prefix, rest].concat()))
            }))
        })?;
        thread.count(&self.shared, Counter::Stores);
        Ok(replaced(derived))
    }

    /// Gives `key`'s entry another lifetime, beginning now.
    ///
    /// # Errors
    /// As [`Segment::add`]; the entry is untouched.
    pub fn touch(&self, key: &[u8], expiry: Expiry) -> Result<Replace, StoreError> {
        let (key, token, thread) = self.begin(key)?;
        let (hard_ms, soft_ms) = expiry.deadlines_ms(self.shared.clock.now_ms())?;
        let derived = self.shared.derive(&thread, &key, &token, |base| {
            Ok(base.map_or(Plan::Keep, |base| {
                let inherited = self.shared.inherit(base, self.shared.value_of(base));
                Plan::Write(Replacement {
                    hard_ms,
                    soft_ms,
                    ..inherited
                })
            }))
        })?;
        Ok(replaced(derived))
    }

    /// Adds `tags` to those of `key`'s entry, as if it had always carried them: what was invalidated by one of them
    /// since the entry's computation began is a miss from now on. If those are more than an entry carries, they
    /// are [folded](crate::fold_tags).
    ///
    /// ```
    /// use guira_segment::{Expiry, Replace, Segment};
    ///
    /// let segment = Segment::builder().size(8 << 20).private()?;
    /// segment.put(b"page", b"html", Expiry::never())?;
    /// assert_eq!(segment.add_tags(b"page", &[b"user:7"])?, Replace::Stored);
    /// segment.invalidate_tag(b"user:7");
    /// assert!(segment.get(b"page").is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// As [`Segment::add`]; the entry is untouched.
    pub fn add_tags(&self, key: &[u8], tags: &[&[u8]]) -> Result<Replace, StoreError> {
        let (key, token, thread) = self.begin(key)?;
        // Refused whether there is an entry or not.
        self.folded(tags)?;
        let mut is_damaged = false;
        let derived = self.shared.derive(&thread, &key, &token, |base| {
            let Some(base) = base else {
                return Ok(Plan::Keep);
            };
            let present = self.shared.tags_of(base);
            let names = present.names();
            let names: Vec<&[u8]> = names.iter().map(Vec::as_slice).collect();
            if !Tags::new(self.shared.superblock.hash_seed, &names)?
                .hashes()
                .eq(present.hashes())
            {
                // Only the hashes have a check. With names that do not fit them it could not be invalidated by the
                // tags that it has.
                is_damaged = true;
                return Ok(Plan::Keep);
            }
            let all: Vec<&[u8]> = names.into_iter().chain(tags.iter().copied()).collect();
            Ok(Plan::Write(Replacement {
                tags: self.folded(&all)?,
                ..self.shared.inherit(base, self.shared.value_of(base))
            }))
        })?;
        if is_damaged {
            thread.count(&self.shared, Counter::Damaged);
            self.shared.remove(&thread, &key);
        }
        thread.count(&self.shared, Counter::Stores);
        Ok(replaced(derived))
    }

    fn folded(&self, names: &[&[u8]]) -> Result<Tags, StoreError> {
        let folded = fold_tags(names);
        let folded: Vec<&[u8]> = folded.iter().map(Vec::as_slice).collect();
        Tags::new(self.shared.superblock.hash_seed, &folded)
    }

    /// Makes `key`'s value stale: it is still returned, marked as due for a refresh, and a
    /// computation begun before does not appear fresh. What is made of it later by `touch`, `append`,
    /// `prepend`, `increment` or `add_tags` is not stale. Says whether there was one.
    pub fn expire(&self, key: &[u8]) -> bool {
        let hashed = self.key(key);
        let Some(thread) = self.shared.thread() else {
            return false;
        };
        if key.is_empty() {
            return false;
        }
        let shared = &*self.shared;
        let stamp = || shared.clock_now().wrapping_add(1);
        let (_, announced) = shared.announce_at(RecordKind::Expire, self.namespace, hashed.hash, 0, stamp);
        let was_there = shared.expire(&thread, &hashed);
        shared.conclude(announced);
        was_there
    }

    fn fresh(&self, value: &[u8], options: &PutOptions<'_>) -> Result<Replacement, StoreError> {
        let (hard_ms, soft_ms) = options.expiry.deadlines_ms(self.shared.clock.now_ms())?;
        let tags = Tags::new(self.shared.superblock.hash_seed, options.tags)?;
        Ok(Replacement {
            value: value.to_vec(),
            tags,
            aligned: options.aligned,
            birth: None,
            hard_ms,
            soft_ms,
        })
    }

    /// For tests and inspection: the key as the engine hashes it.
    #[doc(hidden)]
    #[must_use]
    pub fn hash_of(&self, key: &[u8]) -> u64 {
        let key: Key<'_> = self.key(key);
        key.hash
    }
}

const fn replaced(derived: Derived) -> Replace {
    match derived {
        Derived::Written => Replace::Stored,
        Derived::Kept => Replace::NotFound,
        Derived::Superseded => Replace::Superseded,
    }
}

impl Shared {
    pub(crate) fn value_of(&self, found: &Found<'_>) -> Vec<u8> {
        let mut value = Vec::with_capacity(found.value_bytes());
        self.region()
            .append_to(found.value_offset(), found.value_bytes(), &mut value);
        value
    }

    fn number(&self, found: &Found<'_>) -> Result<i64, StoreError> {
        if found.value_bytes() > 20 {
            return Err(StoreError::NotANumber);
        }
        std::str::from_utf8(&self.value_of(found))
            .ok()
            .and_then(|text| text.parse().ok())
            .ok_or(StoreError::NotANumber)
    }

    /// Another value with everything else as the present entry has it.
    fn inherit(&self, found: &Found<'_>, value: Vec<u8>) -> Replacement {
        Replacement {
            value,
            tags: self.tags_of(found),
            aligned: found.header.has(FLAG_ALIGNED),
            birth: Some(found.header.birth()),
            hard_ms: found.header.hard_ms(),
            soft_ms: found.header.soft_ms(),
        }
    }
}
