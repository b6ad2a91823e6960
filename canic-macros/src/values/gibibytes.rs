//! Sizes of memory: `"64GiB"`.

use darling::FromMeta;
use syn::{Lit, Meta};

use crate::options::Expected;

/// The platform's limit for a canister's stable memory, in GiB.
const MAX_GIB: u16 = 500;

/// A number of GiB.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Gibibytes(pub(crate) u16);

impl FromMeta for Gibibytes {
    fn from_meta(meta: &Meta) -> darling::Result<Self> {
        let expected = Expected {
            kind: "a size of memory",
            example: "\"64GiB\"",
        };
        match expected.literal(meta)? {
            Lit::Str(text) => parse(&text.value())
                .map(Self)
                .map_err(|message| darling::Error::custom(message).with_span(text)),
            other => Err(expected.error(meta, other)),
        }
    }
}

fn parse(text: &str) -> Result<u16, String> {
    let digits = text.strip_suffix("GiB").unwrap_or_default();
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!(
            "`{text}` is not a size of memory; write one like \"64GiB\""
        ));
    }
    match digits.parse() {
        Ok(size @ 1..=MAX_GIB) => Ok(size),
        _ => Err(format!(
            "`{text}` is not a size that stable memory can have: from \"1GiB\" to \"{MAX_GIB}GiB\""
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn whole_gibibytes_are_read() {
        assert_eq!(parse("1GiB"), Ok(1));
        assert_eq!(parse("500GiB"), Ok(500));
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "", "GiB", "4", "4GB", "4 GiB", "1.5GiB", "-1GiB", "0GiB", "501GiB", "99999GiB",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
