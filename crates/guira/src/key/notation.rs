//! Items of keys as people write and read them: JSON, and objects with one `$` field for what JSON lacks.

use std::fmt::{self, Write};

use serde::de::{self, Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use super::item::KeyItem;

impl fmt::Display for KeyItem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Nothing => f.write_str("null"),
            Self::Some(inner) => write!(f, "{{\"$some\":{inner}}}"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Natural(value) if u64::try_from(*value).is_err() => write!(f, "{{\"$int\":\"{value}\"}}"),
            Self::Natural(value) => write!(f, "{value}"),
            Self::Negative(value) if i64::try_from(*value).is_err() => write!(f, "{{\"$int\":\"{value}\"}}"),
            Self::Negative(value) => write!(f, "{value}"),
            Self::Float(value) if value.is_finite() => write!(f, "{value:?}"),
            Self::Float(value) => write!(f, "{{\"$float\":\"{value}\"}}"),
            Self::Text(text) => write_text(f, text),
            Self::Bytes(bytes) => write_hex(f, "$bytes", bytes),
            Self::List(items) => {
                f.write_char('[')?;
                write_separated(f, items, |f, item| write!(f, "{item}"))?;
                f.write_char(']')
            }
            Self::Map(pairs) => write_map(f, pairs),
            Self::Variant { name, content } => {
                f.write_str("{\"$variant\":")?;
                match content {
                    None => write_text(f, name)?,
                    Some(content) => {
                        f.write_char('[')?;
                        write_text(f, name)?;
                        write!(f, ",{content}]")?;
                    }
                }
                f.write_char('}')
            }
            Self::Hashed(bytes) => write_hex(f, "$hashed", bytes),
        }
    }
}

fn write_separated<T>(
    f: &mut fmt::Formatter<'_>,
    items: &[T],
    mut write: impl FnMut(&mut fmt::Formatter<'_>, &T) -> fmt::Result,
) -> fmt::Result {
    items.iter().enumerate().try_for_each(|(index, item)| {
        if index > 0 {
            f.write_char(',')?;
        }
        write(f, item)
    })
}

fn write_map(f: &mut fmt::Formatter<'_>, pairs: &[(KeyItem, KeyItem)]) -> fmt::Result {
    let is_object = pairs.iter().all(|(key, _)| matches!(key, KeyItem::Text(_)))
        && !matches!(pairs, [(KeyItem::Text(name), _)] if name.starts_with('$'));
    if is_object {
        f.write_char('{')?;
        write_separated(f, pairs, |f, (key, value)| write!(f, "{key}:{value}"))?;
        return f.write_char('}');
    }
    f.write_str("{\"$map\":[")?;
    write_separated(f, pairs, |f, (key, value)| write!(f, "[{key},{value}]"))?;
    f.write_str("]}")
}

fn write_text(f: &mut fmt::Formatter<'_>, text: &str) -> fmt::Result {
    f.write_char('"')?;
    for character in text.chars() {
        match character {
            '"' | '\\' => write!(f, "\\{character}")?,
            '\n' => f.write_str("\\n")?,
            '\t' => f.write_str("\\t")?,
            '\r' => f.write_str("\\r")?,
            // Those that a terminal would obey.
            '\0'..=' ' | '\u{7f}'..='\u{9f}' if character != ' ' => {
                write!(f, "\\u{:04x}", u32::from(character))?;
            }
            _ => f.write_char(character)?,
        }
    }
    f.write_char('"')
}

fn write_hex(f: &mut fmt::Formatter<'_>, name: &str, bytes: &[u8]) -> fmt::Result {
    write!(f, "{{\"{name}\":\"")?;
    bytes.iter().try_for_each(|byte| write!(f, "{byte:02x}"))?;
    f.write_str("\"}")
}

impl<'de> Deserialize<'de> for KeyItem {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(ItemVisitor)
    }
}

struct ItemVisitor;

impl<'de> Visitor<'de> for ItemVisitor {
    type Value = KeyItem;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an item of a key")
    }

    fn visit_unit<E>(self) -> Result<KeyItem, E> {
        Ok(KeyItem::Nothing)
    }

    fn visit_none<E>(self) -> Result<KeyItem, E> {
        Ok(KeyItem::Nothing)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<KeyItem, D::Error> {
        KeyItem::deserialize(deserializer)
    }

    fn visit_bool<E>(self, value: bool) -> Result<KeyItem, E> {
        Ok(KeyItem::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<KeyItem, E> {
        Ok(integer(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<KeyItem, E> {
        Ok(KeyItem::Natural(value.into()))
    }

    fn visit_i128<E>(self, value: i128) -> Result<KeyItem, E> {
        Ok(integer(value))
    }

    fn visit_u128<E>(self, value: u128) -> Result<KeyItem, E> {
        Ok(KeyItem::Natural(value))
    }

    fn visit_f64<E>(self, value: f64) -> Result<KeyItem, E> {
        Ok(KeyItem::Float(value))
    }

    fn visit_str<E>(self, value: &str) -> Result<KeyItem, E> {
        Ok(KeyItem::Text(value.to_owned()))
    }

    fn visit_bytes<E>(self, value: &[u8]) -> Result<KeyItem, E> {
        Ok(KeyItem::Bytes(value.to_vec()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<KeyItem, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = sequence.next_element()? {
            items.push(item);
        }
        Ok(KeyItem::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<KeyItem, A::Error> {
        let mut pairs = Vec::new();
        while let Some(pair) = map.next_entry::<KeyItem, KeyItem>()? {
            pairs.push(pair);
        }
        match pairs.as_mut_slice() {
            [(KeyItem::Text(name), content)] if name.starts_with('$') => {
                let content = std::mem::replace(content, KeyItem::Nothing);
                special(name, content).ok_or_else(|| {
                    de::Error::custom(format_args!(
                        "an object with the one field {name:?} stands for no item of a key; \
                         a map is written {{\"$map\":[[KEY,VALUE],..]}}"
                    ))
                })
            }
            _ => Ok(KeyItem::Map(pairs)),
        }
    }
}

fn integer(value: i128) -> KeyItem {
    u128::try_from(value).map_or(KeyItem::Negative(value), KeyItem::Natural)
}

/// What an object with one field, whose name begins with `$`, stands for.
fn special(name: &str, content: KeyItem) -> Option<KeyItem> {
    Some(match (name, content) {
        ("$some", inner) => KeyItem::Some(Box::new(inner)),
        ("$int", KeyItem::Text(digits)) => match digits.parse() {
            Ok(natural) => KeyItem::Natural(natural),
            Err(_) => integer(digits.parse().ok()?),
        },
        ("$float", KeyItem::Text(float)) => KeyItem::Float(float.parse().ok()?),
        ("$bytes", KeyItem::Text(hex)) => KeyItem::Bytes(bytes_of(&hex)?),
        ("$hashed", KeyItem::Text(hex)) => KeyItem::Hashed(bytes_of(&hex)?),
        ("$variant", KeyItem::Text(name)) => KeyItem::Variant { name, content: None },
        ("$variant", KeyItem::List(parts)) => {
            let [KeyItem::Text(name), content] = <[_; 2]>::try_from(parts).ok()? else {
                return None;
            };
            KeyItem::Variant {
                name,
                content: Some(Box::new(content)),
            }
        }
        ("$map", KeyItem::List(pairs)) => {
            let pairs = pairs.into_iter().map(|pair| match pair {
                KeyItem::List(pair) => <[_; 2]>::try_from(pair).ok().map(|[key, value]| (key, value)),
                _ => None,
            });
            KeyItem::Map(pairs.collect::<Option<_>>()?)
        }
        _ => return None,
    })
}

fn bytes_of(hex: &str) -> Option<Vec<u8>> {
    let (pairs, []) = hex.as_bytes().as_chunks::<2>() else {
        return None;
    };
    let digit = |byte: u8| char::from(byte).to_digit(16);
    let byte = |&[high, low]: &[u8; 2]| u8::try_from(digit(high)? << 4 | digit(low)?).ok();
    pairs.iter().map(byte).collect()
}
