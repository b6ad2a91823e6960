//! The functions by which an author's code names the roles it provisions: `Fleet::worker()`, `Hub::shard()`.
//!
//! A root has one for each `role(..)` in its list, a member one for each `child(..)`.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned;
use syn::{Item, Type};

use crate::crate_path::CratePath;
use crate::diag::Errors;
use crate::hooks::Canister;
use crate::options::{Given, Options};
use crate::signature::located_at;
use crate::values::{RoleName, Text, TypeValue};

/// What a list says about the function, as it is written.
pub(crate) struct HandleArgs {
    pub(crate) name: Option<Given<Text>>,
    lacks_name: bool,
    args: Option<Given<TypeValue>>,
}

/// What the function is made of.
#[derive(Clone)]
pub(crate) struct Handle {
    pub(crate) name: RoleName,
    /// The type of the argument of its `init`, where the author named it.
    args: Option<Type>,
}

impl HandleArgs {
    pub(crate) fn parse(options: &Options, errors: &mut Errors) -> Self {
        Self {
            name: options.one("name", errors),
            lacks_name: options.lack("name"),
            args: options.one("args", errors),
        }
    }

    /// `option` is the list's name, and `site` where it stands.
    pub(crate) fn check(
        &self,
        option: &str,
        site: impl ToTokens,
        errors: &mut Errors,
    ) -> Option<Handle> {
        if self.lacks_name {
            errors.at(
                site,
                format!("a {option} needs a name: `{option}(name = \"worker\")`"),
            );
        }
        let name = RoleName::check(&self.name.as_ref()?.0, errors)?;
        let args = self.args.as_ref().map(|ty| ty.0.clone());
        Some(Handle { name, args })
    }
}

/// No two roles have the same name, nor names that the functions could not tell apart.
pub(crate) fn distinct<'a>(handles: impl Iterator<Item = &'a Handle>, errors: &mut Errors) {
    let mut seen: Vec<&RoleName> = Vec::new();
    for Handle { name, .. } in handles {
        let earlier = seen
            .iter()
            .find(|other| other.function() == name.function())
            .copied();
        seen.push(name);
        let Some(earlier) = earlier else {
            continue;
        };
        if earlier.text() == name.text() {
            errors.conflict(
                (
                    name,
                    format!("the role `{}` is given twice; keep one", name.text()),
                ),
                (earlier, format!("`{}` is first given here", name.text())),
            );
        } else {
            errors.conflict(
                (
                    name,
                    format!(
                        "`{}` and `{}` both become the function `{}()`; rename one",
                        earlier.text(),
                        name.text(),
                        name.function()
                    ),
                ),
                (earlier, "the other one is this"),
            );
        }
    }
}

/// The functions that can be made although something else is wrong, so that calls of them raise no further errors.
pub(crate) fn surviving<'a>(all: impl Iterator<Item = &'a HandleArgs>) -> Vec<Handle> {
    let mut handles: Vec<Handle> = Vec::new();
    for args in all {
        // What is wrong with a name has been reported.
        let Some(handle) = args.check("role", TokenStream::new(), &mut Errors::default()) else {
            continue;
        };
        let function = handle.name.function();
        if handles
            .iter()
            .all(|other| other.name.function() != function)
        {
            handles.push(handle);
        }
    }
    handles
}

/// The functions, on the type that the attribute stands on.
pub(crate) fn functions<'a>(
    crate_path: &CratePath,
    item: &Item,
    handles: impl IntoIterator<Item = &'a Handle>,
) -> Option<TokenStream> {
    let ty = Canister::type_of(item)?;
    let functions: Vec<_> = handles
        .into_iter()
        .map(|handle| function(crate_path, handle))
        .collect();
    (!functions.is_empty()).then(|| {
        quote! {
            impl #ty {
                #(#functions)*
            }
        }
    })
}

fn function(crate_path: &CratePath, handle: &Handle) -> TokenStream {
    let Handle { name, args } = handle;
    // Another function of that name is a mistake about the role.
    let site = Span::call_site().located_at(name.span());
    let mut function = name.function();
    function.set_span(site);
    let doc = format!(" Provisions a member of the role `{}`.", name.text());
    let (ty, new) = match args {
        Some(args) => {
            let bound = located_at(Some(args));
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
        #[doc = #doc]
        pub fn #function() -> #ty {
            #new
        }
    }
}
