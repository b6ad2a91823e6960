//! Amounts of cycles: `"1T"`, `"1.5T"`, `"500B"`, `"10M"`, or a plain number.

use darling::FromMeta;
use syn::{Lit, Meta};

use crate::options::Expected;

const UNITS: [(char, u32); 3] = [('T', 12), ('B', 9), ('M', 6)];
const EXAMPLE: &str = "\"1T\"";

/// A number of cycles.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Cycles(pub(crate) u128);

impl FromMeta for Cycles {
    fn from_meta(meta: &Meta) -> darling::Result<Self> {
        let expected = Expected {
            kind: "an amount of cycles",
            example: EXAMPLE,
        };
        let literal = expected.literal(meta)?;
        let amount = match literal {
            Lit::Str(text) => parse(&text.value()),
            Lit::Int(number) if number.suffix().is_empty() => number
                .base10_parse()
                .map_err(|_| "more cycles than can be counted".to_owned()),
            // The lexer takes `1T` for a number with a suffix, and `1.5` for a float.
            Lit::Int(_) | Lit::Float(_) => Err(format!(
                "an amount with a unit or a fraction stands in quotes, as in {EXAMPLE}"
            )),
            other => return Err(expected.error(meta, other)),
        };
        amount
            .map(Self)
            .map_err(|message| darling::Error::custom(message).with_span(literal))
    }
}

pub(super) fn parse(text: &str) -> Result<u128, String> {
    let (number, power) = split_unit(text)?;
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let (whole, fraction) = (digits(whole, text)?, digits(fraction, text)?);
    let fraction = fraction.trim_end_matches('0');
    let shift = u32::try_from(fraction.len())
        .ok()
        .and_then(|places| power.checked_sub(places))
        .ok_or_else(|| format!("`{text}` is not a whole number of cycles"))?;
    format!("{whole}{fraction}")
        .parse::<u128>()
        .ok()
        .and_then(|number| number.checked_mul(10_u128.pow(shift)))
        .ok_or_else(|| format!("`{text}` is more cycles than can be counted"))
}

fn split_unit(text: &str) -> Result<(&str, u32), String> {
    for (unit, power) in UNITS {
        if let Some(number) = text.strip_suffix(unit) {
            return Ok((number, power));
        }
    }
    match text.chars().last() {
        Some(last) if last.is_ascii_digit() => Ok((text, 0)),
        Some(last) if text.starts_with(|c: char| c.is_ascii_digit()) => Err(format!(
            "`{last}` is not a unit of cycles; `T` is 10^12, `B` 10^9 and `M` 10^6, as in {EXAMPLE}"
        )),
        _ => Err(no_amount(text)),
    }
}

fn digits(part: &str, text: &str) -> Result<String, String> {
    let digits: String = part.chars().filter(|c| *c != '_').collect();
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(no_amount(text));
    }
    Ok(digits)
}

fn no_amount(text: &str) -> String {
    format!("`{text}` is not an amount of cycles; write one like {EXAMPLE}, \"1.5T\" or \"500B\"")
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn every_form_is_read() {
        for (text, cycles) in [
            ("1T", 1_000_000_000_000),
            ("1.5T", 1_500_000_000_000),
            ("0.000001M", 1),
            ("500B", 500_000_000_000),
            ("10M", 10_000_000),
            ("1_000M", 1_000_000_000),
            ("42", 42),
            ("1.50M", 1_500_000),
            ("0", 0),
        ] {
            assert_eq!(parse(text), Ok(cycles), "{text}");
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "T",
            ".T",
            "1.",
            "1.T",
            ".5T",
            "1 T",
            "-1T",
            "1t",
            "1TT",
            "1.2.3T",
            "0.0000001M",
            "1.5",
            "ten",
            "400000000000000000000000000T",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
