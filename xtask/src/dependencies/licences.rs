//! Licence expressions of SPDX, with the slash that older packages write for `OR`.

use std::collections::BTreeSet;

/// Whether the terms of an expression can be met by licences of this set. An expression that can't
/// be read is not allowed.
pub(super) fn is_allowed(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let spaced = expression
        .replace('/', " OR ")
        .replace('(', " ( ")
        .replace(')', " ) ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    matches!(any(&words, allowed), Some((true, [])))
}

/// What is left to read, and whether the terms so far are allowed.
type Read<'a> = Option<(bool, &'a [&'a str])>;

/// Terms that are alternatives.
fn any<'a>(words: &'a [&'a str], allowed: &BTreeSet<String>) -> Read<'a> {
    let (mut holds, mut rest) = all(words, allowed)?;
    while let ["OR", more @ ..] = rest {
        let (other, after) = all(more, allowed)?;
        (holds, rest) = (holds || other, after);
    }
    Some((holds, rest))
}

/// Terms that hold together.
fn all<'a>(words: &'a [&'a str], allowed: &BTreeSet<String>) -> Read<'a> {
    let (mut holds, mut rest) = one(words, allowed)?;
    while let ["AND", more @ ..] = rest {
        let (other, after) = one(more, allowed)?;
        (holds, rest) = (holds && other, after);
    }
    Some((holds, rest))
}

fn one<'a>(words: &'a [&'a str], allowed: &BTreeSet<String>) -> Read<'a> {
    match words {
        ["(", inner @ ..] => match any(inner, allowed)? {
            (holds, [")", rest @ ..]) => Some((holds, rest)),
            _ => None,
        },
        [licence, "WITH", exception, rest @ ..] => {
            let both = format!("{licence} WITH {exception}");
            Some((allowed.contains(&both), rest))
        }
        [licence, rest @ ..] => Some((allowed.contains(*licence), rest)),
        [] => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_read_as_spdx_defines_them() {
        let allowed = ["MIT", "ISC", "Apache-2.0 WITH LLVM-exception"];
        let allowed: BTreeSet<String> = allowed.map(str::to_owned).into();
        let cases = [
            ("MIT", true),
            ("GPL-3.0", false),
            ("MIT OR GPL-3.0", true),
            ("GPL-3.0/MIT", true),
            ("GPL-3.0 / MIT", true),
            ("MIT AND GPL-3.0", false),
            ("MIT AND ISC", true),
            // AND binds more tightly than OR.
            ("MIT OR ISC AND GPL-3.0", true),
            ("(MIT OR ISC) AND GPL-3.0", false),
            ("(GPL-3.0 OR MIT) AND (ISC OR GPL-3.0)", true),
            ("Apache-2.0 WITH LLVM-exception", true),
            ("Apache-2.0", false),
            ("MIT WITH LLVM-exception", false),
            ("", false),
            ("(MIT", false),
            ("MIT OR", false),
            ("MIT ISC", false),
            ("MIT)", false),
        ];
        for (expression, expected) in cases {
            assert_eq!(is_allowed(expression, &allowed), expected, "{expression}");
        }
    }
}
