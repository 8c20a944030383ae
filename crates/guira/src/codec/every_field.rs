//! Serializing that refuses values of which a field is left out.
//!
//! A format that does not name fields is read by their places alone. `skip_serializing_if` leaves a field out of
//! some values, and what follows it is then read as something else, without any error if the bytes happen to fit.

use std::cell::Cell;

use serde::ser::{self, Error, Serialize, Serializer};

/// Where the name of a field that was left out is noted: errors of formats may hold no text.
pub(super) type LeftOut = Cell<Option<&'static str>>;

/// A serializer, or what it gives for something that has parts.
struct EveryField<'l, S> {
    inner: S,
    left_out: &'l LeftOut,
}

/// A value, or a part of one, to be serialized with all of its fields. The name of one that is left out is noted.
pub(super) struct Whole<'p, T: ?Sized> {
    pub(super) value: &'p T,
    pub(super) left_out: &'p LeftOut,
}

impl<T: Serialize + ?Sized> Serialize for Whole<'_, T> {
    #[inline]
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.value.serialize(EveryField {
            inner: serializer,
            left_out: self.left_out,
        })
    }
}

impl<'l, S> EveryField<'l, S> {
    #[inline]
    const fn part<'p, T: ?Sized>(&self, value: &'p T) -> Whole<'p, T>
    where
        'l: 'p,
    {
        Whole {
            value,
            left_out: self.left_out,
        }
    }

    #[inline]
    fn parts<P, E>(self, begin: impl FnOnce(S) -> Result<P, E>) -> Result<EveryField<'l, P>, E> {
        Ok(EveryField {
            inner: begin(self.inner)?,
            left_out: self.left_out,
        })
    }

    #[cold]
    fn refuse<E: Error>(&self, field: &'static str) -> E {
        self.left_out.set(Some(field));
        E::custom("a field is left out")
    }
}

macro_rules! scalars {
    ($($method:ident($type:ty);)*) => {
        $(#[inline]
        fn $method(self, value: $type) -> Result<S::Ok, S::Error> {
            self.inner.$method(value)
        })*
    };
}

impl<'l, S: Serializer> Serializer for EveryField<'l, S> {
    type Ok = S::Ok;
    type Error = S::Error;
    type SerializeSeq = EveryField<'l, S::SerializeSeq>;
    type SerializeTuple = EveryField<'l, S::SerializeTuple>;
    type SerializeTupleStruct = EveryField<'l, S::SerializeTupleStruct>;
    type SerializeTupleVariant = EveryField<'l, S::SerializeTupleVariant>;
    type SerializeMap = EveryField<'l, S::SerializeMap>;
    type SerializeStruct = EveryField<'l, S::SerializeStruct>;
    type SerializeStructVariant = EveryField<'l, S::SerializeStructVariant>;

    scalars! {
        serialize_bool(bool);
        serialize_i8(i8);
        serialize_i16(i16);
        serialize_i32(i32);
        serialize_i64(i64);
        serialize_i128(i128);
        serialize_u8(u8);
        serialize_u16(u16);
        serialize_u32(u32);
        serialize_u64(u64);
        serialize_u128(u128);
        serialize_f32(f32);
        serialize_f64(f64);
        serialize_char(char);
        serialize_str(&str);
        serialize_bytes(&[u8]);
        serialize_unit_struct(&'static str);
    }

    fn is_human_readable(&self) -> bool {
        self.inner.is_human_readable()
    }

    fn collect_str<T: std::fmt::Display + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        self.inner.collect_str(value)
    }

    fn serialize_unit(self) -> Result<S::Ok, S::Error> {
        self.inner.serialize_unit()
    }

    #[inline]
    fn serialize_none(self) -> Result<S::Ok, S::Error> {
        self.inner.serialize_none()
    }

    #[inline]
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<S::Ok, S::Error> {
        let part = self.part(value);
        self.inner.serialize_some(&part)
    }

    #[inline]
    fn serialize_unit_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
    ) -> Result<S::Ok, S::Error> {
        self.inner.serialize_unit_variant(name, index, variant)
    }

    #[inline]
    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        let part = self.part(value);
        self.inner.serialize_newtype_struct(name, &part)
    }

    #[inline]
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<S::Ok, S::Error> {
        let part = self.part(value);
        self.inner.serialize_newtype_variant(name, index, variant, &part)
    }

    #[inline]
    fn serialize_seq(self, count: Option<usize>) -> Result<Self::SerializeSeq, S::Error> {
        self.parts(|inner| inner.serialize_seq(count))
    }

    #[inline]
    fn serialize_tuple(self, count: usize) -> Result<Self::SerializeTuple, S::Error> {
        self.parts(|inner| inner.serialize_tuple(count))
    }

    #[inline]
    fn serialize_tuple_struct(
        self,
        name: &'static str,
        count: usize,
    ) -> Result<Self::SerializeTupleStruct, S::Error> {
        self.parts(|inner| inner.serialize_tuple_struct(name, count))
    }

    #[inline]
    fn serialize_tuple_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        count: usize,
    ) -> Result<Self::SerializeTupleVariant, S::Error> {
        self.parts(|inner| inner.serialize_tuple_variant(name, index, variant, count))
    }

    #[inline]
    fn serialize_map(self, count: Option<usize>) -> Result<Self::SerializeMap, S::Error> {
        self.parts(|inner| inner.serialize_map(count))
    }

    #[inline]
    fn serialize_struct(self, name: &'static str, count: usize) -> Result<Self::SerializeStruct, S::Error> {
        self.parts(|inner| inner.serialize_struct(name, count))
    }

    #[inline]
    fn serialize_struct_variant(
        self,
        name: &'static str,
        index: u32,
        variant: &'static str,
        count: usize,
    ) -> Result<Self::SerializeStructVariant, S::Error> {
        self.parts(|inner| inner.serialize_struct_variant(name, index, variant, count))
    }
}

/// Lists of parts without names.
macro_rules! lists {
    ($($trait:ident::$method:ident;)*) => {
        $(impl<P: ser::$trait> ser::$trait for EveryField<'_, P> {
            type Ok = P::Ok;
            type Error = P::Error;

            #[inline]
            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), P::Error> {
                let part = self.part(value);
                self.inner.$method(&part)
            }

            #[inline]
            fn end(self) -> Result<P::Ok, P::Error> {
                self.inner.end()
            }
        })*
    };
}

lists! {
    SerializeSeq::serialize_element;
    SerializeTuple::serialize_element;
    SerializeTupleStruct::serialize_field;
    SerializeTupleVariant::serialize_field;
}

impl<P: ser::SerializeMap> ser::SerializeMap for EveryField<'_, P> {
    type Ok = P::Ok;
    type Error = P::Error;

    #[inline]
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), P::Error> {
        let part = self.part(key);
        self.inner.serialize_key(&part)
    }

    #[inline]
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), P::Error> {
        let part = self.part(value);
        self.inner.serialize_value(&part)
    }

    #[inline]
    fn end(self) -> Result<P::Ok, P::Error> {
        self.inner.end()
    }
}

/// Fields, which have names.
macro_rules! fields {
    ($($trait:ident;)*) => {
        $(impl<P: ser::$trait> ser::$trait for EveryField<'_, P> {
            type Ok = P::Ok;
            type Error = P::Error;

            #[inline]
            fn serialize_field<T: Serialize + ?Sized>(
                &mut self,
                name: &'static str,
                value: &T,
            ) -> Result<(), P::Error> {
                let part = self.part(value);
                self.inner.serialize_field(name, &part)
            }

            fn skip_field(&mut self, name: &'static str) -> Result<(), P::Error> {
                Err(self.refuse(name))
            }

            #[inline]
            fn end(self) -> Result<P::Ok, P::Error> {
                self.inner.end()
            }
        })*
    };
}

fields! {
    SerializeStruct;
    SerializeStructVariant;
}
