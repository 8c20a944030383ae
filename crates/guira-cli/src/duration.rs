//! Durations as people write and read them: `250ms`, `5m`.

use std::time::Duration;

const UNITS: &[(&str, u64)] = &[
    ("ns", 1),
    ("us", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
    ("d", 86_400_000_000_000),
];

/// Reads a whole number and a unit; a lifetime is never zero.
pub(crate) fn parse_lifetime(text: &str) -> Result<Duration, String> {
    let digits_end = text
        .find(|character: char| !character.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, unit) = text.split_at(digits_end);
    let number: u64 = digits.parse().map_err(|_| {
        format!("{text:?} is no duration; write a whole number and a unit, such as 250ms or 5m")
    })?;
    if number == 0 {
        return Err("a lifetime is positive; leave it out for one without end".to_owned());
    }
    let (_, unit_ns) = UNITS
        .iter()
        .find(|(name, _)| *name == unit)
        .ok_or_else(|| format!("{text:?} has no known unit; use ns, us, ms, s, m, h or d"))?;
    number
        .checked_mul(*unit_ns)
        .map(Duration::from_nanos)
        .ok_or_else(|| format!("{text:?} is too long; leave it out for a lifetime without end"))
}

/// Reads how long something is to run: seconds, more than 0, at most a day.
pub(crate) fn parse_seconds(text: &str) -> Result<Duration, String> {
    let refusal = || format!("{text:?} is no running time; write seconds from 0.01 to 86400");
    let seconds: f64 = text.parse().map_err(|_| refusal())?;
    if !(0.01..=86_400.0).contains(&seconds) {
        return Err(refusal());
    }
    Ok(Duration::from_secs_f64(seconds))
}

/// A duration for people: `250.0 ms`, `1.5 s`, `3 h 5 min`.
pub(crate) fn show_duration(duration: Duration) -> String {
    let ns = duration.as_nanos();
    let seconds = duration.as_secs();
    match ns {
        0..1_000 => format!("{ns} ns"),
        1_000..1_000_000 => format!("{:.1} us", ns as f64 / 1e3),
        1_000_000..1_000_000_000 => format!("{:.1} ms", ns as f64 / 1e6),
        _ if seconds < 120 => format!("{:.1} s", duration.as_secs_f64()),
        _ if seconds < 7_200 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ if seconds < 172_800 => format!("{} h {} min", seconds / 3_600, seconds / 60 % 60),
        _ => format!("{} days {} h", seconds / 86_400, seconds / 3_600 % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lifetimes_are_whole_numbers_with_a_unit() {
        assert_eq!(parse_lifetime("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(parse_lifetime("5m"), Ok(Duration::from_secs(300)));
        assert_eq!(parse_lifetime("1s"), Ok(Duration::from_secs(1)));
        assert_eq!(parse_lifetime("2h"), Ok(Duration::from_secs(7_200)));
        assert_eq!(parse_lifetime("1d"), Ok(Duration::from_secs(86_400)));
        assert_eq!(parse_lifetime("7us"), Ok(Duration::from_micros(7)));
    }

    #[test]
    fn what_is_no_lifetime_is_refused() {
        for text in ["", "5", "m", "0s", "-1s", "1.5s", "5 m", "5M", "99999999999d"] {
            assert!(parse_lifetime(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn running_times_may_be_fractions_of_a_second() {
        assert_eq!(parse_seconds("0.5"), Ok(Duration::from_millis(500)));
        assert_eq!(parse_seconds("20"), Ok(Duration::from_secs(20)));
        for text in ["0", "-1", "nan", "inf", "1s", "86401"] {
            assert!(parse_seconds(text).is_err(), "{text:?}");
        }
    }

    #[test]
    fn durations_are_shown_in_a_fitting_unit() {
        assert_eq!(show_duration(Duration::from_nanos(80)), "80 ns");
        assert_eq!(show_duration(Duration::from_micros(52)), "52.0 us");
        assert_eq!(show_duration(Duration::from_millis(250)), "250.0 ms");
        assert_eq!(show_duration(Duration::from_secs(299)), "4 min 59 s");
        assert_eq!(show_duration(Duration::from_secs(90_000)), "25 h 0 min");
    }
}
