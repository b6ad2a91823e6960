//! Times: `"90s"`, `"10m"`, `"12h"`, `"1d"`.

use darling::FromMeta;
use syn::{Lit, Meta};

use crate::options::Expected;

/// The units, and the seconds that each has.
const UNITS: [(&str, u64); 4] = [("s", 1), ("m", 60), ("h", 3_600), ("d", 86_400)];
const EXAMPLE: &str = "\"10m\"";

/// The longest time that any option takes, in days: ten years.
const MAX_DAYS: u64 = 3_650;

/// A number of seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Seconds(pub(crate) u64);

impl FromMeta for Seconds {
    fn from_meta(meta: &Meta) -> darling::Result<Self> {
        let expected = Expected {
            kind: "a time",
            example: EXAMPLE,
        };
        let literal = expected.literal(meta)?;
        let time = match literal {
            Lit::Str(text) => parse(&text.value()),
            // The lexer takes `10m` for a number with a suffix, and `1.5h` for a float.
            Lit::Int(_) | Lit::Float(_) => Err(format!(
                "a time has a unit and stands in quotes, as in {EXAMPLE}"
            )),
            other => return Err(expected.error(meta, other)),
        };
        time.map(Self)
            .map_err(|message| darling::Error::custom(message).with_span(literal))
    }
}

fn parse(text: &str) -> Result<u64, String> {
    let is_digit = |c: char| c.is_ascii_digit() || c == '_' || c == '.';
    let (number, unit) = text.split_at(text.find(|c| !is_digit(c)).unwrap_or(text.len()));
    let digits: String = number.chars().filter(|c| *c != '_').collect();
    if !digits.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(format!(
            "`{text}` is not a time; write one like {EXAMPLE}, \"60s\" or \"1d\""
        ));
    }
    let known = UNITS.iter().find(|(name, _)| *name == unit);
    let Some((_, seconds)) = known else {
        let problem = if unit.is_empty() {
            format!("`{text}` has no unit")
        } else {
            format!("`{unit}` is not a unit of time")
        };
        return Err(format!(
            "{problem}; `s`, `m`, `h` and `d` are seconds, minutes, hours and days, as in {EXAMPLE}"
        ));
    };
    if digits.contains('.') {
        return Err(format!(
            "`{text}` is not a whole number; write the time in a smaller unit"
        ));
    }
    let time = digits.parse().ok();
    let time = time.and_then(|number: u64| number.checked_mul(*seconds));
    time.filter(|time| *time <= MAX_DAYS * 86_400)
        .ok_or_else(|| format!("`{text}` is longer than ten years"))
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn every_unit_is_read() {
        for (text, seconds) in [
            ("0s", 0),
            ("90s", 90),
            ("10m", 600),
            ("12h", 43_200),
            ("1d", 86_400),
            ("1_000s", 1_000),
            ("3650d", 315_360_000),
        ] {
            assert_eq!(parse(text), Ok(seconds), "{text}");
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for (text, reason) in [
            ("", "not a time"),
            ("m", "not a time"),
            ("-1m", "not a time"),
            (".5h", "not a time"),
            ("_s", "not a time"),
            ("10", "no unit"),
            ("10 m", "not a unit"),
            ("10min", "not a unit"),
            ("10M", "not a unit"),
            ("1h30m", "not a unit"),
            ("1.5h", "smaller unit"),
            ("1.h", "smaller unit"),
            ("3651d", "ten years"),
            ("99999999999999999999s", "ten years"),
            ("18446744073709551615d", "ten years"),
        ] {
            let refused = parse(text).expect_err(text);
            assert!(refused.contains(reason), "{text}: {refused}");
        }
    }
}
