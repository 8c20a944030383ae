//! A cache as one tier of a stack: values with their births and deadlines, stored in the place of what was seen.

use std::time::Duration;

use guira_segment::{Lookup, Put, PutOptions as EngineOptions, ValueRef};
use serde::Serialize;

use super::Cache;
use crate::codec::Codec;
use crate::dependency;
use crate::envelope::{Birth, Extras};
use crate::error::Error;
use crate::flight::{Basis, Place};
use crate::key::KeyBytes;
use crate::lifetime::Ttl;
use crate::options::PutOptions;
use crate::store::{Computed, Decide, Held, Keeping, Life, Lives, Looked, Seat};

impl<K: Serialize + ?Sized, V, C: Codec<V>> Cache<K, V, C> {
    /// The value of `key` if it is fresh.
    #[inline]
    pub(crate) fn get_if_fresh(&self, key: &K) -> Result<Option<V>, Error> {
        let key = self.key_bytes(key)?;
        let segment = self.segment()?;
        let (read, value) = self.read(segment, &key)?;
        let value = value.filter(|_| read == guira_segment::Read::Fresh);
        if value.is_some() {
            self.slide(segment, &key);
        }
        Ok(value)
    }

    /// The value of `key` with what a stack of tiers wants to know of it.
    pub(crate) fn look_for_tiers(&self, key: &K) -> Result<Looked<V>, Error> {
        let key = self.key_bytes(key)?;
        let segment = self.segment()?;
        // Before anything is read.
        let (token, taken_ms) = (segment.fill_token(&key), segment.now_ms());
        let seat = |basis| Seat {
            asked: token,
            basis,
            taken_ms,
        };
        let looked = match segment.lookup(&key) {
            Lookup::Miss(_) => {
                return Ok(Looked {
                    held: None,
                    seat: Some(seat(Basis::Absent(token))),
                });
            }
            Lookup::Stale(stored, refreshing) => Looked {
                held: self.held(&key, &stored)?,
                seat: Some(seat(Basis::Absent(refreshing))),
            },
            Lookup::Hit(stored) => Looked {
                held: self.held(&key, &stored)?,
                seat: Some(seat(Basis::Present(token, stored.version()))),
            },
        };
        self.slide(segment, &key);
        Ok(looked)
    }

    fn held(&self, key: &KeyBytes, stored: &ValueRef<'_>) -> Result<Option<Held<V>>, Error> {
        dependency::give(stored);
        let metadata = stored.metadata();
        let value = self.decode(key, stored)?;
        Ok(value.map(|value| Held {
            value,
            ttl: Ttl::of(&metadata),
            life: Life::of(&metadata),
            tags: stored.tags(),
            birth: self.birth_of(key, stored),
        }))
    }

    fn birth_of(&self, key: &[u8], stored: &[u8]) -> Option<Birth> {
        let birth = |stored: &[u8]| {
            let (extras, _) = self.inner.envelope.parse(stored)?;
            extras.birth()
        };
        match self.unspilled(key, stored) {
            None => birth(stored),
            Some(file) => birth(&file?),
        }
    }

    /// A place for a value, whatever is there.
    pub(crate) fn seat_for_tiers(&self, key: &K) -> Result<Seat, Error> {
        let key = self.key_bytes(key)?;
        let segment = self.segment()?;
        let (token, taken_ms) = (segment.fill_token(&key), segment.now_ms());
        let basis = match segment.metadata(&key) {
            Some(present) => Basis::Present(token, present.version),
            None => Basis::Absent(token),
        };
        Ok(Seat {
            asked: token,
            basis,
            taken_ms,
        })
    }

    /// Stores `value`; false if it is superseded, or nothing is left of its life.
    pub(crate) fn keep_for_tiers(&self, key: &K, value: &V, keeping: &Keeping<'_>) -> Result<bool, Error> {
        let key = self.key_bytes(key)?;
        let segment = self.segment()?;
        let options = match keeping.lives {
            Lives::Asked(lifetime) => {
                let options = PutOptions {
                    lifetime,
                    tags: keeping.tags,
                };
                self.engine_options(value, options)?
            }
            Lives::Rest(life) => {
                let passed_ms = keeping
                    .seat
                    .map_or(0, |seat| segment.now_ms().saturating_sub(seat.taken_ms));
                let Some(life) = life.after(Duration::from_millis(passed_ms)) else {
                    return Ok(false);
                };
                EngineOptions::default()
                    .expiry(life.expiry())
                    .tags(keeping.tags)
                    .aligned(self.inner.envelope.form().in_place)
            }
        };
        let options = self.begun(segment, &key, within(options, keeping.at_most));
        let extras = match keeping.birth {
            Some(birth) => Extras::default().with_birth(birth),
            None => Extras::default(),
        };
        let is_stored = self.with_extras(&key, value, extras, |bytes| {
            Ok::<_, Error>(match keeping.seat {
                Some(seat) => seat.basis.store(segment, &key, bytes, &options)?,
                None => segment.put_with(&key, bytes, &options)? == Put::Stored,
            })
        })?;
        if is_stored && keeping.is_put {
            self.announced(segment, &key, Put::Stored);
        }
        Ok(is_stored)
    }
}

impl<K: Serialize + ?Sized, V, C: Codec<V>> Decide<K, V> for Cache<K, V, C> {
    fn bytes_of(&self, key: &K) -> Result<KeyBytes, Error> {
        self.key_bytes(key)
    }

    fn place_of<'c>(&'c self, key: &'c KeyBytes) -> Result<Place<'c>, Error>
    where
        K: 'c,
        V: 'c,
    {
        self.place(key)
    }

    fn life(&self) -> u64 {
        match self.inner.life.get() {
            Some(life) => *life,
            None => {
                // Made before it is set, which takes no time: a child that is forked meanwhile waits for ever.
                let life = self.segment().map_or(0, guira_segment::Segment::life);
                *self.inner.life.get_or_init(|| life)
            }
        }
    }

    fn invalidate_tag(&self, tag: &[u8]) -> Result<(), Error> {
        self.invalidate_tag(tag)
    }

    fn decode_stored(&self, key: &[u8], stored: &[u8]) -> Option<V> {
        self.decode_any(key, stored).ok().flatten()
    }

    fn encode_computed(
        &self,
        key: &[u8],
        value: &V,
        computed: Computed<'_>,
        store: &mut dyn FnMut(&[u8], Option<&EngineOptions<'_>>),
    ) -> bool {
        let options = PutOptions {
            lifetime: computed.lifetime,
            tags: computed.tags,
        };
        let options = self
            .computed_options(value, computed.cost, options)
            .map(|options| within(options, computed.at_most));
        let stored = self.with_computed(key, value, computed.cost, |bytes| {
            // With a lifetime that is wrong it is told all the same.
            store(bytes, options.as_ref().ok());
            options.map(|_| ())
        });
        if let Err(error) = &stored {
            tracing::warn!(cache = self.name(), %error, "a computed value was not stored");
        }
        stored.is_ok()
    }
}

fn within(options: EngineOptions<'_>, at_most: Option<Duration>) -> EngineOptions<'_> {
    match at_most {
        Some(most) => options.within(guira_segment::Expiry::after(most)),
        None => options,
    }
}
