//! The exports of a canister's life.

use proc_macro2::TokenStream;
use quote::{format_ident, quote, quote_spanned};
use syn::{Ident, Item, LitStr, Type};

use super::{Canister, Heartbeat, Hook};
use crate::crate_path::CratePath;
use crate::signature::{located_at, names};

/// Which half of the runtime a canister talks to.
pub(crate) struct Side {
    /// The module of `entry`.
    pub(crate) module: Ident,
    /// The static that describes the canister.
    pub(crate) config: Ident,
}

/// The exports `canister_init` and so on: those that every canister has, and those that the author's hooks ask for.
pub(crate) fn lifecycle(side: &Side, canister: &Canister) -> TokenStream {
    let Canister { ty, hooks } = canister;
    let Side { module, config } = side;
    let entry = quote!(__canic::entry);

    let init = with_arguments(ty, Hook::Init, hooks.init.as_deref());
    let post_upgrade = with_arguments(ty, Hook::PostUpgrade, hooks.post_upgrade.as_deref());
    let pre_upgrade = match hooks.pre_upgrade {
        true => quote!(#entry::hook_result(<#ty>::pre_upgrade())),
        false => quote!(::core::result::Result::Ok(())),
    };
    let inspect_message = match hooks.inspect_message {
        true => quote!(<#ty>::inspect_message()),
        false => quote!(true),
    };
    let heartbeat = hooks.heartbeat.map(|heartbeat| match heartbeat {
        Heartbeat::Sync => quote!(#entry::heartbeat(<#ty>::heartbeat)),
        Heartbeat::Async => quote!(#entry::heartbeat_async(<#ty>::heartbeat())),
    });
    let on_low_wasm_memory = hooks
        .on_low_wasm_memory
        .then(|| quote!(#entry::on_low_wasm_memory(<#ty>::on_low_wasm_memory)));

    let bodies = [
        (
            Hook::Init,
            Some(quote!(#entry::#module::init(&#config, #init))),
        ),
        (
            Hook::PreUpgrade,
            Some(quote!(#entry::#module::pre_upgrade(&#config, || #pre_upgrade))),
        ),
        (
            Hook::PostUpgrade,
            Some(quote!(#entry::#module::post_upgrade(&#config, #post_upgrade))),
        ),
        (
            Hook::InspectMessage,
            Some(quote!(#entry::#module::inspect_message(&#config, || #inspect_message))),
        ),
        (Hook::Heartbeat, heartbeat),
        (Hook::OnLowWasmMemory, on_low_wasm_memory),
    ];
    bodies
        .into_iter()
        .filter_map(|(hook, body)| body.map(|body| (hook, body)))
        .map(|(hook, body)| {
            let name = format_ident!("canister_{}", hook.name());
            export(&name.to_string(), &name, &body)
        })
        .collect()
}

/// A name that stands at the crate's root wherever it is defined, so that the compiler refuses a second one.
///
/// A macro knows nothing of the crate's other items; without this the linker would complain, and `cargo check` not at all.
pub(crate) fn only_one_in_the_crate() -> TokenStream {
    quote! {
        #[doc(hidden)]
        #[macro_export]
        macro_rules! one_root_or_role_per_crate {
            () => {};
        }
    }
}

/// Lints about what the rules for hooks ask of the author: owned arguments, and a `start` that may have nothing to await.
pub(crate) fn allowed_lints(item: &Item) -> Option<TokenStream> {
    matches!(item, Item::Impl(_))
        .then(|| quote!(#[allow(clippy::needless_pass_by_value, clippy::unused_async)]))
}

/// A closure over the raw argument that calls the hook, or the runtime's answer where there is none.
fn with_arguments(ty: &Type, hook: Hook, types: Option<&[Type]>) -> TokenStream {
    let Some(types) = types else {
        return quote!(__canic::entry::no_argument);
    };
    let function = format_ident!("{}", hook.name());
    let names = names(types.len());
    let site = located_at(types.first());
    quote_spanned! {site=>
        |bytes| __canic::entry::call_hook(bytes, |(#(#names,)*): (#(#types,)*)| <#ty>::#function(#(#names),*))
    }
}

/// The value of `start` in the canister's description.
pub(crate) fn start_hook(canister: &Canister) -> TokenStream {
    let ty = &canister.ty;
    match canister.hooks.start {
        true => quote! {
            ::core::option::Option::Some(|| __canic::entry::start(<#ty>::start()))
        },
        false => quote!(::core::option::Option::None),
    }
}

/// What tells Candid the argument of the install; as to the attribute's path, see `service::candid`.
pub(crate) fn candid_init(crate_path: &CratePath, canister: &Canister) -> Option<TokenStream> {
    let types = canister.hooks.init.as_ref()?;
    Some(quote! {
        #[#crate_path::__private::candid::candid_method(init)]
        fn candid_init(#(_: #types),*) {
            __canic::entry::candid_only()
        }
    })
}

/// An exported function. On the host, whose linkers dislike some characters, another name lets the crate link for its
/// tests.
pub(crate) fn export(symbol: &str, function: &Ident, body: &TokenStream) -> TokenStream {
    let wasm = LitStr::new(symbol, proc_macro2::Span::call_site());
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
