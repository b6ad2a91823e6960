//! Where generated code finds the `canic` crate.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote_spanned};
use syn::Path;

/// `::canic`, or what the author gave as `crate = path` because the dependency has another name.
#[derive(Clone, Default)]
pub(crate) struct CratePath(Option<Path>);

impl CratePath {
    pub(crate) fn new(given: Option<Path>) -> Self {
        Self(given)
    }

    /// The same path, said to stand at `site`, so that an error about what follows it is shown there.
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
