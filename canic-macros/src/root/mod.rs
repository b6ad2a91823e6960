//! `#[canic::root]`: the canister that owns a fleet.

pub(crate) mod args;
mod build;
mod check;
mod duplicates;
mod expand;
mod fund;
mod gzip;
mod init_type;
mod lock;
mod model;
mod refuel;
mod role_graph;
pub(crate) mod rollout;
mod sources;
mod wasm;

use proc_macro2::TokenStream;
use syn::Item;

use self::args::RootArgs;
use crate::{diag::Errors, hooks::fallback_item, role_fns};

/// Parse, check, expand. On an error the author's item stays, and so do the role functions; also if
/// the item is not finished.
pub(crate) fn root(attribute: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let args = RootArgs::parse(attribute, &mut errors);
    let item: Item = match syn::parse2(item.clone()) {
        Ok(item) => item,
        Err(error) => {
            let error = error.to_compile_error();
            let role_fns = role_fns::fallback(args.roles.iter().map(|role| &role.role_fn));
            let role_fns = role_fns::beside_unfinished(&args.crate_path, item.clone(), &role_fns);
            return with_errors(item, quote::quote!(#role_fns #error));
        }
    };
    let checked = check::root(&args, &item, &mut errors);
    match errors.finish(checked) {
        Ok(root) => expand::root(&root, &item),
        Err(errors) => {
            let role_fns = role_fns::fallback(args.roles.iter().map(|role| &role.role_fn));
            let role_fns = role_fns::functions(&args.crate_path, &item, &role_fns);
            with_errors(fallback_item(&item), quote::quote!(#role_fns #errors))
        }
    }
}

fn with_errors(item: TokenStream, errors: TokenStream) -> TokenStream {
    quote::quote!(#item #errors)
}
