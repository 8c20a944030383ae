//! The handle that callers use.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::attach::{Counter, ThreadRef};
use crate::builder::SegmentBuilder;
use crate::cluster::id_of_cluster;
use crate::entry::Found;
use crate::error::{NamespaceError, StoreError};
use crate::expiry::Expiry;
use crate::key::Key;
use crate::layout::block::Pool;
use crate::layout::control::CONTROL_GUARDED_BLOCKS;
use crate::layout::slot::Slot;
use crate::log::write::Draft;
use crate::metadata::Metadata;
use crate::ops::store::{Intent, StoreOutcome, Token};
use crate::options::PutOptions;
use crate::pin::{EnginePin, Pinned};
use crate::shared::Shared;
use crate::tags::Tags;
use crate::value::ValueRef;
use guira_shm::sync::{AtomicU64, Ordering};

/// A segment, seen through one of its namespaces. Cheap to clone; `Send` and `Sync`.
///
/// The last handle that is dropped in a process detaches it. After `fork` the child may go on using
/// its copy: it attaches as a process of its own on its first operation.
#[derive(Clone, Debug)]
pub struct Segment {
    pub(crate) shared: Arc<Shared>,
    pub(crate) namespace: u16,
    /// Of the namespace's keys.
    seed: u64,
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

/// What a read into a buffer found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Read {
    /// No value; the buffer is empty.
    Miss,
    /// The value.
    Fresh,
    /// The value, past its soft deadline or expired.
    Stale,
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

impl Segment {
    /// How to create or open a segment.
    #[must_use]
    pub fn builder() -> SegmentBuilder {
        SegmentBuilder::default()
    }

    pub(crate) fn new(shared: Arc<Shared>, namespace: u16) -> Self {
        let seed = shared.namespace_seed(namespace);
        Self {
            shared,
            namespace,
            seed,
        }
    }

    /// The file, empty for a segment on private memory.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.shared.path()
    }

    /// The same segment through the namespace `name` (1 to 104 bytes), which is made if it is new.
    ///
    /// ```
    /// use guira_segment::{Expiry, Segment};
    ///
    /// let segment = Segment::builder().size(8 << 20).private()?;
    /// let users = segment.namespace("users")?;
    /// users.put(b"7", b"plum", Expiry::never())?;
    /// assert!(segment.get(b"7").is_none());
    /// users.clear(); // in constant time; other namespaces keep theirs
    /// assert!(users.get(b"7").is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// A bad name, or no row left for a new one.
    pub fn namespace(&self, name: &str) -> Result<Self, NamespaceError> {
        let namespace = self.shared.namespace(name.as_bytes())?;
        Ok(Self::new(Arc::clone(&self.shared), namespace))
    }

    /// The same segment through the namespace `name`, if it exists.
    #[must_use]
    pub fn existing_namespace(&self, name: &str) -> Option<Self> {
        let namespace = self.shared.find_namespace(name.as_bytes())?;
        Some(Self::new(Arc::clone(&self.shared), namespace))
    }

    /// The same segment through the default namespace.
    #[must_use]
    pub fn default_namespace(&self) -> Self {
        Self::new(Arc::clone(&self.shared), 0)
    }

    /// The name of this handle's namespace; `None` for the default one.
    #[must_use]
    pub fn namespace_name(&self) -> Option<String> {
        self.shared
            .namespace_name(self.namespace)
            .map(|name| String::from_utf8_lossy(&name).into_owned())
    }

    /// The segment's number, which was drawn when it was made: the same in every process, and no other segment's.
    #[must_use]
    pub fn id(&self) -> u128 {
        self.shared.superblock.id
    }

    /// The number of the cluster that the segment was made for, the same in all segments of one name.
    ///
    /// ```
    /// use guira_segment::Segment;
    ///
    /// let builder = Segment::builder().size(8 << 20).cluster("shop");
    /// let (one, other) = (builder.private()?, builder.private()?);
    /// assert_eq!(one.cluster_id(), other.cluster_id());
    /// assert!(one.is_of_cluster("shop") && !one.is_of_cluster("other"));
    /// assert!(Segment::builder().size(8 << 20).private()?.cluster_id().is_none());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn cluster_id(&self) -> Option<u64> {
        let cluster = self.shared.superblock.cluster;
        (cluster != 0).then_some(cluster)
    }

    /// Whether the segment was made for the cluster `name`: the name itself is not in it.
    #[must_use]
    pub fn is_of_cluster(&self, name: &str) -> bool {
        self.cluster_id() == Some(id_of_cluster(name))
    }

    /// The longest value this segment takes, in bytes.
    #[must_use]
    pub fn max_value_bytes(&self) -> usize {
        self.shared.max_value_bytes()
    }

    #[inline(always)]
    pub(crate) fn key<'k>(&self, bytes: &'k [u8]) -> Key<'k> {
        Key::new(&self.shared.geometry, self.seed, self.namespace, bytes)
    }

    /// The key, checked, the token with which a write of it begins, and this thread's line.
    ///
    /// The token is the first thing: what is invalidated from the call on supersedes the write, however
    /// long this thread takes to get a line, or a forked child to attach.
    pub(crate) fn begin<'k>(&self, bytes: &'k [u8]) -> Result<(Key<'k>, Token, ThreadRef<'_>), StoreError> {
        Key::check_length(bytes)?;
        let key = self.key(bytes);
        self.shared.prefetch_for_write(&key);
        let token = self.shared.token(&key);
        Ok((key, token, self.writing_thread()?))
    }

    pub(crate) fn writing_thread(&self) -> Result<ThreadRef<'_>, StoreError> {
        self.shared.check_not_lost()?;
        self.shared.thread().ok_or(StoreError::NotAttached)
    }

    // ---- reading

    /// The value of `key`, borrowed from the segment.
    #[must_use]
    pub fn get(&self, key: &[u8]) -> Option<ValueRef<'_>> {
        let key = self.key(key);
        let thread = self.shared.thread()?;
        self.get_with(&thread, &key)
    }

    pub(crate) fn get_with<'s>(&'s self, thread: &ThreadRef<'_>, key: &Key<'_>) -> Option<ValueRef<'s>> {
        let shared = &*self.shared;
        if key.bytes.is_empty() {
            thread.count(shared, Counter::Misses);
            return None;
        }
        shared.buckets().prefetch(key.pair.partner);
        let slot = shared.candidate(&key.pair);
        let Some(pin) = thread
            .free_guard_pin(shared)
            .filter(|_| !self.guards_are_scarce())
        else {
            let pin = thread.engine_pin(shared, EnginePin::Read);
            let found = self.read_intact(thread, pin, None, key, slot)?;
            return Some(ValueRef::copied(shared, &found));
        };
        let pinned = match shared.read_plain(thread, thread.line(shared), pin, key, slot) {
            Ok(plain) => return Some(ValueRef::pinned(shared, plain.found)),
            Err(pinned) => pinned,
        };
        let found = self.read_intact(thread, pin, pinned, key, slot)?;
        Some(ValueRef::pinned(shared, found))
    }

    /// What is not plain, or not where it was looked for first.
    #[inline(never)]
    fn read_intact<'s>(
        &'s self,
        thread: &ThreadRef<'_>,
        pin: &'s AtomicU64,
        pinned: Option<Pinned<'s>>,
        key: &Key<'_>,
        slot: Slot,
    ) -> Option<Found<'s>> {
        let shared = &*self.shared;
        let found = shared.read_on(thread, pin, pinned, key, slot)?;
        if shared.verify_values
            && !shared.value_is_intact(found.value_offset(), found.value_bytes(), &found.header)
        {
            thread.count(shared, Counter::Damaged);
            return None;
        }
        Some(found)
    }

    /// Guards hold a quarter of all blocks: the next ones copy.
    fn guards_are_scarce(&self) -> bool {
        let guarded = self.shared.word(CONTROL_GUARDED_BLOCKS).load(Ordering::Relaxed);
        guarded >= u64::from(self.shared.geometry.blocks() / 4).max(1)
    }

    /// Replaces the contents of `buffer` by the value of `key`; false, and an empty buffer, on a miss.
    #[inline]
    pub fn get_into(&self, key: &[u8], buffer: &mut Vec<u8>) -> bool {
        self.copy_into(key, buffer, |_| ()).is_some()
    }

    /// As [`Segment::get_into`], and says whether the value is past its soft deadline, or expired by
    /// [`Segment::expire`]: usable, but due for a refresh.
    #[inline]
    pub fn read_into(&self, key: &[u8], buffer: &mut Vec<u8>) -> Read {
        match self.copy_into(key, buffer, |found| {
            self.shared.is_stale_entry(found, found.state)
        }) {
            None => Read::Miss,
            Some(false) => Read::Fresh,
            Some(true) => Read::Stale,
        }
    }

    #[inline(always)]
    fn copy_into<R>(
        &self,
        key: &[u8],
        buffer: &mut Vec<u8>,
        judge: impl FnOnce(&Found<'_>) -> R,
    ) -> Option<R> {
        buffer.clear();
        let key = self.key(key);
        let thread = self.shared.thread()?;
        let shared = &*self.shared;
        shared.buckets().prefetch(key.pair.partner);
        shared.append_value(&thread, &key, shared.candidate(&key.pair), buffer, judge)
    }

    /// Calls `each` with the index and value of every key, in order. The memory latencies of the
    /// keys overlap; values are copied before `each` sees them.
    ///
    /// ```
    /// use guira_segment::{Expiry, Segment};
    ///
    /// let segment = Segment::builder().size(8 << 20).private()?;
    /// segment.put(b"b", b"value", Expiry::never())?;
    /// let mut found = Vec::new();
    /// segment.get_many(&[b"a", b"b"], |index, value| found.push((index, value.is_some())));
    /// assert_eq!(found, [(0, false), (1, true)]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn get_many(&self, keys: &[&[u8]], each: impl FnMut(usize, Option<&[u8]>)) {
        self.shared.get_many((self.namespace, self.seed), keys, each);
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

    /// Milliseconds since the segment was made, as its deadlines count them: the same in every process, and while the
    /// machine sleeps too.
    #[must_use]
    pub fn now_ms(&self) -> u64 {
        self.shared.clock.now_ms()
    }

    /// Whether the segment is a file that is still there after a restart of the machine, so that it matters in
    /// which order it is left.
    #[must_use]
    pub fn survives_reboot(&self) -> bool {
        self.shared
            .memory
            .file()
            .is_some_and(guira_shm::file::MappedFile::survives_reboot)
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
        let pin = thread.engine_pin(&self.shared, EnginePin::Read);
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
        let (key, now, thread) = self.begin(key)?;
        let token = options.begun(&key, now);
        let outcome = self.store(&thread, &key, value, options, Intent::Put, &token)?;
        Ok(match outcome {
            StoreOutcome::Superseded => Put::Superseded,
            StoreOutcome::Stored | StoreOutcome::Occupied => Put::Stored,
        })
    }

    /// Whether a put of `key` with these options would be refused whatever its value is: for those who have work to do
    /// before they put.
    ///
    /// # Errors
    /// A bad key, lifetime or tag list.
    pub fn check_put(&self, key: &[u8], options: &PutOptions<'_>) -> Result<(), StoreError> {
        Key::check_length(key)?;
        options.expiry.deadlines_ms(0)?;
        Tags::new(self.shared.superblock.hash_seed, options.tags).map(drop)
    }

    /// Stores `value` only if `key` has none.
    ///
    /// # Errors
    /// As [`Segment::put`]; nothing is removed.
    pub fn add(&self, key: &[u8], value: &[u8], options: &PutOptions<'_>) -> Result<Add, StoreError> {
        let (key, now, thread) = self.begin(key)?;
        let token = options.begun(&key, now);
        Ok(
            match self.store(&thread, &key, value, options, Intent::Add, &token)? {
                StoreOutcome::Stored => Add::Stored,
                StoreOutcome::Occupied => Add::Exists,
                StoreOutcome::Superseded => Add::Superseded,
            },
        )
    }

    pub(crate) fn store(
        &self,
        thread: &ThreadRef<'_>,
        key: &Key<'_>,
        value: &[u8],
        options: &PutOptions<'_>,
        intent: Intent,
        token: &Token,
    ) -> Result<StoreOutcome, StoreError> {
        let shared = &*self.shared;
        // Without a deadline the clock is not read at all.
        let now_ms = if options.expiry == Expiry::never() {
            0
        } else {
            shared.clock.now_ms()
        };
        let (hard_ms, soft_ms) = options.expiry.deadlines_ms(now_ms)?;
        let tags = Tags::new(shared.superblock.hash_seed, options.tags)?;
        let mut draft = Draft {
            key: *key,
            value: [value, &[]],
            tags: &tags,
            aligned: options.aligned,
            birth: token.clock,
            hard_ms,
            soft_ms,
            pool: Pool::Admission,
            conditional: false,
        };
        if value.len() <= shared.geometry.max_shared_entry_bytes() {
            draft.pool = shared.choose_pool(key);
        }
        shared.reclaim_for(thread, &draft);
        let outcome = shared.store(thread, &draft, intent, token);
        thread.count(
            shared,
            if intent == Intent::Fill {
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
}
