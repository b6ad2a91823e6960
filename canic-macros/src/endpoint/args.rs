//! The options of an endpoint, as they are written.

use darling::{FromMeta, ast::NestedMeta};
use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::{Lit, LitStr, Meta, Path};

use crate::{
    crate_path::CratePath,
    diag::{Errors, suggestion},
    options::{self, Expected, OptionNames, Options, Spanned, name_of},
    values::{Flag, PathValue, Text},
};

pub(super) struct EndpointArgs {
    pub(super) crate_path: CratePath,
    pub(super) name: Option<Spanned<Text>>,
    pub(super) composite: Option<Spanned<Flag>>,
    pub(super) manual_reply: Option<Spanned<Flag>>,
    pub(super) hidden: Option<Spanned<Flag>>,
    pub(super) decode_with: Option<Spanned<PathValue>>,
    pub(super) decoding_quota: Option<Spanned<Units>>,
    pub(super) encode_with: Option<Spanned<PathValue>>,
    pub(super) guards: Vec<Spanned<PathValue>>,
    pub(super) allow: Option<AllowArgs>,
}

/// `allow(..)`.
pub(super) struct AllowArgs {
    /// The items that could be read.
    pub(super) items: Vec<AllowItem>,
    /// Whether the parentheses are empty.
    pub(super) is_empty: bool,
    /// The word `allow`.
    pub(super) site: TokenStream,
}

/// A number of Candid's units of cost.
pub(super) struct Units(pub(super) u32);

impl FromMeta for Units {
    fn from_meta(meta: &Meta) -> darling::Result<Self> {
        let expected = Expected {
            kind: "a number of Candid's units of cost, below 2^32",
            example: "1_000_000",
        };
        match expected.literal(meta)? {
            Lit::Int(digits) if digits.suffix().is_empty() => {
                let units = digits.base10_parse().map(Self);
                units.map_err(|_| expected.error(meta, digits))
            }
            other => Err(expected.error(meta, other)),
        }
    }
}

/// One item of `allow(..)`, and its tokens.
pub(super) struct AllowItem {
    pub(super) caller: Caller,
    pub(super) site: Meta,
}

pub(super) enum Caller {
    Anyone,
    Controller,
    Root,
    Parent,
    Child,
    Member,
    Role(LitStr),
    Guard(Path),
}

pub(crate) const ENDPOINT: OptionNames = OptionNames {
    unique: &[
        "name",
        "composite",
        "manual_reply",
        "hidden",
        "decode_with",
        "decoding_quota",
        "encode_with",
        "allow",
        "crate",
    ],
    repeatable: &["guard"],
};

impl EndpointArgs {
    pub(super) fn parse(tokens: TokenStream, errors: &mut Errors) -> Self {
        let options = Options::parse(tokens, &ENDPOINT, errors);
        let crate_path = options.single::<PathValue>("crate", errors);
        Self {
            crate_path: CratePath::new(crate_path.map(|path| path.value.0)),
            name: options.single("name", errors),
            composite: options.single("composite", errors),
            manual_reply: options.single("manual_reply", errors),
            hidden: options.single("hidden", errors),
            decode_with: options.single("decode_with", errors),
            decoding_quota: options.single("decoding_quota", errors),
            encode_with: options.single("encode_with", errors),
            guards: options.repeated("guard", errors),
            allow: options
                .lists("allow", "allow(controller, role = \"hub\")", errors)
                .into_iter()
                .next()
                .map(|list| AllowArgs::parse(&list, errors)),
        }
    }
}

impl AllowArgs {
    fn parse(list: &Spanned<TokenStream>, errors: &mut Errors) -> Self {
        let items = options::list(list.value.clone(), errors).unwrap_or_default();
        Self {
            items: items
                .iter()
                .filter_map(|item| AllowItem::parse(item, errors))
                .collect(),
            is_empty: list.value.is_empty(),
            site: list.to_token_stream(),
        }
    }
}

impl AllowItem {
    fn parse(item: &NestedMeta, errors: &mut Errors) -> Option<Self> {
        const KNOWN: [&str; 8] = [
            "anyone",
            "controller",
            "root",
            "parent",
            "child",
            "member",
            "role",
            "guard",
        ];
        let NestedMeta::Meta(meta) = item else {
            errors.report(
                item.to_token_stream(),
                "a role is named `role = \"..\"` here; \
                 principals are for a `guard = path` to check",
            );
            return None;
        };
        let name = name_of(meta);
        let caller = match name.as_str() {
            "role" => Caller::Role(errors.handle(Text::from_meta(meta))?.0),
            "guard" => Caller::Guard(errors.handle(PathValue::from_meta(meta))?.0),
            word => match (Caller::from_word(word), meta) {
                (Some(caller), Meta::Path(_)) => caller,
                (Some(_), _) => {
                    errors.report(
                        meta,
                        format!("`{word}` takes no value: write the word alone"),
                    );
                    return None;
                }
                (None, _) => {
                    errors.report(
                        meta.path(),
                        format!(
                            "`{word}` is not a kind of caller; {}",
                            suggestion(word, &KNOWN)
                        ),
                    );
                    return None;
                }
            },
        };
        let site = meta.clone();
        Some(Self { caller, site })
    }

    /// The item as text, to compare two of them.
    pub(super) fn text(&self) -> String {
        self.site.to_token_stream().to_string()
    }
}

impl Caller {
    /// The caller that a word without a value names.
    fn from_word(word: &str) -> Option<Self> {
        Some(match word {
            "anyone" => Self::Anyone,
            "controller" => Self::Controller,
            "root" => Self::Root,
            "parent" => Self::Parent,
            "child" => Self::Child,
            "member" => Self::Member,
            _ => return None,
        })
    }
}
