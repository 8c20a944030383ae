//! A tiny evaluator: unsigned integers, named constants, `+ - * / << >>`, `as`, parentheses.

/// Gives the value of a named constant, by the segments of its path.
pub(super) type Lookup<'a> = &'a dyn Fn(&[&str]) -> Result<u128, String>;

/// The value of `expression`, or why it cannot be told.
pub(super) fn evaluate(expression: &str, lookup: Lookup<'_>) -> Result<u128, String> {
    let mut parser = Parser {
        tokens: tokens(expression)?,
        next: 0,
        lookup,
    };
    let value = parser.binary(0)?;
    match parser.peek() {
        None => Ok(value),
        Some(token) => Err(format!("`{token}` is not understood here")),
    }
}

/// An integer literal: any base, underscores, a type suffix.
pub(super) fn integer(literal: &str) -> Option<u128> {
    let digits = literal.replace('_', "");
    let (base, digits) = match digits.get(..2) {
        Some("0x") => (16, &digits[2..]),
        Some("0o") => (8, &digits[2..]),
        Some("0b") => (2, &digits[2..]),
        _ => (10, digits.as_str()),
    };
    let end = digits.find('u').unwrap_or(digits.len());
    let (digits, suffix) = digits.split_at(end);
    if digits.starts_with('+') {
        return None;
    }
    matches!(suffix, "" | "u8" | "u16" | "u32" | "u64" | "u128" | "usize")
        .then(|| u128::from_str_radix(digits, base).ok())
        .flatten()
}

fn tokens(expression: &str) -> Result<Vec<&str>, String> {
    let mut found = Vec::new();
    let mut rest = expression.trim_start();
    while let Some(first) = rest.chars().next() {
        let is_word = |character: char| character.is_ascii_alphanumeric() || character == '_';
        let length = if is_word(first) {
            rest.find(|character| !is_word(character)).unwrap_or(rest.len())
        } else if ["<<", ">>", "::"].iter().any(|token| rest.starts_with(token)) {
            2
        } else if "+-*/()".contains(first) {
            1
        } else {
            return Err(format!("`{first}` is not understood"));
        };
        let (token, after) = rest.split_at(length);
        found.push(token);
        rest = after.trim_start();
    }
    Ok(found)
}

struct Parser<'a> {
    tokens: Vec<&'a str>,
    next: usize,
    lookup: Lookup<'a>,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Option<&'a str> {
        self.tokens.get(self.next).copied()
    }

    fn take(&mut self, token: &str) -> bool {
        let taken = self.peek() == Some(token);
        self.next += usize::from(taken);
        taken
    }

    /// Operators of at least `strength`, left to right.
    fn binary(&mut self, strength: u8) -> Result<u128, String> {
        let mut left = self.operand()?;
        while let Some(operator) = self.peek() {
            let own = match operator {
                "<<" | ">>" => 0,
                "+" | "-" => 1,
                "*" | "/" => 2,
                _ => break,
            };
            if own < strength {
                break;
            }
            self.next += 1;
            let right = self.binary(own + 1)?;
            left = apply(left, operator, right)
                .ok_or_else(|| format!("{left} {operator} {right} has no unsigned value"))?;
        }
        Ok(left)
    }

    fn operand(&mut self) -> Result<u128, String> {
        let token = self.peek().ok_or("something is missing at the end")?;
        self.next += 1;
        let value = if token == "(" {
            let value = self.binary(0)?;
            if !self.take(")") {
                return Err("a `)` is missing".to_owned());
            }
            value
        } else if token.starts_with(|first: char| first.is_ascii_digit()) {
            integer(token).ok_or_else(|| format!("`{token}` is no integer"))?
        } else if token.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_') {
            let mut path = vec![token];
            while self.take("::") {
                path.push(self.peek().ok_or("a path has no end")?);
                self.next += 1;
            }
            (self.lookup)(&path)?
        } else {
            return Err(format!("`{token}` is not understood here"));
        };
        // Constants fit their types, so a cast between unsigned ones that widens changes nothing.
        while self.take("as") {
            let target = self.peek().ok_or("`as` names no type")?;
            if !matches!(target, "usize" | "u64" | "u128") {
                return Err(format!("`as {target}` may cut the value"));
            }
            self.next += 1;
        }
        Ok(value)
    }
}

fn apply(left: u128, operator: &str, right: u128) -> Option<u128> {
    match operator {
        "+" => left.checked_add(right),
        "-" => left.checked_sub(right),
        "*" => left.checked_mul(right),
        "/" => left.checked_div(right),
        "<<" => {
            let shifted = left.checked_shl(u32::try_from(right).ok()?)?;
            (shifted >> right == left).then_some(shifted)
        }
        ">>" => left.checked_shr(u32::try_from(right).ok()?),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(expression: &str) -> Result<u128, String> {
        evaluate(expression, &|path| match path {
            ["TEN"] | ["super", "TEN"] => Ok(10),
            _ => Err(format!("{} is unknown", path.join("::"))),
        })
    }

    #[test]
    fn operators_bind_as_in_rust() {
        assert_eq!(value("1 + 2 * 3"), Ok(7));
        assert_eq!(value("(1 + 2) * 3"), Ok(9));
        assert_eq!(value("10 - 3 - 2"), Ok(5));
        assert_eq!(value("1 << 2 + 3"), Ok(32));
        assert_eq!(value("256 >> 4 / 2"), Ok(64));
    }

    #[test]
    fn literals_have_bases_underscores_and_suffixes() {
        assert_eq!(
            value("0xff + 0b11 + 0o7 + 1_000usize + 2_u64"),
            Ok(255 + 3 + 7 + 1002)
        );
        assert_eq!(integer("0xFFu8"), Some(255));
        assert_eq!(integer("4 KiB"), None);
        assert_eq!(integer("-1"), None);
        assert_eq!(integer("+1"), None);
        assert_eq!(integer(""), None);
    }

    #[test]
    fn names_and_casts_are_read() {
        assert_eq!(value("TEN * super::TEN"), Ok(100));
        assert_eq!(value("TEN as usize + 1"), Ok(11));
        assert!(value("TEN as u8").is_err());
    }

    #[test]
    fn nonsense_says_what_is_wrong() {
        assert_eq!(value("1 +"), Err("something is missing at the end".into()));
        assert_eq!(value("1 - 2"), Err("1 - 2 has no unsigned value".into()));
        assert_eq!(value("(1"), Err("a `)` is missing".into()));
        assert_eq!(value("NINE"), Err("NINE is unknown".into()));
        assert!(value("size_of::<u8>()").is_err());
        assert!(value("1 2").is_err());
        assert!(value("1 << 200").is_err());
    }
}
