//! Durations and sizes as people write them: `250ms`, `1h30m`, `64M`.

use std::time::Duration;

/// Why a text is no duration, or no size.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UnitError {
    /// It does not begin with a number where one belongs.
    #[error("not a whole number and a unit, such as 250ms or 5m (sizes: 64M)")]
    NoNumber,
    /// The unit is unknown or missing.
    #[error("a number without a known unit; durations have ns, us, ms, s, m, h, d or w, sizes K, M, G or T")]
    NoUnit,
    /// It does not fit 64 bits.
    #[error("too large a number")]
    TooLarge,
}

/// Reads a duration: whole numbers, each with its unit (`ns`, `us`, `ms`, `s`, `m`, `h`, `d`, `w`), of which
/// the sum is meant.
///
/// ```
/// use std::time::Duration;
///
/// const TTL: Duration = match guira::units::duration("1h30m") {
///     Ok(ttl) => ttl,
///     Err(_) => panic!("no duration"),
/// };
/// assert_eq!(TTL, Duration::from_secs(5400));
/// assert!(guira::units::duration("5").is_err());
/// ```
///
/// # Errors
/// See [`UnitError`].
pub const fn duration(text: &str) -> Result<Duration, UnitError> {
    let mut rest = text.as_bytes();
    let mut sum_ns = 0_u64;
    loop {
        let (number, after) = match number(rest) {
            Ok(read) => read,
            Err(error) => return Err(error),
        };
        let (unit_ns, after): (u64, _) = match after {
            [b'n', b's', after @ ..] => (1, after),
            [b'u', b's', after @ ..] => (1_000, after),
            [b'm', b's', after @ ..] => (1_000_000, after),
            [b's', after @ ..] => (1_000_000_000, after),
            [b'm', after @ ..] => (60_000_000_000, after),
            [b'h', after @ ..] => (3_600_000_000_000, after),
            [b'd', after @ ..] => (86_400_000_000_000, after),
            [b'w', after @ ..] => (604_800_000_000_000, after),
            _ => return Err(UnitError::NoUnit),
        };
        sum_ns = match number.checked_mul(unit_ns) {
            Some(ns) => match sum_ns.checked_add(ns) {
                Some(sum) => sum,
                None => return Err(UnitError::TooLarge),
            },
            None => return Err(UnitError::TooLarge),
        };
        if after.is_empty() {
            return Ok(Duration::from_nanos(sum_ns));
        }
        rest = after;
    }
}

/// Reads a size in bytes: a whole number, and `K`, `M`, `G` or `T` for powers of 1,024 (`64M`, `64MB` and
/// `64MiB` are the same).
///
/// ```
/// assert_eq!(guira::units::size("64M"), Ok(64 << 20));
/// assert_eq!(guira::units::size("4096"), Ok(4096));
/// ```
///
/// # Errors
/// See [`UnitError`].
pub const fn size(text: &str) -> Result<u64, UnitError> {
    let (number, rest) = match number(text.as_bytes()) {
        Ok(read) => read,
        Err(error) => return Err(error),
    };
    let (shift, rest) = match rest {
        [b'K' | b'k', rest @ ..] => (10, rest),
        [b'M' | b'm', rest @ ..] => (20, rest),
        [b'G' | b'g', rest @ ..] => (30, rest),
        [b'T' | b't', rest @ ..] => (40, rest),
        rest => (0, rest),
    };
    match rest {
        [] | [b'B' | b'b'] => {}
        [b'i' | b'I', b'B' | b'b'] if shift > 0 => {}
        _ => return Err(UnitError::NoUnit),
    }
    match number.checked_mul(1 << shift) {
        Some(bytes) => Ok(bytes),
        None => Err(UnitError::TooLarge),
    }
}

/// A whole number, and what is behind it.
const fn number(text: &[u8]) -> Result<(u64, &[u8]), UnitError> {
    let mut rest = text;
    let mut number = 0_u64;
    while let [digit @ b'0'..=b'9', after @ ..] = rest {
        number = match number.checked_mul(10) {
            Some(tens) => match tens.checked_add((*digit - b'0') as u64) {
                Some(sum) => sum,
                None => return Err(UnitError::TooLarge),
            },
            None => return Err(UnitError::TooLarge),
        };
        rest = after;
    }
    if rest.len() == text.len() {
        return Err(UnitError::NoNumber);
    }
    Ok((number, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_sums_of_numbers_with_units() {
        for (text, ms) in [
            ("250ms", 250),
            ("5m", 300_000),
            ("1h30m", 5_400_000),
            ("2d", 172_800_000),
            ("1w", 604_800_000),
            ("1s500ms", 1_500),
            ("0s", 0),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        assert_eq!(duration("7us"), Ok(Duration::from_micros(7)));
        assert_eq!(duration("9ns"), Ok(Duration::from_nanos(9)));
        for (text, error) in [
            ("", UnitError::NoNumber),
            ("m", UnitError::NoNumber),
            ("-1s", UnitError::NoNumber),
            ("5", UnitError::NoUnit),
            ("5M", UnitError::NoUnit),
            ("5 m", UnitError::NoUnit),
            ("1.5s", UnitError::NoUnit),
            ("5m x", UnitError::NoNumber),
            ("99999999999d", UnitError::TooLarge),
            ("99999999999999999999s", UnitError::TooLarge),
        ] {
            assert_eq!(duration(text), Err(error), "{text:?}");
        }
    }

    #[test]
    fn sizes_are_numbers_with_a_power_of_1024() {
        for (text, bytes) in [
            ("64K", 64 << 10),
            ("2g", 2 << 30),
            ("2GiB", 2 << 30),
            ("2GB", 2 << 30),
            ("1T", 1 << 40),
            ("12B", 12),
        ] {
            assert_eq!(size(text), Ok(bytes), "{text}");
        }
        for text in ["", "M", "1.5G", "5iB", "5MM", "5 M", "99999999T"] {
            assert!(size(text).is_err(), "{text:?}");
        }
    }
}
