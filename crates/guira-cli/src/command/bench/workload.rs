//! What a bench does to a segment: which keys, in which order, how often read and written.

use std::path::PathBuf;

use guira_trace::{Access, Trace, TraceError};
use serde::{Deserialize, Serialize};

use crate::random::{Random, Zipf};

/// Bytes of a value where nobody says otherwise.
const DEFAULT_VALUE_BYTES: u64 = 100;
/// Accesses that are drawn before the clock starts, and then repeated.
const DRAWN_ACCESSES: usize = 1 << 20;

/// How many gets come with how many puts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Mix {
    /// Gets.
    pub gets: u32,
    /// Puts.
    pub puts: u32,
}

/// What is done.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Workload {
    pub(crate) mix: Mix,
    pub(crate) keys: u32,
    pub(crate) value_bytes: Option<u64>,
    pub(crate) zipf: Option<f64>,
    pub(crate) trace: Option<PathBuf>,
}

impl Workload {
    /// The accesses that a thread repeats.
    pub(crate) fn accesses(&self, random: &mut Random) -> Result<Vec<Access>, TraceError> {
        if let Some(path) = &self.trace {
            return Ok(Trace::read(path)?.accesses().to_vec());
        }
        let count = u64::from(self.keys);
        let zipf = self.zipf.map(|exponent| Zipf::new(count, exponent));
        let draw = |_| {
            Access::unit(match &zipf {
                Some(zipf) => zipf.sample(random),
                None => random.below(count),
            })
        };
        Ok((0..DRAWN_ACCESSES).map(draw).collect())
    }

    /// How large a value is, for an object whose size the trace gives as `traced_bytes`; 1 where a
    /// trace has no sizes.
    pub(crate) fn value_bytes_of(&self, traced_bytes: u32) -> usize {
        let bytes = match (self.value_bytes, traced_bytes) {
            (Some(bytes), _) => bytes,
            (None, 1) => DEFAULT_VALUE_BYTES,
            (None, traced) => u64::from(traced),
        };
        usize::try_from(bytes).unwrap_or(usize::MAX)
    }
}

/// Reads `95:5`.
pub(crate) fn parse_mix(text: &str) -> Result<Mix, String> {
    let refusal = || format!("{text:?} is no mix; write gets and puts such as 95:5");
    let (gets, puts) = text.split_once(':').ok_or_else(refusal)?;
    let mix = Mix {
        gets: gets.parse().map_err(|_| refusal())?,
        puts: puts.parse().map_err(|_| refusal())?,
    };
    match mix.gets.checked_add(mix.puts) {
        None | Some(0) => Err(refusal()),
        Some(_) => Ok(mix),
    }
}

/// Reads a Zipf exponent.
pub(crate) fn parse_zipf(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(exponent) if (0.01..=10.0).contains(&exponent) => Ok(exponent),
        _ => Err(format!(
            "{text:?} is no exponent; write a number from 0.01 to 10, such as 0.99"
        )),
    }
}

/// The key of an object.
pub(crate) const fn key_bytes(object: u64) -> [u8; 8] {
    object.to_le_bytes()
}

/// Makes `value` one of `value_bytes` bytes, begun by the object's number.
pub(crate) fn value_of(object: u64, value_bytes: usize, value: &mut Vec<u8>) {
    value.resize(value_bytes, b'v');
    for (place, byte) in value.iter_mut().zip(object.to_le_bytes()) {
        *place = byte;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mix_is_two_numbers() {
        assert_eq!(parse_mix("95:5"), Ok(Mix { gets: 95, puts: 5 }));
        assert_eq!(parse_mix("0:1"), Ok(Mix { gets: 0, puts: 1 }));
        for text in ["", "95", "0:0", "a:b", "1:-1", "4294967295:1", "1:2:3"] {
            assert!(parse_mix(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn an_exponent_is_a_positive_number() {
        assert_eq!(parse_zipf("0.99"), Ok(0.99));
        for text in ["0", "-1", "nan", "inf", "x"] {
            assert!(parse_zipf(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn a_value_begins_with_its_object() {
        let mut value = Vec::new();
        value_of(0x0102, 10, &mut value);
        assert_eq!(value, [2, 1, 0, 0, 0, 0, 0, 0, b'v', b'v']);
        value_of(3, 2, &mut value);
        assert_eq!(value, [3, 0]);
    }
}
