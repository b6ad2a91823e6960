//! What a checked endpoint becomes.

use proc_macro2::{Span, TokenStream};
use quote::{format_ident, quote, quote_spanned};
use syn::{Attribute, ItemFn, ReturnType};

use super::model::{Allow, Endpoint, Reply};
use crate::hooks::export;
use crate::service::{self, Mode};
use crate::signature::{located_at, names};

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
    let allow = allow.iter().map(self::allow);
    // Names that no path of the author's has: his functions are called from among these.
    let export = export(
        &mode.symbol(name),
        &format_ident!("__endpoint"),
        &body(endpoint),
    );
    let candid = (!endpoint.hidden).then(|| candid(endpoint));
    quote! {
        // Arguments are owned because they are decoded: that is not for the author to mend.
        #[allow(clippy::needless_pass_by_value)]
        #function
        #(#conditions)*
        const _: () = {
            use #crate_path::__private as __canic;

            static __ENDPOINT: __canic::Endpoint =
                __canic::Endpoint::new(#name, &[#(#allow),*], &[#(#guards),*]);
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

/// The call of the runtime: how to decode, then how to call and to reply.
fn body(endpoint: &Endpoint<'_>) -> TokenStream {
    let types = &endpoint.arguments;
    let names = names(types.len());
    let decode = decode(endpoint);
    let is_async = endpoint.function.sig.asyncness.is_some();
    let site = match &endpoint.function.sig.output {
        ReturnType::Type(_, ty) => located_at(Some(ty)),
        ReturnType::Default => located_at(None),
    };
    let mut function = endpoint.function.sig.ident.clone();
    function.set_span(site);
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

/// As with ic-cdk, who takes no argument reads none, and a function of the author's decodes one argument as itself,
/// several as a tuple.
fn decode(endpoint: &Endpoint<'_>) -> TokenStream {
    match (&endpoint.decode_with, endpoint.arguments.len()) {
        (None, 0) => quote!(__canic::entry::no_argument),
        (None, _) => {
            let site = located_at(endpoint.arguments.first());
            quote_spanned!(site=> |argument| __canic::entry::candid_args(argument))
        }
        (Some(path), 1) => {
            quote!(|argument| ::core::result::Result::Ok((#path(argument.bytes()),)))
        }
        (Some(path), _) => quote!(|argument| ::core::result::Result::Ok(#path(argument.bytes()))),
    }
}

fn reply(reply: &Reply, call: &TokenStream, site: Span) -> TokenStream {
    match reply {
        Reply::Values => quote_spanned!(site=> __canic::entry::reply(#call)),
        Reply::Value => quote_spanned!(site=> __canic::entry::reply((#call,))),
        Reply::Result => quote_spanned!(site=> __canic::entry::reply_result(#call)),
        Reply::Manual => quote!({
            let _ = #call;
            __canic::entry::reply_manually()
        }),
        Reply::Encoded { path, given: true } => {
            quote!(__canic::entry::reply_bytes(#path(#call)))
        }
        Reply::Encoded { path, given: false } => quote!({
            #call;
            __canic::entry::reply_bytes(#path())
        }),
    }
}

fn candid(endpoint: &Endpoint<'_>) -> TokenStream {
    let bytes = quote!(::std::vec::Vec<u8>);
    let arguments = match endpoint.decode_with {
        Some(_) => vec![quote!(_: #bytes)],
        None => endpoint.arguments.iter().map(|ty| quote!(_: #ty)).collect(),
    };
    let output = &endpoint.function.sig.output;
    let output = match endpoint.reply {
        Reply::Encoded { .. } => quote!(-> #bytes),
        _ => quote!(#output),
    };
    let docs = attributes(endpoint.function, "doc");
    service::candid(
        &endpoint.crate_path,
        endpoint.mode,
        &endpoint.name,
        &format_ident!("__candid"),
        &quote!(#(#docs)*),
        arguments,
        &output,
    )
}

fn attributes<'a>(function: &'a ItemFn, name: &str) -> Vec<&'a Attribute> {
    function
        .attrs
        .iter()
        .filter(|attribute| attribute.path().is_ident(name))
        .collect()
}
