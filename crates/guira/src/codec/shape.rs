//! A number for the shape of a type, so that bytes which do not describe themselves are never read as another
//! type's.
//!
//! The type's own `Deserialize` is asked what it reads: names of structs, fields and variants, numbers of every
//! width, in their order. It is given made-up values as it asks, so that it goes on to what is inside; where
//! one does not please it, or it goes deeper than anybody can see, the shape ends there. So two
//! types of one number may differ (in what a validating type reads next), but a type that did not
//! change always has its old number.

use serde::de::value::U32Deserializer;
use serde::de::{
    self, DeserializeOwned, DeserializeSeed, Deserializer, EnumAccess, IntoDeserializer, MapAccess,
    SeqAccess, VariantAccess, Visitor,
};

/// Deeper things, such as a tree in a tree in a tree, are not looked at.
const MAX_DEPTH: u32 = 16;
/// From here on options are empty and sequences too.
const SPARE_DEPTH: u32 = 6;
/// More than that of one type is not looked at.
const MAX_ITEMS: u32 = 4_096;
/// How often a type is walked, each time by other variants.
const MAX_WALKS: u32 = 64;

/// The number of the shape of `V`, never 0.
pub(super) fn shape_of<V: DeserializeOwned>() -> u32 {
    let mut walk = Walk {
        hash: 0xcbf2_9ce4_8422_2325,
        items: 0,
        depth: 0,
        enums: Vec::new(),
        next_enum: 0,
    };
    for _ in 0..MAX_WALKS {
        walk.next_enum = 0;
        // It ends in an error where it is not pleased; what it asked until then is what counts.
        let _ = V::deserialize(Probe(&mut walk));
        if !walk.choose_next() {
            break;
        }
    }
    ((walk.hash >> 32) as u32 ^ walk.hash as u32).max(1)
}

struct Walk {
    hash: u64,
    items: u32,
    depth: u32,
    /// Which variant is taken of each enum that is met, and how many it has.
    enums: Vec<(u32, u32)>,
    next_enum: usize,
}

impl Walk {
    /// FNV-1a, with something between texts.
    fn note(&mut self, what: &str) {
        for byte in what.bytes().chain([0xff]) {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn enter(&mut self, what: &str) -> Result<(), Stop> {
        self.items += 1;
        self.note(what);
        if self.items > MAX_ITEMS || self.depth > MAX_DEPTH {
            return Err(Stop);
        }
        Ok(())
    }

    fn variant(&mut self, variants: &[&str]) -> u32 {
        for variant in variants {
            self.note(variant);
        }
        let place = self.next_enum;
        self.next_enum += 1;
        if place == self.enums.len() {
            self.enums.push((0, variants.len() as u32));
        }
        self.enums.get(place).map_or(0, |(taken, _)| *taken)
    }

    /// Takes the next variant of the last enum that has one left.
    fn choose_next(&mut self) -> bool {
        self.depth = 0;
        while let Some((taken, count)) = self.enums.last_mut() {
            *taken += 1;
            if *taken < *count {
                return true;
            }
            self.enums.pop();
        }
        false
    }

    /// Goes into something.
    fn within<R>(&mut self, inside: impl FnOnce(&mut Self) -> Result<R, Stop>) -> Result<R, Stop> {
        self.depth += 1;
        let result = inside(self);
        self.depth -= 1;
        result
    }
}

/// The shape ends here.
#[derive(Debug)]
struct Stop;

impl std::fmt::Display for Stop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the shape ends here")
    }
}

impl std::error::Error for Stop {}

impl de::Error for Stop {
    fn custom<T: std::fmt::Display>(_reason: T) -> Self {
        Self
    }
}

/// Notes what is asked for, and gives something of that kind.
struct Probe<'w>(&'w mut Walk);

macro_rules! scalars {
    ($($method:ident, $visit:ident, $made_up:expr;)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
            self.0.enter(stringify!($method))?;
            visitor.$visit($made_up)
        })*
    };
}

impl<'de> Deserializer<'de> for Probe<'_> {
    type Error = Stop;

    scalars! {
        deserialize_bool, visit_bool, false;
        deserialize_i8, visit_i8, 1;
        deserialize_i16, visit_i16, 1;
        deserialize_i32, visit_i32, 1;
        deserialize_i64, visit_i64, 1;
        deserialize_i128, visit_i128, 1;
        deserialize_u8, visit_u8, 1;
        deserialize_u16, visit_u16, 1;
        deserialize_u32, visit_u32, 1;
        deserialize_u64, visit_u64, 1;
        deserialize_u128, visit_u128, 1;
        deserialize_f32, visit_f32, 1.0;
        deserialize_f64, visit_f64, 1.0;
        deserialize_char, visit_char, 'a';
        deserialize_str, visit_str, "";
        deserialize_string, visit_string, String::new();
        deserialize_bytes, visit_bytes, &[];
        deserialize_byte_buf, visit_byte_buf, Vec::new();
        deserialize_identifier, visit_str, "";
    }

    fn is_human_readable(&self) -> bool {
        false
    }

    fn deserialize_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, Stop> {
        self.0.enter("any")?;
        Err(Stop)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        self.0.enter("ignored")?;
        visitor.visit_unit()
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        self.0.enter("option")?;
        if self.0.depth >= SPARE_DEPTH {
            return visitor.visit_none();
        }
        self.0.within(|walk| visitor.visit_some(Probe(walk)))
    }

    fn deserialize_unit<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        self.0.enter("unit")?;
        visitor.visit_unit()
    }

    fn deserialize_unit_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Stop> {
        self.0.enter("unit struct")?;
        self.0.note(name);
        visitor.visit_unit()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Stop> {
        self.0.enter("newtype")?;
        self.0.note(name);
        self.0.within(|walk| visitor.visit_newtype_struct(Probe(walk)))
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        self.0.enter("sequence")?;
        let left = usize::from(self.0.depth < SPARE_DEPTH);
        self.0.within(|walk| visitor.visit_seq(Items { walk, left }))
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, count: usize, visitor: V) -> Result<V::Value, Stop> {
        self.0.enter("tuple")?;
        self.0.note(&count.to_string());
        self.0
            .within(|walk| visitor.visit_seq(Items { walk, left: count }))
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        count: usize,
        visitor: V,
    ) -> Result<V::Value, Stop> {
        self.0.enter("tuple struct")?;
        self.0.note(name);
        self.0
            .within(|walk| visitor.visit_seq(Items { walk, left: count }))
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Stop> {
        self.0.enter("map")?;
        let left = usize::from(self.0.depth < SPARE_DEPTH);
        self.0.within(|walk| visitor.visit_map(Items { walk, left }))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Stop> {
        self.0.enter("struct")?;
        self.0.note(name);
        for field in fields {
            self.0.note(field);
        }
        let left = fields.len();
        self.0.within(|walk| visitor.visit_seq(Items { walk, left }))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Stop> {
        self.0.enter("enum")?;
        self.0.note(name);
        let taken = self.0.variant(variants);
        self.0.within(|walk| visitor.visit_enum(Variant { walk, taken }))
    }
}

struct Items<'w> {
    walk: &'w mut Walk,
    left: usize,
}

impl<'de> SeqAccess<'de> for Items<'_> {
    type Error = Stop;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Stop> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        seed.deserialize(Probe(self.walk)).map(Some)
    }
}

impl<'de> MapAccess<'de> for Items<'_> {
    type Error = Stop;

    fn next_key_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Stop> {
        self.next_element_seed(seed)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, Stop> {
        seed.deserialize(Probe(self.walk))
    }
}

struct Variant<'w> {
    walk: &'w mut Walk,
    taken: u32,
}

impl<'de, 'w> EnumAccess<'de> for Variant<'w> {
    type Error = Stop;
    type Variant = Content<'w>;

    fn variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<(T::Value, Content<'w>), Stop> {
        let index: U32Deserializer<Stop> = self.taken.into_deserializer();
        Ok((seed.deserialize(index)?, Content(self.walk)))
    }
}

struct Content<'w>(&'w mut Walk);

impl<'de> VariantAccess<'de> for Content<'_> {
    type Error = Stop;

    fn unit_variant(self) -> Result<(), Stop> {
        self.0.enter("unit variant")
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Stop> {
        self.0.enter("newtype variant")?;
        seed.deserialize(Probe(self.0))
    }

    fn tuple_variant<V: Visitor<'de>>(self, count: usize, visitor: V) -> Result<V::Value, Stop> {
        Probe(self.0).deserialize_tuple(count, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(
        self,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Stop> {
        Probe(self.0).deserialize_struct("", fields, visitor)
    }
}

#[cfg(test)]
#[expect(dead_code, reason = "types that are only asked what they read")]
mod tests {
    use super::*;
    use serde::Deserialize;
    use std::collections::BTreeMap;

    mod first {
        #[derive(serde::Deserialize)]
        pub(super) struct User {
            _name: String,
            _tags: Vec<super::Tag>,
        }
    }

    #[derive(Deserialize)]
    enum Tag {
        Plain,
        Weighted(u32),
        Ranged { _from: u8, _to: u8 },
    }

    #[test]
    fn a_shape_has_one_number_for_ever() {
        let numbers = [
            shape_of::<u64>(),
            shape_of::<first::User>(),
            shape_of::<Option<BTreeMap<String, (u8, f64)>>>(),
        ];
        assert_eq!(numbers, [3_304_824_025, 3_087_781_355, 485_225_089]);
    }

    #[test]
    fn types_that_are_written_otherwise_have_other_numbers() {
        mod fewer {
            #[derive(serde::Deserialize)]
            pub(super) struct User {
                _name: String,
            }
        }
        mod renamed {
            #[derive(serde::Deserialize)]
            pub(super) struct User {
                _nick: String,
                _tags: Vec<super::Tag>,
            }
        }
        mod within {
            #[derive(serde::Deserialize)]
            pub(super) enum Tag {
                Plain,
                Weighted(u64),
                Ranged { _from: u8, _to: u8 },
            }
            #[derive(serde::Deserialize)]
            pub(super) struct User {
                _name: String,
                _tags: Vec<Tag>,
            }
        }
        let numbers = [
            shape_of::<first::User>(),
            shape_of::<fewer::User>(),
            shape_of::<renamed::User>(),
            shape_of::<within::User>(),
            shape_of::<u32>(),
            shape_of::<i32>(),
            shape_of::<u64>(),
            shape_of::<Option<u64>>(),
            shape_of::<Vec<u64>>(),
            shape_of::<(u64, u64)>(),
            shape_of::<BTreeMap<u64, u64>>(),
        ];
        let distinct: std::collections::BTreeSet<u32> = numbers.into();
        assert_eq!(distinct.len(), numbers.len(), "{numbers:?}");
    }

    #[derive(Deserialize)]
    struct Tree {
        _children: Vec<Tree>,
        _next: Option<Box<Tree>>,
        _kind: Kind,
    }

    #[derive(Deserialize)]
    enum Kind {
        Leaf,
        Both(Box<Tree>, Box<Kind>),
        Named(std::num::NonZeroU64, std::net::IpAddr),
    }

    #[test]
    fn what_contains_itself_has_a_shape_too() {
        assert_eq!(shape_of::<Tree>(), shape_of::<Tree>());
        assert_ne!(shape_of::<Tree>(), shape_of::<Kind>());
    }
}
