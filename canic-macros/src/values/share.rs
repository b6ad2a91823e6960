//! Numbers and shares of members: `3`, `"5%"`.

use darling::FromMeta;
use syn::{Expr, Lit, Meta};

use crate::options::Expected;

/// A number of members, or a share of them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Share {
    Members(u32),
    /// In percent: 0 to 100.
    Percent(u32),
}

impl FromMeta for Share {
    fn from_meta(meta: &Meta) -> darling::Result<Self> {
        let expected = Expected {
            kind: "a number of members or a share of them",
            example: "\"5%\"",
        };
        let value = expected.expression(meta)?;
        let literal = match value {
            Expr::Lit(literal) => literal,
            // `5%`, which the option list leaves as it is.
            Expr::Verbatim(tokens) => {
                let share = format!("\"{}\"", tokens.to_string().replace(' ', ""));
                return Err(expected.error_suggesting(meta, &share, value));
            }
            other => return Err(expected.error(meta, other)),
        };
        let share = match &literal.lit {
            Lit::Str(text) => parse(&text.value()),
            Lit::Int(digits) if digits.suffix().is_empty() => {
                let members = digits.base10_parse().map(Self::Members);
                return members.map_err(|_| expected.error(meta, digits));
            }
            other => return Err(expected.error(meta, other)),
        };
        share.map_err(|message| darling::Error::custom(message).with_span(literal))
    }
}

fn parse(text: &str) -> Result<Share, String> {
    let is_number =
        |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    let Some(digits) = text.strip_suffix('%') else {
        return Err(if is_number(text) {
            format!(
                "a number of members stands without quotes, `{text}`, and a share is \"{text}%\""
            )
        } else {
            format!("`{text}` is not a share of the members; write one like \"5%\", or a number")
        });
    };
    if !is_number(digits) {
        return Err(format!(
            "`{text}` is not a whole number of percent; write one like \"5%\""
        ));
    }
    match digits.parse() {
        Ok(percent @ 0..=100) => Ok(Share::Percent(percent)),
        _ => Err(format!(
            "`{text}` is more than all members; \"100%\" is all"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::{Share, parse};

    #[test]
    fn whole_percents_are_read() {
        for percent in [0, 1, 5, 100] {
            assert_eq!(parse(&format!("{percent}%")), Ok(Share::Percent(percent)));
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for (text, reason) in [
            ("", "not a share"),
            ("all", "not a share"),
            ("5", "without quotes"),
            ("%", "whole number"),
            ("5 %", "whole number"),
            ("-5%", "whole number"),
            ("0.5%", "whole number"),
            ("5%%", "whole number"),
            ("101%", "more than all"),
            ("99999999999%", "more than all"),
        ] {
            let refused = parse(text).expect_err(text);
            assert!(refused.contains(reason), "{text}: {refused}");
        }
    }
}
