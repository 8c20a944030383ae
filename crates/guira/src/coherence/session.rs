//! A session: what a host invalidated, as a token that its users carry to other hosts.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use guira_bus::wire::{Epoch, Origin};
use serde::{Deserialize, Serialize};

/// The first byte of a token.
const VERSION: u8 = 1;
const ORIGIN_BYTES: usize = 16;
const PLACE_BYTES: usize = 16;
/// Most brokers that a token names.
const MAX_PLACES: usize = super::note::MAX_BROKERS;

/// What a host had invalidated by some time, for users to carry to other hosts: in a cookie, a header, a message.
/// [`Announced::session`](crate::coherence::Announced::session) gives it, and
/// [`Consistency::Session`](crate::coherence::Consistency::Session) reads by it.
///
/// As text it is 44 letters, digits, `-` and `_` with one broker, 22 more with each other one. It holds no secret and
/// proves nothing: one that was made up costs a question to the brokers. It stays good when they begin anew.
///
/// ```
/// use guira::coherence::SessionToken;
///
/// let text = "AQAAAAAAAAAAAAAAAAAAAAA";
/// let token: SessionToken = text.parse()?;
/// assert_eq!(token.to_string(), text);
/// assert!("no token".parse::<SessionToken>().is_err());
/// # Ok::<(), guira::coherence::SessionTokenError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SessionToken {
    pub(super) origin: Origin,
    /// Where brokers have it: in which life, up to which position. It is applied where any of these is.
    pub(super) places: Vec<(Epoch, u64)>,
    /// Whether there was anything to tell.
    pub(super) is_empty: bool,
}

/// A text that is no token.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("no session token: give the text that another host's token was shown as, whole")]
#[non_exhaustive]
pub struct SessionTokenError;

impl SessionToken {
    pub(super) fn new(origin: Origin, mut places: Vec<(Epoch, u64)>) -> Self {
        places.truncate(MAX_PLACES);
        Self {
            origin,
            is_empty: places.is_empty(),
            places,
        }
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(1 + ORIGIN_BYTES + self.places.len() * PLACE_BYTES);
        bytes.push(VERSION);
        bytes.extend_from_slice(&self.origin.0.to_le_bytes());
        for (epoch, position) in &self.places {
            bytes.extend_from_slice(&epoch.0.to_le_bytes());
            bytes.extend_from_slice(&position.to_le_bytes());
        }
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (&version, rest) = bytes.split_first()?;
        let (origin, rest) = rest.split_first_chunk::<ORIGIN_BYTES>()?;
        let (places, rest) = rest.as_chunks::<PLACE_BYTES>();
        if version != VERSION || !rest.is_empty() || places.len() > MAX_PLACES {
            return None;
        }
        let places = places.iter().map(|place| {
            let [epoch, position] = [0, 8].map(|at| {
                let mut word = [0; 8];
                word.copy_from_slice(&place[at..at + 8]);
                u64::from_le_bytes(word)
            });
            (Epoch(epoch), position)
        });
        Some(Self::new(Origin(u128::from_le_bytes(*origin)), places.collect()))
    }
}

impl fmt::Display for SessionToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.to_bytes()))
    }
}

impl FromStr for SessionToken {
    type Err = SessionTokenError;

    fn from_str(text: &str) -> Result<Self, SessionTokenError> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok();
        bytes
            .and_then(|bytes| Self::from_bytes(&bytes))
            .ok_or(SessionTokenError)
    }
}

impl From<SessionToken> for String {
    fn from(token: SessionToken) -> Self {
        token.to_string()
    }
}

impl TryFrom<String> for SessionToken {
    type Error = SessionTokenError;

    fn try_from(text: String) -> Result<Self, SessionTokenError> {
        text.parse()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_comes_back_from_its_text() {
        for brokers in 0..=MAX_PLACES as u64 {
            let places = (0..brokers)
                .map(|broker| (Epoch(u64::MAX - broker), broker * 1_000))
                .collect();
            let token = SessionToken::new(Origin(u128::MAX / 7), places);
            let text = token.to_string();
            assert_eq!(text.parse(), Ok(token), "{text}");
        }
    }

    #[test]
    fn one_broker_makes_a_short_token() {
        let token = SessionToken::new(Origin(1), vec![(Epoch(2), 3)]);
        assert_eq!(token.to_string().len(), 44);
    }

    #[test]
    fn what_is_no_token_is_refused() {
        let whole = SessionToken::new(Origin(1), vec![(Epoch(2), 3)]).to_string();
        let another_version = whole.replacen('A', "B", 1);
        for text in [
            "",
            "A",
            "AQ",
            "\u{e4}",
            "====",
            &whole[..43],
            &format!("{whole}AAAA"),
            &another_version,
        ] {
            assert_eq!(text.parse::<SessionToken>(), Err(SessionTokenError), "{text}");
        }
        let long = SessionToken::new(Origin(1), Vec::new()).to_bytes();
        let long = [long, vec![1; (MAX_PLACES + 1) * PLACE_BYTES]].concat();
        assert!(URL_SAFE_NO_PAD.encode(&long).parse::<SessionToken>().is_err());
    }
}
