//! The serde serializer that writes keys: lists and maps.

use serde::ser::{self, Serialize};

use super::key_bytes::KeyBytes;
use super::serializer::KeySerializer;
use super::tag;
use crate::error::KeyError;

/// Writes a list's items as they come.
pub(super) struct ListWriter<'b> {
    bytes: &'b mut KeyBytes,
    in_variant: bool,
}

impl<'b> ListWriter<'b> {
    #[inline]
    pub(super) fn begin(bytes: &'b mut KeyBytes) -> Self {
        bytes.push(tag::LIST);
        Self {
            bytes,
            in_variant: false,
        }
    }

    pub(super) fn of_variant(self) -> Self {
        Self {
            in_variant: true,
            ..self
        }
    }

    #[inline]
    fn item<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), KeyError> {
        value.serialize(KeySerializer(self.bytes))
    }

    #[inline]
    fn finish(self) -> Result<(), KeyError> {
        self.bytes.push(tag::END);
        if self.in_variant {
            self.bytes.push(tag::END);
        }
        Ok(())
    }
}

impl ser::SerializeSeq for ListWriter<'_> {
    type Ok = ();
    type Error = KeyError;

    #[inline]
    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), KeyError> {
        self.item(value)
    }

    #[inline]
    fn end(self) -> Result<(), KeyError> {
        self.finish()
    }
}

impl ser::SerializeTuple for ListWriter<'_> {
    type Ok = ();
    type Error = KeyError;

    #[inline]
    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), KeyError> {
        self.item(value)
    }

    #[inline]
    fn end(self) -> Result<(), KeyError> {
        self.finish()
    }
}

impl ser::SerializeTupleStruct for ListWriter<'_> {
    type Ok = ();
    type Error = KeyError;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), KeyError> {
        self.item(value)
    }

    fn end(self) -> Result<(), KeyError> {
        self.finish()
    }
}

impl ser::SerializeTupleVariant for ListWriter<'_> {
    type Ok = ();
    type Error = KeyError;

    fn serialize_field<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), KeyError> {
        self.item(value)
    }

    fn end(self) -> Result<(), KeyError> {
        self.finish()
    }
}

/// Writes a map's pairs as they come, and puts them in order at the end.
pub(super) struct MapWriter<'b> {
    bytes: &'b mut KeyBytes,
    in_variant: bool,
    /// Where each pair begins, and where its key ends.
    pairs: Vec<(usize, usize)>,
}

impl<'b> MapWriter<'b> {
    pub(super) fn begin(bytes: &'b mut KeyBytes) -> Self {
        bytes.push(tag::MAP);
        Self {
            bytes,
            in_variant: false,
            pairs: Vec::new(),
        }
    }

    pub(super) fn of_variant(self) -> Self {
        Self {
            in_variant: true,
            ..self
        }
    }

    fn key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), KeyError> {
        let begin = self.bytes.len();
        key.serialize(KeySerializer(self.bytes))?;
        self.pairs.push((begin, self.bytes.len()));
        Ok(())
    }

    fn value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), KeyError> {
        value.serialize(KeySerializer(self.bytes))
    }

    fn finish(self) -> Result<(), KeyError> {
        let written = &**self.bytes;
        let key_of = |&(begin, end): &(usize, usize)| written.get(begin..end).unwrap_or(&[]);
        if !self.pairs.is_sorted_by(|one, next| key_of(one) < key_of(next)) {
            let mut order: Vec<usize> = (0..self.pairs.len()).collect();
            order.sort_by_key(|&index| self.pairs.get(index).map_or(&[] as &[u8], key_of));
            let first = self.pairs.first().map_or(written.len(), |pair| pair.0);
            let mut ordered = Vec::with_capacity(written.len() - first);
            let mut last_key = None;
            for index in order {
                let Some(pair) = self.pairs.get(index) else {
                    continue;
                };
                if last_key.replace(key_of(pair)) == Some(key_of(pair)) {
                    return Err(KeyError::DuplicateMapKey);
                }
                let end = self.pairs.get(index + 1).map_or(written.len(), |next| next.0);
                ordered.extend_from_slice(written.get(pair.0..end).unwrap_or(&[]));
            }
            self.bytes.replace_tail(first, &ordered);
        }
        self.bytes.push(tag::END);
        if self.in_variant {
            self.bytes.push(tag::END);
        }
        Ok(())
    }
}

impl ser::SerializeMap for MapWriter<'_> {
    type Ok = ();
    type Error = KeyError;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), KeyError> {
        self.key(key)
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), KeyError> {
        self.value(value)
    }

    fn end(self) -> Result<(), KeyError> {
        self.finish()
    }
}

impl ser::SerializeStruct for MapWriter<'_> {
    type Ok = ();
    type Error = KeyError;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), KeyError> {
        self.key(name)?;
        self.value(value)
    }

    fn end(self) -> Result<(), KeyError> {
        self.finish()
    }
}

impl ser::SerializeStructVariant for MapWriter<'_> {
    type Ok = ();
    type Error = KeyError;

    fn serialize_field<T: Serialize + ?Sized>(
        &mut self,
        name: &'static str,
        value: &T,
    ) -> Result<(), KeyError> {
        self.key(name)?;
        self.value(value)
    }

    fn end(self) -> Result<(), KeyError> {
        self.finish()
    }
}
