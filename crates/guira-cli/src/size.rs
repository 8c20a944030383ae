//! Sizes as people write and read them: `64M`, `2G`; powers of 1,024.

const UNITS: &[(&str, u32)] = &[("K", 10), ("M", 20), ("G", 30), ("T", 40)];

/// Reads `4096`, `64K`, `64M`, `64MB` or `64MiB` as bytes.
pub(crate) fn parse_size(text: &str) -> Result<u64, String> {
    let digits_end = text
        .find(|character: char| !character.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, unit) = text.split_at(digits_end);
    let number: u64 = digits
        .parse()
        .map_err(|_| format!("{text:?} is no size; write a whole number and K, M, G or T, such as 64M"))?;
    let unit = unit.to_ascii_uppercase();
    let letter = unit.trim_end_matches("IB").trim_end_matches('B');
    let shift = match UNITS.iter().find(|(name, _)| *name == letter) {
        Some((_, shift)) => *shift,
        None if letter.is_empty() && !unit.starts_with('I') => 0,
        None => return Err(format!("{text:?} has an unknown unit; use K, M, G or T")),
    };
    number
        .checked_mul(1 << shift)
        .ok_or_else(|| format!("{text:?} is too large; the largest size is 16777215T"))
}

/// Bytes for people: `64.0 MiB`.
pub(crate) fn show_size(bytes: u64) -> String {
    match UNITS.iter().rev().find(|(_, shift)| bytes >= 1 << shift) {
        Some((unit, shift)) => format!("{:.1} {unit}iB", bytes as f64 / (1_u64 << shift) as f64),
        None => format!("{bytes} B"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_whole_numbers_with_a_unit() {
        assert_eq!(parse_size("4096"), Ok(4096));
        assert_eq!(parse_size("64K"), Ok(64 << 10));
        assert_eq!(parse_size("64M"), Ok(64 << 20));
        assert_eq!(parse_size("2g"), Ok(2 << 30));
        assert_eq!(parse_size("2GiB"), Ok(2 << 30));
        assert_eq!(parse_size("2GB"), Ok(2 << 30));
        assert_eq!(parse_size("1T"), Ok(1 << 40));
        assert_eq!(parse_size("12B"), Ok(12));
    }

    #[test]
    fn what_is_no_size_is_refused() {
        for text in [
            "",
            "M",
            "1.5G",
            "-1",
            "64X",
            "64 M",
            "64MM",
            "1iB",
            "99999999999999999999",
            "16777216T",
        ] {
            assert!(
                parse_size(text).is_err(),
                "{text:?} was read as {:?}",
                parse_size(text)
            );
        }
    }

    #[test]
    fn sizes_are_shown_in_the_largest_fitting_unit() {
        assert_eq!(show_size(0), "0 B");
        assert_eq!(show_size(1023), "1023 B");
        assert_eq!(show_size(64 << 20), "64.0 MiB");
        assert_eq!(show_size(3 << 29), "1.5 GiB");
    }
}
