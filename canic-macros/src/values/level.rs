//! Levels of cycles: a time for which a canister's cycles last (`"7d"`, `"36h"`), or an amount of
//! cycles (`"0.5T"`).

use darling::FromMeta;
use syn::{Lit, Meta};

use super::cycles;
use crate::options::Expected;

const UNITS: [(char, u64); 2] = [('d', 86_400), ('h', 3_600)];

/// What a canister can spend: a time or an amount.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Level {
    Seconds(u64),
    Cycles(u128),
}

impl FromMeta for Level {
    fn from_meta(meta: &Meta) -> darling::Result<Self> {
        let expected = Expected {
            kind: "a time or an amount of cycles",
            example: "\"7d\"",
        };
        let literal = expected.literal(meta)?;
        let level = match literal {
            Lit::Str(text) => parse(&text.value()),
            // The lexer takes `7d` for a number with a suffix, and `1.5` for a float.
            Lit::Int(_) | Lit::Float(_) => Err(
                "a time or an amount of cycles has a unit and stands in quotes, as in \"7d\" or \
                 \"0.5T\""
                    .to_owned(),
            ),
            other => return Err(expected.error(meta, other)),
        };
        level.map_err(|message| darling::Error::custom(message).with_span(literal))
    }
}

fn parse(text: &str) -> Result<Level, String> {
    for (unit, seconds) in UNITS {
        if let Some(number) = text.strip_suffix(unit) {
            return parse_time(number, unit, seconds, text).map(Level::Seconds);
        }
    }
    if text.ends_with(|c: char| c.is_ascii_digit()) {
        return Err(format!(
            "`{text}` has no unit; write days as in \"7d\", or cycles as in \"0.5T\""
        ));
    }
    cycles::parse(text).map(Level::Cycles)
}

fn parse_time(number: &str, unit: char, seconds: u64, text: &str) -> Result<u64, String> {
    let word = if unit == 'd' { "days" } else { "hours" };
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!(
            "`{text}` is no time; write a whole number of {word}, as in \"7{unit}\""
        ));
    }
    let number: Option<u64> = number.parse().ok();
    number
        .and_then(|number| number.checked_mul(seconds))
        .ok_or_else(|| format!("`{text}` is more {word} than can be counted"))
}

#[cfg(test)]
mod tests {
    use super::{Level, parse};

    #[test]
    fn times_and_amounts_are_told_apart_by_their_units() {
        for (text, level) in [
            ("7d", Level::Seconds(604_800)),
            ("36h", Level::Seconds(129_600)),
            ("0.5T", Level::Cycles(500_000_000_000)),
            ("500B", Level::Cycles(500_000_000_000)),
        ] {
            assert_eq!(parse(text), Ok(level), "{text}");
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "d",
            "7",
            "-7d",
            "1.5d",
            "7 d",
            "7D",
            "7w",
            "h",
            "99999999999999999999d",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
