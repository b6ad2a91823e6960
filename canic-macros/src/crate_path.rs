//! Where generated code finds the `canic` crate.

use proc_macro2::TokenStream;
use quote::{ToTokens, quote};
use syn::Path;

/// `::canic`, or what the author gave as `crate = path` because the dependency has another name.
#[derive(Clone, Default)]
pub(crate) struct CratePath(Option<Path>);

impl CratePath {
    pub(crate) fn new(given: Option<Path>) -> Self {
        Self(given)
    }
}

impl ToTokens for CratePath {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        match &self.0 {
            Some(path) => path.to_tokens(tokens),
            None => tokens.extend(quote!(::canic)),
        }
    }
}
