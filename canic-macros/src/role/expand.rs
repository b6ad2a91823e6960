//! The expansion of a checked member.

use proc_macro2::TokenStream;
use quote::quote;
use syn::Item;

use super::model::Role;
use crate::{canister_kind::CanisterKind, export, hooks, role_fns, system_endpoints};

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
    let children = role_fns::functions(crate_path, item, children);
    let start = hooks::start_hook(canister);
    let health = hooks::health_hook(canister);
    let lifecycle = hooks::lifecycle(CanisterKind::Member, canister);
    let init = hooks::candid_init(crate_path, canister);
    let endpoints = system_endpoints::exports(CanisterKind::Member, crate_path, http.is_some());
    let ty = &canister.ty;
    let allowed = hooks::allowed_lints(item);
    let unique = hooks::unique_root_or_role();
    let unique_http = http.map(|site| export::unique("http_request", site));
    let foreign = hooks::foreign_exports(crate_path, canister, http.is_some());
    let candid = hooks::candid_export_check();
    quote! {
        #allowed
        #item
        #children
        #unique
        #unique_http
        const _: () = {
            use #crate_path::__private as __canic;

            const _: ::core::marker::PhantomData<#ty> = ::core::marker::PhantomData;
            static MEMBER: __canic::Member = __canic::Member {
                role: #name,
                max_stable_gib: #max_stable_gib,
                start: #start,
                health: #health,
                subscribes: #subscribes,
            };
            #crate_path::__private::metadata! {}
            #candid
            #foreign
            #lifecycle
            #init
            #endpoints
        };
    }
}
