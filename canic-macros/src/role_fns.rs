//! Role functions, with which an author's code provisions: `Fleet::worker()`, `Hub::shard()`.
//!
//! A root has one for each `role(..)` in its option list, a member one for each `child(..)`.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::{Item, Type, spanned::Spanned as _};

use crate::{
    crate_path::CratePath,
    diag::Errors,
    hooks::Canister,
    options::{Options, Spanned},
    signature::{self, type_site},
    values::{RoleName, Text, TypeValue},
};

/// The options of a role function, as they are written.
pub(crate) struct RoleFnArgs {
    pub(crate) name: Option<Spanned<Text>>,
    name_is_missing: bool,
    args: Option<Spanned<TypeValue>>,
}

/// A role function whose options have been checked.
#[derive(Clone)]
pub(crate) struct RoleFn {
    pub(crate) name: RoleName,
    /// The type of the role's `init` argument, if the author named it.
    pub(crate) args: Option<Type>,
}

impl RoleFnArgs {
    pub(crate) fn parse(options: &Options, errors: &mut Errors) -> Self {
        Self {
            name: options.single("name", errors),
            name_is_missing: options.is_missing("name"),
            args: options.single("args", errors),
        }
    }

    /// `option` is the name of the list, and `site` its position.
    pub(crate) fn check(
        &self,
        option: &str,
        site: impl ToTokens,
        errors: &mut Errors,
    ) -> Option<RoleFn> {
        if self.name_is_missing {
            errors.report(
                site,
                format!("a {option} needs a name: `{option}(name = \"worker\")`"),
            );
        }
        let name = RoleName::check(&self.name.as_ref()?.0, errors)?;
        let args = self.args.as_ref().map(|ty| ty.0.clone());
        let args = args.filter(|ty| signature::owned_argument(ty, errors));
        Some(RoleFn { name, args })
    }
}

/// No two roles have the same name, nor names that would become the same function.
pub(crate) fn distinct<'a>(role_fns: impl Iterator<Item = &'a RoleFn>, errors: &mut Errors) {
    let mut seen: Vec<&RoleName> = Vec::new();
    for RoleFn { name, .. } in role_fns {
        let earlier = seen
            .iter()
            .find(|other| other.function() == name.function())
            .copied();
        seen.push(name);
        let Some(earlier) = earlier else {
            continue;
        };
        if earlier.text() == name.text() {
            errors.report_conflict(
                (
                    name,
                    format!("the role `{}` is given twice; keep one", name.text()),
                ),
                (earlier, format!("`{}` is first given here", name.text())),
            );
        } else {
            errors.report_conflict(
                (
                    name,
                    format!(
                        "`{}` and `{}` both become the function `{}()`; rename one",
                        earlier.text(),
                        name.text(),
                        name.function()
                    ),
                ),
                (earlier, format!("`{}` is first given here", earlier.text())),
            );
        }
    }
}

/// The functions that can be generated beside errors, so that calls of them raise no further ones.
pub(crate) fn fallback<'a>(all: impl Iterator<Item = &'a RoleFnArgs>) -> Vec<RoleFn> {
    let mut role_fns: Vec<RoleFn> = Vec::new();
    for args in all {
        // The check has reported the errors of a name already.
        let Some(role_fn) = args.check("role", TokenStream::new(), &mut Errors::default()) else {
            continue;
        };
        let function = role_fn.name.function();
        if role_fns
            .iter()
            .all(|other| other.name.function() != function)
        {
            role_fns.push(role_fn);
        }
    }
    role_fns
}

/// The role functions, as an `impl` block of the author's type.
pub(crate) fn functions<'a>(
    crate_path: &CratePath,
    item: &Item,
    role_fns: impl IntoIterator<Item = &'a RoleFn>,
) -> Option<TokenStream> {
    functions_of(&Canister::type_of(item)?, crate_path, role_fns)
}

/// The role functions beside an item that is not finished yet: an editor then still knows them
/// while the author writes a hook.
pub(crate) fn beside_unfinished<'a>(
    crate_path: &CratePath,
    item: TokenStream,
    role_fns: impl IntoIterator<Item = &'a RoleFn>,
) -> Option<TokenStream> {
    functions_of(&Canister::type_of_unfinished(item)?, crate_path, role_fns)
}

fn functions_of<'a>(
    ty: &Type,
    crate_path: &CratePath,
    role_fns: impl IntoIterator<Item = &'a RoleFn>,
) -> Option<TokenStream> {
    let functions: Vec<_> = role_fns
        .into_iter()
        .map(|role_fn| function(ty, crate_path, role_fn))
        .collect();
    (!functions.is_empty()).then(|| {
        quote! {
            impl #ty {
                #(#functions)*
            }
        }
    })
}

fn function(canister: &Type, crate_path: &CratePath, role_fn: &RoleFn) -> TokenStream {
    let RoleFn { name, args } = role_fn;
    // With the span of the name, the error about another function of that name points at the role.
    let site = Span::call_site().located_at(name.span());
    let mut function = name.function();
    function.set_span(site);
    let docs = docs(canister, role_fn);
    let (ty, new) = match args {
        Some(args) => {
            let bound = type_site(Some(args));
            let located = crate_path.located_at(bound);
            (
                quote_spanned!(site=> #crate_path::fleet::ProvisionRole<#args>),
                quote_spanned!(bound=> #located::fleet::ProvisionRole::new(#name)),
            )
        }
        None => (
            quote_spanned!(site=> #crate_path::fleet::Provision),
            quote!(#crate_path::fleet::Provision::role(#name)),
        ),
    };
    quote_spanned! {site=>
        #(#[doc = #docs])*
        pub fn #function() -> #ty {
            #new
        }
    }
}

/// What an editor shows of a role function.
fn docs(canister: &Type, RoleFn { name, args }: &RoleFn) -> [String; 6] {
    let canister = canister.to_token_stream().to_string().replace(' ', "");
    let (function, args) = match args {
        Some(_) => (name.function(), ".args(args)"),
        None => (name.function(), ""),
    };
    [
        format!(" Provisions a member of the role `{}`.", name.text()),
        String::new(),
        format!(" `{canister}::{function}().key(\"alice\"){args}.provision().await?.canister`"),
        String::new(),
        " The same key always means the same member; without a key each request makes one more."
            .to_owned(),
        " An error's `retry()` tells whether to ask again.".to_owned(),
    ]
}
