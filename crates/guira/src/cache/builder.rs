//! Settings of a cache.

use std::marker::PhantomData;
use std::sync::atomic::AtomicU64; // process-private
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use super::spill::{LEAST_SPILL_BYTES, Spill};
use super::{Cache, Inner};
use crate::codec::{Codec, CodecId, Postcard};
use crate::coherence::WhenSuspect;
use crate::envelope::Envelope;
use crate::error::{Error, Unusable};
use crate::flight::{FlightOptions, Flights};
use crate::handle::Guira;
use crate::lifetime::{Lifetime, LifetimeRules};
#[cfg(any(feature = "lz4", feature = "zstd"))]
use crate::transform::Compression;
use crate::transform::Transforms;
#[cfg(any(feature = "encryption", feature = "mac"))]
use crate::transform::{KeyRing, Seal};

/// What becomes of a read that meets a value of another codec or schema, or one that does not decode.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Mismatch {
    /// It is a miss, and counted: a new version of a program goes on beside the old one.
    #[default]
    Miss,
    /// It is an error.
    Error,
}

/// Settings of a cache; each has a default that is stated at its setter.
#[derive(Debug)]
pub struct CacheBuilder<K: ?Sized, V, C = Postcard> {
    guira: Guira,
    name: Box<str>,
    codec: C,
    schema: u32,
    transforms: Transforms,
    lifetimes: LifetimeRules<V>,
    mismatch: Mismatch,
    flights: FlightOptions,
    when_suspect: WhenSuspect,
    announces_puts: bool,
    spill_above_bytes: usize,
    types: PhantomData<fn(&K) -> V>,
}

impl<K: ?Sized, V> CacheBuilder<K, V> {
    pub(crate) fn new(guira: Guira, name: &str) -> Self {
        Self {
            name: name.into(),
            codec: Postcard,
            schema: 0,
            transforms: Transforms::default(),
            lifetimes: LifetimeRules::new(),
            mismatch: Mismatch::default(),
            flights: FlightOptions::default(),
            when_suspect: WhenSuspect::default(),
            announces_puts: false,
            spill_above_bytes: guira.spill_above_bytes(),
            guira,
            types: PhantomData,
        }
    }
}

impl<K: ?Sized, V, C> CacheBuilder<K, V, C> {
    /// How values become bytes; by default [`Postcard`].
    #[must_use]
    pub fn codec<D: Codec<V>>(self, codec: D) -> CacheBuilder<K, V, D> {
        CacheBuilder {
            guira: self.guira,
            name: self.name,
            codec,
            schema: self.schema,
            transforms: self.transforms,
            lifetimes: self.lifetimes,
            mismatch: self.mismatch,
            flights: self.flights,
            when_suspect: self.when_suspect,
            announces_puts: self.announces_puts,
            spill_above_bytes: self.spill_above_bytes,
            types: PhantomData,
        }
    }

    /// What becomes of a hit while this host has lost touch with its cluster; by default it is revalidated. Without
    /// [coherence](crate::coherence) no hit is suspect.
    #[must_use]
    pub fn when_suspect(self, policy: WhenSuspect) -> Self {
        Self {
            when_suspect: policy,
            ..self
        }
    }

    /// Whether what is put here makes what other hosts have under the key void, as an invalidation does; by default
    /// not, and hosts may differ until one invalidates. The host that puts keeps its value; the others compute, or
    /// miss, the next time. For values that are put when their source changes: put after the change.
    ///
    /// Said of `put`, `add`, `replace`, `compare_and_swap`, their forms for many keys, `append` and `prepend`, if they
    /// stored something. Not of what is computed, nor of counts. Where two hosts put one key at once, neither value may
    /// stay. Without [coherence](crate::coherence) nobody is told.
    ///
    /// ```no_run
    /// use guira::Guira;
    /// use guira::coherence::Coherence;
    /// use std::time::Duration;
    ///
    /// # let guira = Guira::builder().coherence(Coherence::of_cluster("shop").broker("tcp://10.0.0.7:7227")).private()?;
    /// let prices = guira.cache_builder::<u64, u64>("prices").announce_puts(true).build()?;
    /// // After the source was changed: this host has the new price, and no other has the old one for long.
    /// prices.put(&7, &1999, Duration::from_secs(300))?;
    /// # Ok::<(), guira::Error>(())
    /// ```
    #[must_use]
    pub fn announce_puts(self, announces_puts: bool) -> Self {
        Self {
            announces_puts,
            ..self
        }
    }

    /// Values of more bytes, as they would be stored, go to the files of [`GuiraBuilder::files`](crate::GuiraBuilder::files);
    /// by default those of more than 64 KiB, over a files cache those that it keeps in no index. At least 1 KiB. Without such files everything stays in the segment.
    #[must_use]
    pub fn spill_above(self, bytes: usize) -> Self {
        Self {
            spill_above_bytes: bytes.max(LEAST_SPILL_BYTES),
            ..self
        }
    }

    /// The version of what values mean; by default 0. Values of another one are not read.
    #[must_use]
    pub fn schema(self, schema: u32) -> Self {
        Self { schema, ..self }
    }

    /// How long values live that are put without a lifetime of their own; by default for ever.
    #[must_use]
    pub fn lifetime(mut self, lifetime: impl Into<Lifetime>) -> Self {
        self.lifetimes.default = lifetime.into();
        self
    }

    /// How long a value lives that is put without a lifetime of its own, by the value; what the closure
    /// leaves open is as [`CacheBuilder::lifetime`] says.
    ///
    /// ```
    /// use guira::Lifetime;
    /// use std::time::Duration;
    ///
    /// # let guira = guira::Guira::builder().size(8 << 20).private()?;
    /// let found = guira
    ///     .cache_builder::<u64, Option<String>>("found")
    ///     .lifetime(Duration::from_secs(300))
    ///     .lifetime_of(|name| match name {
    ///         Some(_) => Lifetime::default(),
    ///         None => Lifetime::after(Duration::from_secs(5)), // it may appear soon
    ///     })
    ///     .build()?;
    /// found.put(&7, &None, Lifetime::default())?;
    /// assert!(found.ttl(&7)?.is_some_and(|ttl| ttl.seconds() <= 5.0));
    /// # Ok::<(), guira::Error>(())
    /// ```
    #[must_use]
    pub fn lifetime_of(mut self, of_value: impl Fn(&V) -> Lifetime + Send + Sync + 'static) -> Self {
        self.lifetimes.of_value = Some(Arc::new(of_value));
        self
    }

    /// Which part of each lifetime may be cut off, by chance, so that what was put together does not end
    /// together: 0 to 1, by default 0. Soft and hard deadlines shrink alike; absolute ones do not.
    #[must_use]
    pub fn ttl_spread(mut self, part: f64) -> Self {
        self.lifetimes.spread = if part.is_finite() {
            part.clamp(0.0, 1.0)
        } else {
            0.0
        };
        self
    }

    /// Lets what is read stay: a value that is read by [`Cache::get`] lives at least three quarters of
    /// `idle` from then on, one that is not read at most `idle`. By default reads leave lifetimes alone.
    ///
    /// A read writes the value anew when a quarter of `idle` has passed since the last time. It moves the hard deadline
    /// alone: what is stale stays stale.
    #[must_use]
    pub fn sliding(mut self, idle: Duration) -> Self {
        self.lifetimes.sliding = Some(idle);
        self
    }

    /// What becomes of values of another codec or schema; by default they are missed.
    #[must_use]
    pub fn mismatch(self, mismatch: Mismatch) -> Self {
        Self { mismatch, ..self }
    }

    /// How computations of its values wait for each other; each setting has its own default.
    #[must_use]
    pub fn flights(self, flights: FlightOptions) -> Self {
        Self { flights, ..self }
    }

    /// Compresses values of more than `above_bytes` with LZ4, where that makes them smaller; by default
    /// nothing is. What others compressed is read without it.
    #[cfg(feature = "lz4")]
    #[must_use]
    pub fn compress_lz4(mut self, above_bytes: usize) -> Self {
        self.transforms.compression = Some(Compression::lz4(above_bytes));
        self
    }

    /// Compresses values of more than `above_bytes` with Zstandard at `level` (1 to 22, 3 is usual), where
    /// that makes them smaller; by default nothing is. What others compressed is read without it.
    #[cfg(feature = "zstd")]
    #[must_use]
    pub fn compress_zstd(mut self, above_bytes: usize, level: i32) -> Self {
        self.transforms.compression = Some(Compression::zstd(above_bytes, level));
        self
    }

    /// Encrypts values with XChaCha20-Poly1305 and a random nonce each; by default they are not. What is not
    /// encrypted, with a key of the ring, under the key it is read by, is not read. Keys and tags are not
    /// encrypted, nor is what an error says that those are told who wait for a computation that fails.
    ///
    /// ```
    /// use guira::transform::KeyRing;
    /// use std::time::Duration;
    ///
    /// # let guira = guira::Guira::builder().size(8 << 20).private()?;
    /// let secrets = guira
    ///     .cache_builder::<u64, String>("secrets")
    ///     .encrypt(KeyRing::new(1, [7; 32]))
    ///     .build()?;
    /// secrets.put(&7, &"plum".to_owned(), Duration::from_secs(60))?;
    /// assert_eq!(secrets.get(&7)?.as_deref(), Some("plum"));
    /// # Ok::<(), guira::Error>(())
    /// ```
    #[cfg(feature = "encryption")]
    #[must_use]
    pub fn encrypt(mut self, ring: KeyRing) -> Self {
        self.transforms.seal = Some(Seal::encrypted(ring));
        self
    }

    /// Signs values with HMAC-SHA-256; by default they are not. What is not signed, with a key of the ring,
    /// under the key it is read by, is not read.
    #[cfg(feature = "mac")]
    #[must_use]
    pub fn sign(mut self, ring: KeyRing) -> Self {
        self.transforms.seal = Some(Seal::signed(ring));
        self
    }

    /// The cache; what is wrong with its name is an error of each operation.
    #[must_use]
    pub fn open(mut self) -> Cache<K, V, C>
    where
        C: Codec<V>,
    {
        if let Some(settings) = self.guira.settings_of(&self.name) {
            settings.apply(&mut self.lifetimes);
            self.mismatch = settings.mismatch.unwrap_or(self.mismatch);
            self.when_suspect = settings.when_suspect.unwrap_or(self.when_suspect);
            self.announces_puts = settings.announce_puts.unwrap_or(self.announces_puts);
            let spill_above = settings.spill_above.map(|bytes| bytes.max(LEAST_SPILL_BYTES));
            self.spill_above_bytes = spill_above.unwrap_or(self.spill_above_bytes);
            if let Some(is_cluster) = settings.cluster {
                self.flights = self.flights.cluster(is_cluster);
            }
            if let Some(wait) = settings.fetch {
                self.flights.fetch_wait = wait;
            }
        }
        let mut form = self.codec.form();
        // Spread over all bits: 0 leaves the codec's own as it is.
        form.schema ^= self.schema.wrapping_mul(0x9e37_79b1);
        let segment = match self.guira.segment().namespace(&self.name) {
            _ if form.id == CodecId::NUMBER && !self.transforms.are_none() => Err(Unusable::Setup(
                "counters are neither compressed nor sealed, for the engine adds to them; leave that out",
            )),
            Ok(segment) => {
                crate::coherence::follow(self.guira.segment(), &segment);
                Ok(segment)
            }
            Err(error) => Err(Unusable::Namespace(error)),
        };
        let judge = self.guira.judge(self.when_suspect);
        let spill = self.guira.files().map(|depot| Spill {
            depot: depot.clone(),
            above_bytes: self.spill_above_bytes,
        });
        Cache {
            inner: Arc::new(Inner {
                segment,
                // Counters are added to where they are.
                spill: spill.filter(|_| form.id != CodecId::NUMBER),
                guira: self.guira,
                name: self.name,
                envelope: Envelope::new(form, self.transforms.seal_bits()),
                transforms: self.transforms,
                codec: self.codec,
                lifetimes: self.lifetimes,
                decodes_pinned: form.in_place || matches!(form.id, CodecId::RAW | CodecId::TEXT),
                mismatch: self.mismatch,
                announces_puts: self.announces_puts,
                mismatches: AtomicU64::new(0),
                life: OnceLock::new(),
                flights: Flights::with(self.flights, judge),
            }),
            types: PhantomData,
        }
    }

    /// The cache, or what is wrong with its name and its settings.
    ///
    /// # Errors
    /// [`Error::Namespace`], [`Error::Setup`].
    pub fn build(self) -> Result<Cache<K, V, C>, Error>
    where
        C: Codec<V>,
    {
        let cache = self.open();
        cache.segment()?;
        Ok(cache)
    }
}
