//! A key's bytes, read back as the items that they are made of.

use serde::{Serialize, Serializer};

use super::key_bytes::KeyBytes;
use super::serializer::KeySerializer;
use super::tag;
use crate::error::{KeyDecodeError, KeyError};

/// What a hashed key has: its tag, the hash, and the head of what was hashed.
const HASHED_BYTES: usize = 256;

/// What a key is made of, as far as its bytes tell: `7_u8` and `7_u64` are one item, and a struct is a map.
///
/// It is shown as JSON, and read from JSON or any other format of serde's. What JSON has no form for is an object
/// with one field:
///
/// | item | is written |
/// |---|---|
/// | integer beyond 64 bits | `{"$int":"18446744073709551616"}` |
/// | infinite float | `{"$float":"inf"}`, `{"$float":"-inf"}` |
/// | bytes | `{"$bytes":"00ff"}` |
/// | `Some` around `None` | `{"$some":null}` |
/// | variant of an enum | `{"$variant":"Empty"}`, `{"$variant":["Wrapped",7]}` |
/// | map with a key that is no text, or with one key that begins with `$` | `{"$map":[[1,"a"],[2,"b"]]}` |
/// | key that was hashed because it is long | `{"$hashed":"7eab.."}`, all its bytes |
///
/// ```
/// use guira::key::{KeyBytes, KeyItem};
///
/// let bytes = KeyBytes::of(&("plum", 7_u8, Some(1.5)))?;
/// let item = KeyItem::of_bytes(&bytes)?;
/// assert_eq!(item.to_string(), r#"["plum",7,1.5]"#);
/// assert_eq!(item.to_bytes()?, bytes);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub enum KeyItem {
    /// `None`.
    Nothing,
    /// `Some` around `None`, or around another of these; around anything else it is that.
    Some(Box<Self>),
    /// A truth value.
    Bool(bool),
    /// An integer from zero on.
    Natural(u128),
    /// An integer below zero.
    Negative(i128),
    /// A float.
    Float(f64),
    /// Text.
    Text(String),
    /// Bytes.
    Bytes(Vec<u8>),
    /// A sequence, tuple or array.
    List(Vec<Self>),
    /// A map or struct: keys with their values.
    Map(Vec<(Self, Self)>),
    /// A variant of an enum.
    Variant {
        /// Its name.
        name: String,
        /// What is in it.
        content: Option<Box<Self>>,
    },
    /// A key that was hashed because it is long: all its bytes.
    Hashed(Vec<u8>),
}

impl KeyItem {
    /// Reads a key's bytes.
    ///
    /// # Errors
    /// [`KeyDecodeError`]: the bytes are no encoding of a key.
    pub fn of_bytes(bytes: &[u8]) -> Result<Self, KeyDecodeError> {
        let item = if bytes.first() == Some(&tag::HASHED) {
            Self::Hashed(bytes.to_vec())
        } else {
            let mut rest = Rest { bytes, depth: 0 };
            let item = rest.item()?;
            if !rest.bytes.is_empty() {
                return Err(KeyDecodeError::Longer {
                    extra_bytes: rest.bytes.len(),
                });
            }
            item
        };
        // There is one encoding of each key: bytes that mean the same but differ are no key.
        match item.to_bytes() {
            Ok(canonical) if *canonical == *bytes => Ok(item),
            _ => Err(KeyDecodeError::NotCanonical),
        }
    }

    /// The key's bytes.
    ///
    /// # Errors
    /// [`KeyError`]: NaN, a map with one key twice, or a hashed key inside of another.
    pub fn to_bytes(&self) -> Result<KeyBytes, KeyError> {
        let mut bytes = KeyBytes::new();
        if let Self::Hashed(hashed) = self {
            if hashed.len() != HASHED_BYTES || hashed.first() != Some(&tag::HASHED) {
                return Err(unserializable(
                    "a hashed key has 256 bytes, of which the first is 7e",
                ));
            }
            bytes.extend(hashed);
        } else {
            self.append_to(&mut bytes)?;
            bytes.shorten_if_long();
        }
        Ok(bytes)
    }

    fn append_to(&self, bytes: &mut KeyBytes) -> Result<(), KeyError> {
        match self {
            Self::Nothing => KeySerializer(bytes).serialize_none(),
            Self::Some(inner) => {
                if matches!(**inner, Self::Nothing | Self::Some(_)) {
                    bytes.push(tag::SOME);
                }
                inner.append_to(bytes)
            }
            Self::Bool(value) => value.serialize(KeySerializer(bytes)),
            Self::Natural(value) => value.serialize(KeySerializer(bytes)),
            Self::Negative(value) => value.serialize(KeySerializer(bytes)),
            Self::Float(value) => value.serialize(KeySerializer(bytes)),
            Self::Text(text) => text.serialize(KeySerializer(bytes)),
            Self::Bytes(value) => KeySerializer(bytes).serialize_bytes(value),
            Self::List(items) => {
                bytes.push(tag::LIST);
                items.iter().try_for_each(|item| item.append_to(bytes))?;
                bytes.push(tag::END);
                Ok(())
            }
            Self::Map(pairs) => append_map(pairs, bytes),
            Self::Variant { name, content } => {
                bytes.push(tag::VARIANT);
                name.serialize(KeySerializer(bytes))?;
                if let Some(content) = content {
                    content.append_to(bytes)?;
                }
                bytes.push(tag::END);
                Ok(())
            }
            Self::Hashed(_) => Err(unserializable("a hashed key is in no other")),
        }
    }
}

fn append_map(pairs: &[(KeyItem, KeyItem)], bytes: &mut KeyBytes) -> Result<(), KeyError> {
    let mut encoded = Vec::with_capacity(pairs.len());
    for (key, value) in pairs {
        let mut key_bytes = KeyBytes::new();
        key.append_to(&mut key_bytes)?;
        encoded.push((key_bytes, value));
    }
    encoded.sort_by(|(one, _), (other, _)| (**one).cmp(other));
    if encoded
        .windows(2)
        .any(|pair| matches!(pair, [one, next] if one.0 == next.0))
    {
        return Err(KeyError::DuplicateMapKey);
    }
    bytes.push(tag::MAP);
    for (key, value) in encoded {
        bytes.extend(&key);
        value.append_to(bytes)?;
    }
    bytes.push(tag::END);
    Ok(())
}

fn unserializable(reason: &str) -> KeyError {
    KeyError::Unserializable {
        reason: reason.into(),
    }
}

/// Deeper than any key of a program; what is deeper is taken for damage.
const MAX_DEPTH: u32 = 64;

/// What has not been read yet.
struct Rest<'b> {
    bytes: &'b [u8],
    depth: u32,
}

impl<'b> Rest<'b> {
    fn byte(&mut self) -> Result<u8, KeyDecodeError> {
        let (&byte, rest) = self.bytes.split_first().ok_or(KeyDecodeError::CutOff)?;
        self.bytes = rest;
        Ok(byte)
    }

    fn take(&mut self, count: usize) -> Result<&'b [u8], KeyDecodeError> {
        let (taken, rest) = self.bytes.split_at_checked(count).ok_or(KeyDecodeError::CutOff)?;
        self.bytes = rest;
        Ok(taken)
    }

    fn item(&mut self) -> Result<KeyItem, KeyDecodeError> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(KeyDecodeError::TooDeep { max_depth: MAX_DEPTH });
        }
        let item = self.item_of(self.byte_ahead()?);
        self.depth -= 1;
        item
    }

    fn byte_ahead(&self) -> Result<u8, KeyDecodeError> {
        self.bytes.first().copied().ok_or(KeyDecodeError::CutOff)
    }

    fn item_of(&mut self, tag: u8) -> Result<KeyItem, KeyDecodeError> {
        self.byte()?;
        Ok(match tag {
            tag::NOTHING => KeyItem::Nothing,
            tag::SOME => KeyItem::Some(Box::new(self.item()?)),
            tag::FALSE => KeyItem::Bool(false),
            tag::TRUE => KeyItem::Bool(true),
            tag if (tag::NEGATIVE - 16..=tag::NEGATIVE).contains(&tag) => {
                let mut bytes = [0xff; 16];
                self.integer(tag::NEGATIVE - tag, &mut bytes)?;
                KeyItem::Negative(i128::from_be_bytes(bytes))
            }
            tag if (tag::NATURAL..=tag::NATURAL + 16).contains(&tag) => {
                let mut bytes = [0; 16];
                self.integer(tag - tag::NATURAL, &mut bytes)?;
                KeyItem::Natural(u128::from_be_bytes(bytes))
            }
            tag::FLOAT => {
                let bits = self.take(8)?.first_chunk().ok_or(KeyDecodeError::CutOff)?;
                KeyItem::Float(f64::from_be_bytes(*bits))
            }
            tag::TEXT => KeyItem::Text(self.text()?),
            tag::BYTES => {
                let count = self.count()?;
                KeyItem::Bytes(self.take(count)?.to_vec())
            }
            tag::LIST => {
                let mut items = Vec::new();
                while !self.ends()? {
                    items.push(self.item()?);
                }
                KeyItem::List(items)
            }
            tag::MAP => {
                let mut pairs = Vec::new();
                while !self.ends()? {
                    pairs.push((self.item()?, self.item()?));
                }
                KeyItem::Map(pairs)
            }
            tag::VARIANT => self.variant()?,
            tag => return Err(KeyDecodeError::UnknownTag { tag }),
        })
    }

    /// Reads the last `count` bytes of `number`.
    fn integer(&mut self, count: u8, number: &mut [u8; 16]) -> Result<(), KeyDecodeError> {
        let taken = self.take(count.into())?;
        number
            .iter_mut()
            .rev()
            .zip(taken.iter().rev())
            .for_each(|(to, from)| *to = *from);
        Ok(())
    }

    fn text(&mut self) -> Result<String, KeyDecodeError> {
        let count = self.bytes.iter().position(|&byte| byte == tag::TEXT_END);
        let text = self.take(count.ok_or(KeyDecodeError::CutOff)?)?;
        self.byte()?;
        String::from_utf8(text.to_vec()).map_err(|_| KeyDecodeError::NotText)
    }

    /// A count in LEB128.
    fn count(&mut self) -> Result<usize, KeyDecodeError> {
        let mut count = 0_usize;
        // No key is longer than three of these groups tell.
        for shift in [0, 7, 14] {
            let byte = self.byte()?;
            count |= usize::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(count);
            }
        }
        Err(KeyDecodeError::CutOff)
    }

    /// Whether the list, map or variant ends here.
    fn ends(&mut self) -> Result<bool, KeyDecodeError> {
        let ends = self.byte_ahead()? == tag::END;
        if ends {
            self.byte()?;
        }
        Ok(ends)
    }

    fn variant(&mut self) -> Result<KeyItem, KeyDecodeError> {
        if self.byte()? != tag::TEXT {
            return Err(KeyDecodeError::NotCanonical);
        }
        let name = self.text()?;
        let content = if self.ends()? {
            None
        } else {
            let content = self.item()?;
            if !self.ends()? {
                return Err(KeyDecodeError::NotCanonical);
            }
            Some(Box::new(content))
        };
        Ok(KeyItem::Variant { name, content })
    }
}
