//! Exported functions of a canister, and the names under which the platform calls them.

use proc_macro2::{Span, TokenStream};
use quote::quote;
use syn::{Ident, LitStr};

/// The way in which an endpoint is called.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Mode {
    Update,
    Query,
    CompositeQuery,
}

impl Mode {
    /// The mode as the platform and Candid spell it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Update => "update",
            Self::Query => "query",
            Self::CompositeQuery => "composite_query",
        }
    }

    /// The symbol of an endpoint's export.
    pub(crate) fn symbol(self, endpoint: &str) -> String {
        format!("canister_{} {endpoint}", self.name())
    }
}

/// An exported function.
///
/// Linkers of the host reject some characters of a symbol. There the function gets another name, so
/// that the crate links for its tests.
pub(crate) fn export(symbol: &str, function: &Ident, body: &TokenStream) -> TokenStream {
    let wasm = LitStr::new(symbol, Span::call_site());
    let host = symbol.replace(' ', ".").replace('-', "_");
    let attributes = if host == symbol {
        quote!(#[unsafe(export_name = #wasm)])
    } else {
        quote! {
            #[cfg_attr(target_family = "wasm", unsafe(export_name = #wasm))]
            #[cfg_attr(not(target_family = "wasm"), unsafe(export_name = #host))]
        }
    };
    quote! {
        #attributes
        fn #function() {
            #body
        }
    }
}
