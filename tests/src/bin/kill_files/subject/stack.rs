//! A stack of two tiers: a segment over another one, or over a files cache.

use std::fmt::Debug;
use std::marker::PhantomData;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use guira::codec::Raw;
use guira::key::KeyBytes;
use guira::store::Tiers;
use guira::{Add, Cache, Error, Guira, Lifetime, Put, PutOptions, Store};
use guira_files::{Depot, Files};

use super::spilled::{unkept, unopened_guira, version};
use super::{Kept, Subject, Unopened};
use crate::world::{Key, Version};

pub(crate) type Values = Cache<Key, Vec<u8>, Raw>;

/// What the lower tier is.
pub(crate) trait Lower: Clone + Debug + 'static {
    fn open(root: &Path) -> Result<(Guira, Option<Files>), Unopened>;
}

/// A segment.
#[derive(Clone, Debug)]
pub(crate) enum OverSegment {}

/// A files cache.
#[derive(Clone, Debug)]
pub(crate) enum OverFiles {}

impl Lower for OverSegment {
    fn open(root: &Path) -> Result<(Guira, Option<Files>), Unopened> {
        Ok((segment(&root.join("far"))?, None))
    }
}

impl Lower for OverFiles {
    fn open(root: &Path) -> Result<(Guira, Option<Files>), Unopened> {
        let files = <Files as Subject>::open(root)?;
        Ok((Guira::from(files.clone()), Some(files)))
    }
}

fn segment(path: &Path) -> Result<Guira, Unopened> {
    let opened = Guira::builder().size(8 << 20).open(path);
    opened.map_err(|error| unopened_guira(&error))
}

/// One process's handle.
#[derive(Clone, Debug)]
pub(crate) struct Stack<L> {
    pub(crate) near: Values,
    pub(crate) far: Values,
    pub(crate) tiers: Arc<Tiers<Key, Vec<u8>>>,
    files: Option<Files>,
    lower: PhantomData<L>,
}

/// Keys that scenes prepare, and that their operations are about.
const STAMPED: [Key; 9] = [0, 1, 2, 3, 4, 5, 10, 11, 50];
/// Keys that a survivor may use.
const KEYS: std::ops::Range<Key> = 0..256;

impl<L> Stack<L> {
    /// As if the near segment needed the room.
    pub(crate) fn evict(&self, key: Key) -> Result<(), String> {
        self.near
            .remove(&key)
            .map(drop)
            .map_err(|error| error.to_string())
    }

    /// Whether no two keys of the scenes share a stamp: those that do are refused together.
    fn tells_keys_apart(&self) -> bool {
        let namespace = self.near.guira().segment().existing_namespace("values");
        let segment = namespace.expect("the cache is open");
        let keys = STAMPED.map(|key| KeyBytes::of(&key).expect("a number has an encoding"));
        let counts = || keys.each_ref().map(|key| segment.fill_token(key).invalidations());
        keys.iter().all(|key| {
            let before = counts();
            segment.invalidate(key);
            let changed = before.iter().zip(counts()).filter(|(before, now)| *before != now);
            changed.count() == 1
        })
    }

    pub(crate) fn options() -> PutOptions<'static> {
        Lifetime::never().into()
    }
}

impl<L: Lower> Subject for Stack<L> {
    const LIMIT_BYTES: u64 = Files::LIMIT_BYTES;
    const IS_OF_SEGMENTS: bool = true;

    fn open(root: &Path) -> Result<Self, Unopened> {
        let near = segment(&root.join("near"))?;
        let (far, files) = L::open(root)?;
        let values = |guira: &Guira| -> Result<Values, Unopened> {
            let built = guira.cache_builder("values").codec(Raw).build();
            built.map_err(|error| unopened_guira(&error))
        };
        let (near, far) = (values(&near)?, values(&far)?);
        let tiers = Tiers::new().then(near.clone()).then(far.clone());
        Ok(Self {
            near,
            far,
            tiers: Arc::new(tiers),
            files,
            lower: PhantomData,
        })
    }

    fn make(root: &Path) -> Result<Self, Unopened> {
        loop {
            let stack = Self::open(root)?;
            if stack.tells_keys_apart() {
                return Ok(stack);
            }
            drop(stack);
            let removed = std::fs::remove_file(root.join("near"));
            removed.map_err(|error| Unopened::Failed(error.to_string()))?;
        }
    }

    fn read(&self, key: Key, turn: usize) -> Result<Option<Version>, String> {
        let failed = |error: Error| format!("key {key} cannot be read: {error}");
        match turn % 3 {
            0 => version(key, self.tiers.get(&key).map_err(failed)?),
            1 => {
                let many = self.tiers.get_many(&[&key]);
                let found = many.into_iter().next().expect("a result for each key");
                version(key, found.map_err(failed)?)
            }
            _ => {
                let found = self.tiers.get_ttl(&key).map_err(failed)?;
                version(key, found.map(|(value, _)| value))
            }
        }
    }

    fn put(&self, key: Key, bytes: &[u8]) -> Result<Kept, String> {
        match self.tiers.put(&key, &bytes.to_vec(), &Self::options()) {
            Ok(Put::Stored) => Ok(Kept::Stored),
            Ok(_) => Ok(Kept::Superseded),
            Err(error) => unkept(&error),
        }
    }

    fn add(&self, key: Key, bytes: &[u8]) -> Result<Kept, String> {
        match self.tiers.add(&key, &bytes.to_vec(), &Self::options()) {
            Ok(Add::Stored) => Ok(Kept::Stored),
            Ok(Add::Exists) => Ok(Kept::Exists),
            Ok(_) => Ok(Kept::Superseded),
            Err(error) => unkept(&error),
        }
    }

    fn remove(&self, key: Key) -> Result<(), String> {
        self.tiers
            .remove(&key)
            .map(drop)
            .map_err(|error| error.to_string())
    }

    fn invalidate(&self, key: Key) -> Result<(), String> {
        let invalidated = self.tiers.invalidate(&key);
        invalidated.map(drop).map_err(|error| error.to_string())
    }

    fn clear(&self) -> Result<(), String> {
        self.tiers.clear().map_err(|error| error.to_string())
    }

    /// Everything leaves the near tier, too: what is below comes up.
    fn sweep(&self) -> Result<Vec<PathBuf>, String> {
        for key in KEYS {
            self.evict(key)?;
        }
        match &self.files {
            Some(files) => Subject::sweep(files),
            None => Ok(Vec::new()),
        }
    }

    fn depot(&self) -> Option<&Depot> {
        None
    }

    fn at_any_time(&self, has_strangers: bool) -> Vec<String> {
        let files = self.files.as_ref();
        files.map_or_else(Vec::new, |files| Subject::at_any_time(files, has_strangers))
    }

    fn at_rest(&self, foreign: &[PathBuf]) -> Vec<String> {
        let files = self.files.as_ref();
        files.map_or_else(Vec::new, |files| files.at_rest(foreign))
    }

    /// Who dies between two tiers leaves a newer value below, which comes up when the older one is gone.
    fn may_follow(seen: Version, later: Version) -> bool {
        later >= seen
    }

    fn whole(&self, key: Key, last: Version) -> Vec<String> {
        let tiers = [("near", &self.near), ("far", &self.far)];
        let held = tiers.map(|(name, tier)| {
            let held = tier.get(&key).map_err(|error| error.to_string());
            (name, held.and_then(|held| version(key, held)))
        });
        let is_else = |(_, held): &(&str, Result<Option<Version>, String>)| *held != Ok(Some(last));
        held.into_iter()
            .filter(is_else)
            .map(|(name, held)| format!("the {name} tier has {held:?} of key {key}, of which {last} was put"))
            .collect()
    }
}
