//! Looking up many keys, and computing what is missing at once.

use std::borrow::Borrow;

use guira_segment::Read;
use serde::Serialize;

use super::Cache;
use crate::codec::Codec;
use crate::error::Error;
use crate::flight::{Asking, Purpose, answer_many};
use crate::key::KeyBytes;
use crate::options::PutOptions;

impl<K: ?Sized, V, C: Codec<V>> Cache<K, V, C> {
    /// The values of `keys`, in their order. Those that are missing or stale, and that nobody else on the host computes,
    /// are computed by one call of `compute`, which is given their keys, and stored; what others compute is waited for
    /// afterwards. `compute` answers in the order of the keys it is given; a `None`, or nothing, for a key says that it
    /// has no value, and is not stored.
    ///
    /// `compute` is called again, with fewer keys, only if others who computed some of them died, or had nothing.
    ///
    /// ```
    /// # let guira = guira::Guira::builder().size(8 << 20).private()?;
    /// let names = guira.cache::<u64, String>("names");
    /// names.put(&7, &"Plum".to_owned(), guira::Lifetime::never())?;
    /// let found = names.get_many_or_compute(&[6, 7, 8], |missing| {
    ///     // one query for all of them
    ///     missing.iter().map(|user| (**user != 8).then(|| format!("user {user}"))).collect()
    /// });
    /// let found: Result<Vec<_>, _> = found.into_iter().collect();
    /// assert_eq!(found?, [Some("user 6".to_owned()), Some("Plum".to_owned()), None]);
    /// assert_eq!(names.get(&6)?.as_deref(), Some("user 6"));
    /// # Ok::<(), guira::Error>(())
    /// ```
    ///
    /// # Errors
    /// For each key: as [`Cache::get_or_compute`].
    ///
    /// # Panics
    /// If `compute` does; those who wait for it are told.
    pub fn get_many_or_compute<'q, Q>(
        &self,
        keys: impl IntoIterator<Item = &'q Q>,
        compute: impl FnMut(&[&'q Q]) -> Vec<Option<V>>,
    ) -> Vec<Result<Option<V>, Error>>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized + 'q,
    {
        self.get_many_or_compute_with(keys, PutOptions::default(), compute)
    }

    /// As [`Cache::get_many_or_compute`]; what is computed is stored with `options`.
    ///
    /// # Errors
    /// As [`Cache::get_many_or_compute`].
    ///
    /// # Panics
    /// As [`Cache::get_many_or_compute`].
    pub fn get_many_or_compute_with<'q, 't, Q>(
        &self,
        keys: impl IntoIterator<Item = &'q Q>,
        options: impl Into<PutOptions<'t>>,
        mut compute: impl FnMut(&[&'q Q]) -> Vec<Option<V>>,
    ) -> Vec<Result<Option<V>, Error>>
    where
        K: Borrow<Q>,
        Q: Serialize + ?Sized + 'q,
    {
        let keys: Vec<&'q Q> = keys.into_iter().collect();
        let encoded: Vec<Result<KeyBytes, Error>> = keys.iter().map(|key| self.key_bytes(*key)).collect();
        let mut results: Vec<Result<Option<V>, Error>> = Vec::with_capacity(keys.len());
        // Of those that are not answered at once: which of the keys, and the way to its answer.
        let (mut open, mut askings) = (Vec::new(), Vec::new());
        for ((index, key), encoded) in keys.iter().enumerate().zip(&encoded) {
            let bytes = match encoded {
                Ok(bytes) => bytes,
                Err(_) => {
                    results.push(self.key_bytes(*key).map(|_| None));
                    continue;
                }
            };
            results.push(match self.place(bytes) {
                Err(error) => Err(error),
                Ok(place) => match self.read(place.segment, bytes) {
                    Ok((Read::Fresh, Some(value))) => Ok(Some(value)),
                    Err(error) => Err(error.into()),
                    Ok((read, _)) => {
                        let asking = Asking::new(place, Purpose::Value, None);
                        open.push((index, *key));
                        askings.push(match read {
                            Read::Miss => asking.after_a_miss(),
                            Read::Fresh | Read::Stale => asking,
                        });
                        Ok(None)
                    }
                },
            });
        }
        if askings.is_empty() {
            return results;
        }
        let values = self.values(options.into());
        let answers = answer_many(askings, &values, |indices| {
            let missing: Vec<&'q Q> = indices
                .iter()
                .filter_map(|index| open.get(*index).map(|(_, key)| *key))
                .collect();
            compute(&missing)
        });
        for (answer, (index, _)) in answers.into_iter().zip(&open) {
            if let Some(result) = results.get_mut(*index) {
                *result = answer.map_err(Error::from);
            }
        }
        results
    }
}
