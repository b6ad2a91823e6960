//! What an option's value may be, and what to write when it is not.

mod cycles;
mod principal;
mod role_name;

use darling::FromMeta;
use quote::ToTokens;
use syn::parse::Parser;
use syn::punctuated::Punctuated;
use syn::{Expr, Lit, LitStr, Meta, Path, Token, Type};

pub(crate) use self::cycles::Cycles;
pub(crate) use self::principal::{Controller, Controllers};
pub(crate) use self::role_name::RoleName;
use crate::options::{expected, literal, name_of, value};

/// A number of canisters.
#[derive(Clone, Copy)]
pub(crate) struct Count(pub(crate) u32);

impl FromMeta for Count {
    fn from_meta(meta: &Meta) -> darling::Result<Self> {
        match literal(meta, "10")? {
            Lit::Int(digits) if digits.suffix().is_empty() => digits
                .base10_parse()
                .map(Self)
                .map_err(|_| darling::Error::custom("too many canisters").with_span(digits)),
            other => Err(expected(meta, "10", other)),
        }
    }
}

/// A text in quotes.
pub(crate) struct Text(pub(crate) LitStr);

impl FromMeta for Text {
    fn from_meta(meta: &Meta) -> darling::Result<Self> {
        match literal(meta, "\"..\"")? {
            Lit::Str(text) => Ok(Self(text.clone())),
            other => Err(expected(meta, "\"..\"", other)),
        }
    }
}

/// A word that stands for itself; `word = true` and `word = false` are the same at length.
pub(crate) struct Flag(pub(crate) bool);

impl FromMeta for Flag {
    fn from_meta(meta: &Meta) -> darling::Result<Self> {
        match meta {
            Meta::Path(_) => Ok(Self(true)),
            _ => match literal(meta, "true") {
                Ok(Lit::Bool(given)) => Ok(Self(given.value)),
                _ => Err(darling::Error::custom(format!(
                    "`{}` takes no value: the word alone says it",
                    name_of(meta)
                ))
                .with_span(meta)),
            },
        }
    }
}

/// A path to a function or crate, not in quotes.
pub(crate) struct PathValue(pub(crate) Path);

impl FromMeta for PathValue {
    fn from_meta(meta: &Meta) -> darling::Result<Self> {
        const EXAMPLE: &str = "some::path";
        match value(meta, EXAMPLE)? {
            Expr::Path(path) if path.qself.is_none() => Ok(Self(path.path.clone())),
            Expr::Lit(quoted) => {
                let name = name_of(meta);
                let bare = match &quoted.lit {
                    Lit::Str(text) => text.value(),
                    _ => EXAMPLE.to_owned(),
                };
                Err(darling::Error::custom(format!(
                    "a path, not a literal, stands here: `{name} = {bare}`"
                ))
                .with_span(quoted))
            }
            other => Err(expected(meta, EXAMPLE, other)),
        }
    }
}

/// A type: a path, a tuple, or, where its syntax is not that of an expression, either in quotes.
pub(crate) struct TypeValue(pub(crate) Type);

impl FromMeta for TypeValue {
    fn from_meta(meta: &Meta) -> darling::Result<Self> {
        const EXAMPLE: &str = "some::Type";
        let given = value(meta, EXAMPLE)?;
        let ty = match given {
            Expr::Path(_) | Expr::Tuple(_) | Expr::Paren(_) => {
                syn::parse2(given.to_token_stream()).ok()
            }
            Expr::Lit(quoted) => match &quoted.lit {
                Lit::Str(text) => text.parse().ok(),
                _ => None,
            },
            _ => None,
        };
        ty.map(Self).ok_or_else(|| expected(meta, EXAMPLE, given))
    }
}

/// A list of texts: `name("..", "..")`.
pub(crate) struct Texts(pub(crate) Vec<LitStr>);

impl FromMeta for Texts {
    fn from_meta(meta: &Meta) -> darling::Result<Self> {
        let name = name_of(meta);
        let Meta::List(list) = meta else {
            return Err(darling::Error::custom(format!(
                "expected a list: `{name}(\"..\", \"..\")`"
            ))
            .with_span(meta));
        };
        let texts = Punctuated::<LitStr, Token![,]>::parse_terminated
            .parse2(list.tokens.clone())
            .map_err(|error| {
                darling::Error::custom(format!("expected texts in quotes: `{name}(\"..\")`"))
                    .with_span(&error.span())
            })?;
        Ok(Self(texts.into_iter().collect()))
    }
}
