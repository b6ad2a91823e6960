//! What a checked member becomes.

use proc_macro2::TokenStream;
use quote::{format_ident, quote};
use syn::Item;

use super::model::Role;
use crate::handles;
use crate::hooks::{self, Side};
use crate::service;

pub(super) fn role(role: &Role, item: &Item) -> TokenStream {
    let Role {
        crate_path,
        canister,
        name,
        children,
        http,
        subscribes,
        stable_memory,
    } = role;
    let max_stable_gib = hooks::max_stable_gib(*stable_memory);
    let subscribes = if *subscribes {
        quote!(::core::option::Option::Some(__canic::entry::subscribe))
    } else {
        quote!(::core::option::Option::None)
    };
    let children = handles::functions(crate_path, item, children);
    let start = hooks::start_hook(canister);
    let side = Side {
        module: format_ident!("member"),
        config: format_ident!("MEMBER"),
    };
    let lifecycle = hooks::lifecycle(&side, canister);
    let init = hooks::candid_init(crate_path, canister);
    let endpoints = service::endpoints(&side, crate_path, service::member());
    let pages = http.then(|| service::endpoints(&side, crate_path, service::http()));
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
                subscribes: #subscribes,
            };
            #candid
            #lifecycle
            #init
            #endpoints
            #pages
        };
    }
}
