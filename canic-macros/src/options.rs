//! The option list of an attribute: `name = value`, `name(..)` or `name`, separated by commas.

use std::ops::Deref;

use darling::{FromMeta, ast::NestedMeta};
use proc_macro2::{Span, TokenStream};
use quote::ToTokens;
use syn::{
    Expr, Ident, Lit, LitInt, Meta, MetaList, MetaNameValue, Path, Token, Type,
    parse::{Parse, ParseStream, Parser, discouraged::Speculative},
    punctuated::Punctuated,
    spanned,
};

use crate::diag::{Errors, suggestion};

/// The options of a list: each has a known name, and each is unique unless it may repeat.
///
/// Reading goes on after an error: an option that is unknown, repeated or unreadable is reported
/// and left out.
pub(crate) struct Options {
    metas: Vec<Meta>,
    /// Whether the whole list could be read. If not, an option that seems missing may be misspelt.
    is_complete: bool,
}

/// The names of the options that a list takes.
pub(crate) struct OptionNames {
    pub(crate) unique: &'static [&'static str],
    pub(crate) repeatable: &'static [&'static str],
}

impl Options {
    pub(crate) fn parse(tokens: TokenStream, known: &OptionNames, errors: &mut Errors) -> Self {
        match list(tokens, errors) {
            Some(items) => Self::from_items(items, known, errors),
            None => Self {
                metas: Vec::new(),
                is_complete: false,
            },
        }
    }

    /// The options of a list that has been parsed already.
    pub(crate) fn from_items(
        items: Vec<NestedMeta>,
        known: &OptionNames,
        errors: &mut Errors,
    ) -> Self {
        let mut options = Self {
            metas: Vec::new(),
            is_complete: true,
        };
        for item in items {
            match item {
                NestedMeta::Lit(literal) => {
                    options.is_complete = false;
                    errors.report(
                        literal,
                        "a value without a name; options are written `name = value`",
                    );
                }
                NestedMeta::Meta(meta) => options.add(meta, known, errors),
            }
        }
        options
    }

    fn add(&mut self, meta: Meta, known: &OptionNames, errors: &mut Errors) {
        let name = name_of(&meta);
        if known.repeatable.contains(&name.as_str()) {
            self.metas.push(meta);
        } else if !known.unique.contains(&name.as_str()) {
            self.is_complete = false;
            let names = [known.unique, known.repeatable].concat();
            errors.report(
                meta.path(),
                format!("unknown option `{name}`; {}", suggestion(&name, &names)),
            );
        } else if let Some(earlier) = self.find(&name) {
            errors.report_conflict(
                (meta.path(), format!("`{name}` is given twice; keep one")),
                (earlier.path(), format!("`{name}` is first given here")),
            );
        } else {
            self.metas.push(meta);
        }
    }

    /// The value of a unique option.
    pub(crate) fn single<T: FromMeta>(
        &self,
        name: &str,
        errors: &mut Errors,
    ) -> Option<Spanned<T>> {
        self.find(name)
            .and_then(|meta| errors.handle(Spanned::from_meta(meta)))
    }

    /// The values of a repeatable option.
    pub(crate) fn repeated<T: FromMeta>(&self, name: &str, errors: &mut Errors) -> Vec<Spanned<T>> {
        self.occurrences(name)
            .filter_map(|meta| errors.handle(Spanned::from_meta(meta)))
            .collect()
    }

    /// The tokens within the parentheses of each `name(..)`; `example` shows how to write it.
    pub(crate) fn lists(
        &self,
        name: &str,
        example: &str,
        errors: &mut Errors,
    ) -> Vec<Spanned<TokenStream>> {
        let mut lists = Vec::new();
        for meta in self.occurrences(name) {
            match meta {
                Meta::List(list) => lists.push(Spanned {
                    site: list.path.to_token_stream(),
                    value: list.tokens.clone(),
                }),
                _ => errors.report(meta, format!("`{name}` takes a list: `{example}`")),
            }
        }
        lists
    }

    /// What `parse` makes of the tokens in the parentheses of `name(..)`, if the author wrote it.
    pub(crate) fn list<T>(
        &self,
        name: &str,
        example: &str,
        parse: impl FnOnce(TokenStream, &mut Errors) -> T,
        errors: &mut Errors,
    ) -> Option<Spanned<T>> {
        let first = self.lists(name, example, errors).into_iter().next()?;
        Some(first.map(|tokens| parse(tokens, errors)))
    }

    /// Whether the author left an option out.
    pub(crate) fn is_missing(&self, name: &str) -> bool {
        self.is_complete && self.find(name).is_none()
    }

    fn find(&self, name: &str) -> Option<&Meta> {
        self.metas.iter().find(|meta| name_of(meta) == name)
    }

    fn occurrences<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Meta> {
        self.metas.iter().filter(move |meta| name_of(meta) == name)
    }
}

/// The name and the tokens of an option that is a list.
pub(crate) fn list_of(meta: &Meta) -> darling::Result<(String, &MetaList)> {
    let name = name_of(meta);
    match meta {
        Meta::List(list) => Ok((name, list)),
        _ => Err(
            darling::Error::custom(format!("expected a list: `{name}(\"..\", \"..\")`"))
                .with_span(meta),
        ),
    }
}

/// The items of an option list; a syntax error is reported at its own place.
pub(crate) fn list(tokens: TokenStream, errors: &mut Errors) -> Option<Vec<NestedMeta>> {
    let items =
        |input: ParseStream<'_>| Punctuated::<_, Token![,]>::parse_terminated_with(input, item);
    Some(errors.handle(items.parse2(tokens))?.into_iter().collect())
}

/// One item of an option list. The value of `args` is a type; any other value is an expression.
fn item(input: ParseStream<'_>) -> syn::Result<NestedMeta> {
    let ahead = input.fork();
    if let Some(share) = bare_share(&ahead) {
        input.advance_to(&ahead);
        return Ok(NestedMeta::Meta(share));
    }
    let name: Option<Ident> = input.fork().parse().ok();
    let has_type =
        name.is_some_and(|name| name == "args") && input.peek2(Token![=]) && !input.peek3(Lit);
    if !has_type {
        return NestedMeta::parse(input);
    }
    let path = input.call(Path::parse_mod_style)?;
    let eq_token = input.parse()?;
    let site = input.span();
    let ty = input.parse::<Type>().ok();
    let ends = input.is_empty() || input.peek(Token![,]);
    let ty = ty
        .filter(|_| ends)
        .ok_or_else(|| syn::Error::new(site, "expected a type: `args = some::Type`"))?;
    Ok(NestedMeta::Meta(Meta::NameValue(MetaNameValue {
        path,
        eq_token,
        value: Expr::Verbatim(ty.into_token_stream()),
    })))
}

/// `name = 5%`, which is no expression. The option itself says what its value looks like.
fn bare_share(input: ParseStream<'_>) -> Option<Meta> {
    let path = input.call(Path::parse_mod_style).ok()?;
    let eq_token = input.parse().ok()?;
    let number: LitInt = input.parse().ok()?;
    let percent: Token![%] = input.parse().ok()?;
    let ends = input.is_empty() || input.peek(Token![,]);
    let value = Expr::Verbatim(quote::quote!(#number #percent));
    ends.then_some(Meta::NameValue(MetaNameValue {
        path,
        eq_token,
        value,
    }))
}

/// The name of an option, as it is written.
pub(crate) fn name_of(meta: &Meta) -> String {
    path_text(meta.path())
}

pub(crate) fn path_text(path: &Path) -> String {
    path.to_token_stream().to_string().replace(' ', "")
}

/// The kind of value that an option takes, and an example of one.
#[derive(Clone, Copy)]
pub(crate) struct Expected {
    pub(crate) kind: &'static str,
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
            Meta::NameValue(pair) => Ok(without_groups(&pair.value)),
            Meta::Path(_) | Meta::List(_) => Err(self.error(meta, meta)),
        }
    }

    /// The error about a value of another kind at `site`.
    pub(crate) fn error(self, meta: &Meta, site: &impl spanned::Spanned) -> darling::Error {
        self.error_suggesting(meta, self.example, site)
    }

    /// The same error, with a value that fits better than the usual example.
    pub(crate) fn error_suggesting(
        self,
        meta: &Meta,
        value: &str,
        site: &impl spanned::Spanned,
    ) -> darling::Error {
        let name = name_of(meta);
        darling::Error::custom(format!("expected {}: `{name} = {value}`", self.kind))
            .with_span(site)
    }
}

/// The expression within the invisible groups that a `macro_rules!` puts around its fragments.
fn without_groups(expr: &Expr) -> &Expr {
    match expr {
        Expr::Group(group) => without_groups(&group.expr),
        other => other,
    }
}

/// A value and the tokens it was read from, at which its errors are shown.
pub(crate) struct Spanned<T> {
    pub(crate) value: T,
    site: TokenStream,
}

impl<T> Spanned<T> {
    pub(crate) fn span(&self) -> Span {
        spanned::Spanned::span(&self.site)
    }

    pub(crate) fn map<U>(self, read: impl FnOnce(T) -> U) -> Spanned<U> {
        Spanned {
            value: read(self.value),
            site: self.site,
        }
    }
}

impl<T: FromMeta> FromMeta for Spanned<T> {
    fn from_meta(meta: &Meta) -> darling::Result<Self> {
        let site = match meta {
            Meta::NameValue(pair) => pair.value.to_token_stream(),
            Meta::Path(path) => path.to_token_stream(),
            Meta::List(list) => list.path.to_token_stream(),
        };
        T::from_meta(meta).map(|value| Self { value, site })
    }
}

impl<T> Deref for Spanned<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T> ToTokens for Spanned<T> {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        self.site.to_tokens(tokens);
    }
}
