//! The expansion of a checked root.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, format_ident, quote};
use syn::{Item, LitInt};

use super::{
    init_type::{self, Field, Init},
    model::{FuelSource, Fund, Module, Place, Pool, Refuel, Role, Rollback, Root},
    rollout::Rollout,
};
use crate::{
    canister_kind::CanisterKind,
    crate_path::CratePath,
    export, hooks, role_fns, system_endpoints,
    values::{Controller, Level, Share},
};

pub(super) fn root(root: &Root, item: &Item) -> TokenStream {
    let Root {
        crate_path,
        canister,
        ..
    } = root;
    let role_fns = root.roles.iter().map(|role| &role.role_fn);
    let role_fns = role_fns::functions(crate_path, item, role_fns);
    let config = config(root);
    let args_fit = root.roles.iter().filter_map(args_fit);
    let max_stable_gib = hooks::max_stable_gib(root.stable_memory);
    let start = hooks::start_hook(canister);
    let lifecycle = hooks::lifecycle(CanisterKind::Root, canister);
    let init = hooks::candid_init(crate_path, canister);
    let endpoints = system_endpoints::exports(CanisterKind::Root, crate_path, root.http.is_some());
    let ty = &canister.ty;
    let allowed = hooks::allowed_lints(item);
    let unique = hooks::unique_root_or_role();
    let unique_http = root.http.map(|site| export::unique("http_request", site));
    let foreign = hooks::foreign_exports(crate_path, canister, root.http.is_some());
    let candid = hooks::candid_export_check();
    quote! {
        #allowed
        #item
        #role_fns
        #unique
        #unique_http
        const _: () = {
            use #crate_path::{__private as __canic, config as __config};

            const _: ::core::marker::PhantomData<#ty> = ::core::marker::PhantomData;
            static ROOT: __canic::Root = __canic::Root {
                config: #config,
                max_stable_gib: #max_stable_gib,
                start: #start,
                args_fit: &[#(#args_fit),*],
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

fn config(root: &Root) -> TokenStream {
    let pool = optional(root.pool.as_ref().map(pool));
    let reserve = cycles(root.reserve, "DEFAULT_RESERVE");
    let budget = optional(root.budget.map(number));
    let refuel = optional(root.refuel.as_ref().map(refuel));
    let roles = root.roles.iter().map(|it| role(it, &root.crate_path));
    quote! {
        __config::RootConfig {
            pool: #pool,
            reserve: #reserve,
            budget: #budget,
            refuel: #refuel,
            roles: &[#(#roles),*],
        }
    }
}

fn pool(pool: &Pool) -> TokenStream {
    let (min, max) = (count(pool.min), count(pool.max));
    let cycles = cycles(pool.cycles, "DEFAULT_POOL_CYCLES");
    quote!(__config::PoolConfig { min: #min, max: #max, cycles: #cycles })
}

fn refuel(refuel: &Refuel) -> TokenStream {
    let (below, to) = (number(refuel.below), number(refuel.to));
    let sources = refuel.from.iter().map(|source| match source {
        FuelSource::Cycles => quote!(__config::FuelSource::Cycles),
        FuelSource::Icp => quote!(__config::FuelSource::Icp),
    });
    quote! {
        __config::RefuelConfig { below: #below, to: #to, sources: &[#(#sources),*] }
    }
}

fn role(role: &Role, crate_path: &CratePath) -> TokenStream {
    let name = &role.role_fn.name;
    let max = optional(role.max.map(count));
    let max_per_parent = optional(role.max_per_parent.map(count));
    let singleton = role.singleton;
    let cycles = cycles(role.cycles, "DEFAULT_MEMBER_CYCLES");
    let (parents, watches) = (&role.parents, &role.watches);
    let watches_releases = role.watches_releases;
    let controllers = role.controllers.iter().map(|controller| match controller {
        Controller::Parent(_) => quote!(__config::Controller::Parent),
        Controller::Text(text) => quote!(__config::Controller::Text(#text)),
    });
    let rollback = match role.rollback {
        Rollback::Recycle => quote!(__config::Rollback::Recycle),
        Rollback::Delete => quote!(__config::Rollback::Delete),
    };
    let rollout = match &role.rollout {
        Some(options) => rollout(options, crate_path),
        None => quote!(__config::DEFAULT_ROLLOUT),
    };
    let wasm = optional(role.wasm.as_ref().and_then(module));
    let fund = optional(role.fund.as_ref().map(fund));
    quote! {
        __config::RoleConfig {
            name: #name,
            max: #max,
            max_per_parent: #max_per_parent,
            singleton: #singleton,
            cycles: #cycles,
            parents: &[#(#parents),*],
            watches: &[#(#watches),*],
            watches_releases: #watches_releases,
            controllers: &[#(#controllers),*],
            rollback: #rollback,
            rollout: #rollout,
            wasm: #wasm,
            fund: #fund,
        }
    }
}

fn fund(fund: &Fund) -> TokenStream {
    let (below, to) = (level(fund.below), level(fund.to));
    let per_day = optional(fund.per_day.map(number));
    quote! {
        __config::FundConfig {
            below: #below,
            to: #to,
            per_day: #per_day,
        }
    }
}

fn level(level: Level) -> TokenStream {
    match level {
        Level::Seconds(seconds) => {
            let seconds = number(seconds.into());
            quote!(__config::Level::Seconds(#seconds))
        }
        Level::Cycles(cycles) => {
            let cycles = number(cycles);
            quote!(__config::Level::Cycles(#cycles))
        }
    }
}

/// The plan of a role; what the author left out is the runtime's default.
fn rollout(rollout: &Rollout, crate_path: &CratePath) -> TokenStream {
    let seconds = |time: u64| number(time.into()).into_token_stream();
    let variant = |ty: &str, variant: &str| {
        let (ty, variant) = (format_ident!("{ty}"), format_ident!("{variant}"));
        quote!(#crate_path::api::#ty::#variant)
    };
    let share = |share| match share {
        Share::Members(members) => {
            let (variant, members) = (variant("Share", "Members"), count(members));
            quote!(#variant(#members))
        }
        Share::Percent(percent) => {
            let (variant, percent) = (variant("Share", "Percent"), count(percent));
            quote!(#variant(#percent))
        }
    };
    let values = [
        ("canary", rollout.canary.map(share)),
        ("bake", rollout.bake.map(seconds)),
        (
            "concurrent",
            rollout.concurrent.map(|it| count(it).into_token_stream()),
        ),
        ("max_failures", rollout.max_failures.map(share)),
        (
            "on_failure",
            rollout.on_failure.map(|it| variant("OnFailure", it)),
        ),
        (
            "snapshots",
            rollout.snapshots.map(|it| variant("Snapshots", it)),
        ),
        ("health_timeout", rollout.health_timeout.map(seconds)),
        ("keep", rollout.keep.map(seconds)),
    ];
    let fields = values.into_iter().map(|(name, value)| {
        let name = format_ident!("{name}");
        let value = value.unwrap_or_else(|| quote!(__config::DEFAULT_ROLLOUT.plan.#name));
        quote!(#name: #value)
    });
    let manual = match rollout.manual {
        Some(manual) => quote!(#manual),
        None => quote!(__config::DEFAULT_ROLLOUT.manual),
    };
    quote! {
        __config::RolloutConfig {
            plan: #crate_path::api::RolloutPlan { #(#fields),* },
            manual: #manual,
        }
    }
}

/// The bytes of a module. A constant reads the sources, so that cargo compiles root again when one
/// of them changes, and the macro can tell that the module is older.
fn module(module: &Module) -> Option<TokenStream> {
    match &module.place {
        Place::File { path, sources } => {
            let path = quote! {
                ::core::concat!(::core::env!("CARGO_MANIFEST_DIR"), "/", #path)
            };
            if sources.is_empty() {
                return Some(quote!(::core::include_bytes!(#path)));
            }
            Some(quote! {
                {
                    const _: &[&[u8]] = &[#(::core::include_bytes!(#sources)),*];
                    ::core::include_bytes!(#path)
                }
            })
        }
        Place::Built { path } => path
            .as_ref()
            .map(|path| quote!(::core::include_bytes!(#path))),
    }
}

/// A comparison of the `args` of a role with what its module takes, if both are known.
fn args_fit(role: &Role) -> Option<TokenStream> {
    let name = &role.role_fn.name;
    let args = role.role_fn.args.as_ref()?;
    let init = init(role.wasm.as_ref()?.init.as_ref()?);
    Some(quote! {
        || __canic::entry::args_fit(#name, <#args as __canic::candid::CandidType>::ty, &#init)
    })
}

fn init(init: &Init) -> TokenStream {
    let definitions = init.definitions.iter().map(|(name, ty)| {
        let ty = argument_type(ty);
        quote!((#name, #ty))
    });
    let arguments = init.arguments.iter().map(argument_type);
    quote! {
        __canic::entry::Init {
            definitions: &[#(#definitions),*],
            arguments: &[#(#arguments),*],
        }
    }
}

fn argument_type(ty: &init_type::Type) -> TokenStream {
    let variant = match ty {
        init_type::Type::Plain(name) => format_ident!("{name}").into_token_stream(),
        init_type::Type::Opt(inner) => {
            let inner = argument_type(inner);
            quote!(Opt(&#inner))
        }
        init_type::Type::Vec(inner) => {
            let inner = argument_type(inner);
            quote!(Vec(&#inner))
        }
        init_type::Type::Record(fields) => {
            let fields = fields.iter().map(field);
            quote!(Record(&[#(#fields),*]))
        }
        init_type::Type::Variant(fields) => {
            let fields = fields.iter().map(field);
            quote!(Variant(&[#(#fields),*]))
        }
        init_type::Type::Name(name) => quote!(Name(#name)),
    };
    quote!(__canic::entry::ArgumentType::#variant)
}

fn field((name, ty): &(Field, init_type::Type)) -> TokenStream {
    let name = match name {
        Field::Text(text) => quote!(Text(#text)),
        Field::Number(number) => quote!(Number(#number)),
    };
    let ty = argument_type(ty);
    quote!((__canic::entry::FieldName::#name, #ty))
}

fn optional(value: Option<impl ToTokens>) -> TokenStream {
    match value {
        Some(value) => quote!(::core::option::Option::Some(#value)),
        None => quote!(::core::option::Option::None),
    }
}

fn cycles(amount: Option<u128>, default: &str) -> TokenStream {
    match amount {
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
    LitInt::new(&grouped, Span::call_site())
}
