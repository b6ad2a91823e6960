//! Signatures of the functions that exports call, hooks and endpoints, and rules for them.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::{ToTokens, format_ident};
use syn::{FnArg, Ident, ReturnType, Signature, Type, spanned::Spanned};

use crate::diag::Errors;

/// The types of the arguments, in order.
pub(crate) fn types(signature: &Signature) -> Vec<Type> {
    let typed = signature.inputs.iter().filter_map(|input| match input {
        FnArg::Typed(argument) => Some((*argument.ty).clone()),
        FnArg::Receiver(_) => None,
    });
    typed.collect()
}

/// Names for `count` arguments, which cannot collide with the author's names.
pub(crate) fn names(count: usize) -> Vec<Ident> {
    let hygienic = Span::mixed_site();
    (0..count)
        .map(|index| format_ident!("arg{index}", span = hygienic))
        .collect()
}

/// The span for generated code about a type of the author's: the compiler shows its errors there.
pub(crate) fn type_site(ty: Option<&Type>) -> Span {
    match ty {
        Some(ty) => Span::call_site().located_at(ty.span()),
        None => Span::call_site(),
    }
}

/// The span at which the compiler shows an error about a function's return value.
pub(crate) fn output_site(signature: &Signature) -> Span {
    match &signature.output {
        ReturnType::Type(_, ty) => type_site(Some(ty)),
        ReturnType::Default => type_site(None),
    }
}

/// Where a canister's state lives, for authors who look for it in `self` or in a field.
pub(crate) const STATE_LIVES: &str = "its state lives in \
    `thread_local! { static STATE: std::cell::RefCell<State> = Default::default(); }`, \
    and what outlives an upgrade in one of `canic::stable_structures` on `canic::memory(0)`";

/// `subject` is the kind of function, with its article.
pub(crate) fn receiver(signature: &Signature, subject: &str, errors: &mut Errors) {
    if let Some(receiver) = signature.receiver() {
        errors.report(
            receiver,
            format!(
                "{subject} has no `self`: a canister is no Rust value that it could be given; \
                 {STATE_LIVES}"
            ),
        );
    }
}

pub(crate) fn generics(signature: &Signature, subject: &str, errors: &mut Errors) {
    if !signature.generics.params.is_empty() {
        errors.report(
            &signature.generics,
            format!(
                "{subject} has no parameters of type, lifetime or const: its Candid types are fixed"
            ),
        );
    }
}

/// `unsafe`, `extern` and C-style variadics.
pub(crate) fn qualifiers(signature: &Signature, subject: &str, errors: &mut Errors) {
    if let Some(keyword) = &signature.unsafety {
        errors.report(
            keyword,
            format!(
                "remove `unsafe`: {subject} is called by a message, which can keep no contract"
            ),
        );
    }
    if let Some(abi) = &signature.abi {
        errors.report(
            abi,
            format!("remove this: {subject} is a plain Rust function"),
        );
    }
}

/// Arguments are decoded from a message, so they own their content and have a type with a name.
pub(crate) fn owned_arguments(signature: &Signature, errors: &mut Errors) {
    for ty in types(signature) {
        owned_argument(&ty, errors);
    }
}

/// The rule for one argument: of the function, or of the `init` of a role.
pub(crate) fn owned_argument(ty: &Type, errors: &mut Errors) -> bool {
    let is_borrowed = |token: &TokenTree| match token {
        TokenTree::Punct(mark) => mark.as_char() == '&',
        _ => false,
    };
    let is_self = |token: &TokenTree| matches!(token, TokenTree::Ident(word) if word == "Self");
    let error = match ty {
        Type::Group(group) => return owned_argument(&group.elem, errors),
        Type::ImplTrait(_) | Type::TraitObject(_) | Type::Infer(_) | Type::Ptr(_) => {
            "an argument has one type, which Candid can describe"
        }
        other if has_token(other, &is_borrowed) => {
            "an argument is decoded from a message, so it owns what it holds: \
             `String` for `&str`, `Vec<T>` for `&[T]`, `T` for `&T`"
        }
        other if has_token(other, &is_self) => {
            "`Self` has no meaning in the generated export; name the type"
        }
        _ => return true,
    };
    errors.report(ty, error);
    false
}

/// Candid implements its traits for tuples of up to this many values.
const MAX_ARGUMENTS: usize = 16;

pub(crate) fn argument_count(signature: &Signature, subject: &str, errors: &mut Errors) {
    if let Some(first) = signature.inputs.iter().nth(MAX_ARGUMENTS) {
        errors.report(
            first,
            format!("{subject} has at most {MAX_ARGUMENTS} arguments; put them into one record"),
        );
    }
}

fn has_token(ty: &Type, wanted: &dyn Fn(&TokenTree) -> bool) -> bool {
    fn within(tokens: TokenStream, wanted: &dyn Fn(&TokenTree) -> bool) -> bool {
        tokens.into_iter().any(|token| match &token {
            TokenTree::Group(group) => within(group.stream(), wanted),
            other => wanted(other),
        })
    }
    within(ty.to_token_stream(), wanted)
}
