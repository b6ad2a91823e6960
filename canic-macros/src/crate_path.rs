//! The path of the `canic` crate, as generated code names it.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::Path;

/// `::canic`, or the author's `crate = path` if the dependency has another name.
#[derive(Clone, Default)]
pub(crate) struct CratePath(Option<Path>);

impl CratePath {
    pub(crate) fn new(path: Option<Path>) -> Self {
        Self(path)
    }

    /// The same path with the span `site`, where the compiler then shows errors about its items.
    pub(crate) fn located_at(&self, site: Span) -> TokenStream {
        match &self.0 {
            Some(path) => path.to_token_stream(),
            None => quote_spanned!(site=> ::canic),
        }
    }
}

impl ToTokens for CratePath {
    fn to_tokens(&self, tokens: &mut TokenStream) {
        tokens.extend(self.located_at(Span::call_site()));
    }
}
