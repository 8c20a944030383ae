//! Values that are read where they lie in the segment: archives and arrays.

use std::borrow::Borrow;

use serde::Serialize;

use super::Cache;
use super::payload::Payload;
use crate::error::{CodecError, Error};

#[cfg(feature = "rkyv")]
pub use archive::ArchivedRef;
#[cfg(feature = "ndarray")]
pub use array::ArrayRef;

#[cfg(feature = "rkyv")]
mod archive {
    use std::marker::PhantomData;

    use rkyv::Archive;
    use rkyv::api::high::HighValidator;
    use rkyv::bytecheck::CheckBytes;
    use rkyv::rancor::Error as Rancor;
    use rkyv::util::AlignedVec;

    use super::{Borrow, Cache, CodecError, Error, Payload, Serialize};
    use crate::codec::{Rkyv, access_archive, aligned_copy, may_lie_at};

    /// An rkyv archive as it lies in the segment, without a copy. While it lives, its block is not reused:
    /// keep it short. The notes at [`guira_segment::ValueRef`] hold.
    #[derive(Debug)]
    pub struct ArchivedRef<'s, V> {
        hold: Hold<'s>,
        value: PhantomData<fn() -> V>,
    }

    #[derive(Debug)]
    enum Hold<'s> {
        InPlace(Payload<'s>),
        /// Where its bytes may not lie as they do, or were compressed or encrypted.
        Copied(AlignedVec<16>),
    }

    impl<V> ArchivedRef<'_, V>
    where
        V: Archive,
        V::Archived: for<'a> CheckBytes<HighValidator<'a, Rancor>>,
    {
        /// The archived value, validated by this call: take it once, and use it often.
        ///
        /// # Errors
        /// [`CodecError::Decode`] if the bytes are no archive of this type.
        pub fn access(&self) -> Result<&V::Archived, CodecError> {
            match &self.hold {
                Hold::InPlace(payload) => access_archive::<V>(payload),
                Hold::Copied(bytes) => access_archive::<V>(bytes),
            }
        }

        /// Whether the bytes lie in the segment.
        #[must_use]
        pub fn is_borrowed(&self) -> bool {
            matches!(&self.hold, Hold::InPlace(payload) if payload.is_borrowed())
        }
    }

    impl<K: ?Sized, V: Archive> Cache<K, V, Rkyv> {
        /// The archive of `key`, borrowed from the segment.
        ///
        /// ```
        /// use guira::codec::Rkyv;
        /// use std::time::Duration;
        ///
        /// #[derive(rkyv::Archive, rkyv::Serialize, rkyv::Deserialize)]
        /// struct Route {
        ///     stops: Vec<String>,
        /// }
        ///
        /// # let guira = guira::Guira::builder().size(8 << 20).private()?;
        /// let routes = guira.cache_builder::<u64, Route>("routes").codec(Rkyv).build()?;
        /// let stops = vec!["Harbour".to_owned(), "Market".to_owned()];
        /// routes.put(&7, &Route { stops }, Duration::from_secs(60))?;
        /// if let Some(archived) = routes.get_archived(&7)? {
        ///     let route = archived.access()?; // validated once, nothing copied
        ///     assert_eq!(route.stops[1], "Market");
        /// }
        /// # Ok::<(), guira::Error>(())
        /// ```
        ///
        /// # Errors
        /// As [`Cache::get`]; whether the bytes are an archive of this type is told by
        /// [`ArchivedRef::access`].
        pub fn get_archived<Q>(&self, key: &Q) -> Result<Option<ArchivedRef<'_, V>>, Error>
        where
            K: Borrow<Q>,
            Q: Serialize + ?Sized,
        {
            let Some(payload) = self.payload(&self.key_bytes(key)?)? else {
                return Ok(None);
            };
            let hold = if may_lie_at(&payload) {
                Hold::InPlace(payload)
            } else {
                Hold::Copied(aligned_copy(&payload))
            };
            Ok(Some(ArchivedRef {
                hold,
                value: PhantomData,
            }))
        }
    }
}

#[cfg(feature = "ndarray")]
mod array {
    use ndarray::{Array, ArrayView, Dimension, IxDyn};

    use super::{Borrow, Cache, CodecError, Error, Payload, Serialize};
    use crate::codec::{Codec, Element, NdArray, parse_array, view_array};

    /// An array as it lies in the segment, without a copy. While it lives, its block is not reused: keep it
    /// short. The notes at [`guira_segment::ValueRef`] hold.
    #[derive(Debug)]
    pub struct ArrayRef<'s, T, D: Dimension> {
        hold: Hold<'s, T, D>,
    }

    #[derive(Debug)]
    enum Hold<'s, T, D: Dimension> {
        InPlace {
            payload: Payload<'s>,
            shape: IxDyn,
            /// Where the elements begin.
            begin: usize,
        },
        /// Where its bytes may not lie as they do, or were compressed or encrypted.
        Copied(Array<T, D>),
    }

    impl<T: Element, D: Dimension> ArrayRef<'_, T, D> {
        /// The elements.
        #[must_use]
        pub fn view(&self) -> ArrayView<'_, T, D> {
            match &self.hold {
                Hold::Copied(array) => array.view(),
                Hold::InPlace {
                    payload,
                    shape,
                    begin,
                } => place(payload, shape, *begin).expect("it was checked when it was found"),
            }
        }

        /// Whether the elements lie in the segment.
        #[must_use]
        pub fn is_borrowed(&self) -> bool {
            matches!(&self.hold, Hold::InPlace { payload, .. } if payload.is_borrowed())
        }
    }

    fn place<'p, T: Element, D: Dimension>(
        payload: &'p [u8],
        shape: &IxDyn,
        begin: usize,
    ) -> Result<ArrayView<'p, T, D>, CodecError> {
        let elements = payload.get(begin..).unwrap_or(&[]);
        let elements =
            bytemuck::try_cast_slice(elements).map_err(|error| CodecError::decode("array", error))?;
        view_array(shape, elements)
    }

    impl<K: ?Sized, T: Element, D: Dimension> Cache<K, Array<T, D>, NdArray> {
        /// The array of `key`, borrowed from the segment.
        ///
        /// ```
        /// use guira::codec::NdArray;
        /// use ndarray::{Array2, array};
        /// use std::time::Duration;
        ///
        /// # let guira = guira::Guira::builder().size(8 << 20).private()?;
        /// let matrices = guira.cache_builder::<u64, Array2<f32>>("matrices").codec(NdArray).build()?;
        /// matrices.put(&7, &array![[1.0, 2.0], [3.0, 4.0]], Duration::from_secs(60))?;
        /// if let Some(matrix) = matrices.get_array(&7)? {
        ///     assert_eq!(matrix.view().sum(), 10.0); // nothing was copied
        /// }
        /// # Ok::<(), guira::Error>(())
        /// ```
        ///
        /// # Errors
        /// As [`Cache::get`].
        pub fn get_array<Q>(&self, key: &Q) -> Result<Option<ArrayRef<'_, T, D>>, Error>
        where
            K: Borrow<Q>,
            Q: Serialize + ?Sized,
        {
            let Some(payload) = self.payload(&self.key_bytes(key)?)? else {
                return Ok(None);
            };
            let hold = match parse_array::<T>(&payload) {
                Err(error) => return Ok(self.refuse(error)?),
                Ok((shape, elements)) => {
                    let begin = payload.len() - elements.len();
                    match place::<T, D>(&payload, &shape, begin) {
                        Ok(_) => Hold::InPlace {
                            shape,
                            begin,
                            payload,
                        },
                        // It may not lie there, or has another number of dimensions.
                        Err(_) => match NdArray.decode(&payload) {
                            Ok(array) => Hold::Copied(array),
                            Err(error) => return Ok(self.refuse(error)?),
                        },
                    }
                }
            };
            Ok(Some(ArrayRef { hold }))
        }
    }
}
