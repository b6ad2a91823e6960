//! `#[canic::role]`: a member of a fleet.

pub(crate) mod args;
mod check;
mod expand;
mod model;

use proc_macro2::TokenStream;
use quote::quote;
use syn::Item;

use self::args::RoleArgs;
use crate::{diag::Errors, hooks::fallback_item, role_fns};

/// Parse, check, expand. On an error the author's item stays, and so do the role functions; also if
/// the item is not finished.
pub(crate) fn role(attribute: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let args = RoleArgs::parse(attribute, &mut errors);
    let item: Item = match syn::parse2(item.clone()) {
        Ok(item) => item,
        Err(error) => {
            let error = error.to_compile_error();
            let children = role_fns::fallback(args.children.iter().map(|child| &child.value));
            let children = role_fns::beside_unfinished(&args.crate_path, item.clone(), &children);
            return quote!(#item #children #error);
        }
    };
    let checked = check::role(&args, &item, &mut errors);
    match errors.finish(checked) {
        Ok(role) => expand::role(&role, &item),
        Err(errors) => {
            let children = role_fns::fallback(args.children.iter().map(|child| &child.value));
            let children = role_fns::functions(&args.crate_path, &item, &children);
            let item = fallback_item(&item);
            quote!(#item #children #errors)
        }
    }
}
