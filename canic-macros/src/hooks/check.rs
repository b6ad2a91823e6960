//! Rules for hooks, one function for each.

use proc_macro2::Span;
use quote::ToTokens;
use syn::{
    Attribute, File, GenericArgument, Ident, ImplItem, ImplItemFn, Item, ItemImpl, PathArguments,
    PathSegment, ReturnType, Signature, Type,
};

use super::model::{Health, Heartbeat, Hook, HookSignature, Hooks, Output};
use crate::{
    canister_kind::CanisterKind,
    diag::{Errors, suggestion},
    signature, source,
};

/// The hooks of an `impl` block.
pub(super) fn hooks(block: &ItemImpl, kind: CanisterKind, errors: &mut Errors) -> Hooks {
    let mut found: Vec<(Hook, &Signature)> = Vec::new();
    for item in &block.items {
        let Some(function) = function(item, errors) else {
            continue;
        };
        if reject_attributes(function, errors) {
            continue;
        }
        let Some(hook) = name(&function.sig, errors) else {
            continue;
        };
        of_members(hook, kind, &function.sig, errors);
        defined_once(hook, &function.sig, &found, errors);
        unconditional(function, errors);
        signature::receiver(&function.sig, "a hook", errors);
        signature::generics(&function.sig, "a hook", errors);
        signature::qualifiers(&function.sig, "a hook", errors);
        asynchrony(hook, &function.sig, errors);
        arguments(hook, &function.sig, errors);
        output(hook, &function.sig, errors);
        found.push((hook, &function.sig));
    }
    same_arguments(&found, errors);
    model(&found)
}

/// The model of the hooks that have been checked.
fn model(found: &[(Hook, &Signature)]) -> Hooks {
    let mut hooks = Hooks::default();
    for (hook, signature) in found {
        match hook {
            Hook::Init => hooks.init = Some(hook_signature(signature)),
            Hook::PostUpgrade => hooks.post_upgrade = Some(hook_signature(signature)),
            Hook::PreUpgrade => hooks.pre_upgrade = Some(hook_signature(signature)),
            Hook::Start => hooks.start = Some(hook_signature(signature)),
            Hook::Health => {
                hooks.health = Some(Health {
                    signature: hook_signature(signature),
                    is_async: signature.asyncness.is_some(),
                });
            }
            Hook::InspectMessage => hooks.inspect_message = true,
            Hook::OnLowWasmMemory => hooks.on_low_wasm_memory = true,
            Hook::Heartbeat => {
                hooks.heartbeat = Some(match signature.asyncness {
                    Some(_) => Heartbeat::Async,
                    None => Heartbeat::Sync,
                });
            }
        }
    }
    hooks
}

fn hook_signature(signature: &Signature) -> HookSignature {
    HookSignature {
        types: signature::types(signature),
        output: signature::output_site(signature),
    }
}

fn function<'a>(item: &'a ImplItem, errors: &mut Errors) -> Option<&'a ImplItemFn> {
    match item {
        ImplItem::Fn(function) => Some(function),
        other => {
            errors.report(
                other,
                "this block holds hooks only; move this to another `impl` block",
            );
            None
        }
    }
}

fn name(signature: &Signature, errors: &mut Errors) -> Option<Hook> {
    let name = signature.ident.to_string();
    let hook = Hook::from_name(&name);
    if hook.is_none() {
        errors.report(
            &signature.ident,
            format!(
                "`{name}` is not a hook; {} (a helper belongs in another `impl` block)",
                suggestion(&name, &Hook::ALL.map(Hook::name))
            ),
        );
    }
    hook
}

/// Root asks members for their health, and nobody asks root.
fn of_members(hook: Hook, kind: CanisterKind, signature: &Signature, errors: &mut Errors) {
    if hook == Hook::Health && kind == CanisterKind::Root {
        errors.report(
            &signature.ident,
            "`health` is a hook of members: root asks them after an upgrade, and nobody asks root",
        );
    }
}

fn defined_once(
    hook: Hook,
    signature: &Signature,
    found: &[(Hook, &Signature)],
    errors: &mut Errors,
) {
    if let Some((_, earlier)) = found.iter().find(|(other, _)| *other == hook) {
        let name = hook.name();
        errors.report_conflict(
            (
                &signature.ident,
                format!("a canister has one `{name}`; keep one"),
            ),
            (&earlier.ident, format!("`{name}` is first defined here")),
        );
    }
}

/// A function with a hook's name outside of the attribute's block, which nothing calls, never runs.
pub(super) fn outside_of_block(
    item: &Item,
    ty: &Type,
    kind: CanisterKind,
    file: &File,
    errors: &mut Errors,
) {
    let in_block = |name: &Ident| match item {
        Item::Impl(block) => block.items.iter().any(|item| match item {
            ImplItem::Fn(function) => function.sig.ident == *name,
            _ => false,
        }),
        _ => false,
    };
    let attribute = kind.attribute();
    for function in source::outside(&file.items, ty, attribute) {
        let name = function.name;
        if is_hook_of(kind, name)
            && !in_block(name)
            && !is_marked(function.attributes)
            && source::mentions(file, &name.to_string()) == 1
        {
            errors.report_at(
                Span::call_site(),
                format!(
                    "`fn {name}` never runs, because it stands elsewhere: a hook stands in a \
                     block under this attribute, \
                     `#[canic::{attribute}(..)] impl {ty} {{ fn {name}(..) {{ .. }} }}`; \
                     move it there, or give it another name",
                    ty = ty.to_token_stream()
                ),
            );
        }
    }
}

/// Whether a canister of this kind has a hook of that name.
fn is_hook_of(kind: CanisterKind, name: &Ident) -> bool {
    let hook = Hook::from_name(&name.to_string());
    hook.is_some_and(|hook| hook != Hook::Health || kind == CanisterKind::Member)
}

/// A hook that ic-cdk's attribute makes of a function with another name than the hook's. Functions
/// with its name are found by the expansion.
pub(super) fn not_by_cdk(file: &File, errors: &mut Errors) {
    for function in source::functions(&file.items) {
        let hooks = Hook::EXPORTED_ALWAYS.iter().filter(|hook| {
            function.name != hook.name()
                && function.attributes.iter().any(|it| is_of_cdk(it, **hook))
                && !source::has(function.attributes, &["cfg", "cfg_attr"])
        });
        for hook in hooks {
            let (hook, name) = (hook.name(), function.name);
            errors.report_at(
                Span::call_site(),
                format!(
                    "`canister_{hook}` is exported twice; remove `#[ic_cdk::{hook}]` from \
                     `fn {name}`: this attribute exports it, and runs `fn {hook}` of its \
                     `impl` block"
                ),
            );
        }
    }
}

fn is_of_cdk(attribute: &Attribute, hook: Hook) -> bool {
    let segments = &attribute.path().segments;
    let is_cdk = |first: &PathSegment| segments.len() == 1 || first.ident == "ic_cdk";
    let is_hook = |last: &PathSegment| last.ident == hook.name();
    segments.first().is_some_and(is_cdk) && segments.last().is_some_and(is_hook)
}

/// Whether other macros or conditions decide what becomes of a function.
fn is_marked(attributes: &[Attribute]) -> bool {
    let harmless = [
        "doc", "allow", "expect", "warn", "deny", "inline", "must_use",
    ];
    !attributes
        .iter()
        .all(|attribute| harmless.iter().any(|name| attribute.path().is_ident(name)))
}

/// The export is generated outside the block, so the condition would not apply to it.
fn unconditional(function: &ImplItemFn, errors: &mut Errors) {
    for attribute in &function.attrs {
        if attribute.path().is_ident("cfg") {
            errors.report(
                attribute,
                "a hook cannot be conditional; put the condition inside it",
            );
        }
    }
}

/// Rejects attributes that belong elsewhere; true if one of them makes the function an endpoint.
fn reject_attributes(function: &ImplItemFn, errors: &mut Errors) -> bool {
    let mut is_endpoint = false;
    for attribute in &function.attrs {
        match export_attribute(attribute) {
            Some(ExportAttribute::Endpoint) => {
                is_endpoint = true;
                errors.report(
                    attribute.path(),
                    "an endpoint is a function of its own; move it out of the `impl` block",
                );
            }
            Some(ExportAttribute::Lifecycle) => errors.report(
                attribute.path(),
                "the function's name makes it a hook already; remove this attribute",
            ),
            None => {}
        }
    }
    is_endpoint
}

/// An attribute that generates an export; inside the block only the block's attribute may do so.
pub(super) enum ExportAttribute {
    Endpoint,
    Lifecycle,
}

/// Whether an attribute exports the function below it. `start` alone is exported by no attribute.
pub(crate) fn is_export(attribute: &Attribute) -> bool {
    export_attribute(attribute).is_some() && !attribute.path().is_ident(Hook::Start.name())
}

pub(super) fn export_attribute(attribute: &Attribute) -> Option<ExportAttribute> {
    let name = attribute.path().segments.last()?.ident.to_string();
    match name.as_str() {
        "update" | "query" => Some(ExportAttribute::Endpoint),
        other => Hook::from_name(other).map(|_| ExportAttribute::Lifecycle),
    }
}

fn asynchrony(hook: Hook, signature: &Signature, errors: &mut Errors) {
    let name = hook.name();
    match (hook.is_async(), &signature.asyncness) {
        (Some(false), Some(keyword)) => errors.report(
            keyword,
            format!("`{name}` cannot await: {}", hook.instead_of_await()),
        ),
        (Some(true), None) => errors.report(
            signature.fn_token,
            format!("`{name}` is asynchronous: `async fn {name}()`"),
        ),
        _ => {}
    }
}

fn arguments(hook: Hook, signature: &Signature, errors: &mut Errors) {
    if hook.takes_arguments() {
        signature::owned_arguments(signature, errors);
        signature::argument_count(signature, "a hook", errors);
    } else if signature.receiver().is_none() && !signature.inputs.is_empty() {
        errors.report(
            &signature.inputs,
            format!(
                "`{}` takes no arguments; only `init` and `post_upgrade` are given any",
                hook.name()
            ),
        );
    }
}

fn output(hook: Hook, signature: &Signature, errors: &mut Errors) {
    let ReturnType::Type(_, ty) = &signature.output else {
        let name = hook.name();
        let missing = match hook.output() {
            Output::Nothing | Output::NothingOrResult => return,
            Output::Result => format!(
                "`{name}` says whether this code is fit to serve: \
                 `fn {name}() -> Result<(), String>`"
            ),
            Output::Bool => {
                format!("`{name}` says whether to take the message: `fn {name}() -> bool`")
            }
        };
        errors.report(&signature.ident, missing);
        return;
    };
    let (fits, expected) = match hook.output() {
        Output::Nothing => (is_unit(ty), "nothing: its message has no caller"),
        Output::NothingOrResult => (
            is_unit(ty) || is_result_of_unit(ty),
            "nothing, or `Result<(), E>`",
        ),
        Output::Result => (
            is_result_of_unit(ty),
            "`Result<(), E>`: an error says why this code is not fit to serve",
        ),
        Output::Bool => (
            is_bool(ty),
            "`bool`: whether the canister takes the message",
        ),
    };
    if !fits {
        errors.report(ty, format!("`{}` returns {expected}", hook.name()));
    }
}

/// `init` and `post_upgrade` receive the same argument, so their types agree if both declare it.
fn same_arguments(found: &[(Hook, &Signature)], errors: &mut Errors) {
    let of = |hook| {
        found
            .iter()
            .find(|(other, _)| *other == hook)
            .map(|(_, signature)| *signature)
    };
    let (Some(init), Some(upgrade)) = (of(Hook::Init), of(Hook::PostUpgrade)) else {
        return;
    };
    if init.inputs.is_empty() || upgrade.inputs.is_empty() {
        return;
    }
    if signature::types(init) != signature::types(upgrade) {
        errors.report_conflict(
            (
                &upgrade.inputs,
                "`post_upgrade` receives the argument of `init`: take the same types, or none",
            ),
            (&init.inputs, "`init` takes these types"),
        );
    }
}

fn is_unit(ty: &Type) -> bool {
    matches!(ty, Type::Tuple(tuple) if tuple.elems.is_empty())
}

fn is_bool(ty: &Type) -> bool {
    ty.to_token_stream().to_string() == "bool"
}

/// Whether a type is a path that ends in `Result`, with `()` as its first parameter if it has any.
fn is_result_of_unit(ty: &Type) -> bool {
    let Type::Path(path) = ty else { return false };
    let Some(last) = path.path.segments.last() else {
        return false;
    };
    let value_is_unit = match &last.arguments {
        PathArguments::AngleBracketed(list) => match list.args.first() {
            Some(GenericArgument::Type(value)) => is_unit(value),
            _ => false,
        },
        _ => true,
    };
    last.ident == "Result" && value_is_unit
}
