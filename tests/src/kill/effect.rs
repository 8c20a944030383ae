//! What an operation makes of a key, told without an engine.

use serde::{Deserialize, Serialize};

/// What a reader sees of an entry.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Value {
    /// The bytes.
    pub bytes: Vec<u8>,
    /// Marked as due for a refresh.
    pub is_stale: bool,
    /// Has a hard deadline.
    pub is_limited: bool,
}

impl Value {
    /// A fresh value without a deadline.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self {
            bytes: bytes.to_vec(),
            is_stale: false,
            is_limited: false,
        }
    }

    /// The number that the bytes spell.
    #[must_use]
    pub fn number(&self) -> Option<i64> {
        std::str::from_utf8(&self.bytes).ok()?.parse().ok()
    }
}

impl std::fmt::Debug for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown = &self.bytes[..self.bytes.len().min(24)];
        write!(f, "\"{}\"", shown.escape_ascii())?;
        if shown.len() < self.bytes.len() {
            write!(f, ".. ({} bytes)", self.bytes.len())?;
        }
        if self.is_stale {
            f.write_str(" stale")?;
        }
        if self.is_limited {
            f.write_str(" limited")?;
        }
        Ok(())
    }
}

/// How an operation answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Answer {
    /// It did what it is for.
    Done,
    /// The key was not as it has to be; nothing was changed.
    Refused,
    /// Invalidated (for a fill: or written) since it began.
    Superseded,
    /// There was no space.
    NoSpace,
}

/// What has happened to a key since an operation on it began.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Since {
    /// Somebody changed it otherwise than by a fill.
    pub written: bool,
    /// Somebody stored a value, by whatever means.
    pub stored: bool,
    /// Somebody marked it as stale: what is on its way then may be stale from its first moment.
    pub expired: bool,
    /// Somebody invalidated it.
    pub invalidated: bool,
}

/// What an operation does to one key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Effect {
    /// Nothing.
    Nothing,
    /// `put`
    Put(Value),
    /// `put` at the end of other work: it may begin after whatever is seen.
    PutAtLast(Value),
    /// `add`
    Add(Value),
    /// `replace`
    Replace(Value),
    /// `compare_and_swap`, from the version that the first bytes have.
    Swap(Vec<u8>, Value),
    /// `increment` by the first, without a value beginning with the second.
    Increment(i64, Option<i64>),
    /// `append`
    Append(Vec<u8>),
    /// `touch` with a hard deadline.
    Touch,
    /// `expire`
    Expire,
    /// `remove`
    Remove,
    /// `invalidate`
    Invalidate,
    /// `invalidate_tag`, `clear` or `clear_all` that covers the key.
    Sweep,
    /// `fill` with a token taken at a miss.
    Fill(Value),
    /// `fill` with a token taken at the stale value of the first bytes.
    Refresh(Vec<u8>, Value),
}

impl Effect {
    /// Everything that the operation may make of `now`, and how it then answers.
    #[must_use]
    pub fn of(&self, now: Option<&Value>, since: Since) -> Vec<(Option<Value>, Answer)> {
        let mut outcomes = self.of_fresh(now, since);
        if since.expired {
            if matches!(self, Self::Fill(_) | Self::Refresh(..)) {
                outcomes.push((now.cloned(), Answer::Superseded));
            }
            let stale: Vec<_> = outcomes
                .iter()
                .filter(|(_, answer)| *answer == Answer::Done)
                .filter_map(|(value, answer)| Some((value.as_ref()?.clone(), *answer)))
                .map(|(value, answer)| {
                    let is_stale = true;
                    (Some(Value { is_stale, ..value }), answer)
                })
                .collect();
            outcomes.extend(stale);
        }
        outcomes
    }

    /// The same, if nothing on its way was marked as stale.
    fn of_fresh(&self, now: Option<&Value>, since: Since) -> Vec<(Option<Value>, Answer)> {
        use Answer::{Done, Refused, Superseded};
        let same = now.cloned();
        let derived = |change: &dyn Fn(&Value) -> Value| match now {
            Some(value) => vec![(Some(change(value)), Done)],
            None => vec![(None, Refused)],
        };
        match self {
            Self::Nothing => vec![(same, Done)],
            Self::PutAtLast(value) if since.invalidated => {
                vec![(None, Superseded), (Some(value.clone()), Done)]
            }
            // What is superseded removes what it was to replace.
            Self::Put(_) if since.invalidated => vec![(None, Superseded)],
            Self::Put(value) | Self::PutAtLast(value) => vec![(Some(value.clone()), Done)],
            Self::Add(value) => match (now, since.invalidated) {
                (Some(_), true) => vec![(same.clone(), Refused), (same, Superseded)],
                (Some(_), false) => vec![(same, Refused)],
                (None, true) => vec![(None, Superseded)],
                (None, false) => vec![(Some(value.clone()), Done)],
            },
            Self::Replace(value) => match (now, since.invalidated) {
                (None, _) => vec![(None, Refused)],
                (Some(_), true) => vec![(None, Superseded)],
                (Some(_), false) => vec![(Some(value.clone()), Done)],
            },
            Self::Swap(expected, value) => match now {
                Some(now) if now.bytes == *expected => vec![(Some(value.clone()), Done)],
                _ => vec![(same, Refused)],
            },
            Self::Increment(by, initial) => match now {
                None => match initial {
                    None => vec![(None, Refused)],
                    Some(initial) => {
                        vec![(Some(Value::of(initial.to_string().as_bytes())), Done)]
                    }
                },
                Some(value) => match value.number().and_then(|number| number.checked_add(*by)) {
                    None => vec![(same, Refused)],
                    Some(sum) => vec![(Some(derived_from(value, sum.to_string().into_bytes())), Done)],
                },
            },
            Self::Append(suffix) => derived(&|value| {
                let mut bytes = value.bytes.clone();
                bytes.extend_from_slice(suffix);
                derived_from(value, bytes)
            }),
            Self::Touch => derived(&|value| Value {
                is_limited: true,
                ..derived_from(value, value.bytes.clone())
            }),
            Self::Expire => derived(&|value| Value {
                is_stale: true,
                ..value.clone()
            }),
            Self::Remove | Self::Invalidate => {
                vec![(None, if now.is_some() { Done } else { Refused })]
            }
            // A put that begins while it runs may stay.
            Self::Sweep if since.stored => vec![(None, Done), (same, Done)],
            Self::Sweep => vec![(None, Done)],
            Self::Fill(value) => match now {
                None if !since.written => vec![(Some(value.clone()), Done)],
                _ => vec![(same, Superseded)],
            },
            Self::Refresh(stale, value) => match now {
                Some(now) if !since.written && now.bytes == *stale => {
                    vec![(Some(value.clone()), Done)]
                }
                _ => vec![(same, Superseded)],
            },
        }
    }

    /// Whether a put that begins after it may be superseded by it.
    #[must_use]
    pub const fn invalidates(&self) -> bool {
        matches!(self, Self::Invalidate | Self::Sweep)
    }
}

/// Other bytes with the same lifetime, counted as fresh.
fn derived_from(value: &Value, bytes: Vec<u8>) -> Value {
    Value {
        bytes,
        is_stale: false,
        is_limited: value.is_limited,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNTOUCHED: Since = Since {
        written: false,
        stored: false,
        expired: false,
        invalidated: false,
    };
    const INVALIDATED: Since = Since {
        written: true,
        stored: false,
        expired: false,
        invalidated: true,
    };

    #[test]
    fn a_put_is_superseded_by_an_invalidation_and_by_nothing_else() {
        let put = Effect::Put(Value::of(b"new"));
        let now = Value::of(b"old");
        assert_eq!(
            put.of(Some(&now), UNTOUCHED),
            [(Some(Value::of(b"new")), Answer::Done)]
        );
        assert_eq!(put.of(Some(&now), INVALIDATED), [(None, Answer::Superseded)]);
    }

    #[test]
    fn a_fill_is_superseded_by_any_write() {
        let fill = Effect::Fill(Value::of(b"new"));
        let written = Since {
            written: true,
            ..Since::default()
        };
        assert_eq!(
            fill.of(None, UNTOUCHED),
            [(Some(Value::of(b"new")), Answer::Done)]
        );
        assert_eq!(fill.of(None, written), [(None, Answer::Superseded)]);
    }

    #[test]
    fn derivations_keep_the_lifetime_and_take_the_stale_mark_away() {
        let now = Value {
            is_stale: true,
            is_limited: true,
            ..Value::of(b"41")
        };
        let expected = Value {
            is_limited: true,
            ..Value::of(b"42")
        };
        let increment = Effect::Increment(1, None);
        assert_eq!(
            increment.of(Some(&now), UNTOUCHED),
            [(Some(expected), Answer::Done)]
        );
        assert_eq!(increment.of(None, UNTOUCHED), [(None, Answer::Refused)]);
        let text = Value::of(b"x");
        assert_eq!(
            increment.of(Some(&text), UNTOUCHED),
            [(Some(text), Answer::Refused)]
        );
    }
}
