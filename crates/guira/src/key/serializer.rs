//! The serde serializer that writes keys: scalars.

use serde::ser::{self, Serialize};

use super::compound::{ListWriter, MapWriter};
use super::key_bytes::KeyBytes;
use super::tag;
use crate::error::KeyError;

/// Writes one item behind what is there.
pub(super) struct KeySerializer<'b>(pub(super) &'b mut KeyBytes);

impl ser::Error for KeyError {
    fn custom<T: std::fmt::Display>(reason: T) -> Self {
        Self::Unserializable {
            reason: reason.to_string().into(),
        }
    }
}

impl KeySerializer<'_> {
    #[inline]
    fn natural(self, value: u64) {
        let count = (71 - value.leading_zeros()) / 8;
        let significant = value.checked_shl(64 - 8 * count).unwrap_or(0);
        self.tagged(tag::NATURAL + count as u8, significant, count);
    }

    #[inline]
    fn integer(self, value: i64) {
        if value >= 0 {
            return self.natural(value.cast_unsigned());
        }
        let count = (71 - (!value).leading_zeros()) / 8;
        let significant = value.cast_unsigned().checked_shl(64 - 8 * count).unwrap_or(0);
        self.tagged(tag::NEGATIVE - count as u8, significant, count);
    }

    /// A tag and the first `count` bytes of `significant`, big-endian.
    #[inline]
    fn tagged(self, tag: u8, significant: u64, count: u32) {
        let bytes = (u128::from(tag) << 64 | u128::from(significant)) << 56;
        self.0.extend_padded(bytes.to_be_bytes(), 1 + count as usize);
    }

    fn wide(self, value: u128, magnitude: u128, is_negative: bool) {
        let count = 16 - (magnitude.leading_zeros() / 8) as usize;
        self.0.push(if is_negative {
            tag::NEGATIVE - count as u8
        } else {
            tag::NATURAL + count as u8
        });
        let bytes = value.to_be_bytes();
        self.0.extend(bytes.get(16 - count..).unwrap_or(&bytes));
    }

    #[inline]
    fn text(self, text: &str) {
        self.0.push(tag::TEXT);
        self.0.extend(text.as_bytes());
        self.0.push(tag::TEXT_END);
    }

    /// Begins a variant; its content, if any, and `END` follow.
    fn variant(&mut self, name: &str) {
        self.0.push(tag::VARIANT);
        KeySerializer(self.0).text(name);
    }
}

impl<'b> ser::Serializer for KeySerializer<'b> {
    type Ok = ();
    type Error = KeyError;
    type SerializeSeq = ListWriter<'b>;
    type SerializeTuple = ListWriter<'b>;
    type SerializeTupleStruct = ListWriter<'b>;
    type SerializeTupleVariant = ListWriter<'b>;
    type SerializeMap = MapWriter<'b>;
    type SerializeStruct = MapWriter<'b>;
    type SerializeStructVariant = MapWriter<'b>;

    fn is_human_readable(&self) -> bool {
        // Addresses, times and the like have one text in every language, and many binary forms.
        true
    }

    #[inline]
    fn serialize_bool(self, value: bool) -> Result<(), KeyError> {
        self.0.push(if value { tag::TRUE } else { tag::FALSE });
        Ok(())
    }

    #[inline]
    fn serialize_i8(self, value: i8) -> Result<(), KeyError> {
        self.serialize_i64(value.into())
    }

    #[inline]
    fn serialize_i16(self, value: i16) -> Result<(), KeyError> {
        self.serialize_i64(value.into())
    }

    #[inline]
    fn serialize_i32(self, value: i32) -> Result<(), KeyError> {
        self.serialize_i64(value.into())
    }

    #[inline]
    fn serialize_i64(self, value: i64) -> Result<(), KeyError> {
        self.integer(value);
        Ok(())
    }

    fn serialize_i128(self, value: i128) -> Result<(), KeyError> {
        let magnitude = if value < 0 { !value } else { value };
        self.wide(value.cast_unsigned(), magnitude.cast_unsigned(), value < 0);
        Ok(())
    }

    #[inline]
    fn serialize_u8(self, value: u8) -> Result<(), KeyError> {
        self.serialize_u64(value.into())
    }

    #[inline]
    fn serialize_u16(self, value: u16) -> Result<(), KeyError> {
        self.serialize_u64(value.into())
    }

    #[inline]
    fn serialize_u32(self, value: u32) -> Result<(), KeyError> {
        self.serialize_u64(value.into())
    }

    #[inline]
    fn serialize_u64(self, value: u64) -> Result<(), KeyError> {
        self.natural(value);
        Ok(())
    }

    fn serialize_u128(self, value: u128) -> Result<(), KeyError> {
        self.wide(value, value, false);
        Ok(())
    }

    fn serialize_f32(self, value: f32) -> Result<(), KeyError> {
        self.serialize_f64(value.into())
    }

    fn serialize_f64(self, value: f64) -> Result<(), KeyError> {
        if value.is_nan() {
            return Err(KeyError::Nan);
        }
        self.0.push(tag::FLOAT);
        // Adding zero turns -0.0 into 0.0, and changes nothing else.
        self.0.extend(&(value + 0.0).to_bits().to_be_bytes());
        Ok(())
    }

    fn serialize_char(self, value: char) -> Result<(), KeyError> {
        self.text(value.encode_utf8(&mut [0; 4]));
        Ok(())
    }

    #[inline]
    fn serialize_str(self, value: &str) -> Result<(), KeyError> {
        self.text(value);
        Ok(())
    }

    fn serialize_bytes(self, value: &[u8]) -> Result<(), KeyError> {
        self.0.push(tag::BYTES);
        let mut left = value.len() as u64;
        while left >= 0x80 {
            self.0.push(left as u8 | 0x80);
            left >>= 7;
        }
        self.0.push(left as u8);
        self.0.extend(value);
        Ok(())
    }

    fn serialize_none(self) -> Result<(), KeyError> {
        self.0.push(tag::NOTHING);
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), KeyError> {
        let begin = self.0.len();
        value.serialize(KeySerializer(self.0))?;
        if matches!(self.0.get(begin), Some(&(tag::NOTHING | tag::SOME))) {
            self.0.insert(begin, tag::SOME);
        }
        Ok(())
    }

    fn serialize_unit(self) -> Result<(), KeyError> {
        self.0.extend(&[tag::LIST, tag::END]);
        Ok(())
    }

    fn serialize_unit_struct(self, _name: &'static str) -> Result<(), KeyError> {
        self.serialize_unit()
    }

    fn serialize_unit_variant(
        mut self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
    ) -> Result<(), KeyError> {
        self.variant(variant);
        self.0.push(tag::END);
        Ok(())
    }

    #[inline]
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        value: &T,
    ) -> Result<(), KeyError> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        mut self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), KeyError> {
        self.variant(variant);
        value.serialize(KeySerializer(self.0))?;
        self.0.push(tag::END);
        Ok(())
    }

    #[inline]
    fn serialize_seq(self, _count: Option<usize>) -> Result<ListWriter<'b>, KeyError> {
        Ok(ListWriter::begin(self.0))
    }

    #[inline]
    fn serialize_tuple(self, _count: usize) -> Result<ListWriter<'b>, KeyError> {
        Ok(ListWriter::begin(self.0))
    }

    fn serialize_tuple_struct(self, _name: &'static str, _count: usize) -> Result<ListWriter<'b>, KeyError> {
        Ok(ListWriter::begin(self.0))
    }

    fn serialize_tuple_variant(
        mut self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        _count: usize,
    ) -> Result<ListWriter<'b>, KeyError> {
        self.variant(variant);
        Ok(ListWriter::begin(self.0).of_variant())
    }

    fn serialize_map(self, _count: Option<usize>) -> Result<MapWriter<'b>, KeyError> {
        Ok(MapWriter::begin(self.0))
    }

    fn serialize_struct(self, _name: &'static str, _count: usize) -> Result<MapWriter<'b>, KeyError> {
        Ok(MapWriter::begin(self.0))
    }

    fn serialize_struct_variant(
        mut self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        _count: usize,
    ) -> Result<MapWriter<'b>, KeyError> {
        self.variant(variant);
        Ok(MapWriter::begin(self.0).of_variant())
    }
}
