//! Exported functions of a canister, and the names under which the platform calls them.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
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
    let host = host_symbol(symbol);
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

/// The symbol for linkers of the host. Different symbols stay different.
fn host_symbol(symbol: &str) -> String {
    let characters = symbol.chars().map(|character| match character {
        ' ' => ".".to_owned(),
        '_' => "_".to_owned(),
        plain if plain.is_ascii_alphanumeric() => plain.to_string(),
        other => format!(".{:x}.", u32::from(other)),
    });
    characters.collect()
}

/// A macro at the crate's root for each exported name, so that the compiler refuses a second one at
/// both sites.
///
/// Without this macro only the linker would report two updates of one name, and no tool an update
/// and a query. The compiler's message has the name alone, so the name says the rule.
pub(crate) fn unique(name: &str, site: Span) -> TokenStream {
    let site = Span::call_site().located_at(site);
    let plain = format!("only_one_endpoint_is_named_{name}");
    let ident = if syn::parse_str::<Ident>(&plain).is_ok() {
        Ident::new(&plain, site)
    } else {
        let bytes = name.bytes().map(|byte| format!("{byte:02x}"));
        let bytes = bytes.collect::<String>();
        format_ident!("only_one_endpoint_has_the_name_in_hex_{bytes}", span = site)
    };
    quote_spanned! {site=>
        #[doc(hidden)]
        #[macro_export]
        macro_rules! #ident {
            () => {};
        }
    }
}
