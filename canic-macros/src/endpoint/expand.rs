//! The expansion of a checked endpoint.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::{Attribute, ItemFn, ReturnType, Type, parse_quote};

use super::model::{Allow, Decode, Endpoint, Reply};
use crate::{
    export::{Mode, export, unique},
    interface,
    signature::{names, output_site, type_site},
};

pub(super) fn endpoint(endpoint: &Endpoint<'_>) -> TokenStream {
    let Endpoint {
        crate_path,
        function,
        mode,
        name,
        allow,
        guards,
        ..
    } = endpoint;
    let conditions = attributes(function, "cfg");
    let unique = unique(name, function.sig.ident.span());
    let allow = allow.iter().map(self::allow);
    // Authors' functions are called beside these names, so no path of an author's may use them.
    let export = export(
        &mode.symbol(name),
        &format_ident!("__endpoint"),
        &body(endpoint),
    );
    let list = endpoint
        .is_inspected()
        .then(|| quote!(__canic::list! { __ENDPOINT }));
    let candid = (!endpoint.hidden).then(|| candid(endpoint));
    quote! {
        // Arguments are owned because they are decoded: the author cannot fix the lint.
        #[allow(clippy::needless_pass_by_value)]
        #function
        #(#conditions)*
        #unique
        #(#conditions)*
        const _: () = {
            use #crate_path::__private as __canic;

            static __ENDPOINT: __canic::Endpoint =
                __canic::Endpoint::new(#name, &[#(#allow),*], &[#(#guards),*]);
            #list
            #export
            #candid
        };
    }
}

fn allow(allow: &Allow) -> TokenStream {
    match allow {
        Allow::Anyone => quote!(__canic::Allow::Anyone),
        Allow::Controller => quote!(__canic::Allow::Controller),
        Allow::Root => quote!(__canic::Allow::Root),
        Allow::Parent => quote!(__canic::Allow::Parent),
        Allow::Child => quote!(__canic::Allow::Child),
        Allow::Member => quote!(__canic::Allow::Member),
        Allow::Role(name) => quote!(__canic::Allow::Role(#name)),
        Allow::Guard(path) => quote!(__canic::Allow::Guard(#path)),
    }
}

/// The call of the runtime, with closures that decode, call and reply.
fn body(endpoint: &Endpoint<'_>) -> TokenStream {
    let types = &endpoint.arguments;
    let names = names(types.len());
    let decode = decode(endpoint);
    let is_async = endpoint.function.sig.asyncness.is_some();
    let site = output_site(&endpoint.function.sig);
    let function = &endpoint.function.sig.ident;
    let call = match is_async {
        true => quote_spanned!(site=> #function(#(#names),*).await),
        false => quote_spanned!(site=> #function(#(#names),*)),
    };
    let reply = reply(&endpoint.reply, &call, site);
    let run = match is_async {
        true => quote!(async move { #reply }),
        false => reply,
    };
    let run_with = match (endpoint.mode, is_async) {
        (Mode::Update, false) => quote!(update),
        (Mode::Update, true) => quote!(update_async),
        (Mode::Query | Mode::CompositeQuery, false) => quote!(query),
        (Mode::Query | Mode::CompositeQuery, true) => quote!(query_async),
    };
    quote! {
        __canic::entry::#run_with(&__ENDPOINT, #decode, |(#(#names,)*): (#(#types,)*)| #run)
    }
}

/// The function that decodes the argument, with the rules of ic-cdk.
///
/// A function without arguments decodes none. A `decode_with` function returns a single argument
/// itself, and several as a tuple.
fn decode(endpoint: &Endpoint<'_>) -> TokenStream {
    let site = type_site(endpoint.arguments.first());
    match (&endpoint.decode, endpoint.arguments.len()) {
        (Decode::Candid | Decode::CandidWithin(_), 0) => quote!(__canic::entry::no_argument),
        (Decode::Candid, _) => {
            quote_spanned!(site=> |argument| __canic::entry::candid_args(argument))
        }
        (Decode::CandidWithin(units), _) => {
            quote_spanned!(site=> |argument| __canic::entry::candid_args_within(#units, argument))
        }
        (Decode::With(path), 1) => {
            quote!(|argument| ::core::result::Result::Ok((#path(argument.bytes()),)))
        }
        (Decode::With(path), _) => {
            quote!(|argument| ::core::result::Result::Ok(#path(argument.bytes())))
        }
    }
}

fn reply(reply: &Reply, call: &TokenStream, site: Span) -> TokenStream {
    match reply {
        Reply::Values => quote_spanned!(site=> __canic::entry::reply(#call)),
        Reply::Value => quote_spanned!(site=> __canic::entry::reply((#call,))),
        Reply::Result => quote_spanned!(site=> __canic::entry::reply_result(#call)),
        Reply::Manual => quote_spanned!(site=> __canic::entry::reply_manually(#call)),
        Reply::Encoded {
            path,
            takes_value: true,
        } => quote!(__canic::entry::reply_bytes(#path(#call))),
        Reply::Encoded {
            path,
            takes_value: false,
        } => quote!({
            #call;
            __canic::entry::reply_bytes(#path())
        }),
    }
}

/// The declaration of the endpoint for Candid.
fn candid(endpoint: &Endpoint<'_>) -> TokenStream {
    let Endpoint {
        crate_path,
        function,
        name,
        ..
    } = endpoint;
    let bytes: Type = parse_quote!(::std::vec::Vec<u8>);
    let arguments = match endpoint.decode {
        Decode::With(_) => vec![bytes.clone()],
        Decode::Candid | Decode::CandidWithin(_) => endpoint.arguments.clone(),
    };
    let replies = match (&endpoint.reply, &function.sig.output) {
        (Reply::Encoded { .. }, _) => vec![bytes],
        (_, ReturnType::Default) => Vec::new(),
        (_, ReturnType::Type(_, ty)) => match &**ty {
            Type::Tuple(tuple) => tuple.elems.iter().cloned().collect(),
            ty => vec![ty.clone()],
        },
    };
    let docs = attributes(function, "doc");
    let mode = format_ident!("{}", endpoint.mode.name());
    let id = interface::id(&quote!(#name #function));
    let (arguments, replies) = interface::numbered_types(&arguments, &replies);
    quote! {
        #crate_path::__private::describe! {
            #(#docs)*
            #id #mode #name (#arguments) -> (#replies)
        }
    }
}

fn attributes<'a>(function: &'a ItemFn, name: &str) -> Vec<&'a Attribute> {
    function
        .attrs
        .iter()
        .filter(|attribute| attribute.path().is_ident(name))
        .collect()
}
