//! Values of options: the kinds that there are, and an example of each for the error messages.

mod cycles;
mod gibibytes;
mod level;
mod module;
mod principal;
mod role_name;
mod seconds;
mod share;
mod watches;

use darling::FromMeta;
use syn::{
    Expr, ExprLit, Lit, LitStr, Meta, MetaNameValue, Path, Token, Type, parse::Parser,
    punctuated::Punctuated,
};

pub(crate) use self::{
    cycles::Cycles,
    gibibytes::Gibibytes,
    level::Level,
    module::ModuleValue,
    principal::{Controller, Controllers},
    role_name::RoleName,
    seconds::Seconds,
    share::Share,
    watches::Watches,
};
use crate::options::{Expected, list_of, name_of, path_text};

/// A number of canisters.
#[derive(Clone, Copy)]
pub(crate) struct Count(pub(crate) u32);

impl FromMeta for Count {
    fn from_meta(meta: &Meta) -> darling::Result<Self> {
        let expected = Expected {
            kind: "a number of canisters",
            example: "10",
        };
        match expected.literal(meta)? {
            Lit::Int(digits) if digits.suffix().is_empty() => {
                let count = digits.base10_parse().map(Self);
                count.map_err(|_| expected.error(meta, digits))
            }
            other => Err(expected.error(meta, other)),
        }
    }
}

/// A text in quotes.
pub(crate) struct Text(pub(crate) LitStr);

impl FromMeta for Text {
    fn from_meta(meta: &Meta) -> darling::Result<Self> {
        let expected = Expected {
            kind: "text in quotes",
            example: "\"..\"",
        };
        match expected.expression(meta)? {
            Expr::Lit(literal) => match &literal.lit {
                Lit::Str(text) => Ok(Self(text.clone())),
                other => Err(expected.error(meta, other)),
            },
            Expr::Path(word) => {
                let quoted = format!("\"{}\"", path_text(&word.path));
                Err(expected.error_suggesting(meta, &quoted, word))
            }
            other => Err(expected.error(meta, other)),
        }
    }
}

/// A word alone, or in its long form `word = true` or `word = false`.
pub(crate) struct Flag(pub(crate) bool);

impl FromMeta for Flag {
    fn from_meta(meta: &Meta) -> darling::Result<Self> {
        match meta {
            Meta::Path(_) => Ok(Self(true)),
            Meta::NameValue(MetaNameValue {
                value:
                    Expr::Lit(ExprLit {
                        lit: Lit::Bool(literal),
                        ..
                    }),
                ..
            }) => Ok(Self(literal.value)),
            _ => Err(darling::Error::custom(format!(
                "`{}` takes no value: write the word alone",
                name_of(meta)
            ))
            .with_span(meta)),
        }
    }
}

/// A path to a function or crate, not in quotes.
pub(crate) struct PathValue(pub(crate) Path);

impl FromMeta for PathValue {
    fn from_meta(meta: &Meta) -> darling::Result<Self> {
        let expected = Expected {
            kind: "a path, without quotes",
            example: "some::path",
        };
        match expected.expression(meta)? {
            Expr::Path(path) if path.qself.is_none() => Ok(Self(path.path.clone())),
            Expr::Lit(literal) => Err(match &literal.lit {
                Lit::Str(text) => expected.error_suggesting(meta, &text.value(), literal),
                other => expected.error(meta, other),
            }),
            other => Err(expected.error(meta, other)),
        }
    }
}

/// A type, as it is written anywhere else; it may stand in quotes.
pub(crate) struct TypeValue(pub(crate) Type);

impl FromMeta for TypeValue {
    fn from_meta(meta: &Meta) -> darling::Result<Self> {
        let expected = Expected {
            kind: "a type",
            example: "some::Type",
        };
        let value = expected.expression(meta)?;
        let ty = match value {
            Expr::Verbatim(tokens) => syn::parse2(tokens.clone()).ok(),
            Expr::Lit(literal) => match &literal.lit {
                Lit::Str(text) => text.parse().ok(),
                _ => None,
            },
            _ => None,
        };
        ty.map(Self).ok_or_else(|| expected.error(meta, value))
    }
}

/// A list of texts: `name("..", "..")`.
pub(crate) struct Texts(pub(crate) Vec<LitStr>);

impl FromMeta for Texts {
    fn from_meta(meta: &Meta) -> darling::Result<Self> {
        let (name, list) = list_of(meta)?;
        let texts = Punctuated::<LitStr, Token![,]>::parse_terminated
            .parse2(list.tokens.clone())
            .map_err(|error| {
                darling::Error::custom(format!("expected texts in quotes: `{name}(\"..\")`"))
                    .with_span(&error.span())
            })?;
        Ok(Self(texts.into_iter().collect()))
    }
}
