//! The exports of a canister's life.

use proc_macro2::TokenStream;
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::{Ident, Item, LitInt, LitStr, Type};

use super::{Canister, Heartbeat, Hook, Written};
use crate::crate_path::CratePath;
use crate::interface;
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

    let init = with_arguments(ty, Hook::Init, hooks.init.as_ref());
    let post_upgrade = with_arguments(ty, Hook::PostUpgrade, hooks.post_upgrade.as_ref());
    let pre_upgrade = match &hooks.pre_upgrade {
        Some(written) => {
            let site = written.output;
            hook_result(written, &quote_spanned!(site=> <#ty>::pre_upgrade()))
        }
        None => quote!(::core::result::Result::Ok(())),
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

/// Refuses a crate that does not export its Candid interface, which nobody could call then.
///
/// What stands at the root of the author's crate hides a constant of the runtime.
pub(crate) fn candid_is_exported() -> TokenStream {
    quote! {
        use __canic::CANDID_IS_EXPORTED;
        const _: bool = CANDID_IS_EXPORTED;
        const _: () = {
            use crate::*;
            ::core::assert!(
                CANDID_IS_EXPORTED,
                "no Candid interface: write `canic::export_candid!();` at the end of the crate's root file"
            );
        };
    }
}

/// Lints about what the rules for hooks ask of the author: owned arguments, and a `start` that may have nothing to await.
pub(crate) fn allowed_lints(item: &Item) -> Option<TokenStream> {
    matches!(item, Item::Impl(_))
        .then(|| quote!(#[allow(clippy::needless_pass_by_value, clippy::unused_async)]))
}

/// A closure over the raw argument that calls the hook, or the runtime's answer where there is none.
fn with_arguments(ty: &Type, hook: Hook, written: Option<&Written>) -> TokenStream {
    let Some(written) = written else {
        return quote!(__canic::entry::no_argument);
    };
    let types = &written.types;
    let site = written.output;
    let function = format_ident!("{}", hook.name(), span = site);
    let names = names(types.len());
    let result = hook_result(
        written,
        &quote_spanned!(site=> <#ty>::#function(#(#names),*)),
    );
    let site = located_at(types.first());
    quote_spanned! {site=>
        |bytes| __canic::entry::call_hook(bytes, |(#(#names,)*): (#(#types,)*)| #result)
    }
}

/// What a hook returned, as the runtime wants it.
fn hook_result(written: &Written, call: &TokenStream) -> TokenStream {
    quote_spanned!(written.output=> __canic::entry::hook_result(#call))
}

/// The value of `start` in the canister's description.
pub(crate) fn start_hook(canister: &Canister) -> TokenStream {
    let Some(written) = &canister.hooks.start else {
        return quote!(::core::option::Option::None);
    };
    let ty = &canister.ty;
    let site = written.output;
    let result = hook_result(written, &quote_spanned!(site=> <#ty>::start().await));
    quote! {
        ::core::option::Option::Some(|| {
            __canic::entry::start(|| ::std::boxed::Box::pin(async { #result }))
        })
    }
}

/// GiB to which the canister's stable memory can grow.
pub(crate) fn max_stable_gib(given: Option<u16>) -> TokenStream {
    match given {
        Some(gib) => {
            LitInt::new(&gib.to_string(), proc_macro2::Span::call_site()).into_token_stream()
        }
        None => quote!(__canic::DEFAULT_STABLE_GIB),
    }
}

/// What tells Candid the argument of the install.
pub(crate) fn candid_init(crate_path: &CratePath, canister: &Canister) -> Option<TokenStream> {
    let types = &canister.hooks.init.as_ref()?.types;
    let id = interface::id(&quote!(init));
    let (arguments, _) = interface::numbered(types, &[]);
    Some(quote! {
        #crate_path::__private::describe! { #id init (#arguments) }
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
