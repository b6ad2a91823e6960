//! `#[canic::update]` and `#[canic::query]`: the author's endpoints.

pub(crate) mod args;
mod check;
mod expand;
mod model;

use proc_macro2::TokenStream;
use quote::quote;
use syn::Item;

use self::args::EndpointArgs;
pub(crate) use self::model::Kind;
use crate::diag::Errors;

/// Parse, check, expand. On an error the author's function stays.
pub(crate) fn endpoint(kind: Kind, attribute: TokenStream, item: TokenStream) -> TokenStream {
    let mut errors = Errors::default();
    let args = EndpointArgs::parse(attribute, &mut errors);
    let item: Item = match syn::parse2(item.clone()) {
        Ok(item) => item,
        Err(error) => {
            let error = error.to_compile_error();
            return quote!(#item #error);
        }
    };
    let checked = check::endpoint(kind, &args, &item, &mut errors);
    match errors.finish(checked) {
        Ok(endpoint) => expand::endpoint(&endpoint),
        Err(errors) => quote!(#item #errors),
    }
}
