//! The attribute macros of canic.
mod crate_path;
mod diag;
mod endpoint;
mod hooks;
mod options;
mod role;
mod root;
mod service;
mod signature;
#[cfg(test)]
mod snapshots;
mod values;

use proc_macro::TokenStream;

/// root
#[proc_macro_attribute]
pub fn root(attribute: TokenStream, item: TokenStream) -> TokenStream {
    root::root(attribute.into(), item.into()).into()
}

/// role
#[proc_macro_attribute]
pub fn role(attribute: TokenStream, item: TokenStream) -> TokenStream {
    role::role(attribute.into(), item.into()).into()
}

/// update
#[proc_macro_attribute]
pub fn update(attribute: TokenStream, item: TokenStream) -> TokenStream {
    endpoint::endpoint(endpoint::Kind::Update, attribute.into(), item.into()).into()
}

/// query
#[proc_macro_attribute]
pub fn query(attribute: TokenStream, item: TokenStream) -> TokenStream {
    endpoint::endpoint(endpoint::Kind::Query, attribute.into(), item.into()).into()
}
