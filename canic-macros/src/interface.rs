//! The types of endpoints in the form in which expansions hand them to Candid's macro.
//!
//! The documentation of `canic_runtime::entry::interface` gives the reasons for this form.
//! Expansions name these macros by an absolute path: the compiler resolves an expansion's imports
//! later, and by then `export_candid!` has written the interface without this endpoint.

use proc_macro2::{Literal, TokenStream};
use quote::quote;
use syn::Type;

/// A number that identifies an endpoint within its crate: the FNV-1a hash of its tokens.
pub(crate) fn id(tokens: &TokenStream) -> Literal {
    const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0100_0000_01b3;
    let hash = tokens.to_string().bytes().fold(BASIS, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(PRIME)
    });
    Literal::u64_unsuffixed(hash)
}

/// Each type with its index, arguments first.
pub(crate) fn numbered_types(arguments: &[Type], replies: &[Type]) -> (TokenStream, TokenStream) {
    let list = |types: &[Type], first: usize| {
        let items = types.iter().enumerate().map(|(index, ty)| {
            let index = Literal::usize_unsuffixed(first + index);
            quote!(#index: #ty)
        });
        quote!(#(#items),*)
    };
    (list(arguments, 0), list(replies, arguments.len()))
}
