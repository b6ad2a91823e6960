//! The item under the attribute, and rules for it.

use proc_macro2::{Delimiter, Ident, TokenStream, TokenTree};
use quote::ToTokens;
use syn::{Fields, ImplItem, Item, ItemImpl, ItemStruct, Type, parse_quote};

use super::{check, model::Hooks};
use crate::{canister_kind::CanisterKind, diag::Errors, signature::STATE_LIVES, source};

/// The type that represents a canister, with its hooks.
pub(crate) struct Canister {
    pub(crate) ty: Type,
    pub(crate) hooks: Hooks,
}

impl Canister {
    /// Checks the item under the attribute of `kind`.
    pub(crate) fn check(item: &Item, kind: CanisterKind, errors: &mut Errors) -> Option<Self> {
        let attribute = kind.attribute();
        let ty = Self::type_of(item);
        if let (Some(ty), Some(file)) = (&ty, source::file()) {
            check::outside_of_block(item, ty, kind, &file, errors);
            check::not_by_cdk(&file, errors);
        }
        match item {
            Item::Struct(item) => {
                unit(item, attribute, errors);
                let hooks = Hooks::default();
                ty.map(|ty| Self { ty, hooks })
            }
            Item::Impl(item) if item.trait_.is_some() => {
                inherent(item, attribute, errors);
                None
            }
            Item::Impl(item) => {
                inherent(item, attribute, errors);
                let hooks = check::hooks(item, kind, errors);
                ty.map(|ty| Self { ty, hooks })
            }
            other => {
                item_kind(other, attribute, errors);
                None
            }
        }
    }

    /// The type of the item, if it can be named without parameters.
    pub(crate) fn type_of(item: &Item) -> Option<Type> {
        match item {
            Item::Struct(item) if item.generics.params.is_empty() => {
                let name = &item.ident;
                Some(parse_quote!(#name))
            }
            Item::Impl(item) if item.generics.params.is_empty() && item.trait_.is_none() => {
                Some((*item.self_ty).clone())
            }
            _ => None,
        }
    }
}

impl Canister {
    /// The type of an item that can't be parsed, because something within its braces is not
    /// finished.
    pub(crate) fn type_of_unfinished(item: TokenStream) -> Option<Type> {
        let mut tokens = item.into_iter();
        let keyword = tokens.find_map(|token| match token {
            TokenTree::Ident(word) if word == "struct" || word == "impl" => Some(word),
            _ => None,
        })?;
        let is_name = |token: &TokenTree| match token {
            TokenTree::Group(group) => group.delimiter() != Delimiter::Brace,
            TokenTree::Punct(mark) => mark.as_char() != ';',
            _ => true,
        };
        let name: TokenStream = tokens.take_while(is_name).collect();
        match keyword == "struct" {
            true => syn::parse2::<Ident>(name)
                .ok()
                .map(|name| parse_quote!(#name)),
            // A type, and not a trait for it.
            false => syn::parse2(name).ok(),
        }
    }
}

/// The author's item, as it is emitted beside the errors of a check.
///
/// It lacks the attributes that belong elsewhere and the hooks that are defined again: the compiler
/// would report the same mistakes once more.
pub(crate) fn fallback_item(item: &Item) -> TokenStream {
    let mut item = item.clone();
    if let Item::Impl(block) = &mut item {
        let mut seen = Vec::new();
        block.items.retain(|inner| match inner {
            ImplItem::Fn(function) => {
                let name = function.sig.ident.clone();
                let first = !seen.contains(&name);
                seen.push(name);
                first
            }
            _ => true,
        });
        for inner in &mut block.items {
            if let ImplItem::Fn(function) = inner {
                function
                    .attrs
                    .retain(|attribute| check::export_attribute(attribute).is_none());
            }
        }
    }
    item.into_token_stream()
}

fn item_kind(item: &Item, attribute: &str, errors: &mut Errors) {
    let (site, kind) = match item {
        Item::Fn(item) => (item.sig.fn_token.to_token_stream(), "a function"),
        Item::Enum(item) => (item.enum_token.to_token_stream(), "an enum"),
        Item::Trait(item) => (item.trait_token.to_token_stream(), "a trait"),
        Item::Mod(item) => (item.mod_token.to_token_stream(), "a module"),
        other => (other.to_token_stream(), "this item"),
    };
    errors.report(
        site,
        format!(
            "`#[canic::{attribute}]` does not go on {kind}, but on a unit struct, \
             `pub struct Name;`, or on an `impl` block with hooks, `impl Name {{ .. }}`"
        ),
    );
}

fn unit(item: &ItemStruct, attribute: &str, errors: &mut Errors) {
    if !item.generics.params.is_empty() {
        errors.report(
            &item.generics,
            format!("`#[canic::{attribute}]` goes on one canister's type, which has no parameters"),
        );
    }
    if !matches!(item.fields, Fields::Unit) {
        let name = &item.ident;
        errors.report(
            &item.fields,
            format!(
                "`#[canic::{attribute}]` goes on a unit struct, `struct {name};`, \
                 which names the canister; {STATE_LIVES}"
            ),
        );
    }
}

fn inherent(item: &ItemImpl, attribute: &str, errors: &mut Errors) {
    if let Some((_, path, _)) = &item.trait_ {
        errors.report(
            path,
            format!(
                "`#[canic::{attribute}]` goes on an `impl` block of the type itself, not of a trait"
            ),
        );
    }
    if !item.generics.params.is_empty() {
        errors.report(
            &item.generics,
            format!("`#[canic::{attribute}]` goes on one canister's type, which has no parameters"),
        );
    }
}
