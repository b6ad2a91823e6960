//! What a checked member becomes.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::Item;

use super::model::Role;
use crate::hooks::{self, Side};
use crate::role_fns;
use crate::system_endpoints;

pub(super) fn role(role: &Role, item: &Item) -> TokenStream {
    let Role {
        crate_path,
        canister,
        name,
        children,
        http,
        listens,
        stable_memory,
    } = role;
    let max_stable_gib = hooks::max_stable_gib(*stable_memory);
    let listens = if *listens {
        quote!(::core::option::Option::Some(__canic::entry::listen))
    } else {
        quote!(::core::option::Option::None)
    };
    let children = role_fns::functions(crate_path, item, children);
    let start = hooks::start_hook(canister);
    let side = Side {
        module: format_ident!("member"),
        config: format_ident!("MEMBER"),
    };
    let lifecycle = hooks::lifecycle(&side, canister);
    let init = hooks::candid_init(crate_path, canister);
    let endpoints = system_endpoints::endpoints(&side, crate_path, system_endpoints::member());
    let pages =
        http.then(|| system_endpoints::endpoints(&side, crate_path, system_endpoints::http()));
    let ty = &canister.ty;
    let allowed = hooks::allowed_lints(item);
    let only_one = hooks::only_one_in_the_crate();
    let candid = hooks::candid_is_exported();
    quote! {
        #allowed
        #item
        #children
        #only_one
        const _: () = {
            use #crate_path::__private as __canic;

            const _: ::core::marker::PhantomData<#ty> = ::core::marker::PhantomData;
            static MEMBER: __canic::Member = __canic::Member {
                role: #name,
                max_stable_gib: #max_stable_gib,
                start: #start,
                listens: #listens,
            };
            #candid
            #lifecycle
            #init
            #endpoints
            #pages
        };
    }
}
