//! The option list of an attribute: `name = value`, `name(..)` or `name`, separated by commas.

use std::ops::Deref;

use darling::{FromMeta, ast::NestedMeta};
use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::spanned::Spanned;
use syn::{Expr, Lit, Meta, Path};

use crate::diag::{Errors, instead_of};

/// The options that were given, each known, and each given once unless it may repeat.
///
/// Reading never stops at an error: what is unknown, given twice or unreadable is reported and left out.
pub(crate) struct Options {
    given: Vec<Meta>,
    /// Whether all of the list could be read. Else what seems to be missing may only be misspelt.
    whole: bool,
}

/// The names of the options that a list takes.
pub(crate) struct Known {
    pub(crate) once: &'static [&'static str],
    pub(crate) repeated: &'static [&'static str],
}

impl Options {
    pub(crate) fn parse(tokens: TokenStream, known: &Known, errors: &mut Errors) -> Self {
        match list(tokens, errors) {
            Some(items) => Self::sort(items, known, errors),
            None => Self {
                given: Vec::new(),
                whole: false,
            },
        }
    }

    /// Sorts the items of a list that has been parsed already.
    pub(crate) fn sort(items: Vec<NestedMeta>, known: &Known, errors: &mut Errors) -> Self {
        let mut options = Self {
            given: Vec::new(),
            whole: true,
        };
        for item in items {
            match item {
                NestedMeta::Lit(literal) => {
                    options.whole = false;
                    errors.at(
                        literal,
                        "a value without a name; options are written `name = value`",
                    );
                }
                NestedMeta::Meta(meta) => options.add(meta, known, errors),
            }
        }
        options
    }

    fn add(&mut self, meta: Meta, known: &Known, errors: &mut Errors) {
        let name = name_of(&meta);
        if known.repeated.contains(&name.as_str()) {
            self.given.push(meta);
        } else if !known.once.contains(&name.as_str()) {
            self.whole = false;
            let names = [known.once, known.repeated].concat();
            errors.at(
                meta.path(),
                format!("unknown option `{name}`; {}", instead_of(&name, &names)),
            );
        } else if let Some(earlier) = self.find(&name) {
            errors.conflict(
                (meta.path(), format!("`{name}` is given twice; keep one")),
                (earlier.path(), format!("`{name}` is first given here")),
            );
        } else {
            self.given.push(meta);
        }
    }

    /// The value of an option that may be given once.
    pub(crate) fn one<T: FromMeta>(&self, name: &str, errors: &mut Errors) -> Option<Given<T>> {
        self.find(name)
            .and_then(|meta| errors.take(Given::from_meta(meta)))
    }

    /// The values of an option that may be repeated.
    pub(crate) fn all<T: FromMeta>(&self, name: &str, errors: &mut Errors) -> Vec<Given<T>> {
        self.named(name)
            .filter_map(|meta| errors.take(Given::from_meta(meta)))
            .collect()
    }

    /// The tokens between the parentheses of `name(..)`, for each time it is given; `example` shows how to write it.
    pub(crate) fn lists(
        &self,
        name: &str,
        example: &str,
        errors: &mut Errors,
    ) -> Vec<Given<TokenStream>> {
        let mut lists = Vec::new();
        for meta in self.named(name) {
            match meta {
                Meta::List(list) => lists.push(Given {
                    site: list.path.to_token_stream(),
                    value: list.tokens.clone(),
                }),
                _ => errors.at(meta, format!("`{name}` takes a list: `{example}`")),
            }
        }
        lists
    }

    /// Whether an option was left out.
    pub(crate) fn lack(&self, name: &str) -> bool {
        self.whole && self.find(name).is_none()
    }

    fn find(&self, name: &str) -> Option<&Meta> {
        self.given.iter().find(|meta| name_of(meta) == name)
    }

    fn named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Meta> {
        self.given.iter().filter(move |meta| name_of(meta) == name)
    }
}

/// The items of an option list; a syntax error is reported where it is.
pub(crate) fn list(tokens: TokenStream, errors: &mut Errors) -> Option<Vec<NestedMeta>> {
    errors.take(NestedMeta::parse_meta_list(tokens))
}

/// The name of an option, as it is written.
pub(crate) fn name_of(meta: &Meta) -> String {
    path_text(meta.path())
}

pub(crate) fn path_text(path: &Path) -> String {
    path.to_token_stream().to_string().replace(' ', "")
}

/// What a value should be, and how an option with such a value is written.
#[derive(Clone, Copy)]
pub(crate) struct Expected {
    pub(crate) what: &'static str,
    pub(crate) example: &'static str,
}

impl Expected {
    /// The literal in `name = literal`.
    pub(crate) fn literal(self, meta: &Meta) -> darling::Result<&Lit> {
        match self.expression(meta)? {
            Expr::Lit(literal) => Ok(&literal.lit),
            other => Err(self.error(meta, other)),
        }
    }

    /// The expression in `name = expression`.
    pub(crate) fn expression(self, meta: &Meta) -> darling::Result<&Expr> {
        match meta {
            Meta::NameValue(pair) => Ok(ungrouped(&pair.value)),
            Meta::Path(_) | Meta::List(_) => Err(self.error(meta, meta)),
        }
    }

    /// The error about a value at `site` that is something else.
    pub(crate) fn error(self, meta: &Meta, site: &impl Spanned) -> darling::Error {
        self.instead(meta, self.example, site)
    }

    /// The same, with a value that fits better than the usual example.
    pub(crate) fn instead(self, meta: &Meta, value: &str, site: &impl Spanned) -> darling::Error {
        let name = name_of(meta);
        darling::Error::custom(format!("expected {}: `{name} = {value}`", self.what))
            .with_span(site)
    }
}

/// Sees through the invisible groups that a `macro_rules!` puts around its fragments.
fn ungrouped(expr: &Expr) -> &Expr {
    match expr {
        Expr::Group(group) => ungrouped(&group.expr),
        other => other,
    }
}

/// A value and the tokens it was given in, where its errors are shown.
pub(crate) struct Given<T> {
    pub(crate) value: T,
    site: TokenStream,
}

impl<T> Given<T> {
    pub(crate) fn map<U>(self, read: impl FnOnce(T) -> U) -> Given<U> {
        Given {
            value: read(self.value),
            site: self.site,
        }
    }
}

impl<T: FromMeta> FromMeta for Given<T> {
    fn from_meta(meta: &Meta) -> darling::Result<Self> {
        let site = match meta {
            Meta::NameValue(pair) => pair.value.to_token_stream(),
            Meta::Path(path) => path.to_token_stream(),
            Meta::List(list) => list.path.to_token_stream(),
        };
        T::from_meta(meta).map(|value| Self { value, site })
    }
}

impl<T> Deref for Given<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> ToTokens for Given<T> {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        self.site.to_tokens(tokens);
    }
}
