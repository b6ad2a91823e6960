//! Rules for endpoints, one function for each.

use proc_macro2::Span;
use quote::ToTokens;
use syn::{Item, ItemFn, PathArguments, ReturnType, Type, ext::IdentExt};

use super::{
    args::{AllowArgs, Caller, EndpointArgs},
    model::{Allow, Decode, Endpoint, Kind, Reply},
};
use crate::{diag::Errors, export::Mode, hooks, signature, source, values::RoleName};

const SUBJECT: &str = "an endpoint";

pub(super) fn endpoint<'a>(
    kind: Kind,
    args: &EndpointArgs,
    item: &'a Item,
    errors: &mut Errors,
) -> Option<Endpoint<'a>> {
    let mode = mode(kind, args, errors);
    let allow = allow(args.allow.as_ref(), errors);
    manual_reply_excludes_encode(args, errors);
    decoding_quota_excludes_decode(args, errors);
    manual_reply_has_type(args, item, errors);
    let name = name(args, item, errors);
    let function = function(kind, item, errors)?;
    outside_of_blocks(function, errors);
    awaiting_query_is_composite(mode, function, errors);
    one_endpoint(function, errors);
    no_copy_of_cdk(function, errors);
    signature::receiver(&function.sig, SUBJECT, errors);
    signature::generics(&function.sig, SUBJECT, errors);
    signature::qualifiers(&function.sig, SUBJECT, errors);
    signature::owned_arguments(&function.sig, errors);
    signature::argument_count(&function.sig, SUBJECT, errors);
    output_is_one_type(function, errors);
    decoding_quota_has_arguments(args, function, errors);
    Some(Endpoint {
        crate_path: args.crate_path.clone(),
        function,
        mode: mode?,
        name: name?,
        hidden: args.hidden.as_ref().is_some_and(|flag| flag.0),
        allow,
        guards: args.guards.iter().map(|path| path.0.clone()).collect(),
        arguments: signature::types(&function.sig),
        decode: decode(args),
        reply: reply(args, &function.sig.output),
    })
}

fn function<'a>(kind: Kind, item: &'a Item, errors: &mut Errors) -> Option<&'a ItemFn> {
    let site = match item {
        Item::Fn(function) => return Some(function),
        Item::Struct(item) => item.struct_token.to_token_stream(),
        Item::Enum(item) => item.enum_token.to_token_stream(),
        Item::Trait(item) => item.trait_token.to_token_stream(),
        Item::Mod(item) => item.mod_token.to_token_stream(),
        Item::Impl(item) => item.impl_token.to_token_stream(),
        other => other.to_token_stream(),
    };
    let attribute = attribute(kind);
    errors.report(
        site,
        format!("`#[canic::{attribute}]` goes on a function: an endpoint is one function"),
    );
    None
}

/// The generated export calls the function by its name, which no associated function has alone.
fn outside_of_blocks(function: &ItemFn, errors: &mut Errors) {
    let name = function.sig.ident.to_string();
    if !source::is_outermost()
        && let Some(file) = source::file()
        && source::is_associated(&file.items, &name, &["update", "query"])
    {
        errors.report_at(
            Span::call_site(),
            "an endpoint is a function of its own; move it out of the `impl` block or trait",
        );
    }
}

/// A second attribute, from canic or ic-cdk, would export the function again.
fn one_endpoint(function: &ItemFn, errors: &mut Errors) {
    for attribute in &function.attrs {
        if hooks::is_export(attribute) {
            errors.report(
                attribute.path(),
                "the function is an endpoint already; keep one of the attributes",
            );
        }
    }
}

/// An attribute of ic-cdk's above has given this one to a copy of the function, too, for Candid.
fn no_copy_of_cdk(function: &ItemFn, errors: &mut Errors) {
    let name = function.sig.ident.to_string();
    if let Some(original) = name.strip_prefix("__candid_method_") {
        errors.report_at(
            Span::call_site(),
            format!(
                "an attribute of ic-cdk's exports `{original}` already; keep one of the attributes"
            ),
        );
    }
}

fn attribute(kind: Kind) -> &'static str {
    match kind {
        Kind::Update => "update",
        Kind::Query => "query",
    }
}

fn mode(kind: Kind, args: &EndpointArgs, errors: &mut Errors) -> Option<Mode> {
    let composite = args.composite.as_ref().filter(|flag| flag.0);
    match (kind, composite) {
        (Kind::Update, None) => Some(Mode::Update),
        (Kind::Query, None) => Some(Mode::Query),
        (Kind::Query, Some(_)) => Some(Mode::CompositeQuery),
        (Kind::Update, Some(composite)) => {
            errors.report(
                composite,
                "an update may call other canisters as it is; remove `composite`, \
                 or make this a `#[canic::query(composite)]`",
            );
            None
        }
    }
}

/// A plain query can't call, so it has nothing to await: the platform would end it with a trap.
fn awaiting_query_is_composite(mode: Option<Mode>, function: &ItemFn, errors: &mut Errors) {
    if let (Some(Mode::Query), Some(keyword)) = (mode, function.sig.asyncness) {
        errors.report(
            keyword,
            "only a composite query may await: write `#[canic::query(composite)]`; \
             a query that changes the fleet is an update",
        );
    }
}

/// The exported name: that of the option, or the function's.
fn name(args: &EndpointArgs, item: &Item, errors: &mut Errors) -> Option<String> {
    let function = match item {
        Item::Fn(function) => &function.sig.ident,
        _ => return None,
    };
    let (name, site) = match &args.name {
        Some(name) => (name.0.value(), name.to_token_stream()),
        None => (function.unraw().to_string(), function.to_token_stream()),
    };
    if name.is_empty() {
        errors.report(
            site,
            "an endpoint needs a name; leave `name` out to call it by the function's",
        );
    } else if name.starts_with("canic_") {
        errors.report(
            site,
            "names that start with `canic_` are kept for the fleet's own endpoints; \
             call it otherwise",
        );
    } else if name.starts_with("<ic-cdk internal>") {
        errors.report(
            site,
            "names that start with `<ic-cdk internal>` are kept for ic-cdk; call it otherwise",
        );
    } else {
        return Some(name);
    }
    None
}

fn allow(args: Option<&AllowArgs>, errors: &mut Errors) -> Vec<Allow> {
    let Some(args) = args else {
        return vec![Allow::Anyone];
    };
    allow_is_not_empty(args, errors);
    anyone_is_alone(args, errors);
    allow_items_are_distinct(args, errors);
    let callers = args.items.iter().filter_map(|item| {
        Some(match &item.caller {
            Caller::Anyone => Allow::Anyone,
            Caller::Controller => Allow::Controller,
            Caller::Root => Allow::Root,
            Caller::Parent => Allow::Parent,
            Caller::Child => Allow::Child,
            Caller::Member => Allow::Member,
            Caller::Role(name) => Allow::Role(allowed_role(name, errors)?),
            Caller::Guard(path) => Allow::Guard(path.clone()),
        })
    });
    callers.collect()
}

fn allow_is_not_empty(args: &AllowArgs, errors: &mut Errors) {
    if args.is_empty {
        errors.report(
            &args.site,
            "nobody could call this endpoint; name who may, such as `allow(controller)`",
        );
    }
}

fn anyone_is_alone(args: &AllowArgs, errors: &mut Errors) {
    let anyone = args
        .items
        .iter()
        .find(|item| matches!(item.caller, Caller::Anyone));
    if let Some(anyone) = anyone.filter(|_| args.items.len() > 1) {
        errors.report(
            &anyone.site,
            "`anyone` allows every caller, so the other items have no effect; \
             keep `anyone` alone, or remove it",
        );
    }
}

fn allow_items_are_distinct(args: &AllowArgs, errors: &mut Errors) {
    for (index, item) in args.items.iter().enumerate() {
        let text = item.text();
        if let Some(earlier) = args.items[..index]
            .iter()
            .find(|other| other.text() == text)
        {
            errors.report_conflict(
                (&item.site, format!("`{text}` is allowed twice; keep one")),
                (&earlier.site, format!("`{text}` is first allowed here")),
            );
        }
    }
}

fn allowed_role(name: &syn::LitStr, errors: &mut Errors) -> Option<RoleName> {
    if name.value() == "root" {
        errors.report(
            name,
            "root is no role; write `allow(root)`, a word without quotes",
        );
        return None;
    }
    RoleName::check(name, errors)
}

fn manual_reply_excludes_encode(args: &EndpointArgs, errors: &mut Errors) {
    if let (Some(manual), Some(encode)) = (&args.manual_reply, &args.encode_with)
        && manual.0
    {
        errors.report_conflict(
            (
                encode,
                "with `manual_reply` the function replies itself, so there is nothing to encode; \
                 keep one",
            ),
            (manual, "`manual_reply` is given here"),
        );
    }
}

fn decoding_quota_excludes_decode(args: &EndpointArgs, errors: &mut Errors) {
    if let (Some(quota), Some(decode)) = (&args.decoding_quota, &args.decode_with) {
        errors.report_conflict(
            (
                quota,
                "with `decode_with` canic decodes nothing, so there is nothing to limit; keep one",
            ),
            (decode, "`decode_with` is given here"),
        );
    }
}

fn decoding_quota_has_arguments(args: &EndpointArgs, function: &ItemFn, errors: &mut Errors) {
    if let Some(quota) = &args.decoding_quota
        && function.sig.inputs.is_empty()
    {
        errors.report(
            quota,
            "the function has no arguments, so nothing is decoded; remove `decoding_quota`",
        );
    }
}

/// A function that replies itself has a return type all the same, for the Candid interface.
fn manual_reply_has_type(args: &EndpointArgs, item: &Item, errors: &mut Errors) {
    if let (Some(manual), Item::Fn(function)) = (&args.manual_reply, item)
        && manual.0
        && matches!(function.sig.output, ReturnType::Default)
    {
        errors.report(
            manual,
            "Candid has to know what will be replied: let the function return `PhantomData<T>`",
        );
    }
}

fn output_is_one_type(function: &ItemFn, errors: &mut Errors) {
    let ReturnType::Type(_, ty) = &function.sig.output else {
        return;
    };
    match &**ty {
        Type::ImplTrait(bound) if bound.to_token_stream().to_string().contains("Future") => errors
            .report(
                bound,
                "an endpoint that awaits is an `async fn` returning the value",
            ),
        Type::ImplTrait(bound) => errors.report(
            bound,
            "an endpoint returns one type, which Candid can describe",
        ),
        _ => {}
    }
}

fn decode(args: &EndpointArgs) -> Decode {
    match (&args.decode_with, &args.decoding_quota) {
        (Some(path), _) => Decode::With(path.0.clone()),
        (None, Some(quota)) => Decode::CandidWithin(quota.0),
        (None, None) => Decode::Candid,
    }
}

fn reply(args: &EndpointArgs, output: &ReturnType) -> Reply {
    let values = match output {
        ReturnType::Default => true,
        ReturnType::Type(_, ty) => matches!(&**ty, Type::Tuple(_)),
    };
    if args.manual_reply.as_ref().is_some_and(|flag| flag.0) {
        Reply::Manual
    } else if let Some(path) = &args.encode_with {
        let path = path.0.clone();
        let takes_value = !is_without_value(output);
        Reply::Encoded { path, takes_value }
    } else if values {
        Reply::Values
    } else if is_result(output) {
        Reply::Result
    } else {
        Reply::Value
    }
}

fn is_without_value(output: &ReturnType) -> bool {
    match output {
        ReturnType::Default => true,
        ReturnType::Type(_, ty) => {
            matches!(&**ty, Type::Tuple(tuple) if tuple.elems.is_empty())
        }
    }
}

/// Whether the return type is written as a `Result` with both of its types.
///
/// An alias with one type is replied as a value.
fn is_result(output: &ReturnType) -> bool {
    let ReturnType::Type(_, ty) = output else {
        return false;
    };
    let Type::Path(path) = &**ty else {
        return false;
    };
    path.path.segments.last().is_some_and(|last| {
        let types = match &last.arguments {
            PathArguments::AngleBracketed(list) => list.args.len(),
            _ => 0,
        };
        last.ident == "Result" && types == 2
    })
}
