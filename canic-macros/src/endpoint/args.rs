//! The options of an endpoint, as they are written.

use darling::{FromMeta, ast::NestedMeta};
use proc_macro2::TokenStream;
use quote::ToTokens;
use syn::{LitStr, Meta, Path};

use crate::crate_path::CratePath;
use crate::diag::{Errors, instead_of};
use crate::options::{self, Given, Known, Options, name_of};
use crate::values::{Flag, PathValue, Text};

pub(super) struct EndpointArgs {
    pub(super) crate_path: CratePath,
    pub(super) name: Option<Given<Text>>,
    pub(super) composite: Option<Given<Flag>>,
    pub(super) manual_reply: Option<Given<Flag>>,
    pub(super) hidden: Option<Given<Flag>>,
    pub(super) decode_with: Option<Given<PathValue>>,
    pub(super) encode_with: Option<Given<PathValue>>,
    pub(super) guards: Vec<Given<PathValue>>,
    pub(super) allow: Option<AllowArgs>,
}

/// `allow(..)`.
pub(super) struct AllowArgs {
    /// Those of its items that can be read.
    pub(super) items: Vec<AllowItem>,
    /// Whether nothing stands between its parentheses.
    pub(super) empty: bool,
    /// The word `allow`.
    pub(super) site: TokenStream,
}

/// One item of `allow(..)`, and where it stands.
pub(super) struct AllowItem {
    pub(super) who: Who,
    pub(super) site: Meta,
}

pub(super) enum Who {
    Anyone,
    Controller,
    Root,
    Parent,
    Child,
    Member,
    Role(LitStr),
    Guard(Path),
}

const ENDPOINT: Known = Known {
    once: &[
        "name",
        "composite",
        "manual_reply",
        "hidden",
        "decode_with",
        "encode_with",
        "allow",
        "crate",
    ],
    repeated: &["guard"],
};

impl EndpointArgs {
    pub(super) fn parse(tokens: TokenStream, errors: &mut Errors) -> Self {
        let options = Options::parse(tokens, &ENDPOINT, errors);
        let crate_path = options.one::<PathValue>("crate", errors);
        Self {
            crate_path: CratePath::new(crate_path.map(|path| path.value.0)),
            name: options.one("name", errors),
            composite: options.one("composite", errors),
            manual_reply: options.one("manual_reply", errors),
            hidden: options.one("hidden", errors),
            decode_with: options.one("decode_with", errors),
            encode_with: options.one("encode_with", errors),
            guards: options.all("guard", errors),
            allow: options
                .lists("allow", "allow(controller, role = \"hub\")", errors)
                .into_iter()
                .next()
                .map(|list| AllowArgs::parse(&list, errors)),
        }
    }
}

impl AllowArgs {
    fn parse(list: &Given<TokenStream>, errors: &mut Errors) -> Self {
        let items = options::list(list.value.clone(), errors).unwrap_or_default();
        Self {
            items: items
                .iter()
                .filter_map(|item| AllowItem::parse(item, errors))
                .collect(),
            empty: list.value.is_empty(),
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
            errors.at(
                item.to_token_stream(),
                "a role is named `role = \"..\"` here; principals are for a `guard = path` to check",
            );
            return None;
        };
        let name = name_of(meta);
        let who = match name.as_str() {
            "role" => Who::Role(errors.take(Text::from_meta(meta))?.0),
            "guard" => Who::Guard(errors.take(PathValue::from_meta(meta))?.0),
            word => match (plain(word), meta) {
                (Some(who), Meta::Path(_)) => who,
                (Some(_), _) => {
                    errors.at(
                        meta,
                        format!("`{word}` takes no value: the word alone says it"),
                    );
                    return None;
                }
                (None, _) => {
                    errors.at(
                        meta.path(),
                        format!("`{word}` is nobody to allow; {}", instead_of(word, &KNOWN)),
                    );
                    return None;
                }
            },
        };
        let site = meta.clone();
        Some(Self { who, site })
    }

    /// The item, to tell whether two are the same.
    pub(super) fn text(&self) -> String {
        self.site.to_token_stream().to_string()
    }
}

fn plain(word: &str) -> Option<Who> {
    Some(match word {
        "anyone" => Who::Anyone,
        "controller" => Who::Controller,
        "root" => Who::Root,
        "parent" => Who::Parent,
        "child" => Who::Child,
        "member" => Who::Member,
        _ => return None,
    })
}
