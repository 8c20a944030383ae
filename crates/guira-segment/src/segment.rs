//! The handle that callers use.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::attach::{Counter, ThreadRef};
use crate::builder::SegmentBuilder;
use crate::entry::Found;
use crate::error::{NamespaceError, StoreError};
use crate::expiry::Expiry;
use crate::flight::Flight;
use crate::key::Key;
use crate::layout::block::Pool;
use crate::layout::control::{CONTROL_FLOOR, CONTROL_GUARDED_BLOCKS};
use crate::log::write::Draft;
use crate::metadata::Metadata;
use crate::ops::store::{Intent, StoreOutcome, Token};
use crate::options::PutOptions;
use crate::pin::EnginePin;
use crate::shared::Shared;
use crate::tags::{Tags, hash_tag};
use crate::value::ValueRef;
use guira_shm::sync::Ordering;

/// A segment, seen through one of its namespaces. Cheap to clone; `Send` and `Sync`.
///
/// The last handle that is dropped in a process detaches it. After `fork` the child may go on using
/// its copy: it attaches as a process of its own on its first operation.
#[derive(Clone, Debug)]
pub struct Segment {
    pub(crate) shared: Arc<Shared>,
    pub(crate) namespace: u16,
}

/// What became of a put.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Put {
    /// It is there (or was, until a concurrent put replaced it).
    Stored,
    /// The key, one of its tags, its namespace or everything was invalidated after the put began:
    /// the value was not stored.
    Superseded,
}

/// What became of a fill.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fill {
    /// The computed value is there.
    Stored,
    /// The key was invalidated or written after the token was taken, or holds a value that is not
    /// the one to be refreshed: the computed value was not stored. The caller still has it.
    Superseded,
}

/// What became of an `add`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Add {
    /// The key was absent and has the value now.
    Stored,
    /// The key has a value, which was left alone.
    Exists,
    /// Invalidated while it was added: not stored.
    Superseded,
}

/// A look-up that is to be followed by a computation on a miss.
#[derive(Debug)]
pub enum Lookup<'s> {
    /// The value.
    Hit(ValueRef<'s>),
    /// The value, past its soft deadline, and the token with which it may be refreshed.
    Stale(ValueRef<'s>, FillToken),
    /// No value; take the token before reading the source.
    Miss(FillToken),
}

/// When a computation began: it is stored by `fill` only if nothing that it may depend on was
/// written or invalidated since. Belongs to one key of one segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FillToken {
    pub(crate) token: Token,
    pub(crate) hash: u64,
}

impl Segment {
    /// How to create or open a segment.
    #[must_use]
    pub fn builder() -> SegmentBuilder {
        SegmentBuilder::default()
    }

    /// The file, empty for a segment on private memory.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.shared.path()
    }

    /// The same segment through the namespace `name` (1 to 104 bytes), which is made if it is new.
    ///
    /// # Errors
    /// A bad name, or no row left for a new one.
    pub fn namespace(&self, name: &str) -> Result<Self, NamespaceError> {
        Ok(Self {
            shared: Arc::clone(&self.shared),
            namespace: self.shared.namespace(name.as_bytes())?,
        })
    }

    /// The same segment through the namespace `name`, if it exists.
    #[must_use]
    pub fn existing_namespace(&self, name: &str) -> Option<Self> {
        let namespace = self.shared.find_namespace(name.as_bytes())?;
        Some(Self {
            shared: Arc::clone(&self.shared),
            namespace,
        })
    }

    /// The name of this handle's namespace; `None` for the default one.
    #[must_use]
    pub fn namespace_name(&self) -> Option<String> {
        self.shared
            .namespace_name(self.namespace)
            .map(|name| String::from_utf8_lossy(&name).into_owned())
    }

    /// The longest value this segment takes, in bytes.
    #[must_use]
    pub fn max_value_bytes(&self) -> usize {
        self.shared.max_value_bytes()
    }

    #[inline(always)]
    pub(crate) fn key<'k>(&self, bytes: &'k [u8]) -> Key<'k> {
        Key::new(
            &self.shared.geometry,
            self.shared.superblock.hash_seed,
            self.namespace,
            bytes,
        )
    }

    /// The key, checked, and this thread's line.
    pub(crate) fn begin<'k>(&self, bytes: &'k [u8]) -> Result<(Key<'k>, ThreadRef<'_>), StoreError> {
        Key::check_length(bytes)?;
        let thread = self.shared.thread().ok_or(StoreError::NotAttached)?;
        Ok((self.key(bytes), thread))
    }

    // ---- reading

    /// The value of `key`, borrowed from the segment.
    #[must_use]
    pub fn get(&self, key: &[u8]) -> Option<ValueRef<'_>> {
        let key = self.key(key);
        let thread = self.shared.thread()?;
        self.get_with(&thread, &key)
    }

    fn get_with<'s>(&'s self, thread: &ThreadRef<'_>, key: &Key<'_>) -> Option<ValueRef<'s>> {
        let shared = &*self.shared;
        if key.bytes.is_empty() {
            thread.count(shared, Counter::Misses);
            return None;
        }
        let guard = thread
            .free_guard_pin(shared)
            .filter(|_| !self.guards_are_scarce());
        let pin = guard.unwrap_or_else(|| thread.engine_pin(shared, EnginePin::Read as usize));
        let found = shared.find_counted(thread, pin, key)?;
        if shared.verify_values
            && !shared.value_is_intact(found.value_offset(), found.value_bytes(), &found.header)
        {
            thread.count(shared, Counter::Damaged);
            return None;
        }
        Some(match guard {
            Some(_) => ValueRef::pinned(shared, found),
            None => ValueRef::copied(shared, &found),
        })
    }

    /// Guards hold a quarter of all blocks: the next ones copy.
    fn guards_are_scarce(&self) -> bool {
        let guarded = self.shared.word(CONTROL_GUARDED_BLOCKS).load(Ordering::Relaxed);
        guarded >= u64::from(self.shared.geometry.blocks() / 4).max(1)
    }

    /// Replaces the contents of `buffer` by the value of `key`; false, and an empty buffer, on a miss.
    #[inline]
    pub fn get_into(&self, key: &[u8], buffer: &mut Vec<u8>) -> bool {
        buffer.clear();
        let key = self.key(key);
        let Some(thread) = self.shared.thread() else {
            return false;
        };
        let shared = &*self.shared;
        if key.bytes.is_empty() {
            thread.count(shared, Counter::Misses);
            return false;
        }
        shared.append_plain(&thread, &key, buffer) || self.append_found(&thread, &key, buffer)
    }

    /// What `append_plain` does not decide.
    #[inline(never)]
    fn append_found(&self, thread: &ThreadRef<'_>, key: &Key<'_>, buffer: &mut Vec<u8>) -> bool {
        let shared = &*self.shared;
        let pin = thread.engine_pin(shared, EnginePin::Read as usize);
        let Some(found) = shared.find_counted(thread, pin, key) else {
            return false;
        };
        if shared.verify_values
            && !shared.value_is_intact(found.value_offset(), found.value_bytes(), &found.header)
        {
            thread.count(shared, Counter::Damaged);
            return false;
        }
        shared
            .region()
            .append_to(found.value_offset(), found.value_bytes(), buffer);
        true
    }

    /// Calls `each` with the index and value of every key, in order. The memory latencies of the
    /// keys overlap; values are copied before `each` sees them.
    pub fn get_many(&self, keys: &[&[u8]], mut each: impl FnMut(usize, Option<&[u8]>)) {
        match self.shared.thread() {
            Some(thread) if !thread.is_commons => self.shared.get_many(&thread, self.namespace, keys, each),
            // The common line is locked while it is used, and `each` may use the segment, too.
            other => {
                drop(other);
                let mut value = Vec::new();
                for (index, key) in keys.iter().enumerate() {
                    let found = self.get_into(key, &mut value);
                    each(index, found.then_some(value.as_slice()));
                }
            }
        }
    }

    /// Whether `key` has a value. Counts as neither hit nor read.
    #[must_use]
    pub fn contains(&self, key: &[u8]) -> bool {
        self.metadata(key).is_some()
    }

    /// Deadlines, age, size, block and version of `key`'s entry. Counts as neither hit nor read.
    #[must_use]
    pub fn metadata(&self, key: &[u8]) -> Option<Metadata> {
        self.peek(key, |shared, found| shared.metadata(found, found.state))
    }

    /// Time to the hard deadline: `None` on a miss, `Some(None)` for an entry without one.
    #[must_use]
    pub fn ttl(&self, key: &[u8]) -> Option<Option<Duration>> {
        self.peek(key, |shared, found| shared.metadata(found, found.state).ttl)
    }

    /// The tags of `key`'s entry.
    #[must_use]
    pub fn tags(&self, key: &[u8]) -> Option<Vec<Vec<u8>>> {
        self.peek(key, |shared, found| shared.tags_of(found).names())
    }

    fn peek<R>(&self, key: &[u8], look: impl FnOnce(&Shared, &Found<'_>) -> R) -> Option<R> {
        let key = self.key(key);
        let thread = self.shared.thread()?;
        if key.bytes.is_empty() {
            return None;
        }
        let pin = thread.engine_pin(&self.shared, EnginePin::Read as usize);
        let found = self.shared.find(&thread, pin, &key)?;
        Some(look(&self.shared, &found))
    }

    // ---- writing

    /// Stores `value` under `key`, replacing what is there.
    ///
    /// # Errors
    /// See [`StoreError`]; a put that fails has removed what it was to replace, unless the key, the
    /// expiry or the tags were bad.
    pub fn put(&self, key: &[u8], value: &[u8], expiry: Expiry) -> Result<Put, StoreError> {
        self.put_with(key, value, &PutOptions::from(expiry))
    }

    /// As [`Segment::put`], with tags and alignment.
    ///
    /// # Errors
    /// As [`Segment::put`].
    pub fn put_with(&self, key: &[u8], value: &[u8], options: &PutOptions<'_>) -> Result<Put, StoreError> {
        let (key, thread) = self.begin(key)?;
        let outcome = self.store(&thread, &key, value, options, Intent::Put)?;
        Ok(match outcome {
            StoreOutcome::Superseded => Put::Superseded,
            StoreOutcome::Stored | StoreOutcome::Occupied => Put::Stored,
        })
    }

    /// Stores `value` only if `key` has none.
    ///
    /// # Errors
    /// As [`Segment::put`]; nothing is removed.
    pub fn add(&self, key: &[u8], value: &[u8], options: &PutOptions<'_>) -> Result<Add, StoreError> {
        let (key, thread) = self.begin(key)?;
        Ok(match self.store(&thread, &key, value, options, Intent::Add)? {
            StoreOutcome::Stored => Add::Stored,
            StoreOutcome::Occupied => Add::Exists,
            StoreOutcome::Superseded => Add::Superseded,
        })
    }

    fn store(
        &self,
        thread: &ThreadRef<'_>,
        key: &Key<'_>,
        value: &[u8],
        options: &PutOptions<'_>,
        intent: Intent,
    ) -> Result<StoreOutcome, StoreError> {
        let shared = &*self.shared;
        // The token is the first thing: with it a put begins, and what is invalidated from here on
        // supersedes it. A fill began with its own.
        let token = match intent {
            Intent::Fill(token) => token,
            Intent::Put | Intent::Add => shared.token(key),
        };
        shared.prefetch_pair(&key.pair);
        shared.prefetch_ghost(key.hash);
        // Without a deadline the clock is not read at all.
        let now_ms = if options.expiry == Expiry::never() {
            0
        } else {
            shared.clock.now_ms()
        };
        let (hard_ms, soft_ms) = options.expiry.deadlines_ms(now_ms)?;
        let tags = Tags::new(shared.superblock.hash_seed, options.tags)?;
        let draft = Draft {
            key: *key,
            value: [value, &[]],
            tags: &tags,
            aligned: options.aligned,
            birth: token.clock,
            hard_ms,
            soft_ms,
            pool: if value.len() > shared.geometry.max_shared_entry_bytes() {
                Pool::Admission
            } else {
                shared.choose_pool(key)
            },
            conditional: false,
        };
        let outcome = shared.store(thread, &draft, intent, &token);
        thread.count(
            shared,
            if matches!(intent, Intent::Fill(_)) {
                Counter::Fills
            } else {
                Counter::Stores
            },
        );
        if outcome == Ok(StoreOutcome::Superseded) {
            thread.count(shared, Counter::Superseded);
        }
        outcome
    }

    // ---- computing

    /// Looks `key` up; on a miss, or for a value past its soft deadline, gives the token that a
    /// computation needs to be stored by [`Segment::fill`].
    #[must_use]
    pub fn lookup(&self, key: &[u8]) -> Lookup<'_> {
        let hashed = self.key(key);
        // The token first: what is written after it must supersede the computation.
        let mut token = FillToken {
            token: self.shared.token(&hashed),
            hash: hashed.hash,
        };
        let Some(thread) = self.shared.thread() else {
            return Lookup::Miss(token);
        };
        match self.get_with(&thread, &hashed) {
            None => Lookup::Miss(token),
            Some(value) if value.is_stale() => {
                token.token.refreshes = self.identity(&thread, &hashed);
                Lookup::Stale(value, token)
            }
            Some(value) => Lookup::Hit(value),
        }
    }

    /// Where the key's present entry lies.
    fn identity(
        &self,
        thread: &ThreadRef<'_>,
        key: &Key<'_>,
    ) -> Option<(crate::layout::slot::Location, u16)> {
        let pin = thread.engine_pin(&self.shared, EnginePin::Read as usize);
        let found = self.shared.find(thread, pin, key)?;
        Some((found.location, found.state.self_generation()))
    }

    /// The token of a computation of `key` that begins now. Take it before the source is read.
    #[must_use]
    pub fn fill_token(&self, key: &[u8]) -> FillToken {
        let key = self.key(key);
        FillToken {
            token: self.shared.token(&key),
            hash: key.hash,
        }
    }

    /// Stores a computed value, unless the key was written or invalidated since `token` was taken.
    ///
    /// # Errors
    /// As [`Segment::put`]; nothing is removed.
    pub fn fill(
        &self,
        key: &[u8],
        value: &[u8],
        token: &FillToken,
        options: &PutOptions<'_>,
    ) -> Result<Fill, StoreError> {
        let (key, thread) = self.begin(key)?;
        if key.hash != token.hash {
            // A token of another key says nothing of this one.
            return Ok(Fill::Superseded);
        }
        Ok(
            match self.store(&thread, &key, value, options, Intent::Fill(token.token))? {
                StoreOutcome::Stored => Fill::Stored,
                StoreOutcome::Superseded | StoreOutcome::Occupied => Fill::Superseded,
            },
        )
    }

    /// Leads or joins the computation of `key` among all processes of the host. `patience` is how
    /// long the leader may take before another caller replaces it.
    #[must_use]
    pub fn flight(&self, key: &[u8], token: &FillToken, patience: Duration) -> Flight<'_> {
        self.shared.flight(&self.key(key), &token.token, patience)
    }

    // ---- removing

    /// Removes `key`; says whether it had a value. Puts that are under way may complete after it.
    pub fn remove(&self, key: &[u8]) -> bool {
        let hashed = self.key(key);
        match self.shared.thread() {
            Some(thread) if !key.is_empty() => self.shared.remove(&thread, &hashed),
            _ => false,
        }
    }

    /// Removes `key` for good: after it returns, no read on this host gives a value whose put began,
    /// or whose fill token was taken, before. Cannot fail. Says whether the key had a value.
    pub fn invalidate(&self, key: &[u8]) -> bool {
        let hashed = self.key(key);
        match self.shared.thread() {
            Some(thread) => self.shared.invalidate(&thread, &hashed),
            None => {
                // A forked child that could not attach has no pins to scan under: the namespace goes.
                self.shared.raise_namespace(self.namespace);
                false
            }
        }
    }

    /// Invalidates every entry that carries `tag`, in constant time.
    pub fn invalidate_tag(&self, tag: &[u8]) {
        let now = self.shared.next_clock();
        let hash = hash_tag(self.shared.superblock.hash_seed, tag);
        // SeqCst: a maximum, in one order with the looks of puts and fills.
        self.shared.tag_stamp(hash).fetch_max(now, Ordering::SeqCst);
    }

    /// Invalidates everything in this handle's namespace, in constant time.
    pub fn clear(&self) {
        self.shared.raise_namespace(self.namespace);
    }

    /// Invalidates everything in the segment, in constant time.
    pub fn clear_all(&self) {
        let now = self.shared.next_clock();
        // SeqCst: as above.
        self.shared.word(CONTROL_FLOOR).fetch_max(now, Ordering::SeqCst);
    }

    /// Gives back what dead processes held; returns how many were found. The engine does this by
    /// itself when it needs what they hold.
    pub fn recover(&self) -> usize {
        self.shared
            .current_attachment()
            .map_or(0, |attachment| self.shared.recover_dead(&attachment, true))
    }

    /// Attaches this process if it is not: a forked child does so on its first operation, and may do
    /// it here to learn of an error.
    ///
    /// # Errors
    /// No free record, or the file cannot be opened any more.
    pub fn attach(&self) -> Result<(), crate::OpenError> {
        self.shared.attach().map(drop)
    }
}
