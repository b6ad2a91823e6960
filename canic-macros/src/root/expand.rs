//! What a checked root becomes.

use proc_macro2::TokenStream;
use quote::{ToTokens, format_ident, quote};
use syn::{Item, LitInt};

use super::model::{Pool, Role, Rollback, Root};
use crate::hooks::{self, Side};
use crate::role_fns;
use crate::system_endpoints;
use crate::values::Controller;

pub(super) fn root(root: &Root, item: &Item) -> TokenStream {
    let Root {
        crate_path,
        canister,
        ..
    } = root;
    let handles = root.roles.iter().map(|role| &role.handle);
    let handles = role_fns::functions(crate_path, item, handles);
    let config = config(root);
    let max_stable_gib = hooks::max_stable_gib(root.stable_memory);
    let start = hooks::start_hook(canister);
    let side = Side {
        module: format_ident!("root"),
        config: format_ident!("ROOT"),
    };
    let lifecycle = hooks::lifecycle(&side, canister);
    let init = hooks::candid_init(crate_path, canister);
    let endpoints = system_endpoints::endpoints(&side, crate_path, system_endpoints::root());
    let http = root
        .http
        .then(|| system_endpoints::endpoints(&side, crate_path, system_endpoints::http()));
    let ty = &canister.ty;
    let allowed = hooks::allowed_lints(item);
    let only_one = hooks::only_one_in_the_crate();
    let candid = hooks::candid_is_exported();
    quote! {
        #allowed
        #item
        #handles
        #only_one
        const _: () = {
            use #crate_path::{__private as __canic, config as __config};

            const _: ::core::marker::PhantomData<#ty> = ::core::marker::PhantomData;
            static ROOT: __canic::Root = __canic::Root {
                config: #config,
                max_stable_gib: #max_stable_gib,
                start: #start,
            };
            #candid
            #lifecycle
            #init
            #endpoints
            #http
        };
    }
}

fn config(root: &Root) -> TokenStream {
    let pool = optional(root.pool.as_ref().map(pool));
    let reserve = cycles(root.reserve, "DEFAULT_RESERVE");
    let roles = root.roles.iter().map(role);
    quote! {
        __config::RootConfig {
            pool: #pool,
            reserve: #reserve,
            roles: &[#(#roles),*],
        }
    }
}

fn pool(pool: &Pool) -> TokenStream {
    let (min, max) = (count(pool.min), count(pool.max));
    let cycles = cycles(pool.cycles, "DEFAULT_POOL_CYCLES");
    quote!(__config::PoolConfig { min: #min, max: #max, cycles: #cycles })
}

fn role(role: &Role) -> TokenStream {
    let name = &role.handle.name;
    let max = optional(role.max.map(count));
    let max_per_parent = optional(role.max_per_parent.map(count));
    let singleton = role.singleton;
    let cycles = cycles(role.cycles, "DEFAULT_MEMBER_CYCLES");
    let (parents, watches) = (&role.parents, &role.watches);
    let controllers = role.controllers.iter().map(|controller| match controller {
        Controller::Parent(_) => quote!(__config::Controller::Parent),
        Controller::Text(text) => quote!(__config::Controller::Text(#text)),
    });
    let rollback = match role.rollback {
        Rollback::Recycle => quote!(__config::Rollback::Recycle),
        Rollback::Delete => quote!(__config::Rollback::Delete),
    };
    let wasm = optional(role.wasm.as_ref().map(|path| {
        quote! {
            ::core::include_bytes!(::core::concat!(::core::env!("CARGO_MANIFEST_DIR"), "/", #path))
        }
    }));
    quote! {
        __config::RoleConfig {
            name: #name,
            max: #max,
            max_per_parent: #max_per_parent,
            singleton: #singleton,
            cycles: #cycles,
            parents: &[#(#parents),*],
            watches: &[#(#watches),*],
            controllers: &[#(#controllers),*],
            rollback: #rollback,
            wasm: #wasm,
        }
    }
}

fn optional(value: Option<impl ToTokens>) -> TokenStream {
    match value {
        Some(value) => quote!(::core::option::Option::Some(#value)),
        None => quote!(::core::option::Option::None),
    }
}

fn cycles(given: Option<u128>, default: &str) -> TokenStream {
    match given {
        Some(cycles) => number(cycles).into_token_stream(),
        None => {
            let default = format_ident!("{default}");
            quote!(__config::#default)
        }
    }
}

fn count(count: u32) -> LitInt {
    number(count.into())
}

/// A literal without a type, in groups of three digits.
fn number(number: u128) -> LitInt {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push('_');
        }
        grouped.push(digit);
    }
    LitInt::new(&grouped, proc_macro2::Span::call_site())
}
