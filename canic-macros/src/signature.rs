//! Rules for the signatures of the functions that exports call: hooks and endpoints.

use proc_macro2::Span;
use quote::{ToTokens, format_ident};
use syn::spanned::Spanned;
use syn::{FnArg, Ident, ReturnType, Signature, Type};

use crate::diag::Errors;

/// The types of the arguments, in order.
pub(crate) fn types(signature: &Signature) -> Vec<Type> {
    let typed = signature.inputs.iter().filter_map(|input| match input {
        FnArg::Typed(argument) => Some((*argument.ty).clone()),
        FnArg::Receiver(_) => None,
    });
    typed.collect()
}

/// Names for `count` arguments that no name of the author's can collide with.
pub(crate) fn names(count: usize) -> Vec<Ident> {
    let hygienic = Span::mixed_site();
    (0..count)
        .map(|index| format_ident!("arg{index}", span = hygienic))
        .collect()
}

/// Where generated code about a type of the author's says it stands, so that an error about the type is shown there.
pub(crate) fn located_at(ty: Option<&Type>) -> Span {
    match ty {
        Some(ty) => Span::call_site().located_at(ty.span()),
        None => Span::call_site(),
    }
}

/// Where an error about what a function returns is shown.
pub(crate) fn output_site(signature: &Signature) -> Span {
    match &signature.output {
        ReturnType::Type(_, ty) => located_at(Some(ty)),
        ReturnType::Default => located_at(None),
    }
}

/// `what` is the kind of function, with its article.
pub(crate) fn receiver(signature: &Signature, what: &str, errors: &mut Errors) {
    if let Some(receiver) = signature.receiver() {
        errors.at(
            receiver,
            format!(
                "{what} has no `self`: a canister's state is not a Rust value that it could be given"
            ),
        );
    }
}

pub(crate) fn generics(signature: &Signature, what: &str, errors: &mut Errors) {
    if !signature.generics.params.is_empty() {
        errors.at(
            &signature.generics,
            format!(
                "{what} has no parameters of type, lifetime or const: its Candid types are fixed"
            ),
        );
    }
}

/// `unsafe`, `extern` and C-style variadics.
pub(crate) fn qualifiers(signature: &Signature, what: &str, errors: &mut Errors) {
    if let Some(keyword) = &signature.unsafety {
        errors.at(
            keyword,
            format!("remove `unsafe`: {what} is called by a message, which can keep no contract"),
        );
    }
    if let Some(abi) = &signature.abi {
        errors.at(abi, format!("remove this: {what} is a plain Rust function"));
    }
}

/// Arguments are decoded from a message, so they own what they hold and have a type that can be named.
pub(crate) fn owned_arguments(signature: &Signature, errors: &mut Errors) {
    for ty in types(signature) {
        match &ty {
            Type::Reference(reference) => errors.at(
                reference,
                "an argument is decoded from a message, so it owns what it holds: \
                 `String` for `&str`, `Vec<T>` for `&[T]`, `T` for `&T`",
            ),
            Type::ImplTrait(bound) => {
                errors.at(bound, "an argument has one type, which Candid can describe");
            }
            other if mentions_self(other) => errors.at(
                other,
                "`Self` has no meaning in the generated export; name the type",
            ),
            _ => {}
        }
    }
}

/// Candid's tuples end there.
const MOST_ARGUMENTS: usize = 16;

pub(crate) fn few_arguments(signature: &Signature, what: &str, errors: &mut Errors) {
    if let Some(first) = signature.inputs.iter().nth(MOST_ARGUMENTS) {
        errors.at(
            first,
            format!("{what} has at most {MOST_ARGUMENTS} arguments; put them into one record"),
        );
    }
}

fn mentions_self(ty: &Type) -> bool {
    fn within(tokens: proc_macro2::TokenStream) -> bool {
        tokens.into_iter().any(|token| match token {
            proc_macro2::TokenTree::Ident(ident) => ident == "Self",
            proc_macro2::TokenTree::Group(group) => within(group.stream()),
            _ => false,
        })
    }
    within(ty.to_token_stream())
}
