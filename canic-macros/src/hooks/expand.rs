//! Generated code that a root and a member have in common: lifecycle exports, and checks per crate.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, format_ident, quote, quote_spanned};
use syn::{Item, LitInt, Type};

use super::{
    item::Canister,
    model::{Heartbeat, Hook, HookSignature, Hooks},
};
use crate::{
    canister_kind::CanisterKind,
    crate_path::CratePath,
    export::export,
    interface,
    signature::{names, type_site},
};

/// The lifecycle exports, `canister_init` and so on.
///
/// Every canister has some of them; the others are generated if the author wrote the hook.
pub(crate) fn lifecycle(kind: CanisterKind, canister: &Canister) -> TokenStream {
    let Canister { ty, hooks } = canister;
    let (module, config) = (kind.module(), kind.description());
    let entry = quote!(__canic::entry);

    let init = with_arguments(ty, Hook::Init, hooks.init.as_ref());
    let post_upgrade = with_arguments(ty, Hook::PostUpgrade, hooks.post_upgrade.as_ref());
    let pre_upgrade = match &hooks.pre_upgrade {
        Some(signature) => {
            let site = signature.output;
            hook_result(signature, &quote_spanned!(site=> <#ty>::pre_upgrade()))
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

/// A macro whose name is unique in the crate, so that the compiler refuses a second root or role.
///
/// An attribute sees none of the crate's other items. Without this macro only the linker would
/// report the conflict, and `cargo check` would pass. The compiler's message has the name alone, so
/// the name says the rule.
pub(crate) fn unique_root_or_role() -> TokenStream {
    quote! {
        #[doc(hidden)]
        #[macro_export]
        macro_rules! one_root_or_role_attribute_per_crate_and_all_hooks_in_its_impl_block {
            () => {};
        }
    }
}

/// Refuses functions that ic-cdk's macros export under a name that this canister exports itself.
///
/// The functions are found by the names that those macros give them.
pub(crate) fn foreign_exports(
    crate_path: &CratePath,
    canister: &Canister,
    http: bool,
) -> TokenStream {
    let hooks = exported_hooks(&canister.hooks).map(|hook| {
        let name = hook.name();
        let message = format!(
            "`canister_{name}` is exported twice; remove `#[ic_cdk::{name}]`: \
             this attribute exports it, and runs `fn {name}` of its `impl` block"
        );
        (name, message)
    });
    let http = http.then(|| {
        let message = "`http_request` is exported twice; \
            remove the endpoint of ic-cdk, or `http` from this attribute";
        ("http_request", message.to_owned())
    });
    let exports = hooks.chain(http).map(|(name, message)| {
        let function = format_ident!("__canister_method_{name}");
        quote!(#function: #message;)
    });
    quote!(#crate_path::__private::refuse! { #(#exports)* })
}

/// The hooks whose exports are generated: some always, others if the author wrote them.
fn exported_hooks(hooks: &Hooks) -> impl Iterator<Item = Hook> {
    let written = [
        (Hook::Heartbeat, hooks.heartbeat.is_some()),
        (Hook::OnLowWasmMemory, hooks.on_low_wasm_memory),
    ];
    let written = written.into_iter().filter(|(_, written)| *written);
    let always = Hook::EXPORTED_ALWAYS.into_iter();
    always.chain(written.map(|(hook, _)| hook))
}

/// Checks that the crate exports its Candid interface, without which no tool can call the canister,
/// and that it does so below this item.
///
/// `export_candid!` defines a module at the root of the author's crate, which hides the runtime's
/// module of the same name.
pub(crate) fn candid_export_check() -> TokenStream {
    const MISSING: &str = "no Candid interface: \
        write `canic::export_candid!();` at the end of the crate's root file";
    let author_crate = quote!(crate);
    quote! {
        const _: bool = {
            use __canic::{export_candid_stands_below_all_endpoints, one_export_candid_per_crate};

            export_candid_stands_below_all_endpoints! {}
            const _: () = {
                use #author_crate::*;
                ::core::assert!(
                    one_export_candid_per_crate::IS_EXPORTED,
                    #MISSING
                );
            };
            one_export_candid_per_crate::IS_EXPORTED
        };
    }
}

/// Lints that the rules for hooks make an author violate.
///
/// Arguments are owned, and `start` is `async` even if it awaits nothing.
pub(crate) fn allowed_lints(item: &Item) -> Option<TokenStream> {
    matches!(item, Item::Impl(_))
        .then(|| quote!(#[allow(clippy::needless_pass_by_value, clippy::unused_async)]))
}

/// A closure over the raw argument that calls the hook; a function of the runtime if there is none.
fn with_arguments(ty: &Type, hook: Hook, signature: Option<&HookSignature>) -> TokenStream {
    let Some(signature) = signature else {
        return quote!(__canic::entry::no_argument);
    };
    let types = &signature.types;
    let site = signature.output;
    let function = format_ident!("{}", hook.name(), span = site);
    let names = names(types.len());
    let result = hook_result(
        signature,
        &quote_spanned!(site=> <#ty>::#function(#(#names),*)),
    );
    let site = type_site(types.first());
    quote_spanned! {site=>
        |bytes| __canic::entry::call_hook(bytes, |(#(#names,)*): (#(#types,)*)| #result)
    }
}

/// The return value of a hook, in the form that the runtime expects.
fn hook_result(signature: &HookSignature, call: &TokenStream) -> TokenStream {
    quote_spanned!(signature.output=> __canic::entry::hook_result(#call))
}

/// The value of `start` in the canister's description.
pub(crate) fn start_hook(canister: &Canister) -> TokenStream {
    let Some(signature) = &canister.hooks.start else {
        return quote!(::core::option::Option::None);
    };
    let ty = &canister.ty;
    let site = signature.output;
    let result = hook_result(signature, &quote_spanned!(site=> <#ty>::start().await));
    quote! {
        ::core::option::Option::Some(|| {
            __canic::entry::start(|| ::std::boxed::Box::pin(async { #result }))
        })
    }
}

/// The limit of the canister's stable memory, in GiB.
pub(crate) fn max_stable_gib(limit: Option<u16>) -> TokenStream {
    match limit {
        Some(gib) => LitInt::new(&gib.to_string(), Span::call_site()).into_token_stream(),
        None => quote!(__canic::DEFAULT_STABLE_GIB),
    }
}

/// The declaration of the install's argument for Candid.
pub(crate) fn candid_init(crate_path: &CratePath, canister: &Canister) -> Option<TokenStream> {
    let types = &canister.hooks.init.as_ref()?.types;
    let id = interface::id(&quote!(init));
    let (arguments, _) = interface::numbered_types(types, &[]);
    Some(quote! {
        #crate_path::__private::describe! { #id init (#arguments) }
    })
}
